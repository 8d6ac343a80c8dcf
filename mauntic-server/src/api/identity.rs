//! `/api/identity`: the organisation, its members and its API tokens.

use chrono::{DateTime, Utc};
use mauntic_core::{
    ApiTokenId, InvitationId, Permission, Principal, Role, UserId,
    identity::{
        ApiToken, AuditEntry, AuditFilter, CreateToken, IdentityError, IdentityService, Invitation,
        Invite, Member, Organization, RequestDeletion, UpdateOrganization,
    },
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::{ApiTag, Created, Done, Page, Versioned, expected_version, page_size};
use crate::{
    App, audit_words,
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct IdentityApi {
    identity: IdentityService,
}

impl IdentityApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            identity: app.identity.clone(),
        }
    }
}

/// What a member is; each role may do all that the one before it may: viewer, member, admin, owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub(crate) enum RoleName {
    Viewer,
    Member,
    Admin,
    Owner,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Member => Self::Member,
            RoleName::Admin => Self::Admin,
            RoleName::Owner => Self::Owner,
        }
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Member => Self::Member,
            Role::Admin => Self::Admin,
            Role::Owner => Self::Owner,
        }
    }
}

/// Who the token acts as.
#[derive(Debug, Object)]
struct Me {
    organization: OrganizationBody,
    role: RoleName,
    /// What the token may do.
    permissions: Vec<String>,
}

/// An organisation.
#[derive(Debug, Object)]
#[oai(rename = "Organization", skip_serializing_if_is_none)]
struct OrganizationBody {
    id: Uuid,
    name: String,
    /// The short name, as in `--org`.
    slug: String,
    /// The IANA name of the zone in which days are counted.
    timezone: String,
    /// The postal address that mail shows.
    postal_address: Option<String>,
    created_at: DateTime<Utc>,
    /// When it is deleted, if it is to be. Until then nothing is sent and nothing can be changed.
    deletion_due_at: Option<DateTime<Utc>>,
    /// For `If-Match`: it tells whether somebody else changed name, zone or address.
    version: i64,
}

impl From<Organization> for OrganizationBody {
    fn from(organization: Organization) -> Self {
        Self {
            version: organization.version(),
            id: organization.id.as_uuid(),
            name: organization.name.to_string(),
            slug: organization.slug.to_string(),
            timezone: organization.timezone.to_string(),
            postal_address: organization.postal_address,
            created_at: organization.created_at,
            deletion_due_at: organization.deletion.map(|planned| planned.due_at),
        }
    }
}

/// What to change; what is absent stays.
#[derive(Debug, Object)]
struct OrganizationPatch {
    name: MaybeUndefined<String>,
    /// An IANA name, such as `Europe/Berlin`.
    timezone: MaybeUndefined<String>,
    /// `null` clears it.
    postal_address: MaybeUndefined<String>,
}

/// Somebody who works in the organisation.
#[derive(Debug, Object)]
#[oai(rename = "Member")]
struct MemberBody {
    user_id: Uuid,
    email: String,
    name: String,
    role: RoleName,
    since: DateTime<Utc>,
    /// Whether the user may do nothing, in this organisation or in any.
    blocked: bool,
    /// For `If-Match`: it tells whether somebody else changed the role, or blocked the member here.
    version: i64,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id.as_uuid(),
            email: member.email.to_string(),
            name: member.name.to_string(),
            role: member.role.into(),
            since: member.since,
            blocked: member.blocked_at.or(member.blocked_here_at).is_some(),
            version: member.version(),
        }
    }
}

/// Somebody to invite.
#[derive(Debug, Object)]
struct InviteBody {
    email: String,
    role: RoleName,
}

