//! Two records of one person: the old address of one, finding the other, comparing them, making one of them.

use crate::browser::Browser;
use crate::people::{become_viewer, call, contact, foreign_contact};
use serde_json::{Value, json};

fn id_of(place: &str) -> &str {
    place.rsplit_once('/').unwrap().1
}

async fn show(browser: &Browser, place: &str) -> Value {
    let path = format!("/api/crm/contacts/{}", id_of(place));
    let token = browser.installation.owner.clone();
    let answer = browser.installation.call(&token, "GET", &path, None).await;
    answer.ok(200)
}

/// Two records, the second merged into the first.
async fn merged(browser: &Browser) -> (String, String) {
    let ann =
        json!({"fields": {"email": "ann@example.com", "firstname": "Ann", "lastname": "Lee"}});
    let ann = contact(browser, ann).await;
    let twin = contact(browser, json!({"fields": {"email": "twin@example.com"}})).await;
    let path = format!("/api/crm/contacts/{}/merge", id_of(&ann));
    call(browser, "POST", &path, json!({"contact_id": id_of(&twin)})).await;
    (ann, twin)
}

#[tokio::test]
async fn the_address_of_a_merged_record_leads_to_the_one_that_stays() {
    let mut browser = Browser::new().await;
    let (ann, twin) = merged(&browser).await;
    for path in ["", "/edit", "/delete"] {
        browser.get(&format!("{twin}{path}")).await;
        assert_eq!(browser.at, ann, "{path}");
    }
    let page = browser.get(&ann).await.to_owned();
    assert!(!page.contains(&format!("{twin}/")), "{page}");
    assert!(
        page.contains("Another record of the same person, ")
            && page.contains(&format!("<a href=\"{twin}\">twin@example.com</a>")),
        "{page}"
    );
    // What a page that was open meanwhile sends is about the one that stays.
    browser
        .post(&format!("{twin}/tags"), &[("add", "vip")])
        .await;
    assert_eq!(
        (browser.at.as_str(), browser.status),
        (&*format!("{ann}?done=saved"), 200)
    );
    let form = [("channel", "email"), ("comment", "asked")];
    browser.post(&format!("{twin}/do-not-contact"), &form).await;
    let form = [
        ("field-city", "Oslo"),
        ("was-field-city", ""),
        ("field-firstname", "Ann"),
        ("was-field-firstname", "Ann"),
    ];
    browser.post(&format!("{twin}/edit"), &form).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    let now = show(&browser, &ann).await;
    assert_eq!(now["tags"], json!(["vip"]));
    assert_eq!(now["fields"]["city"], "Oslo");
    assert_eq!(now["do_not_contact"][0]["comment"], "asked");
    // But nobody who confirms the end of one record ends the other.
    browser.post(&format!("{twin}/delete"), &[]).await;
    assert_eq!(browser.status, 404);
    show(&browser, &ann).await;
}

