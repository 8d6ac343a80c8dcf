//! Domains that mail is sent from, with the keys that sign it.

mod check;
mod lookup;
mod service;
mod signer;
mod spf;

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{OrganizationId, SendingDomainId, StoreError};
use serde::{Deserialize, Serialize};

pub use check::{RecordCheck, RecordState, bounces_come_home, can_be_verified};
pub use lookup::{DnsLookup, DnsUnanswered, SystemDns};
pub use service::{AddSendingDomain, SendingDomainService, SendingHosts};
pub use signer::{Signers, SigningDomain, SigningDomains};

use crate::dkim::{KeyAlgorithm, Selector};

/// The name of a domain that can be in DNS: at least two labels, as A-labels, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(String);

impl DomainName {
    /// The name as it stands in DNS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the other domain or below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let rest = self.0.strip_suffix(&other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The domain and those above it that have at least two labels, the longest first.
    pub fn lineage(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.0.match_indices('.').map(|(dot, _)| dot + 1));
        starts
            .map(|start| &self.0[start..])
            .filter(|name| name.contains('.'))
    }
}

/// The text is not a domain name that mail can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a domain name: expected something like example.com")]
pub struct InvalidDomainName;

impl FromStr for DomainName {
    type Err = InvalidDomainName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().trim_end_matches('.');
        let Ok(url::Host::Domain(name)) = url::Host::parse(text) else {
            return Err(InvalidDomainName);
        };
        let label = |label: &str| {
            let right = |c: char| c.is_ascii_alphanumeric() || c == '-';
            (1..=63).contains(&label.len())
                && label.chars().all(right)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.contains('.') || !name.split('.').all(label) {
            return Err(InvalidDomainName);
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for DomainName {
    type Error = InvalidDomainName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> Self {
        name.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// To be published; nothing is signed with it yet.
    Pending,
    /// Published, and mail is signed with it.
    Active,
    /// Still published, for mail that is on its way; nothing new is signed with it.
    Retired,
}

/// A DKIM key of a sending domain. Its private half is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct DkimKey {
    /// Its name below `_domainkey`.
    pub selector: Selector,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// What it is used for.
    pub state: KeyState,
    /// The value of the TXT record that publishes it.
    pub dns_value: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The private key, sealed for [`SendingDomain::place`].
    pub sealed: Vec<u8>,
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimKey")
            .field("selector", &self.selector)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A domain that an organisation sends from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingDomain {
    /// Names it.
    pub id: SendingDomainId,
    /// The domain of the `From` addresses.
    pub domain: DomainName,
    /// The domain of the return path, within `domain` so that SPF aligns.
    pub return_path: DomainName,
    /// Its keys, the oldest first.
    pub keys: Vec<DkimKey>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl SendingDomain {
    /// Where a key of this domain is sealed for.
    #[must_use]
    pub fn place(&self, selector: &Selector) -> String {
        format!("sending_domain/{}/{}", self.id, selector.as_str())
    }

    /// Adds keys to be published, drops those that were retired before, and replaces those that
    /// were still pending.
    pub fn rotate(&mut self, pending: Vec<DkimKey>, now: DateTime<Utc>) {
        self.keys.retain(|key| key.state == KeyState::Active);
        self.keys.extend(pending);
        self.updated_at = now;
    }

    /// Signs with the pending keys from now on; `false` if there are none.
    pub fn activate(&mut self, now: DateTime<Utc>) -> bool {
        if !self.keys.iter().any(|key| key.state == KeyState::Pending) {
            return false;
        }
        for key in &mut self.keys {
            key.state = match key.state {
                KeyState::Pending => KeyState::Active,
                KeyState::Active | KeyState::Retired => KeyState::Retired,
            };
        }
        self.updated_at = now;
        true
    }

    /// A selector that is not in use: the date, the algorithm, and a number if the day has several.
    #[must_use]
    pub fn free_selector(&self, algorithm: KeyAlgorithm, now: DateTime<Utc>) -> String {
        let kind = match algorithm {
            KeyAlgorithm::Rsa => "rsa",
            KeyAlgorithm::Ed25519 => "ed",
        };
        let base = format!("m{}-{kind}", now.format("%Y%m%d"));
        let taken = |name: &str| self.keys.iter().any(|key| key.selector.as_str() == name);
        let mut name = base.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{base}-{number}");
            number += 1;
        }
        name
    }
}

/// Reads sending domains.
#[async_trait]
pub trait SendingDomainQueries: Send + Sync {
    /// The domain with that id.
    async fn find(
        &self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<Option<SendingDomain>, StoreError>;

    /// All domains of the organisation, by name.
    async fn list(&self, organization: OrganizationId) -> Result<Vec<SendingDomain>, StoreError>;

    /// Those of the named domains that the organisation sends from.
    async fn find_named(
        &self,
        organization: OrganizationId,
        names: &[&str],
    ) -> Result<Vec<SendingDomain>, StoreError>;
}

/// Changes sending domains.
#[async_trait]
pub trait SendingDomainRepository: Send {
    /// The domain with that id, which nobody else changes until the transaction ends.
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<Option<SendingDomain>, StoreError>;

    /// Adds a domain; [`StoreError::Conflict`] if the organisation has it already.
    async fn insert(
        &mut self,
        organization: OrganizationId,
        domain: &SendingDomain,
    ) -> Result<(), StoreError>;

    /// Replaces a stored domain; [`StoreError::Missing`] if there is none.
    async fn update(
        &mut self,
        organization: OrganizationId,
        domain: &SendingDomain,
    ) -> Result<(), StoreError>;

    /// Removes a domain and its keys; `false` if there is none.
    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    fn key(selector: &str, state: KeyState) -> DkimKey {
        DkimKey {
            selector: selector.parse().unwrap(),
            algorithm: KeyAlgorithm::Ed25519,
            state,
            dns_value: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            sealed: Vec::new(),
        }
    }

    fn domain(keys: Vec<DkimKey>) -> SendingDomain {
        SendingDomain {
            id: SendingDomainId::from_uuid(Uuid::from_u128(1)),
            domain: name("example.com"),
            return_path: name("bounce.example.com"),
            keys,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn states(domain: &SendingDomain) -> Vec<(&str, KeyState)> {
        let keys = domain.keys.iter();
        keys.map(|key| (key.selector.as_str(), key.state)).collect()
    }

    #[test]
    fn names_are_brought_into_one_form() {
        assert_eq!(name(" Bücher.Example. ").as_str(), "xn--bcher-kva.example");
        for text in [
            "",
            "localhost",
            "a..b",
            "-a.example",
            "127.0.0.1",
            "a b.example",
            "a_b.example",
            "[::1]",
        ] {
            assert_eq!(text.parse::<DomainName>(), Err(InvalidDomainName), "{text}");
        }
    }

    #[test]
    fn only_whole_labels_are_within() {
        assert!(name("bounce.example.com").is_within(&name("example.com")));
        assert!(name("example.com").is_within(&name("example.com")));
        assert!(!name("badexample.com").is_within(&name("example.com")));
        let lineage = name("a.b.example.com");
        let lineage: Vec<_> = lineage.lineage().collect();
        assert_eq!(lineage, ["a.b.example.com", "b.example.com", "example.com"]);
    }

    #[test]
    fn keys_overlap_when_they_rotate() {
        let mut domain = domain(vec![key("a", KeyState::Active)]);
        let now = DateTime::UNIX_EPOCH;
        domain.rotate(vec![key("b", KeyState::Pending)], now);
        assert_eq!(
            states(&domain),
            [("a", KeyState::Active), ("b", KeyState::Pending)]
        );
        assert!(domain.activate(now));
        assert_eq!(
            states(&domain),
            [("a", KeyState::Retired), ("b", KeyState::Active)]
        );
        assert!(!domain.activate(now), "nothing is pending");
        domain.rotate(vec![key("c", KeyState::Pending)], now);
        assert_eq!(
            states(&domain),
            [("b", KeyState::Active), ("c", KeyState::Pending)]
        );
    }

    #[test]
    fn a_selector_is_used_once() {
        let domain = domain(vec![key("m19700101-rsa", KeyState::Active)]);
        let free = domain.free_selector(KeyAlgorithm::Rsa, DateTime::UNIX_EPOCH);
        assert_eq!(free, "m19700101-rsa-2");
    }
}
