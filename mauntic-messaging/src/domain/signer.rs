use std::{sync::Arc, time::Duration};

use mauntic_core::{OrganizationId, SecretKey, StoreError};
use moka::future::Cache;

use super::{DomainName, KeyState, SendingDomain, service::open};
use crate::{MessagingError, MessagingStore, dkim::DomainSigner};

/// How long another process may sign with keys that were changed here.
const FRESH: Duration = Duration::from_mins(1);
/// Most organisations whose keys are kept ready.
const CAPACITY: u64 = 10_000;

/// What mail from a domain is signed with and where its bounces go.
#[derive(Debug)]
pub struct SigningDomain {
    /// The domain that signs: that of the `From` address or one above it.
    pub domain: DomainName,
    /// The domain of the return path.
    pub return_path: DomainName,
    /// Signs with the domain's active keys.
    pub signer: DomainSigner,
}

/// The domains of an organisation that have keys to sign with.
#[derive(Debug, Clone)]
pub struct SigningDomains(Arc<[Arc<SigningDomain>]>);

impl SigningDomains {
    /// What signs mail from an address with that domain: the domain itself, else the nearest one above it, which
    /// still aligns (RFC 9989).
    #[must_use]
    pub fn nearest(&self, from_domain: &str) -> Option<&Arc<SigningDomain>> {
        let from = from_domain.parse::<DomainName>().ok()?;
        let above = self.0.iter().filter(|known| from.is_within(&known.domain));
        above.max_by_key(|known| known.domain.as_str().len())
    }
}

/// Finds the keys of organisations, and keeps them ready.
#[derive(Clone)]
pub struct Signers {
    store: Arc<dyn MessagingStore>,
    secret: SecretKey,
    ready: Cache<OrganizationId, SigningDomains>,
}

impl Signers {
    /// The keys in a store, encrypted with the installation's secret.
    #[must_use]
    pub fn new(store: Arc<dyn MessagingStore>, secret: SecretKey) -> Self {
        let ready = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(FRESH)
            .build();
        Self {
            store,
            secret,
            ready,
        }
    }

    /// The organisation's domains.
    ///
    /// # Errors
    /// If the storage fails or a key cannot be decrypted.
    pub async fn of(&self, organization: OrganizationId) -> Result<SigningDomains, MessagingError> {
        if let Some(ready) = self.ready.get(&organization).await {
            return Ok(ready);
        }
        let domains = self.store.sending_domains().list(organization).await?;
        let with_keys = domains
            .iter()
            .filter(|domain| domain.keys.iter().any(|key| key.state == KeyState::Active));
        let domains = with_keys
            .map(|domain| self.prepare(domain).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let domains = SigningDomains(domains);
        self.ready.insert(organization, domains.clone()).await;
        Ok(domains)
    }

    /// What signs mail from an address with that domain; see [`SigningDomains::nearest`].
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn signer_for(
        &self,
        organization: OrganizationId,
        from_domain: &str,
    ) -> Result<Option<Arc<SigningDomain>>, MessagingError> {
        let domains = self.of(organization).await?;
        Ok(domains.nearest(from_domain).cloned())
    }

    /// Reads the organisation's keys again when they are needed next.
    pub async fn forget(&self, organization: OrganizationId) {
        self.ready.invalidate(&organization).await;
    }

    fn prepare(&self, domain: &SendingDomain) -> Result<SigningDomain, MessagingError> {
        let active = domain
            .keys
            .iter()
            .filter(|key| key.state == KeyState::Active);
        let keys = active
            .map(|key| Ok((key.selector.clone(), open(&self.secret, domain, key)?)))
            .collect::<Result<Vec<_>, MessagingError>>()?;
        let signer = DomainSigner::new(domain.domain.as_str(), &keys)
            .map_err(|error| StoreError::corrupt("DKIM key", error))?;
        Ok(SigningDomain {
            domain: domain.domain.clone(),
            return_path: domain.return_path.clone(),
            signer,
        })
    }
}
