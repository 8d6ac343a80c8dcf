//! The pages of sends and their results, asked through the real router by somebody with a browser.

use std::time::Duration;

use crate::browser::Browser;
use crate::support::Installation;
use chrono::TimeDelta;
use mauntic_core::{
    DeliveryId, EmailId, EmailVersionId, PageSize, UuidV7Source,
    storage::test_database::TestDatabase,
};
use mauntic_messaging::{
    email::PreviewRecipient,
    suppression::{NewSuppression, SuppressionReason},
    token::{Purpose, TokenSigner, TrackingToken},
};
use mauntic_server::{Workers, jobs, settle_events};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(super) const PASSWORD: &str = "a long enough password";
const BODY: &str = "<p>Hello {{ contact.firstname }}, <a href=\"https://example.com/news\">news</a>, <a href=\"{{ unsubscribe_url }}\">unsubscribe</a></p>";

/// An organisation with Ada, an admin; Mia, a member, who is logged in, and Vic, a viewer.
pub(super) async fn office(database: TestDatabase) -> Browser {
    staffed(Installation::on(database).await).await
}

pub(super) async fn staffed(installation: Installation) -> Browser {
    for (name, role) in [("ada", "admin"), ("mia", "member"), ("vic", "viewer")] {
        let email = format!("{name}@example.com");
        installation.member(&email, name, role, PASSWORD).await;
    }
    let mut browser = Browser::fresh(installation);
    browser.log_in("mia@example.com", PASSWORD).await;
    browser
}

pub(super) async fn made(installation: &Installation, path: &str, body: Value) -> Value {
    let owner = installation.owner.clone();
    let made = installation.call(&owner, "POST", path, Some(body)).await;
    made.ok(201)
}

