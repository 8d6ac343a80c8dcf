//! What is sent and answered.

use chrono::{DateTime, Utc};
use mauntic_core::identity::{LinkedLogin, LoggedIn, RecoveryCode, Session};
use poem_openapi::{ApiResponse, Object, payload::Json, types::MaybeUndefined};
use uuid::Uuid;

use crate::api::identity::RoleName;

/// What to log in with.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct Credentials {
    pub(super) email: String,
    pub(super) password: String,
    /// Whether the session is to outlive a night without use.
    #[oai(default)]
    pub(super) remember: bool,
}

/// The first organisation and who owns it.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct SetUpBody {
    /// What people call the organisation.
    pub(super) organization: String,
    /// The IANA name of the zone in which it counts its days, such as `Europe/Berlin`.
    pub(super) timezone: String,
    /// What the owner is called.
    pub(super) name: String,
    /// The address that the owner logs in with.
    pub(super) email: String,
    /// 12 characters or more, and none that is easy to guess.
    pub(super) password: String,
    /// What the operator reads in the log of the server, if there is more here than an empty organisation.
    pub(super) code: MaybeUndefined<String>,
}

/// A code of the second factor.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct CodeBody {
    /// What the app shows, or a recovery code.
    pub(super) code: String,
}

/// The first code of a second factor, and the present password, if there is one.
#[derive(Debug, Object)]
pub(super) struct Confirmation {
    /// What the app shows.
    pub(super) code: String,
    /// Without a password, this works for 15 minutes after logging in.
    pub(super) password: Option<String>,
}

/// A session that has begun.
#[derive(Debug, Object)]
pub(super) struct BeganBody {
    /// Send it as `X-CSRF-Token` with every call that goes with the cookie.
    pub(super) csrf_token: String,
    /// Whether the code of the second factor is still to be given; until then nothing else answers.
    pub(super) code_awaited: bool,
}

#[derive(ApiResponse)]
pub(super) enum Began {
    /// The cookie is the session.
    #[oai(status = 200)]
    Ok(Json<BeganBody>, #[oai(header = "Set-Cookie")] String),
}

#[derive(ApiResponse)]
pub(super) enum Left {
    /// The session is over.
    #[oai(status = 204)]
    Left(#[oai(header = "Set-Cookie")] String),
}

/// An organisation that one may work in.
#[derive(Debug, Object)]
pub(super) struct Workplace {
    pub(super) organization_id: Uuid,
    pub(super) name: String,
    pub(super) role: RoleName,
    /// When it is deleted, if it is to be. Until then nothing can be changed in it.
    pub(super) deletion_due_at: Option<DateTime<Utc>>,
}

/// Who is logged in.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct Account {
    pub(super) user_id: Uuid,
    pub(super) email: String,
    pub(super) name: String,
    /// What stands under mail that the user signs.
    pub(super) signature: Option<String>,
    pub(super) session_id: Uuid,
    /// The organisation that is worked in.
    pub(super) organization_id: Option<Uuid>,
    pub(super) workplaces: Vec<Workplace>,
}

impl From<LoggedIn> for Account {
    fn from(who: LoggedIn) -> Self {
        let organization = who.workplace().map(|place| place.organization_id.as_uuid());
        let places = who.workplaces.into_iter().map(|place| Workplace {
            organization_id: place.organization_id.as_uuid(),
            name: place.name.to_string(),
            role: place.role.into(),
            deletion_due_at: place.deletion_due_at,
        });
        Self {
            user_id: who.user.id.as_uuid(),
            email: who.user.email.to_string(),
            name: who.user.name.to_string(),
            signature: who.user.signature.map(|signature| signature.to_string()),
            session_id: who.session.id.as_uuid(),
            organization_id: organization,
            workplaces: places.collect(),
        }
    }
}

/// What to change of the own account; what is absent stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ProfilePatch {
    pub(super) name: MaybeUndefined<String>,
    /// Plain text on some lines, 2,000 characters at the most; `null` clears it.
    pub(super) signature: MaybeUndefined<String>,
}

