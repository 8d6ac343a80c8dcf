use serde_json::json;
use tracing::info;

use super::super::{
    Change, DisplayName, IdentityError, IdentityService, IdentityUnitOfWork, Member, MemberGone,
    Membership, Password, PasswordHash, Subject, User, UserBlocked, UserInvited,
    user::{may_give, within},
};
use super::{organizations::at_version, passwords::hold_strong};
use crate::{
    Actor, EmailAddress, Operator, OrganizationId, Page, PageSize, Permission, Role, StoreError,
    UserId,
};

/// A new person, as a member of an organisation.
#[derive(Debug, Clone)]
pub struct CreateUser {
    /// The address to log in with.
    pub email: EmailAddress,
    /// What the person is called.
    pub name: DisplayName,
    /// The first password; without one the person cannot log in yet.
    pub password: Option<FirstPassword>,
    /// The role in the organisation.
    pub role: Role,
}

/// Where the first password of a person comes from.
#[derive(Debug, Clone)]
pub enum FirstPassword {
    /// It is a new one.
    Chosen(Password),
    /// Another system knew the person by it, and made that hash of it with bcrypt. The person's next login makes a hash
    /// of our own of it.
    Adopted(PasswordHash),
}

impl From<Password> for FirstPassword {
    fn from(password: Password) -> Self {
        Self::Chosen(password)
    }
}

/// Somebody who has an account already, as a member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddMember {
    /// The address that the user logs in with.
    pub email: EmailAddress,
    /// The role in the organisation.
    pub role: Role,
}

