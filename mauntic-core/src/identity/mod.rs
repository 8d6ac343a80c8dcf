//! Organisations, their members, API tokens and the audit log.

mod audit;
#[cfg(feature = "testing")]
pub mod conformance;
mod error;
mod idempotency;
mod name;
mod organization;
mod password;
mod service;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod storage;
mod store;
mod token;
mod user;
mod zones;

pub use audit::{AuditEntry, AuditLog, Change, Subject};
pub use error::IdentityError;
pub use idempotency::{Begun, Claim, IdempotencyKey, IdempotencyStore, StoredAnswer, oldest_kept};
pub use name::{DisplayName, InvalidName, InvalidSlug, Slug};
pub use organization::{
    InvalidPostalAddress, Organization, OrganizationCreated, PostalAddress, UpdateOrganization,
};
pub use password::{HashingFailed, Password, PasswordHash, PasswordHasher, WeakPassword};
pub use service::{
    AddMember, CreateOrganization, CreateToken, CreateUser, IdentityService, NewToken,
};
pub use store::{
    AuditQueries, AuditRepository, IdentityStore, IdentityUnitOfWork, MemberQueries,
    MembershipRepository, OrganizationQueries, OrganizationRepository, TokenQueries,
    TokenRepository, UserRepository,
};
pub use token::{
    ApiToken, Holder, InvalidTokenSecret, NoRandomness, PresentedToken, Refusal, TokenHash,
    TokenSecret,
};
pub use user::{Member, Membership, User, UserBlocked, UserInvited};
pub use zones::IdentityZones;
