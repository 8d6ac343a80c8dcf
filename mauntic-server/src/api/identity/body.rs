//! What is sent and answered.

use chrono::{DateTime, Utc};
use mauntic_core::{
    Principal, Role,
    identity::{
        ApiToken, AuditEntry, Invitation, Member, Notification, NotificationKind, Organization,
    },
};
use poem_openapi::{Enum, Object, types::MaybeUndefined};
use uuid::Uuid;

use crate::{audit_words, ui::notifications::place};

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

/// Who acts.
#[derive(Debug, Object)]
pub(super) struct Me {
    pub(super) organization: OrganizationBody,
    pub(super) role: RoleName,
    /// What the token, or the role, allows.
    pub(super) permissions: Vec<String>,
}

/// An organisation.
#[derive(Debug, Object)]
#[oai(rename = "Organization", skip_serializing_if_is_none)]
pub(crate) struct OrganizationBody {
    pub(super) id: Uuid,
    pub(super) name: String,
    /// The short name, as in `--org`.
    pub(super) slug: String,
    /// The IANA name of the zone in which days are counted.
    pub(super) timezone: String,
    /// The postal address that mail shows.
    pub(super) postal_address: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    /// When it is deleted, if it is to be. Until then nothing is sent and nothing can be changed.
    pub(super) deletion_due_at: Option<DateTime<Utc>>,
    /// For `If-Match`: it tells whether somebody else changed name, zone or address.
    pub(super) version: i64,
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
#[oai(deny_unknown_fields)]
pub(super) struct OrganizationPatch {
    pub(super) name: MaybeUndefined<String>,
    /// An IANA name, such as `Europe/Berlin`.
    pub(super) timezone: MaybeUndefined<String>,
    /// `null` clears it.
    pub(super) postal_address: MaybeUndefined<String>,
}

/// Somebody who works in the organisation.
#[derive(Debug, Object)]
#[oai(rename = "Member", skip_serializing_if_is_none)]
pub(super) struct MemberBody {
    pub(super) user_id: Uuid,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) role: RoleName,
    pub(super) since: DateTime<Utc>,
    /// When the user was last seen working in this organisation in a browser, to the minute; absent if never.
    pub(super) last_active_at: Option<DateTime<Utc>>,
    /// Whether the user may do nothing, in this organisation or in any.
    pub(super) blocked: bool,
    /// For `If-Match`: it tells whether somebody else changed the role, or blocked the member here.
    pub(super) version: i64,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id.as_uuid(),
            email: member.email.to_string(),
            name: member.name.to_string(),
            role: member.role.into(),
            since: member.since,
            last_active_at: member.last_active_at,
            blocked: member.blocked_at.or(member.blocked_here_at).is_some(),
            version: member.version(),
        }
    }
}

/// A mail to another member.
#[derive(Debug, Object)]
#[oai(rename = "LetterToMember")]
pub(super) struct LetterBody {
    /// One line of up to 150 characters.
    pub(super) subject: String,
    /// Plain text of up to 5000 characters.
    pub(super) text: String,
    /// The page that it is about, such as `/app/contacts/…`.
    pub(super) page: Option<String>,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "NotificationKind", rename_all = "snake_case")]
pub(super) enum NotificationKindName {
    Import,
    BulkChange,
    Send,
    Member,
    Organization,
}

impl From<NotificationKind> for NotificationKindName {
    fn from(kind: NotificationKind) -> Self {
        match kind {
            NotificationKind::Import => Self::Import,
            NotificationKind::BulkChange => Self::BulkChange,
            NotificationKind::Send => Self::Send,
            NotificationKind::Member => Self::Member,
            NotificationKind::Organization => Self::Organization,
        }
    }
}

/// Something that the user waits for, or must know.
#[derive(Debug, Object)]
#[oai(rename = "Notification", skip_serializing_if_is_none)]
pub(super) struct NotificationBody {
    pub(super) id: Uuid,
    pub(super) kind: NotificationKindName,
    /// Whether something went wrong, or waits for somebody.
    pub(super) problem: bool,
    pub(super) heading: String,
    pub(super) message: String,
    /// The record that it is about, of that kind.
    pub(super) about: Option<Uuid>,
    /// The page that shows it.
    pub(super) page: Option<String>,
    pub(super) at: DateTime<Utc>,
    /// Absent until it is read.
    pub(super) read_at: Option<DateTime<Utc>>,
}

