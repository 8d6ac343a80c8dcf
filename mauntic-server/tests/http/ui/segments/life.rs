//! A segment from its first draft to its end, and what it is refused on the way.

use mauntic_core::storage::test_database::TestDatabase;
use serde_json::json;

use super::{browser_of, contact, on, rebuild, segment};
use crate::{
    browser::Browser,
    page::{assert_has, assert_lacks},
    people::call,
};

/// A segment from its first draft to its end, on one back end.
async fn a_whole_life(database: TestDatabase) {
    let mut mia = on(database, "member").await;
    assert_has(
        mia.get("/app/segments").await,
        &["There are no segments yet", "/app/segments/new"],
    );
    contact(&mia, "ann@example.com", "DE").await;
    contact(&mia, "bob@example.com", "NO").await;

    mia.get("/app/segments/new").await;
    let draft = [
        ("do", "preview"),
        ("name", "Germans"),
        ("rule", "country = \"DE\""),
    ];
    let page = mia.post("/app/segments/new", &draft).await;
    assert_has(
        page,
        &[
            "Fits 1 contact<",
            "ann@example.com",
            "Nothing was saved",
            "value=\"Germans\"",
        ],
    );
    assert_lacks(page, &["bob@example.com"]);
    assert_has(
        mia.get("/app/segments").await,
        &["There are no segments yet"],
    );

    let place = segment(&mut mia, "Germans", "country = \"DE\"").await;
    assert_has(
        &mia.page,
        &["It was created.", "waits to be built", "Nobody is in here."],
    );
    assert_has(&mia.page, &["every 2s"]);
    rebuild(&mia).await;
    let page = mia.get(&place).await;
    assert_has(
        page,
        &["ann@example.com", "by rule", "1 came in, 0 went out"],
    );
    assert_lacks(page, &["bob@example.com", "waits to be built", "every 2s"]);

    // By hand, against the rule.
    let page = mia
        .post(&format!("{place}/add"), &[("email", "bob@example.com")])
        .await;
    assert_has(
        page,
        &["The contact was put in", "bob@example.com", "by hand"],
    );
    let page = mia.get(&format!("{place}?contact=bob@example.com")).await;
    assert_has(
        page,
        &[" is in, by hand.", "✗", "country = &quot;DE&quot;", "NO"],
    );
    let page = mia.get(&format!("{place}?contact=ann@example.com")).await;
    assert_has(page, &[" is in, by rule.", "✓"]);
    let bob = page_id(mia.get(&place).await, "bob@example.com");
    let page = mia
        .post(&format!("{place}/remove"), &[("contact", &bob)])
        .await;
    assert_has(page, &["The contact was taken out"]);
    let page = mia.get(&format!("{place}?contact=bob@example.com")).await;
    assert_has(page, &[" is not in, taken out by hand."]);

    changed_and_gone(&mut mia, &place).await;
}

/// The second half of its life.
async fn changed_and_gone(mia: &mut Browser, place: &str) {
    let page = mia.post(&format!("{place}/rebuild"), &[]).await;
    assert_has(page, &["The rebuild is due now", "waits to be built"]);
    rebuild(mia).await;

    let page = mia.get(&format!("{place}/edit")).await;
    assert_has(page, &["value=\"Germans\"", "country = &quot;DE&quot;"]);
    let change = [
        ("version", "1"),
        ("name", "Norwegians"),
        ("rule", "country = \"NO\""),
    ];
    let page = mia.post(&format!("{place}/edit"), &change).await;
    assert_has(page, &["The change was saved.", "<h1>Norwegians</h1>"]);
    // Somebody who began before that is told, and loses nothing.
    let late = [
        ("version", "1"),
        ("name", "Late"),
        ("rule", "country = \"SE\""),
    ];
    let page = mia.post(&format!("{place}/edit"), &late).await;
    assert_has(
        page,
        &[
            "Somebody changed this segment",
            "value=\"Late\"",
            "country = &quot;SE&quot;",
            "value=\"2\"",
        ],
    );
    assert_eq!(mia.status, 409);

    let page = mia.get(&format!("{place}/delete")).await;
    assert_has(
        page,
        &[
            "Delete the segment “Norwegians”?",
            "its rule",
            "list of members",
        ],
    );
    let page = mia.post(&format!("{place}/delete"), &[]).await;
    assert_has(page, &["It was deleted.", "There are no segments yet"]);
    mia.get(place).await;
    assert_eq!(mia.status, 404);
}

