use std::{collections::BTreeSet, fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{ApiTokenId, OauthClientId, OrganizationId, UserId};

/// What somebody may do in an organisation. The text form (`contacts:read`) is also the scope of an API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Permission {
    /// See contacts, their fields, tags, history and timeline.
    ContactsRead,
    /// Create and change contacts, their tags and their do-not-contact marks.
    ContactsWrite,
    /// Delete contacts.
    ContactsDelete,
    /// Import contacts.
    ContactsImport,
    /// Export contacts.
    ContactsExport,
    /// Define custom fields.
    FieldsManage,
    /// See segments and who is in them.
    SegmentsRead,
    /// Create, change, rebuild and delete segments.
    SegmentsWrite,
    /// See emails, sends and results.
    EmailsRead,
    /// Create, change and delete emails; send tests.
    EmailsWrite,
    /// Start, schedule, pause, resume and cancel sends.
    EmailsSend,
    /// See the suppression list.
    SuppressionsRead,
    /// Add to and take from the suppression list.
    SuppressionsWrite,
    /// Read captured mail.
    InboxRead,
    /// Delete captured mail.
    InboxDelete,
    /// See transports and sending domains.
    SendingRead,
    /// Configure transports and sending domains.
    SendingManage,
    /// See the organisation and its members.
    MembersRead,
    /// Add, change and remove members.
    MembersManage,
    /// See, create and revoke API tokens.
    TokensManage,
    /// Read the audit log.
    AuditRead,
    /// Change the organisation's settings.
    OrganizationManage,
    /// Have the organisation deleted, and take that back.
    OrganizationDelete,
}

impl Permission {
    /// Every permission with its text form.
    pub const ALL: [(Self, &'static str); 23] = [
        (Self::ContactsRead, "contacts:read"),
        (Self::ContactsWrite, "contacts:write"),
        (Self::ContactsDelete, "contacts:delete"),
        (Self::ContactsImport, "contacts:import"),
        (Self::ContactsExport, "contacts:export"),
        (Self::FieldsManage, "fields:manage"),
        (Self::SegmentsRead, "segments:read"),
        (Self::SegmentsWrite, "segments:write"),
        (Self::EmailsRead, "emails:read"),
        (Self::EmailsWrite, "emails:write"),
        (Self::EmailsSend, "emails:send"),
        (Self::SuppressionsRead, "suppressions:read"),
        (Self::SuppressionsWrite, "suppressions:write"),
        (Self::InboxRead, "inbox:read"),
        (Self::InboxDelete, "inbox:delete"),
        (Self::SendingRead, "sending:read"),
        (Self::SendingManage, "sending:manage"),
        (Self::MembersRead, "members:read"),
        (Self::MembersManage, "members:manage"),
        (Self::TokensManage, "tokens:manage"),
        (Self::AuditRead, "audit:read"),
        (Self::OrganizationManage, "organization:manage"),
        (Self::OrganizationDelete, "organization:delete"),
    ];

    /// The text form, such as `contacts:read`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(permission, _)| *permission == self)
            .map_or("", |(_, text)| text)
    }

    /// Whether it is left to people while their organisation waits to be deleted: they may look, take their contacts
    /// with them, and take the deletion back.
    #[must_use]
    pub fn outlasts_closing(self) -> bool {
        matches!(
            self,
            Self::ContactsRead
                | Self::ContactsExport
                | Self::SegmentsRead
                | Self::EmailsRead
                | Self::SuppressionsRead
                | Self::InboxRead
                | Self::SendingRead
                | Self::MembersRead
                | Self::AuditRead
                | Self::OrganizationDelete
        )
    }
}

/// The text names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no permission is called {0:?}; they look like contacts:read")]
pub struct UnknownPermission(String);

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text.trim());
        found
            .map(|(permission, _)| *permission)
            .ok_or_else(|| UnknownPermission(text.trim().to_owned()))
    }
}

