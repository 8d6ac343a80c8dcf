//! Addresses that an organisation must not mail.
//!
//! A suppression belongs to the address, not to a contact: it outlives the contact and holds for
//! whoever is imported with the same address later.

mod service;

use std::{collections::HashSet, fmt, str::FromStr};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{EmailAddress, OrganizationId, Page, PageSize, SegmentId, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use service::{ImportedSuppressions, NewSuppression, SuppressionService};

/// Why an address must not be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// Its owner asked for no more mail.
    Unsubscribed,
    /// The receiving side says that there is no such mailbox.
    HardBounce,
    /// Its owner reported mail as spam.
    Complaint,
    /// Somebody in the organisation decided so.
    Manual,
    /// It came with a list of suppressed addresses.
    Import,
}

impl SuppressionReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::Unsubscribed,
        Self::HardBounce,
        Self::Complaint,
        Self::Manual,
        Self::Import,
    ];

    /// Which of two reasons is kept: what the organisation decided, or somebody complained of, before a dead mailbox,
    /// and that before the wish for no more mail, which its owner may take back.
    #[must_use]
    pub fn strength(self) -> u8 {
        match self {
            Self::Unsubscribed => 1,
            Self::HardBounce => 2,
            Self::Complaint | Self::Manual | Self::Import => 3,
        }
    }

    /// The name, such as `hard_bounce`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::HardBounce => "hard_bounce",
            Self::Complaint => "complaint",
            Self::Manual => "manual",
            Self::Import => "import",
        }
    }
}

impl fmt::Display for SuppressionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no reason for a suppression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reason: expected unsubscribed, hard_bounce, complaint, manual or import")]
pub struct UnknownReason;

impl FromStr for SuppressionReason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text.trim())
            .ok_or(UnknownReason)
    }
}

/// What identifies an address in the list even when the address itself was erased: the SHA-256 hash
/// of its [`key`](EmailAddress::key), in hexadecimal digits.
#[must_use]
pub fn address_hash(key: &str) -> String {
    use std::fmt::Write as _;

    let hash = Sha256::digest(key.as_bytes());
    hash.iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// An address that must not be mailed. `Debug` hides the address.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// The address's [`key`](EmailAddress::key); `None` once it was erased at its owner's request.
    pub address_key: Option<String>,
    /// See [`address_hash`].
    pub address_hash: String,
    /// The [strongest](SuppressionReason::strength) reason.
    pub reason: SuppressionReason,
    /// Where it came from, such as `one-click`, `hand-over` or `api`.
    pub source: String,
    /// What somebody wants to remember about it.
    pub note: Option<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When its owner asked for no more mail, if they did, whatever the reason is now.
    pub unsubscribed_at: Option<DateTime<Utc>>,
}

impl Suppression {
    /// A suppression of an address, by its [`key`](EmailAddress::key).
    #[must_use]
    pub fn new(
        address_key: String,
        reason: SuppressionReason,
        source: impl Into<String>,
        now: DateTime<Utc>,
    ) -> Self {
        let hash = address_hash(&address_key);
        Self {
            address_key: Some(address_key),
            ..Self::of_hash(hash, reason, source, now)
        }
    }

    /// A suppression of an address of which only the [hash](address_hash) is known.
    #[must_use]
    pub fn of_hash(
        address_hash: String,
        reason: SuppressionReason,
        source: impl Into<String>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            address_key: None,
            address_hash,
            reason,
            source: source.into(),
            note: None,
            created_at: now,
            unsubscribed_at: (reason == SuppressionReason::Unsubscribed).then_some(now),
        }
    }
}

impl fmt::Debug for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suppression")
            .field("reason", &self.reason)
            .field("source", &self.source)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// Which suppressions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// Part of the address.
    pub search: Option<String>,
    /// Only those with this reason.
    pub reason: Option<SuppressionReason>,
}

/// Where the next page of suppressions starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionCursor {
    /// When the last one seen was added.
    pub created_at: DateTime<Utc>,
    /// Its hash, which decides among those of one instant.
    pub address_hash: String,
}

