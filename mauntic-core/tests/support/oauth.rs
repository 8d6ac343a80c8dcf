//! An app, and what it does for its tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mauntic_core::{
    Actor, Operator, Role,
    identity::{
        AuthorizationParameters, ClientProof, CreateOauthClient, CreateUser, IdentityError,
        IssuedTokens, LoggedIn, NewOauthClient, OauthSecret, Refusal, TokenRequest, Wanted,
    },
};
use sha2::{Digest as _, Sha256};

use crate::support::{PASSWORD, World, home, password};

pub(crate) const HERE: &str = "https://app.example/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub(crate) fn app(confidential: bool) -> CreateOauthClient {
    CreateOauthClient {
        name: "Sync".parse().unwrap(),
        redirect_uris: vec![HERE.parse().unwrap()],
        confidential,
        machine: None,
    }
}

pub(crate) fn proof(app: &NewOauthClient) -> ClientProof {
    ClientProof {
        id: app.client.id.to_string(),
        secret: app.secret.as_ref().map(|secret| secret.reveal().to_owned()),
    }
}

pub(crate) fn wanted(app: &NewOauthClient, scope: &str) -> Wanted {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()));
    let fields = [
        ("response_type", "code"),
        ("scope", scope),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let asked = AuthorizationParameters::of(fields);
    asked.wanted(&app.client).unwrap()
}

pub(crate) fn for_code(code: &OauthSecret) -> TokenRequest {
    TokenRequest::Code {
        code: code.reveal().to_owned(),
        redirect_uri: HERE.to_owned(),
        verifier: Some(VERIFIER.to_owned()),
    }
}

pub(crate) fn for_refresh(tokens: &IssuedTokens) -> TokenRequest {
    TokenRequest::Refresh {
        token: tokens.refresh.as_ref().unwrap().reveal().to_owned(),
        scopes: None,
    }
}

#[track_caller]
pub(crate) fn told<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> &'static str {
    match result {
        Err(IdentityError::Oauth(error)) => error.code(),
        other => panic!("expected what an app is told, found {other:?}"),
    }
}

impl World {
    pub(crate) async fn register(
        &self,
        actor: &Actor,
        command: CreateOauthClient,
    ) -> NewOauthClient {
        let made = self.service.create_oauth_client(actor, command).await;
        made.unwrap()
    }

    pub(crate) async fn code(
        &self,
        who: &LoggedIn,
        app: &NewOauthClient,
        scope: &str,
    ) -> OauthSecret {
        let wanted = wanted(app, scope);
        let uri = &app.client.redirect_uris[0];
        let code = self.service.authorize(who, &app.client, uri, &wanted);
        code.await.unwrap()
    }

    pub(crate) async fn ask(
        &self,
        app: &NewOauthClient,
        request: TokenRequest,
    ) -> Result<IssuedTokens, IdentityError> {
        let from = home();
        self.service.issue_tokens(&proof(app), request, &from).await
    }

    pub(crate) async fn tokens(
        &self,
        who: &LoggedIn,
        app: &NewOauthClient,
        scope: &str,
    ) -> IssuedTokens {
        let code = self.code(who, app, scope).await;
        self.ask(app, for_code(&code)).await.unwrap()
    }

    pub(crate) async fn actor(&self, tokens: &IssuedTokens) -> Result<Actor, IdentityError> {
        self.service.authenticate(tokens.access.reveal()).await
    }

    pub(crate) async fn refusal(&self, tokens: &IssuedTokens) -> Refusal {
        match self.actor(tokens).await {
            Err(IdentityError::Refused(refusal)) => refusal,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    /// Somebody else in Acme, logged in.
    pub(crate) async fn member(&self, ann: &LoggedIn, name: &str, role: Role) -> LoggedIn {
        let email = format!("{}@example.com", name.to_lowercase());
        let command = CreateUser {
            email: email.parse().unwrap(),
            name: name.parse().unwrap(),
            password: Some(password(PASSWORD).into()),
            role,
        };
        let organization = ann.actor().unwrap().organization_id();
        let operator = Operator::local();
        let made = self.service.create_user(&operator, organization, command);
        made.await.unwrap();
        let new = self.log_in(&email, PASSWORD).await.unwrap();
        self.who(&new.secret).await.unwrap()
    }
}
