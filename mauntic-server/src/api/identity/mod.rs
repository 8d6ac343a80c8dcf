//! `/api/identity`: the organisation, its members and its API tokens.

mod apps;
mod body;
mod errors;

pub(crate) use apps::AppsApi;
pub(crate) use body::{OrganizationBody, RoleName};
pub(crate) use errors::{given, parse};

use chrono::{DateTime, Utc};
use mauntic_core::{
    ApiTokenId, InvitationId, NotificationId, Permission, UserId,
    identity::{
        AuditFilter, CreateToken, IdentityService, Invite, Password, RequestDeletion,
        UpdateOrganization, WriteToMember,
    },
};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use self::body::{
    AuditBody, DeletionBody, InvitationBody, InviteBody, LetterBody, Me, MemberBody, MemberPatch,
    NewTokenBody, NotificationBody, OrganizationPatch, TokenBody, TokenWithSecret, Transfer,
    UnreadBody,
};
use super::{ApiTag, Created, Done, Page, Versioned, expected_version, page_size};
use crate::{
    App,
    http::{
        auth::{Token, logged_in_of},
        problem::ApiError,
    },
};

/// Unread notifications are counted up to here.
const MOST_UNREAD: u32 = 1_000;

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
    /// nothing is sent and nothing can be changed, but everything can be read, and this be taken back. A token must have
    /// the scope `organization:delete`, which no token has unless it is named; in a session, the owner's password is asked
    /// for.
    #[oai(
        path = "/organization/deletion",
        method = "put",
        operation_id = "requestDeletion"
    )]
    async fn request_deletion(
        &self,
        request: &Request,
        Token(actor): Token,
        body: Json<DeletionBody>,
    ) -> Result<Json<OrganizationBody>, ApiError> {
        let password = body.0.password.as_deref();
        let command = RequestDeletion {
            name: body.0.name,
            who: logged_in_of(request),
            password: password.and_then(Password::presented),
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
        /// Only those whose names or addresses contain this: as many of them as one page has rows, and no page behind it.
        /// A blank one looks for nobody in particular.
        search: Query<Option<String>>,
    ) -> Result<Json<Page<MemberBody>>, ApiError> {
        if let Some(text) = search.0.as_deref().filter(|text| !text.trim().is_empty()) {
            let found = self
                .identity
                .search_members(&actor, text, page_size(limit.0));
            let page = mauntic_core::Page {
                items: found.await?,
                next: None::<UserId>,
            };
            return Ok(Json(Page::present(page, MemberBody::from)));
        }
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

    /// Write to a member
    ///
    /// Mails another member of the organisation, in the name of whoever is logged in: answers go to that person. Tokens
    /// and apps cannot. After 20 in an hour the next one has to wait.
    #[oai(
        path = "/members/:user_id/letters",
        method = "post",
        operation_id = "writeToMember"
    )]
    async fn write_to_member(
        &self,
        Token(actor): Token,
        user_id: Path<Uuid>,
        body: Json<LetterBody>,
    ) -> Result<Done, ApiError> {
        let body = body.0;
        let page = body.page.filter(|page| !page.trim().is_empty());
        let letter = WriteToMember {
            subject: parse("/subject", &body.subject)?,
            text: parse("/text", &body.text)?,
            page: page.map(|page| parse("/page", &page)).transpose()?,
        };
        let to = UserId::from_uuid(user_id.0);
        self.identity.write_to_member(&actor, to, letter).await?;
        Ok(Done::Done)
    }

    /// List the notifications
    ///
    /// What the user was told in the organisation, the latest first. Tokens have none. They are kept for 90 days.
    #[oai(
        path = "/notifications",
        method = "get",
        operation_id = "listNotifications"
    )]
    async fn notifications(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
        /// Only those that are not read yet.
        unread: Query<Option<bool>>,
    ) -> Result<Json<Page<NotificationBody>>, ApiError> {
        let before = after.0.map(NotificationId::from_uuid);
        let (unread, size) = (unread.0.unwrap_or_default(), page_size(limit.0));
        let page = self.identity.notifications(&actor, unread, before, size);
        Ok(Json(Page::present(page.await?, NotificationBody::from)))
    }

    /// Count the notifications that are not read yet
    #[oai(
        path = "/notifications/unread",
        method = "get",
        operation_id = "countUnreadNotifications"
    )]
    async fn unread_notifications(
        &self,
        Token(actor): Token,
    ) -> Result<Json<UnreadBody>, ApiError> {
        let unread = self.identity.unread_notifications(&actor, MOST_UNREAD);
        Ok(Json(UnreadBody {
            unread: unread.await?,
        }))
    }

    /// Mark all notifications as read
    #[oai(
        path = "/notifications/read",
        method = "put",
        operation_id = "markNotificationsRead"
    )]
    async fn mark_notifications_read(
        &self,
        Token(actor): Token,
        /// Only up to this one: those that came in later stay unread.
        up_to: Query<Option<Uuid>>,
    ) -> Result<Done, ApiError> {
        let up_to = up_to.0.map(NotificationId::from_uuid);
        self.identity.mark_notifications_read(&actor, up_to).await?;
        Ok(Done::Done)
    }

    /// Mark a notification as read
    #[oai(
        path = "/notifications/:notification_id/read",
        method = "put",
        operation_id = "markNotificationRead"
    )]
    async fn mark_notification_read(
        &self,
        Token(actor): Token,
        notification_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = NotificationId::from_uuid(notification_id.0);
        self.identity.mark_notification_read(&actor, id).await?;
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
        /// Only what that one did: `user:ID`, `token:ID`, `app:ID` (for itself), `app:ID:USER` or `system`.
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
