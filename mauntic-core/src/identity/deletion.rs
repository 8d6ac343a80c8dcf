use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Organization;
use crate::{DomainEvent, OrganizationId, Page, PageSize, Principal, StoreError, UserId, WorkerId};

/// How long an organisation waits to be deleted where the operator does not say otherwise.
pub(super) const GRACE: TimeDelta = TimeDelta::days(30);

/// That an organisation is to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Who asked for it.
    pub requested_by: Principal,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// From when on all that it has is erased. Until then it can be taken back.
    pub due_at: DateTime<Utc>,
    /// Since when it is being erased, after which nothing brings it back.
    pub erasing_since: Option<DateTime<Utc>>,
}

impl Organization {
    /// Has it deleted at a time; `false` if it is to be deleted already, which keeps its time.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn delete_at(&mut self, due_at: DateTime<Utc>, by: Principal, now: DateTime<Utc>) -> bool {
        if self.deletion.is_some() {
            return false;
        }
        self.deletion = Some(Deletion {
            requested_by: by,
            requested_at: now,
            due_at,
            erasing_since: None,
        });
        true
    }

    /// Keeps it after all; returns the deletion that was planned, if any.
    ///
    /// # Errors
    /// [`ErasureBegun`].
    pub fn keep(&mut self) -> Result<Option<Deletion>, ErasureBegun> {
        match self.deletion {
            Some(deletion) if deletion.erasing_since.is_some() => Err(ErasureBegun),
            _ => Ok(self.deletion.take()),
        }
    }

    /// Whether work is done for it: it is neither blocked nor to be deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.blocked_at.is_none() && self.deletion.is_none()
    }
}

/// An organisation is to be deleted, or is kept after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionPlanned {
    /// When its data is erased; `None` if it is kept after all.
    pub due_at: Option<DateTime<Utc>>,
    /// Who said so.
    pub by: Principal,
    /// Those who own it, one of whom can take it back.
    pub owners: Vec<UserId>,
}

impl DomainEvent for DeletionPlanned {
    const TYPE: &'static str = "identity.deletion_planned.v1";
}

/// What is erased cannot be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data of the organisation is being erased already, which cannot be undone")]
pub struct ErasureBegun;

/// That an organisation was there and was erased: all that the installation keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Which.
    pub organization_id: OrganizationId,
    /// Who asked for it. A user who worked in no other organisation is gone as well.
    pub requested_by: Principal,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// When nothing was left of it.
    pub erased_at: DateTime<Utc>,
}

/// Erases organisations whose time has come. Each method is made of short transactions, of which any may be the last
/// before a crash: what is left is done by whoever calls next.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Takes an organisation whose deletion is due, the one that waits longest, and keeps it from other workers until a
    /// time. From the first time on nothing brings it back.
    async fn claim(
        &self,
        worker: WorkerId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Option<OrganizationId>, StoreError>;

    /// Deletes some of what Identity has of an organisation, but for the organisation itself; returns how many rows, 0
    /// once nothing is left. `limit` bounds a transaction. Members who belong to no other organisation go with their
    /// accounts, unless they are blocked: their address must stay so.
    async fn erase_some(&self, organization: OrganizationId, limit: u64)
    -> Result<u64, StoreError>;

    /// Deletes the organisation itself and notes that it was erased. Does nothing if it is gone already.
    async fn finish(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// A page of what was erased, in the order of the ids.
    async fn list(
        &self,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Erasure, OrganizationId>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TimeZoneName, identity::Slug};

    fn at(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    fn acme() -> Organization {
        let id = OrganizationId::from_uuid(uuid::Uuid::from_u128(1));
        let name: super::super::DisplayName = "Acme".parse().unwrap();
        let slug = Slug::suggested_by(&name);
        Organization::new(id, name, slug, TimeZoneName::utc(), at(0))
    }

    #[test]
    fn a_second_request_does_not_move_the_date() {
        let mut acme = acme();
        assert!(acme.is_active());
        assert!(acme.delete_at(at(30), Principal::System, at(0)));
        assert!(!acme.is_active());
        assert!(!acme.delete_at(at(0), Principal::System, at(1)));
        assert_eq!(acme.deletion.map(|deletion| deletion.due_at), Some(at(30)));
    }

    #[test]
    fn what_is_being_erased_is_not_kept() {
        let mut acme = acme();
        assert_eq!(acme.keep(), Ok(None));
        assert!(acme.delete_at(at(30), Principal::System, at(0)));
        assert_eq!(
            acme.keep().unwrap().map(|deletion| deletion.due_at),
            Some(at(30))
        );
        assert!(acme.is_active());
        assert!(acme.delete_at(at(30), Principal::System, at(0)));
        acme.deletion.as_mut().unwrap().erasing_since = Some(at(30));
        assert_eq!(acme.keep(), Err(ErasureBegun));
    }
}