pub(super) async fn email(installation: &Installation) -> String {
    let body = json!({
        "name": "Launch",
        "content": {"subject": "Hi", "html": BODY, "from_address": "news@example.com"},
    });
    let made = made(installation, "/api/messaging/emails", body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// A segment of contacts: their addresses, which may be none, and first names.
pub(super) async fn segment(installation: &Installation, people: &[(&str, &str)]) -> String {
    let (app, ours) = (&installation.app, &installation.ours);
    let body = json!({"name": "Readers"});
    let segment = made(installation, "/api/crm/segments", body).await;
    let segment = segment["id"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for (address, firstname) in people {
        let mut contact = json!({"fields": {"lastname": "Reader"}});
        if !address.is_empty() {
            contact["email"] = json!(address);
        }
        if !firstname.is_empty() {
            contact["fields"]["firstname"] = json!(firstname);
        }
        let contact = made(installation, "/api/crm/contacts", contact).await;
        ids.push(contact["id"].as_str().unwrap().parse().unwrap());
    }
    if !ids.is_empty() {
        let id = segment.parse().unwrap();
        app.segments.add(ours, id, &ids).await.unwrap();
    }
    segment
}

async fn suppress(installation: &Installation, address: &str) {
    let new = NewSuppression {
        address: address.parse().unwrap(),
        reason: SuppressionReason::Manual,
        source: "test".to_owned(),
        note: None,
    };
    let (app, ours) = (&installation.app, &installation.ours);
    app.suppressions.add(ours, new).await.unwrap();
}

/// Looks at a page until it says something.
pub(super) async fn until(browser: &mut Browser, path: &str, words: &str) {
    for _ in 0..20_000 {
        if browser.get(path).await.contains(words) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{path} never says {words}: {}", browser.page);
}

pub(super) fn has(page: &str, words: &str) {
    assert!(page.contains(words), "{words} is missing in {page}");
}

/// The people behind the numbers of the send, over the API.
async fn programs_see_who_stands_behind(mia: &Browser, email: &str) {
    let owner = mia.installation.owner.clone();
    let api = format!("/api/messaging/emails/{email}");
    let behind = format!("{api}/people?behind=accepted");
    let people = mia
        .installation
        .call(&owner, "GET", &behind, None)
        .await
        .ok(200);
    let addresses: Vec<_> = people["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["address"])
        .collect();
    assert_eq!(addresses, ["ann@example.com", "bob@example.org"]);
    let link = format!(
        "{api}/people?behind=link%3A{}%3A0%3Ahuman",
        uuid::Uuid::nil()
    );
    let people = mia
        .installation
        .call(&owner, "GET", &link, None)
        .await
        .ok(200);
    assert_eq!(people["items"], json!([]));
    let nothing = format!("{api}/people?behind=nothing");
    mia.installation
        .call(&owner, "GET", &nothing, None)
        .await
        .ok(422);
    let domains = mia
        .installation
        .call(&owner, "GET", &format!("{api}/domains"), None)
        .await
        .ok(200);
    assert_eq!(domains[0]["domain"], "example.com");
    assert_eq!(
        (&domains[0]["planned"], &domains[0]["accepted"]),
        (&json!(1), &json!(1))
    );
}

/// What has the focus in what is looked at again keeps it: htmx finds it by its id.
fn keeps_the_focus(page: &str, send: &str) {
    let id = send.trim_start_matches('/').replace('/', "-");
    has(page, &format!("id=\"{id}-pause\""));
    has(page, &format!("id=\"{id}-cancel\""));
}

/// What goes with the email, and what its checks know of those that it was sent to.
async fn what_is_lost_and_what_to_look_at(mia: &mut Browser, place: &str) {
    let page = mia.get(&format!("{place}/delete")).await;
    has(
        page,
        "The email Launch, with all its versions (the newest is 1)",
    );
    has(
        page,
        "Its results: 2 mails accepted, 0 opened and 0 clicked by people, 0 unsubscribed",
    );
    has(page, "Its send stays in the list of sends");
    let page = mia.get(&format!("{place}?values=true")).await;
    has(
        page,
        "<code>firstname</code> is empty for 25.0 %, 1 of 4 people in the segment that it was sent to last.",
    );
    has(page, "1 of them, each leads somewhere");
    // Counting keeps what is looked at.
    let page = mia
        .get(&format!("{place}?view=phone&as=ann@example.com"))
        .await;
    let counted = "?values=true&amp;as=ann%40example.com&amp;view=phone\"";
    has(page, &format!("href=\"{place}{counted}"));
}

#[tokio::test]
async fn those_whom_nobody_looks_after_are_counted_where_that_is_shown() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let people = [("ann@example.com", "Ann"), ("bob@example.org", "Bob")];
    let segment = segment(&mia.installation, &people).await;
    let html =
        "<p>Yours, {{ owner.firstname }} <a href=\"{{ unsubscribe_url }}\">unsubscribe</a></p>";
    let content = json!({"subject": "Hi", "html": html, "from_address": "news@example.com"});
    let body = json!({"name": "Launch", "content": content});
    let email = made(&mia.installation, "/api/messaging/emails", body).await;
    let place = format!("/app/emails/{}", email["id"].as_str().unwrap());
    let page = mia
        .get(&format!("{place}/send/summary?segment={segment}&at="))
        .await;
    has(page, "<code>owner</code></dt><dd>empty for 2 of 2 ");
    let body = json!({"email_id": email["id"], "segment_id": segment});
    made(&mia.installation, "/api/messaging/sends", body).await;
    has(mia.get(&place).await, "Count for whom they are empty");
    let page = mia.get(&format!("{place}?values=true")).await;
    has(
        page,
        "<code>owner</code> is empty for 100.0 %, 2 of 2 people",
    );
}

async fn results_are_taken_along(mia: &mut Browser, place: &str) {
    for (of, lines) in [
        (
            "figures",
            &[
                "\"figure\",\"count\"",
                "\"audience\",\"4\"",
                "\"accepted\",\"2\"",
                "\"skipped:suppressed\",\"1\"",
            ][..],
        ),
        ("links", &["\"url\",\"version_id\""]),
        (
            "domains",
            &["\"example.org\",\"1\",\"1\",\"0\",\"0\",\"0\",\"0\""],
        ),
    ] {
        let csv = format!("{place}/results.csv?of={of}");
        let file = mia.send("GET", &csv, None).await;
        assert_eq!(file.content_type, "text/csv; charset=utf-8");
        let text = String::from_utf8(file.body).unwrap();
        for line in lines {
            has(&text, line);
        }
    }
}

async fn a_send_reaches_its_people(database: TestDatabase) {
    let mut mia = office(database).await;
    let people = [
        ("ann@example.com", "Ann"),
        ("bob@example.org", ""),
        ("gone@example.com", "Gone"),
        ("", "Nowhere"),
    ];
    let segment = segment(&mia.installation, &people).await;
    suppress(&mia.installation, "gone@example.com").await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}");

    let page = mia
        .get(&format!("{place}/send/summary?segment={segment}&at="))
        .await;
    has(page, "suppressed</dt><dd>1<");
    has(page, "missing address</dt><dd>1<");
    has(page, "In the segment</div><div class=\"value\">4<");
    has(page, "Will get it</div><div class=\"value\">2<");
    has(page, "<code>firstname</code></dt><dd>empty for 1 of 2 ");
    has(page, "No sending domain is set up for this address");
    has(page, "captured in the");

    let form = [("segment", segment.as_str()), ("version", "1")];
    mia.post(&format!("{place}/send"), &form).await;
    let send = mia.at.split('?').next().unwrap().to_owned();
    assert!(send.starts_with("/app/sends/"), "{}", mia.at);
    has(&mia.page, "hx-trigger=\"every 2s\"");
    has(&mia.page, "Look again");
    keeps_the_focus(&mia.page, &send);
    let stop = CancellationToken::new();
    let workers = Workers::start(jobs(&mia.installation.app), stop);
    until(&mut mia, &send, ">completed<").await;
    workers.stop(Duration::from_secs(30)).await;
    assert!(!mia.page.contains("every 2s"), "nothing moves any more");
    has(&mia.page, "ann@example.com");
    settle_events(&mia.installation.app).await.unwrap();
    let told = mia.get("/app/notifications").await;
    has(told, "“Launch” was sent");
    has(told, "2 accepted, 2 left out.");
    has(told, &format!("href=\"{send}\""));
    has(told, "Notifications, 1 unread");

    let results = mia.get(&format!("{place}/results")).await.to_owned();
    for (behind, count) in [
        ("in_plan", 2),
        ("accepted", 2),
        ("skipped%3Asuppressed", 1),
        ("skipped%3Amissing_address", 1),
    ] {
        has(&results, &format!("people?behind={behind}\">{count}</a>"));
    }
    let got = mia
        .get(&format!("{place}/people?behind=accepted"))
        .await
        .to_owned();
    has(&got, "ann@example.com");
    has(&got, "bob@example.org");
    let out = mia
        .get(&format!("{place}/people?behind=skipped%3Asuppressed"))
        .await;
    has(out, "gone@example.com");
    assert!(!out.contains("ann@example.com"), "{out}");
    programs_see_who_stands_behind(&mia, &email).await;
    let domains = mia.get(&format!("{place}/results/domains")).await;
    has(domains, ">example.org</th>");
    results_are_taken_along(&mut mia, &place).await;
    mia.get(&format!("{place}/people?behind=nothing")).await;
    assert_eq!(mia.status, 404);

    let csv = format!("{place}/people.csv?behind=accepted");
    assert!(!results.contains("people.csv") && !got.contains("people.csv"));
    assert_eq!(mia.send("GET", &csv, None).await.status, 403);
    mia.log_in("ada@example.com", PASSWORD).await;
    has(mia.get(&format!("{place}/results")).await, "people.csv");
    let file = mia.send("GET", &csv, None).await;
    assert_eq!(file.content_type, "text/csv; charset=utf-8");
    let text = String::from_utf8(file.body).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    has(&text, "\"ann@example.com\"");

    mia.log_in("mia@example.com", PASSWORD).await;
    // The same email again: whoever got it is left out, and that is said before.
    let page = mia
        .get(&format!("{place}/send/summary?segment={segment}&at="))
        .await;
    has(page, "already sent</dt><dd>2<");
    has(page, "Will get it</div><div class=\"value\">0<");

    what_is_lost_and_what_to_look_at(&mut mia, &place).await;

    mia.log_in("vic@example.com", PASSWORD).await;
    let results = mia.get(&format!("{place}/results")).await;
    has(results, "people?behind=accepted");
    mia.get(&format!("{place}/send/summary?segment={segment}"))
        .await;
    assert_eq!(mia.status, 403);
}

#[tokio::test]
async fn a_send_reaches_its_people_and_they_stand_behind_the_numbers() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        a_send_reaches_its_people(database).await;
    }
}

#[tokio::test]
async fn sends_forget_who_a_deleted_contact_was() {
    let mut mia = office(TestDatabase::sqlite()).await;
    let segment = segment(&mia.installation, &[("ann@example.com", "Ann")]).await;
    let email = email(&mia.installation).await;
    let form = [("segment", segment.as_str()), ("version", "1")];
    let place = format!("/app/emails/{email}");
    mia.get(&format!("{place}/send/summary?segment={segment}&at="))
        .await;
    mia.post(&format!("{place}/send"), &form).await;
    let send = mia.at.split('?').next().unwrap().to_owned();
    let stop = CancellationToken::new();
    let workers = Workers::start(jobs(&mia.installation.app), stop);
    until(&mut mia, &send, ">completed<").await;
    has(&mia.page, "ann@example.com");
    let owner = mia.installation.owner.clone();
    let id = send.rsplit('/').next().unwrap();
    let path = format!("/api/messaging/sends/{id}/deliveries");
    let deliveries = mia.installation.call(&owner, "GET", &path, None).await;
    let deliveries = deliveries.ok(200);
    let contact = deliveries["items"][0]["contact_id"].as_str().unwrap();
    let path = format!("/api/crm/contacts/{contact}");
    let deleted = mia.installation.call(&owner, "DELETE", &path, None).await;
    assert!(deleted.status < 300, "{}", deleted.json());
    until(&mut mia, &send, "(no address)").await;
    assert!(!mia.page.contains("ann@example.com"));
    workers.stop(Duration::from_secs(30)).await;
    let inbox = mia.get("/app/inbox").await;
    assert!(!inbox.contains("ann@example.com"), "{inbox}");
}

#[tokio::test]
async fn a_test_without_a_contact_is_for_the_person_of_the_preview() {
    let mia = office(TestDatabase::sqlite()).await;
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let email = EmailId::from_uuid(email(&mia.installation).await.parse().unwrap());
    let preview = app.emails.preview(ours, email, PreviewRecipient::Sample);
    let preview = preview.await.unwrap();
    let greeting = "Hello Ann,";
    has(&preview.text, greeting);
    let to = ["me@example.com".parse().unwrap()];
    app.sends.send_test(ours, email, None, &to).await.unwrap();
    let mails = app.inbox.list(ours, None, None, PageSize::default()).await;
    let mail = app.inbox.open(ours, mails.unwrap().items[0].id).await;
    has(&mail.unwrap().content.text.unwrap(), greeting);
}

#[tokio::test]
async fn a_link_that_is_called_again_and_again_is_served_and_not_kept() {
    let mia = office(TestDatabase::sqlite()).await;
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let token = TrackingToken {
        organization_id: ours.organization_id(),
        delivery_id: DeliveryId::generate(&UuidV7Source),
        version_id: EmailVersionId::generate(&UuidV7Source),
        purpose: Purpose::Open,
    };
    let path = TokenSigner::new(&app.secret).url("", &token);
    for _ in 0..300 {
        let answer = mia.installation.call("", "GET", &path, None).await;
        assert_eq!(
            (answer.status, &answer.content_type[..]),
            (200, "image/gif")
        );
    }
    let mut uow = app.messaging_store.begin().await.unwrap();
    let later = app.clock.now() + TimeDelta::hours(1);
    let hits = uow.tracking().take_uncounted(later, 1_000).await.unwrap();
    assert!((200..300).contains(&hits.len()), "{}", hits.len());
}

#[tokio::test]
async fn a_send_is_summed_up_made_steered_and_nobody_elses() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let segment = segment(&mia.installation, &[]).await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}/send");
    has(mia.get(&place).await, "Readers (0)");
    let summary = format!("{place}/summary?segment={segment}&at=");
    let page = mia.get(&format!("{summary}2099-01-31T09:00")).await;
    has(page, "31 Jan 2099, 09:00 UTC");
    has(page, "Nobody is in this segment now");
    mia.get(&format!("{summary}soon")).await;
    assert_eq!(mia.status, 422);

    let page = mia
        .get(&format!("{summary}2099-01-31T09:00&clock=recipient"))
        .await;
    has(page, "31 Jan 2099, 09:00 on each recipient's clock");
    let page = mia.get(&format!("{summary}&clock=recipient")).await;
    has(page, "at once is the same on every clock");
    assert_eq!(mia.status, 422);

    let form = |version| {
        let at = ("at", "2099-01-31T09:00");
        [("segment", segment.as_str()), at, ("version", version)]
    };
    let page = mia.get(&format!("{summary}2099-01-31T09:00")).await;
    has(page, "name=\"version\" value=\"1\"");
    // What was agreed to is what is sent: in the meantime the email was changed.
    let path = format!("/api/messaging/emails/{email}");
    let (owner, renamed) = (mia.installation.owner.clone(), json!({"name": "Renamed"}));
    let installation = &mia.installation;
    let answer = installation.call(&owner, "PATCH", &path, Some(renamed));
    answer.await.ok(200);
    mia.post(&place, &form("1")).await;
    assert_eq!(mia.status, 409);
    has(&mia.page, "Nothing was sent");
    has(&mia.page, "Renamed");
    has(&mia.page, "name=\"version\" value=\"2\"");
    let form = form("2");
    mia.get(&place).await;
    mia.log_in("vic@example.com", PASSWORD).await;
    mia.post(&place, &form).await;
    assert_eq!(mia.status, 403);
    mia.log_in("mia@example.com", PASSWORD).await;
    mia.get("/app/account").await;
    mia.post(&place, &form).await;
    let send = mia.at.strip_suffix("?done=started").unwrap().to_owned();
    has(
        &mia.page,
        "The send is scheduled: it goes on <time datetime=\"2099-01-31T09:00:00Z\">31 Jan 2099, 09:00 UTC</time>.",
    );
    has(&mia.page, ">scheduled<");
    let all = mia.get("/app/sends").await;
    has(all, &format!("href=\"{send}\">Renamed</a>"));
    let of = format!("/app/sends?email={email}");
    has(mia.get(&of).await, "Only those of ");
    for (step, state) in [
        ("pause", ">paused<"),
        ("resume", ">scheduled<"),
        ("cancel", ">cancelled<"),
    ] {
        let path = format!("{send}/{step}");
        let bare = mia.send("POST", &path, Some(String::new())).await;
        assert_eq!(bare.status, 403, "{step} without its token");
        mia.get("/app/account").await;
        mia.post(&path, &[]).await;
        has(&mia.page, state);
    }
    mia.get("/app/account").await;
    mia.post(&format!("{send}/pause"), &[]).await;
    assert_eq!(mia.status, 409, "{}", mia.page);
    mia.log_in("vic@example.com", PASSWORD).await;
    assert!(!mia.get(&send).await.contains("Pause"));
    mia.get("/app/account").await;
    for step in ["pause", "resume", "cancel", "retry"] {
        let form = serde_urlencoded::to_string([("csrf", mia.token())]).unwrap();
        let path = format!("{send}/{step}");
        let answer = mia.send("POST", &path, Some(form)).await;
        assert_eq!(answer.status, 403, "{step} by a viewer");
    }
}

