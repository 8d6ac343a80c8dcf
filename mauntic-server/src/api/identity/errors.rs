//! What the texts of callers are, and what is refused.

use mauntic_core::identity::IdentityError;
use poem_openapi::types::MaybeUndefined;

use crate::http::problem::ApiError;

/// Reads a value object from a field of the body.
pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: T::Err| ApiError::invalid(pointer, &error))
}

/// Reads a value object from a field that may be absent; `null` is refused.
pub(crate) fn given<T: std::str::FromStr<Err: std::fmt::Display>>(
    pointer: &str,
    field: MaybeUndefined<String>,
) -> Result<Option<T>, ApiError> {
    match field {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(ApiError::invalid(
            pointer,
            &"cannot be null; leave it out to keep it",
        )),
        MaybeUndefined::Value(text) => parse(pointer, &text).map(Some),
    }
}

impl From<IdentityError> for ApiError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Forbidden(refused) => refused.into(),
            IdentityError::Store(failure) => failure.into(),
            IdentityError::OrganizationNotFound(_)
            | IdentityError::NoOrganizationCalled
            | IdentityError::UserNotFound(_)
            | IdentityError::SessionNotFound(_)
            | IdentityError::LoginNotLinked
            | IdentityError::InvitationNotFound(_)
            | IdentityError::OauthClientNotFound
            | IdentityError::OauthGrantNotFound
            | IdentityError::NotificationNotFound(_)
            | IdentityError::TokenNotFound(_) => Self::not_found(&error),
            IdentityError::NoUserWithEmail => Self::invalid("/email", &error),
            IdentityError::SlugTaken | IdentityError::EmailTaken | IdentityError::AlreadyMember => {
                Self::conflict("taken", &error)
            }
            IdentityError::Outdated { .. } => Self::changed(&error),
            IdentityError::GuessablePassword => Self::invalid("/password", &error),
            IdentityError::WrongSetUpCode => Self::invalid("/code", &error),
            IdentityError::AlreadySetUp => Self::conflict("already_set_up", &error),
            IdentityError::LastOwner => Self::conflict("last_owner", &error),
            IdentityError::NameDiffers => Self::invalid("/name", &error),
            IdentityError::ErasureBegun(_) => Self::conflict("erasure_begun", &error),
            IdentityError::LastWayIn => Self::conflict("last_way_in", &error),
            IdentityError::PasswordTooWeak => Self::conflict("password_too_weak", &error),
            IdentityError::LogInAgain => Self::conflict("log_in_again", &error),
            IdentityError::NotAnOwner => Self::invalid("/from", &error),
            IdentityError::InvitedAsSomebodyElse => Self::conflict("another_address", &error),
            IdentityError::BeyondOwnScope(_) | IdentityError::BeyondRole(..) => {
                Self::invalid("/scopes", &error)
            }
            IdentityError::RoleBeyondScope(..)
            | IdentityError::MayNotFound
            | IdentityError::NotByPrograms
            | IdentityError::NotAPerson => Self::forbidden(&error),
            IdentityError::RedirectUriCount => Self::invalid("/redirect_uris", &error),
            IdentityError::PublicMachine => Self::invalid("/acts_for_itself", &error),
            IdentityError::NoClientSecret => Self::conflict("no_secret", &error),
            IdentityError::OwnsTooMany { .. } => Self::conflict("too_many_organizations", &error),
            IdentityError::Oneself => Self::conflict("oneself", &error),
            IdentityError::ExpiresInThePast => Self::invalid("/expires_at", &error),
            IdentityError::AmbiguousOrganization => Self::bad_request("ambiguous", &error),
            IdentityError::WrongPassword
            | IdentityError::WrongCode
            | IdentityError::NoCodeAwaited
            | IdentityError::Refused(_) => Self::wrong_credentials(&error),
            IdentityError::TooManyFailures { seconds } => Self::tried_too_often(&error, seconds),
            IdentityError::DeadLink => Self::conflict("dead_link", &error),
            IdentityError::SecondFactorOn | IdentityError::SecondFactorOff => {
                Self::conflict("wrong_state", &error)
            }
            _ => Self::internal(&error),
        }
    }
}