/// An invitation that was not accepted yet.
#[derive(Debug, Object)]
#[oai(rename = "Invitation", skip_serializing_if_is_none)]
struct InvitationBody {
    id: Uuid,
    email: String,
    role: RoleName,
    invited_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// When its link stops working.
    expires_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.as_uuid(),
            email: invitation.email.to_string(),
            role: invitation.role.into(),
            invited_by: invitation.invited_by.map(|id| id.as_uuid()),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// Which organisation to delete.
#[derive(Debug, Object)]
struct DeletionBody {
    /// Its name, exactly as it is written: so that it is not another one.
    name: String,
}

/// Who gives the organisation to whom.
#[derive(Debug, Object)]
struct Transfer {
    /// An owner.
    from: Uuid,
    /// A member.
    to: Uuid,
}

/// What to change of a member.
#[derive(Debug, Object)]
struct MemberPatch {
    role: RoleName,
}

/// An API token, without its secret.
#[derive(Debug, Object)]
#[oai(rename = "ApiToken", skip_serializing_if_is_none)]
struct TokenBody {
    id: Uuid,
    name: String,
    role: RoleName,
    /// The permissions that the token is narrowed to.
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<ApiToken> for TokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.as_uuid(),
            name: token.name.to_string(),
            role: token.role.into(),
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A token to make.
#[derive(Debug, Object)]
struct NewTokenBody {
    #[oai(validator(min_length = 1, max_length = 191))]
    name: String,
    role: RoleName,
    /// Permissions such as `contacts:read`; all of the role's without it.
    scopes: MaybeUndefined<Vec<String>>,
    expires_at: MaybeUndefined<DateTime<Utc>>,
}

/// A new token with its secret, which is shown this once.
#[derive(Debug, Object)]
struct TokenWithSecret {
    token: TokenBody,
    /// Keep it: it cannot be shown again.
    secret: String,
}

/// A change that somebody made.
#[derive(Debug, Object)]
#[oai(rename = "AuditEntry", skip_serializing_if_is_none)]
struct AuditBody {
    id: Uuid,
    at: DateTime<Utc>,
    /// `user`, `token` or `system`.
    actor_kind: String,
    actor_id: Option<Uuid>,
    /// From which address.
    address: Option<String>,
    /// What was done, such as `token.created`.
    action: String,
    /// The same in words, such as `made the API token`.
    what: String,
    subject_kind: String,
    /// Not for many records, and not for what has a name alone, such as a tag.
    subject_id: Option<Uuid>,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

impl From<AuditEntry> for AuditBody {
    fn from(entry: AuditEntry) -> Self {
        let (actor_kind, actor_id) = match entry.principal {
            Principal::User { id } => ("user", Some(id.as_uuid())),
            Principal::Token { id } => ("token", Some(id.as_uuid())),
            Principal::System => ("system", None),
        };
        Self {
            id: entry.id.as_uuid(),
            at: entry.at,
            actor_kind: actor_kind.to_owned(),
            actor_id,
            address: entry.address.map(|address| address.to_string()),
            what: audit_words(&entry.change.action),
            action: entry.change.action,
            subject_kind: entry.change.subject.kind,
            subject_id: entry.change.subject.id,
            before: Some(entry.change.before).filter(|value| !value.is_null()),
            after: Some(entry.change.after).filter(|value| !value.is_null()),
        }
    }
}

#[OpenApi(prefix_path = "/identity", tag = "ApiTag::Identity")]
impl IdentityApi {
    /// Who am I
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn me(&self, Token(actor): Token) -> Result<Json<Me>, ApiError> {
        let permissions = Permission::ALL
            .iter()
            .filter(|(permission, _)| actor.may(*permission));
        Ok(Json(Me {
            organization: self.identity.organization(&actor).await?.into(),
            role: actor.role().into(),
            permissions: permissions.map(|(_, text)| (*text).to_owned()).collect(),
        }))
    }

    /// Show the organisation
    #[oai(
        path = "/organization",
        method = "get",
        operation_id = "getOrganization"
    )]
    async fn organization(
        &self,
        Token(actor): Token,
    ) -> Result<Versioned<OrganizationBody>, ApiError> {
        let organization = self.identity.organization(&actor).await?;
        Ok(Versioned::at(organization.version(), organization.into()))
    }

