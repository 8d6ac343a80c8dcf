//! The use cases of Identity.

mod audit;
mod members;
mod organizations;
mod passwords;
mod sessions;
mod tokens;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Change, IdempotencyStore, IdentityError, IdentityStore, IdentityUnitOfWork, PasswordHasher,
};
use crate::{
    Access, Actor, Cause, Clock, DomainEvent, Envelope, IdSource, OrganizationId, Permission,
    UseCase,
};

pub use members::{AddMember, CreateUser};
pub use organizations::CreateOrganization;
pub use sessions::{LogIn, NewSession, SetUp};
pub use tokens::{CreateToken, NewToken};

/// The use cases of Identity. Cheap to clone.
#[derive(Clone)]
pub struct IdentityService {
    store: Arc<dyn IdentityStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    hasher: PasswordHasher,
}

impl IdentityService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("add_member", Access::Needs(Permission::MembersManage)),
        ("audit_log", Access::Needs(Permission::AuditRead)),
        ("authenticate", Access::Anybody),
        ("block_organization", Access::Operator),
        ("block_user", Access::Operator),
        ("change_member", Access::Needs(Permission::MembersManage)),
        ("check_secret", Access::Operator),
        ("create_organization", Access::Operator),
        ("create_token", Access::Needs(Permission::TokensManage)),
        ("create_user", Access::Needs(Permission::MembersManage)),
        ("end_other_sessions", Access::Oneself),
        ("end_session", Access::Oneself),
        ("ensure_default_organization", Access::Operator),
        ("find_organization", Access::Operator),
        ("forget_old_sessions", Access::Operator),
        ("log_in", Access::Anybody),
        ("logged_in", Access::Anybody),
        ("members", Access::Needs(Permission::MembersRead)),
        ("needs_set_up", Access::Anybody),
        ("organization", Access::Needs(Permission::MembersRead)),
        ("organizations", Access::Operator),
        ("own_sessions", Access::Oneself),
        ("remove_member", Access::Needs(Permission::MembersManage)),
        ("revoke_token", Access::Needs(Permission::TokensManage)),
        ("set_password", Access::Oneself),
        ("set_up", Access::Anybody),
        ("switch_organization", Access::Oneself),
        ("tokens", Access::Needs(Permission::TokensManage)),
        ("unblock_organization", Access::Operator),
        ("unblock_user", Access::Operator),
        (
            "update_organization",
            Access::Needs(Permission::OrganizationManage),
        ),
        ("verify_password", Access::Anybody),
    ];

    /// The use cases over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn IdentityStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            store,
            clock,
            ids,
            hasher: PasswordHasher::new(),
        }
    }

    /// The answers to requests that may come again, for the HTTP layer.
    #[must_use]
    pub fn idempotency(&self) -> &dyn IdempotencyStore {
        self.store.idempotency()
    }

    async fn audit(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        change: Change,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let entry = change.made_by(actor, now, &*self.ids);
        Ok(uow.audit().append(&entry).await?)
    }

    async fn publish<E: DomainEvent + Sync>(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        organization: OrganizationId,
        event: &E,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let cause = Cause::root(&*self.ids);
        let envelope = Envelope::seal(organization, event, now, &*self.ids, cause)?;
        Ok(uow.outbox().append(&[envelope]).await?)
    }
}
