//! What every client of the JSON API can rely on, asked through the real router.

mod operations;

use std::collections::BTreeSet;

use mauntic_core::storage::test_database::TestDatabase;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::operations::{operations, perform};
use crate::{
    browser::Browser,
    support::{Installation, MAX_BODY, request},
};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
const HTML: &str = "<p>Hi <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p>";
/// Operations that are no GET and still change nothing.
const READING: [&str; 2] = ["previewSegment", "previewEmail"];

/// Operations with which everybody changes what is their own.
const OWN: [&str; 2] = ["saveView", "deleteSavedView"];

#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = mauntic_server::openapi_document().await.unwrap();
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("MAUNTIC_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == text,
        "openapi.json is out of date: run this test with MAUNTIC_BLESS=1 and look at the difference"
    );
}

/// Who calls these is found out by them, or said by a mailed link; setting up works only while there is no user.
const OPEN: [&str; 6] = [
    "setUp",
    "acceptAsNewUser",
    "logIn",
    "requestPasswordReset",
    "resetPassword",
    "confirmEmailChange",
];

#[tokio::test]
async fn without_a_good_token_nothing_answers() {
    let installation = Installation::sqlite().await;
    for operation in operations().await {
        if OPEN.contains(&operation.id.as_str()) {
            continue;
        }
        for token in ["", "mnt_wrong"] {
            let answer = perform(&installation, token, &operation).await;
            assert_eq!(answer.status, 401, "{}", operation.id);
            assert_eq!(answer.problem(401)["code"], "unauthorized");
        }
    }
}

