//! What can be done with segments.

mod definitions;
mod members;
mod rules;

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{
    Access, Clock, EmailId, IdSource, OrganizationId, Permission, StoreError, UseCase, Zones,
};

pub(super) use self::definitions::users;
pub use self::{
    definitions::{CreateSegment, UpdateSegment},
    members::SegmentMembership,
    rules::{Explanation, Preview, RuleInput},
};
use crate::{AnyOwner, CrmStore, Owners};

/// Knows the emails that rules speak of. Another context answers.
#[async_trait]
pub trait EmailNames: Send + Sync {
    /// The emails with these names; capitals do not matter, and unknown ones are left out.
    async fn by_names(
        &self,
        organization: OrganizationId,
        names: &[String],
    ) -> Result<Vec<(EmailId, String)>, StoreError>;

    /// The names of these emails; unknown ones are left out.
    async fn by_ids(
        &self,
        organization: OrganizationId,
        ids: &[EmailId],
    ) -> Result<Vec<(EmailId, String)>, StoreError>;
}

/// For programs without emails: rules speak of them by id.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEmailNames;

#[async_trait]
impl EmailNames for NoEmailNames {
    async fn by_names(
        &self,
        _: OrganizationId,
        _: &[String],
    ) -> Result<Vec<(EmailId, String)>, StoreError> {
        Ok(Vec::new())
    }

    async fn by_ids(
        &self,
        _: OrganizationId,
        _: &[EmailId],
    ) -> Result<Vec<(EmailId, String)>, StoreError> {
        Ok(Vec::new())
    }
}

/// Creates, changes and explains segments, and puts people in and takes them out by hand.
#[derive(Clone)]
pub struct SegmentService {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    zones: Arc<dyn Zones>,
    emails: Arc<dyn EmailNames>,
    owners: Arc<dyn Owners>,
}

impl SegmentService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("add", Access::Needs(Permission::SegmentsWrite)),
        ("apply_list_choice", Access::Itself),
        ("apply_timezone", Access::Itself),
        ("create", Access::Needs(Permission::SegmentsWrite)),
        ("delete", Access::Needs(Permission::SegmentsWrite)),
        (
            "explain",
            Access::NeedsAll(&[Permission::SegmentsRead, Permission::ContactsRead]),
        ),
        ("find", Access::Needs(Permission::SegmentsRead)),
        ("find_by_name", Access::Needs(Permission::SegmentsRead)),
        ("growth", Access::Needs(Permission::SegmentsRead)),
        ("list", Access::Needs(Permission::SegmentsRead)),
        ("members", Access::Needs(Permission::SegmentsRead)),
        ("of_contact", Access::Needs(Permission::SegmentsRead)),
        (
            "preview",
            Access::NeedsAll(&[Permission::SegmentsRead, Permission::ContactsRead]),
        ),
        ("queue_rebuild", Access::Needs(Permission::SegmentsWrite)),
        ("remove", Access::Needs(Permission::SegmentsWrite)),
        ("rule_text", Access::Needs(Permission::SegmentsRead)),
        ("update", Access::Needs(Permission::SegmentsWrite)),
        ("used_by", Access::Needs(Permission::SegmentsRead)),
    ];

    /// The use cases of segments over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn CrmStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        zones: Arc<dyn Zones>,
        emails: Arc<dyn EmailNames>,
    ) -> Self {
        Self {
            store,
            clock,
            ids,
            zones,
            emails,
            owners: Arc::new(AnyOwner),
        }
    }

    /// The same, but rules can name these owners by their addresses.
    #[must_use]
    pub fn with_owners(self, owners: Arc<dyn Owners>) -> Self {
        Self { owners, ..self }
    }
}
