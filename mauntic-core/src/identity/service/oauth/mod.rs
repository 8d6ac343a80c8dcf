//! Letting programs of others in, by OAuth 2.

mod clients;
mod grants;
mod tokens;

pub use clients::{CreateOauthClient, MachineWish, NewOauthClient, UpdateOauthClient};
pub use grants::OauthConsent;
pub use tokens::{ClientProof, IssuedTokens};