    /// Change the organisation
    #[oai(
        path = "/organization",
        method = "patch",
        operation_id = "updateOrganization"
    )]
    async fn update_organization(
        &self,
        Token(actor): Token,
        /// Only if it still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<OrganizationPatch>,
    ) -> Result<Versioned<OrganizationBody>, ApiError> {
        let patch = body.0;
        let command = UpdateOrganization {
            name: given("/name", patch.name)?,
            timezone: given("/timezone", patch.timezone)?,
            postal_address: match patch.postal_address {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(parse("/postal_address", &text)?)),
            },
            version: expected_version(if_match.0.as_ref())?,
        };
        let changed = self.identity.update_organization(&actor, command).await?;
        Ok(Versioned::at(changed.version(), changed.into()))
    }

    /// Have the organisation deleted
    ///
    /// It is erased after the installation's time of grace, 30 days unless the operator chose another. Until then
    /// nothing is sent and nothing can be changed, but everything can be read, and this be taken back. The token must
    /// have the scope `organization:delete`, which no token has unless it is named.
    #[oai(
        path = "/organization/deletion",
        method = "put",
        operation_id = "requestDeletion"
    )]
    async fn request_deletion(
        &self,
        Token(actor): Token,
        body: Json<DeletionBody>,
    ) -> Result<Json<OrganizationBody>, ApiError> {
        let command = RequestDeletion {
            name: body.0.name,
            who: None,
            password: None,
        };
        let planned = self.identity.request_deletion(&actor, command).await?;
        Ok(Json(planned.into()))
    }

    /// Keep the organisation after all
    ///
    /// Sends that were paused have to be resumed.
    #[oai(
        path = "/organization/deletion",
        method = "delete",
        operation_id = "restoreOrganization"
    )]
    async fn restore_organization(
        &self,
        Token(actor): Token,
    ) -> Result<Json<OrganizationBody>, ApiError> {
        let kept = self.identity.restore_organization(&actor).await?;
        Ok(Json(kept.into()))
    }

    /// List the members
    #[oai(path = "/members", method = "get", operation_id = "listMembers")]
    async fn members(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<MemberBody>>, ApiError> {
        let after = after.0.map(UserId::from_uuid);
        let page = self
            .identity
            .members(&actor, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, MemberBody::from)))
    }

    /// Change a member's role
    #[oai(
        path = "/members/:user_id",
        method = "patch",
        operation_id = "changeMember"
    )]
    async fn change_member(
        &self,
        Token(actor): Token,
        user_id: Path<Uuid>,
        /// Only if the member still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<MemberPatch>,
    ) -> Result<Done, ApiError> {
        let (user, role) = (UserId::from_uuid(user_id.0), body.0.role.into());
        let version = expected_version(if_match.0.as_ref())?;
        let changed = self.identity.change_member(&actor, user, role, version);
        changed.await?;
        Ok(Done::Done)
    }

    /// Remove a member
    #[oai(
        path = "/members/:user_id",
        method = "delete",
        operation_id = "removeMember"
    )]
    async fn remove_member(
        &self,
        Token(actor): Token,
        user_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        self.identity
            .remove_member(&actor, UserId::from_uuid(user_id.0))
            .await?;
        Ok(Done::Done)
    }

    /// Block a member
    ///
    /// The member, and tokens that work for it, may do nothing in this organisation from the next request on.
    #[oai(
        path = "/members/:user_id/block",
        method = "put",
        operation_id = "blockMember"
    )]
    async fn block_member(
        &self,
        Token(actor): Token,
        user_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = UserId::from_uuid(user_id.0);
        self.identity.block_member(&actor, id).await?;
        Ok(Done::Done)
    }

    /// Unblock a member
    #[oai(
        path = "/members/:user_id/block",
        method = "delete",
        operation_id = "unblockMember"
    )]
    async fn unblock_member(
        &self,
        Token(actor): Token,
        user_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = UserId::from_uuid(user_id.0);
        self.identity.unblock_member(&actor, id).await?;
        Ok(Done::Done)
    }

    /// Give the organisation to another member
    ///
    /// The present owner becomes an admin.
    #[oai(
        path = "/organization/owner",
        method = "put",
        operation_id = "transferOwnership"
    )]
    async fn transfer_ownership(
        &self,
        Token(actor): Token,
        body: Json<Transfer>,
    ) -> Result<Done, ApiError> {
        let from = UserId::from_uuid(body.0.from);
        let to = UserId::from_uuid(body.0.to);
        self.identity.transfer_ownership(&actor, from, to).await?;
        Ok(Done::Done)
    }

    /// List the invitations that were not accepted yet
    #[oai(
        path = "/invitations",
        method = "get",
        operation_id = "listInvitations"
    )]
    async fn invitations(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<InvitationBody>>, ApiError> {
        let after = after.0.map(InvitationId::from_uuid);
        let page = self
            .identity
            .invitations(&actor, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, InvitationBody::from)))
    }

    /// Invite somebody
    ///
    /// A link is mailed, which works for seven days; whoever follows it becomes a member. An invitation that the address
    /// has already is replaced.
    #[oai(path = "/invitations", method = "post", operation_id = "invite")]
    async fn invite(
        &self,
        Token(actor): Token,
        body: Json<InviteBody>,
    ) -> Result<Created<InvitationBody>, ApiError> {
        let command = Invite {
            email: parse("/email", &body.0.email)?,
            role: body.0.role.into(),
        };
        let made = self.identity.invite(&actor, command).await?;
        Ok(Created::Created(Json(made.into())))
    }

    /// Mail an invitation again
    ///
    /// With a new link; the one before stops working.
    #[oai(
        path = "/invitations/:invitation_id/resend",
        method = "post",
        operation_id = "resendInvitation"
    )]
    async fn resend_invitation(
        &self,
        Token(actor): Token,
        invitation_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = InvitationId::from_uuid(invitation_id.0);
        self.identity.resend_invitation(&actor, id).await?;
        Ok(Done::Done)
    }

    /// Take an invitation back
    #[oai(
        path = "/invitations/:invitation_id",
        method = "delete",
        operation_id = "revokeInvitation"
    )]
    async fn revoke_invitation(
        &self,
        Token(actor): Token,
        invitation_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = InvitationId::from_uuid(invitation_id.0);
        self.identity.revoke_invitation(&actor, id).await?;
        Ok(Done::Done)
    }

    /// List the API tokens
    #[oai(path = "/tokens", method = "get", operation_id = "listTokens")]
    async fn tokens(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<TokenBody>>, ApiError> {
        let after = after.0.map(ApiTokenId::from_uuid);
        let page = self
            .identity
            .tokens(&actor, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, TokenBody::from)))
    }

    /// Make an API token
    ///
    /// The answer holds the secret, which is never shown again.
    #[oai(path = "/tokens", method = "post", operation_id = "createToken")]
    async fn create_token(
        &self,
        Token(actor): Token,
        body: Json<NewTokenBody>,
    ) -> Result<Created<TokenWithSecret>, ApiError> {
        let body = body.0;
        let scopes = body.scopes.take().map(|scopes| {
            scopes
                .iter()
                .enumerate()
                .map(|(index, scope)| parse(&format!("/scopes/{index}"), scope))
                .collect()
        });
        let command = CreateToken {
            name: parse("/name", &body.name)?,
            role: body.role.into(),
            scopes: scopes.transpose()?,
            expires_at: body.expires_at.take(),
        };
        let made = self.identity.create_token(&actor, command).await?;
        let secret = made.secret.reveal().to_owned();
        Ok(Created::Created(Json(TokenWithSecret {
            token: made.token.into(),
            secret,
        })))
    }

    /// Revoke an API token
    ///
    /// The tokens that it made are revoked with it.
    #[oai(
        path = "/tokens/:token_id",
        method = "delete",
        operation_id = "revokeToken"
    )]
    async fn revoke_token(
        &self,
        Token(actor): Token,
        token_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        self.identity
            .revoke_token(&actor, ApiTokenId::from_uuid(token_id.0))
            .await?;
        Ok(Done::Done)
    }

    /// Read the audit log
    ///
    /// The latest change first.
    #[oai(path = "/audit", method = "get", operation_id = "listAuditEntries")]
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each parameter of the query"
    )]
    async fn audit(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
        /// Only what that one did: `user:ID`, `token:ID` or `system`.
        by: Query<Option<String>>,
        /// Only actions that begin with this, such as `token.`.
        action: Query<Option<String>>,
        /// Only what was done at that time or later.
        since: Query<Option<DateTime<Utc>>>,
        /// Only what was done before that time.
        until: Query<Option<DateTime<Utc>>>,
    ) -> Result<Json<Page<AuditBody>>, ApiError> {
        let before = after.0.map(mauntic_core::AuditEntryId::from_uuid);
        let filter = AuditFilter {
            by: by.0.map(|text| parse("by", &text)).transpose()?,
            action: action.0,
            since: since.0,
            until: until.0,
        };
        let page = self
            .identity
            .audit_log(&actor, &filter, before, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, AuditBody::from)))
    }
}

