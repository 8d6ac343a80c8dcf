use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use mauntic_core::{Clock, IdSource, OrganizationId, SecretKey, StoreError};

use super::{
    OpenTransport, SendingHost, SendingLimits, Transport, TransportKind, Transports,
    capture::CaptureTransport, smtp::SmtpTransport,
};
use crate::MessagingStore;

/// How long a changed transport may go unnoticed.
const REFRESH: Duration = Duration::from_secs(3);

/// The transports that are configured in the store; capture for an organisation without one.
pub struct ConfiguredTransports {
    store: Arc<dyn MessagingStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    secret: SecretKey,
    host: SendingHost,
    open: Mutex<HashMap<OrganizationId, Known>>,
}

struct Known {
    version: i64,
    checked: Instant,
    transport: OpenTransport,
}

impl ConfiguredTransports {
    /// The transports of that store, whose passwords open with that key, as that host uses them.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        secret: SecretKey,
        host: SendingHost,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            ids,
            secret,
            host,
            open: Mutex::default(),
        })
    }

    /// Opens a transport as it is stored, without keeping it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the password does not open with the key.
    pub fn build(
        &self,
        organization: OrganizationId,
        stored: Option<&Transport>,
    ) -> Result<OpenTransport, StoreError> {
        let limits = stored.map_or_else(SendingLimits::default, |stored| stored.limits.clone());
        let Some((stored, TransportKind::Smtp(server))) = stored.map(|t| (t, &t.kind)) else {
            return Ok(OpenTransport {
                limits,
                channel: CaptureTransport::new(
                    organization,
                    Arc::clone(&self.store),
                    Arc::clone(&self.clock),
                    Arc::clone(&self.ids),
                ),
            });
        };
        let password = stored
            .sealed_password
            .as_deref()
            .map(|sealed| self.password(organization, sealed))
            .transpose()?;
        let mut server = server.clone();
        server.ehlo_name = server.ehlo_name.or_else(|| self.host.name.clone());
        let mut channel = SmtpTransport::new(server, password, limits.clone());
        if !self.host.private_servers {
            channel = channel.public_only();
        }
        Ok(OpenTransport {
            channel: Arc::new(channel),
            limits,
        })
    }

    fn password(&self, organization: OrganizationId, sealed: &[u8]) -> Result<String, StoreError> {
        let password = self
            .secret
            .decrypt(&Transport::secret_place(organization), sealed)
            .map_err(|error| StoreError::corrupt("transport", error))?;
        String::from_utf8(password).map_err(|_| StoreError::corrupt("transport", "password"))
    }

    fn known(&self, organization: OrganizationId) -> Option<OpenTransport> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(&organization)?;
        (known.checked.elapsed() < REFRESH).then(|| known.transport.clone())
    }
}

#[async_trait]
impl Transports for ConfiguredTransports {
    async fn of(&self, organization: OrganizationId) -> Result<OpenTransport, StoreError> {
        if let Some(transport) = self.known(organization) {
            return Ok(transport);
        }
        let stored = self.store.transports().find_transport(organization).await?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get_mut(&organization)
            && known.version == version
        {
            known.checked = Instant::now();
            return Ok(known.transport.clone());
        }
        let transport = self.build(organization, stored.as_ref())?;
        open.insert(
            organization,
            Known {
                version,
                checked: Instant::now(),
                transport: transport.clone(),
            },
        );
        Ok(transport)
    }
}
