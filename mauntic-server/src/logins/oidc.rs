//! OpenID Connect: the provider signs who somebody is.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{Clock, identity::DetourSecret};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, SubjectIdentifier, TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdTokenVerifier,
        CoreJwsSigningAlgorithm as Algorithm, CoreProviderMetadata, CoreUserInfoClaims,
    },
};
use tokio::sync::RwLock;

use super::{LoginProvider, Person, ProviderError, http::Http, untrusted};

/// How long what a provider says of itself is believed before it is fetched again.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// Signatures with a key that only the provider has.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider that speaks OpenID Connect.
pub(super) struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    scopes: Vec<Scope>,
    return_to: RedirectUrl,
    http: Http,
    clock: Arc<dyn Clock>,
    /// What the provider says of itself, and when it did.
    known: RwLock<Option<(CoreProviderMetadata, DateTime<Utc>)>>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Oidc {
    pub(super) fn new(
        setting: &LoginProvider,
        issuer: &str,
        return_to: &str,
        http: &Http,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let scopes = setting.scopes_or(&["email", "profile"]).into_iter();
        Ok(Self {
            issuer: IssuerUrl::new(issuer.to_owned()).map_err(|error| error.to_string())?,
            client_id: ClientId::new(setting.client_id.clone()),
            client_secret: ClientSecret::new(setting.client_secret.clone()),
            scopes: scopes.map(|scope| Scope::new(scope.to_owned())).collect(),
            return_to: RedirectUrl::new(return_to.to_owned()).map_err(|error| error.to_string())?,
            http: http.clone(),
            clock: clock.clone(),
            known: RwLock::default(),
        })
    }

    pub(super) async fn ready(&self) -> Result<(), ProviderError> {
        self.client().await.map(|_| ())
    }

    pub(super) async fn address(&self, secret: &DetourSecret) -> Result<String, ProviderError> {
        let client = self.client().await?;
        let verifier = PkceCodeVerifier::new(secret.verifier());
        let (state, nonce) = (secret.state(), secret.nonce());
        let (address, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(address.into())
    }

    pub(super) async fn identify(
        &self,
        code: &str,
        secret: &DetourSecret,
        with_address: bool,
    ) -> Result<Person, ProviderError> {
        let mut client = self.client().await?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| ProviderError::Unreachable(error.into()))?
            .set_pkce_verifier(PkceCodeVerifier::new(secret.verifier()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(_) => ProviderError::Refused(error.into()),
                _ => ProviderError::Unreachable(error.into()),
            })?;
        let id_token = tokens
            .id_token()
            .ok_or_else(|| untrusted("it sent no ID token"))?;
        let nonce = Nonce::new(secret.nonce());
        let checked = id_token.claims(&self.verifier(&client), &nonce);
        let claims = match checked {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                // It may have new keys.
                client = self.discover().await?;
                id_token.claims(&self.verifier(&client), &nonce)
            }
            checked => checked,
        };
        let claims = claims.map_err(untrusted)?;
        let mut person = Person {
            subject: claims.subject().to_string(),
            verified_address: claims
                .email()
                .filter(|_| claims.email_verified() == Some(true))
                .map(|email| email.to_string()),
            name: claims
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.to_string()),
        };
        if with_address && claims.email().is_none() {
            let (token, subject) = (tokens.access_token(), claims.subject());
            let said = self.user_info(&client, token, subject).await?;
            let email = said.email().filter(|_| said.email_verified() == Some(true));
            person.verified_address = email.map(|email| email.to_string());
            let name = said.name().and_then(|name| name.get(None));
            person.name = name.map(|name| name.to_string()).or(person.name);
        }
        Ok(person)
    }

    /// What the provider tells of the person beside what it signed; many tell the address only here.
    async fn user_info(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<CoreUserInfoClaims, ProviderError> {
        client
            .user_info(token.clone(), Some(subject.clone()))
            .map_err(|error| ProviderError::Unreachable(error.into()))?
            .request_async(&self.http)
            .await
            .map_err(untrusted)
    }

    fn verifier<'a>(&self, client: &'a Client) -> CoreIdTokenVerifier<'a> {
        let now = self.clock.now();
        client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now)
    }

    async fn client(&self) -> Result<Client, ProviderError> {
        if let Some((metadata, at)) = &*self.known.read().await
            && self.clock.now() - *at < FRESH
        {
            return Ok(self.client_of(metadata.clone()));
        }
        self.discover().await
    }

    async fn discover(&self) -> Result<Client, ProviderError> {
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = found.map_err(|error| ProviderError::Unreachable(error.into()))?;
        if metadata.token_endpoint().is_none() {
            let why = "its discovery document names no token endpoint";
            return Err(ProviderError::Unreachable(why.into()));
        }
        *self.known.write().await = Some((metadata.clone(), self.clock.now()));
        Ok(self.client_of(metadata))
    }

    fn client_of(&self, metadata: CoreProviderMetadata) -> Client {
        let ways = metadata.token_endpoint_auth_methods_supported();
        let says = |way| ways.is_some_and(|ways| ways.contains(&way));
        // What all take is the header, but for those that say otherwise.
        let by_form = says(CoreClientAuthMethod::ClientSecretPost)
            && !says(CoreClientAuthMethod::ClientSecretBasic);
        let (id, secret) = (self.client_id.clone(), self.client_secret.clone());
        let client = CoreClient::from_provider_metadata(metadata, id, Some(secret))
            .set_redirect_uri(self.return_to.clone());
        if by_form {
            client.set_auth_type(AuthType::RequestBody)
        } else {
            client
        }
    }
}