#[tokio::test]
async fn another_organisations_send_and_results_are_not_there() {
    let mut ann = office(TestDatabase::chosen().await).await;
    ann.log_in("ada@example.com", PASSWORD).await;
    // From here on, what is made by the API is another organisation's.
    let stranger = ann.installation.stranger.clone();
    ann.installation.owner = stranger;
    let email = email(&ann.installation).await;
    let segment = segment(&ann.installation, &[]).await;
    let send = json!({"email_id": email, "segment_id": segment, "at": "2099-01-01T00:00:00Z"});
    let send = made(&ann.installation, "/api/messaging/sends", send).await;
    let send = format!("/app/sends/{}", send["id"].as_str().unwrap());
    for path in ["/app/sends".to_owned(), format!("/app/sends?email={email}")] {
        let page = ann.get(&path).await;
        assert!(!page.contains(&send), "{path}: {page}");
    }
    let email = format!("/app/emails/{email}");
    for path in [
        send.clone(),
        format!("{send}/cancel"),
        format!("{send}/retry"),
        format!("{email}/results"),
        format!("{email}/results/domains"),
        format!("{email}/people?behind=accepted"),
        format!("{email}/people.csv?behind=accepted"),
        format!("{email}/versions"),
        format!("{email}/versions/1"),
        format!("{email}/versions/1/html"),
        format!("{email}/send"),
        format!("{email}/send/summary?segment={segment}"),
    ] {
        ann.get(&path).await;
        assert_eq!(ann.status, 404, "{path}");
    }
    ann.get("/app/account").await;
    let token = ann.token();
    for path in [
        format!("{send}/pause"),
        format!("{send}/resume"),
        format!("{send}/cancel"),
        format!("{send}/retry"),
        format!("{email}/versions/1/restore"),
        format!("{email}/send"),
    ] {
        let form = [("csrf", token.as_str()), ("segment", segment.as_str())];
        let form = serde_urlencoded::to_string(form).unwrap();
        let answer = ann.send("POST", &path, Some(form)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_earlier_version_is_shown_and_brought_back() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}");
    mia.get(&format!("{place}/edit")).await;
    let form = [
        ("name", "Launch"),
        ("subject", "<b>Second</b>"),
        ("kind", "html"),
        ("body", BODY),
        ("version", "1"),
    ];
    mia.post(&format!("{place}/edit"), &form).await;
    assert_eq!(mia.at, format!("{place}?done=saved"), "{}", mia.page);
    let versions = mia.get(&format!("{place}/versions")).await;
    has(versions, "Version 2");
    has(versions, "Version 1");
    let first = format!("{place}/versions/1");
    has(mia.get(&first).await, "<dd>Hi</dd>");
    let now = mia.get(&format!("{place}/versions/2")).await;
    has(now, "&lt;b&gt;Second&lt;/b&gt;");
    assert!(!now.contains("Bring this version back"), "{now}");
    let frame = mia.send("GET", &format!("{first}/html"), None).await;
    let policy = frame.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox "), "{policy}");

    mia.get(&first).await;
    let restore = format!("{first}/restore");
    mia.post(&restore, &[("version", "1")]).await;
    assert_eq!(mia.status, 409, "somebody was faster");
    mia.get(&first).await;
    mia.post(&restore, &[("version", "2")]).await;
    has(mia.get(&format!("{place}/versions/3")).await, "<dd>Hi</dd>");
}

#[tokio::test]
async fn an_email_is_shown_as_a_contact_sees_it() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let people = [("ann@example.com", "<script>alert(1)</script>")];
    segment(&mia.installation, &people).await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}");
    let page = mia
        .get(&format!("{place}?as=ann%40example.com&view=text"))
        .await;
    has(page, "Hello &lt;script&gt;alert(1)&lt;/script&gt;");
    let page = mia
        .get(&format!("{place}?as=ann%40example.com&view=phone"))
        .await;
    has(page, "mail narrow");
    has(
        page,
        &format!("src=\"{place}/preview?as=ann%40example.com\""),
    );
    let frame = mia
        .get(&format!("{place}/preview?as=ann%40example.com"))
        .await;
    has(frame, "Hello &lt;script&gt;");
    let page = mia
        .get(&format!("{place}?as=ann%40example.com&view=dark-phone"))
        .await;
    has(page, "mail narrow");
    has(page, "The email has no dark styles of its own.");
    let dark = format!("{place}/preview?as=ann%40example.com&view=dark-phone");
    has(page, &format!("src=\"{}\"", dark.replace('&', "&amp;")));
    let frame = mia.get(&dark).await;
    has(frame, "invert(");
    has(frame, "Hello &lt;script&gt;");
    let page = mia
        .get(&format!("{place}?as=eve%40example.com&view=wide"))
        .await;
    has(page, "No contact has the address eve@example.com.");
    mia.get(&place).await;
    let form = [("to", "me@example.com"), ("as", "ann@example.com")];
    mia.post(&format!("{place}/test"), &form).await;
    assert_eq!(mia.at, format!("{place}?done=tested"), "{}", mia.page);
    let form = [("to", "me@example.com"), ("as", "eve@example.com")];
    mia.post(&format!("{place}/test"), &form).await;
    assert_eq!(mia.status, 422);
}

