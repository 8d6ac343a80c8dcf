use serde_json::json;
use tracing::info;

use super::{
    super::{
        Change, DisplayName, IdentityError, IdentityService, LoggedIn, Organization, PostalAddress,
        Slug, Subject, TimezoneChanged, UpdateOrganization,
    },
    calling,
};
use crate::{
    Actor, Operator, OrganizationId, Page, PageSize, Permission, Role, StoreError, TimeZoneName,
};

/// How many numbers are tried behind a suggested short name that is taken.
const SUGGESTIONS: u32 = 1_000;

/// A new organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOrganization {
    /// What people call it.
    pub name: DisplayName,
    /// Its short name; `None` makes one of the name.
    pub slug: Option<Slug>,
    /// The zone in which it counts its days.
    pub timezone: TimeZoneName,
    /// Where it can be reached by post.
    pub postal_address: Option<PostalAddress>,
}

impl CreateOrganization {
    /// An organisation of that name, in UTC, with a short name made of it.
    #[must_use]
    pub fn named(name: DisplayName) -> Self {
        Self {
            name,
            slug: None,
            timezone: TimeZoneName::utc(),
            postal_address: None,
        }
    }
}

/// Holds a record to be at the version that a change is based on, if it is based on one.
pub(super) fn at_version(expected: Option<i64>, current: i64) -> Result<(), IdentityError> {
    match expected {
        Some(expected) if expected != current => Err(IdentityError::Outdated { current }),
        _ => Ok(()),
    }
}

impl IdentityService {
    /// Creates an organisation without members.
    #[tracing::instrument(skip_all)]
    pub async fn create_organization(
        &self,
        _: &Operator,
        command: CreateOrganization,
    ) -> Result<Organization, IdentityError> {
        self.add_organization(command, None).await
    }

    /// Adds an organisation of the operator's, or of somebody who owns it and works in it from now on.
    pub(super) async fn add_organization(
        &self,
        command: CreateOrganization,
        founder: Option<&LoggedIn>,
    ) -> Result<Organization, IdentityError> {
        if let Some(slug) = command.slug.clone() {
            return self.insert_organization(command, slug, founder).await;
        }
        let suggested = Slug::suggested_by(&command.name);
        for number in 1..SUGGESTIONS {
            let slug = match number {
                1 => suggested.clone(),
                _ => suggested.numbered(number),
            };
            let added = self.insert_organization(command.clone(), slug, founder);
            match added.await {
                Err(IdentityError::SlugTaken) => {}
                done => return done,
            }
        }
        Err(IdentityError::SlugTaken)
    }

