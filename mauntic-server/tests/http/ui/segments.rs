//! The pages of segments, asked through the real router by somebody with a browser.

use crate::browser::Browser;
use crate::support::Installation;
use mauntic_core::{WorkerId, storage::test_database::TestDatabase};
use serde_json::{Value, json};

const PASSWORD: &str = "a long enough password";

/// A browser in the first organisation, of somebody with that role.
async fn browser_of(role: &str) -> Browser {
    on(TestDatabase::chosen().await, role).await
}

async fn on(database: TestDatabase, role: &str) -> Browser {
    let mut browser = Browser::fresh(Installation::on(database).await);
    let installation = &browser.installation;
    installation
        .member("mia@example.com", "Mia", role, PASSWORD)
        .await;
    browser.log_in("mia@example.com", PASSWORD).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    browser
}

/// What the owner makes by the API.
async fn api(browser: &Browser, path: &str, body: Value) -> Value {
    let installation = &browser.installation;
    let answer = installation.call(&installation.owner, "POST", path, Some(body));
    let answer = answer.await;
    assert!(answer.status < 300, "{path}: {}", answer.json());
    answer.json()
}

async fn contact(browser: &Browser, email: &str, country: &str) -> String {
    let body = json!({"email": email, "fields": {"country": country}});
    let made = api(browser, "/api/crm/contacts", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Makes a segment in the browser, and returns where it is.
async fn segment(browser: &mut Browser, name: &str, rule: &str) -> String {
    browser.get("/app/segments/new").await;
    let fields = [("name", name), ("description", ""), ("rule", rule)];
    browser.post("/app/segments/new", &fields).await;
    assert!(browser.at.ends_with("?done=created"), "{}", browser.page);
    browser.at.split('?').next().unwrap().to_owned()
}

/// Does what a worker does.
async fn rebuild(browser: &Browser) {
    let app = &browser.installation.app;
    let worker = WorkerId::generate(&*app.ids);
    while app.segment_worker.run_due_rebuilds(worker).await.unwrap() {}
}

#[track_caller]
fn assert_has(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text:?} is missing in {page}");
    }
}

#[track_caller]
fn assert_lacks(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(!page.contains(text), "{text:?} stands in {page}");
    }
}

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
async fn members_and_segments_are_listed_page_by_page() {
    let mut mia = browser_of("member").await;
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(contact(&mia, &format!("c{number:02}@example.com"), "DE").await);
        let body = json!({"name": format!("S{number:02}")});
        api(&mia, "/api/crm/segments", body).await;
    }
    let page = mia.get("/app/segments").await;
    assert_has(page, &[">S00<", ">S49<", "Next page"]);
    assert_lacks(page, &[">S50<"]);
    let next = link(page, "rel=\"next\"");
    let page = mia.get(&next).await;
    assert_has(page, &[">S50<", ">S59<"]);
    assert_lacks(page, &[">S49<", "Next page"]);

    let place = segment(&mut mia, "Everyone", "everyone").await;
    rebuild(&mia).await;
    let page = mia.get(&place).await;
    assert_eq!(page.matches("name=\"contact\" value=\"").count(), 50);
    let next = link(page, "rel=\"next\"");
    let page = mia.get(&next).await;
    assert_eq!(page.matches("name=\"contact\" value=\"").count(), 10);
    assert_has(page, &["c59@example.com"]);
}

/// The address of the link that has an attribute.
fn link(page: &str, attribute: &str) -> String {
    let tags = page.split("<a ").skip(1);
    let tags = tags.filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
    let tag = tags
        .into_iter()
        .find(|tag| tag.contains(attribute))
        .unwrap();
    let rest = tag.split_once("href=\"").unwrap().1;
    rest.split_once('"').unwrap().0.replace("&amp;", "&")
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
    let email = api(
        &mia,
        "/api/messaging/emails",
        json!({"name": "Hello", "content": content}),
    )
    .await;
    let id = place.rsplit('/').next().unwrap();
    let send = json!({"email_id": email["id"], "segment_id": id, "at": "2099-01-01T00:00:00Z"});
    api(&mia, "/api/messaging/sends", send).await;
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
async fn a_viewer_is_offered_no_change_and_refused_when_forced() {
    let mut vic = browser_of("viewer").await;
    let ann = contact(&vic, "ann@example.com", "DE").await;
    let made = api(
        &vic,
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
    api(&mia, "/api/crm/contacts", patch).await;
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

#[tokio::test]
async fn people_are_named_as_they_are_called_and_those_without_an_address_by_their_id() {
    let mut mia = browser_of("member").await;
    let place = segment(&mut mia, "Few", "").await;
    let made = async |mia: &Browser, fields: Value| {
        let body = json!({"fields": fields});
        let made = api(mia, "/api/crm/contacts", body).await;
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
    api(&mia, "/api/crm/contacts", json!({"fields": anna})).await;
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
    api(&mia, "/api/crm/contacts", json!({"fields": other})).await;
    mia.get(&place).await;
    let page = mia.post(&add, &[("email", "Anna Moe")]).await;
    assert_has(
        page,
        &["Several contacts fit", "Anna Moe (moe@example.com)"],
    );
    assert_eq!(mia.status, 422);
}