impl TryFrom<String> for Permission {
    type Error = UnknownPermission;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.as_str().to_owned()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a member is in an organisation; each role may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything but members' secrets; changes nothing.
    Viewer,
    /// Does the daily work: contacts, segments, emails, sends.
    Member,
    /// Also deletes, exports, configures sending, and manages members, tokens and fields.
    Admin,
    /// Also changes the organisation itself.
    Owner,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// Whether the role includes a permission.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        self >= Self::least_for(permission)
    }

    fn least_for(permission: Permission) -> Self {
        match permission {
            Permission::ContactsRead
            | Permission::SegmentsRead
            | Permission::EmailsRead
            | Permission::SuppressionsRead
            | Permission::InboxRead
            | Permission::SendingRead
            | Permission::MembersRead => Self::Viewer,
            Permission::ContactsWrite
            | Permission::ContactsImport
            | Permission::SegmentsWrite
            | Permission::EmailsWrite
            | Permission::EmailsSend
            | Permission::SuppressionsWrite
            | Permission::InboxDelete => Self::Member,
            Permission::ContactsDelete
            | Permission::ContactsExport
            | Permission::FieldsManage
            | Permission::SendingManage
            | Permission::MembersManage
            | Permission::TokensManage
            | Permission::AuditRead => Self::Admin,
            Permission::OrganizationManage | Permission::OrganizationDelete => Self::Owner,
        }
    }

    /// The name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: expected owner, admin, member or viewer")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text.trim())
            .ok_or(UnknownRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is behind an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Principal {
    /// A person.
    User {
        /// Who.
        id: UserId,
    },
    /// A program with an API token.
    Token {
        /// Which token.
        id: ApiTokenId,
    },
    /// An app that was let in by OAuth.
    App {
        /// Which app.
        client: OauthClientId,
        /// Whom it acts for; `None` where it acts for itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<UserId>,
    },
    /// Somebody at the command line of the installation, or Mauntic itself: a worker, a relay.
    System,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { id } => write!(f, "user:{id}"),
            Self::Token { id } => write!(f, "token:{id}"),
            Self::App { client, user } => match user {
                Some(user) => write!(f, "app:{client}:{user}"),
                None => write!(f, "app:{client}"),
            },
            Self::System => f.write_str("system"),
        }
    }
}

/// The text names no principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a principal: expected user:ID, token:ID, app:ID, app:ID:USER or system")]
pub struct UnknownPrincipal;

impl FromStr for Principal {
    type Err = UnknownPrincipal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("user", id)) => id.parse().map(|id| Self::User { id }).ok(),
            Some(("token", id)) => id.parse().map(|id| Self::Token { id }).ok(),
            Some(("app", ids)) => app(ids),
            None if text == "system" => Some(Self::System),
            _ => None,
        }
        .ok_or(UnknownPrincipal)
    }
}

/// Reads which app, and for whom it acts.
fn app(ids: &str) -> Option<Principal> {
    let (client, user) = match ids.split_once(':') {
        Some((client, user)) => (client, Some(user.parse().ok()?)),
        None => (ids, None),
    };
    let client = client.parse().ok()?;
    Some(Principal::App { client, user })
}

/// Somebody who acts within one organisation. Every use case takes one first and asks it for permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    organization_id: OrganizationId,
    principal: Principal,
    role: Role,
    scopes: Option<BTreeSet<Permission>>,
    address: Option<IpAddr>,
    closing: bool,
}

impl Actor {
    /// A member of the organisation.
    #[must_use]
    pub fn user(organization_id: OrganizationId, user: UserId, role: Role) -> Self {
        Self {
            organization_id,
            principal: Principal::User { id: user },
            role,
            scopes: None,
            address: None,
            closing: false,
        }
    }

    /// A token: what its role allows, narrowed to its scopes.
    #[must_use]
    pub fn token(
        organization_id: OrganizationId,
        token: ApiTokenId,
        role: Role,
        scopes: BTreeSet<Permission>,
    ) -> Self {
        Self {
            organization_id,
            principal: Principal::Token { id: token },
            role,
            scopes: Some(scopes),
            address: None,
            closing: false,
        }
    }

    /// An app that was let in by OAuth: what the role of whom it acts for allows, or its own, narrowed to its scopes.
    #[must_use]
    pub fn app(
        organization_id: OrganizationId,
        client: OauthClientId,
        user: Option<UserId>,
        role: Role,
        scopes: BTreeSet<Permission>,
    ) -> Self {
        Self {
            organization_id,
            principal: Principal::App { client, user },
            role,
            scopes: Some(scopes),
            address: None,
            closing: false,
        }
    }

    /// Mauntic itself, or the operator at its command line: may do everything in that organisation.
    #[must_use]
    pub fn system(organization_id: OrganizationId) -> Self {
        Self {
            organization_id,
            principal: Principal::System,
            role: Role::Owner,
            scopes: None,
            address: None,
            closing: false,
        }
    }

    /// The same actor, calling from that address; it is kept in the audit log.
    #[must_use]
    pub fn calling_from(self, address: IpAddr) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    /// The same actor in an organisation that waits to be deleted: nothing but what
    /// [outlasts that](Permission::outlasts_closing) is allowed any more.
    #[must_use]
    pub fn while_closing(self) -> Self {
        Self {
            closing: true,
            ..self
        }
    }

