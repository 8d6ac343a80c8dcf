use super::{ErasureBegun, HashingFailed, NoRandomness, OauthError, Refusal};
use crate::{Forbidden, InvalidSecret, OrganizationId, Permission, Role, StoreError, UserId};

/// Why a use case of Identity did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The actor may not do that.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Nobody gives away more than they have.
    #[error("a token cannot be given the permission {0}, which its creator does not have")]
    BeyondOwnScope(Permission),
    /// Nobody gives away more than they have, as a role either.
    #[error("the role {0} includes the permission {1}, which the token does not have")]
    RoleBeyondScope(Role, Permission),
    /// A scope that its role does not include would never work.
    #[error("the role {1} does not include the permission {0}")]
    BeyondRole(Permission, Role),
    /// The bearer of the token is not let in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The email address or the password is wrong; which of them is not told.
    #[error("wrong email address or password")]
    WrongPassword,
    /// A new password would be among the first that are tried.
    #[error(
        "this password is easy to guess: common words, names, addresses, years, repetitions and rows of keys count as one character each, and too few are left; take some words that have nothing to do with each other"
    )]
    GuessablePassword,
    /// The password is right, and another system took it; here it would have been refused.
    #[error(
        "this password is too easy to guess to be let in with: set a new one with the link that was just mailed to you"
    )]
    PasswordTooWeak,
    /// Not everybody makes organisations in this installation.
    #[error("you cannot make organisations here: ask whoever runs this installation")]
    MayNotFound,
    /// Somebody owns as many organisations as one person may.
    #[error(
        "you own {most} organisations, which is as many as one person may: leave or delete one first"
    )]
    OwnsTooMany {
        /// How many that is.
        most: usize,
    },
    /// A program acts, and this is for people.
    #[error("this is for people who are members: a token that works for nobody has no part in it")]
    NotAPerson,
    /// Nobody writes to themselves.
    #[error("this is you: choose another member")]
    Oneself,
    /// The user was told nothing of that id.
    #[error("no notification has the id {0}")]
    NotificationNotFound(crate::NotificationId),
    /// Logging in failed too often.
    #[error("too many failed attempts: try again in {seconds} seconds")]
    TooManyFailures {
        /// How long to wait, at least 1.
        seconds: u64,
    },
    /// The code of the second factor is wrong, or was used before.
    #[error(
        "wrong code: use the one that the app shows now, or a recovery code that was not used yet"
    )]
    WrongCode,
    /// No login waits for a code: it took too long, or none was begun.
    #[error("no login waits for a code: log in again")]
    NoCodeAwaited,
    /// A mailed link was used before, is too old, or there is a newer one.
    #[error(
        "this link does not work any more: it was used, it is too old, or a newer one was sent"
    )]
    DeadLink,
    /// A way over a provider was not begun in this browser, took too long, or ended before.
    #[error(
        "this login with a provider was not begun in this browser, took too long, or was finished before: begin again"
    )]
    DetourOver,
    /// No account is linked with the login at the provider.
    #[error("no account is linked with this login")]
    LoginNotLinked,
    /// The login at the provider is linked, here or elsewhere, or the account has another one of the provider.
    #[error(
        "this login is linked with an account already, or yours with another one of the same provider: unlink that first"
    )]
    LoginTaken,
    /// The provider does not vouch for an address.
    #[error("the provider does not say that it has verified the email address")]
    AddressNotVerified,
    /// Without it nobody could log in to the account.
    #[error("nothing else lets you in to the account: set a password first")]
    LastWayIn,
    /// Somebody without a password shows that they are there by having logged in a moment ago.
    #[error("you logged in a while ago: log in again, then do it within 15 minutes")]
    LogInAgain,
    /// The second factor is on.
    #[error("the second factor is on already: switch it off to begin anew")]
    SecondFactorOn,
    /// The second factor is off.
    #[error("the second factor is not on")]
    SecondFactorOff,
    /// The service was made without the key that secrets are encrypted with.
    #[error("this needs the installation's secret key, which the service was not given")]
    NoSecretKey,
    /// A stored secret cannot be decrypted.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// The installation was set up before.
    #[error("the installation is set up already: log in, or ask its owner for an invitation")]
    AlreadySetUp,
    /// Not everybody may set the installation up.
    #[error("wrong code: `mauntic serve` prints the right one when it starts")]
    WrongSetUpCode,
    /// The user has no such session.
    #[error("no session has the id {0}")]
    SessionNotFound(crate::SessionId),
    /// There is no such organisation.
    #[error("no organisation has the id {0}")]
    OrganizationNotFound(OrganizationId),
    /// No organisation has that id, short name or name.
    #[error("no organisation is called that")]
    NoOrganizationCalled,
    /// The name fits several organisations.
    #[error("several organisations are called that; use the short name")]
    AmbiguousOrganization,
    /// The short name is another organisation's.
    #[error("another organisation already has this short name")]
    SlugTaken,
    /// There is no such user, or it is not a member.
    #[error("no user has the id {0}")]
    UserNotFound(UserId),
    /// No user has that address.
    #[error("no user has this email address")]
    NoUserWithEmail,
    /// The address is another user's.
    #[error("another user already has this email address")]
    EmailTaken,
    /// There is no such invitation.
    #[error("no invitation has the id {0}")]
    InvitationNotFound(crate::InvitationId),
    /// Whoever is logged in has another address than the invitation.
    #[error("the invitation is for another email address: log in with that one")]
    InvitedAsSomebodyElse,
    /// Only an owner can give ownership away.
    #[error("only an owner can give the ownership away")]
    NotAnOwner,
    /// The user is a member already.
    #[error("the user is already a member of the organisation")]
    AlreadyMember,
    /// An organisation without an owner could not be managed any more.
    #[error("an organisation needs an owner: make somebody else one first")]
    LastOwner,
    /// There is no such token.
    #[error("no API token has the id {0}")]
    TokenNotFound(crate::ApiTokenId),
    /// There is no such app.
    #[error("there is no such app")]
    OauthClientNotFound,
    /// The user does not let such an app act for them.
    #[error("there is no such app that may act for you")]
    OauthGrantNotFound,
    /// The app has not registered where it wants the browser sent.
    #[error("the address to go back to is not one that the app has registered, letter by letter")]
    RedirectNotRegistered,
    /// There must be somewhere to go back to.
    #[error(
        "an app needs 1 to 10 redirect URIs, each of them once; one that acts for itself can do without"
    )]
    RedirectUriCount,
    /// Whoever says who the app is could be anybody.
    #[error("an app without a secret cannot act for itself")]
    PublicMachine,
    /// There is nothing to change.
    #[error("this app has no secret: it proves itself with PKCE alone")]
    NoClientSecret,
    /// What a program made would go on when it is let in no more, or go out in the name of a person.
    #[error("this is for people to do, not for programs: tokens and apps cannot")]
    NotByPrograms,
    /// What an app is told that asks for more than it gets.
    #[error(transparent)]
    Oauth(#[from] OauthError),
    /// A token that never works is of no use.
    #[error("the token would have expired already")]
    ExpiresInThePast,
    /// The installation was started with another secret before.
    #[error(
        "the secret key is not the one this database was used with; tracking links, sending keys and encrypted settings need the old one (see the setting `secret_key`)"
    )]
    AnotherSecret,
    /// Somebody else changed it since it was read.
    #[error("it was changed meanwhile: look at it again (it is at version {current} now)")]
    Outdated {
        /// The version that it is at.
        current: i64,
    },
    /// Whoever has an organisation deleted types its name.
    #[error("this is not the name of the organisation: type it exactly as it is written")]
    NameDiffers,
    /// The organisation's data is being erased.
    #[error(transparent)]
    ErasureBegun(#[from] ErasureBegun),
    /// A password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    /// A token could not be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
