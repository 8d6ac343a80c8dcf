//! Contacts in a browser: the list, one contact, adding, changing and deleting.

use crate::browser::Browser;
use crate::people::{become_viewer, call, contact, foreign_contact, next_page};
use serde_json::json;

const LIST: &str = "/app/contacts";
const SCRIPT: &str = "<script>alert(1)</script>";

/// The value of a control in a page.
fn value_of(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\"")).unwrap();
    let (_, rest) = rest.split_once("value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

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
async fn a_rule_is_explained_part_by_part() {
    let mut browser = Browser::new().await;
    let ann = contact(
        &browser,
        json!({"fields": {"email": "ann@example.com", "country": "NO"}}),
    )
    .await;
    let body = json!({"name": "North", "where": "country = \"NO\" and city = \"Oslo\""});
    let made = call(&browser, "POST", "/api/crm/segments", body).await;
    let segment = made["id"].as_str().unwrap();
    let page = browser.get(&format!("{ann}/segments/{segment}")).await;
    assert!(page.contains("is not in North"), "{page}");
    assert!(page.contains("All of these must hold"), "{page}");
    assert!(page.contains("does not hold"), "{page}");
    assert!(page.contains("The contact has: NO"), "{page}");
    assert!(page.contains("The contact has: nothing"), "{page}");
}

#[tokio::test]
async fn tags_marks_and_the_contact_itself_come_and_go() {
    let mut browser = Browser::new().await;
    let body = json!({"fields": {"email": "ann@example.com", "firstname": "Ann"}});
    let at = contact(&browser, body).await;
    browser.get(&at).await;
    let page = browser.post(&format!("{at}/tags"), &[("add", "VIP")]).await;
    assert!(page.contains("Take off the tag VIP"), "{page}");
    let page = browser
        .post(&format!("{at}/tags"), &[("remove", "VIP")])
        .await;
    assert!(!page.contains("Take off the tag VIP"), "{page}");
    browser.post(&format!("{at}/tags"), &[("add", "a|b")]).await;
    assert_eq!(browser.status, 422);

    browser.get(&at).await;
    let mark = [("channel", "email"), ("comment", "asked at the fair")];
    let page = browser.post(&format!("{at}/do-not-contact"), &mark).await;
    assert!(page.contains("No: decided here"), "{page}");
    assert!(page.contains("asked at the fair"), "{page}");
    // It is not taken away without saying what is lost.
    let page = browser.get(&format!("{at}/allow/email")).await;
    assert!(
        page.contains("The decision that somebody made here"),
        "{page}"
    );
    assert!(page.contains("asked at the fair"), "{page}");
    let page = browser.post(&format!("{at}/allow/email"), &[]).await;
    assert!(!page.contains("No: decided here"), "{page}");
    browser.get(&format!("{at}/allow/email")).await;
    assert_eq!(browser.status, 404);

    let page = browser.get(&format!("{at}/delete")).await;
    assert!(page.contains("Delete Ann?"), "{page}");
    let page = browser.post(&format!("{at}/delete"), &[]).await;
    assert!(page.contains("It was deleted."), "{page}");
    browser.get(&at).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn the_timeline_goes_back_page_by_page() {
    let mut browser = Browser::new().await;
    let at = contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    let api = at.replace("/app/", "/api/crm/");
    for number in 0..45 {
        let changes = json!({"fields": {"city": format!("City{number:02}")}});
        call(&browser, "PATCH", &api, changes).await;
    }
    let page = browser.get(&at).await;
    assert!(
        page.contains("City44") && !page.contains("City03<"),
        "{page}"
    );
    let older = page.split_once("?mail=").unwrap().1;
    let older = older.split_once('"').unwrap().0.replace("&amp;", "&");
    let page = browser.get(&format!("{at}?mail={older}")).await;
    assert!(page.contains("<ins>City03</ins>"), "{page}");
    assert!(page.contains("<ins>ann@example.com</ins>"), "{page}");
    assert!(!page.contains(">Older<"), "{page}");
}

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
