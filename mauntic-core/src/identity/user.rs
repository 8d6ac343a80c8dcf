use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DisplayName, IdentityError, PasswordHash, Signature};
use crate::{
    Actor, DomainEvent, EmailAddress, Forbidden, OrganizationId, Permission, Role, UserId,
    fingerprint,
};

/// A person who can log in. What a person may do is said by the [`Membership`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names the user.
    pub id: UserId,
    /// The address to log in with; no two users share its [key](EmailAddress::key).
    pub email: EmailAddress,
    /// What the person is called.
    pub name: DisplayName,
    /// What stands under mail that the person signs; `None` for nothing.
    pub signature: Option<Signature>,
    /// What the password is checked against; `None` until one is set.
    pub password: Option<PasswordHash>,
    /// When the user was created.
    pub created_at: DateTime<Utc>,
    /// Since when the user may do nothing; `None` if not blocked.
    pub blocked_at: Option<DateTime<Utc>>,
}

impl User {
    /// A new user, with no signature yet.
    #[must_use]
    pub fn new(
        id: UserId,
        email: EmailAddress,
        name: DisplayName,
        password: Option<PasswordHash>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            email,
            name,
            signature: None,
            password,
            created_at: now,
            blocked_at: None,
        }
    }

    /// Blocks the user; `false` if it was blocked already.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn block(&mut self, now: DateTime<Utc>) -> bool {
        if self.blocked_at.is_some() {
            return false;
        }
        self.blocked_at = Some(now);
        true
    }
}

/// What a user is in an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The organisation.
    pub organization_id: OrganizationId,
    /// The user.
    pub user_id: UserId,
    /// The role.
    pub role: Role,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Since when the user may do nothing in this organisation; `None` if not blocked here.
    #[serde(default)]
    pub blocked_at: Option<DateTime<Utc>>,
}

/// A member as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The address to log in with.
    pub email: EmailAddress,
    /// What the person is called.
    pub name: DisplayName,
    /// The role in the organisation.
    pub role: Role,
    /// Since when the user is a member.
    pub since: DateTime<Utc>,
    /// Since when the user is blocked everywhere, if it is.
    pub blocked_at: Option<DateTime<Utc>>,
    /// Since when the user is blocked in this organisation, if it is.
    pub blocked_here_at: Option<DateTime<Utc>>,
    /// When the user was last seen working in this organisation in a browser, to the minute; `None` if never.
    pub last_active_at: Option<DateTime<Utc>>,
}

impl Membership {
    /// Tells whether somebody else changed it since it was read.
    #[must_use]
    pub fn version(&self) -> i64 {
        fingerprint(&(self.role, self.blocked_at))
    }
}

impl Member {
    /// The [version](Membership::version) of the membership.
    #[must_use]
    pub fn version(&self) -> i64 {
        fingerprint(&(self.role, self.blocked_here_at))
    }

    /// The member that a user with a new membership is.
    #[must_use]
    pub fn of(user: &User, membership: &Membership) -> Self {
        Self {
            user_id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            role: membership.role,
            since: membership.created_at,
            blocked_at: user.blocked_at,
            blocked_here_at: membership.blocked_at,
            last_active_at: None,
        }
    }
}

/// Nobody gives more than they have: the role may not be above the actor's own, nor allow what the scopes of a token
/// leave out.
pub(super) fn may_give(actor: &Actor, role: Role) -> Result<(), IdentityError> {
    within(actor.role(), &[role])?;
    let mut given = Permission::ALL
        .into_iter()
        .map(|(permission, _)| permission);
    match given.find(|permission| role.allows(*permission) && !actor.may(*permission)) {
        Some(permission) => Err(IdentityError::RoleBeyondScope(role, permission)),
        None => Ok(()),
    }
}

/// Nobody gives or takes more than they have: the roles dealt with may not be above the actor's own.
pub(super) fn within(own: Role, roles: &[Role]) -> Result<(), Forbidden> {
    if roles.iter().all(|role| *role <= own) {
        Ok(())
    } else {
        Err(Forbidden::Lacking(Permission::OrganizationManage))
    }
}

/// A person became a member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInvited {
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: Role,
    /// What the person is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// The member whose invitation brought them, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invited_by: Option<UserId>,
}

impl DomainEvent for UserInvited {
    const TYPE: &'static str = "identity.user_invited.v1";
}

/// Somebody is a member of an organisation no more: others took them out, or they left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberGone {
    /// Who.
    pub user_id: UserId,
}

impl DomainEvent for MemberGone {
    const TYPE: &'static str = "identity.member_gone.v1";
}

/// A user may do nothing any more. Told to each organisation that the user is a member of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserBlocked {
    /// Who.
    pub user_id: UserId,
}

impl DomainEvent for UserBlocked {
    const TYPE: &'static str = "identity.user_blocked.v1";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiTokenId;

    #[test]
    fn the_first_form_of_who_joined_can_still_be_read() {
        let stored = serde_json::json!({"user_id": uuid::Uuid::from_u128(1), "role": "viewer"});
        let event: UserInvited = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!((event.name.as_ref(), event.invited_by), (None, None));
        assert_eq!(serde_json::to_value(&event).unwrap(), stored);
    }

    #[test]
    fn a_token_gives_no_role_that_may_more_than_its_scopes() {
        let id = uuid::Uuid::from_u128(1);
        let of = |scopes: &[Permission]| {
            let scopes = scopes.iter().copied().collect();
            let organization = OrganizationId::from_uuid(id);
            Actor::token(organization, ApiTokenId::from_uuid(id), Role::Admin, scopes)
        };
        let narrow = of(&[Permission::MembersManage]);
        assert!(may_give(&narrow, Role::Viewer).is_err());
        let viewing = Permission::ALL.map(|(permission, _)| permission);
        let viewing: Vec<_> = viewing
            .into_iter()
            .filter(|permission| Role::Viewer.allows(*permission))
            .collect();
        assert!(may_give(&of(&viewing), Role::Viewer).is_ok());
        assert!(may_give(&of(&viewing), Role::Member).is_err());
        let all: Vec<_> = Permission::ALL.map(|(permission, _)| permission).to_vec();
        assert!(may_give(&of(&all), Role::Admin).is_ok());
        assert!(may_give(&of(&all), Role::Owner).is_err());
    }

    #[test]
    fn an_admin_deals_with_admins_but_not_with_owners() {
        assert!(within(Role::Admin, &[Role::Viewer, Role::Admin]).is_ok());
        assert!(within(Role::Admin, &[Role::Owner]).is_err());
        assert!(within(Role::Owner, &[Role::Owner]).is_ok());
    }
}
