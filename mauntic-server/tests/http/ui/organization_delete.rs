//! Having the organisation deleted and keeping it after all, and what people see while it is closed.

use std::time::Duration;

use chrono::TimeDelta;
use mauntic_core::{
    Operator, PageSize, Permission, Role,
    identity::{CreateOrganization, CreateToken},
};
use mauntic_server::{Workers, jobs};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::browser::{Browser, OWNER};
use crate::people::{become_viewer, call};
use crate::support::request;

const DELETE: &str = "/app/organization/delete";
const BODY: &str = "<p>Hello</p><p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p>";

/// Fills the form in, and returns the page that comes then.
async fn delete(browser: &mut Browser, name: &str, password: &str) -> String {
    browser.get(DELETE).await;
    let fields = [("name", name), ("password", password)];
    browser.post(DELETE, &fields).await.to_owned()
}

#[tokio::test]
async fn an_owner_has_the_organization_deleted_and_keeps_it_after_all() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/organization/settings").await;
    assert!(page.contains(DELETE), "{page}");
    for (name, password, wrong) in [
        ("acme", OWNER.1, "id=\"name-error\""),
        ("Acme", "not the password", "id=\"password-error\""),
        ("Acme", "", "id=\"password-error\""),
    ] {
        let page = delete(&mut browser, name, password).await;
        assert_eq!(browser.status, 422);
        assert!(page.contains(wrong), "{page}");
    }
    let page = delete(&mut browser, "Acme", OWNER.1).await;
    assert!(page.contains("will be deleted on"), "{page}");
    assert!(!page.contains("Invite somebody"), "{page}");
    // What cannot be done is not offered, and refused when forced.
    browser.get("/app/contacts/new").await;
    assert_eq!(browser.status, 403);
    assert!(browser.page.contains("Nothing can be changed now"));
    browser.get("/app/contacts").await;
    assert_eq!(browser.status, 200);
    let token = browser.installation.owner.clone();
    let contact = Some(json!({"fields": {"email": "ann@example.com"}}));
    let refused = browser
        .installation
        .call(&token, "POST", "/api/crm/contacts", contact);
    assert_eq!(refused.await.problem(403)["code"], "organization_closing");
    let export = browser
        .installation
        .call(&token, "GET", "/api/crm/contacts", None);
    assert_eq!(export.await.status, 200);
    // A form from nowhere keeps nothing.
    browser.post_exactly("/app/organization/restore", &[]).await;
    assert_eq!(browser.status, 403);
    browser.get("/app/").await;
    let page = browser.post("/app/organization/restore", &[]).await;
    assert!(!page.contains("will be deleted on"), "{page}");
    assert!(page.contains("Invite somebody"), "{page}");
}

#[tokio::test]
async fn a_viewer_sees_the_date_and_cannot_change_it() {
    let mut browser = Browser::new().await;
    become_viewer(&mut browser).await;
    let viewer = browser.cookie().to_owned();
    browser.get(DELETE).await;
    assert_eq!(browser.status, 403);
    browser.log_in(OWNER.0, OWNER.1).await;
    delete(&mut browser, "Acme", OWNER.1).await;
    browser.set_cookie(&viewer);
    let page = browser.get("/app/").await;
    assert!(page.contains("will be deleted on"), "{page}");
    assert!(!page.contains("Keep the organisation"), "{page}");
    browser.post("/app/organization/restore", &[]).await;
    assert_eq!(browser.status, 403);
    assert!(browser.get("/app/").await.contains("will be deleted on"));
}

/// A token with the one scope.
async fn deleting_token(browser: &Browser) -> String {
    let command = CreateToken {
        name: "closing down".parse().unwrap(),
        role: Role::Owner,
        scopes: Some([Permission::OrganizationDelete].into()),
        expires_at: None,
    };
    let installation = &browser.installation;
    let made = installation
        .app
        .identity
        .create_token(&installation.ours, command);
    made.await.unwrap().secret.reveal().to_owned()
}

#[tokio::test]
async fn a_program_needs_a_token_made_for_it() {
    const PATH: &str = "/api/identity/organization/deletion";
    let browser = Browser::new().await;
    let installation = &browser.installation;
    let body = Some(json!({"name": "Acme"}));
    let usual = installation.call(&installation.owner, "PUT", PATH, body.clone());
    assert_eq!(usual.await.problem(403)["code"], "forbidden");
    let token = deleting_token(&browser).await;
    let other = installation.call(&token, "PUT", PATH, Some(json!({"name": "Other"})));
    other.await.problem(422);
    let planned = installation.call(&token, "PUT", PATH, body).await.ok(200);
    assert!(planned["deletion_due_at"].is_string(), "{planned}");
    let shown = installation.call(
        &installation.viewer,
        "GET",
        "/api/identity/organization",
        None,
    );
    let shown = shown.await.ok(200);
    assert_eq!(shown["deletion_due_at"], planned["deletion_due_at"]);
    let kept = installation
        .call(&token, "DELETE", PATH, None)
        .await
        .ok(200);
    assert_eq!(kept["deletion_due_at"], Value::Null);
}

