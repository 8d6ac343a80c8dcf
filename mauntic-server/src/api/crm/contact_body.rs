//! How the API shows contacts and takes what is to become of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, UserId};
use mauntic_crm::{
    Change, Channel, Contact, ContactPatch, ContactService, CrmError, DoNotContact, Reason, Tag,
};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::http::problem::ApiError;

/// How somebody can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Channel", rename_all = "lowercase")]
pub(crate) enum ChannelName {
    Email,
    Sms,
    Push,
}

impl From<ChannelName> for Channel {
    fn from(name: ChannelName) -> Self {
        match name {
            ChannelName::Email => Self::Email,
            ChannelName::Sms => Self::Sms,
            ChannelName::Push => Self::Push,
        }
    }
}

impl From<Channel> for ChannelName {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Email => Self::Email,
            Channel::Sms => Self::Sms,
            Channel::Push => Self::Push,
        }
    }
}

/// Why somebody must not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "DoNotContactReason", rename_all = "lowercase")]
pub(crate) enum DncReason {
    Unsubscribed,
    Bounced,
    Manual,
}

impl From<DncReason> for Reason {
    fn from(name: DncReason) -> Self {
        match name {
            DncReason::Unsubscribed => Self::Unsubscribed,
            DncReason::Bounced => Self::Bounced,
            DncReason::Manual => Self::Manual,
        }
    }
}

impl From<Reason> for DncReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unsubscribed => Self::Unsubscribed,
            Reason::Bounced => Self::Bounced,
            Reason::Manual => Self::Manual,
        }
    }
}

/// Where and why somebody must not be written to.
#[derive(Debug, Object)]
#[oai(rename = "DoNotContact")]
pub(crate) struct DncBody {
    channel: ChannelName,
    reason: DncReason,
    source: String,
    comment: String,
    since: DateTime<Utc>,
}

impl From<DoNotContact> for DncBody {
    fn from(mark: DoNotContact) -> Self {
        Self {
            channel: mark.channel.into(),
            reason: mark.reason.into(),
            source: mark.source,
            comment: mark.comment,
            since: mark.at,
        }
    }
}

/// A contact.
#[derive(Debug, Object)]
#[oai(rename = "Contact", skip_serializing_if_is_none)]
pub(crate) struct ContactBody {
    id: Uuid,
    email: Option<String>,
    /// Values by the alias of their field; a field without a value is absent.
    fields: Value,
    tags: Vec<String>,
    /// The user in charge.
    owner_id: Option<Uuid>,
    stage: Option<String>,
    points: i64,
    do_not_contact: Vec<DncBody>,
    last_active_at: Option<DateTime<Utc>>,
    /// When it stopped being anonymous.
    identified_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts the changes, from 1.
    version: i64,
    /// Where it came from, such as `api` or `import:<id>`.
    origin: String,
}

impl From<Contact> for ContactBody {
    fn from(contact: Contact) -> Self {
        let parts = contact.into_parts();
        Self {
            id: parts.id.as_uuid(),
            email: parts.email.map(|email| email.to_string()),
            fields: serde_json::to_value(&parts.fields).unwrap_or_default(),
            tags: parts.tags.into_iter().map(|tag| tag.to_string()).collect(),
            owner_id: parts.owner.map(|owner| owner.as_uuid()),
            stage: parts.stage,
            points: parts.points,
            do_not_contact: parts
                .do_not_contact
                .into_values()
                .map(DncBody::from)
                .collect(),
            last_active_at: parts.last_active_at,
            identified_at: parts.identified_at,
            created_at: parts.created_at,
            updated_at: parts.updated_at,
            version: parts.version,
            origin: parts.origin,
        }
    }
}

/// What is to become of a contact; what is absent stays, `null` clears.
#[derive(Debug, Default, Object)]
#[oai(deny_unknown_fields)]
pub(crate) struct ContactInput {
    email: MaybeUndefined<String>,
    /// Values by the alias of their field, in the field's own form or as text: `{"firstname": "Ann"}`.
    fields: MaybeUndefined<Value>,
    /// All tags.
    tags: MaybeUndefined<Vec<String>>,
    /// Tags to put on.
    add_tags: MaybeUndefined<Vec<String>>,
    /// Tags to take off.
    remove_tags: MaybeUndefined<Vec<String>>,
    /// The user in charge.
    owner_id: MaybeUndefined<Uuid>,
    stage: MaybeUndefined<String>,
    points: MaybeUndefined<i64>,
    last_active_at: MaybeUndefined<DateTime<Utc>>,
}