impl From<Notification> for NotificationBody {
    fn from(told: Notification) -> Self {
        Self {
            page: place(&told),
            id: told.id.as_uuid(),
            kind: told.kind.into(),
            problem: told.problem,
            heading: told.heading,
            message: told.message,
            about: told.about,
            at: told.at,
            read_at: told.read_at,
        }
    }
}

/// How many notifications are not read yet.
#[derive(Debug, Object)]
pub(super) struct UnreadBody {
    /// No more than 1000 are counted.
    pub(super) unread: u32,
}

/// Somebody to invite.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct InviteBody {
    pub(super) email: String,
    pub(super) role: RoleName,
}

/// An invitation that was not accepted yet.
#[derive(Debug, Object)]
#[oai(rename = "Invitation", skip_serializing_if_is_none)]
pub(super) struct InvitationBody {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) role: RoleName,
    pub(super) invited_by: Option<Uuid>,
    pub(super) created_at: DateTime<Utc>,
    /// When its link stops working.
    pub(super) expires_at: DateTime<Utc>,
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
#[oai(deny_unknown_fields)]
pub(super) struct DeletionBody {
    /// Its name, exactly as it is written: so that it is not another one.
    pub(super) name: String,
    /// The owner's, in a session. Whoever has none logs in within the 15 minutes before.
    pub(super) password: Option<String>,
}

/// Who gives the organisation to whom.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct Transfer {
    /// An owner.
    pub(super) from: Uuid,
    /// A member.
    pub(super) to: Uuid,
}

/// What to change of a member.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct MemberPatch {
    pub(super) role: RoleName,
}

/// An API token, without its secret.
#[derive(Debug, Object)]
#[oai(rename = "ApiToken", skip_serializing_if_is_none)]
pub(super) struct TokenBody {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) role: RoleName,
    /// The permissions that the token is narrowed to.
    pub(super) scopes: Vec<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    pub(super) last_used_at: Option<DateTime<Utc>>,
    pub(super) revoked_at: Option<DateTime<Utc>>,
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
#[oai(deny_unknown_fields)]
pub(super) struct NewTokenBody {
    #[oai(validator(min_length = 1, max_length = 191))]
    pub(super) name: String,
    pub(super) role: RoleName,
    /// Permissions such as `contacts:read`; all of the role's without it.
    pub(super) scopes: MaybeUndefined<Vec<String>>,
    pub(super) expires_at: MaybeUndefined<DateTime<Utc>>,
}

/// A new token with its secret, which is shown this once.
#[derive(Debug, Object)]
pub(super) struct TokenWithSecret {
    pub(super) token: TokenBody,
    /// Keep it: it cannot be shown again.
    pub(super) secret: String,
}

/// A change that somebody made.
#[derive(Debug, Object)]
#[oai(rename = "AuditEntry", skip_serializing_if_is_none)]
pub(super) struct AuditBody {
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
    /// `user`, `token`, `app` or `system`.
    pub(super) actor_kind: String,
    pub(super) actor_id: Option<Uuid>,
    /// The user whom an app acts for, if it does not act for itself.
    pub(super) on_behalf_of: Option<Uuid>,
    /// From which address.
    pub(super) address: Option<String>,
    /// What was done, such as `token.created`.
    pub(super) action: String,
    /// The same in words, such as `made the API token`.
    pub(super) what: String,
    pub(super) subject_kind: String,
    /// Not for many records, and not for what has a name alone, such as a tag.
    pub(super) subject_id: Option<Uuid>,
    pub(super) before: Option<serde_json::Value>,
    pub(super) after: Option<serde_json::Value>,
}

impl From<AuditEntry> for AuditBody {
    fn from(entry: AuditEntry) -> Self {
        let on_behalf_of = match entry.principal {
            Principal::App { user, .. } => user.map(|user| user.as_uuid()),
            Principal::User { .. } | Principal::Token { .. } | Principal::System => None,
        };
        let (actor_kind, actor_id) = match entry.principal {
            Principal::User { id } => ("user", Some(id.as_uuid())),
            Principal::Token { id } => ("token", Some(id.as_uuid())),
            Principal::App { client, .. } => ("app", Some(client.as_uuid())),
            Principal::System => ("system", None),
        };
        Self {
            id: entry.id.as_uuid(),
            at: entry.at,
            actor_kind: actor_kind.to_owned(),
            actor_id,
            on_behalf_of,
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
