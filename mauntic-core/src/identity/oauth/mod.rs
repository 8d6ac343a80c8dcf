//! Programs of others that people let in, by OAuth 2 (RFC 6749, used as RFC 9700 says).
//!
//! An organisation registers an [`OauthClient`]. A member lets it act for them, which is an [`OauthGrant`]; it gets a code
//! for that, and for the code tokens, all of which are [`OauthSecret`]s. A client with [`MachineAccess`] gets tokens for
//! itself. Whatever ends a client, a grant or a membership ends the tokens with it.

mod client;
mod error;
mod grant;
mod pkce;
mod redirect;
mod request;
mod secret;
mod store;

pub use client::{MachineAccess, OauthClient};
pub use error::OauthError;
pub use grant::{OauthCode, OauthGrant, OauthToken, OauthTokenKind, OwnGrant, PresentedAccess};
pub use pkce::{CodeChallenge, InvalidCodeChallenge};
pub use redirect::{InvalidRedirectUri, RedirectUri};
pub use request::{AuthorizationParameters, TokenRequest, Wanted};
pub use secret::{OauthSecret, OauthSecretKind};
pub use store::{OauthQueries, OauthRepository};