    /// Whether the organisation waits to be deleted.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Where the actor calls from, if over the network.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The organisation that the actor acts in. Whatever it does stays within.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.organization_id
    }

    /// Who is acting.
    #[must_use]
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// The role in the organisation.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether the actor may do something.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.require(permission).is_ok()
    }

    /// The actor's organisation, if it may do something in it.
    ///
    /// # Errors
    /// [`Forbidden`] if the role or the token's scopes do not include the permission, or the organisation waits to be
    /// deleted.
    pub fn require(&self, permission: Permission) -> Result<OrganizationId, Forbidden> {
        let scopes = self.scopes.as_ref();
        let in_scope = scopes.is_none_or(|scopes| scopes.contains(&permission));
        if !in_scope || !self.role.allows(permission) {
            return Err(Forbidden::Lacking(permission));
        }
        if self.closing && !permission.outlasts_closing() {
            return Err(Forbidden::Closing(permission));
        }
        Ok(self.organization_id)
    }
}

/// The actor may not do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The role, or the scopes of the token, do not include the permission.
    #[error("this needs the permission {0}")]
    Lacking(Permission),
    /// Nothing is changed in an organisation that waits to be deleted.
    #[error(
        "the organisation is to be deleted, so nothing in it can be changed; an owner can take that back"
    )]
    Closing(Permission),
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn organization() -> OrganizationId {
        OrganizationId::from_uuid(Uuid::from_u128(1))
    }

    #[test]
    fn every_permission_reads_back_from_its_text() {
        for (permission, text) in Permission::ALL {
            assert_eq!(text.parse(), Ok(permission));
            assert_eq!(permission.to_string(), text);
        }
    }

    #[test]
    fn every_principal_reads_back_from_its_text() {
        let id = Uuid::from_u128(7);
        for principal in [
            Principal::User {
                id: UserId::from_uuid(id),
            },
            Principal::Token {
                id: ApiTokenId::from_uuid(id),
            },
            Principal::App {
                client: OauthClientId::from_uuid(id),
                user: None,
            },
            Principal::App {
                client: OauthClientId::from_uuid(id),
                user: Some(UserId::from_uuid(id)),
            },
            Principal::System,
        ] {
            assert_eq!(principal.to_string().parse(), Ok(principal));
        }
        assert_eq!("user:".parse::<Principal>(), Err(UnknownPrincipal));
        assert_eq!("app::".parse::<Principal>(), Err(UnknownPrincipal));
    }

    #[test]
    fn a_role_may_all_that_the_lesser_ones_may() {
        for (permission, _) in Permission::ALL {
            let allowed = Role::ALL.map(|role| role.allows(permission));
            assert!(allowed.is_sorted(), "{permission}");
            assert!(allowed[3], "an owner may {permission}");
        }
    }

    #[test]
    fn a_token_is_held_to_its_scopes_and_to_its_role() {
        let id = ApiTokenId::from_uuid(Uuid::from_u128(2));
        let scopes = BTreeSet::from([Permission::ContactsRead, Permission::ContactsDelete]);
        let token = Actor::token(organization(), id, Role::Member, scopes);
        assert_eq!(token.require(Permission::ContactsRead), Ok(organization()));
        assert_eq!(
            token.require(Permission::SegmentsRead),
            Err(Forbidden::Lacking(Permission::SegmentsRead))
        );
        assert_eq!(
            token.require(Permission::ContactsDelete),
            Err(Forbidden::Lacking(Permission::ContactsDelete))
        );
    }

    #[test]
    fn while_an_organization_closes_its_owner_looks_exports_and_takes_it_back() {
        let user = UserId::from_uuid(Uuid::from_u128(3));
        let owner = Actor::user(organization(), user, Role::Owner).while_closing();
        for permission in [
            Permission::ContactsRead,
            Permission::ContactsExport,
            Permission::OrganizationDelete,
        ] {
            assert_eq!(owner.require(permission), Ok(organization()));
        }
        for permission in [
            Permission::ContactsWrite,
            Permission::EmailsSend,
            Permission::OrganizationManage,
            Permission::MembersManage,
        ] {
            let refused = Err(Forbidden::Closing(permission));
            assert_eq!(owner.require(permission), refused);
        }
        let viewer = Actor::user(organization(), user, Role::Viewer).while_closing();
        assert!(!viewer.may(Permission::ContactsExport));
    }
}
