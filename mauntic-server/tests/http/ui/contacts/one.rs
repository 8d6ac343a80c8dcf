//! The page of one contact: why it is in a segment, tags and marks, its timeline, and its end.

use serde_json::json;

use crate::{
    browser::Browser,
    people::{call, contact},
};

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