#[tokio::test]
async fn whoever_acts_shows_a_token_in_either_way_or_a_session() {
    let document = mauntic_server::openapi_document().await.unwrap();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["Token"]["scheme"], "bearer");
    assert_eq!(schemes["Basic"]["scheme"], "basic");
    assert_eq!(schemes["Session"]["in"], "cookie");
    let mut seen = 0;
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let ways = operation["security"].as_array().into_iter().flatten();
            let ways: Vec<_> = ways.collect();
            if ways.iter().any(|way| way.get("Token").is_some()) {
                let all = json!([{"Token": []}, {"Basic": []}, {"Session": []}]);
                assert_eq!(operation["security"], all, "{operation}");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[tokio::test]
async fn no_change_is_made_with_the_cookie_alone() {
    let browser = Browser::new().await;
    for operation in operations().await {
        if operation.method == "GET" || !operation.by_token {
            continue;
        }
        let request = request("", &operation.method, &operation.path)
            .header("cookie", browser.cookie())
            .content_type("application/json");
        let body = operation.body.clone().unwrap_or_default();
        let answer = browser.installation.send(request.body(body.to_string()));
        let problem = answer.await.problem(403);
        assert_eq!(problem["code"], "foreign_request", "{}", operation.id);
    }
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let installation = Installation::sqlite().await;
    let mut late = BTreeSet::new();
    for operation in operations().await {
        if operation.method == "GET"
            || !operation.by_token
            || READING.contains(&operation.id.as_str())
            || OWN.contains(&operation.id.as_str())
        {
            continue;
        }
        let answer = perform(&installation, &installation.viewer, &operation).await;
        if answer.status != 403 {
            late.insert(format!("{} {}", operation.id, answer.status));
            assert!(
                matches!(answer.status, 404 | 422),
                "{}: {} {}",
                operation.id,
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        answer.problem(answer.status);
    }
    assert!(late.is_empty(), "refused for another reason: {late:#?}");
}

#[tokio::test]
async fn what_belongs_to_others_is_not_there() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let installation = Installation::on(database).await;
        let ids = make_one_of_each(&installation).await;
        for operation in operations().await {
            if operation.method != "GET" || !operation.path.contains(NOBODY) {
                continue;
            }
            for id in &ids {
                let path = operation.path.replace(NOBODY, id);
                let answer = installation.call(&installation.stranger, "GET", &path, None);
                answer.await.problem(404);
            }
        }
    }
}

/// One record of every kind that has an id, in the first organisation.
async fn make_one_of_each(installation: &Installation) -> Vec<String> {
    let make = async |path: &str, body: Value| {
        let answer = installation
            .call(&installation.owner, "POST", path, Some(body))
            .await;
        let made = answer.ok(201);
        let id = made["id"]
            .as_str()
            .or_else(|| made["domain"]["id"].as_str());
        id.unwrap().to_owned()
    };
    let contact = make("/api/crm/contacts", json!({"email": "ann@example.com"})).await;
    let segment = make(
        "/api/crm/segments",
        json!({"name": "Everybody", "where": "email is set"}),
    )
    .await;
    let content = json!({"subject": "Hi", "html": HTML});
    let email = make(
        "/api/messaging/emails",
        json!({"name": "Hi", "content": content}),
    )
    .await;
    let send = make(
        "/api/messaging/sends",
        json!({"email_id": email, "segment_id": segment, "at": "2099-01-01T00:00:00Z"}),
    )
    .await;
    let domain = make("/api/messaging/domains", json!({"domain": "example.com"})).await;
    let upload = request(
        &installation.owner,
        "POST",
        "/api/crm/imports?name=people.csv",
    )
    .content_type("text/csv; charset=utf-8")
    .body("email\nbob@example.com\n");
    let import = installation.send(upload).await.ok(201);
    let import = import["id"].as_str().unwrap().to_owned();
    vec![contact, segment, email, send, domain, import]
}

#[tokio::test]
async fn a_repeated_request_is_done_once() {
    let installation = Installation::sqlite().await;
    let post = |body: &str| {
        let request = request(&installation.owner, "POST", "/api/crm/contacts")
            .header("Idempotency-Key", "one")
            .content_type("application/json")
            .body(body.to_owned());
        installation.send(request)
    };
    let first = post(r#"{"email": "ann@example.com"}"#).await;
    let again = post(r#"{"email": "ann@example.com"}"#).await;
    assert_eq!(first.ok(201)["id"], again.ok(201)["id"]);
    assert!(again.headers.contains_key("idempotent-replayed"));
    let other = post(r#"{"email": "bob@example.com"}"#).await;
    assert_eq!(other.problem(422)["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn a_secret_is_answered_again_and_kept_nowhere() {
    let installation = Installation::on(TestDatabase::sqlite()).await;
    let post = |path: &str, body: &str| {
        let request = request(&installation.owner, "POST", path)
            .header("Idempotency-Key", "one")
            .content_type("application/json")
            .body(body.to_owned());
        installation.send(request)
    };
    let path = "/api/identity/tokens";
    let body = r#"{"name": "a script", "role": "viewer"}"#;
    let first = post(path, body).await;
    let again = post(path, body).await;
    let secret = first.ok(201)["secret"].as_str().unwrap().to_owned();
    assert_eq!(again.ok(201)["secret"], secret.as_str());
    assert!(again.headers.contains_key("idempotent-replayed"));
    assert!(installation.keeps(b"a script"), "what is kept is looked at");
    assert!(!installation.keeps(secret.as_bytes()));
    // Nor can the body, which may hold a password, be guessed with the hash of the request.
    let mut hasher = Sha256::new();
    hasher.update(path);
    hasher.update([0]);
    hasher.update(body);
    assert!(!installation.keeps(&hasher.finalize()));
}

#[tokio::test]
async fn another_file_of_the_same_length_is_another_request() {
    let installation = Installation::sqlite().await;
    let post = |body: &str| {
        let request = request(&installation.owner, "POST", "/api/crm/imports")
            .header("Idempotency-Key", "one")
            .content_type("text/csv")
            .body(body.to_owned());
        installation.send(request)
    };
    let first = post("email\nann@example.com\n").await;
    let again = post("email\nann@example.com\n").await;
    assert_eq!(first.ok(201)["id"], again.ok(201)["id"]);
    assert!(again.headers.contains_key("idempotent-replayed"));
    let other = post("email\nbob@example.com\n").await;
    assert_eq!(other.problem(422)["code"], "idempotency_key_reused");
}

#[tokio::test]
async fn a_change_on_an_old_version_is_refused() {
    let installation = Installation::sqlite().await;
    let owner = &installation.owner;
    let made = installation
        .call(
            owner,
            "POST",
            "/api/crm/segments",
            Some(json!({"name": "A"})),
        )
        .await
        .ok(201);
    let path = format!("/api/crm/segments/{}", made["id"].as_str().unwrap());
    let change = |tag: &str, name: &str| {
        let request = request(owner, "PATCH", &path)
            .header("If-Match", tag)
            .content_type("application/json")
            .body(json!({"name": name}).to_string());
        installation.send(request)
    };
    let tag = installation.call(owner, "GET", &path, None).await.headers["etag"].clone();
    let tag = tag.to_str().unwrap();
    let changed = change(tag, "B").await;
    changed.ok(200);
    assert_ne!(changed.headers["etag"], tag);
    assert_eq!(
        change(tag, "C").await.problem(412)["code"],
        "changed_meanwhile"
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let installation = Installation::sqlite().await;
    let stage = "x".repeat(usize::try_from(MAX_BODY).unwrap());
    let body = json!({"stage": stage});
    let answer = installation
        .call(&installation.owner, "POST", "/api/crm/contacts", Some(body))
        .await;
    assert_eq!(answer.problem(413)["code"], "too_large");
}

#[tokio::test]
async fn a_problem_says_where_it_is() {
    let installation = Installation::sqlite().await;
    let cases = [
        (
            "/api/crm/contacts",
            json!({"fields": {"shoe": 43}}),
            "/fields/shoe",
            "shoe",
        ),
        ("/api/crm/contacts", json!({"email": "ann"}), "/email", ""),
        (
            "/api/crm/segments",
            json!({"name": "A", "where": "country = = \"DE\""}),
            "/where",
            "line 1, column 11: expected",
        ),
        (
            "/api/crm/segments",
            json!({"name": "A", "rule": {"field": {"name": "shoe", "op": "=", "value": "x"}}}),
            "/rule",
            "shoe",
        ),
        (
            "/api/messaging/domains",
            json!({"domain": "nowhere"}),
            "/domain",
            "example.com",
        ),
        (
            "/api/messaging/emails",
            json!({"name": "A", "content": {"subject": "Hi", "html": "<p>Hi</p>"}}),
            "/content/html",
            "unsubscribe",
        ),
        (
            "/api/messaging/emails",
            json!({"name": "A", "content": {"subject": "Hi\nBcc: x", "html": HTML}}),
            "/content/subject",
            "line break",
        ),
        (
            "/api/messaging/emails",
            json!({"name": "A", "content": {"subject": "Hi", "mjml": format!("<mjml><mj-body><mj-text>{HTML}</mj-text>")}}),
            "/content/mjml",
            "line",
        ),
    ];
    let owner = &installation.owner;
    let content = json!({"subject": "Hi", "html": HTML});
    let email = json!({"name": "Whole", "content": content});
    let email = installation.call(owner, "POST", "/api/messaging/emails", Some(email));
    let email = email.await.ok(201)["id"].as_str().unwrap().to_owned();
    let email = format!("/api/messaging/emails/{email}");
    let content = json!({"subject": "Hi", "html": HTML, "reply_to": "a\nb"});
    let change = json!({"content": content});
    let change = installation.call(owner, "PATCH", &email, Some(change));
    let problem = change.await.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/content/reply_to");
    for (path, body, pointer, detail) in cases {
        let answer = installation
            .call(&installation.owner, "POST", path, Some(body))
            .await;
        let problem = answer.problem(422);
        let first = &problem["errors"][0];
        assert!(first["pointer"] == pointer, "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let installation = Installation::sqlite().await;
    let owner = &installation.owner;
    let at = |method, path| installation.call(owner, method, path, None);
    at("GET", "/api/nothing").await.problem(404);
    let put = at("PUT", "/api/crm/contacts").await;
    put.problem(405);
    assert_eq!(put.headers["allow"], "GET, POST");
    let text = request(owner, "POST", "/api/crm/contacts").content_type("text/plain");
    installation.send(text.body("x")).await.problem(415);
    let broken = request(owner, "POST", "/api/crm/contacts").content_type("application/json");
    installation.send(broken.body("{")).await.problem(400);
    at("GET", "/api/crm/contacts?limit=0").await.problem(400);
    at("GET", "/api/crm/contacts/1").await.problem(400);
}

#[tokio::test]
async fn text_that_cannot_be_kept_is_refused() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        let installation = Installation::on(database).await;
        let owner = &installation.owner;
        for path in [
            "/api/crm/contacts?search=a%00b",
            "/api/messaging/emails?search=%00",
            "/api/messaging/inbox?to=%00",
        ] {
            let answer = installation.call(owner, "GET", path, None).await;
            assert_eq!(answer.problem(400)["code"], "nul_character");
        }
        let note = json!({"address": "ann@example.com", "note": "a\0b"});
        let answer = installation
            .call(owner, "POST", "/api/messaging/suppressions", Some(note))
            .await;
        assert_eq!(answer.problem(400)["code"], "nul_character");
    }
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let installation = Installation::sqlite().await;
    let upload = |path: &'static str| {
        let request = request(&installation.owner, "POST", path)
            .content_type("text/csv")
            .body("email;city\nann@example.com;Bonn\nnobody;Berlin\n");
        installation.send(request)
    };
    let preview = upload("/api/crm/imports?dry_run=true&map=city%3D")
        .await
        .ok(200);
    assert_eq!(preview["counts"]["created"], 1, "{preview}");
    assert_eq!(preview["counts"]["failed"], 1, "{preview}");
    assert_eq!(preview["delimiter"], "semicolon");
    upload("/api/crm/imports?map=shoe%3D").await.problem(422);
    let import = upload("/api/crm/imports?name=people.csv&tag=a&tag=b")
        .await
        .ok(201);
    let path = format!("/api/crm/imports/{}", import["id"].as_str().unwrap());
    let owner = &installation.owner;
    let cancelled = installation
        .call(owner, "POST", &format!("{path}/cancel"), None)
        .await
        .ok(200);
    assert_eq!(cancelled["progress"]["state"], "cancelled");
    let events = installation
        .call(owner, "GET", &format!("{path}/events"), None)
        .await;
    assert_eq!(events.content_type, "text/event-stream");
    let events = String::from_utf8(events.body).unwrap();
    assert!(
        events.starts_with("data:") && events.contains("cancelled"),
        "{events}"
    );
    let export = installation
        .call(owner, "GET", "/api/crm/contacts/export", None)
        .await;
    assert!(String::from_utf8_lossy(&export.body).contains(",email,"));
    assert!(
        export.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("contacts.csv")
    );
}
