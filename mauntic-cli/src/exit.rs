//! Exit codes, which scripts rely on.

use mauntic_core::{StoreError, identity::IdentityError};
use mauntic_crm::{
    CrmError,
    import::{CsvError, ImportError},
};
use mauntic_messaging::MessagingError;
use mauntic_server::{InvalidSettings, OpenError};

/// Failed for a reason of the system.
pub(crate) const FAILED: u8 = 1;
/// Something named does not exist.
pub(crate) const NOT_FOUND: u8 = 3;
/// The input is invalid.
pub(crate) const INVALID: u8 = 4;
/// It contradicts what is stored.
pub(crate) const CONFLICT: u8 = 5;
/// Not allowed.
pub(crate) const FORBIDDEN: u8 = 6;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error of the command line itself, with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    code: u8,
    message: String,
}

/// Something named does not exist.
pub(crate) fn not_found(message: impl Into<String>) -> anyhow::Error {
    CommandError {
        code: NOT_FOUND,
        message: message.into(),
    }
    .into()
}

/// The input is invalid.
pub(crate) fn invalid(message: impl Into<String>) -> anyhow::Error {
    CommandError {
        code: INVALID,
        message: message.into(),
    }
    .into()
}

/// It contradicts what is stored.
pub(crate) fn conflict(message: impl Into<String>) -> anyhow::Error {
    CommandError {
        code: CONFLICT,
        message: message.into(),
    }
    .into()
}

/// The exit code that tells of an error.
#[must_use]
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    error
        .chain()
        .find_map(|cause| {
            if let Some(error) = cause.downcast_ref::<CommandError>() {
                return Some(error.code);
            }
            if let Some(error) = cause.downcast_ref::<IdentityError>() {
                return Some(identity(error));
            }
            if let Some(error) = cause.downcast_ref::<CrmError>() {
                return Some(crm(error));
            }
            if let Some(error) = cause.downcast_ref::<ImportError>() {
                return Some(import(error));
            }
            if let Some(error) = cause.downcast_ref::<InvalidSettings>() {
                return Some(settings(error));
            }
            if let Some(OpenError::Settings(error)) = cause.downcast_ref::<OpenError>() {
                return Some(settings(error));
            }
            cause.downcast_ref::<MessagingError>().map(messaging)
        })
        .unwrap_or(FAILED)
}

fn store(error: &StoreError) -> u8 {
    match error {
        StoreError::Missing { .. } => NOT_FOUND,
        StoreError::Conflict { .. } => CONFLICT,
        _ => FAILED,
    }
}

/// What somebody wrote into `mauntic.toml` or the environment is input like any other.
fn settings(error: &InvalidSettings) -> u8 {
    match error {
        InvalidSettings::SecretFile { .. } => FAILED,
        _ => INVALID,
    }
}

fn identity(error: &IdentityError) -> u8 {
    match error {
        IdentityError::Forbidden(_)
        | IdentityError::RoleBeyondScope(..)
        | IdentityError::Refused(_) => FORBIDDEN,
        IdentityError::OrganizationNotFound(_)
        | IdentityError::NoOrganizationCalled
        | IdentityError::UserNotFound(_)
        | IdentityError::NoUserWithEmail
        | IdentityError::SessionNotFound(_)
        | IdentityError::TokenNotFound(_) => NOT_FOUND,
        IdentityError::SlugTaken
        | IdentityError::EmailTaken
        | IdentityError::AlreadyMember
        | IdentityError::LastOwner
        | IdentityError::AlreadySetUp
        | IdentityError::Outdated { .. }
        | IdentityError::ErasureBegun(_) => CONFLICT,
        IdentityError::BeyondOwnScope(_)
        | IdentityError::BeyondRole(..)
        | IdentityError::ExpiresInThePast
        | IdentityError::GuessablePassword
        | IdentityError::AmbiguousOrganization => INVALID,
        IdentityError::Store(error) => store(error),
        _ => FAILED,
    }
}

fn crm(error: &CrmError) -> u8 {
    match error {
        CrmError::Forbidden(_) => FORBIDDEN,
        CrmError::ContactNotFound(_)
        | CrmError::FieldNotFound(_)
        | CrmError::TagNotFound
        | CrmError::BulkChangeNotFound(_)
        | CrmError::SegmentNotFound(_) => NOT_FOUND,
        CrmError::Taken { .. }
        | CrmError::InUse { .. }
        | CrmError::VersionMismatch { .. }
        | CrmError::WrongState(_)
        | CrmError::MoreThanAgreed { .. }
        | CrmError::CoreField(_) => CONFLICT,
        CrmError::Store(error) => store(error),
        _ => INVALID,
    }
}

fn import(error: &ImportError) -> u8 {
    match error {
        ImportError::Forbidden(_) => FORBIDDEN,
        ImportError::NotFound(_)
        | ImportError::UploadNotFound(_)
        | ImportError::SegmentNotFound(_) => NOT_FOUND,
        ImportError::WrongState(_) => CONFLICT,
        ImportError::Csv(CsvError::Io(_)) => FAILED,
        ImportError::Csv(CsvError::Owners(error) | CsvError::Store(error))
        | ImportError::Store(error) => store(error),
        _ => INVALID,
    }
}

fn messaging(error: &MessagingError) -> u8 {
    match error {
        MessagingError::Forbidden(_) => FORBIDDEN,
        MessagingError::NotFound { .. } => NOT_FOUND,
        MessagingError::Taken { .. }
        | MessagingError::Outdated { .. }
        | MessagingError::WrongState { .. } => CONFLICT,
        MessagingError::Invalid { .. } | MessagingError::InvalidToken => INVALID,
        MessagingError::Store(error) => store(error),
        _ => FAILED,
    }
}
