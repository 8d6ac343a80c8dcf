//! Who sees and changes what: viewers, other organisations, and scripts in what is known.

use serde_json::json;

use super::LIST;
use crate::{
    browser::Browser,
    people::{become_viewer, call, contact, foreign_contact},
};

const SCRIPT: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn a_viewer_is_offered_no_change_and_refused_when_forcing_one() {
    let mut browser = Browser::new().await;
    let at = contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    become_viewer(&mut browser).await;
    for path in [LIST, &at] {
        let page = browser.get(path).await;
        assert!(page.contains("ann@example.com"), "{page}");
        let (main, ()) = page
            .split_once("<main")
            .map(|(_, main)| (main, ()))
            .unwrap();
        // Views of one's own change no contact.
        let main = main.replace("method=\"post\" action=\"/app/contacts/views\"", "");
        assert!(!main.contains("method=\"post\""), "{path}: {page}");
        for words in [
            "New contact",
            ">Edit<",
            ">Delete<",
            ">Export<",
            "Allow again",
        ] {
            assert!(!main.contains(words), "{path} offers {words}: {page}");
        }
    }
    for path in [
        "/app/contacts/new".to_owned(),
        "/app/contacts/export".to_owned(),
        format!("{at}/edit"),
        format!("{at}/delete"),
        format!("{at}/allow/email"),
    ] {
        browser.get(&path).await;
        assert_eq!(browser.status, 403, "{path}");
    }
    for (path, form) in [
        (
            "/app/contacts/new".to_owned(),
            vec![("field-email", "x@example.com")],
        ),
        (format!("{at}/edit"), vec![("field-city", "Oslo")]),
        (format!("{at}/tags"), vec![("add", "x")]),
        (format!("{at}/do-not-contact"), vec![("channel", "email")]),
        (format!("{at}/allow/email"), vec![]),
        (format!("{at}/delete"), vec![]),
    ] {
        browser.get("/app/account").await;
        browser.post(&path, &form).await;
        assert_eq!(browser.status, 403, "{path}");
    }
    let page = browser.get(&at).await;
    assert!(!page.contains("Oslo"), "{page}");
}

#[tokio::test]
async fn another_organisations_contact_is_not_found() {
    let mut browser = Browser::new().await;
    let at = foreign_contact(&browser).await;
    for path in ["", "/edit", "/delete", "/allow/email"] {
        browser.get(&format!("{at}{path}")).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    for (path, form) in [
        ("/edit", vec![("field-city", "Oslo")]),
        ("/tags", vec![("add", "x")]),
        ("/do-not-contact", vec![("channel", "email")]),
        ("/allow/email", vec![]),
        ("/delete", vec![]),
    ] {
        browser.get("/app/account").await;
        browser.post(&format!("{at}{path}"), &form).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    let foreign = "00000000-0000-7000-8000-000000000000";
    for path in ["/app/contacts?segment=", "/app/contacts/export?segment="] {
        browser.get(&format!("{path}{foreign}")).await;
        assert_eq!(browser.status, 404, "{path}");
    }
}

#[tokio::test]
async fn scripts_in_what_is_known_are_shown_as_text() {
    let mut browser = Browser::new().await;
    let field = json!({"label": SCRIPT, "alias": "evil", "type": "text"});
    call(&browser, "POST", "/api/crm/fields", field).await;
    let body = json!({
        "fields": {"email": "ann@example.com", "firstname": SCRIPT, "company": "\"><img src=x onerror=alert(1)>", "evil": SCRIPT, "country": "NO"},
        "tags": [SCRIPT], "stage": SCRIPT
    });
    let at = contact(&browser, body).await;
    let made = call(
        &browser,
        "POST",
        "/api/crm/segments",
        json!({"name": SCRIPT, "where": "country = \"NO\""}),
    )
    .await;
    let segment = made["id"].as_str().unwrap();
    let list = "/app/contacts?column=firstname&column=company&column=evil&column=tags&column=stage";
    for path in [
        LIST.to_owned(),
        list.to_owned(),
        format!("{LIST}?search=%3Cscript%3Ealert(1)%3C/script%3E&tag=%3Cscript%3Ealert(1)"),
        at.clone(),
        format!("{at}/edit"),
        format!("{at}/delete"),
        format!("{at}/segments/{segment}"),
    ] {
        let page = browser.get(&path).await;
        assert!(!page.contains("<script>alert"), "{path}: {page}");
        assert!(!page.contains("<img src=x"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}: {page}");
    }
}
