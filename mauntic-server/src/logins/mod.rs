//! Logging in with providers: Google, GitHub, and whatever speaks OpenID Connect.
//!
//! A [`LoginProvider`] is configured; a [`Provider`] is asked. It says to which address a browser goes, and from what
//! the browser brings back, who came: a [`ProvenLogin`]. What that opens is decided by Identity, which never asks
//! anybody.

mod github;
mod http;
mod oidc;
mod setting;

use std::sync::Arc;

use mauntic_core::{
    Clock,
    identity::{DetourSecret, ProvenLogin, Slug},
};

pub(crate) use self::setting::list;
pub use self::setting::{LoginProvider, ProviderKind};
use self::{github::GitHub, http::Http, oidc::Oidc};
use crate::{InvalidSettings, Settings};

/// Longer names for a person come from no provider (OpenID Connect Core §2).
const MAX_SUBJECT: usize = 255;

/// The providers that people can log in with.
#[derive(Debug, Default)]
pub struct LoginProviders(Vec<Provider>);

impl LoginProviders {
    /// Those of the settings.
    ///
    /// # Errors
    /// [`InvalidSettings::LoginProvider`].
    pub fn new(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self, InvalidSettings> {
        if settings.login_providers.is_empty() {
            return Ok(Self::default());
        }
        let http = Http::new().map_err(|error| InvalidSettings::LoginProvider {
            id: settings.login_providers[0].id.clone(),
            problem: format!("no requests can be made from here: {error}"),
        })?;
        let mut providers: Vec<Provider> = Vec::new();
        for setting in &settings.login_providers {
            let made = if providers.iter().any(|known| known.id == setting.id) {
                Err("another one has the same `id`".to_owned())
            } else {
                Provider::new(setting, &settings.public_url(), &http, clock)
            };
            providers.push(made.map_err(|problem| InvalidSettings::LoginProvider {
                id: setting.id.clone(),
                problem,
            })?);
        }
        Ok(Self(providers))
    }

    /// All of them, in the order of the settings.
    pub fn iter(&self) -> std::slice::Iter<'_, Provider> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that the settings call so.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Provider> {
        self.iter().find(|provider| provider.id.as_str() == id)
    }
}

impl<'a> IntoIterator for &'a LoginProviders {
    type Item = &'a Provider;
    type IntoIter = std::slice::Iter<'a, Provider>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A provider that can be asked who somebody is.
#[derive(Debug)]
pub struct Provider {
    id: Slug,
    label: String,
    issuer: String,
    return_to: String,
    protocol: Protocol,
}

#[derive(Debug)]
enum Protocol {
    Oidc(Box<Oidc>),
    GitHub(GitHub),
}

/// What a browser brings back.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// For this the provider tells who came, once.
    pub code: &'a str,
    /// Who says to have sent the browser back, if that is said (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// Why a provider did not say who somebody is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It does not answer, or not in a way that can be understood.
    #[error("the provider could not be asked")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not take the code, or this installation's client id and secret.
    #[error("the provider refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it says fails a check.
    #[error("what the provider says cannot be trusted")]
    Untrusted(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Provider {
    fn new(
        setting: &LoginProvider,
        public_url: &str,
        http: &Http,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let return_to = format!("{public_url}/app/login/with/{}/return", setting.id);
        let issuer = setting.checked_issuer()?;
        let protocol = match setting.kind {
            ProviderKind::GitHub => {
                Protocol::GitHub(GitHub::new(setting, &issuer, return_to.clone(), http)?)
            }
            ProviderKind::Google | ProviderKind::Oidc => {
                let oidc = Oidc::new(setting, &issuer, &return_to, http, clock)?;
                Protocol::Oidc(Box::new(oidc))
            }
        };
        Ok(Self {
            id: setting.id.clone(),
            label: setting.shown_label(),
            issuer,
            return_to,
            protocol,
        })
    }

    /// What the settings call it.
    #[must_use]
    pub fn id(&self) -> &Slug {
        &self.id
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Who it is, for whatever it is called.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where it sends browsers back to: it has to be told, to the letter.
    #[must_use]
    pub fn return_to(&self) -> &str {
        &self.return_to
    }

    /// Whether it can be asked now; what it says of itself is fetched if that is not known.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`].
    pub async fn ready(&self) -> Result<(), ProviderError> {
        match &self.protocol {
            Protocol::Oidc(oidc) => oidc.ready().await,
            // It says nothing of itself.
            Protocol::GitHub(_) => Ok(()),
        }
    }

    /// Where a browser goes to for a detour.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`].
    pub async fn address(&self, secret: &DetourSecret) -> Result<String, ProviderError> {
        match &self.protocol {
            Protocol::Oidc(oidc) => oidc.address(secret).await,
            Protocol::GitHub(github) => Ok(github.address(secret)),
        }
    }

    /// Who came back from a detour. The address is asked for only where it is of use.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn identify(
        &self,
        answer: Answer<'_>,
        secret: &DetourSecret,
        with_address: bool,
    ) -> Result<ProvenLogin, ProviderError> {
        if answer.issuer.is_some_and(|issuer| issuer != self.issuer) {
            return Err(untrusted("another provider sent the browser back"));
        }
        let person = match &self.protocol {
            Protocol::Oidc(oidc) => oidc.identify(answer.code, secret, with_address).await?,
            Protocol::GitHub(github) => github.identify(answer.code, secret, with_address).await?,
        };
        if person.subject.is_empty() || person.subject.len() > MAX_SUBJECT {
            return Err(untrusted("its name for the person is empty or too long"));
        }
        Ok(ProvenLogin {
            provider: self.id.clone(),
            issuer: self.issuer.clone(),
            subject: person.subject,
            email: person
                .verified_address
                .and_then(|address| address.parse().ok()),
            name: person.name.and_then(|name| name.parse().ok()),
        })
    }
}

/// Somebody, as a provider knows them.
struct Person {
    subject: String,
    verified_address: Option<String>,
    name: Option<String>,
}

fn untrusted(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ProviderError {
    ProviderError::Untrusted(why.into())
}
