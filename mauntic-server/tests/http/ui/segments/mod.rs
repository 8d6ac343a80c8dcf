//! The pages of segments, asked through the real router by somebody with a browser. The tests are in files by
//! subject; here is what they share.

mod access;
mod builder;
mod life;
mod members;

use mauntic_core::{WorkerId, storage::test_database::TestDatabase};
use serde_json::json;

use crate::{browser::Browser, people::call, support::Installation};

const PASSWORD: &str = "a long enough password";

/// A browser in the first organisation, of somebody with that role.
async fn browser_of(role: &str) -> Browser {
    on(TestDatabase::chosen().await, role).await
}

async fn on(database: TestDatabase, role: &str) -> Browser {
    let mut browser = Browser::fresh(Installation::on(database).await);
    let installation = &browser.installation;
    installation
        .member("mia@example.com", "Mia", role, PASSWORD)
        .await;
    browser.log_in("mia@example.com", PASSWORD).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    browser
}

async fn contact(browser: &Browser, email: &str, country: &str) -> String {
    let body = json!({"email": email, "fields": {"country": country}});
    let made = call(browser, "POST", "/api/crm/contacts", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Makes a segment in the browser, and returns where it is.
async fn segment(browser: &mut Browser, name: &str, rule: &str) -> String {
    browser.get("/app/segments/new").await;
    let fields = [("name", name), ("description", ""), ("rule", rule)];
    browser.post("/app/segments/new", &fields).await;
    assert!(browser.at.ends_with("?done=created"), "{}", browser.page);
    browser.at.split('?').next().unwrap().to_owned()
}

/// Does what a worker does.
async fn rebuild(browser: &Browser) {
    let app = &browser.installation.app;
    let worker = WorkerId::generate(&*app.ids);
    while app.segment_worker.run_due_rebuilds(worker).await.unwrap() {}
}
