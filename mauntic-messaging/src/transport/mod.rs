//! How mail leaves: over SMTP, or into the captured mail of the database, which is where it goes
//! until somebody configures a server. So a newcomer can send, and can never mail anybody by accident.

pub mod capture;
mod configured;
mod service;
mod settings;
pub mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError};

pub use configured::ConfiguredTransports;
pub use service::{TransportService, TransportView};
pub use settings::{
    InvalidTransportUrl, SendingHost, SendingLimits, SmtpServer, TlsPolicy, Transport,
    TransportKind,
};

use crate::sending::{HandOver, OutgoingMessage};

/// Hands messages to the next host.
#[async_trait]
pub trait MailTransport: Send + Sync {
    /// Hands one message over. May be called many times at once; each call is one attempt, and says
    /// what is known of it.
    async fn hand_over(&self, message: &OutgoingMessage) -> HandOver;

    /// Tries to reach the next host without sending anything; the error is for people to read.
    async fn probe(&self) -> Result<String, String>;
}

/// An organisation's way out, ready for use.
#[derive(Clone)]
pub struct OpenTransport {
    /// How fast and over how many connections.
    pub limits: SendingLimits,
    /// The way.
    pub channel: Arc<dyn MailTransport>,
}

/// Knows each organisation's way out.
#[async_trait]
pub trait Transports: Send + Sync {
    /// The organisation's transport, as it is configured now. Cheap to ask often.
    async fn of(&self, organization: OrganizationId) -> Result<OpenTransport, StoreError>;
}

/// The stored transports, for reading.
#[async_trait]
pub trait TransportQueries: Send + Sync {
    /// The organisation's transport; `None` means capture.
    async fn find_transport(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<Transport>, StoreError>;
}

/// Changes the stored transports.
#[async_trait]
pub trait TransportRepository: Send {
    /// The organisation's transport; nobody else changes it until the transaction ends.
    async fn find_transport_for_update(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Option<Transport>, StoreError>;

    /// Stores the organisation's transport in place of the version before it; without one, as its first. If another
    /// version is stored, this is [`StoreError::Conflict`].
    async fn save_transport(&mut self, transport: &Transport) -> Result<(), StoreError>;
}
