//! Changes of many contacts and saved views in a browser.

use crate::browser::{Browser, OWNER};
use crate::people::{become_viewer, call, contact, foreign_contact};
use mauntic_core::WorkerId;
use serde_json::json;
use uuid::Uuid;

const BULK: &str = "/app/bulk";

/// What a worker does.
async fn work(browser: &Browser) {
    let worker = WorkerId::from_uuid(Uuid::from_u128(1));
    let bulk = &browser.installation.app.bulk;
    while bulk.run_once(worker, &|| false).await.unwrap() {}
}

/// Adds so many contacts; every other one has a tag. Returns the first one's id.
async fn crowd(browser: &Browser, count: usize) -> String {
    let all: Vec<_> = (0..count)
        .map(|number| {
            let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
            json!({"fields": {"email": format!("p{number:02}@example.com"), "city": "Oslo"}, "tags": tags})
        })
        .collect();
    let body = json!({"contacts": all});
    let made = call(browser, "POST", "/api/crm/contacts/batch/create", body).await;
    made["results"][0]["id"].as_str().unwrap().to_owned()
}

/// How many rows the list has.
async fn listed(browser: &mut Browser, query: &str) -> usize {
    let page = browser.get(&format!("/app/contacts?{query}")).await;
    page.matches("name=\"contact\"").count()
}

#[tokio::test]
async fn all_that_fit_a_filter_are_tagged() {
    let mut browser = Browser::new().await;
    crowd(&browser, 20).await;
    let page = browser.get("/app/contacts?tag=even").await;
    assert!(
        page.contains("all that fit the search and filters"),
        "{page}"
    );
    let page = browser.get("/app/bulk?whom=all&tag=even&action=tags").await;
    assert!(page.contains("10 contacts"), "{page}");
    assert!(page.contains("p00@example.com"), "{page}");
    let form = [("whom", "all"), ("tag", "even"), ("action", "tags")];
    let page = browser.post(BULK, &form).await;
    assert!(page.contains("name a tag"), "{page}");
    assert_eq!(browser.status, 422);
    let mut form = form.to_vec();
    form.extend([("add", "vip, 2026"), ("remove", "even")]);
    let page = browser.post(BULK, &form).await;
    assert!(page.contains("waiting"), "{page}");
    assert!(page.contains("every 2s"), "{page}");
    let at = browser.at.split('?').next().unwrap().to_owned();
    work(&browser).await;
    let app = browser.installation.app.clone();
    mauntic_server::settle_events(&app).await.unwrap();
    let told = browser.get("/app/notifications").await;
    assert!(
        told.contains("The change of many contacts is done"),
        "{told}"
    );
    assert!(told.contains("Done for 10 of 10."), "{told}");
    assert!(told.contains(&format!("href=\"{at}\"")), "{told}");
    let page = browser.get(&at).await;
    assert!(page.contains("10 of 10"), "{page}");
    assert!(page.contains("Ann Owner"), "{page}");
    assert!(!page.contains("every 2s"), "{page}");
    assert_eq!(listed(&mut browser, "tag=vip").await, 10);
    assert_eq!(listed(&mut browser, "tag=even").await, 0);
    let page = browser.get("/app/bulk/done").await;
    assert!(page.contains("Put on the tags"), "{page}");
}

