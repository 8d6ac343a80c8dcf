//! How a provider is configured.

use std::fmt;

use mauntic_core::identity::Slug;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use url::{Host, Url};

/// A provider that people can log in with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginProvider {
    /// Its name in addresses, such as `google`. Logins stay linked with its issuer when it changes.
    pub id: Slug,
    /// What it is.
    pub kind: ProviderKind,
    /// What people call it. Without it: Google, GitHub, or the id.
    #[serde(default)]
    pub label: Option<String>,
    /// Who it is, as its discovery document says, to the letter. Without it: Google, or GitHub.
    #[serde(default)]
    pub issuer: Option<String>,
    /// GitHub only: where its API is. Without it: that of GitHub.
    #[serde(default)]
    pub api_url: Option<String>,
    /// What the provider calls this installation.
    pub client_id: String,
    /// What proves that to the provider.
    pub client_secret: String,
    /// What is asked for, beside `openid`. Without it: the address, and the name.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// What a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, or a GitHub Enterprise Server.
    GitHub,
    /// Any that speaks OpenID Connect.
    Oidc,
}

impl fmt::Debug for LoginProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginProvider")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl LoginProvider {
    pub(super) fn shown_label(&self) -> String {
        let usual = match self.kind {
            ProviderKind::Google => "Google",
            ProviderKind::GitHub => "GitHub",
            ProviderKind::Oidc => self.id.as_str(),
        };
        self.label.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// The issuer, as it was written: it is compared to the letter.
    pub(super) fn checked_issuer(&self) -> Result<String, String> {
        let usual = match self.kind {
            ProviderKind::Google => Some("https://accounts.google.com"),
            ProviderKind::GitHub => Some("https://github.com"),
            ProviderKind::Oidc => None,
        };
        let issuer = self.issuer.as_deref().or(usual);
        let issuer = issuer.ok_or("`issuer` is missing")?;
        checked_address("issuer", issuer)?;
        if self.client_id.is_empty() || self.client_secret.is_empty() {
            return Err("`client_id` and `client_secret` may not be empty".to_owned());
        }
        Ok(issuer.to_owned())
    }

    pub(super) fn checked_api_url(&self) -> Result<String, String> {
        let url = self.api_url.as_deref().unwrap_or("https://api.github.com");
        checked_address("api_url", url)?;
        Ok(url.trim_end_matches('/').to_owned())
    }

    pub(super) fn scopes_or<'a>(&'a self, usual: &[&'a str]) -> Vec<&'a str> {
        if self.scopes.is_empty() {
            usual.to_vec()
        } else {
            self.scopes.iter().map(String::as_str).collect()
        }
    }
}

/// What it answers decides who is let in, so nobody may change it on its way.
fn checked_address(name: &str, text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("`{name}` is no address: {error}"))?;
    let here = match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && here) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` must begin with https:// (http:// only for this machine)"
        ))
    }
}

/// Reads a list as tables of a file, or as JSON in a variable of the environment.
pub(crate) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<LoginProvider>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<LoginProvider>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of login providers, or one in JSON")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            serde_json::from_str(text).map_err(|error| E::custom(hidden(&error)))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    from.deserialize_any(List)
}

/// What is wrong, without the secrets that stand in it.
fn hidden(error: &serde_json::Error) -> String {
    format!(
        "not a list of login providers in JSON (line {}, column {}): each has `id`, `kind` (google, github or oidc), \
         `client_id`, `client_secret`, and perhaps `label`, `issuer`, `api_url`, `scopes`",
        error.line(),
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: &str, more: &str) -> Result<String, String> {
        let text = format!(
            r#"{{"id": "x", "kind": "{kind}", "client_id": "id", "client_secret": "s" {more}}}"#
        );
        let provider: LoginProvider = serde_json::from_str(&text).unwrap();
        assert!(!format!("{provider:?}").contains("client"));
        provider.checked_issuer()
    }

    #[test]
    fn an_issuer_is_known_or_said_and_its_answers_cannot_be_changed_on_their_way() {
        assert_eq!(
            provider("google", "").unwrap(),
            "https://accounts.google.com"
        );
        assert_eq!(provider("github", "").unwrap(), "https://github.com");
        assert!(provider("oidc", "").unwrap_err().contains("missing"));
        for issuer in [
            "https://sso.example/",
            "http://127.0.0.1:99",
            "http://localhost/x",
        ] {
            let said = provider("oidc", &format!(r#", "issuer": "{issuer}""#));
            assert_eq!(said.unwrap(), issuer);
        }
        for issuer in ["http://sso.example", "http://10.0.0.1", "ftp://x", "sso"] {
            let said = provider("oidc", &format!(r#", "issuer": "{issuer}""#));
            assert!(said.is_err(), "{issuer}");
        }
    }
}
