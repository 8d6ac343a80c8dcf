//! Segments: rules over contacts, who is in, and why.
//!
//! A [`Rule`] is a tree of `all`, `any`, `not` and tests. It has a text form, read by
//! [`Rule::parse`] and written by [`Rule::to_text`], and a JSON form (serde); both say the same.
//!
//! ```text
//! country = "DE" and (tag in ("vip", "press") or opened("Welcome", last 30 days) >= 2)
//! email.domain ends with ".edu" and not do_not_contact(email)
//! birthday = anniversary + 2 days and created_at in the last 12 months
//! segment = "Customers" and clicked(any, last 90 days) = 0
//! ```
//!
//! # One meaning
//! A rule is compiled, against the organisation's fields and for one day, to a [`Condition`]. Three
//! evaluators work on it and agree: in memory over one contact ([`Condition::holds`], and
//! [`Condition::explain`] with a proof), as SQL over all contacts, and in memory over the contacts
//! that changed.
//!
//! | test | of a contact without a value | of a contact with one |
//! |---|---|---|
//! | `=`, `in` | no | equal to one of them |
//! | `<`, `<=`, `>`, `>=`, `between` | no | by order |
//! | `contains`, `starts with`, `ends with`, `like`, `matches` | no | by the text |
//! | `has all` | no | all of them are among the tags or options |
//! | `is set` | no | yes |
//! | `!=`, `not in`, `not …`, `is empty` | yes | exactly what the same test without `not` does not say |
//!
//! - There is no third answer: `not` turns yes into no and no into yes.
//! - **Texts** are compared without regard to the case of A to Z, and sorted byte by byte. The
//!   address is compared by its [key](mauntic_core::EmailAddress::key). Tags are compared exactly.
//! - **Sets** (tags, multiselect): `=`, `contains` and `in` ask for at least one, `has all` for all.
//! - **Numbers** are doubles.
//! - **Dates** stand for spans: `2026-06-01` and `today` for a day, `this month` for its days,
//!   `2026-06-01T12:30` for that minute. `=` is within, `<` before it begins, `<=` before it ends, `>`
//!   after it ends, `>=` since it began. Days begin and end in the organisation's zone, and weeks on
//!   Monday. `last 30 days` is today and the 30 days before; `next 30 days` today and the 30 after.
//! - **Engagement** counts what people did (`including machine` adds scanners and mail proxies);
//!   `last 30 days` as above. Never is `= 0`.
//! - So an answer changes when the contact does, or at midnight in the organisation's zone.
//!
//! | values | operators |
//! |---|---|
//! | text, textarea, email, url, phone, select, country, region, locale, timezone, `stage`, `email.domain` | all but `has all` |
//! | number, `points` | `=` `!=` `<` `<=` `>` `>=` `in` `between` `is set` `is empty` |
//! | boolean | `=` `!=` `is set` `is empty` |
//! | date, datetime, `created_at`, `updated_at`, `last_active`, `identified_at` | as numbers |
//! | multiselect, `tag` | `=` `!=` `in` `contains` `has all` `is set` `is empty` |
//! | `owner` (a member, by address or id) | `=` `!=` `in` `is set` `is empty` |
//!
//! Every operator but `<`, `<=`, `>`, `>=`, `is set` and `is empty` has an opposite with `not` in front.

pub(crate) mod compile;
pub(crate) mod condition;
mod entity;
mod evaluate;
mod event;
mod explain;
mod facts;
mod moment;
mod pattern;
mod property;
mod readiness;
pub(crate) mod rule;
mod service;
mod span;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod text;
mod worker;

pub use compile::{InvalidRule, RuleProblem, Today};
pub use condition::Condition;
pub use entity::{Build, DayCount, InvalidSegmentName, Member, Origin, Segment, SegmentName};
pub use event::{ContactAddedToSegment, ContactRemovedFromSegment, SegmentRebuilt};
pub use explain::{Proof, ProofKind};
pub use facts::{ContactFacts, EngagementFact};
pub use moment::{InvalidMoment, Moment, Unit};
pub use property::Property;
pub use readiness::Readiness;
pub use rule::{
    CountOperator, DoNotContactTest, EngagementKind, EngagementTest, FieldTest, Literal,
    Membership, Operand, Operator, Relative, Rule, SegmentTest, UnknownEngagementKind,
};
pub use service::{
    CreateSegment, EmailNames, Explanation, NoEmailNames, Preview, RuleInput, SegmentMembership,
    SegmentService, UpdateSegment,
};
pub use store::{
    Chunk, ClaimedRebuild, Dirty, MembershipChanges, SegmentFilter, SegmentQueries,
    SegmentRepository,
};
pub use text::{
    MAX_RULE_TEXT, MentionedNames, NameTable, Names, ParsedRule, Problem, RuleTextError,
};
pub use worker::SegmentWorker;