#[tokio::test]
async fn chosen_rows_are_changed_in_every_way() {
    let mut browser = Browser::new().await;
    let id = crowd(&browser, 4).await;
    let segment = call(
        &browser,
        "POST",
        "/api/crm/segments",
        json!({"name": "Fans"}),
    )
    .await;
    let segment = segment["id"].as_str().unwrap().to_owned();
    let chosen = |action| format!("{BULK}?whom=chosen&contact={id}&action={action}");
    for (action, words, fields) in [
        (
            "segment",
            "Put into a segment",
            vec![("into", segment.as_str()), ("how", "add")],
        ),
        (
            "field",
            "Set a field",
            vec![("field", "city"), ("value", "Bergen")],
        ),
        (
            "do_not_contact",
            "Do not contact",
            vec![("channel", "email"), ("comment", "asked")],
        ),
    ] {
        let page = browser.get(&chosen(action)).await;
        assert!(page.contains(words) && page.contains("1 contact"), "{page}");
        let mut form = vec![
            ("whom", "chosen"),
            ("contact", id.as_str()),
            ("action", action),
        ];
        form.extend(fields);
        browser.post(BULK, &form).await;
        assert_eq!(browser.status, 200, "{}", browser.page);
        work(&browser).await;
    }
    let page = browser.get(&format!("/app/contacts/{id}")).await;
    for words in [
        "Fans",
        "Bergen",
        "No: decided here",
        "asked",
        "in a change of many",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(listed(&mut browser, &format!("segment={segment}")).await, 1);
    // A value that the field cannot have is said at its control.
    browser.get(&chosen("field")).await;
    let form = [
        ("whom", "chosen"),
        ("contact", id.as_str()),
        ("action", "field"),
        ("field", "country"),
        ("value", "Atlantis"),
    ];
    let page = browser.post(BULK, &form).await;
    assert!(page.contains("id=\"value-error\""), "{page}");
}

#[tokio::test]
async fn deleting_many_names_what_is_lost_and_asks_again() {
    let mut browser = Browser::new().await;
    crowd(&browser, 6).await;
    let page = browser.get("/app/bulk?whom=all&action=delete").await;
    assert!(
        page.contains("6 contacts, with all that is known of them"),
        "{page}"
    );
    assert!(page.contains("All contacts that there are."), "{page}");
    let form = [("whom", "all"), ("action", "delete")];
    let page = browser.post(BULK, &form).await;
    assert!(page.contains("id=\"sure-error\""), "{page}");
    // Nobody is deleted whom the page did not count.
    let email = json!({"fields": {"email": "late@example.com"}});
    contact(&browser, email).await;
    let form = [
        ("whom", "all"),
        ("action", "delete"),
        ("sure", "on"),
        ("total", "6"),
    ];
    let page = browser.post(BULK, &form).await;
    assert!(
        page.contains("There are 7 contacts by now, 1 more"),
        "{page}"
    );
    assert!(page.contains("name=\"total\" value=\"7\""), "{page}");
    assert_eq!(browser.status, 422);
    let page = browser.post(BULK, &form[..3]).await;
    assert!(
        page.contains("7 more"),
        "who says no number agreed to none: {page}"
    );
    let form = [&form[..3], &[("total", "7")]].concat();
    browser.post(BULK, &form).await;
    work(&browser).await;
    let page = browser.get("/app/contacts").await;
    assert!(page.contains("There are no contacts yet"), "{page}");
    // Nobody is nobody.
    let page = browser.get("/app/bulk?whom=chosen&action=tags").await;
    assert!(page.contains("Nobody is chosen"), "{page}");
}

#[tokio::test]
async fn a_change_is_paused_resumed_and_stopped() {
    let mut browser = Browser::new().await;
    crowd(&browser, 3).await;
    browser.get("/app/bulk?whom=all&action=tags").await;
    let form = [("whom", "all"), ("action", "tags"), ("add", "vip")];
    browser.post(BULK, &form).await;
    let at = browser.at.clone();
    // The start page looks again while it goes on, at a page that has nothing else.
    let page = browser.get("/app/").await;
    assert!(
        page.contains("hx-get=\"/app/running\" hx-trigger=\"every 2s\""),
        "{page}"
    );
    let page = browser.get("/app/running").await;
    assert!(
        page.contains("0 of 3") && page.contains("every 2s"),
        "{page}"
    );
    assert!(!page.contains("id=\"figures\""), "{page}");
    let page = browser.post(&format!("{at}/pause"), &[]).await;
    assert!(page.contains("paused") && page.contains("Go on"), "{page}");
    assert!(!page.contains("every 2s"), "{page}");
    for path in ["/app/", "/app/running"] {
        let page = browser.get(path).await;
        assert!(
            page.contains("0 of 3") && !page.contains("every 2s"),
            "{page}"
        );
    }
    work(&browser).await;
    assert_eq!(listed(&mut browser, "tag=vip").await, 0);
    browser.post(&format!("{at}/pause"), &[]).await;
    assert_eq!(browser.status, 409);
    browser.get(&at).await;
    let page = browser.post(&format!("{at}/resume"), &[]).await;
    assert!(page.contains("waiting"), "{page}");
    let page = browser.get(&format!("{at}/cancel")).await;
    assert!(page.contains("those who still wait: 3 contacts"), "{page}");
    for step in ["pause", "resume", "fly"] {
        browser.get(&format!("{at}/{step}")).await;
        assert_eq!(browser.status, 404, "{step}");
    }
    browser.get(&at).await;
    let page = browser.post(&format!("{at}/cancel"), &[]).await;
    assert!(page.contains("stopped"), "{page}");
    work(&browser).await;
    assert_eq!(listed(&mut browser, "tag=vip").await, 0);
}

#[tokio::test]
async fn views_are_kept_opened_and_deleted() {
    let mut browser = Browser::new().await;
    crowd(&browser, 4).await;
    browser
        .get("/app/contacts?tag=even&sort=email&column=city")
        .await;
    let query = "tag=even&sort=email&column=city";
    let page = browser
        .post("/app/contacts/views", &[("query", query), ("view", " ")])
        .await;
    assert!(page.contains("id=\"view-error\""), "{page}");
    let form = [
        ("query", query),
        ("view", "Even <b>ones</b>"),
        ("shared", "on"),
    ];
    let page = browser.post("/app/contacts/views", &form).await.to_owned();
    assert!(page.contains("Even &lt;b&gt;ones&lt;/b&gt;"), "{page}");
    assert!(
        page.contains(
            "href=\"/app/contacts?tag=even&amp;sort=email&amp;column=city\" aria-current=\"true\""
        ),
        "{page}"
    );
    let delete = page.split_once("href=\"/app/contacts/views/").unwrap().1;
    let delete = format!("/app/contacts/views/{}", delete.split_once('"').unwrap().0);
    become_viewer(&mut browser).await;
    let page = browser.get("/app/contacts").await;
    assert!(
        page.contains("Even &lt;b&gt;ones"),
        "everybody sees it: {page}"
    );
    assert!(
        !page.contains("name=\"shared\"") && !page.contains(&delete),
        "{page}"
    );
    browser.post(&delete, &[]).await;
    assert_eq!(browser.status, 403);
    // Who may only look has views of their own, that nobody else sees.
    browser.get("/app/contacts").await;
    browser
        .post(
            "/app/contacts/views",
            &[("query", "tag=x"), ("view", "Vera's")],
        )
        .await;
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get("/app/contacts").await;
    assert!(!page.contains("Vera's"), "{page}");
    let page = browser.get(&delete).await;
    assert!(page.contains("no contact is touched"), "{page}");
    let page = browser.post(&delete, &[]).await;
    assert!(!page.contains("Even"), "{page}");
    browser.get(&delete).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn a_viewer_changes_nobody() {
    let mut browser = Browser::new().await;
    let id = crowd(&browser, 2).await;
    become_viewer(&mut browser).await;
    let page = browser.get("/app/contacts").await;
    assert!(
        !page.contains("Change many") && !page.contains("name=\"contact\""),
        "{page}"
    );
    for action in ["tags", "segment", "field", "do_not_contact", "delete"] {
        browser
            .get(&format!("{BULK}?whom=all&action={action}"))
            .await;
        assert_eq!(browser.status, 403, "{action}");
        browser.get("/app/account").await;
        let form = [
            ("whom", "chosen"),
            ("contact", id.as_str()),
            ("action", action),
            ("add", "x"),
            ("sure", "on"),
        ];
        browser.post(BULK, &form).await;
        assert_eq!(browser.status, 403, "{action}");
    }
}

#[tokio::test]
async fn another_organisations_contacts_and_changes_are_out_of_reach() {
    let mut browser = Browser::new().await;
    contact(&browser, json!({"fields": {"email": "a@example.com"}})).await;
    let foreign = foreign_contact(&browser).await;
    let foreign = foreign.rsplit_once('/').unwrap().1;
    let page = browser
        .get(&format!("{BULK}?whom=chosen&contact={foreign}&action=tags"))
        .await;
    assert!(page.contains("Nobody is chosen"), "{page}");
    browser.get("/app/account").await;
    let form = [
        ("whom", "chosen"),
        ("contact", foreign),
        ("action", "delete"),
        ("sure", "on"),
        ("total", "1"),
    ];
    browser.post(BULK, &form).await;
    work(&browser).await;
    let token = browser.installation.stranger.clone();
    let path = format!("/api/crm/contacts/{foreign}");
    browser
        .installation
        .call(&token, "GET", &path, None)
        .await
        .ok(200);
    let nowhere = "/app/bulk/00000000-0000-7000-8000-000000000000";
    browser.get(nowhere).await;
    assert_eq!(browser.status, 404);
    browser.get("/app/account").await;
    browser.post(&format!("{nowhere}/cancel"), &[]).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn scripts_in_what_is_to_be_done_are_shown_as_text() {
    let mut browser = Browser::new().await;
    let script = "<script>alert(1)</script>";
    let body = json!({"fields": {"email": "a@example.com", "firstname": script}, "tags": [script]});
    contact(&browser, body).await;
    let mut pages = vec![
        browser
            .get("/app/bulk?whom=all&action=tags")
            .await
            .to_owned(),
    ];
    let form = [("whom", "all"), ("action", "tags"), ("add", script)];
    pages.push(browser.post(BULK, &form).await.to_owned());
    pages.push(browser.get("/app/bulk/done").await.to_owned());
    browser.get("/app/bulk?whom=all&action=field").await;
    let form = [
        ("whom", "all"),
        ("action", "field"),
        ("field", "city"),
        ("value", script),
    ];
    pages.push(browser.post(BULK, &form).await.to_owned());
    for page in pages {
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }
}
