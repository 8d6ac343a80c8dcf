//! The members of a segment: page by page, and who is put in by which words.

use serde_json::{Value, json};

use super::{browser_of, contact, rebuild, segment};
use crate::{
    browser::Browser,
    page::{assert_has, assert_lacks},
    people::{call, next_page},
};

#[tokio::test]
async fn members_and_segments_are_listed_page_by_page() {
    let mut mia = browser_of("member").await;
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(contact(&mia, &format!("c{number:02}@example.com"), "DE").await);
        let body = json!({"name": format!("S{number:02}")});
        call(&mia, "POST", "/api/crm/segments", body).await;
    }
    let page = mia.get("/app/segments").await;
    assert_has(page, &[">S00<", ">S49<", "Next page"]);
    assert_lacks(page, &[">S50<"]);
    let next = next_page(page);
    let page = mia.get(&next).await;
    assert_has(page, &[">S50<", ">S59<"]);
    assert_lacks(page, &[">S49<", "Next page"]);

    let place = segment(&mut mia, "Everyone", "everyone").await;
    rebuild(&mia).await;
    let page = mia.get(&place).await;
    assert_eq!(page.matches("name=\"contact\" value=\"").count(), 50);
    let next = next_page(page);
    let page = mia.get(&next).await;
    assert_eq!(page.matches("name=\"contact\" value=\"").count(), 10);
    assert_has(page, &["c59@example.com"]);
}

#[tokio::test]
async fn an_address_that_nobody_has_is_refused_at_its_field() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Few", "").await;
    for (email, told) in [
        ("nobody", "No contact has a name or an address"),
        ("no@example.com", "No contact has the address"),
        (
            "00000000-0000-7000-8000-000000000000",
            "No contact has this id",
        ),
    ] {
        let page = mia.post(&format!("{place}/add"), &[("email", email)]).await;
        assert_has(
            page,
            &[told, "id=\"email-error\"", &format!("value=\"{email}\"")],
        );
        assert_eq!(mia.status, 422);
        let page = mia.get(&format!("{place}?contact={email}")).await;
        assert_has(page, &[told, "id=\"contact-error\""]);
    }
}

#[tokio::test]
async fn people_are_named_as_they_are_called_and_those_without_an_address_by_their_id() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Few", "").await;
    let made = async |mia: &Browser, fields: Value| {
        let body = json!({"fields": fields});
        let made = call(mia, "POST", "/api/crm/contacts", body).await;
        made["id"].as_str().unwrap().to_owned()
    };
    made(
        &mia,
        json!({"firstname": "Ann", "lastname": "Lee", "email": "ann@example.com"}),
    )
    .await;
    let zoe = made(&mia, json!({"firstname": "Zoe", "lastname": "Fjord"})).await;
    // What fits is offered as it can be sent.
    let page = mia.get("/app/search?contact=zoe").await;
    assert_has(
        page,
        &[&format!("<option value=\"{zoe}\">Zoe Fjord</option>")],
    );
    let page = mia.get("/app/search?email=ann").await;
    assert_has(
        page,
        &["<option value=\"ann@example.com\">Ann Lee</option>"],
    );
    let page = mia.get(&place).await;
    assert_has(
        page,
        &[
            "hx-get=\"/app/search\"",
            "list=\"email-found\"",
            "list=\"contact-found\"",
        ],
    );
    for named in ["Lee Ann", &zoe] {
        mia.get(&place).await;
        mia.post(&format!("{place}/add"), &[("email", named)]).await;
        assert_eq!(mia.status, 200, "{named}: {}", mia.page);
    }
    let page = mia.get(&format!("{place}?contact={zoe}")).await;
    assert_has(page, &["Zoe Fjord", " is in"]);
    let page = mia.get(&format!("{place}?contact=ann")).await;
    assert_has(page, &["Ann Lee", " is in"]);
    made(&mia, json!({"firstname": "Anna", "lastname": "Moe"})).await;
    let page = mia.get(&format!("{place}?contact=ann")).await;
    assert_has(
        page,
        &[
            "Several contacts fit",
            "Ann Lee (ann@example.com)",
            "Anna Moe (",
        ],
    );
}

#[tokio::test]
async fn nobody_is_put_in_by_the_beginning_of_a_name() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Guests", "").await;
    let anna = json!({"firstname": "Anna", "lastname": "Moe", "email": "anna@example.com"});
    call(&mia, "POST", "/api/crm/contacts", json!({"fields": anna})).await;
    let add = format!("{place}/add");
    for (typed, told) in [
        ("an", "Did you mean Anna Moe (anna@example.com)?"),
        ("anna", "Did you mean Anna Moe (anna@example.com)?"),
        ("", "Write a name or an address"),
        ("  ", "Write a name or an address"),
        ("zoe", "No contact has a name or an address"),
    ] {
        mia.get(&place).await;
        mia.post(&add, &[("email", typed)]).await;
        assert_eq!(mia.status, 422, "{typed}: {}", mia.page);
        assert_has(&mia.page, &["id=\"email-error\"", told]);
    }
    let page = mia.get(&place).await;
    assert_has(page, &["Nobody is in here."]);
    let page = mia.post(&add, &[("email", "anna MOE")]).await;
    assert_has(page, &["The contact was put in", "anna@example.com"]);
    // Of two who are called the same, neither.
    let other = json!({"firstname": "Anna", "lastname": "Moe", "email": "moe@example.com"});
    call(&mia, "POST", "/api/crm/contacts", json!({"fields": other})).await;
    mia.get(&place).await;
    let page = mia.post(&add, &[("email", "Anna Moe")]).await;
    assert_has(
        page,
        &["Several contacts fit", "Anna Moe (moe@example.com)"],
    );
    assert_eq!(mia.status, 422);
}
