use std::sync::Arc;

use mauntic_core::{
    Access, Actor, Clock, IdSource, OrganizationId, Permission, SecretKey, StoreError, TransportId,
    UseCase,
};
use serde::Serialize;

use super::{ConfiguredTransports, SendingLimits, SmtpServer, Transport, TransportKind};
use crate::{MessagingError, MessagingStore, audit};

/// An organisation's transport, as people see it: without the password.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransportView {
    /// Where mail goes.
    #[serde(flatten)]
    pub kind: TransportKind,
    /// The server's URL without the password; `capture` without a server.
    pub url: String,
    /// Whether a password is stored.
    pub has_password: bool,
    /// How fast mail may go.
    pub limits: SendingLimits,
    /// Counts the changes; zero if it was never configured.
    pub version: i64,
}

/// Configures how an organisation's mail leaves.
pub struct TransportService {
    store: Arc<dyn MessagingStore>,
    transports: Arc<ConfiguredTransports>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    secret: SecretKey,
}

impl TransportService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("configure", Access::Needs(Permission::SendingManage)),
        ("set_limits", Access::Needs(Permission::SendingManage)),
        ("show", Access::Needs(Permission::SendingRead)),
        ("test", Access::Needs(Permission::SendingManage)),
    ];

    /// A service over that store. The key is the one that `transports` has.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        transports: Arc<ConfiguredTransports>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        secret: SecretKey,
    ) -> Self {
        Self {
            store,
            transports,
            clock,
            ids,
            secret,
        }
    }

    /// How the organisation's mail leaves.
    ///
    /// # Errors
    /// Needs [`Permission::SendingRead`].
    pub async fn show(&self, actor: &Actor) -> Result<TransportView, MessagingError> {
        let organization = actor.require(Permission::SendingRead)?;
        let stored = self.store.transports().find_transport(organization).await?;
        Ok(view(stored.as_ref()))
    }

    /// Sends mail to the server of a URL from now on, or captures it if there is none.
    ///
    /// # Errors
    /// Needs [`Permission::SendingManage`]; [`MessagingError::Invalid`] for what is no server;
    /// [`MessagingError::Outdated`] if it is not at the version that the change is based on, or somebody else configured the
    /// first one at the same time.
    pub async fn configure(
        &self,
        actor: &Actor,
        url: Option<&str>,
        limits: SendingLimits,
        version: Option<i64>,
    ) -> Result<TransportView, MessagingError> {
        let organization = actor.require(Permission::SendingManage)?;
        let limits = checked(limits)?;
        let (kind, password) = match url {
            None => (TransportKind::Capture, None),
            Some(url) => {
                let (server, password) = SmtpServer::parse(url).map_err(|error| {
                    MessagingError::invalid("url", "not_a_mail_server", error.to_string())
                })?;
                (TransportKind::Smtp(server), password)
            }
        };
        let place = Transport::secret_place(organization);
        let sealed_password = password
            .map(|password| self.secret.encrypt(&place, password.as_bytes()))
            .transpose()?;
        self.change(actor, "transport.configured", version, |stored| Transport {
            kind,
            sealed_password,
            limits,
            ..stored
        })
        .await
    }

    /// Changes how fast mail may go; where it goes stays, with its password.
    ///
    /// # Errors
    /// Needs [`Permission::SendingManage`]; [`MessagingError::Invalid`] for limits that cannot be kept; otherwise as
    /// [`configure`](Self::configure).
    pub async fn set_limits(
        &self,
        actor: &Actor,
        limits: SendingLimits,
    ) -> Result<TransportView, MessagingError> {
        actor.require(Permission::SendingManage)?;
        let limits = checked(limits)?;
        self.change(actor, "transport.limits_changed", None, |stored| {
            Transport { limits, ..stored }
        })
        .await
    }

    /// The transport as it is stored, as its next version; capture if none is.
    fn next(&self, organization: OrganizationId, stored: Option<Transport>) -> Transport {
        let mut next = stored.unwrap_or_else(|| Transport {
            id: TransportId::generate(&*self.ids),
            organization_id: organization,
            kind: TransportKind::Capture,
            sealed_password: None,
            limits: SendingLimits::default(),
            version: 0,
            updated_at: self.clock.now(),
        });
        next.version += 1;
        next.updated_at = self.clock.now();
        next
    }

    /// Changes what is stored at that moment, so that no change undoes another.
    async fn change(
        &self,
        actor: &Actor,
        action: &str,
        version: Option<i64>,
        change: impl FnOnce(Transport) -> Transport + Send,
    ) -> Result<TransportView, MessagingError> {
        let organization = actor.organization_id();
        let mut uow = self.store.begin().await?;
        let stored = uow
            .transports()
            .find_transport_for_update(organization)
            .await?;
        let current = stored.as_ref().map_or(0, |stored| stored.version);
        if version.is_some_and(|version| version != current) {
            return Err(MessagingError::Outdated {
                what: "transport",
                current,
            });
        }
        let before = view(stored.as_ref());
        let transport = change(self.next(organization, stored));
        let saved = uow.transports().save_transport(&transport).await;
        saved.map_err(|error| match error {
            // Two were the first at the same time.
            StoreError::Conflict { .. } => MessagingError::Outdated {
                what: "transport",
                current: transport.version,
            },
            error => error.into(),
        })?;
        let (after, now) = (view(Some(&transport)), transport.updated_at);
        let change = audit::Change::new(action, audit::Subject::new("transport", transport.id))
            .between(audit::transport(&before), audit::transport(&after));
        audit::tell(uow.outbox(), actor, change, now, &*self.ids).await?;
        uow.commit().await?;
        Ok(after)
    }

    /// Connects to the configured server without sending anything, and tells what it offers. The
    /// inner error is for people to read.
    ///
    /// # Errors
    /// Needs [`Permission::SendingManage`].
    pub async fn test(&self, actor: &Actor) -> Result<Result<String, String>, MessagingError> {
        let organization = actor.require(Permission::SendingManage)?;
        let stored = self.store.transports().find_transport(organization).await?;
        let open = self.transports.build(organization, stored.as_ref())?;
        Ok(open.channel.probe().await)
    }
}

fn checked(limits: SendingLimits) -> Result<SendingLimits, MessagingError> {
    if limits.are_usable() {
        return Ok(limits.normalized());
    }
    let problem = "limits must be above zero, connections at most 256";
    Err(MessagingError::invalid("limits", "out_of_range", problem))
}

fn view(stored: Option<&Transport>) -> TransportView {
    let kind = stored.map_or(TransportKind::Capture, |stored| stored.kind.clone());
    TransportView {
        url: match &kind {
            TransportKind::Capture => "capture".to_owned(),
            TransportKind::Smtp(server) => server.to_string(),
        },
        kind,
        has_password: stored.is_some_and(|stored| stored.sealed_password.is_some()),
        limits: stored.map_or_else(SendingLimits::default, |stored| stored.limits.clone()),
        version: stored.map_or(0, |stored| stored.version),
    }
}