#[tokio::test]
async fn members_of_a_blocked_organization_see_why_nothing_goes() {
    let mut browser = Browser::new().await;
    let identity = browser.installation.app.identity.clone();
    let ours = browser.installation.ours.organization_id();
    identity
        .block_organization(&Operator::local(), ours)
        .await
        .unwrap();
    let page = browser.get("/app/contacts").await;
    assert!(page.contains("is closed"), "{page}");
    assert_eq!(browser.status, 403);
    let token = browser.installation.owner.clone();
    let refused = browser
        .installation
        .call(&token, "GET", "/api/crm/contacts", None);
    assert_eq!(refused.await.problem(403)["code"], "organization_closed");
    // Logging in again leads to the same page, and from there out.
    browser.log_in(OWNER.0, OWNER.1).await;
    assert!(browser.page.contains("is closed"), "{}", browser.page);
    browser.post("/app/logout", &[]).await;
    assert_eq!(browser.at, "/app/login");
    browser.log_in(OWNER.0, OWNER.1).await;
    // Somebody with another organisation works there instead, once they choose to.
    let second = CreateOrganization::named("Second".parse().unwrap());
    let second = identity
        .create_organization(&Operator::local(), second)
        .await;
    let second = second.unwrap().id;
    let add = mauntic_core::identity::AddMember {
        email: OWNER.0.parse().unwrap(),
        role: Role::Owner,
    };
    let operator = Operator::local();
    identity.add_member(&operator, second, add).await.unwrap();
    let page = browser.get("/app/").await;
    assert!(page.contains("Work in Second"), "{page}");
    let fields = [("organization", second.to_string())];
    let fields = fields
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    browser.post("/app/account/organization", &fields).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    identity
        .unblock_organization(&Operator::local(), ours)
        .await
        .unwrap();
    assert!(browser.get("/app/").await.contains("Acme"));
}

/// Sends a mail to Ann and returns the path of her link to unsubscribe.
async fn mailed_link(browser: &Browser) -> String {
    let content = json!({"subject": "Hi", "html": BODY, "from_address": "news@example.com"});
    let email = json!({"name": "Launch", "content": content});
    let email = call(browser, "POST", "/api/messaging/emails", email).await;
    let ann = json!({"fields": {"email": "ann@example.com"}});
    let ann = call(browser, "POST", "/api/crm/contacts", ann).await;
    let segment = json!({"name": "Readers"});
    let segment = call(browser, "POST", "/api/crm/segments", segment).await;
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    let app = &browser.installation.app;
    let ours = &browser.installation.ours;
    let (segment, ann) = (id(&segment), [id(&ann).parse().unwrap()]);
    let added = app.segments.add(ours, segment.parse().unwrap(), &ann).await;
    added.unwrap();
    let send = json!({"email_id": id(&email), "segment_id": segment});
    call(browser, "POST", "/api/messaging/sends", send).await;
    let workers = Workers::start(jobs(app), CancellationToken::new());
    let mail = loop {
        let page = app.inbox.list(ours, None, None, PageSize::default()).await;
        if let Some(mail) = page.unwrap().items.into_iter().next() {
            break mail;
        }
        tokio::task::yield_now().await;
    };
    workers.stop(Duration::from_secs(30)).await;
    let opened = app.inbox.open(ours, mail.id).await.unwrap();
    let text = opened.content.text.unwrap();
    let (_, rest) = text.split_once("http://127.0.0.1:8080/u/").expect(&text);
    let end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    format!("/u/{}", rest.split(end).next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_mails_go_on_working_until_everything_is_erased() {
    let browser = Browser::new().await;
    let link = mailed_link(&browser).await;
    let installation = &browser.installation;
    let (app, ours) = (&installation.app, installation.ours.organization_id());
    let operator = Operator::local();
    let now = TimeDelta::zero();
    let deleted = app.identity.delete_organization(&operator, ours, now);
    deleted.await.unwrap();
    app.identity
        .block_organization(&operator, ours)
        .await
        .unwrap();
    let page = installation.call("", "GET", &link, None).await;
    assert_eq!(page.status, 200);
    let click = request("", "POST", &link)
        .content_type("application/x-www-form-urlencoded")
        .body("List-Unsubscribe=One-Click");
    assert_eq!(installation.send(click).await.status, 200);
    let address = "ann@example.com".parse().unwrap();
    let suppressed = app.suppressions.find(&installation.ours, &address).await;
    assert!(suppressed.unwrap().is_some());
    let stop = CancellationToken::new();
    let all = jobs(app);
    let erasures = all.iter().find(|job| job.name() == "erasures").unwrap();
    while erasures.run_once(&stop).await.unwrap() {}
    let gone = installation.call("", "GET", &link, None).await;
    assert_eq!(gone.status, 404, "{}", String::from_utf8_lossy(&gone.body));
}
