//! What an app gets, and how it proves to be itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use poem::http::header;
use serde_json::json;

use super::{App, BACK, VERIFIER, allowed, asked, body, of, post, status, text, told};
use crate::{browser::Browser, support::request};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_code_and_a_refresh_token_work_once() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Public", false)).await;
    let code = allowed(&mut browser, &app, "contacts:read").await;
    let wrong = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", BACK),
    ];
    let refused = app.post(&browser, "/oauth/token", &wrong).await;
    assert_eq!(
        refused.ok(400)["error"],
        "invalid_grant",
        "without its verifier"
    );
    let tokens = app.exchange(&browser, &code).await.ok(200);
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 200);
    let refused = app.exchange(&browser, &code).await;
    assert_eq!(refused.ok(400)["error"], "invalid_grant");
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 401);

    let again = asked(&mut browser, &app.way("contacts:read")).await;
    let code = of(&told(&again), "code").to_owned();
    let tokens = app.exchange(&browser, &code).await.ok(200);
    let first = tokens["refresh_token"].as_str().unwrap();
    let newer = app.refresh(&browser, first).await.ok(200);
    let access = newer["access_token"].as_str().unwrap();
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 200);
    let refused = app.refresh(&browser, first).await;
    assert_eq!(refused.ok(400)["error"], "invalid_grant");
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 401);
    let newer = newer["refresh_token"].as_str().unwrap();
    assert_eq!(app.refresh(&browser, newer).await.status, 400);
    // She is asked again.
    assert_eq!(
        asked(&mut browser, &app.way("contacts:read")).await.status,
        200
    );
}

#[tokio::test]
async fn an_app_that_does_not_prove_itself_is_told_how_to() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    let code = allowed(&mut browser, &app, "contacts:read").await;
    let secret = app.secret.clone().unwrap();
    let shown = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{}:{secret}", app.id)));
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
    ];
    for wrong in [
        shown("x"),
        shown(""),
        "Basic x".to_owned(),
        "Bearer x".to_owned(),
    ] {
        for path in ["/oauth/token", "/oauth/revoke"] {
            let mut fields = grant.to_vec();
            fields.extend([("redirect_uri", BACK), ("token", "x")]);
            let refused = post(&browser, path, Some(&wrong), &fields).await;
            assert_eq!(refused.status, 401, "{wrong}");
            assert!(text(&refused, "www-authenticate").starts_with("Basic"));
            assert_eq!(refused.json()["error"], "invalid_client");
            assert_eq!(text(&refused, "cache-control"), "no-store");
        }
    }
    let refused = post(&browser, "/oauth/token", None, &grant).await;
    assert_eq!(refused.status, 401);
    let right = shown(&secret);
    for (fields, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (grant.to_vec(), "invalid_request"),
        (
            vec![("grant_type", "client_credentials")],
            "unauthorized_client",
        ),
        (
            vec![
                ("client_secret", secret.as_str()),
                ("grant_type", "password"),
            ],
            "invalid_request",
        ),
    ] {
        let refused = post(&browser, "/oauth/token", Some(&right), &fields).await;
        assert_eq!(refused.ok(400)["error"], error, "{fields:?}");
        assert!(refused.json()["error_description"].is_string());
    }
    let no_form = request("", "POST", "/oauth/token")
        .content_type("application/json")
        .body("{}");
    let refused = browser.installation.send(no_form).await;
    assert_eq!(refused.ok(400)["error"], "invalid_request");
    // The secret in the body does as well.
    let mut fields = grant.to_vec();
    fields.extend([
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", app.id.as_str()),
        ("client_secret", secret.as_str()),
    ]);
    let issued = post(&browser, "/oauth/token", None, &fields).await.ok(200);
    let access = issued["access_token"].as_str().unwrap();
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 200);
    let ended = app
        .post(&browser, "/oauth/revoke", &[("token", access)])
        .await;
    ended.ok(200);
    assert_eq!(status(&browser, access, "/api/crm/contacts").await, 401);
    app.post(&browser, "/oauth/revoke", &[("token", "unknown")])
        .await
        .ok(200);
    let missing = app.post(&browser, "/oauth/revoke", &[]).await;
    assert_eq!(missing.ok(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_server_tells_apps_what_it_can() {
    let browser = Browser::new().await;
    let path = "/.well-known/oauth-authorization-server";
    let answer = browser.installation.call("", "GET", path, None).await;
    let told = answer.ok(200);
    let issuer = browser.installation.app.settings.public_url();
    assert_eq!(told["issuer"], issuer);
    assert_eq!(told["token_endpoint"], format!("{issuer}/oauth/token"));
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    let scopes = told["scopes_supported"].as_array().unwrap();
    assert!(scopes.contains(&json!("contacts:read")));
}

#[tokio::test]
async fn apps_in_browsers_call_from_their_own_site() {
    let browser = Browser::new().await;
    let metadata = "/.well-known/oauth-authorization-server";
    for (path, method, status) in [
        ("/oauth/token", "POST", 401),
        ("/oauth/revoke", "POST", 401),
        (metadata, "GET", 200),
    ] {
        let asked = request("", "OPTIONS", path)
            .header(header::ORIGIN, "https://app.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, method)
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
            .finish();
        let asked = browser.installation.send(asked).await;
        assert_eq!(asked.status, 204, "{path}");
        let headers = text(&asked, "access-control-allow-headers");
        assert_eq!(headers, "Authorization, Content-Type");
        assert!(text(&asked, "access-control-allow-methods").contains(method));
        let answer = if method == "GET" {
            browser.installation.call("", "GET", path, None).await
        } else {
            let fields = [("client_id", "nobody"), ("token", "x"), GRANT];
            post(&browser, path, None, &fields).await
        };
        assert_eq!(answer.status, status, "{path}");
        for answer in [&asked, &answer] {
            assert_eq!(text(answer, "access-control-allow-origin"), "*", "{path}");
            assert_eq!(text(answer, "access-control-allow-credentials"), "");
        }
    }
    // People are asked on a page, which no other site reads.
    let page = browser
        .installation
        .call("", "GET", "/oauth/authorize", None);
    assert_eq!(text(&page.await, "access-control-allow-origin"), "");
}