    /// Creates an organisation called "My organization" if there is none at all, as after the first
    /// start; returns it if so. Several processes that start at once create one.
    pub async fn ensure_default_organization(
        &self,
        operator: &Operator,
    ) -> Result<Option<Organization>, IdentityError> {
        let any = self
            .organizations(operator, None, PageSize::clamped(1))
            .await?;
        if !any.items.is_empty() {
            return Ok(None);
        }
        let name: DisplayName = Organization::DEFAULT_NAME
            .parse()
            .expect("the text is a name");
        let slug = Slug::suggested_by(&name);
        let command = CreateOrganization::named(name);
        match self.insert_organization(command, slug, None).await {
            Ok(organization) => Ok(Some(organization)),
            Err(IdentityError::SlugTaken) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of all organisations, the oldest first.
    pub async fn organizations(
        &self,
        _: &Operator,
        after: Option<OrganizationId>,
        size: PageSize,
    ) -> Result<Page<Organization, OrganizationId>, IdentityError> {
        Ok(self.store.organizations().list(after, size).await?)
    }

    /// The organisation with an id, a short name or, if only one has it, a name.
    pub async fn find_organization(
        &self,
        _: &Operator,
        text: &str,
    ) -> Result<Organization, IdentityError> {
        let organizations = self.store.organizations();
        if let Ok(id) = text.parse()
            && let Some(found) = organizations.find(id).await?
        {
            return Ok(found);
        }
        if let Ok(slug) = text.parse::<Slug>()
            && let Some(found) = organizations.find_by_slug(&slug).await?
        {
            return Ok(found);
        }
        let mut named = organizations.find_by_name(text.trim()).await?;
        match (named.pop(), named.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(IdentityError::AmbiguousOrganization),
            (None, _) => Err(IdentityError::NoOrganizationCalled),
        }
    }

    /// The actor's organisation.
    pub async fn organization(&self, actor: &Actor) -> Result<Organization, IdentityError> {
        let id = actor.require(Permission::MembersRead)?;
        let found = self.store.organizations().find(id).await?;
        found.ok_or(IdentityError::OrganizationNotFound(id))
    }

    /// Changes the name, zone or postal address of the actor's organisation.
    ///
    /// # Errors
    /// [`IdentityError::Outdated`] if it is not at the version that the change is based on.
    #[tracing::instrument(skip_all)]
    pub async fn update_organization(
        &self,
        actor: &Actor,
        command: UpdateOrganization,
    ) -> Result<Organization, IdentityError> {
        let id = actor.require(Permission::OrganizationManage)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.organizations().find_for_update(id).await?;
        let before = found.ok_or(IdentityError::OrganizationNotFound(id))?;
        at_version(command.version, before.version())?;
        let mut organization = before.clone();
        if organization.update(command) {
            uow.organizations().update(&organization).await?;
            if organization.timezone != before.timezone {
                let timezone = organization.timezone.clone();
                self.publish(&mut *uow, id, &TimezoneChanged { timezone }, now)
                    .await?;
            }
            let change = Change::new("organization.updated", Subject::new("organization", id))
                .from(json!(before))
                .to(json!(organization));
            self.audit(&mut *uow, actor, change, now).await?;
        }
        uow.commit().await?;
        Ok(organization)
    }

    /// Lets nobody act in an organisation, from the next request on.
    #[tracing::instrument(skip_all)]
    pub async fn block_organization(
        &self,
        _: &Operator,
        id: OrganizationId,
    ) -> Result<(), IdentityError> {
        self.set_organization_blocked(id, true).await
    }

    /// Lets people act in an organisation again.
    #[tracing::instrument(skip_all)]
    pub async fn unblock_organization(
        &self,
        _: &Operator,
        id: OrganizationId,
    ) -> Result<(), IdentityError> {
        self.set_organization_blocked(id, false).await
    }

    async fn set_organization_blocked(
        &self,
        id: OrganizationId,
        blocked: bool,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.organizations().find_for_update(id).await?;
        let mut organization = found.ok_or(IdentityError::OrganizationNotFound(id))?;
        if organization.blocked_at.is_some() == blocked {
            return Ok(());
        }
        organization.blocked_at = blocked.then_some(now);
        uow.organizations().update(&organization).await?;
        let action = if blocked {
            "organization.blocked"
        } else {
            "organization.unblocked"
        };
        let change = Change::new(action, Subject::new("organization", id));
        self.audit(&mut *uow, &Actor::system(id), change, now)
            .await?;
        uow.commit().await?;
        info!(organization.id = %id, action, "the operator changed an organisation");
        Ok(())
    }

    async fn insert_organization(
        &self,
        command: CreateOrganization,
        slug: Slug,
        founder: Option<&LoggedIn>,
    ) -> Result<Organization, IdentityError> {
        let now = self.clock.now();
        let id = OrganizationId::generate(&*self.ids);
        let mut organization = Organization::new(id, command.name, slug, command.timezone, now);
        organization.postal_address = command.postal_address.map(String::from);
        let mut uow = self.store.begin().await?;
        match uow.organizations().insert(&organization).await {
            Err(StoreError::Conflict { .. }) => return Err(IdentityError::SlugTaken),
            done => done?,
        }
        self.publish(&mut *uow, id, &organization.created(), now)
            .await?;
        let change = Change::new("organization.created", Subject::new("organization", id))
            .to(json!(organization));
        let actor = match founder {
            Some(who) => calling(Actor::user(id, who.user.id, Role::Owner), who.address),
            None => Actor::system(id),
        };
        self.audit(&mut *uow, &actor, change, now).await?;
        if let Some(who) = founder {
            self.move_in(&mut *uow, &actor, who).await?;
        }
        uow.commit().await?;
        Ok(organization)
    }
}
