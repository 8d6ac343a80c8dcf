//! The list of contacts: searched, filtered, sorted, paged and exported.

use serde_json::json;

use super::LIST;
use crate::{
    browser::Browser,
    people::{call, contact, next_page},
};

#[tokio::test]
async fn without_contacts_the_list_leads_to_the_first_one() {
    let mut browser = Browser::new().await;
    let page = browser.get(LIST).await;
    assert!(page.contains("There are no contacts yet"), "{page}");
    assert!(page.contains("href=\"/app/contacts/new\""), "{page}");
    // The navigation knows the place.
    assert!(
        page.contains("href=\"/app/contacts\" aria-current=\"page\""),
        "{page}"
    );
}

#[tokio::test]
async fn the_list_is_searched_filtered_sorted_and_paged() {
    let mut browser = Browser::new().await;
    let all: Vec<_> = (0..60)
        .map(|number| {
            let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
            json!({"fields": {"email": format!("p{number:02}@example.com"), "firstname": format!("First{number:02}"), "city": "Oslo"}, "tags": tags})
        })
        .collect();
    call(
        &browser,
        "POST",
        "/api/crm/contacts/batch/create",
        json!({"contacts": all}),
    )
    .await;
    let rows = |page: &str| page.matches("href=\"/app/contacts/0").count();
    let page = browser.get("/app/contacts?sort=email").await;
    assert_eq!(rows(page), 50);
    assert!(
        page.contains("First00") && !page.contains("First50"),
        "{page}"
    );
    assert!(page.contains("aria-sort=\"ascending\""), "{page}");
    let next = next_page(page);
    let page = browser.get(&next).await;
    assert_eq!(rows(page), 10);
    assert!(
        page.contains("First50") && !page.contains("First49"),
        "{page}"
    );
    assert!(page.contains("Back to the first page"), "{page}");

    let page = browser.get("/app/contacts?tag=even&sort=email").await;
    assert_eq!(rows(page), 30);
    assert!(page.contains("Tag: even"), "{page}");
    let page = browser.get("/app/contacts?search=first07").await;
    assert_eq!(rows(page), 1);
    let page = browser.get("/app/contacts?search=*07@ex").await;
    assert_eq!(rows(page), 1);
    let page = browser.get("/app/contacts?search=nobody").await;
    assert!(page.contains("Nobody fits this"), "{page}");

    let page = browser
        .get("/app/contacts?column=city&column=nonsense")
        .await;
    assert!(page.contains(">City</th>"), "{page}");
    assert!(!page.contains(">Country</th>"), "{page}");
    assert!(page.contains("Oslo"), "{page}");
}

