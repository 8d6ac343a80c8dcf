//! Who sees and changes what: viewers, other organisations, forms without a token, and scripts in names.

use serde_json::json;

use super::{browser_of, contact, rebuild, segment};
use crate::{
    page::{assert_has, assert_lacks},
    people::call,
};

#[tokio::test]
async fn a_viewer_is_offered_no_change_and_refused_when_forced() {
    let mut vic = browser_of("viewer").await;
    let ann = contact(&vic, "ann@example.com", "DE").await;
    let made = call(
        &vic,
        "POST",
        "/api/crm/segments",
        json!({"name": "Theirs", "where": "everyone"}),
    )
    .await;
    let place = format!("/app/segments/{}", made["id"].as_str().unwrap());
    rebuild(&vic).await;
    let list = vic.get("/app/segments").await;
    assert_has(list, &["Theirs"]);
    assert_lacks(list, &["New segment"]);
    let page = vic.get(&place).await;
    assert_has(page, &["ann@example.com", "Explain"]);
    assert_lacks(page, &["/edit", "/delete", "/rebuild", "/add", "/remove"]);
    for path in [
        "/app/segments/new",
        &format!("{place}/edit"),
        &format!("{place}/delete"),
    ] {
        vic.get(path).await;
        assert_eq!(vic.status, 403, "{path}");
        vic.get(&place).await;
        vic.post(
            path,
            &[("name", "Forced"), ("rule", "everyone"), ("version", "1")],
        )
        .await;
        assert_eq!(vic.status, 403, "{path}");
    }
    for (path, field) in [
        ("add", ("email", "ann@example.com")),
        ("remove", ("contact", &*ann)),
        ("rebuild", ("x", "")),
    ] {
        vic.get(&place).await;
        vic.post(&format!("{place}/{path}"), &[field]).await;
        assert_eq!(vic.status, 403, "{path}");
    }
    assert_has(
        vic.get(&place).await,
        &["<h1>Theirs</h1>", "ann@example.com", "by rule"],
    );
}

#[tokio::test]
async fn another_organisations_segment_is_not_there() {
    let mut mia = browser_of("owner").await;
    let installation = &mia.installation;
    let made = installation.call(
        &installation.stranger,
        "POST",
        "/api/crm/segments",
        Some(json!({"name": "Secret"})),
    );
    let made = made.await.ok(201);
    let place = format!("/app/segments/{}", made["id"].as_str().unwrap());
    for path in ["", "/edit", "/delete"] {
        mia.get(&format!("{place}{path}")).await;
        assert_eq!(mia.status, 404, "{path}");
        assert_lacks(&mia.page, &["Secret"]);
    }
    for path in ["/edit", "/delete", "/add", "/remove", "/rebuild"] {
        mia.get("/app/account").await;
        let fields = [
            ("name", "Mine"),
            ("version", "1"),
            ("email", "a@example.com"),
        ];
        mia.post(&format!("{place}{path}"), &fields).await;
        assert_eq!(mia.status, 404, "{path}");
    }
    mia.get("/app/segments/not-an-id").await;
    assert_eq!(mia.status, 404);
    // Nor does a rule reach it.
    mia.get("/app/segments/new").await;
    let id = made["id"].as_str().unwrap();
    for rule in [
        format!("segment = \"{id}\""),
        "segment = \"Secret\"".to_owned(),
    ] {
        let page = mia
            .post("/app/segments/new", &[("name", "Mine"), ("rule", &rule)])
            .await;
        assert_has(page, &["id=\"rule-error\""]);
        assert_eq!(mia.status, 422, "{rule}");
    }
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Kept", "").await;
    for path in [
        "/app/segments/new",
        &format!("{place}/edit"),
        &format!("{place}/delete"),
        &format!("{place}/add"),
        &format!("{place}/remove"),
        &format!("{place}/rebuild"),
    ] {
        mia.post_exactly(path, &[("name", "Changed"), ("version", "1")])
            .await;
        assert_eq!(mia.status, 403, "{path}");
    }
    assert_has(mia.get(&place).await, &["<h1>Kept</h1>"]);
}

#[tokio::test]
async fn a_name_with_a_script_is_shown_as_it_is() {
    let mut mia = browser_of("member").await;
    let script = "<script>alert(1)</script>";
    contact(&mia, "ann@example.com", "DE").await;
    let patch = json!({"email": "bob@example.com", "tags": [script], "fields": {"city": script}});
    call(&mia, "POST", "/api/crm/contacts", patch).await;
    let place = segment(
        &mut mia,
        script,
        &format!("tag = \"{script}\" or city = \"{script}\""),
    )
    .await;
    rebuild(&mia).await;
    let other = segment(&mut mia, "Other", &format!("segment = \"{script}\"")).await;
    for path in [
        "/app/segments".to_owned(),
        place.clone(),
        format!("{place}?contact=bob@example.com"),
        format!("{place}?contact=%3Cscript%3Ealert(1)"),
        format!("{place}/edit"),
        format!("{place}/delete"),
        format!("{other}/edit"),
        other.clone(),
    ] {
        let page = mia.get(&path).await;
        assert_has(page, &["&lt;script&gt;alert(1)"]);
        assert_lacks(page, &["<script>alert"]);
    }
    let draft = [
        ("do", "preview"),
        ("name", script),
        ("description", "</textarea><script>alert(1)"),
        ("rule", "tag = \"</textarea><script>alert(1)\""),
    ];
    let page = mia.post("/app/segments/new", &draft).await;
    assert_lacks(page, &["<script>alert", "</textarea><script"]);
}
