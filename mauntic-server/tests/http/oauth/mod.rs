//! Apps that are let in by OAuth 2: how they ask, what they get, and what ends it.

mod authorize;
mod kept;
mod tokens;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use poem::http::header;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    browser::Browser,
    people::call,
    support::{Answer, request},
};

const BACK: &str = "https://app.example/cb?from=mauntic";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CLIENTS: &str = "/api/identity/oauth-clients";

/// An app that knows its id, and its secret if it has one.
struct App {
    id: String,
    secret: Option<String>,
}

impl App {
    async fn register(browser: &Browser, body: Value) -> Self {
        let made = call(browser, "POST", CLIENTS, body).await;
        Self {
            id: made["client"]["id"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().map(str::to_owned),
        }
    }

    /// What it sends a browser with.
    fn fields(&self, scope: &str) -> Vec<(&'static str, String)> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()));
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.id.clone()),
            ("redirect_uri", BACK.to_owned()),
            ("scope", scope.to_owned()),
            ("state", "a b&c//d".to_owned()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    fn way(&self, scope: &str) -> String {
        way(&self.fields(scope))
    }

    /// Posts a form as the app, with its secret in the header.
    async fn post(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        if self.secret.is_none() {
            fields.push(("client_id", self.id.as_str()));
        }
        let pair = self.secret.as_ref().map(|secret| {
            let pair = STANDARD.encode(format!("{}:{secret}", self.id));
            format!("Basic {pair}")
        });
        post(browser, path, pair.as_deref(), &fields).await
    }

    async fn exchange(&self, browser: &Browser, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        self.post(browser, "/oauth/token", &fields).await
    }

    async fn refresh(&self, browser: &Browser, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(browser, "/oauth/token", &fields).await
    }
}

fn body(name: &str, confidential: bool) -> Value {
    json!({"name": name, "redirect_uris": [BACK], "confidential": confidential})
}

fn way(fields: &[(&str, String)]) -> String {
    let query = serde_urlencoded::to_string(fields).unwrap();
    format!("/oauth/authorize?{query}")
}

async fn post(
    browser: &Browser,
    path: &str,
    shown: Option<&str>,
    fields: &[(&str, &str)],
) -> Answer {
    let mut form = request("", "POST", path).content_type("application/x-www-form-urlencoded");
    if let Some(shown) = shown {
        form = form.header(header::AUTHORIZATION, shown);
    }
    let form = form.body(serde_urlencoded::to_string(fields).unwrap());
    browser.installation.send(form).await
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.headers.get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// What an app is told by the address that a browser is sent back to.
fn told(answer: &Answer) -> Vec<(String, String)> {
    let to = match answer.status {
        303 => text(answer, "location"),
        _ => text(answer, "refresh").trim_start_matches("0; url="),
    };
    let query = to.strip_prefix("https://app.example/cb?from=mauntic&");
    let query = query.unwrap_or_else(|| panic!("sent to {to:?}: {}", answer.status));
    serde_urlencoded::from_str(query).unwrap()
}

fn of<'a>(told: &'a [(String, String)], name: &str) -> &'a str {
    let found = told.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// Where a browser with a session gets to that an app sent: to a page of ours, and no further.
async fn asked(browser: &mut Browser, way: &str) -> Answer {
    let first = browser.send("GET", way, None).await;
    assert_eq!(first.status, 303);
    let page = text(&first, "location").to_owned();
    assert!(page.starts_with("/app/oauth/authorize?"), "{page}");
    let answer = browser.send("GET", &page, None).await;
    if answer.status == 200 {
        browser.get(&page).await;
    }
    answer
}

/// Answers the page that was looked at last.
async fn answer(browser: &mut Browser, app: &App, scope: &str, step: &str) -> Answer {
    let mut fields = app.fields(scope);
    fields.push(("csrf", browser.token()));
    fields.push(("step", step.to_owned()));
    let form = serde_urlencoded::to_string(&fields).unwrap();
    browser
        .send("POST", "/app/oauth/authorize", Some(form))
        .await
}

/// The code that the app gets when the person says yes.
async fn allowed(browser: &mut Browser, app: &App, scope: &str) -> String {
    let page = asked(browser, &app.way(scope)).await;
    assert_eq!(page.status, 200);
    let back = answer(browser, app, scope, "allow").await;
    assert_eq!(
        back.status, 200,
        "browsers hold a form to where it may lead"
    );
    of(&told(&back), "code").to_owned()
}

async fn tokens(browser: &mut Browser, app: &App, scope: &str) -> (String, String) {
    let code = allowed(browser, app, scope).await;
    let tokens = app.exchange(browser, &code).await.ok(200);
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn status(browser: &Browser, token: &str, path: &str) -> u16 {
    let answer = browser.installation.call(token, "GET", path, None).await;
    answer.status
}
