use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    super::{
        Change, Client, DisplayName, Errand, IdentityError, IdentityService, IdentityUnitOfWork,
        Invitation, Invited, Letter, LinkSecret, LoggedIn, Message, Organization, Password,
        PasswordHash, Subject, TokenHash, User,
        user::{may_give, within},
    },
    NewSession, calling,
    members::lock,
    passwords::hold_strong,
    sessions::invitation_keys,
};
use crate::{
    Actor, EmailAddress, InvitationId, OrganizationId, Page, PageSize, Permission, Principal, Role,
    StoreError, UserId,
};

/// Somebody to invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The address that the invitation is mailed to.
    pub email: EmailAddress,
    /// The role in the organisation.
    pub role: Role,
}

impl IdentityService {
    /// Mails somebody an invitation to become a member of the actor's organisation. One that the address has already is
    /// replaced.
    ///
    /// # Errors
    /// [`IdentityError::AlreadyMember`]; [`IdentityError::Forbidden`] for a role above the actor's own, or in place of
    /// an invitation to one; [`IdentityError::TooManyFailures`] if the address, or many, were mailed lately.
    #[tracing::instrument(skip_all)]
    pub async fn invite(
        &self,
        actor: &Actor,
        command: Invite,
    ) -> Result<Invitation, IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        may_give(actor, command.role)?;
        let now = self.clock.now();
        let invited_by = self.member_behind(actor).await?;
        let keys = invitation_keys(organization, &command.email);
        self.count_try(&keys, now).await?;
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let user = uow.users().find_by_email_for_update(&command.email).await?;
        if let Some(user) = user
            && uow
                .memberships()
                .find(organization, user.id)
                .await?
                .is_some()
        {
            return Err(IdentityError::AlreadyMember);
        }
        let invitations = uow.invitations();
        let before = invitations
            .find_of_email(organization, &command.email)
            .await?;
        if let Some(before) = before {
            within(actor.role(), &[before.role])?;
        }
        let invitation = Invitation {
            id: InvitationId::generate(&*self.ids),
            organization_id: organization,
            email: command.email,
            role: command.role,
            invited_by,
            created_at: now,
            expires_at: now + Invitation::LIFETIME,
            secret_hash: None,
        };
        uow.invitations()
            .delete_of_email(organization, &invitation.email)
            .await?;
        uow.invitations().insert(&invitation).await?;
        self.mail_invitation(&mut *uow, &invitation, now).await?;
        let change = about("invitation.created", &invitation)
            .to(json!({"email": invitation.email, "role": invitation.role}));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(invitation)
    }

    /// A page of the invitations of the actor's organisation that were not accepted yet, the oldest first.
    pub async fn invitations(
        &self,
        actor: &Actor,
        after: Option<InvitationId>,
        size: PageSize,
    ) -> Result<Page<Invitation, InvitationId>, IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let invitations = self.store.invitations();
        Ok(invitations.list(organization, after, size).await?)
    }

    /// Mails an invitation again, with a new link that works for the whole time; the one before stops working.
    ///
    /// # Errors
    /// [`IdentityError::TooManyFailures`] if the address, or many, were mailed lately.
    #[tracing::instrument(skip_all)]
    pub async fn resend_invitation(
        &self,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let now = self.clock.now();
        let known = self.store.invitations().find(organization, id).await?;
        let known = known.ok_or(IdentityError::InvitationNotFound(id))?;
        may_give(actor, known.role)?;
        self.count_try(&invitation_keys(organization, &known.email), now)
            .await?;
        let mut uow = self.store.begin().await?;
        let found = uow.invitations().find_for_update(organization, id).await?;
        let mut invitation = found.ok_or(IdentityError::InvitationNotFound(id))?;
        invitation.expires_at = now + Invitation::LIFETIME;
        invitation.secret_hash = None;
        uow.invitations().update(&invitation).await?;
        self.mail_invitation(&mut *uow, &invitation, now).await?;
        let change = about("invitation.resent", &invitation);
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Takes an invitation back; its link stops working.
    #[tracing::instrument(skip_all)]
    pub async fn revoke_invitation(
        &self,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let mut uow = self.store.begin().await?;
        let found = uow.invitations().find_for_update(organization, id).await?;
        let invitation = found.ok_or(IdentityError::InvitationNotFound(id))?;
        within(actor.role(), &[invitation.role])?;
        self.take_back(&mut *uow, actor, &invitation).await?;
        uow.commit().await?;
        Ok(())
    }

    pub(super) async fn take_back(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        invitation: &Invitation,
    ) -> Result<(), IdentityError> {
        uow.invitations()
            .delete(invitation.organization_id, invitation.id)
            .await?;
        let change = about("invitation.revoked", invitation)
            .from(json!({"email": invitation.email, "role": invitation.role}));
        self.audit(uow, actor, change, self.clock.now()).await
    }

    /// The invitation that a mailed link is about.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`].
    pub async fn invitation(&self, secret: &LinkSecret) -> Result<Invited, IdentityError> {
        let found = self
            .store
            .invitations()
            .find_by_hash(&secret.hash())
            .await?;
        let open = found.filter(|invitation| invitation.is_open(self.clock.now()));
        let invitation = open.ok_or(IdentityError::DeadLink)?;
        self.inviter_may_still(&invitation).await?;
        let organizations = self.store.organizations();
        let organization = organizations.find(invitation.organization_id).await?;
        let organization = organization.filter(Organization::is_active);
        let account = self.store.members().find_user_by_email(&invitation.email);
        Ok(Invited {
            organization: organization.ok_or(IdentityError::DeadLink)?.name,
            has_account: account.await?.is_some(),
            invitation,
        })
    }

    /// Becomes a member with a mailed link, once, and works there in this session. The invitation has to be for the
    /// address of who is logged in.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::InvitedAsSomebodyElse`]; [`IdentityError::AlreadyMember`].
    #[tracing::instrument(skip_all)]
    pub async fn accept_invitation(
        &self,
        who: &LoggedIn,
        secret: &LinkSecret,
    ) -> Result<OrganizationId, IdentityError> {
        let mut uow = self.store.begin().await?;
        // The organisation is locked before the user, in the order of those who invite.
        let invitation = self.take_invitation(&mut *uow, &secret.hash()).await?;
        let user = uow.users().find_for_update(who.user.id).await?;
        let user = user.filter(|user| user.blocked_at.is_none());
        let user = user.ok_or(IdentityError::DeadLink)?;
        if invitation.email.key() != user.email.key() {
            return Err(IdentityError::InvitedAsSomebodyElse);
        }
        let organization = invitation.organization_id;
        let actor = Actor::user(organization, user.id, invitation.role);
        let actor = calling(actor, who.address);
        self.join(
            &mut *uow,
            &actor,
            &user,
            invitation.role,
            invitation.invited_by,
        )
        .await?;
        uow.sessions().work_in(who.session.id, organization).await?;
        uow.commit().await?;
        Ok(organization)
    }

    /// Makes an account for the address that a mailed link was sent to, as a member, and logs in. The link proves the
    /// address.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::EmailTaken`] if there is an account by now, which is to log in;
    /// [`IdentityError::GuessablePassword`].
    #[tracing::instrument(skip_all)]
    pub async fn accept_as_new(
        &self,
        secret: &LinkSecret,
        name: DisplayName,
        password: Password,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        // Hashing costs, so it is not done for whoever has no link.
        let invited = self.invitation(secret).await?;
        let about = [
            name.as_str(),
            invited.invitation.email.as_str(),
            invited.organization.as_str(),
        ];
        hold_strong(&password, &about)?;
        let password = self.hasher.hash(password).await?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let invitation = self.take_invitation(&mut *uow, &secret.hash()).await?;
        let user = self.new_user(invitation.email.clone(), name, Some(password), now);
        let new = self
            .join_as_new(&mut *uow, &invitation, &user, client, now)
            .await?;
        uow.commit().await?;
        Ok(new)
    }

    pub(super) fn new_user(
        &self,
        email: EmailAddress,
        name: DisplayName,
        password: Option<PasswordHash>,
        now: DateTime<Utc>,
    ) -> User {
        User::new(UserId::generate(&*self.ids), email, name, password, now)
    }

    /// Adds a user as the member that an invitation was for, in a first session.
    pub(super) async fn join_as_new(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        invitation: &Invitation,
        user: &User,
        client: Client,
        now: DateTime<Utc>,
    ) -> Result<NewSession, IdentityError> {
        match uow.users().insert(user).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::EmailTaken),
            done => done?,
        }
        let organization = invitation.organization_id;
        let actor = Actor::user(organization, user.id, invitation.role);
        let actor = calling(actor, client.address);
        self.join(uow, &actor, user, invitation.role, invitation.invited_by)
            .await?;
        let new = self.new_session(user.id, Some(organization), false, client, now)?;
        uow.sessions()
            .insert(&new.session, &new.secret.hash())
            .await?;
        Ok(new)
    }

    /// Uses an invitation up. The organisation is locked before it, in the order of everybody else.
    pub(super) async fn take_invitation(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        hash: &TokenHash,
    ) -> Result<Invitation, IdentityError> {
        let known = self.store.invitations().find_by_hash(hash).await?;
        let known = known.ok_or(IdentityError::DeadLink)?;
        self.inviter_may_still(&known).await?;
        let organization = known.organization_id;
        let place = uow.organizations().find_for_update(organization).await?;
        if place.is_none_or(|place| !place.is_active()) {
            return Err(IdentityError::DeadLink);
        }
        let found = uow
            .invitations()
            .find_for_update(organization, known.id)
            .await?;
        let now = self.clock.now();
        let same = |found: &Invitation| found.is_open(now) && found.secret_hash == Some(*hash);
        let invitation = found.filter(same).ok_or(IdentityError::DeadLink)?;
        uow.invitations()
            .delete(organization, invitation.id)
            .await?;
        Ok(invitation)
    }

    /// The member who acts: of a token or an app, the one whom it works for.
    pub(super) async fn member_behind(
        &self,
        actor: &Actor,
    ) -> Result<Option<UserId>, IdentityError> {
        match actor.principal() {
            Principal::User { id } => Ok(Some(id)),
            Principal::Token { id } => {
                let token = self.store.tokens().find(actor.organization_id(), id);
                Ok(token.await?.and_then(|token| token.user_id))
            }
            Principal::App {
                user: Some(user), ..
            } => Ok(Some(user)),
            Principal::App { client, user: None } => {
                let client = self.store.oauth().find_client(client).await?;
                let machine = client.and_then(|client| client.machine);
                Ok(machine.and_then(|machine| machine.given_by))
            }
            Principal::System => Ok(None),
        }
    }

    /// Holds whoever invited to be somebody who may: invitations of a member end with what the member may do.
    async fn inviter_may_still(&self, invitation: &Invitation) -> Result<(), IdentityError> {
        let Some(inviter) = invitation.invited_by else {
            return Ok(());
        };
        let members = self.store.members();
        let user = members.find_user(inviter).await?;
        let active = user.is_some_and(|user| user.blocked_at.is_none());
        let membership = members.find(invitation.organization_id, inviter).await?;
        let may = membership.is_some_and(|membership| {
            membership.blocked_at.is_none()
                && membership.role.allows(Permission::MembersManage)
                && invitation.role <= membership.role
        });
        if active && may {
            Ok(())
        } else {
            Err(IdentityError::DeadLink)
        }
    }

    async fn mail_invitation(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        invitation: &Invitation,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let errand = Errand::Invitation {
            organization_id: invitation.organization_id,
            invitation_id: invitation.id,
        };
        self.queue(uow, errand, now).await
    }

    /// Writes the letter of an invitation; `None` if it was taken back, accepted, or is too old.
    pub(super) async fn write_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Letter>, IdentityError> {
        let now = self.clock.now();
        let secret = LinkSecret::random()?;
        let mut uow = self.store.begin().await?;
        let found = uow.invitations().find_for_update(organization, id).await?;
        let Some(mut invitation) = found.filter(|found| found.is_open(now)) else {
            return Ok(None);
        };
        invitation.secret_hash = Some(secret.hash());
        uow.invitations().update(&invitation).await?;
        uow.commit().await?;
        let place = self.store.organizations().find(organization).await?;
        let Some(place) = place.filter(Organization::is_active) else {
            return Ok(None);
        };
        let inviter = match invitation.invited_by {
            Some(id) => self.store.members().find_user(id).await?,
            None => None,
        };
        Ok(Some(Letter {
            to: invitation.email,
            name: None,
            message: Message::Invitation {
                secret,
                expires_at: invitation.expires_at,
                organization: place.name,
                role: invitation.role,
                inviter: inviter.map(|user| user.name),
            },
        }))
    }
}

fn about(action: &str, invitation: &Invitation) -> Change {
    Change::new(action, Subject::new("invitation", invitation.id))
}
