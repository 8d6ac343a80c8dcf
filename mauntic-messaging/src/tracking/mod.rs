//! Opens, clicks and unsubscribes: every request is kept, with a verdict whether a person or a
//! program made it.
//!
//! A request is judged by itself when it comes ([`judge`]), stored durably in groups
//! ([`HitCommitter`]), and counted a few seconds later by the [`Projector`], which also sees how soon
//! after the hand-over it came and what else came with it.

mod committer;
mod hit;
mod people;
mod ports;
mod projection;
mod projector;
mod report;
mod service;
mod summary;
mod unsubscribe;
mod verdict;

pub use committer::HitCommitter;
pub use hit::{Hit, HitContext, HitKind, network_of, stored_agent};
pub use people::{AtDomain, Behind, DomainReport, Person, UnknownNumber};
pub use ports::{
    Addressee, EarlierClick, EmailCount, Engaged, Firsts, FollowedLink, LinkCount, Metric, Settled,
    TrackingQueries, TrackingRepository,
};
pub use projection::{Projection, project};
pub use projector::Projector;
pub use report::{
    DayActivity, EmailReport, LinkReport, Split, TimelineCursor, TimelineEntry, TimelineEvent,
};
pub use service::{ClickTarget, TrackingParts, TrackingService, WebView};
pub use summary::{
    EmailSummary, InvalidSummaryCursor, SummaryCursor, SummaryListing, SummarySort,
    UnknownSummarySort,
};
pub use unsubscribe::UnsubscribePage;
pub use verdict::{Reason, VerdictRules, bursts, is_early, judge};
