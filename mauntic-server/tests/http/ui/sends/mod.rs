//! The pages of sends and their results, asked through the real router by somebody with a browser. The tests are in files by
//! subject; here is the organisation that they begin with.

mod clocks;
mod previews;
mod results;
mod steering;

use std::time::Duration;

use mauntic_core::storage::test_database::TestDatabase;
use serde_json::json;

use crate::{
    browser::Browser,
    mail::{made, work},
    people,
    support::Installation,
};

const BODY: &str = "<p>Hello {{ contact.firstname }}, <a href=\"https://example.com/news\">news</a>, <a href=\"{{ unsubscribe_url }}\">unsubscribe</a></p>";

/// An office with Mia at the browser.
pub(super) async fn office(database: TestDatabase) -> Browser {
    people::office(Installation::on(database).await, "mia").await
}

pub(super) async fn email(installation: &Installation) -> String {
    let body = json!({
        "name": "Launch",
        "content": {"subject": "Hi", "html": BODY, "from_address": "news@example.com"},
    });
    let made = made(installation, "/api/messaging/emails", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// A segment of contacts: their addresses, which may be none, and first names.
pub(super) async fn segment(installation: &Installation, people: &[(&str, &str)]) -> String {
    let (app, ours) = (&installation.app, &installation.ours);
    let body = json!({"name": "Readers"});
    let segment = made(installation, "/api/crm/segments", body).await;
    let segment = segment["id"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for (address, firstname) in people {
        let mut contact = json!({"fields": {"lastname": "Reader"}});
        if !address.is_empty() {
            contact["email"] = json!(address);
        }
        if !firstname.is_empty() {
            contact["fields"]["firstname"] = json!(firstname);
        }
        let contact = made(installation, "/api/crm/contacts", contact).await;
        ids.push(contact["id"].as_str().unwrap().parse().unwrap());
    }
    if !ids.is_empty() {
        let id = segment.parse().unwrap();
        app.segments.add(ours, id, &ids).await.unwrap();
    }
    segment
}

/// Looks at a page until it says something.
pub(super) async fn until(browser: &mut Browser, path: &str, words: &str) {
    for _ in 0..20_000 {
        if browser.get(path).await.contains(words) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{path} never says {words}: {}", browser.page);
}

/// Lets the workers work until a page says something.
pub(super) async fn work_until(browser: &mut Browser, path: &str, words: &str) {
    let workers = work(&browser.installation, |_| true);
    until(browser, path, words).await;
    workers.stop(Duration::from_secs(30)).await;
}
