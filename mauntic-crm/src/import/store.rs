use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, ImportId, OrganizationId, Page, PageSize, StoreError, WorkerId};

use super::{Import, ImportProblem, ProblemKind};
use crate::FieldAlias;

/// Reads imports. Ids of another organisation are as good as unknown.
#[async_trait]
pub trait ImportQueries: Send + Sync {
    /// One import.
    async fn find(
        &self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<Option<Import>, StoreError>;

    /// One page of the imports, the latest first.
    async fn list(
        &self,
        organization: OrganizationId,
        after: Option<ImportId>,
        size: PageSize,
    ) -> Result<Page<Import, ImportId>, StoreError>;

    /// Up to a page of the imports that have not ended, the latest first.
    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<Import>, StoreError>;

    /// The latest import of the same content that has not ended.
    async fn find_unfinished(
        &self,
        organization: OrganizationId,
        fingerprint: &str,
    ) -> Result<Option<Import>, StoreError>;

    /// Whether an import, of any organisation, waits for a worker.
    async fn has_waiting(&self, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// One page of the rows with problems, by line.
    async fn problems(
        &self,
        organization: OrganizationId,
        id: ImportId,
        kind: ProblemKind,
        after: Option<u64>,
        size: PageSize,
    ) -> Result<Page<ImportProblem, u64>, StoreError>;

    /// One piece of an upload, counted from 0.
    async fn chunk(
        &self,
        organization: OrganizationId,
        id: ImportId,
        number: u32,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// How many bytes of an upload are kept; 0 if there is none.
    async fn stored_bytes(
        &self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<u64, StoreError>;

    /// Which contacts have these keys: of addresses, or of a unique field.
    async fn find_by_keys(
        &self,
        organization: OrganizationId,
        field: Option<&FieldAlias>,
        keys: &[String],
    ) -> Result<BTreeMap<String, ContactId>, StoreError>;
}

/// Changes imports.
#[async_trait]
pub trait ImportRepository: Send {
    /// Adds an import.
    async fn insert(&mut self, import: &Import) -> Result<(), StoreError>;

    /// Takes an import that waits, or whose worker is gone, until `lease_until`; the one with that id
    /// or, without one, the oldest of any organisation.
    async fn claim(
        &mut self,
        only: Option<(OrganizationId, ImportId)>,
        worker: WorkerId,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Import>, StoreError>;

    /// Saves how far an import is, and its lease; `false` if the worker does not hold it any more or
    /// somebody paused or cancelled it, and then nothing of the transaction may be kept.
    async fn save_progress(
        &mut self,
        import: &Import,
        worker: WorkerId,
    ) -> Result<bool, StoreError>;

    /// Moves an import from one of these states to another; `false` if it is in none of them.
    async fn change_state(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        from: &[super::ImportState],
        to: super::ImportState,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Adds a piece of an upload.
    async fn add_chunk(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        number: u32,
        bytes: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Forgets an upload.
    async fn delete_chunks(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
    ) -> Result<(), StoreError>;

    /// Forgets uploads of all organisations from before an instant that no import was made of.
    async fn delete_orphans(&mut self, before: DateTime<Utc>) -> Result<(), StoreError>;

    /// Adds to the report.
    async fn add_problems(
        &mut self,
        organization: OrganizationId,
        id: ImportId,
        problems: &[ImportProblem],
    ) -> Result<(), StoreError>;

    /// Which contacts have these keys of a unique field, within this transaction.
    async fn find_by_keys(
        &mut self,
        organization: OrganizationId,
        field: &FieldAlias,
        keys: &[String],
    ) -> Result<BTreeMap<String, ContactId>, StoreError>;
}
