use chrono::{DateTime, Utc};
use serde_json::json;

use super::{
    super::{
        Change, Client, DisplayName, Errand, IdentityError, IdentityService, IdentityUnitOfWork,
        Invitation, Invited, Letter, LinkSecret, LoggedIn, Message, Organization, Password,
        PasswordHash, Subject, TokenHash, User, user::within,
    },
    NewSession,
    members::lock,
};
use crate::{
    Actor, EmailAddress, InvitationId, OrganizationId, Permission, Principal, Role, StoreError,
    UserId,
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
    /// [`IdentityError::AlreadyMember`]; [`IdentityError::Forbidden`] for a role above the actor's own.
    #[tracing::instrument(skip_all)]
    pub async fn invite(
        &self,
        actor: &Actor,
        command: Invite,
    ) -> Result<Invitation, IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        within(actor.role(), &[command.role])?;
        let now = self.clock.now();
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
        let invitation = Invitation {
            id: InvitationId::generate(&*self.ids),
            organization_id: organization,
            email: command.email,
            role: command.role,
            invited_by: match actor.principal() {
                Principal::User { id } => Some(id),
                Principal::Token { .. } | Principal::System => None,
            },
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

    /// The invitations of the actor's organisation that were not accepted yet, the oldest first.
    pub async fn invitations(&self, actor: &Actor) -> Result<Vec<Invitation>, IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        Ok(self.store.invitations().list(organization).await?)
    }

    /// Mails an invitation again, with a new link that works for the whole time; the one before stops working.
    #[tracing::instrument(skip_all)]
    pub async fn resend_invitation(
        &self,
        actor: &Actor,
        id: InvitationId,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.invitations().find_for_update(organization, id).await?;
        let mut invitation = found.ok_or(IdentityError::InvitationNotFound(id))?;
        within(actor.role(), &[invitation.role])?;
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
        uow.invitations().delete(organization, id).await?;
        let change = about("invitation.revoked", &invitation)
            .from(json!({"email": invitation.email, "role": invitation.role}));
        self.audit(&mut *uow, actor, change, self.clock.now())
            .await?;
        uow.commit().await?;
        Ok(())
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
        let user = uow.users().find_for_update(who.user.id).await?;
        let user = user.filter(|user| user.blocked_at.is_none());
        let user = user.ok_or(IdentityError::DeadLink)?;
        let invitation = self.take_invitation(&mut *uow, &secret.hash()).await?;
        if invitation.email.key() != user.email.key() {
            return Err(IdentityError::InvitedAsSomebodyElse);
        }
        let organization = invitation.organization_id;
        let actor = Actor::user(organization, user.id, invitation.role);
        self.join(&mut *uow, &actor, &user, invitation.role).await?;
        uow.sessions().work_in(who.session.id, organization).await?;
        uow.commit().await?;
        Ok(organization)
    }

    /// Makes an account for the address that a mailed link was sent to, as a member, and logs in. The link proves the
    /// address.
    ///
    /// # Errors
    /// [`IdentityError::DeadLink`]; [`IdentityError::EmailTaken`] if there is an account by now, which is to log in.
    #[tracing::instrument(skip_all)]
    pub async fn accept_as_new(
        &self,
        secret: &LinkSecret,
        name: DisplayName,
        password: Password,
        client: Client,
    ) -> Result<NewSession, IdentityError> {
        // Hashing costs, so it is not done for whoever has no link.
        self.invitation(secret).await?;
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
        User {
            id: UserId::generate(&*self.ids),
            email,
            name,
            password,
            created_at: now,
            blocked_at: None,
        }
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
        self.join(uow, &actor, user, invitation.role).await?;
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