impl ContactInput {
    /// The values that fields read.
    pub(crate) fn values(&self) -> Result<Map<String, Value>, ApiError> {
        let mut values = match &self.fields {
            MaybeUndefined::Undefined | MaybeUndefined::Null => Map::new(),
            MaybeUndefined::Value(Value::Object(values)) => values.clone(),
            MaybeUndefined::Value(_) => {
                return Err(ApiError::invalid(
                    "/fields",
                    &"expected an object with values by field",
                ));
            }
        };
        match &self.email {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => drop(values.insert("email".to_owned(), Value::Null)),
            MaybeUndefined::Value(email) => {
                drop(values.insert("email".to_owned(), email.as_str().into()));
            }
        }
        Ok(values)
    }

    /// Adds what no field reads.
    pub(crate) fn complete(self, mut patch: ContactPatch) -> Result<ContactPatch, ApiError> {
        patch.tags = self
            .tags
            .take()
            .map(|tags| parse_tags("/tags", &tags))
            .transpose()?;
        patch.add_tags = parse_tags("/add_tags", &self.add_tags.take().unwrap_or_default())?;
        patch.remove_tags =
            parse_tags("/remove_tags", &self.remove_tags.take().unwrap_or_default())?;
        patch.owner = change(self.owner_id, UserId::from_uuid);
        patch.stage = change(self.stage, |stage| stage);
        patch.last_active = change(self.last_active_at, |at| at);
        if let MaybeUndefined::Value(points) = self.points {
            patch.points = Some(points);
        }
        Ok(patch)
    }

    /// Reads the whole with the organisation's fields.
    pub(crate) async fn parse(
        self,
        contacts: &ContactService,
        actor: &mauntic_core::Actor,
    ) -> Result<ContactPatch, ApiError> {
        let patch = contacts.parse(actor, &self.values()?).await?;
        self.complete(patch)
    }
}

fn change<T, U>(field: MaybeUndefined<T>, read: impl FnOnce(T) -> U) -> Change<U> {
    match field {
        MaybeUndefined::Undefined => Change::Keep,
        MaybeUndefined::Null => Change::Clear,
        MaybeUndefined::Value(value) => Change::Set(read(value)),
    }
}

/// Reads tags.
pub(crate) fn parse_tags(pointer: &str, tags: &[String]) -> Result<BTreeSet<Tag>, ApiError> {
    let tags = tags.iter().enumerate();
    tags.map(|(index, tag)| crate::api::parse(&format!("{pointer}/{index}"), tag))
        .collect()
}

/// What became of one item of a batch.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ItemResult {
    /// The item's place in the request, from 0.
    index: u64,
    /// The HTTP status it would have had alone.
    status: u16,
    /// The contact, if it was done.
    id: Option<Uuid>,
    /// Why it was not done.
    error: Option<String>,
}

/// What became of the items of a batch; those that failed changed nothing.
#[derive(Debug, Object)]
pub(crate) struct BatchResult {
    succeeded: u64,
    failed: u64,
    results: Vec<ItemResult>,
}

impl BatchResult {
    /// Presents results in the order of the request.
    pub(crate) fn present(results: Vec<Result<(ContactId, u16), CrmError>>) -> Self {
        let results: Vec<_> = results
            .into_iter()
            .enumerate()
            .map(|(index, result)| match result {
                Ok((id, status)) => ItemResult {
                    index: index as u64,
                    status,
                    id: Some(id.as_uuid()),
                    error: None,
                },
                Err(error) => ItemResult {
                    index: index as u64,
                    status: status_of(&error),
                    id: None,
                    error: Some(error.to_string()),
                },
            })
            .collect();
        let failed = results
            .iter()
            .filter(|result| result.error.is_some())
            .count() as u64;
        Self {
            succeeded: results.len() as u64 - failed,
            failed,
            results,
        }
    }
}

fn status_of(error: &CrmError) -> u16 {
    match error {
        CrmError::ContactNotFound(_) => 404,
        CrmError::Taken { .. } => 409,
        CrmError::VersionMismatch { .. } => 412,
        _ => 422,
    }
}
