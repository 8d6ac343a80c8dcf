//! Where apps are registered, listed and ended.

use poem::http::header;
use serde_json::json;

use super::{App, BACK, CLIENTS, allowed, body, status, text, tokens};
use crate::{
    browser::{Browser, OWNER},
    people::{become_viewer, call},
    support::request,
};

#[tokio::test]
async fn whoever_has_access_is_listed_and_loses_it() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("<b>Sync</b>", true)).await;
    let (access, refresh) = tokens(&mut browser, &app, "contacts:read").await;
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 200);
    let page = browser.get("/app/account").await.to_owned();
    assert!(page.contains("&lt;b&gt;Sync&lt;/b&gt;"), "{page}");
    assert!(!page.contains("<b>Sync"), "{page}");
    let (_, rest) = page.split_once("/app/account/apps/").expect(&page);
    let id = rest.split('/').next().unwrap().to_owned();
    let path = format!("/app/account/apps/{id}/revoke");
    let page = browser.get(&path).await;
    assert!(page.contains("act for you no more?"), "{page}");
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 200);
    // Another member cannot.
    become_viewer(&mut browser).await;
    browser.get("/app/account").await;
    browser.post(&path, &[]).await;
    assert_eq!(browser.status, 404);
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 200);
    browser.log_in(OWNER.0, OWNER.1).await;
    browser.get(&path).await;
    let page = browser.post(&path, &[]).await;
    assert!(page.contains("No app may act for you"), "{page}");
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 401);
    assert_eq!(app.refresh(&browser, &refresh).await.status, 400);
}

#[tokio::test]
async fn an_app_is_registered_changed_and_deleted_in_the_browser() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/organization/apps").await;
    assert!(page.contains("No app yet"), "{page}");
    let wrong = [
        ("name", ""),
        (
            "redirect_uris",
            "https://app.example/cb\nhttp://app.example/cb\nx",
        ),
        ("kind", "confidential"),
    ];
    let page = browser.post("/app/organization/apps", &wrong).await;
    assert!(page.contains("id=\"name-error\""), "{page}");
    assert!(
        page.contains("Address 2:") && page.contains("Address 3:"),
        "{page}"
    );
    let none = [("name", "Sync"), ("redirect_uris", ""), ("kind", "public")];
    let page = browser.post("/app/organization/apps", &none).await;
    assert!(page.contains("id=\"redirect_uris-error\""), "{page}");
    let right = [
        ("name", "<i>Sync</i>"),
        ("redirect_uris", BACK),
        ("kind", "confidential"),
        ("machine", "on"),
        ("role", "member"),
        ("scope", "contacts:read"),
    ];
    let page = browser
        .post("/app/organization/apps", &right)
        .await
        .to_owned();
    assert!(page.contains("&lt;i&gt;Sync&lt;/i&gt;"), "{page}");
    let (_, rest) = page.split_once("mns_").expect(&page);
    let secret = format!("mns_{}", &rest[..49]);
    let (_, rest) = page.split_once("/app/organization/apps/").expect(&page);
    let id = rest.split('"').next().unwrap().to_owned();
    let mut app = App {
        id: id.clone(),
        secret: Some(secret.clone()),
    };
    let machine = [("grant_type", "client_credentials")];
    let issued = app.post(&browser, "/oauth/token", &machine).await.ok(200);
    assert!(issued["refresh_token"].is_null());
    let own = issued["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status(&browser, &own, "/api/crm/contacts").await, 200);
    assert_eq!(status(&browser, &own, "/api/crm/segments").await, 403);

    let place = format!("/app/organization/apps/{id}");
    let page = browser.get(&place).await.to_owned();
    assert!(!page.contains(&secret), "{page}");
    assert!(page.contains("/oauth/token"), "{page}");
    let change = [("name", "Sync"), ("redirect_uris", "nonsense")];
    let page = browser.post(&place, &change).await;
    assert!(page.contains("id=\"redirect_uris-error\""), "{page}");
    let change = [("name", "Sync 2"), ("redirect_uris", BACK)];
    let page = browser.post(&place, &change).await;
    assert!(page.contains("Sync 2"), "{page}");
    browser.post(&format!("{place}/machine"), &[]).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    assert_eq!(status(&browser, &own, "/api/crm/contacts").await, 401);

    let page = browser.get(&format!("{place}/secret")).await;
    assert!(page.contains("stops working at once"), "{page}");
    let page = browser
        .post(&format!("{place}/secret"), &[])
        .await
        .to_owned();
    let (_, rest) = page.split_once("mns_").expect(&page);
    let newer = format!("mns_{}", &rest[..49]);
    assert_ne!(newer, secret);
    let code = allowed(&mut browser, &app, "contacts:read").await;
    assert_eq!(app.exchange(&browser, &code).await.status, 401);
    app.secret = Some(newer);
    let issued = app.exchange(&browser, &code).await.ok(200);
    let access = issued["access_token"].as_str().unwrap().to_owned();
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 200);
    browser.get(&format!("{place}/delete")).await;
    let page = browser.post(&format!("{place}/delete"), &[]).await;
    assert!(page.contains("No app yet"), "{page}");
    assert_eq!(status(&browser, &access, "/api/crm/contacts").await, 401);

    become_viewer(&mut browser).await;
    browser.get("/app/organization/apps").await;
    assert_eq!(browser.status, 403);
    browser.get("/app/account").await;
    browser.post("/app/organization/apps", &right).await;
    assert_eq!(browser.status, 403);
}