#[tokio::test]
async fn the_list_shows_the_members_of_a_segment_and_exports_what_it_shows() {
    let mut browser = Browser::new().await;
    let ann = contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    contact(&browser, json!({"fields": {"email": "bob@example.com"}})).await;
    let made = call(
        &browser,
        "POST",
        "/api/crm/segments",
        json!({"name": "Fans"}),
    )
    .await;
    let segment = made["id"].as_str().unwrap();
    let ids = json!({"ids": [ann.rsplit_once('/').unwrap().1]});
    call(
        &browser,
        "POST",
        &format!("/api/crm/segments/{segment}/members/add"),
        ids,
    )
    .await;
    let page = browser
        .get(&format!("/app/contacts?segment={segment}"))
        .await;
    assert!(page.contains("Segment: Fans"), "{page}");
    assert!(page.contains("ann@example.com"), "{page}");
    assert!(!page.contains("bob@example.com"), "{page}");
    assert!(page.contains("Export these"), "{page}");
    let path = format!("/app/contacts/export?segment={segment}");
    let answer = browser.send("GET", &path, None).await;
    assert!(answer.content_type.starts_with("text/csv"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("ann@example.com"), "{text}");
    assert!(!text.contains("bob@example.com"), "{text}");

    // Why they are in it.
    let page = browser.get(&ann).await;
    assert!(page.contains("put in by hand"), "{page}");
    let page = browser.get(&format!("{ann}/segments/{segment}")).await;
    assert!(page.contains("is in Fans"), "{page}");
}

#[tokio::test]
async fn the_list_is_of_an_owner_a_stage_or_those_who_may_be_written_to() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/contacts/new").await.to_owned();
    let owner = page.split_once("name=\"owner\"").unwrap().1;
    let owner = owner.split_once(">Ann Owner<").unwrap().0;
    let owner = owner.rsplit_once("value=\"").unwrap().1;
    let owner = owner.split_once('"').unwrap().0.to_owned();
    let add = async |email: &str, owner: Option<&str>, stage: Option<&str>| {
        let body = json!({"fields": {"email": email}, "owner_id": owner, "stage": stage});
        contact(&browser, body).await
    };
    add("ann@example.com", Some(&owner), Some("lead")).await;
    let bob = add("bob@example.com", None, Some("customer")).await;
    add("eve@example.com", Some(&owner), None).await;
    let mark = format!(
        "/api/crm{}/do-not-contact/email",
        bob.trim_start_matches("/app")
    );
    call(&browser, "PUT", &mark, json!({"reason": "manual"})).await;
    for (query, shown, chip) in [
        (
            format!("owner={owner}"),
            vec!["ann", "eve"],
            "Owner: Ann Owner",
        ),
        ("stage=lead".to_owned(), vec!["ann"], "Stage: lead"),
        (
            "consent=not-email".to_owned(),
            vec!["bob"],
            "Email: do not contact",
        ),
        (
            "consent=may-email".to_owned(),
            vec!["ann", "eve"],
            "Email: may be contacted",
        ),
        (
            format!("owner={owner}&stage=lead&consent=may-email"),
            vec!["ann"],
            "Stage: lead",
        ),
    ] {
        let page = browser
            .get(&format!("{LIST}?{query}&sort=email"))
            .await
            .to_owned();
        let list = page
            .split_once("<tbody>")
            .unwrap()
            .1
            .split_once("</tbody>")
            .unwrap()
            .0;
        for name in ["ann", "bob", "eve"] {
            let is_shown = list.contains(&format!("{name}@example.com"));
            assert_eq!(is_shown, shown.contains(&name), "{query}: {name}");
        }
        assert!(page.contains(&format!(">{chip}<span")), "{query}: {page}");
        assert!(page.contains("Export these"), "{query}");
        // What is kept as a view, exported or changed at once is what is seen.
        let whole = format!("{query}&sort=email");
        let view = format!("name=\"query\" value=\"{}\"", whole.replace('&', "&amp;"));
        assert!(page.contains(&view), "{query}: {page}");
        let file = browser
            .send("GET", &format!("/app/contacts/export?{query}"), None)
            .await;
        let text = String::from_utf8(file.body).unwrap();
        assert_eq!(text.lines().count(), 1 + shown.len(), "{query}: {text}");
        let page = browser
            .get(&format!("/app/bulk?action=tags&whom=all&{query}"))
            .await;
        assert!(
            page.contains("All that the search and the filters"),
            "{query}: {page}"
        );
        let of = |number: usize| {
            if number == 1 {
                "1 contact"
            } else {
                "2 contacts"
            }
        };
        assert!(page.contains(of(shown.len())), "{query}: {page}");
    }
    programs_filter_too(&browser, &owner).await;
}

/// The same filters over the API, by the id of the owner.
async fn programs_filter_too(browser: &Browser, owner: &str) {
    let owner_token = browser.installation.owner.clone();
    for (query, count) in [
        (format!("owner_id={owner}"), 2),
        ("stage=lead".to_owned(), 1),
        ("do_not_contact=email".to_owned(), 1),
        ("may_contact=email".to_owned(), 2),
    ] {
        let path = format!("/api/crm/contacts?{query}");
        let page = browser
            .installation
            .call(&owner_token, "GET", &path, None)
            .await
            .ok(200);
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let path = "/api/crm/contacts?do_not_contact=pigeon";
    browser
        .installation
        .call(&owner_token, "GET", path, None)
        .await
        .problem(400);
}

#[tokio::test]
async fn what_depends_on_the_order_comes_anew_with_the_list() {
    let mut browser = Browser::new().await;
    contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    let page = browser
        .get("/app/contacts?sort=email&column=tags")
        .await
        .to_owned();
    let head = page.split_once("id=\"list-contacts-by-name\"").unwrap().1;
    let head = head.split_once('>').unwrap().0;
    assert!(head.contains("hx-target=\"#contacts\""), "{head}");
    let anew = head
        .split_once("hx-select-oob=\"")
        .unwrap()
        .1
        .split_once('"')
        .unwrap()
        .0;
    for part in anew.split(',') {
        let id = part.strip_prefix('#').unwrap();
        assert_eq!(
            page.matches(&format!(" id=\"{id}\"")).count(),
            1,
            "{id}: {page}"
        );
    }
    let part = |id: &str| {
        page.split_once(&format!(" id=\"{id}\""))
            .unwrap()
            .1
            .to_owned()
    };
    assert!(part("views").contains("name=\"query\" value=\"sort=email&amp;column=tags\""));
    let columns = part("columns");
    assert!(
        columns.contains("name=\"sort\" value=\"email\""),
        "{columns}"
    );
    let kept = part("kept");
    let kept = kept.split_once("</span>").unwrap().0;
    assert!(
        kept.contains("value=\"email\"") && kept.contains("value=\"tags\""),
        "{kept}"
    );
    assert!(part("contacts").contains("those that are ticked on this page"));
}
