//! A provider of logins, such as people have elsewhere: OpenID Connect, and what GitHub speaks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use mauntic_server::{LoginProvider, ProviderKind};
use poem::{
    Body, IntoResponse as _, Request, Response, Server,
    endpoint::make,
    http::{StatusCode, header},
    listener::TcpAcceptor,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

const CLIENT: (&str, &str) = ("mauntic at home", "secret:ä");
/// Where browsers are to come back to.
const HOME: &str = "http://127.0.0.1:8080";

/// Somebody whom the provider knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) number: u64,
    pub(crate) email: &'static str,
    pub(crate) verified: bool,
}

/// What the provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nonce,
    NoNonce,
    Audience,
    Issuer,
    Signature,
    NoSignature,
    Expired,
    NoIdToken,
    Refused,
    /// What it tells beside what it signed is about somebody else.
    AnotherPerson,
}

struct State {
    address: String,
    key: EcdsaKeyPair,
    key_name: String,
    grants: HashMap<String, Grant>,
    fault: Option<Fault>,
    asked: Vec<String>,
}

#[derive(Clone)]
struct Grant {
    who: Known,
    challenge: String,
    redirect_uri: String,
    nonce: String,
}

/// A provider that listens, until it is dropped.
pub(crate) struct TestProvider {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for TestProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn new_key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

impl TestProvider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            address: address.clone(),
            key: new_key(),
            key_name: "first".to_owned(),
            grants: HashMap::new(),
            fault: None,
            asked: Vec::new(),
        }));
        let shared = state.clone();
        let endpoint = make(move |request: Request| {
            let state = shared.clone();
            async move { Ok::<_, poem::Error>(serve(&state, request).await) }
        });
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// How an installation names it.
    pub(crate) fn setting(&self, kind: ProviderKind, id: &str) -> LoginProvider {
        LoginProvider {
            id: id.parse().unwrap(),
            kind,
            label: (kind == ProviderKind::Oidc).then(|| "Example SSO".to_owned()),
            issuer: Some(self.address.clone()),
            api_url: Some(self.address.clone()),
            client_id: CLIENT.0.to_owned(),
            client_secret: CLIENT.1.to_owned(),
            scopes: Vec::new(),
        }
    }

    /// Goes wrong in this way from now on.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.state.lock().unwrap().fault = fault;
    }

    /// Signs with another key from now on.
    pub(crate) fn rotate(&self) {
        let mut state = self.state.lock().unwrap();
        state.key = new_key();
        "second".clone_into(&mut state.key_name);
    }

    /// The paths that it was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Somebody says there who they are; returns the path that the browser is sent back to.
    #[track_caller]
    pub(crate) fn approve(&self, location: &str, who: Known) -> String {
        let url = Url::parse(location).unwrap();
        assert!(location.starts_with(&self.address), "{location}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let asked = |name: &str| query.get(name).cloned().unwrap_or_default();
        let is_oidc = url.path() == "/authorize";
        assert!(is_oidc || url.path() == "/login/oauth/authorize", "{url}");
        assert_eq!(asked("response_type"), "code");
        assert_eq!(asked("client_id"), CLIENT.0);
        assert_eq!(asked("code_challenge_method"), "S256");
        let scopes = asked("scope");
        let scopes: Vec<_> = scopes.split(' ').collect();
        let wanted = if is_oidc {
            ["openid", "email"]
        } else {
            ["read:user", "user:email"]
        };
        assert!(wanted.iter().all(|scope| scopes.contains(scope)), "{url}");
        assert!(asked("state").len() >= 43, "{url}");
        assert!(!is_oidc || asked("nonce").len() >= 43, "{url}");
        let redirect_uri = asked("redirect_uri");
        let mut state = self.state.lock().unwrap();
        let code = format!("code {}", state.grants.len());
        let grant = Grant {
            who,
            challenge: asked("code_challenge"),
            redirect_uri: redirect_uri.clone(),
            nonce: asked("nonce"),
        };
        state.grants.insert(code.clone(), grant);
        let back = [("code", code), ("state", asked("state"))];
        let back = serde_urlencoded::to_string(back).unwrap();
        let path = redirect_uri.strip_prefix(HOME).expect(&redirect_uri);
        format!("{path}?{back}")
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .content_type("application/json")
        .body(body.to_string())
}

async fn serve(state: &Mutex<State>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let allowed = request.header(header::AUTHORIZATION).map(str::to_owned);
    let body: Body = request.take_body();
    let form: HashMap<String, String> =
        serde_urlencoded::from_bytes(&body.into_vec().await.unwrap()).unwrap_or_default();
    let mut state = state.lock().unwrap();
    state.asked.push(path.clone());
    let allowed = allowed.as_deref().unwrap_or_default();
    let known = |state: &State| {
        let code = allowed.strip_prefix("Bearer token for ")?;
        state.grants.get(code).map(|grant| grant.who)
    };
    match path.as_str() {
        "/.well-known/openid-configuration" => answer(StatusCode::OK, &state.metadata()),
        "/jwks" => answer(StatusCode::OK, &state.keys()),
        "/token" => {
            let encoded = |text: &str| {
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
            };
            let right = format!("{}:{}", encoded(CLIENT.0), encoded(CLIENT.1));
            if allowed != format!("Basic {}", STANDARD.encode(right)) {
                return answer(
                    StatusCode::UNAUTHORIZED,
                    &json!({"error": "invalid_client"}),
                );
            }
            let refused = json!({"error": "invalid_grant"});
            match state.redeem(&form) {
                Some(granted) => answer(StatusCode::OK, &granted),
                None => answer(StatusCode::BAD_REQUEST, &refused),
            }
        }
        "/userinfo" => match known(&state) {
            Some(who) => answer(StatusCode::OK, &state.user_info(who)),
            None => StatusCode::UNAUTHORIZED.into_response(),
        },
        "/login/oauth/access_token" => {
            let own = form.get("client_id").map(String::as_str) == Some(CLIENT.0)
                && form.get("client_secret").map(String::as_str) == Some(CLIENT.1);
            let granted = if own { state.redeem(&form) } else { None };
            let refused = json!({"error": "bad_verification_code"});
            answer(StatusCode::OK, &granted.unwrap_or(refused))
        }
        "/user" => match known(&state) {
            Some(who) => answer(
                StatusCode::OK,
                &json!({"id": who.number, "login": "octo", "name": null}),
            ),
            None => StatusCode::UNAUTHORIZED.into_response(),
        },
        "/user/emails" => match known(&state) {
            Some(who) => answer(
                StatusCode::OK,
                &json!([
                    {"email": "other@example.net", "primary": false, "verified": true, "visibility": null},
                    {"email": who.email, "primary": true, "verified": who.verified, "visibility": "private"},
                ]),
            ),
            None => StatusCode::UNAUTHORIZED.into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl State {
    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.address);
        json!({
            "issuer": self.address, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"), "jwks_uri": at("/jwks"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        })
    }

    fn keys(&self) -> Value {
        let public = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&public[range]);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_name,
            "x": part(1..33), "y": part(33..65),
        }]})
    }

    /// Gives tokens for a code, once, to whoever asked for it.
    fn redeem(&mut self, form: &HashMap<String, String>) -> Option<Value> {
        let said = |name: &str| form.get(name).cloned().unwrap_or_default();
        let grant = self.grants.get(&said("code"))?.clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(said("code_verifier")));
        let same = grant.challenge == challenge && grant.redirect_uri == said("redirect_uri");
        if !same || self.fault == Some(Fault::Refused) {
            return None;
        }
        // The token is for the grant; the code itself works no more.
        let token = format!("{} used", said("code"));
        self.grants.remove(&said("code"));
        let mut granted =
            json!({"access_token": format!("token for {token}"), "token_type": "Bearer"});
        if self.fault != Some(Fault::NoIdToken) {
            granted["id_token"] = self.sign(&grant).into();
        }
        self.grants.insert(token, grant);
        Some(granted)
    }

    fn sign(&self, grant: &Grant) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let mut claims = json!({
            "iss": self.address, "sub": grant.who.number.to_string(), "aud": CLIENT.0,
            "exp": now + 300, "iat": now, "nonce": grant.nonce,
        });
        let mut header = json!({"alg": "ES256", "kid": self.key_name});
        match self.fault {
            Some(Fault::Nonce) => claims["nonce"] = "another".into(),
            Some(Fault::NoNonce) => claims["nonce"] = Value::Null,
            Some(Fault::Audience) => claims["aud"] = "another".into(),
            Some(Fault::Issuer) => claims["iss"] = "https://another.example".into(),
            Some(Fault::Expired) => claims["exp"] = (now - 1).into(),
            Some(Fault::NoSignature) => header = json!({"alg": "none"}),
            _ => {}
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        if self.fault == Some(Fault::NoSignature) {
            return format!("{signed}.");
        }
        let key = if self.fault == Some(Fault::Signature) {
            &new_key()
        } else {
            &self.key
        };
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn user_info(&self, who: Known) -> Value {
        let number = if self.fault == Some(Fault::AnotherPerson) {
            who.number + 1
        } else {
            who.number
        };
        json!({
            "sub": number.to_string(), "name": "Known Elsewhere",
            "email": who.email, "email_verified": who.verified,
        })
    }
}