impl IdentityService {
    /// Creates a user as a member of an organisation. Nobody proves that the address is theirs, so members
    /// [invite](Self::invite) instead.
    ///
    /// # Errors
    /// [`IdentityError::EmailTaken`]; [`IdentityError::GuessablePassword`].
    #[tracing::instrument(skip_all)]
    pub async fn create_user(
        &self,
        _: &Operator,
        organization: OrganizationId,
        command: CreateUser,
    ) -> Result<Member, IdentityError> {
        let password = match command.password {
            Some(FirstPassword::Chosen(password)) => {
                let about = [command.name.as_str(), command.email.as_str()];
                hold_strong(&password, &about)?;
                Some(self.hasher.hash(password).await?)
            }
            Some(FirstPassword::Adopted(hash)) => Some(hash),
            None => None,
        };
        let now = self.clock.now();
        let id = UserId::generate(&*self.ids);
        let user = User::new(id, command.email, command.name, password, now);
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        match uow.users().insert(&user).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::EmailTaken),
            done => done?,
        }
        let actor = Actor::system(organization);
        let member = self
            .join(&mut *uow, &actor, &user, command.role, None)
            .await?;
        uow.commit().await?;
        Ok(member)
    }

    /// Makes an existing user a member of an organisation. The user is not asked, so members
    /// [invite](Self::invite) instead.
    #[tracing::instrument(skip_all)]
    pub async fn add_member(
        &self,
        _: &Operator,
        organization: OrganizationId,
        command: AddMember,
    ) -> Result<Member, IdentityError> {
        let actor = Actor::system(organization);
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let user = uow.users().find_by_email_for_update(&command.email).await?;
        let user = user.ok_or(IdentityError::NoUserWithEmail)?;
        let member = self
            .join(&mut *uow, &actor, &user, command.role, None)
            .await?;
        uow.commit().await?;
        Ok(member)
    }

    /// Gives a member another role, if the member still is at a [version](Membership::version). The last owner stays one.
    ///
    /// # Errors
    /// [`IdentityError::Outdated`] if it is not.
    #[tracing::instrument(skip_all)]
    pub async fn change_member(
        &self,
        actor: &Actor,
        user: UserId,
        role: Role,
        version: Option<i64>,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let mut membership = find(&mut *uow, organization, user).await?;
        within(actor.role(), &[membership.role])?;
        at_version(version, membership.version())?;
        if membership.role == role {
            return Ok(());
        }
        may_give(actor, role)?;
        if membership.role == Role::Owner {
            another_owner(&mut *uow, organization, user).await?;
        }
        let change = Change::new("member.changed", Subject::new("user", user))
            .from(json!({"role": membership.role}))
            .to(json!({"role": role}));
        membership.role = role;
        uow.memberships().update(&membership).await?;
        let now = self.clock.now();
        self.audit(&mut *uow, actor, change, now).await?;
        let still = role.allows(Permission::MembersManage).then_some(role);
        self.withdraw(&mut *uow, actor, user, still).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Takes a member out of the organisation: the member's tokens are revoked, open invitations taken back, and apps act
    /// for the member or by the member's leave no more, for good.
    /// The user stays; the last owner cannot go.
    #[tracing::instrument(skip_all)]
    pub async fn remove_member(&self, actor: &Actor, user: UserId) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let membership = find(&mut *uow, organization, user).await?;
        within(actor.role(), &[membership.role])?;
        self.part(&mut *uow, actor, &membership, "member.removed")
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// Ends a membership, and what hangs on it. The last owner stays.
    pub(super) async fn part(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        membership: &Membership,
        action: &str,
    ) -> Result<(), IdentityError> {
        let (organization, user_id) = (membership.organization_id, membership.user_id);
        if membership.role == Role::Owner {
            another_owner(uow, organization, user_id).await?;
        }
        uow.memberships().remove(organization, user_id).await?;
        let now = self.clock.now();
        self.end_machines_of(uow, actor, user_id, now).await?;
        uow.oauth()
            .delete_grants_of_user(organization, user_id)
            .await?;
        let gone = MemberGone { user_id };
        self.publish(uow, organization, &gone, now).await?;
        let change = Change::new(action, Subject::new("user", user_id))
            .from(json!({"role": membership.role}));
        self.audit(uow, actor, change, now).await?;
        // Those of a member who joins again would work again.
        for token in uow
            .tokens()
            .of_member_for_update(organization, user_id)
            .await?
        {
            self.end_token(uow, actor, token, now).await?;
        }
        self.withdraw(uow, actor, user_id, None).await
    }

    /// The members of the actor's organisation whose names or addresses contain a text, up to so many, in the order of
    /// their ids.
    pub async fn search_members(
        &self,
        actor: &Actor,
        text: &str,
        size: PageSize,
    ) -> Result<Vec<Member>, IdentityError> {
        let organization = actor.require(Permission::MembersRead)?;
        Ok(self
            .store
            .members()
            .search(organization, text, size)
            .await?)
    }

    /// A member of the actor's organisation.
    ///
    /// # Errors
    /// [`IdentityError::UserNotFound`] if the user is none.
    pub async fn member(&self, actor: &Actor, user: UserId) -> Result<Member, IdentityError> {
        let organization = actor.require(Permission::MembersRead)?;
        let members = self.store.members();
        let found = members.find_member(organization, user).await?;
        found.ok_or(IdentityError::UserNotFound(user))
    }

    /// Lets a member do nothing in the actor's organisation, from the next request on; the member's tokens and
    /// invitations neither. The last owner cannot be blocked.
    #[tracing::instrument(skip_all)]
    pub async fn block_member(&self, actor: &Actor, user: UserId) -> Result<(), IdentityError> {
        self.set_member_blocked(actor, user, true).await
    }

    /// Lets a member that was blocked in the actor's organisation act again.
    #[tracing::instrument(skip_all)]
    pub async fn unblock_member(&self, actor: &Actor, user: UserId) -> Result<(), IdentityError> {
        self.set_member_blocked(actor, user, false).await
    }

    /// Makes another member an owner, and the present one an admin, at once.
    ///
    /// # Errors
    /// [`IdentityError::NotAnOwner`] if `from` is none; [`IdentityError::UserNotFound`] if either is no member, or `to`
    /// is blocked.
    #[tracing::instrument(skip_all)]
    pub async fn transfer_ownership(
        &self,
        actor: &Actor,
        from: UserId,
        to: UserId,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::OrganizationManage)?;
        may_give(actor, Role::Owner)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let mut old = find(&mut *uow, organization, from).await?;
        let mut new = find(&mut *uow, organization, to).await?;
        let user = uow.users().find_for_update(to).await?;
        if new.blocked_at.is_some() || user.is_none_or(|user| user.blocked_at.is_some()) {
            return Err(IdentityError::UserNotFound(to));
        }
        if old.role != Role::Owner {
            return Err(IdentityError::NotAnOwner);
        }
        if from == to {
            return Ok(());
        }
        let subject = Subject::new("organization", organization);
        let change = Change::new("organization.ownership_transferred", subject)
            .from(json!({"from": from, "role": new.role}))
            .to(json!({"to": to, "role": Role::Owner}));
        old.role = Role::Admin;
        new.role = Role::Owner;
        uow.memberships().update(&new).await?;
        uow.memberships().update(&old).await?;
        self.audit(&mut *uow, actor, change, now).await?;
        self.withdraw(&mut *uow, actor, from, Some(old.role))
            .await?;
        uow.commit().await?;
        Ok(())
    }

    async fn set_member_blocked(
        &self,
        actor: &Actor,
        user: UserId,
        blocked: bool,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::MembersManage)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let mut membership = find(&mut *uow, organization, user).await?;
        within(actor.role(), &[membership.role])?;
        if membership.blocked_at.is_some() == blocked {
            return Ok(());
        }
        if blocked && membership.role == Role::Owner {
            another_owner(&mut *uow, organization, user).await?;
        }
        membership.blocked_at = blocked.then_some(now);
        uow.memberships().update(&membership).await?;
        let action = if blocked {
            "member.blocked"
        } else {
            "member.unblocked"
        };
        let change = Change::new(action, Subject::new("user", user));
        self.audit(&mut *uow, actor, change, now).await?;
        if blocked {
            self.withdraw(&mut *uow, actor, user, None).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// A page of the members of the actor's organisation.
    pub async fn members(
        &self,
        actor: &Actor,
        after: Option<UserId>,
        size: PageSize,
    ) -> Result<Page<Member, UserId>, IdentityError> {
        let organization = actor.require(Permission::MembersRead)?;
        Ok(self.store.members().list(organization, after, size).await?)
    }

    /// Takes back the open invitations by a member, who may not give them any more: all, or those above a role.
    async fn withdraw(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        inviter: UserId,
        above: Option<Role>,
    ) -> Result<(), IdentityError> {
        let organization = actor.organization_id();
        let by_member = uow.invitations().of_inviter(organization, inviter).await?;
        let gone = by_member
            .iter()
            .filter(|invitation| above.is_none_or(|role| invitation.role > role));
        for invitation in gone {
            self.take_back(uow, actor, invitation).await?;
        }
        Ok(())
    }

    /// Lets a user do nothing any more, in no organisation, from the next request on.
    #[tracing::instrument(skip_all)]
    pub async fn block_user(&self, _: &Operator, id: UserId) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let user = uow.users().find_for_update(id).await?;
        let mut user = user.ok_or(IdentityError::UserNotFound(id))?;
        if !user.block(now) {
            return Ok(());
        }
        uow.users().update(&user).await?;
        uow.sessions().delete_all(id).await?;
        for membership in uow.memberships().of_user(id).await? {
            let organization = membership.organization_id;
            let event = UserBlocked { user_id: id };
            self.publish(&mut *uow, organization, &event, now).await?;
            let change = Change::new("user.blocked", Subject::new("user", id));
            let operator = Actor::system(organization);
            self.audit(&mut *uow, &operator, change, now).await?;
        }
        uow.commit().await?;
        info!(user.id = %id, "the operator blocked a user");
        Ok(())
    }

    /// Lets a blocked user act again.
    #[tracing::instrument(skip_all)]
    pub async fn unblock_user(&self, _: &Operator, id: UserId) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let user = uow.users().find_for_update(id).await?;
        let mut user = user.ok_or(IdentityError::UserNotFound(id))?;
        if user.blocked_at.take().is_none() {
            return Ok(());
        }
        uow.users().update(&user).await?;
        for membership in uow.memberships().of_user(id).await? {
            let change = Change::new("user.unblocked", Subject::new("user", id));
            let operator = Actor::system(membership.organization_id);
            self.audit(&mut *uow, &operator, change, now).await?;
        }
        uow.commit().await?;
        info!(user.id = %id, "the operator unblocked a user");
        Ok(())
    }

    pub(super) async fn join(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        user: &User,
        role: Role,
        invited_by: Option<UserId>,
    ) -> Result<Member, IdentityError> {
        let now = self.clock.now();
        let membership = Membership {
            organization_id: actor.organization_id(),
            user_id: user.id,
            role,
            created_at: now,
            blocked_at: None,
        };
        match uow.memberships().insert(&membership).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::AlreadyMember),
            done => done?,
        }
        // An invitation that was not needed would be one to a member.
        uow.invitations()
            .delete_of_email(membership.organization_id, &user.email)
            .await?;
        let event = UserInvited {
            user_id: user.id,
            role,
            name: Some(user.name.clone()),
            invited_by,
        };
        self.publish(uow, membership.organization_id, &event, now)
            .await?;
        let change = Change::new("member.added", Subject::new("user", user.id))
            .to(json!({"email": user.email, "name": user.name, "role": role}));
        self.audit(uow, actor, change, now).await?;
        Ok(Member::of(user, &membership))
    }
}

/// Changes of an organisation's members come one after the other, else two owners could leave at once.
pub(super) async fn lock(
    uow: &mut dyn IdentityUnitOfWork,
    organization: OrganizationId,
) -> Result<(), IdentityError> {
    let found = uow.organizations().find_for_update(organization).await?;
    found
        .map(|_| ())
        .ok_or(IdentityError::OrganizationNotFound(organization))
}

async fn find(
    uow: &mut dyn IdentityUnitOfWork,
    organization: OrganizationId,
    user: UserId,
) -> Result<Membership, IdentityError> {
    let found = uow.memberships().find(organization, user).await?;
    found.ok_or(IdentityError::UserNotFound(user))
}

async fn another_owner(
    uow: &mut dyn IdentityUnitOfWork,
    organization: OrganizationId,
    user: UserId,
) -> Result<(), IdentityError> {
    let owners = uow.memberships().owners(organization).await?;
    if owners.iter().all(|owner| *owner == user) {
        return Err(IdentityError::LastOwner);
    }
    Ok(())
}