#[tokio::test]
async fn apps_are_kept_over_the_api_by_those_who_may() {
    let browser = Browser::new().await;
    let installation = &browser.installation;
    let viewer = installation.viewer.clone();
    let owner = installation.owner.clone();
    for (method, path, body) in [
        ("GET", CLIENTS.to_owned(), None),
        ("POST", CLIENTS.to_owned(), Some(body("Sync", true))),
    ] {
        let refused = installation.call(&viewer, method, &path, body).await;
        refused.problem(403);
    }
    let wrong = json!({"name": "Sync", "redirect_uris": [BACK, "http://app.example/", "https://app.example/#a"]});
    let refused = installation
        .call(&owner, "POST", CLIENTS, Some(wrong))
        .await;
    let problem = refused.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/redirect_uris/1");
    assert_eq!(problem["errors"][1]["pointer"], "/redirect_uris/2");
    let none = json!({"name": "Sync", "redirect_uris": []});
    let refused = installation.call(&owner, "POST", CLIENTS, Some(none)).await;
    assert_eq!(
        refused.problem(422)["errors"][0]["pointer"],
        "/redirect_uris"
    );
    // A token would not outlast what it makes.
    let machine = json!({"name": "Sync", "redirect_uris": [], "acts_for_itself": {"role": "viewer", "scopes": ["contacts:read"]}});
    let refused = installation
        .call(&owner, "POST", CLIENTS, Some(machine))
        .await;
    refused.problem(403);

    let app = App::register(&browser, body("Sync", true)).await;
    let path = format!("{CLIENTS}/{}", app.id);
    let client = call(&browser, "PATCH", &path, json!({"name": "Sync 2"})).await;
    assert_eq!(client["name"], "Sync 2");
    assert_eq!(client["redirect_uris"], json!([BACK]));
    let again = call(&browser, "POST", &format!("{path}/secret"), json!({})).await;
    assert_ne!(again["secret"].as_str(), app.secret.as_deref());
    let list = call(&browser, "GET", CLIENTS, json!({})).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains("mns_"), "{list}");
    let deleted = installation.call(&owner, "DELETE", &path, None).await;
    assert_eq!(deleted.status, 204);
    installation
        .call(&owner, "GET", &path, None)
        .await
        .problem(404);
}

#[tokio::test]
async fn nobody_overwrites_what_somebody_else_changed_of_an_app() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    let place = format!("/app/organization/apps/{}", app.id);
    let page = browser.get(&place).await.to_owned();
    let (_, rest) = page.split_once("name=\"version\" value=\"").expect(&page);
    let version = rest.split('"').next().unwrap().to_owned();
    let path = format!("{CLIENTS}/{}", app.id);
    let renamed = call(&browser, "PATCH", &path, json!({"name": "Theirs"})).await;
    assert_eq!(renamed["name"], "Theirs");
    let mine = [
        ("name", "Mine"),
        ("redirect_uris", BACK),
        ("version", version.as_str()),
    ];
    let page = browser.post(&place, &mine).await;
    assert!(page.contains("Somebody else changed this"), "{page}");
    assert_eq!(browser.status, 409);
    browser.get(&place).await;
    let machine = [("version", version.as_str())];
    browser.post(&format!("{place}/machine"), &machine).await;
    assert_eq!(browser.status, 409);

    let owner = browser.installation.owner.clone();
    let kept = browser.installation.call(&owner, "GET", &path, None).await;
    let current = text(&kept, "etag").to_owned();
    assert_eq!(kept.ok(200)["name"], "Theirs");
    for (version, status) in [(format!("\"{version}\""), 412), (current, 200)] {
        let change = request(&owner, "PATCH", &path)
            .header(header::IF_MATCH, version)
            .content_type("application/json")
            .body(json!({"name": "Mine"}).to_string());
        let changed = browser.installation.send(change).await;
        assert_eq!(changed.status, status);
    }
}
