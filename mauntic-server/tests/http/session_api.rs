//! The API called by somebody who is logged in, with the cookie in place of a token; and by programs that know HTTP
//! Basic alone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mauntic_core::{Operator, UserId, identity::SessionSecret};
use poem::http::header;
use serde_json::{Value, json};

use crate::{
    browser::{Browser, OWNER},
    people::become_viewer,
    support::{Answer, Installation, request},
};

const CONTACTS: &str = "/api/crm/contacts";
/// Where the pages are, as the browser says it.
const HOST: &str = "mauntic.lan:8080";

/// A page of ours, in the session of a browser.
struct Page {
    installation: Installation,
    cookie: String,
    token: String,
}

impl Page {
    fn of(browser: Browser) -> Self {
        let cookie = browser.cookie().to_owned();
        let secret: SessionSecret = cookie.split_once('=').unwrap().1.parse().unwrap();
        Self {
            installation: browser.installation,
            cookie,
            token: secret.csrf_token(),
        }
    }

    async fn new() -> Self {
        Self::of(Browser::new().await)
    }

    /// A call with these headers beside the cookie.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut request = request("", method, path)
            .header(header::COOKIE, &self.cookie)
            .header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Value::Null => request.finish(),
            body => request
                .content_type("application/json")
                .body(body.to_string()),
        };
        self.installation.send(request).await
    }

    /// A call that proves where it comes from.
    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let proof = [("x-csrf-token", self.token.as_str())];
        self.send(method, path, &proof, body).await
    }

    async fn me(&self) -> UserId {
        let account = self.call("GET", "/api/auth/session", Value::Null).await;
        account.ok(200)["user_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }
}

fn contact(number: u32) -> Value {
    json!({"email": format!("p{number}@example.com")})
}

#[tokio::test]
async fn whoever_is_logged_in_looks_with_the_cookie_and_changes_with_the_token_too() {
    let mut browser = Browser::new().await;
    browser.get("/app/account").await;
    let of_page = browser.token();
    let page = Page::of(browser);
    let me = page.send("GET", "/api/identity/me", &[], Value::Null).await;
    assert_eq!(me.ok(200)["role"], "owner");
    page.send("GET", CONTACTS, &[], Value::Null).await.ok(200);
    for headers in [&[][..], &[("x-csrf-token", "x")], &[("x-csrf-token", "")]] {
        let refused = page.send("POST", CONTACTS, headers, contact(1)).await;
        assert_eq!(refused.problem(403)["code"], "foreign_request");
    }
    let list = page.send("GET", CONTACTS, &[], Value::Null).await.ok(200);
    assert_eq!(list["items"], json!([]), "nothing was changed");
    let made = page.call("POST", CONTACTS, contact(1)).await.ok(201);
    // The token of a page does as well.
    let proof = [("x-csrf-token", of_page.as_str())];
    let path = format!("{CONTACTS}/{}", made["id"].as_str().unwrap());
    let gone = page.send("DELETE", &path, &proof, Value::Null).await;
    assert_eq!(gone.status, 204);

    // It is the user who did it.
    mauntic_server::settle_events(&page.installation.app)
        .await
        .unwrap();
    let log = page.send(
        "GET",
        "/api/identity/audit?action=contact.",
        &[],
        Value::Null,
    );
    let log = log.await.ok(200);
    let me = page.me().await.to_string();
    for entry in log["items"].as_array().unwrap() {
        assert_eq!(entry["actor_kind"], "user", "{entry}");
        assert_eq!(entry["actor_id"], me, "{entry}");
    }
    assert_eq!(log["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_that_shows_another_organization_changes_nothing() {
    let browser = Browser::new().await;
    let secret = browser.cookie().split_once('=').unwrap().1.to_owned();
    let secret: SessionSecret = secret.parse().unwrap();
    let page = Page::of(browser);
    let me = page.send("GET", "/api/identity/me", &[], Value::Null).await;
    let here = me.ok(200)["organization"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let there = "00000000-0000-7000-8000-000000000000";
    for (organization, status) in [(there, 409), (here.as_str(), 201)] {
        let token = secret.csrf_token_of(&format!("a-{organization}"));
        let proof = [("x-csrf-token", token.as_str())];
        let answer = page.send("POST", CONTACTS, &proof, contact(1)).await;
        assert_eq!(answer.status, status, "{organization}");
        if status == 409 {
            assert_eq!(answer.problem(409)["code"], "another_organization");
        }
    }
    let list = page.send("GET", CONTACTS, &[], Value::Null).await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_site_gets_nothing_with_the_cookie() {
    let page = Page::new().await;
    let token = page.token.as_str();
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let headers = [("x-csrf-token", token), foreign];
        for (method, body) in [("GET", Value::Null), ("POST", contact(1))] {
            let refused = page.send(method, CONTACTS, &headers, body).await;
            assert_eq!(
                refused.problem(403)["code"],
                "foreign_request",
                "{foreign:?}"
            );
        }
        // Who shows a token of the API is no browser that was made to call.
        let bearer = format!("Bearer {}", page.installation.owner);
        let headers = [("authorization", bearer.as_str()), foreign];
        let answer = page.send("GET", CONTACTS, &headers, Value::Null).await;
        answer.ok(200);
    }
    let here = format!("http://{HOST}");
    for ours in [("sec-fetch-site", "same-origin"), ("origin", here.as_str())] {
        let headers = [("x-csrf-token", token), ours];
        let number = u32::try_from(ours.0.len()).unwrap();
        let made = page.send("POST", CONTACTS, &headers, contact(number)).await;
        made.ok(201);
    }
}

#[tokio::test]
async fn the_role_bounds_a_session_as_it_bounds_a_token() {
    let mut browser = Browser::new().await;
    become_viewer(&mut browser).await;
    let page = Page::of(browser);
    let me = page
        .call("GET", "/api/identity/me", Value::Null)
        .await
        .ok(200);
    assert_eq!(me["role"], "viewer");
    page.call("GET", CONTACTS, Value::Null).await.ok(200);
    let refused = page.call("POST", CONTACTS, contact(1)).await;
    assert_eq!(refused.problem(403)["code"], "forbidden");
    let body = json!({"name": "a script", "role": "viewer"});
    page.call("POST", "/api/identity/tokens", body)
        .await
        .problem(403);
}

#[tokio::test]
async fn what_an_app_may_not_do_for_itself_is_told_at_its_place() {
    let page = Page::new().await;
    let clients = "/api/identity/oauth-clients";
    let acts = |scope: &str| json!({"role": "viewer", "scopes": [scope]});
    let body =
        |scope: &str| json!({"name": "Sync", "redirect_uris": [], "acts_for_itself": acts(scope)});
    let made = page.call("POST", clients, body("contacts:read")).await;
    let made = made.ok(201);
    let path = format!("{clients}/{}", made["client"]["id"].as_str().unwrap());
    let change = json!({"acts_for_itself": acts("contacts:write")});
    for refused in [
        page.call("POST", clients, body("contacts:write")).await,
        page.call("PATCH", &path, change).await,
    ] {
        let problem = refused.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/acts_for_itself/scopes");
    }
}

#[tokio::test]
async fn blocks_and_ends_count_from_the_next_call_on() {
    let page = Page::new().await;
    let (operator, me) = (Operator::local(), page.me().await);
    let identity = page.installation.app.identity.clone();
    let ask = || page.call("GET", "/api/identity/me", Value::Null);
    let here = ask().await.ok(200)["organization"]["id"].clone();
    let here = here.as_str().unwrap().parse().unwrap();

    identity.block_organization(&operator, here).await.unwrap();
    assert_eq!(ask().await.problem(403)["code"], "organization_closed");
    identity
        .unblock_organization(&operator, here)
        .await
        .unwrap();
    ask().await.ok(200);

    identity.block_user(&operator, me).await.unwrap();
    assert_eq!(ask().await.problem(401)["code"], "unauthorized");
    identity.unblock_user(&operator, me).await.unwrap();
    ask().await.problem(401);
}

#[tokio::test]
async fn a_session_that_was_left_answers_nothing() {
    let page = Page::new().await;
    let ask = || page.call("GET", "/api/identity/me", Value::Null);
    ask().await.ok(200);
    let left = page.call("DELETE", "/api/auth/session", Value::Null).await;
    assert_eq!(left.status, 204);
    assert_eq!(ask().await.problem(401)["code"], "unauthorized");
}

#[tokio::test]
async fn a_repeated_call_of_a_session_is_done_once() {
    let page = Page::new().await;
    let headers = [
        ("x-csrf-token", page.token.as_str()),
        ("idempotency-key", "one"),
    ];
    let first = page.send("POST", CONTACTS, &headers, contact(1)).await;
    let again = page.send("POST", CONTACTS, &headers, contact(1)).await;
    assert_eq!(first.ok(201)["id"], again.ok(201)["id"]);
    assert!(again.headers.contains_key("idempotent-replayed"));
    // What was answered is for who proves it alone.
    let headers = [("idempotency-key", "one")];
    let foreign = page.send("POST", CONTACTS, &headers, contact(1)).await;
    assert_eq!(foreign.problem(403)["code"], "foreign_request");
}

#[tokio::test]
async fn calls_about_an_account_take_no_idempotency_key() {
    let page = Page::new().await;
    let headers = [
        ("x-csrf-token", page.token.as_str()),
        ("idempotency-key", "one"),
    ];
    let path = "/api/auth/organizations";
    let refused = page.send("POST", path, &headers, json!({"name": "Zoo"}));
    let refused = refused.await.problem(400);
    assert_eq!(refused["code"], "idempotency_key_not_taken");
    let me = page.call("GET", "/api/identity/me", Value::Null).await;
    assert_eq!(
        me.ok(200)["organization"]["name"],
        "Acme",
        "nothing was made"
    );
    page.call("POST", path, json!({"name": "Zoo"}))
        .await
        .ok(201);
}

#[tokio::test]
async fn an_organization_is_deleted_in_a_session_with_the_password_alone() {
    let page = Page::new().await;
    let path = "/api/identity/organization/deletion";
    for body in [
        json!({"name": "Acme"}),
        json!({"name": "Acme", "password": "wrong horse battery"}),
    ] {
        let refused = page.call("PUT", path, body).await;
        assert_eq!(refused.problem(401)["code"], "wrong_credentials");
    }
    let right = json!({"name": "Acme", "password": OWNER.1});
    let planned = page.call("PUT", path, right).await.ok(200);
    assert!(planned["deletion_due_at"].is_string(), "{planned}");
    let refused = page.call("POST", CONTACTS, contact(1)).await;
    assert_eq!(refused.problem(403)["code"], "organization_closing");
    page.call("DELETE", path, Value::Null).await.ok(200);
}

#[tokio::test]
async fn a_token_can_be_a_password() {
    let page = Page::new().await;
    let owner = page.installation.owner.as_str();
    let basic = |name: &str, password: &str| {
        let pair = STANDARD.encode(format!("{name}:{password}"));
        format!("Basic {pair}")
    };
    let ask = async |credentials: &str| {
        let request = request("", "GET", "/api/identity/me");
        let request = request.header(header::AUTHORIZATION, credentials);
        page.installation.send(request.finish()).await
    };
    for (name, password) in [("token", owner), ("", owner), (owner, ""), (owner, "x")] {
        assert_eq!(ask(&basic(name, password)).await.ok(200)["role"], "owner");
    }
    let lower = basic("token", owner).replacen("Basic", "basic", 1);
    ask(&lower).await.ok(200);
    for wrong in [
        basic("token", "mnt_wrong"),
        basic(OWNER.0, OWNER.1),
        "Basic".to_owned(),
        "Basic %%%".to_owned(),
        format!("Digest {owner}"),
    ] {
        assert_eq!(
            ask(&wrong).await.problem(401)["code"],
            "unauthorized",
            "{wrong}"
        );
    }
    // What a proxy in front of the server asks for is none of ours.
    let proxy = basic("ann", "whatever the proxy wants");
    let headers = [("authorization", proxy.as_str())];
    let me = page
        .send("GET", "/api/identity/me", &headers, Value::Null)
        .await;
    me.ok(200);
    let wrong = basic("token", "mnt_wrong");
    let headers = [("authorization", wrong.as_str())];
    let me = page
        .send("GET", "/api/identity/me", &headers, Value::Null)
        .await;
    me.problem(401);
}

#[tokio::test]
async fn what_a_proxy_shows_shuts_no_session_out() {
    let page = Page::new().await;
    let me = "/api/identity/me";
    let foreign = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln";
    let headers = [("authorization", foreign)];
    let answer = page.send("GET", me, &headers, Value::Null).await;
    assert_eq!(answer.ok(200)["role"], "owner");
    let alone = request("", "GET", me).header(header::AUTHORIZATION, foreign);
    let alone = page.installation.send(alone.finish()).await;
    assert_eq!(alone.problem(401)["code"], "unauthorized");
    // A token of ours that is no good is not passed over.
    let headers = [("authorization", "Bearer mnt_wrong")];
    let answer = page.send("GET", me, &headers, Value::Null).await;
    assert_eq!(answer.problem(401)["code"], "unauthorized");
}

#[tokio::test]
async fn an_account_makes_and_leaves_organizations_and_changes_its_profile() {
    let page = Page::new().await;
    let path = "/api/auth/organizations";
    let wrong = page
        .call("POST", path, json!({"name": " ", "timezone": "UTC"}))
        .await;
    assert_eq!(wrong.problem(422)["errors"][0]["pointer"], "/name");
    let body = json!({"name": "Zoo", "timezone": "Europe/Oslo"});
    let made = page.call("POST", path, body).await.ok(201);
    assert_eq!(made["timezone"], "Europe/Oslo");
    let me = page
        .call("GET", "/api/identity/me", Value::Null)
        .await
        .ok(200);
    assert_eq!(
        me["organization"]["id"], made["id"],
        "it is worked in at once"
    );
    let place = format!("{path}/{}/membership", made["id"].as_str().unwrap());
    let last = page.call("DELETE", &place, Value::Null).await;
    assert_eq!(last.problem(409)["code"], "last_owner");
    let nowhere = format!("{path}/00000000-0000-7000-8000-000000000000/membership");
    page.call("DELETE", &nowhere, Value::Null)
        .await
        .problem(404);

    let profile = "/api/auth/profile";
    let body = json!({"name": "Ann Lee", "signature": "Ann Lee\nZoo"});
    let account = page.call("PATCH", profile, body).await.ok(200);
    assert_eq!(account["signature"], "Ann Lee\nZoo");
    let account = page
        .call("PATCH", profile, json!({"signature": null}))
        .await;
    let account = account.ok(200);
    assert_eq!(
        (&account["name"], &account["signature"]),
        (&json!("Ann Lee"), &Value::Null)
    );
    let wrong = page.call("PATCH", profile, json!({"name": null})).await;
    assert_eq!(wrong.problem(422)["errors"][0]["pointer"], "/name");
    let wrong = page.call("PATCH", profile, json!({"signature": " "})).await;
    assert_eq!(wrong.problem(422)["errors"][0]["pointer"], "/signature");
    let guessed = json!({"current": OWNER.1, "new": "Zoo2027Zoo2027"});
    let refused = page.call("PUT", "/api/auth/password", guessed).await;
    assert_eq!(refused.problem(422)["errors"][0]["pointer"], "/new");
}

#[tokio::test]
async fn whoever_only_looks_makes_no_organization_unless_everybody_may() {
    let database = mauntic_core::storage::test_database::TestDatabase::chosen;
    let body = || json!({"name": "Zoo"});
    let viewing = async |installation: Installation| {
        let mut browser = Browser::set_up(installation).await;
        become_viewer(&mut browser).await;
        let offered = browser
            .get("/app/account")
            .await
            .contains("organizations/new");
        browser.get("/app/account/organizations/new").await;
        let opened = browser.status;
        let page = Page::of(browser);
        let made = page.call("POST", "/api/auth/organizations", body()).await;
        (offered, opened, made)
    };
    let (offered, opened, made) = viewing(Installation::on(database().await).await).await;
    assert_eq!((offered, opened), (false, 403));
    assert_eq!(made.problem(403)["code"], "forbidden");
    let open = Installation::with(database().await, |settings| {
        settings.organizations = mauntic_core::identity::Founders::Anyone;
    });
    let (offered, opened, made) = viewing(open.await).await;
    assert_eq!((offered, opened), (true, 200));
    made.ok(201);
}

#[tokio::test]
async fn members_are_looked_up_by_a_part_of_their_name() {
    let page = Page::new().await;
    let find = async |text: &str| {
        let path = format!("/api/identity/members?search={text}");
        let found = page.call("GET", &path, Value::Null).await.ok(200);
        found["items"].as_array().unwrap().len()
    };
    assert_eq!((find("OWNER").await, find("nobody").await), (1, 0));
    // A blank text looks for nobody in particular, page by page.
    let bob = ("bob@example.com", "Bob");
    page.installation
        .member(bob.0, bob.1, "viewer", "correct horse battery")
        .await;
    for blank in ["", "%20"] {
        let path = format!("/api/identity/members?limit=1&search={blank}");
        let first = page.call("GET", &path, Value::Null).await.ok(200);
        let next = first["next"].as_str().unwrap();
        let path = format!("{path}&after={next}");
        let second = page.call("GET", &path, Value::Null).await.ok(200);
        assert_ne!(first["items"], second["items"]);
        assert_eq!(second["next"], Value::Null);
    }
}
