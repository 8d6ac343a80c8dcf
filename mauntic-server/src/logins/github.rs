//! GitHub: OAuth 2 alone. It signs nothing, so it is asked with the token that it gives for the code.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mauntic_core::identity::DetourSecret;
use poem::http::{Method, Request, header};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{LoginProvider, Person, ProviderError, http::Http, untrusted};

/// GitHub, or a GitHub Enterprise Server.
pub(super) struct GitHub {
    web: String,
    api: String,
    client_id: String,
    client_secret: String,
    scopes: String,
    return_to: String,
    http: Http,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub")
            .field("web", &self.web)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    /// The login can be given to another person; this cannot.
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

impl GitHub {
    pub(super) fn new(
        setting: &LoginProvider,
        issuer: &str,
        return_to: String,
        http: &Http,
    ) -> Result<Self, String> {
        Ok(Self {
            web: issuer.trim_end_matches('/').to_owned(),
            api: setting.checked_api_url()?,
            client_id: setting.client_id.clone(),
            client_secret: setting.client_secret.clone(),
            scopes: setting.scopes_or(&["read:user", "user:email"]).join(" "),
            return_to,
            http: http.clone(),
        })
    }

    pub(super) fn address(&self, secret: &DetourSecret) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(secret.verifier()));
        let query = serde_urlencoded::to_string([
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", self.return_to.as_str()),
            ("scope", self.scopes.as_str()),
            ("state", secret.state().as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        let web = &self.web;
        format!("{web}/login/oauth/authorize?{}", query.unwrap_or_default())
    }

    pub(super) async fn identify(
        &self,
        code: &str,
        secret: &DetourSecret,
        with_address: bool,
    ) -> Result<Person, ProviderError> {
        let token = self.token(code, secret).await?;
        let user: User = self.ask("/user", &token).await?;
        let mut verified_address = None;
        if with_address {
            let addresses: Vec<Address> = self.ask("/user/emails", &token).await?;
            let primary = addresses
                .into_iter()
                .find(|address| address.primary && address.verified);
            verified_address = primary.map(|address| address.email);
        }
        Ok(Person {
            subject: user.id.to_string(),
            verified_address,
            name: user.name.or(Some(user.login)),
        })
    }

    async fn token(&self, code: &str, secret: &DetourSecret) -> Result<String, ProviderError> {
        let form = serde_urlencoded::to_string([
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.as_str()),
            ("code", code),
            ("redirect_uri", self.return_to.as_str()),
            ("code_verifier", secret.verifier().as_str()),
        ]);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/login/oauth/access_token", self.web))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.unwrap_or_default().into_bytes());
        // It answers 200 even when it refuses.
        let token: Token = self.answer(request).await?;
        match (token.access_token, token.error) {
            (Some(token), None) => Ok(token),
            (_, error) => {
                let error = error.unwrap_or_else(|| "it gave no token".to_owned());
                Err(ProviderError::Refused(error.into()))
            }
        }
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, token: &str) -> Result<T, ProviderError> {
        let request = Request::builder()
            .uri(format!("{}{path}", self.api))
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Vec::new());
        self.answer(request).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: Result<Request<Vec<u8>>, poem::http::Error>,
    ) -> Result<T, ProviderError> {
        let request = request.map_err(untrusted)?;
        let answer = self.http.send(request).await;
        let answer = answer.map_err(|error| ProviderError::Unreachable(error.into()))?;
        if !answer.status().is_success() {
            let status = format!("it answered {}", answer.status());
            return Err(ProviderError::Unreachable(status.into()));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| ProviderError::Unreachable(error.into()))
    }
}