async fn a_send_goes_by_the_clocks_of_its_people(database: TestDatabase) {
    let mut mia = office(database).await;
    let segment = segment(&mia.installation, &[("ann@example.com", "Ann")]).await;
    let kiri = json!({"email": "kiri@example.com", "fields": {"timezone": "Etc/GMT-14"}});
    let kiri = made(&mia.installation, "/api/crm/contacts", kiri).await;
    let ids = [kiri["id"].as_str().unwrap().parse().unwrap()];
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let to = segment.parse().unwrap();
    app.segments.add(ours, to, &ids).await.unwrap();
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}/send");
    // Seven hours ahead of UTC it is this time: in Kiritimati it is over, here it is to come.
    let time = mia.installation.app.clock.now() + chrono::TimeDelta::hours(7);
    let at = time.format("%Y-%m-%dT%H:%M").to_string();
    let form = [
        ("segment", segment.as_str()),
        ("at", at.as_str()),
        ("clock", "recipient"),
        ("version", "1"),
    ];
    let query = serde_urlencoded::to_string(form).unwrap();
    let page = mia.get(&format!("{place}/summary?{query}")).await;
    has(
        page,
        "Without a time zone</dt><dd>1 of 2: they get it by the clocks of UTC",
    );
    has(
        page,
        "Whose time is over</dt><dd>1 of 2: they get it at once",
    );
    mia.post(&place, &form).await;
    let send = mia.at.split('?').next().unwrap().to_owned();
    assert!(send.starts_with("/app/sends/"), "{}: {}", mia.at, mia.page);
    let stop = CancellationToken::new();
    let workers = Workers::start(jobs(&mia.installation.app), stop);
    until(&mut mia, &send, "Accepted</div><div class=\"value\">1<").await;
    workers.stop(Duration::from_secs(30)).await;
    has(&mia.page, ">sending<");
    has(
        &mia.page,
        "Those who wait get it when their clocks show the time",
    );
    let id = send.rsplit('/').next().unwrap();
    let path = format!("/api/messaging/sends/{id}");
    let owner = mia.installation.owner.clone();
    let status = mia
        .installation
        .call(&owner, "GET", &path, None)
        .await
        .ok(200);
    assert_eq!(
        status["send"]["local_time"],
        time.format("%Y-%m-%dT%H:%M:00").to_string()
    );
    assert_eq!(status["send"]["local_time_fallback"], "UTC");
    assert_eq!(status["next_at"], status["eta"]);
    assert_eq!(status["counts"]["waiting"], 1);

    let both = json!({
        "email_id": email, "segment_id": segment,
        "at": "2099-01-01T00:00:00Z", "local_time": "2099-01-01T09:00",
    });
    for (body, detail) in [
        (both, "give either"),
        (
            json!({"email_id": email, "segment_id": segment, "local_time": "9am"}),
            "without a zone",
        ),
    ] {
        let answer = mia
            .installation
            .call(&owner, "POST", "/api/messaging/sends", Some(body))
            .await;
        let problem = answer.ok(422).to_string();
        has(&problem, detail);
        has(&problem, "/local_time");
    }
}