#[tokio::test]
async fn records_of_one_person_are_found_compared_and_merged() {
    let mut browser = Browser::new().await;
    let ann = json!({"fields": {"email": "ann.lee@gmail.com", "firstname": "Ann", "lastname": "Lee", "city": "Bonn"}, "tags": ["a"], "points": 2});
    let ann = contact(&browser, ann).await;
    let script = "<script>alert(1)</script>";
    let twin = json!({"fields": {"email": "annlee+shop@gmail.com", "firstname": "Ann", "lastname": "Lee", "city": script, "company": "Acme"}, "tags": ["b"], "points": 3});
    let twin = contact(&browser, twin).await;
    contact(&browser, json!({"fields": {"email": "bob@example.com"}})).await;
    let page = browser.get(&ann).await;
    assert!(page.contains("Perhaps the same person"), "{page}");
    assert!(page.contains("same mailbox"), "{page}");
    assert!(page.contains("annlee+shop@gmail.com"), "{page}");
    let compare = format!("{ann}/merge/{}", id_of(&twin));
    assert!(page.contains(&compare), "{page}");
    let page = browser.get(&compare).await.to_owned();
    assert!(!page.contains(script), "{page}");
    for words in [
        "Merge Ann Lee into Ann Lee?",
        "<del>Bonn</del>",
        "City: Bonn, of the record that stays",
        "Email: annlee+shop@gmail.com, of the record that becomes part of it",
        "a, b",
        "cannot be told apart again",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let swapped = format!("{twin}/merge/{}", id_of(&ann));
    assert!(page.contains(&format!("href=\"{swapped}\"")), "{page}");
    // What was looked at is what is merged.
    let path = format!("/api/crm/contacts/{}", id_of(&ann));
    call(&browser, "PATCH", &path, json!({"stage": "lead"})).await;
    let page = browser.post(&compare, &[("seen", "1.1")]).await;
    assert!(page.contains("was changed meanwhile"), "{page}");
    assert_eq!(browser.status, 409);
    let page = browser.post(&compare, &[("seen", "2.1")]).await;
    assert!(page.contains("The two records are one now."), "{page}");
    assert!(
        page.contains("No other record looks like this one."),
        "{page}"
    );
    let now = show(&browser, &ann).await;
    assert_eq!(now["tags"], json!(["a", "b"]));
    assert_eq!((&now["points"], &now["stage"]), (&json!(5), &json!("lead")));
    assert_eq!(now["fields"]["company"], "Acme");
    assert_eq!(show(&browser, &twin).await["id"], now["id"]);
    browser.get(&compare).await;
    assert_eq!(browser.at, ann, "the other one is gone");
}

#[tokio::test]
async fn the_other_record_can_be_named_by_its_address() {
    let mut browser = Browser::new().await;
    let ann = contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    let bob = contact(&browser, json!({"fields": {"email": "bob@example.com"}})).await;
    for (with, says) in [
        ("bob", "not an email address"),
        ("nobody%40example.com", "No contact has this address."),
        ("ann%40example.com", "the address of the record itself"),
    ] {
        let page = browser.get(&format!("{ann}/merge?with={with}")).await;
        assert!(page.contains(says), "{page}");
        assert!(page.contains("id=\"with-error\""), "{page}");
        assert_eq!(browser.status, 422);
    }
    let page = browser
        .get(&format!("{ann}/merge?with=BOB%40example.com"))
        .await;
    assert!(page.contains("Nothing that is known says"), "{page}");
    assert_eq!(browser.at, format!("{ann}/merge/{}", id_of(&bob)));
}

#[tokio::test]
async fn who_may_not_merge_is_not_offered_it_and_is_refused() {
    let mut browser = Browser::new().await;
    let ann = contact(&browser, json!({"fields": {"email": "ann@example.com"}})).await;
    let twin = contact(&browser, json!({"fields": {"email": "ann+x@example.com"}})).await;
    let foreign = foreign_contact(&browser).await;
    for other in [&foreign, &ann] {
        let path = format!("{ann}/merge/{}", id_of(other));
        browser.get(&path).await;
        assert_ne!(browser.status, 200, "{path}");
        browser.get("/app/account").await;
        browser.post(&path, &[("seen", "1.1")]).await;
        assert!(browser.status >= 400, "{path}");
    }
    become_viewer(&mut browser).await;
    let page = browser.get(&ann).await;
    assert!(!page.contains("Perhaps the same person"), "{page}");
    for path in [
        format!("{ann}/merge?with=ann%2Bx%40example.com"),
        format!("{ann}/merge/{}", id_of(&twin)),
    ] {
        browser.get(&path).await;
        assert_eq!(browser.status, 403, "{path}");
    }
    browser.get("/app/account").await;
    let path = format!("{ann}/merge/{}", id_of(&twin));
    browser.post(&path, &[("seen", "1.1")]).await;
    assert_eq!(browser.status, 403);
    show(&browser, &twin).await;
}