/// The id of the contact whose row has that address.
fn page_id(page: &str, email: &str) -> String {
    let row = page.split("<tr>").find(|row| row.contains(email)).unwrap();
    let rest = row.split_once("name=\"contact\" value=\"").unwrap().1;
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_segment_is_written_built_filled_by_hand_changed_and_deleted() {
    a_whole_life(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    a_whole_life(TestDatabase::postgres().await).await;
}

#[tokio::test]
async fn a_wrong_rule_is_marked_where_it_is_wrong_and_nothing_is_lost() {
    let mut mia = browser_of("member").await;
    for (action, rule, told) in [
        (
            "preview",
            "country = \"DE\"\nand contry = 1",
            "Line 2, column 5",
        ),
        ("save", "country = \"DE\" and", "at the end"),
        ("save", "points contains \"x\"", "points is a number"),
        ("save", "segment = \"Nowhere\"", "no segment is called"),
    ] {
        mia.get("/app/segments/new").await;
        let draft = [
            ("do", action),
            ("name", "Mine"),
            ("description", "Kept"),
            ("rule", rule),
        ];
        let page = mia.post("/app/segments/new", &draft).await;
        assert_has(
            page,
            &[told, "id=\"rule-error\"", "value=\"Mine\"", "Kept", "^"],
        );
        assert_has(
            page,
            &[rule
                .split('\n')
                .next()
                .unwrap()
                .replace('"', "&quot;")
                .as_str()],
        );
        assert_eq!(mia.status, 422, "{rule}");
    }
    segment(&mut mia, "Taken", "").await;
    let again = [("name", "TAKEN"), ("rule", "")];
    let page = mia.post("/app/segments/new", &again).await;
    assert_has(
        page,
        &["Another segment is called that.", "id=\"name-error\""],
    );
    let page = mia
        .post("/app/segments/new", &[("name", " "), ("rule", "everyone")])
        .await;
    assert_has(page, &["id=\"name-error\"", "everyone"]);
}

#[tokio::test]
async fn what_others_need_is_named_and_not_deleted() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Base", "country = \"DE\"").await;
    segment(&mut mia, "Built on it", "segment = \"Base\" and points > 1").await;
    assert_has(mia.get(&place).await, &["the rule of ", "Built on it"]);
    let page = mia.get(&format!("{place}/delete")).await;
    assert_has(page, &["cannot be deleted yet", "Built on it"]);
    // Forced, with the token of another page.
    mia.get("/app/account").await;
    let page = mia.post(&format!("{place}/delete"), &[]).await;
    assert_has(page, &["cannot be deleted yet", "Built on it"]);
    assert_eq!(mia.status, 409);

    // A send does not keep a segment from going, but what becomes of it is said.
    let place = segment(&mut mia, "Audience", "").await;
    let html = "<p>Hi <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a></p>";
    let content = json!({"subject": "Hi", "html": html, "from_address": "a@example.com"});
    let email = call(
        &mia,
        "POST",
        "/api/messaging/emails",
        json!({"name": "Hello", "content": content}),
    )
    .await;
    let id = place.rsplit('/').next().unwrap();
    let send = json!({"email_id": email["id"], "segment_id": id, "at": "2099-01-01T00:00:00Z"});
    call(&mia, "POST", "/api/messaging/sends", send).await;
    assert_has(mia.get(&place).await, &["/app/sends/", ">scheduled<"]);
    let page = mia.get(&format!("{place}/delete")).await;
    assert_has(
        page,
        &["recipients of the send of 1 Jan 2099, 00:00 UTC, which is scheduled"],
    );
}

#[tokio::test]
async fn growth_is_a_line_with_its_figures() {
    let mut mia = browser_of("member").await;
    contact(&mia, "ann@example.com", "DE").await;
    let place = segment(&mut mia, "Few", "").await;
    assert_has(mia.get(&place).await, &["From tomorrow on"]);
    let app = mia.installation.app.clone();
    let today = app.clock.now().date_naive();
    for days in [3, 1] {
        let mut uow = app.crm_store.begin().await.unwrap();
        let day = today - chrono::Days::new(days);
        uow.segments().note_counts(day).await.unwrap();
        uow.commit().await.unwrap();
    }
    mia.post(&format!("{place}/add"), &[("email", "ann@example.com")])
        .await;
    let page = mia.get(&place).await;
    assert_has(
        page,
        &[
            "1 members now, 1 more than on",
            "role=\"img\"",
            "Show as table",
        ],
    );
    let rows = page.split_once("Show as table").unwrap().1;
    let rows = rows.split_once("<tbody>").unwrap().1;
    let rows = rows.split_once("</table>").unwrap().0;
    assert_eq!(rows.matches("<tr>").count(), 4, "{rows}");
}
