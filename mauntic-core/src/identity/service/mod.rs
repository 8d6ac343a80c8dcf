//! The use cases of Identity.

mod audit;
mod deletion;
mod invitations;
mod letters;
mod linked_logins;
mod member_letters;
mod members;
mod notifications;
mod oauth;
mod organizations;
mod own_organizations;
mod passwords;
mod profile;
mod second_factors;
mod sessions;
mod tokens;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    AuditEntry, Change, Founders, IdempotencyStore, IdentityError, IdentityStore,
    IdentityUnitOfWork, PasswordHasher,
};
use crate::{
    Access, Actor, Audited, Cause, Clock, DomainEvent, Envelope, IdSource, OrganizationId,
    Permission, SecretKey, UseCase,
};

pub use deletion::RequestDeletion;
pub use invitations::Invite;
pub use members::{AddMember, CreateUser, FirstPassword};
pub use oauth::{
    ClientProof, CreateOauthClient, IssuedTokens, MachineWish, NewOauthClient, OauthConsent,
    UpdateOauthClient,
};
pub use organizations::CreateOrganization;
pub use second_factors::SecondFactorState;
pub use sessions::{LogIn, NewSession, SetUp};
pub use tokens::{CreateToken, NewToken};

/// The use cases of Identity. Cheap to clone.
#[derive(Clone)]
pub struct IdentityService {
    store: Arc<dyn IdentityStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    hasher: PasswordHasher,
    secret: Option<SecretKey>,
    grace: TimeDelta,
    issuers: BTreeSet<String>,
    founders: Founders,
}

