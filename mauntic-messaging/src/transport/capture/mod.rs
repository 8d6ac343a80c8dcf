//! Mail that is kept in the database instead of being sent.

mod content;
mod service;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    CapturedMailId, Clock, DeliveryId, IdSource, OrganizationId, Page, PageSize, StoreError,
};
use tokio::sync::oneshot;

pub use content::{MailContent, MailHeader};
pub use service::{CapturedMailService, OpenedMail};

use super::MailTransport;
use crate::{
    MessagingStore,
    sending::{HandOver, OutgoingMessage, SmtpReply, Stage},
};

/// A mail that was kept, without its content. `Debug` hides the addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct CapturedMail {
    /// Names it.
    pub id: CapturedMailId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The row of the ledger; `None` for a test.
    pub delivery_id: Option<DeliveryId>,
    /// Where bounces would go.
    pub envelope_from: String,
    /// Where it would go.
    pub envelope_to: String,
    /// The `From` header.
    pub sender: String,
    /// The subject.
    pub subject: String,
    /// Bytes of the message.
    pub size: u64,
    /// When it was kept.
    pub captured_at: DateTime<Utc>,
}

impl fmt::Debug for CapturedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedMail")
            .field("id", &self.id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Captured mail, for reading.
#[async_trait]
pub trait CapturedMailQueries: Send + Sync {
    /// The organisation's captured mail, the newest first; only to one address if one is given.
    async fn list_captured(
        &self,
        organization: OrganizationId,
        to: Option<&str>,
        after: Option<CapturedMailId>,
        size: PageSize,
    ) -> Result<Page<CapturedMail, CapturedMailId>, StoreError>;

    /// A captured mail with its source, if the organisation has it.
    async fn find_captured(
        &self,
        organization: OrganizationId,
        id: CapturedMailId,
    ) -> Result<Option<(CapturedMail, Vec<u8>)>, StoreError>;

    /// How many mails the organisation has captured.
    async fn count_captured(&self, organization: OrganizationId) -> Result<u64, StoreError>;
}

/// Changes captured mail.
#[async_trait]
pub trait CapturedMailRepository: Send {
    /// Keeps mails with their sources.
    async fn insert_captured(
        &mut self,
        mails: &[(CapturedMail, Vec<u8>)],
    ) -> Result<(), StoreError>;

    /// Deletes one mail, or all of the organisation; returns how many.
    async fn delete_captured(
        &mut self,
        organization: OrganizationId,
        id: Option<CapturedMailId>,
    ) -> Result<u64, StoreError>;

    /// Deletes up to `limit` mails of all organisations that were captured before that instant, the oldest first;
    /// returns how many.
    async fn forget_captured(
        &mut self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<u64, StoreError>;
}

/// Keeps mail in the database. Mails that come at the same time are committed together.
///
/// An address whose local part is `bounce`, or starts with `bounce` and a `+`, `.` or `-`, is refused as by a
/// server that knows no such mailbox, so that bounces can be tried without a server.
pub struct CaptureTransport {
    organization: OrganizationId,
    store: Arc<dyn MessagingStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    waiting: Mutex<Vec<Waiting>>,
    committing: tokio::sync::Mutex<()>,
}

struct Waiting {
    mail: CapturedMail,
    source: Vec<u8>,
    done: oneshot::Sender<Result<(), String>>,
}

/// Most mails in one transaction.
const GROUP: usize = 100;

impl CaptureTransport {
    /// Keeps an organisation's mail in that store.
    #[must_use]
    pub fn new(
        organization: OrganizationId,
        store: Arc<dyn MessagingStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Arc<Self> {
        Arc::new(Self {
            organization,
            store,
            clock,
            ids,
            waiting: Mutex::default(),
            committing: tokio::sync::Mutex::default(),
        })
    }

    fn captured(&self, message: &OutgoingMessage) -> CapturedMail {
        let (sender, subject) = content::sender_and_subject(&message.bytes);
        CapturedMail {
            id: CapturedMailId::generate(&*self.ids),
            organization_id: self.organization,
            delivery_id: message.delivery_id,
            envelope_from: message.envelope_from.clone(),
            envelope_to: message.envelope_to.to_string(),
            sender,
            subject,
            size: message.bytes.len() as u64,
            captured_at: self.clock.now(),
        }
    }

    async fn commit(&self, mails: &[(CapturedMail, Vec<u8>)]) -> Result<(), StoreError> {
        let mut uow = self.store.begin().await?;
        uow.captured().insert_captured(mails).await?;
        uow.commit().await
    }

    /// Commits what waits. Whoever gets here first does it for all that came in the meantime.
    async fn commit_waiting(&self) {
        let _turn = self.committing.lock().await;
        let group: Vec<Waiting> = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let end = waiting.len().min(GROUP);
            waiting.drain(..end).collect()
        };
        if group.is_empty() {
            return;
        }
        let mut mails = Vec::with_capacity(group.len());
        let mut callers = Vec::with_capacity(group.len());
        for waiting in group {
            mails.push((waiting.mail, waiting.source));
            callers.push(waiting.done);
        }
        let result = self.commit(&mails).await.map_err(|error| {
            tracing::error!(error = %error, "captured mail cannot be stored");
            error.to_string()
        });
        for done in callers {
            let _ = done.send(result.clone());
        }
    }
}

fn asks_to_bounce(local_part: &str) -> bool {
    let rest = local_part.to_ascii_lowercase();
    let rest = rest.strip_prefix("bounce");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '.', '-']))
}

#[async_trait]
impl MailTransport for CaptureTransport {
    async fn hand_over(&self, message: &OutgoingMessage) -> HandOver {
        if asks_to_bounce(message.envelope_to.local_part()) {
            let reply = SmtpReply::new(550, "5.1.1 no such mailbox (simulated)");
            return HandOver::Refused(Stage::Recipient, reply);
        }
        let (done, mut result) = oneshot::channel();
        let waiting = Waiting {
            mail: self.captured(message),
            source: message.bytes.clone(),
            done,
        };
        {
            let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(waiting);
        }
        let stored = loop {
            self.commit_waiting().await;
            match result.try_recv() {
                Ok(stored) => break stored,
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => {
                    return HandOver::Unknown("the capture was interrupted".to_owned());
                }
            }
        };
        match stored {
            Ok(()) => HandOver::Accepted(SmtpReply::new(250, "2.0.0 captured")),
            Err(error) => HandOver::Unknown(error),
        }
    }

    async fn probe(&self) -> Result<String, String> {
        Ok("mail is captured in the database; nothing leaves".to_owned())
    }
}
