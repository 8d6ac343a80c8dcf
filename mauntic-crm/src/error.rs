use mauntic_core::{ContactId, Forbidden, SegmentId, StoreError};

use crate::{
    FieldAlias, InvalidTag, InvalidValue,
    bulk::{BulkChangeId, BulkState},
    segment::{InvalidRule, RuleTextError},
    view::SavedViewId,
};

/// Why a use case of the CRM did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrmError {
    /// The actor may not do it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is no such contact, or it is another organisation's.
    #[error("no contact has the id {0}")]
    ContactNotFound(ContactId),
    /// A contact cannot be merged with itself.
    #[error("the contact {0} is the same one: choose another to merge with it")]
    SameContact(ContactId),
    /// It has been changed since it was read.
    #[error("somebody changed it meanwhile: it is at version {current}")]
    VersionMismatch {
        /// The version that it is at.
        current: i64,
    },
    /// Another one has this value of a unique field.
    #[error("another one already has this {field}")]
    Taken {
        /// The alias of the field, such as `email`.
        field: String,
    },
    /// Values do not suit their fields, or are missing; all that is wrong at once.
    #[error("{}", summary(.0))]
    InvalidFields(Vec<FieldProblem>),
    /// A tag cannot be called that.
    #[error(transparent)]
    InvalidTag(#[from] InvalidTag),
    /// The organisation has no such field of its own.
    #[error("no custom field is called {0}")]
    FieldNotFound(FieldAlias),
    /// The organisation has no such tag.
    #[error("no contact has this tag")]
    TagNotFound,
    /// The field is built in.
    #[error("the field {0} is built in and cannot be changed or deleted")]
    CoreField(FieldAlias),
    /// A field, tag or other definition is not possible.
    #[error("{0}")]
    Invalid(String),
    /// Something else needs what was to be deleted.
    #[error("{what} is used by {users}")]
    InUse {
        /// What was to be deleted.
        what: String,
        /// What needs it.
        users: String,
    },
    /// More items than one call may have.
    #[error("too many at once: at most {max}")]
    TooMany {
        /// The most.
        max: usize,
    },
    /// There is no such change of many, or it is another organisation's.
    #[error("no change of many has the id {0}")]
    BulkChangeNotFound(BulkChangeId),
    /// A change of many cannot go there from where it stands.
    #[error("the change is {0} by now")]
    WrongState(BulkState),
    /// There are more contacts by now than somebody agreed to change.
    #[error("there are {total} of them by now, not {agreed}: look at them again first")]
    MoreThanAgreed {
        /// How many somebody agreed to.
        agreed: u64,
        /// How many there are.
        total: u64,
    },
    /// There is no such saved view, or it is somebody else's.
    #[error("no saved view has the id {0}")]
    ViewNotFound(SavedViewId),
    /// There is no such segment, or it is another organisation's.
    #[error("no segment has the id {0}")]
    SegmentNotFound(SegmentId),
    /// The text of a rule cannot be read.
    #[error(transparent)]
    RuleText(#[from] Box<RuleTextError>),
    /// A rule does not suit the fields.
    #[error(transparent)]
    Rule(#[from] InvalidRule),
    /// A rule asks, perhaps by way of others, for the segment it belongs to.
    #[error("the rule depends on itself: {0}")]
    Cycle(String),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with the value of one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldProblem {
    /// The name that was given for the field.
    pub field: String,
    /// What is wrong.
    pub reason: InvalidValue,
}

impl FieldProblem {
    /// Says what is wrong with a field.
    #[must_use]
    pub fn new(field: &str, reason: InvalidValue) -> Self {
        Self {
            field: field.to_owned(),
            reason,
        }
    }
}

fn summary(problems: &[FieldProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
