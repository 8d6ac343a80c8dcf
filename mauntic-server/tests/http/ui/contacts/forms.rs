//! Adding a contact and changing it.

use serde_json::json;

use crate::{
    browser::Browser,
    people::{call, contact},
};

/// The value of a control in a page.
fn value_of(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_contact_is_added_and_what_is_wrong_is_said_at_its_field() {
    let mut browser = Browser::new().await;
    browser.get("/app/contacts/new").await;
    let wrong = [
        ("field-firstname", "Ann"),
        ("field-email", "ann@"),
        ("field-country", "Atlantis"),
        ("field-website", "javascript:alert(1)"),
        ("stage", "lead"),
    ];
    let page = browser.post("/app/contacts/new", &wrong).await;
    assert!(page.contains("id=\"field-email-error\""), "{page}");
    assert!(page.contains("id=\"field-country-error\""), "{page}");
    assert!(page.contains("id=\"field-website-error\""), "{page}");
    // What was typed stays.
    assert_eq!(value_of(page, "field-firstname"), "Ann");
    assert_eq!(value_of(page, "stage"), "lead");
    assert_eq!(browser.status, 422);

    let right = [
        ("field-firstname", "Ann"),
        ("field-lastname", "Lee"),
        ("field-email", "ann@example.com"),
        ("field-country", "norway"),
        ("stage", "lead"),
    ];
    let page = browser.post("/app/contacts/new", &right).await;
    assert!(page.contains("It was created."), "{page}");
    assert!(page.contains("<h1>Ann Lee</h1>"), "{page}");
    assert!(page.contains("Norway"), "{page}");
    assert!(page.contains("lead"), "{page}");
    assert!(page.contains("Ann Owner, by hand"), "{page}");

    browser.get("/app/contacts/new").await;
    let page = browser.post("/app/contacts/new", &right).await;
    assert!(page.contains("Another contact has this already."), "{page}");
    assert_eq!(browser.status, 422);
}

#[tokio::test]
async fn custom_fields_are_filled_in_and_cleared() {
    let mut browser = Browser::new().await;
    for field in [
        json!({"label": "Likes", "type": "multiselect", "options": [{"value": "tea", "label": "Tea"}, {"value": "milk", "label": "Milk"}]}),
        json!({"label": "Size", "type": "select", "options": [{"value": "s", "label": "Small"}]}),
        json!({"label": "Adult", "type": "boolean", "required": true}),
    ] {
        call(&browser, "POST", "/api/crm/fields", field).await;
    }
    browser.get("/app/contacts/new").await;
    let page = browser
        .post("/app/contacts/new", &[("field-email", "a@example.com")])
        .await;
    assert!(page.contains("id=\"field-adult-error\""), "{page}");
    let fields = [
        ("field-email", "a@example.com"),
        ("field-likes", ""),
        ("field-likes", "tea"),
        ("field-likes", "milk"),
        ("field-size", "s"),
        ("field-adult", "true"),
    ];
    let page = browser.post("/app/contacts/new", &fields).await;
    assert!(page.contains("Milk, Tea"), "{page}");
    assert!(page.contains("Small"), "{page}");
    let at = browser.at.split_once('?').unwrap().0.to_owned();
    let page = browser.get(&format!("{at}/edit")).await;
    assert_eq!(value_of(page, "was-field-likes"), "milk|tea");
    let fields = [
        ("was-field-likes", "milk|tea"),
        ("field-likes", ""),
        ("was-field-size", "s"),
        ("field-size", ""),
    ];
    let page = browser.post(&format!("{at}/edit"), &fields).await;
    assert!(page.contains("The change was saved."), "{page}");
    let page = browser.get(&format!("{at}/edit")).await;
    assert_eq!(value_of(page, "was-field-likes"), "");
    assert_eq!(value_of(page, "was-field-size"), "");
    assert_eq!(value_of(page, "was-field-adult"), "true");
}

#[tokio::test]
async fn what_two_change_at_once_is_lost_for_neither() {
    let mut browser = Browser::new().await;
    let body = json!({"fields": {"email": "ann@example.com", "city": "Oslo", "firstname": "Ann"}});
    let at = contact(&browser, body).await;
    let page = browser.get(&format!("{at}/edit")).await;
    assert_eq!(value_of(page, "was-field-city"), "Oslo");
    // Somebody else changes two fields while the form is open.
    let changes = json!({"fields": {"city": "Bergen", "company": "Acme"}});
    let api = at.replace("/app/", "/api/crm/");
    call(&browser, "PATCH", &api, changes).await;
    let form = [
        ("was-field-city", "Oslo"),
        ("field-city", "Tromsø"),
        ("was-field-company", ""),
        ("field-company", ""),
        ("was-field-firstname", "Ann"),
        ("field-firstname", "Anna"),
    ];
    let page = browser.post(&format!("{at}/edit"), &form).await;
    assert!(
        page.contains("changed this to “Bergen” meanwhile"),
        "{page}"
    );
    // The form keeps what was typed, and takes what only the other one changed.
    assert_eq!(value_of(page, "field-city"), "Tromsø");
    assert_eq!(value_of(page, "field-firstname"), "Anna");
    assert_eq!(value_of(page, "field-company"), "Acme");
    assert_eq!(value_of(page, "was-field-city"), "Bergen");
    assert_eq!(browser.status, 409);
    let page = browser.get(&at).await;
    assert!(page.contains("Bergen") && !page.contains("Anna"), "{page}");

    browser.get(&format!("{at}/edit")).await;
    let again = [
        ("was-field-city", "Bergen"),
        ("field-city", "Tromsø"),
        ("was-field-company", "Acme"),
        ("field-company", "Acme"),
        ("was-field-firstname", "Ann"),
        ("field-firstname", "Anna"),
    ];
    let page = browser.post(&format!("{at}/edit"), &again).await;
    assert!(page.contains("<h1>Anna</h1>"), "{page}");
    assert!(page.contains("Tromsø") && page.contains("Acme"), "{page}");

    // Changes of different fields do not get into each other's way.
    let changes = json!({"fields": {"city": "Narvik"}});
    call(&browser, "PATCH", &api, changes).await;
    browser.get(&format!("{at}/edit")).await;
    let mine = [
        ("was-field-city", "Tromsø"),
        ("field-city", "Tromsø"),
        ("was-field-company", "Acme"),
        ("field-company", "Umbrella"),
    ];
    let page = browser.post(&format!("{at}/edit"), &mine).await;
    assert!(
        page.contains("Narvik") && page.contains("Umbrella"),
        "{page}"
    );
}