impl IdentityService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("accept_as_new", Access::Anybody),
        ("accept_invitation", Access::Oneself),
        ("accept_with", Access::Anybody),
        ("add_member", Access::Operator),
        ("apply_change", Access::Itself),
        ("apply_notices", Access::Itself),
        ("audit_log", Access::Needs(Permission::AuditRead)),
        ("authenticate", Access::Anybody),
        ("authorize", Access::Oneself),
        ("awaits_second_factor", Access::Anybody),
        ("begin_join", Access::Anybody),
        ("begin_link", Access::Oneself),
        ("begin_log_in", Access::Anybody),
        ("begin_second_factor", Access::Oneself),
        ("block_member", Access::Needs(Permission::MembersManage)),
        ("block_organization", Access::Operator),
        ("block_user", Access::Operator),
        ("cancel_email_change", Access::Oneself),
        ("change_member", Access::Needs(Permission::MembersManage)),
        ("check_secret", Access::Operator),
        ("claim_erasure", Access::Itself),
        ("confirm_email_change", Access::Anybody),
        ("confirm_second_factor", Access::Oneself),
        (
            "create_oauth_client",
            Access::Needs(Permission::TokensManage),
        ),
        ("create_organization", Access::Operator),
        ("create_token", Access::Needs(Permission::TokensManage)),
        ("create_user", Access::Operator),
        (
            "delete_oauth_client",
            Access::Needs(Permission::TokensManage),
        ),
        ("delete_organization", Access::Operator),
        ("deliver_letters", Access::Itself),
        ("end_detour", Access::Anybody),
        ("end_other_sessions", Access::Oneself),
        ("end_second_factor", Access::Oneself),
        ("end_session", Access::Oneself),
        ("ensure_default_organization", Access::Operator),
        ("erase_some", Access::Itself),
        ("erasures", Access::Operator),
        ("find_organization", Access::Operator),
        ("finish_erasure", Access::Itself),
        ("found_organization", Access::Oneself),
        ("forget_old_notifications", Access::Operator),
        ("forget_old_sessions", Access::Operator),
        ("give_second_factor", Access::Anybody),
        ("invitation", Access::Anybody),
        ("invitations", Access::Needs(Permission::MembersManage)),
        ("invite", Access::Needs(Permission::MembersManage)),
        ("issue_tokens", Access::Anybody),
        ("leave_organization", Access::Oneself),
        ("link_login", Access::Oneself),
        ("linked_logins", Access::Oneself),
        ("log_in", Access::Anybody),
        ("log_in_with", Access::Anybody),
        ("logged_in", Access::Anybody),
        ("mark_notification_read", Access::Oneself),
        ("mark_notifications_read", Access::Oneself),
        ("member", Access::Needs(Permission::MembersRead)),
        ("members", Access::Needs(Permission::MembersRead)),
        ("needs_set_up", Access::Anybody),
        ("notifications", Access::Oneself),
        ("oauth_client", Access::Needs(Permission::TokensManage)),
        ("oauth_clients", Access::Needs(Permission::TokensManage)),
        ("oauth_consent", Access::Oneself),
        ("oauth_destination", Access::Anybody),
        ("organization", Access::Needs(Permission::MembersRead)),
        ("organizations", Access::Operator),
        ("own_oauth_grants", Access::Oneself),
        ("own_sessions", Access::Oneself),
        ("password_reset", Access::Anybody),
        ("pending_email_change", Access::Oneself),
        ("remove_member", Access::Needs(Permission::MembersManage)),
        ("renew_recovery_codes", Access::Oneself),
        (
            "request_deletion",
            Access::Needs(Permission::OrganizationDelete),
        ),
        ("request_email_change", Access::Oneself),
        ("request_password_reset", Access::Anybody),
        (
            "resend_invitation",
            Access::Needs(Permission::MembersManage),
        ),
        ("reset_password", Access::Anybody),
        ("reset_second_factor", Access::Operator),
        (
            "restore_organization",
            Access::Needs(Permission::OrganizationDelete),
        ),
        (
            "revoke_invitation",
            Access::Needs(Permission::MembersManage),
        ),
        ("revoke_issued", Access::Anybody),
        ("revoke_oauth_grant", Access::Oneself),
        ("revoke_token", Access::Needs(Permission::TokensManage)),
        (
            "rotate_oauth_secret",
            Access::Needs(Permission::TokensManage),
        ),
        ("search_members", Access::Needs(Permission::MembersRead)),
        ("search_tokens", Access::Needs(Permission::TokensManage)),
        ("second_factor", Access::Oneself),
        ("set_password", Access::Oneself),
        ("set_up", Access::Anybody),
        ("set_up_asks_for_code", Access::Anybody),
        ("set_up_code", Access::Operator),
        ("switch_organization", Access::Oneself),
        ("token", Access::Needs(Permission::TokensManage)),
        ("tokens", Access::Needs(Permission::TokensManage)),
        (
            "transfer_ownership",
            Access::Needs(Permission::OrganizationManage),
        ),
        ("unblock_member", Access::Needs(Permission::MembersManage)),
        ("unblock_organization", Access::Operator),
        ("unblock_user", Access::Operator),
        ("unlink_login", Access::Oneself),
        ("unread_notifications", Access::Oneself),
        (
            "update_oauth_client",
            Access::Needs(Permission::TokensManage),
        ),
        (
            "update_organization",
            Access::Needs(Permission::OrganizationManage),
        ),
        ("update_profile", Access::Oneself),
        ("verify_password", Access::Anybody),
        ("write_to_member", Access::Needs(Permission::MembersRead)),
    ];

    /// Every use case that changes something for somebody, and the action that it leaves in the audit log.
    pub const AUDITED: &[Audited] = &[
        ("identity.accept_invitation", "member.added"),
        ("identity.authorize", "oauth_grant.given"),
        ("identity.block_member", "member.blocked"),
        (
            "identity.cancel_email_change",
            "user.email_change_cancelled",
        ),
        ("identity.change_member", "member.changed"),
        ("identity.confirm_second_factor", "user.second_factor_on"),
        ("identity.create_oauth_client", "oauth_client.created"),
        ("identity.create_token", "token.created"),
        ("identity.delete_oauth_client", "oauth_client.deleted"),
        ("identity.end_other_sessions", "user.other_sessions_ended"),
        ("identity.end_second_factor", "user.second_factor_off"),
        // Or `user.logged_out`, if it is the session of the call.
        ("identity.end_session", "user.session_ended"),
        // After `organization.created`.
        ("identity.found_organization", "member.added"),
        ("identity.invite", "invitation.created"),
        ("identity.leave_organization", "member.left"),
        ("identity.link_login", "user.login_linked"),
        ("identity.remove_member", "member.removed"),
        (
            "identity.renew_recovery_codes",
            "user.recovery_codes_renewed",
        ),
        (
            "identity.request_deletion",
            "organization.deletion_requested",
        ),
        (
            "identity.request_email_change",
            "user.email_change_requested",
        ),
        ("identity.resend_invitation", "invitation.resent"),
        ("identity.restore_organization", "organization.restored"),
        ("identity.revoke_invitation", "invitation.revoked"),
        ("identity.revoke_oauth_grant", "oauth_grant.revoked"),
        ("identity.revoke_token", "token.revoked"),
        (
            "identity.rotate_oauth_secret",
            "oauth_client.secret_rotated",
        ),
        ("identity.set_password", "user.password_set"),
        (
            "identity.transfer_ownership",
            "organization.ownership_transferred",
        ),
        ("identity.unblock_member", "member.unblocked"),
        ("identity.unlink_login", "user.login_unlinked"),
        ("identity.update_oauth_client", "oauth_client.updated"),
        ("identity.update_organization", "organization.updated"),
        ("identity.update_profile", "user.profile_changed"),
        ("identity.write_to_member", "member.written_to"),
    ];

    /// Every use case that writes and leaves no entry although somebody calls it, and why.
    pub const UNAUDITED: &[(&str, &str)] = &[
        (
            "identity.begin_link",
            "sends a browser to a provider; nothing is linked until it comes back",
        ),
        (
            "identity.begin_second_factor",
            "makes a secret that no login asks for until it is confirmed",
        ),
        (
            "identity.mark_notification_read",
            "changes what its reader has seen, and nothing of the organisation",
        ),
        (
            "identity.mark_notifications_read",
            "changes what its reader has seen, and nothing of the organisation",
        ),
        (
            "identity.switch_organization",
            "changes what a session shows, and nothing of either organisation",
        ),
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
            secret: None,
            grace: super::deletion::GRACE,
            issuers: BTreeSet::new(),
            founders: Founders::default(),
        }
    }

    /// The use cases with the key that encrypts the secrets of users. Without it there is no second factor.
    #[must_use]
    pub fn with_secret(self, secret: &SecretKey) -> Self {
        Self {
            secret: Some(secret.derive("identity")),
            ..self
        }
    }

    /// The use cases of an installation where an organisation waits that long before it is deleted.
    #[must_use]
    pub fn with_grace(self, grace: TimeDelta) -> Self {
        Self { grace, ..self }
    }

    /// The use cases of an installation where these make organisations.
    #[must_use]
    pub fn with_founders(self, founders: Founders) -> Self {
        Self { founders, ..self }
    }

    fn secret(&self) -> Result<&SecretKey, IdentityError> {
        self.secret.as_ref().ok_or(IdentityError::NoSecretKey)
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
        let entry = AuditEntry::new(change, actor, now, &*self.ids);
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

/// The actor, calling from an address if one is known.
fn calling(actor: Actor, address: Option<IpAddr>) -> Actor {
    match address {
        Some(address) => actor.calling_from(address),
        None => actor,
    }
}
