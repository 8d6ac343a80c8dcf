//! A send to its end, the people behind its numbers, and what is forgotten of them.

use std::time::Duration;

use chrono::TimeDelta;
use mauntic_core::{
    DeliveryId, EmailVersionId, UuidV7Source, storage::test_database::TestDatabase,
};
use mauntic_messaging::{
    suppression::{NewSuppression, SuppressionReason},
    token::{Purpose, TokenSigner, TrackingToken},
};
use mauntic_server::settle_events;
use serde_json::json;

use super::{email, office, segment, until, work_until};
use crate::{browser::Browser, mail::work, page::has, people::PASSWORD, support::Installation};

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
    work_until(&mut mia, &send, ">completed<").await;
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
    let there = format!("{place}/people?behind=domain%3Ain_plan%3Aexample.org");
    let there = mia.get(&there).await;
    has(there, "bob@example.org");
    has(there, "are still counted, but no longer listed here");
    assert!(!got.contains("no longer listed here"), "{got}");
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
    let workers = work(&mia.installation, |_| true);
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
