//! Fields and tags in a browser.

use crate::browser::Browser;
use crate::people::{become_viewer, call, contact};
use serde_json::json;

const FIELDS: &str = "/app/fields";
const TAGS: &str = "/app/tags";

#[tokio::test]
async fn a_field_is_defined_changed_and_deleted() {
    let mut browser = Browser::new().await;
    let page = browser.get(FIELDS).await;
    assert!(
        page.contains("There are no fields of your own yet"),
        "{page}"
    );
    assert!(page.contains("First name"), "{page}");
    browser.get("/app/fields/new").await;
    let wrong = [("label", ""), ("alias", "Not An Alias"), ("kind", "shoe")];
    let page = browser.post("/app/fields/new", &wrong).await;
    for control in ["label", "alias", "kind"] {
        assert!(page.contains(&format!("id=\"{control}-error\"")), "{page}");
    }
    assert_eq!(browser.status, 422);
    let without_options = [("label", "Size"), ("kind", "select")];
    let page = browser.post("/app/fields/new", &without_options).await;
    assert!(page.contains("needs options"), "{page}");
    let right = [
        ("label", "Size"),
        ("kind", "select"),
        ("options", "s = Small\r\nm = Medium\r\nxl"),
        ("default", "m"),
        ("group", "personal"),
        ("indexed", "on"),
    ];
    let page = browser.post("/app/fields/new", &right).await;
    assert!(page.contains("It was created."), "{page}");
    assert!(page.contains("href=\"/app/fields/size\""), "{page}");
    let page = browser.get("/app/contacts/new").await;
    assert!(page.contains("value=\"m\" selected"), "{page}");

    let page = browser.get("/app/fields/size").await;
    assert!(page.contains("s = Small\nm = Medium\nxl"), "{page}");
    let change = [
        ("label", "T-shirt"),
        ("options", "s = Small\nm = Medium"),
        ("default", "xl"),
        ("group", "personal"),
        ("position", "0"),
    ];
    let page = browser.post("/app/fields/size", &change).await;
    assert!(page.contains("id=\"default-error\""), "{page}");
    let change = [
        ("label", "T-shirt"),
        ("options", "s = Small"),
        ("group", "core"),
    ];
    let page = browser.post("/app/fields/size", &change).await;
    assert!(page.contains("T-shirt"), "{page}");
    assert!(!page.contains(">indexed<"), "{page}");

    // A field that rules read stays until they do not.
    let body = json!({"name": "Small ones", "where": "size = \"s\""});
    let made = call(&browser, "POST", "/api/crm/segments", body).await;
    let page = browser.get("/app/fields/size/delete").await;
    assert!(page.contains("Small ones"), "{page}");
    assert!(!page.contains("method=\"post\" class=\"row\""), "{page}");
    let segment = format!("/api/crm/segments/{}", made["id"].as_str().unwrap());
    call(&browser, "DELETE", &segment, json!({})).await;
    let page = browser.get("/app/fields/size/delete").await;
    assert!(page.contains("Its value on every contact"), "{page}");
    let page = browser.post("/app/fields/size/delete", &[]).await;
    assert!(page.contains("It was deleted."), "{page}");
    browser.get("/app/fields/size").await;
    assert_eq!(browser.status, 404);
    // Built-in fields are nobody's to change.
    browser.get("/app/fields/firstname").await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn a_tag_is_renamed_joined_with_another_and_deleted() {
    let mut browser = Browser::new().await;
    let page = browser.get(TAGS).await;
    assert!(page.contains("There are no tags yet"), "{page}");
    for (email, tags) in [
        ("a@example.com", json!(["news/letter & more"])),
        ("b@example.com", json!(["news/letter & more", "vip"])),
    ] {
        contact(&browser, json!({"fields": {"email": email}, "tags": tags})).await;
    }
    let page = browser.get(TAGS).await;
    let rename = page.split_once("href=\"/app/tags/rename?").unwrap().1;
    let rename = format!("/app/tags/rename?{}", rename.split_once('"').unwrap().0);
    let page = browser.get(&rename).await;
    assert!(page.contains("Rename news/letter &amp; more"), "{page}");
    assert!(page.contains("2 contacts have this tag"), "{page}");
    let page = browser.post(&rename, &[("to", "a|b")]).await;
    assert!(page.contains("id=\"to-error\""), "{page}");
    assert_eq!(browser.status, 422);
    let page = browser.post(&rename, &[("to", "vip")]).await;
    assert!(page.contains("The change was saved."), "{page}");
    assert!(!page.contains("news/letter"), "{page}");
    let page = browser.get("/app/tags/delete?tag=vip").await;
    assert!(page.contains("which 2 contacts have"), "{page}");
    let page = browser.post("/app/tags/delete?tag=vip", &[]).await;
    assert!(page.contains("There are no tags yet"), "{page}");
    browser.get("/app/account").await;
    browser
        .post("/app/tags/rename?tag=vip", &[("to", "x")])
        .await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn many_tags_have_pages() {
    let mut browser = Browser::new().await;
    let tags: Vec<_> = (0..110).map(|number| format!("tag{number:03}")).collect();
    contact(
        &browser,
        json!({"fields": {"email": "a@example.com"}, "tags": tags}),
    )
    .await;
    let page = browser.get(TAGS).await;
    assert!(
        page.contains(">tag099<") && !page.contains(">tag100<"),
        "{page}"
    );
    let page = browser.get("/app/tags?after=tag099").await;
    assert!(
        page.contains(">tag100<") && page.contains(">tag109<"),
        "{page}"
    );
}

#[tokio::test]
async fn a_viewer_sees_fields_and_tags_and_changes_none() {
    let mut browser = Browser::new().await;
    contact(
        &browser,
        json!({"fields": {"email": "a@example.com"}, "tags": ["vip"]}),
    )
    .await;
    let field = json!({"label": "Plan", "type": "text"});
    call(&browser, "POST", "/api/crm/fields", field).await;
    become_viewer(&mut browser).await;
    for (path, seen) in [(FIELDS, "Plan"), (TAGS, "vip")] {
        let page = browser.get(path).await;
        let main = page.split_once("<main").unwrap().1;
        assert!(main.contains(seen), "{page}");
        for words in ["New field", "/app/fields/plan", "Rename", "Delete"] {
            assert!(!main.contains(words), "{path} offers {words}: {page}");
        }
    }
    for path in [
        "/app/fields/new",
        "/app/fields/plan",
        "/app/fields/plan/delete",
        "/app/tags/rename?tag=vip",
        "/app/tags/delete?tag=vip",
    ] {
        browser.get(path).await;
        assert_eq!(browser.status, 403, "{path}");
        browser.get("/app/account").await;
        let fields = [("label", "x"), ("kind", "text"), ("to", "x")];
        browser.post(path, &fields).await;
        assert_eq!(browser.status, 403, "{path}");
    }
}

#[tokio::test]
async fn another_organisations_field_and_tag_are_not_found() {
    let mut browser = Browser::new().await;
    let token = browser.installation.stranger.clone();
    for (path, body) in [
        (
            "/api/crm/fields",
            json!({"label": "Theirs", "type": "text"}),
        ),
        (
            "/api/crm/contacts",
            json!({"fields": {"email": "x@example.com"}, "tags": ["theirs"]}),
        ),
    ] {
        browser
            .installation
            .call(&token, "POST", path, Some(body))
            .await
            .ok(201);
    }
    for path in [FIELDS, TAGS] {
        let page = browser.get(path).await;
        assert!(!page.to_lowercase().contains("theirs"), "{page}");
    }
    for path in ["/app/fields/theirs", "/app/fields/theirs/delete"] {
        browser.get(path).await;
        assert_eq!(browser.status, 404, "{path}");
        browser.get("/app/account").await;
        browser.post(path, &[("label", "x")]).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    browser.get("/app/account").await;
    browser
        .post("/app/tags/rename?tag=theirs", &[("to", "x")])
        .await;
    assert_eq!(browser.status, 404);
    let answer = browser
        .installation
        .call(&token, "GET", "/api/crm/tags/theirs", None)
        .await;
    assert_eq!(answer.ok(200)["contacts"], 1);
}

#[tokio::test]
async fn scripts_in_labels_options_and_tags_are_shown_as_text() {
    let mut browser = Browser::new().await;
    let script = "<script>alert(1)</script>";
    browser.get("/app/fields/new").await;
    let form = [
        ("label", script),
        ("alias", "evil"),
        ("kind", "select"),
        ("options", "a = </textarea><script>alert(1)</script>"),
    ];
    browser.post("/app/fields/new", &form).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    contact(
        &browser,
        json!({"fields": {"email": "a@example.com"}, "tags": [script]}),
    )
    .await;
    let query = serde_urlencoded::to_string([("tag", script)]).unwrap();
    for path in [
        FIELDS.to_owned(),
        "/app/fields/evil".to_owned(),
        "/app/fields/evil/delete".to_owned(),
        TAGS.to_owned(),
        format!("/app/tags/rename?{query}"),
        format!("/app/tags/delete?{query}"),
        "/app/contacts/new".to_owned(),
    ] {
        let page = browser.get(&path).await;
        assert!(!page.contains("<script>alert"), "{path}: {page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}: {page}");
    }
}