/// That an address left the mailing list of a segment. `Debug` hides the address.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ListExit {
    /// The address's [`key`](EmailAddress::key); `None` once it was erased at its owner's request, or if it was not kept.
    pub address_key: Option<String>,
    /// See [`address_hash`].
    pub address_hash: String,
    /// The segment whose mailing list it left.
    pub segment_id: SegmentId,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl fmt::Debug for ListExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListExit")
            .field("segment_id", &self.segment_id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Which list exits to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListExitFilter {
    /// Part of the address.
    pub search: Option<String>,
    /// Only those of this segment's list.
    pub segment: Option<SegmentId>,
}

/// Where the next page of list exits starts: the last one seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListExitCursor {
    /// When it was.
    pub at: DateTime<Utc>,
    /// The hash of its address.
    pub address_hash: String,
    /// Its segment.
    pub segment_id: SegmentId,
}

/// Reads the list.
#[async_trait]
pub trait SuppressionQueries: Send + Sync {
    /// Which of these address keys are suppressed. One query, however many they are.
    async fn filter_suppressed(
        &self,
        organization: OrganizationId,
        address_keys: &[String],
    ) -> Result<HashSet<String>, StoreError>;

    /// Which of these address keys left the mailing list of a segment. One query, however many they are.
    async fn filter_left(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        address_keys: &[String],
    ) -> Result<HashSet<String>, StoreError>;

    /// The entry of an address.
    async fn find(
        &self,
        organization: OrganizationId,
        address: &EmailAddress,
    ) -> Result<Option<Suppression>, StoreError> {
        self.find_by_hash(organization, &address_hash(&address.key()))
            .await
    }

    /// The entry of an address, by its hash.
    async fn find_by_hash(
        &self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<Option<Suppression>, StoreError>;

    /// The mailing lists that an address left, by its hash.
    async fn left_lists(
        &self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<Vec<SegmentId>, StoreError>;

    /// Who left which mailing lists, the last one first.
    async fn list_exits(
        &self,
        organization: OrganizationId,
        filter: &ListExitFilter,
        after: Option<&ListExitCursor>,
        size: PageSize,
    ) -> Result<Page<ListExit, ListExitCursor>, StoreError>;

    /// Entries, newest first.
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &SuppressionFilter,
        after: Option<&SuppressionCursor>,
        size: PageSize,
    ) -> Result<Page<Suppression, SuppressionCursor>, StoreError>;
}

/// Changes the list.
#[async_trait]
pub trait SuppressionRepository: Send {
    /// Adds entries. An address that is there already keeps its entry, unless the new reason is
    /// [stronger](SuppressionReason::strength); that its owner unsubscribed stays known beside it. Returns the hashes of
    /// those that are new.
    async fn add(
        &mut self,
        organization: OrganizationId,
        suppressions: &[Suppression],
    ) -> Result<HashSet<String>, StoreError>;

    /// Notes that an address left mailing lists, or joined them again: nothing that is sent to a list goes to an address
    /// that left it, from this moment on. What is so already stays.
    async fn choose_lists(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
        address_key: Option<&str>,
        left: &[SegmentId],
        joined: &[SegmentId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Takes back that an address, by its hash, left the mailing list of a segment; `false` if it did not.
    async fn remove_exit(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
        segment: SegmentId,
    ) -> Result<bool, StoreError>;

    /// Removes the entry of an address, by its hash; `false` if there is none. If its owner unsubscribed as well, that
    /// stays as the reason.
    async fn remove(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError>;

    /// Takes back that the owner of an address, by its hash, unsubscribed; `false` if they did not. An entry with another
    /// reason stays.
    async fn take_back_unsubscription(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError>;

    /// Forgets the address and keeps its hash, so that it stays suppressed, and off the mailing lists that it left; `false`
    /// if neither is so.
    async fn erase(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back_from_its_name() {
        for reason in SuppressionReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            let json = serde_json::to_value(reason).unwrap();
            assert_eq!(json, reason.as_str());
        }
    }

    #[test]
    fn the_hash_is_the_sha_256_of_the_key() {
        assert_eq!(
            address_hash("ann@example.com"),
            "71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476"
        );
    }
}
