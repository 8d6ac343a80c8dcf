use std::{sync::Arc, time::Duration};

use mauntic_core::{OrganizationId, SecretKey, StoreError};
use moka::future::Cache;

use super::{DomainName, KeyState, SendingDomain, service::open};
use crate::{MessagingError, MessagingStore, dkim::DomainSigner};

/// How long another process may sign with keys that were changed here.
const FRESH: Duration = Duration::from_secs(60);
/// Most domains that are kept ready.
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

/// Finds the keys for a `From` address, and keeps them ready.
#[derive(Clone)]
pub struct Signers {
    store: Arc<dyn MessagingStore>,
    secret: SecretKey,
    ready: Cache<(OrganizationId, String), Option<Arc<SigningDomain>>>,
}

impl Signers {
    /// The keys in a store, encrypted with the installation's secret.
    #[must_use]
    pub fn new(store: Arc<dyn MessagingStore>, secret: SecretKey) -> Self {
        let ready = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(FRESH)
            .support_invalidation_closures()
            .build();
        Self {
            store,
            secret,
            ready,
        }
    }

    /// What signs mail from an address with that domain: the domain itself, else the nearest one above it that
    /// the organisation sends from, which still aligns (RFC 9989). `None` if there is none with active keys.
    ///
    /// # Errors
    /// If the storage fails or a key cannot be decrypted.
    pub async fn signer_for(
        &self,
        organization: OrganizationId,
        from_domain: &str,
    ) -> Result<Option<Arc<SigningDomain>>, MessagingError> {
        let Ok(name) = from_domain.parse::<DomainName>() else {
            return Ok(None);
        };
        let key = (organization, name.as_str().to_owned());
        if let Some(known) = self.ready.get(&key).await {
            return Ok(known);
        }
        let found = self.load(organization, &name).await?;
        self.ready.insert(key, found.clone()).await;
        Ok(found)
    }

    /// Reads the organisation's keys again when they are needed next.
    pub fn forget(&self, organization: OrganizationId) {
        // Only without the builder's support would this fail.
        let _ = self
            .ready
            .invalidate_entries_if(move |(owner, _), _| *owner == organization);
    }

    async fn load(
        &self,
        organization: OrganizationId,
        name: &DomainName,
    ) -> Result<Option<Arc<SigningDomain>>, MessagingError> {
        let names: Vec<_> = name.lineage().collect();
        let mut domains = self
            .store
            .sending_domains()
            .find_named(organization, &names)
            .await?;
        domains.retain(|domain| domain.keys.iter().any(|key| key.state == KeyState::Active));
        let nearest = domains
            .into_iter()
            .max_by_key(|domain| domain.domain.as_str().len());
        nearest
            .map(|domain| self.prepare(&domain).map(Arc::new))
            .transpose()
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
