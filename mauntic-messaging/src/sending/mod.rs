//! Sends: one email to one segment, with a ledger row for every recipient.
//!
//! A [`SendJob`] is planned (its audience is written to the ledger), then its [`Delivery`] rows are
//! leased by workers, rendered, and handed over. Before a message touches the network its row says
//! so (the *intent*); afterwards the row gets its outcome. What a crash leaves between the two is
//! [`Unknown`](DeliveryState::Unknown): visible, and never sent again by itself.

mod counts;
mod delivery;
mod engine;
mod job;
mod limit;
mod local_time;
mod message;
mod outcome;
mod planner;
mod preflight;
mod reply;
mod service;
mod store;
mod tell;

pub use counts::{Counts, DomainRef, DomainTally};
pub use delivery::{Delivery, DeliveryState, Lane, SkipReason, UnknownDeliveryState};
pub use engine::{Engine, EngineOptions, EnginePorts};
pub use job::{
    JobState, NewSendJob, SendJob, SendStatus, Tally, UnknownJobState, Waiting, WrongJobState,
};
pub use limit::Rate;
pub use local_time::{InvalidLocalTime, LocalTime, parse_local_time};
pub(crate) use message::unsigned;
pub use message::{BuildError, MessageBuilder, OutgoingMessage, PreparedEmail, Sender};
pub use outcome::{
    BounceClass, GIVE_UP_AFTER, HandOver, Outcome, Stage, asks_to_slow_down, classify, retry_delay,
    settle,
};
pub use planner::Planner;
pub use preflight::{LocalOutlook, Preflight};
pub use reply::{EnhancedCode, SmtpReply};
pub use service::{CreateSend, SendService, SendTime, TestResult};
pub use store::{
    Changed, DeliveryRef, Ledger, LeftOut, PlannedDelivery, RateRepository, Report, SendJobRef,
    SendQueries, SendRepository, Withheld, WorkerRegistry,
};
