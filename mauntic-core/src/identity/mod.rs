//! Organisations, their members, API tokens and the audit log.
//!
//! An [`Organization`] is a tenant: whatever Mauntic stores belongs to one. A [`User`] is a person with
//! a login; a [`Membership`] says what that person is in one organisation. A [`LinkedLogin`] lets somebody in with what
//! a provider such as Google says, which whoever embeds this checks. An [`ApiToken`] lets a
//! program act, within a role and scopes, and never beyond the member who made it. An [`OauthClient`] is a program of
//! others that members let act for them ([`OauthGrant`]). Every change leaves
//! an [`AuditEntry`]. [`IdentityService`] has the use cases, [`IdentityStore`] is the storage they need,
//! the module `storage` keeps it on SQLite and PostgreSQL.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use std::sync::Arc;
//!
//! use mauntic_core::{
//!     Actor, Operator, Permission, Role, SystemClock, UuidV7Source,
//!     identity::{CreateOrganization, CreateToken, IdentityService, storage::SeaOrmIdentityStore},
//!     storage::{DbOptions, DbTarget},
//! };
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let target = DbTarget::Sqlite(folder.path().to_owned());
//! let store = SeaOrmIdentityStore::open(&target, DbOptions::default()).await?;
//! let identity =
//!     IdentityService::new(Arc::new(store), Arc::new(SystemClock), Arc::new(UuidV7Source));
//!
//! let acme = CreateOrganization::named("Acme".parse()?);
//! let acme = identity.create_organization(&Operator::local(), acme).await?;
//! let token = CreateToken {
//!     name: "nightly import".parse()?,
//!     role: Role::Member,
//!     scopes: Some([Permission::ContactsImport].into()),
//!     expires_at: None,
//! };
//! let token = identity.create_token(&Actor::system(acme.id), token).await?;
//!
//! let actor = identity.authenticate(token.secret.reveal()).await?;
//! assert_eq!(actor.require(Permission::ContactsImport)?, acme.id);
//! assert!(!actor.may(Permission::ContactsExport));
//! # Ok(())
//! # }
//! ```

mod audit;
#[cfg(feature = "testing")]
pub mod conformance;
mod deletion;
mod detour;
mod error;
mod idempotency;
mod invitation;
mod letter;
mod linked_login;
mod member_letter;
mod name;
mod notification;
mod oauth;
mod organization;
mod password;
mod profile;
mod second_factor;
mod service;
mod session;
mod standing;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod storage;
mod store;
mod token;
mod user;
mod zones;

pub use crate::audit::{Change, Subject};
pub use audit::{AuditEntry, AuditFilter, AuditLog};
pub use deletion::{Deletion, DeletionPlanned, Erasure, ErasureBegun, Erasures};
pub use detour::{Aim, Detour, DetourSecret};
pub use error::IdentityError;
pub use idempotency::{Begun, Claim, IdempotencyKey, IdempotencyStore, StoredAnswer, oldest_kept};
pub use invitation::{Invitation, Invited};
pub use letter::{
    Errand, Letter, LinkSecret, Message, Postman, Purpose, QueuedLetter, Undelivered, UserLink,
};
pub use linked_login::{LinkedLogin, ProvenLogin};
pub use member_letter::{
    InvalidLetterSubject, InvalidLetterText, InvalidPageAddress, LetterSubject, LetterText,
    PageAddress, WriteToMember,
};
pub use name::{DisplayName, InvalidName, InvalidSlug, Slug};
pub use notification::{Notice, Notification, NotificationKind, Once, UnknownNotificationKind};
pub use oauth::{
    AuthorizationParameters, CodeChallenge, InvalidCodeChallenge, InvalidRedirectUri,
    MachineAccess, OauthClient, OauthCode, OauthError, OauthGrant, OauthQueries, OauthRepository,
    OauthSecret, OauthSecretKind, OauthToken, OauthTokenKind, OwnGrant, PresentedAccess,
    RedirectUri, TokenRequest, Wanted,
};
pub use organization::{
    Founders, InvalidPostalAddress, Organization, OrganizationCreated, PostalAddress,
    TimezoneChanged, UpdateOrganization,
};
pub use password::{
    HashingFailed, InvalidBcryptHash, Password, PasswordHash, PasswordHasher, WeakPassword,
};
pub use profile::{InvalidSignature, Signature, UpdateProfile};
pub use second_factor::{Enrolment, RecoveryCode, SecondFactor};
pub use service::{
    AddMember, ClientProof, CreateOauthClient, CreateOrganization, CreateToken, CreateUser,
    FirstPassword, IdentityService, Invite, IssuedTokens, LogIn, MachineWish, NewOauthClient,
    NewSession, NewToken, OauthConsent, RequestDeletion, SecondFactorState, SetUp,
    UpdateOauthClient,
};
pub use session::{
    Client, InvalidSessionSecret, LoggedIn, Patience, Session, SessionSecret, Workplace,
};
pub use standing::IdentityStanding;
pub use store::{
    AuditQueries, AuditRepository, DetourRepository, IdentityStore, IdentityUnitOfWork,
    InvitationQueries, InvitationRepository, LetterQueue, LetterRepository, LinkQueries,
    LinkRepository, LinkedLoginQueries, LinkedLoginRepository, LoginAttempts, MemberQueries,
    MembershipRepository, NotificationQueries, NotificationRepository, OrganizationQueries,
    OrganizationRepository, SecondFactorQueries, SecondFactorRepository, SessionQueries,
    SessionRepository, TokenQueries, TokenRepository, UserRepository,
};
pub use token::{
    ApiToken, Holder, InvalidTokenSecret, NoRandomness, PresentedToken, Refusal, TokenHash,
    TokenSecret,
};
pub use user::{Member, MemberGone, Membership, User, UserBlocked, UserInvited};
pub use zones::IdentityZones;
