use super::{
    super::{
        Founders, IdentityError, IdentityService, IdentityUnitOfWork, LoggedIn, Organization,
        Patience,
    },
    CreateOrganization, calling,
    members::lock,
};
use crate::{Actor, OrganizationId, Role, UserId};

/// How many organisations somebody may own who makes another: each takes room, and work.
const MOST_OWNED: usize = 20;

impl IdentityService {
    /// Whether somebody may make an organisation in this installation.
    #[must_use]
    pub fn may_found(&self, who: &LoggedIn) -> bool {
        match self.founders {
            Founders::Anyone => true,
            Founders::Owners => who.workplaces.iter().any(|place| place.role == Role::Owner),
            Founders::Operator => false,
        }
    }

    /// Makes an organisation that the user owns, and works in from now on in this session.
    ///
    /// # Errors
    /// [`IdentityError::MayNotFound`] if the user [may not](Self::may_found); [`IdentityError::TooManyFailures`] if the
    /// user made many lately; [`IdentityError::OwnsTooMany`].
    #[tracing::instrument(skip_all)]
    pub async fn found_organization(
        &self,
        who: &LoggedIn,
        command: CreateOrganization,
    ) -> Result<Organization, IdentityError> {
        if !self.may_found(who) {
            return Err(IdentityError::MayNotFound);
        }
        self.count_try(&[founding_key(who.user.id)], self.clock.now())
            .await?;
        self.add_organization(command, Some(who)).await
    }

    /// Ends the user's own membership of an organisation; what ends with it is the same as if others
    /// [removed](Self::remove_member) them. Sessions that work there work elsewhere from the next request on.
    ///
    /// # Errors
    /// [`IdentityError::LastOwner`]; [`IdentityError::OrganizationNotFound`] if the user is no member there, or blocked.
    #[tracing::instrument(skip_all)]
    pub async fn leave_organization(
        &self,
        who: &LoggedIn,
        organization: OrganizationId,
    ) -> Result<(), IdentityError> {
        let user = who.user.id;
        let mut uow = self.store.begin().await?;
        lock(&mut *uow, organization).await?;
        let found = uow.memberships().find(organization, user).await?;
        let membership = found.filter(|membership| membership.blocked_at.is_none());
        let membership = membership.ok_or(IdentityError::OrganizationNotFound(organization))?;
        let actor = calling(
            Actor::user(organization, user, membership.role),
            who.address,
        );
        self.part(&mut *uow, &actor, &membership, "member.left")
            .await?;
        uow.commit().await?;
        Ok(())
    }

    /// Makes the founder of an organisation its owner, who works there from now on.
    pub(super) async fn move_in(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        who: &LoggedIn,
    ) -> Result<(), IdentityError> {
        let id = who.user.id;
        let user = uow.users().find_for_update(id).await?;
        let user = user.filter(|user| user.blocked_at.is_none());
        let user = user.ok_or(IdentityError::UserNotFound(id))?;
        let places = uow.memberships().of_user(id).await?;
        let owned = places.iter().filter(|place| place.role == Role::Owner);
        if owned.count() >= MOST_OWNED {
            return Err(IdentityError::OwnsTooMany { most: MOST_OWNED });
        }
        self.join(uow, actor, &user, Role::Owner, None).await?;
        let organization = actor.organization_id();
        Ok(uow.sessions().work_in(who.session.id, organization).await?)
    }
}

/// What the organisations that somebody makes are counted by: each takes room, and work.
fn founding_key(user: UserId) -> (String, Patience) {
    (format!("found:{user}"), Patience::FOR_ORGANIZATIONS)
}
