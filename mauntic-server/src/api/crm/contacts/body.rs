//! What calls about contacts take and answer, beyond a contact itself.

use chrono::{DateTime, Utc};
use mauntic_crm::{ContactSort, Likeness};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use crate::api::crm::contact_body::{ContactBody, ContactInput, DncReason};

/// What a list of contacts is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ContactSort", rename_all = "snake_case")]
pub(super) enum SortName {
    CreatedAt,
    UpdatedAt,
    /// The last name and then the first; those without a last name come last.
    Name,
    Email,
    LastActive,
}

impl From<SortName> for ContactSort {
    fn from(name: SortName) -> Self {
        match name {
            SortName::CreatedAt => Self::CreatedAt,
            SortName::UpdatedAt => Self::UpdatedAt,
            SortName::Name => Self::Name,
            SortName::Email => Self::Email,
            SortName::LastActive => Self::LastActive,
        }
    }
}

/// Why two records are probably of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ContactLikeness", rename_all = "snake_case")]
pub(super) enum LikenessName {
    /// Their addresses lead to one mailbox: they differ in what stands behind a `+` or, at Gmail, in dots.
    Mailbox,
    /// They have the same number of a mobile phone.
    Mobile,
    /// They have the same first and last name, and work at the same company.
    NameAndCompany,
    /// They have the same first and last name, and a telephone number in common.
    NameAndPhone,
    /// They have the same first and last name, and live at the same postal code.
    NameAndPostcode,
}

impl From<Likeness> for LikenessName {
    fn from(likeness: Likeness) -> Self {
        match likeness {
            Likeness::Mailbox => Self::Mailbox,
            Likeness::Mobile => Self::Mobile,
            Likeness::NameAndCompany => Self::NameAndCompany,
            Likeness::NameAndPhone => Self::NameAndPhone,
            Likeness::NameAndPostcode => Self::NameAndPostcode,
        }
    }
}

/// Another record that is probably of the same person.
#[derive(Debug, Object)]
#[oai(rename = "MergeCandidate")]
pub(super) struct CandidateBody {
    pub(super) contact: ContactBody,
    pub(super) because: Vec<LikenessName>,
}

/// Other records that are probably of the same person.
#[derive(Debug, Object)]
pub(super) struct MergeCandidates {
    pub(super) items: Vec<CandidateBody>,
}

/// The record that becomes part of another.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct MergeInput {
    /// The contact that is gone afterwards.
    pub(super) contact_id: Uuid,
}

/// Up to 1,000 contacts to add, or to change where one has the address already.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ContactBatch {
    #[oai(validator(max_items = 1000))]
    pub(super) contacts: Vec<ContactInput>,
    /// Change the contact that has the address instead of refusing the item.
    #[oai(default)]
    pub(super) update_existing: bool,
}

/// A change of one contact of many.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ContactChangeItem {
    pub(super) id: Uuid,
    /// Only if it still is at this version.
    pub(super) version: MaybeUndefined<i64>,
    /// What is to become of it.
    pub(super) changes: ContactInput,
}

/// Up to 1,000 changes.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ContactChangeBatch {
    #[oai(validator(max_items = 1000))]
    pub(super) contacts: Vec<ContactChangeItem>,
}

/// Up to 1,000 contacts.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ContactIds {
    #[oai(validator(max_items = 1000))]
    pub(super) ids: Vec<Uuid>,
}

/// Where and why somebody must not be written to.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewDoNotContact {
    /// `manual` without it.
    pub(super) reason: MaybeUndefined<DncReason>,
    /// Anything worth knowing about it.
    #[oai(default, validator(max_length = 1000))]
    pub(super) comment: String,
}

/// Something that was done to a contact.
#[derive(Debug, Object)]
pub(super) struct ContactChangeBody {
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
    /// Who did it: `user:<id>`, `token:<id>` or `system`.
    pub(super) actor: String,
    /// By which way, such as `api` or `import:<id>`.
    pub(super) source: String,
    /// What was changed: `{"city": ["Bonn", "Berlin"]}`, old and new.
    pub(super) changes: serde_json::Value,
}