/// An organisation to make.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct NewOrganization {
    pub(super) name: String,
    /// The IANA name of the zone in which days are counted, such as `Europe/Berlin`; UTC without it.
    pub(super) timezone: Option<String>,
    /// The postal address that mail shows.
    pub(super) postal_address: Option<String>,
}

/// Where to work from now on.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct Move {
    pub(super) organization_id: Uuid,
}

/// A browser in which one is logged in.
#[derive(Debug, Object)]
#[oai(rename = "Session", skip_serializing_if_is_none)]
pub(super) struct SessionBody {
    pub(super) id: Uuid,
    pub(super) created_at: DateTime<Utc>,
    /// To the minute.
    pub(super) seen_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub(super) ends_at: DateTime<Utc>,
    pub(super) remembered: bool,
    /// The network that it came from.
    pub(super) network: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.as_uuid(),
            created_at: session.created_at,
            seen_at: session.seen_at,
            ends_at: session.ends_at(),
            remembered: session.remembered,
            network: session.client.network.map(|network| network.to_string()),
            user_agent: session.client.user_agent,
        }
    }
}

/// The present password and the new one.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct PasswordChange {
    pub(super) current: String,
    /// 12 characters or more, and none that is easy to guess.
    pub(super) new: String,
}

/// The address of an account.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct AddressBody {
    pub(super) email: String,
}

/// What a mailed link carries, and the new password.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct PasswordReset {
    pub(super) token: String,
    /// 12 characters or more, and none that is easy to guess.
    pub(super) password: String,
}

/// The new address, and the present password, if there is one.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct EmailChange {
    pub(super) email: String,
    /// Without a password, this works for 15 minutes after logging in.
    pub(super) password: Option<String>,
}

/// What the link of an invitation carries, and who accepts it.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct Acceptance {
    pub(super) token: String,
    /// What the new user is called.
    pub(super) name: String,
    /// 12 characters or more, and none that is easy to guess.
    pub(super) password: String,
}

/// What a mailed link carries.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct LinkBody {
    pub(super) token: String,
}

/// Whether logins ask for a second factor.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(super) struct SecondFactor {
    /// Since when they do; absent if they do not.
    pub(super) on_since: Option<DateTime<Utc>>,
    pub(super) recovery_codes_left: u64,
}

/// A login at a provider, such as Google, that lets in to the account.
#[derive(Debug, Object)]
#[oai(rename = "LinkedLogin", skip_serializing_if_is_none)]
pub(super) struct LinkedLoginBody {
    /// The provider, as the configuration called it when it was linked.
    pub(super) provider: String,
    /// Who the provider is.
    pub(super) issuer: String,
    /// The address that the provider vouched for when it was linked.
    pub(super) email: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) last_used_at: Option<DateTime<Utc>>,
}

impl From<LinkedLogin> for LinkedLoginBody {
    fn from(login: LinkedLogin) -> Self {
        Self {
            provider: login.provider.to_string(),
            issuer: login.issuer,
            email: login.email.to_string(),
            created_at: login.created_at,
            last_used_at: login.last_used_at,
        }
    }
}

/// The present password, if there is one.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct OwnerBody {
    /// Without a password, this works for 15 minutes after logging in.
    pub(super) password: Option<String>,
}

/// What an authenticator app needs.
#[derive(Debug, Object)]
#[oai(rename = "Enrolment")]
pub(super) struct EnrolmentBody {
    /// In base 32.
    pub(super) secret: String,
    /// For a QR code.
    pub(super) uri: String,
}

/// Codes that stand for the app once each; they are never shown again.
#[derive(Debug, Object)]
pub(super) struct RecoveryCodes {
    pub(super) codes: Vec<String>,
}

impl From<Vec<RecoveryCode>> for RecoveryCodes {
    fn from(codes: Vec<RecoveryCode>) -> Self {
        Self {
            codes: codes.iter().map(RecoveryCode::reveal).collect(),
        }
    }
}
