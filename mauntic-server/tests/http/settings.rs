//! Small settings over the API: nobody undoes what somebody else changed.

use mauntic_core::Operator;
use poem::http::header;
use serde_json::{Value, json};

use crate::support::{Answer, Installation, request};

/// A change that is based on a version.
async fn change(
    installation: &Installation,
    method: &str,
    path: &str,
    version: &Value,
    body: Option<Value>,
) -> Answer {
    let request = request(&installation.owner, method, path)
        .header(header::IF_MATCH, format!("\"{version}\""));
    let request = match body {
        Some(body) => request
            .content_type("application/json")
            .body(body.to_string()),
        None => request.finish(),
    };
    installation.send(request).await
}

async fn get(installation: &Installation, path: &str) -> Value {
    let answer = installation.call(&installation.owner, "GET", path, None);
    answer.await.ok(200)
}

/// The first change goes through, and one that is based on the same version does not.
async fn changed_once(
    installation: &Installation,
    (method, path): (&str, &str),
    version: &Value,
    [first, second]: [Option<Value>; 2],
) {
    assert!(version.is_i64(), "{path}: {version}");
    let done = change(installation, method, path, version, first).await;
    assert!(done.status < 300, "{path}: {}", done.json());
    let refused = change(installation, method, path, version, second).await;
    assert_eq!(refused.problem(412)["code"], "changed_meanwhile", "{path}");
}

#[tokio::test]
async fn nobody_undoes_what_somebody_else_changed() {
    let installation = Installation::sqlite().await;
    let call = async |method: &str, path: &str, body: Value| {
        let owner = &installation.owner;
        let answer = installation.call(owner, method, path, Some(body)).await;
        assert!(answer.status < 300, "{path}: {}", answer.json());
        answer.json()
    };

    let path = "/api/identity/organization";
    let before = get(&installation, path).await;
    let named = |name: &str| Some(json!({"name": name}));
    let changes = [named("One"), named("Two")];
    changed_once(&installation, ("PATCH", path), &before["version"], changes).await;
    assert_eq!(get(&installation, path).await["name"], "One");

    let password = "a long enough password";
    installation
        .member("bob@example.com", "Bob", "viewer", password)
        .await;
    let members = get(&installation, "/api/identity/members").await;
    let member = members["items"][0].clone();
    let path = format!(
        "/api/identity/members/{}",
        member["user_id"].as_str().unwrap()
    );
    let role = |role: &str| Some(json!({"role": role}));
    let changes = [role("member"), role("admin")];
    changed_once(&installation, ("PATCH", &path), &member["version"], changes).await;

    let field = json!({"label": "Plan", "type": "text"});
    let field = call("POST", "/api/crm/fields", field).await;
    let path = format!("/api/crm/fields/{}", field["alias"].as_str().unwrap());
    let label = |label: &str| Some(json!({"label": label}));
    let changes = [label("Tariff"), label("Contract")];
    changed_once(&installation, ("PATCH", &path), &field["version"], changes).await;

    let contact = json!({"fields": {"email": "ann@example.com"}});
    let contact = call("POST", "/api/crm/contacts", contact).await;
    let id = contact["id"].as_str().unwrap();
    let path = format!("/api/crm/contacts/{id}/do-not-contact/email");
    let mark = || Some(json!({"comment": "asked by phone"}));
    let changes = [mark(), mark()];
    changed_once(&installation, ("PUT", &path), &contact["version"], changes).await;
    let stale = change(&installation, "DELETE", &path, &contact["version"], None);
    stale.await.problem(412);

    let path = "/api/messaging/transport";
    let before = get(&installation, path).await;
    let url = |host: &str| Some(json!({"url": format!("smtp://{host}:2525?tls=none")}));
    let changes = [url("one.example.com"), url("two.example.com")];
    changed_once(&installation, ("PUT", path), &before["version"], changes).await;
    let shown = get(&installation, path).await;
    assert!(shown["url"].as_str().unwrap().contains("one.example.com"));
}

#[tokio::test]
async fn an_installation_is_set_up_once() {
    let installation = Installation::sqlite().await;
    let mut body = json!({
        "organization": "Acme", "timezone": "Europe/Oslo", "name": "Ann",
        "email": "ann@example.com", "password": "correct horse battery",
    });
    let short = json!({
        "organization": "Acme", "timezone": "Europe/Oslo", "name": "Ann",
        "email": "ann@example.com", "password": "short",
    });
    let path = "/api/auth/setup";
    let operator = Operator::local();
    let code = installation.app.identity.set_up_code(&operator).await;
    let code = code.unwrap().unwrap();
    let unknown = installation
        .call("", "POST", path, Some(body.clone()))
        .await;
    assert_eq!(unknown.problem(422)["errors"][0]["pointer"], "/code");
    body["code"] = json!(code);
    let weak = installation.call("", "POST", path, Some(short)).await;
    assert_eq!(weak.problem(422)["errors"][0]["pointer"], "/password");
    let begun = installation
        .call("", "POST", path, Some(body.clone()))
        .await;
    assert!(begun.headers.contains_key(header::SET_COOKIE));
    assert!(begun.ok(200)["csrf_token"].is_string());
    let again = installation.call("", "POST", path, Some(body)).await;
    assert_eq!(again.problem(409)["code"], "already_set_up");
}
