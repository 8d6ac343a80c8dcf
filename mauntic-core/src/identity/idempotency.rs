use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use crate::{OrganizationId, Principal, StoreError};

/// How long an answer is kept.
const RETENTION: TimeDelta = TimeDelta::hours(24);
/// How long a request may take before another with the same key may try in its place.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// What a client calls a request, so that it can be sent again without being done again.
///
/// A key counts for one principal of one organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The organisation of the request.
    pub organization_id: OrganizationId,
    /// Who sent it.
    pub principal: Principal,
    /// The text of the client, up to [`IdempotencyKey::MAX_LEN`] bytes.
    pub key: String,
}

impl IdempotencyKey {
    /// Longest text of a client, in bytes.
    pub const MAX_LEN: usize = 255;
}

/// The answer that a request got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The content type, if there was content.
    pub content_type: Option<String>,
    /// The content.
    pub body: Vec<u8>,
}

/// The right to do a request, until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the client calls the request.
    pub key: IdempotencyKey,
    /// Until when no other request with the key is done.
    pub lease_until: DateTime<Utc>,
}

/// What is to be done with a request that carries a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new: do it, then call [`IdempotencyStore::finish`] or [`IdempotencyStore::abandon`].
    Fresh(Claim),
    /// It was done: send this answer again.
    Answered(StoredAnswer),
    /// Another request had the same key: refuse this one.
    Mismatch,
    /// The same request is being done at this moment: refuse this one, it may come again.
    InProgress,
}

/// Remembers the answers to requests for 24 hours.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Says what to do with a request. Of several that ask at once, one is told that it is fresh.
    /// `request_hash` is a hash of all that makes the request what it is: method, path and body.
    async fn begin(
        &self,
        key: &IdempotencyKey,
        request_hash: [u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Begun, StoreError>;

    /// Keeps the answer. Nothing happens if the lease has ended and another request has the claim.
    async fn finish(&self, claim: &Claim, answer: &StoredAnswer) -> Result<(), StoreError>;

    /// Forgets a request that failed for want of something of ours, so that it can be tried again.
    async fn abandon(&self, claim: &Claim) -> Result<(), StoreError>;

    /// Forgets answers older than 24 hours; returns how many.
    async fn forget_old(&self, now: DateTime<Utc>) -> Result<u64, StoreError>;
}

impl Claim {
    /// The claim of a request that begins now.
    #[must_use]
    pub fn starting(key: &IdempotencyKey, now: DateTime<Utc>) -> Self {
        Self {
            key: key.clone(),
            lease_until: now + LEASE,
        }
    }
}

/// Answers to requests that began before this are forgotten.
#[must_use]
pub fn oldest_kept(now: DateTime<Utc>) -> DateTime<Utc> {
    now - RETENTION
}
