//! Contacts and users for the tests of pages, made through the API.

use serde_json::{Value, json};

use crate::{browser::Browser, support::Installation};

/// What the viewer logs in with.
pub(crate) const VIEWER: (&str, &str) = ("viewer@example.com", "viewing horse battery");

/// What everybody in an office logs in with.
pub(crate) const PASSWORD: &str = "a long enough password";

/// The first organisation with Ada, an admin, Mia, a member, and Vic, a viewer; one of them is at the browser.
pub(crate) async fn office(installation: Installation, who: &str) -> Browser {
    for (name, role) in [("ada", "admin"), ("mia", "member"), ("vic", "viewer")] {
        let email = format!("{name}@example.com");
        installation.member(&email, name, role, PASSWORD).await;
    }
    let mut browser = Browser::fresh(installation);
    let email = format!("{who}@example.com");
    browser.log_in(&email, PASSWORD).await;
    browser
}

/// Calls the API as the owner and returns the answer.
pub(crate) async fn call(browser: &Browser, method: &str, path: &str, body: Value) -> Value {
    let token = browser.installation.owner.clone();
    let answer = browser
        .installation
        .call(&token, method, path, Some(body))
        .await;
    assert!(
        answer.status < 300,
        "{path}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

/// Adds a contact and returns the address of its page.
pub(crate) async fn contact(browser: &Browser, body: Value) -> String {
    let made = call(browser, "POST", "/api/crm/contacts", body).await;
    format!("/app/contacts/{}", made["id"].as_str().unwrap())
}

/// Adds a contact to the other organisation and returns the address that its page would have.
pub(crate) async fn foreign_contact(browser: &Browser) -> String {
    let token = browser.installation.stranger.clone();
    let body = json!({"fields": {"email": "foreign@example.com"}});
    let made = browser
        .installation
        .call(&token, "POST", "/api/crm/contacts", Some(body))
        .await;
    format!("/app/contacts/{}", made.ok(201)["id"].as_str().unwrap())
}

/// Logs the browser in as somebody who may only look.
pub(crate) async fn become_viewer(browser: &mut Browser) {
    let installation = &browser.installation;
    installation
        .member(VIEWER.0, "Vera Viewer", "viewer", VIEWER.1)
        .await;
    browser.log_in(VIEWER.0, VIEWER.1).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
}

/// Where the next page of a list is.
pub(crate) fn next_page(page: &str) -> String {
    let (before, _) = page.split_once("\" rel=\"next\"").unwrap();
    let (_, href) = before.rsplit_once("href=\"").unwrap();
    href.replace("&amp;", "&")
}