#[tokio::test]
async fn a_send_goes_by_the_clocks_of_its_people_on_both_back_ends() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        a_send_goes_by_the_clocks_of_its_people(database).await;
    }
}

#[tokio::test]
async fn where_mail_must_be_signed_nothing_unsigned_is_sent() {
    let strict = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.unsigned_mail = false;
    });
    let mut mia = staffed(strict.await).await;
    let segment = segment(&mia.installation, &[("ann@example.com", "Ann")]).await;
    let email = email(&mia.installation).await;
    let owner = mia.installation.owner.clone();
    let look = format!("/api/messaging/emails/{email}/preflight?segment_id={segment}");
    let flight = mia
        .installation
        .call(&owner, "GET", &look, None)
        .await
        .ok(200);
    assert_eq!(
        (&flight["reachable"], &flight["from_address"]),
        (&json!(1), &json!("news@example.com"))
    );
    has(
        flight["refusal"].as_str().unwrap(),
        "add example.com as a sending domain",
    );
    let send = json!({"email_id": email, "segment_id": segment});
    let path = "/api/messaging/sends";
    let refused = mia
        .installation
        .call(&owner, "POST", path, Some(send.clone()))
        .await;
    has(
        &refused.ok(422).to_string(),
        "nothing signs mail from example.com",
    );
    let place = format!("/app/emails/{email}");
    let summary = format!("{place}/send/summary?segment={segment}&at=");
    let page = mia.get(&summary).await;
    has(
        page,
        "It cannot be sent: nothing signs mail from example.com",
    );
    has(page, "An admin can set up example.com");
    assert!(!page.contains("Send it now"), "{page}");
    mia.get(&place).await;
    mia.post(&format!("{place}/test"), &[("to", "me@example.com")])
        .await;
    assert_eq!(mia.status, 422);
    has(&mia.page, "nothing signs mail from example.com");

    made(
        &mia.installation,
        "/api/messaging/domains",
        json!({"domain": "example.com"}),
    )
    .await;
    let flight = mia
        .installation
        .call(&owner, "GET", &look, None)
        .await
        .ok(200);
    assert_eq!(flight["signed_by"], "example.com");
    let page = mia.get(&summary).await;
    has(page, "Send it now");
    has(page, "records=true");
    assert!(!page.contains("DNS records of the sender"), "{page}");
    // What is fetched then looks at nobody again.
    let records = mia.get(&format!("{summary}&records=true")).await;
    has(records, "id=\"records\"");
    has(records, "DNS records of the sender");
    assert!(!records.contains("In the segment"), "{records}");
    assert!(!records.contains("Send it now"), "{records}");
    made(&mia.installation, path, send).await;
}