/// Reads a value object from a field of the body.
pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: T::Err| ApiError::invalid(pointer, &error))
}

/// Reads a value object from a field that may be absent; `null` is refused.
pub(crate) fn given<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    field: MaybeUndefined<String>,
) -> Result<Option<T>, ApiError> {
    match field {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(ApiError::invalid(
            pointer,
            &"cannot be null; leave it out to keep it",
        )),
        MaybeUndefined::Value(text) => parse(pointer, &text).map(Some),
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Forbidden(refused) => refused.into(),
            IdentityError::Store(failure) => failure.into(),
            IdentityError::OrganizationNotFound(_)
            | IdentityError::NoOrganizationCalled
            | IdentityError::UserNotFound(_)
            | IdentityError::SessionNotFound(_)
            | IdentityError::LoginNotLinked
            | IdentityError::InvitationNotFound(_)
            | IdentityError::TokenNotFound(_) => Self::not_found(&error),
            IdentityError::NoUserWithEmail => Self::invalid("/email", &error),
            IdentityError::SlugTaken | IdentityError::EmailTaken | IdentityError::AlreadyMember => {
                Self::conflict("taken", &error)
            }
            IdentityError::Outdated { .. } => Self::changed(&error),
            IdentityError::WrongSetUpCode => Self::invalid("/code", &error),
            IdentityError::AlreadySetUp => Self::conflict("already_set_up", &error),
            IdentityError::LastOwner => Self::conflict("last_owner", &error),
            IdentityError::NameDiffers => Self::invalid("/name", &error),
            IdentityError::ErasureBegun(_) => Self::conflict("erasure_begun", &error),
            IdentityError::LastWayIn => Self::conflict("last_way_in", &error),
            IdentityError::LogInAgain => Self::conflict("log_in_again", &error),
            IdentityError::NotAnOwner => Self::invalid("/from", &error),
            IdentityError::InvitedAsSomebodyElse => Self::conflict("another_address", &error),
            IdentityError::BeyondOwnScope(_) | IdentityError::BeyondRole(..) => {
                Self::invalid("/scopes", &error)
            }
            IdentityError::RoleBeyondScope(..) => Self::forbidden(&error),
            IdentityError::ExpiresInThePast => Self::invalid("/expires_at", &error),
            IdentityError::AmbiguousOrganization => Self::bad_request("ambiguous", &error),
            IdentityError::WrongPassword
            | IdentityError::WrongCode
            | IdentityError::NoCodeAwaited
            | IdentityError::Refused(_) => Self::wrong_credentials(&error),
            IdentityError::TooManyFailures { seconds } => Self::tried_too_often(&error, seconds),
            IdentityError::DeadLink => Self::conflict("dead_link", &error),
            IdentityError::SecondFactorOn | IdentityError::SecondFactorOff => {
                Self::conflict("wrong_state", &error)
            }
            _ => Self::internal(&error),
        }
    }
}
