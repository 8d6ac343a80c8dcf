use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{EventId, IdSource, OrganizationId, StoreError};

/// Something that happened in a context and that others may react to.
///
/// The type carries a version (`crm.contact_updated.v1`). Fields are only ever added, with
/// `#[serde(default)]`, so that every event ever written can still be read.
pub trait DomainEvent: Serialize + DeserializeOwned {
    /// The name on the wire, led by the context and ending with the version.
    const TYPE: &'static str;
}

/// What an event follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// Shared by all that follows from one request or job.
    pub correlation_id: Uuid,
    /// The event or command that led to this one directly.
    pub causation_id: Option<Uuid>,
}

impl Cause {
    /// The start of a new chain.
    #[must_use]
    pub fn root(ids: &dyn IdSource) -> Self {
        Self {
            correlation_id: ids.next(),
            causation_id: None,
        }
    }
}

/// When and why an event was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The context that published it, such as `crm`.
    pub source_context: String,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// Shared by all that follows from one request or job.
    pub correlation_id: Uuid,
    /// The event that led to this one, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
}

/// An event as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Names the event; a handler that has seen it does nothing.
    pub id: EventId,
    /// Whose event it is.
    pub organization_id: OrganizationId,
    /// The [`DomainEvent::TYPE`].
    #[serde(rename = "type")]
    pub event_type: String,
    /// The event itself.
    pub data: serde_json::Value,
    /// When and why.
    pub metadata: Metadata,
}

impl Envelope {
    /// Wraps an event, for the outbox.
    ///
    /// # Errors
    /// If the event cannot be written as JSON.
    pub fn seal<E: DomainEvent>(
        organization_id: OrganizationId,
        event: &E,
        now: DateTime<Utc>,
        ids: &dyn IdSource,
        cause: Cause,
    ) -> Result<Self, StoreError> {
        let source_context = E::TYPE.split('.').next().unwrap_or_default().to_owned();
        Ok(Self {
            id: EventId::generate(ids),
            organization_id,
            event_type: E::TYPE.to_owned(),
            data: serde_json::to_value(event)
                .map_err(|error| StoreError::corrupt("event", error))?,
            metadata: Metadata {
                source_context,
                timestamp: now,
                correlation_id: cause.correlation_id,
                causation_id: cause.causation_id,
            },
        })
    }

    /// The event, if it is of that type.
    ///
    /// # Errors
    /// If the type is right and the content is not.
    pub fn open<E: DomainEvent>(&self) -> Result<Option<E>, MismatchedEvent> {
        if self.event_type != E::TYPE {
            return Ok(None);
        }
        let event = E::deserialize(&self.data).map_err(|source| MismatchedEvent {
            event_type: E::TYPE,
            source,
        })?;
        Ok(Some(event))
    }

    /// What an event that follows from this one has as its cause.
    #[must_use]
    pub fn as_cause(&self) -> Cause {
        Cause {
            correlation_id: self.metadata.correlation_id,
            causation_id: Some(self.id.as_uuid()),
        }
    }
}

/// The content of an event is not what its type promises.
#[derive(Debug, thiserror::Error)]
#[error("the content of an event of type {event_type} does not fit its type")]
pub struct MismatchedEvent {
    event_type: &'static str,
    source: serde_json::Error,
}

/// Why a handler could not do its work; it is tried again later.
#[derive(Debug, thiserror::Error)]
#[error("the handler failed")]
pub struct HandlerError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl HandlerError {
    /// Wraps whatever went wrong.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// The failure and what led to it, for the record of the delivery.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

impl From<MismatchedEvent> for HandlerError {
    fn from(error: MismatchedEvent) -> Self {
        Self::new(error)
    }
}

/// Reacts to events of another context.
///
/// Delivery is at least once and in no promised order: a handler stores the id of the envelope in
/// the transaction of its effect (see [`Inbox`](crate::Inbox)) and skips repeats.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Names the handler for ever: it is part of stored deliveries.
    fn name(&self) -> &'static str;

    /// The [`DomainEvent::TYPE`]s it wants.
    fn handles(&self) -> &'static [&'static str];

    /// Does what is to be done.
    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError>;
}
