//! From contacts to their mailboxes, with the real CRM behind the sending.

use std::time::Duration;

use mauntic_core::{Operator, storage::test_database::TestDatabase};
use mauntic_messaging::sending::JobState;
use serde_json::json;

use crate::{
    mail::{contact, email, id, made, mailbox, over, send, until, work},
    support::Installation,
};

const BODY: &str = "<p>Hello</p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>";

/// A send that is made right behind its segment reaches everybody whom the rule fits, not those alone who happened to be in.
async fn a_send_reaches_everybody_the_rule_fits(database: TestDatabase) {
    let installation = Installation::on(database).await;
    for number in 0..30 {
        let country = if number % 3 == 0 { "NO" } else { "DE" };
        let address = format!("p{number}@example.com");
        contact(
            &installation,
            &address,
            &json!({"fields": {"country": country}}),
        )
        .await;
    }
    let rule = json!({"name": "Germans", "where": "country = \"DE\""});
    let segment = id(&made(&installation, "/api/crm/segments", rule).await);
    let first = email(&installation, "First", BODY).await;
    let job = send(&installation, &first, &segment).await;
    let preflight = format!("/api/messaging/emails/{first}/preflight?segment_id={segment}");
    let owner = installation.owner.clone();
    let look = async || {
        let answer = installation.call(&owner, "GET", &preflight, None).await;
        answer.ok(200)["up_to_date"].clone()
    };
    assert_eq!(look().await, false);

    let senders = work(&installation, |name| name == "sends");
    let waits = "waits until the segment is up to date: it is being built";
    let status = until(&installation, job, |status| {
        status.job.note.as_deref() == Some(waits)
    });
    assert_eq!(status.await.job.state, JobState::Planning);
    let builders = work(&installation, |name| name != "sends");
    let status = over(&installation, job).await;
    assert_eq!(status.job.state, JobState::Completed);
    assert_eq!((status.tally.planned, status.tally.accepted), (20, 20));
    assert_eq!(status.job.note, None);
    let up_to_date = async {
        while look().await != true {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let up_to_date = tokio::time::timeout(Duration::from_mins(1), up_to_date);
    assert!(up_to_date.await.is_ok(), "what was sent is worked off");

    // The same with contacts that came in just before.
    builders.stop(Duration::from_secs(30)).await;
    for number in 30..35 {
        let address = format!("p{number}@example.com");
        contact(
            &installation,
            &address,
            &json!({"fields": {"country": "DE"}}),
        )
        .await;
    }
    let second = email(&installation, "Second", BODY).await;
    let job = send(&installation, &second, &segment).await;
    let waits = "waits until the segment is up to date: contacts that changed are being checked";
    until(&installation, job, |status| {
        status.job.note.as_deref() == Some(waits)
    })
    .await;
    let builders = work(&installation, |name| name != "sends");
    assert_eq!(over(&installation, job).await.tally.accepted, 25);
    builders.stop(Duration::from_secs(30)).await;
    senders.stop(Duration::from_secs(30)).await;
}

#[tokio::test]
async fn a_send_waits_for_its_segment_on_both_back_ends() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        a_send_reaches_everybody_the_rule_fits(database).await;
    }
}

#[tokio::test]
async fn a_message_names_who_looks_after_its_contact() {
    let installation = Installation::sqlite().await;
    installation
        .member(
            "kim@example.net",
            "Kim van Dam",
            "member",
            "a long enough password",
        )
        .await;
    installation
        .member(
            "lee@example.net",
            "Lee Blocked",
            "member",
            "a long enough password",
        )
        .await;
    let members = installation.app.identity_store.members();
    let lee = "lee@example.net".parse().unwrap();
    let lee = members.find_user_by_email(&lee).await.unwrap().unwrap().id;
    let kim = "kim@example.net".parse().unwrap();
    let kim = members.find_user_by_email(&kim).await.unwrap().unwrap().id;
    let mut contacts = Vec::new();
    for (address, owner) in [
        ("ann@example.com", Some(kim)),
        ("bob@example.com", None),
        ("cid@example.com", Some(lee)),
    ] {
        let more = owner.map_or(json!({}), |owner| json!({"owner_id": owner}));
        contacts.push(
            contact(&installation, address, &more)
                .await
                .parse()
                .unwrap(),
        );
    }
    let (identity, operator) = (&installation.app.identity, Operator::local());
    identity.block_user(&operator, lee).await.unwrap();
    let segment = made(&installation, "/api/crm/segments", json!({"name": "All"})).await;
    let segment = id(&segment);
    let (segments, ours) = (&installation.app.segments, &installation.ours);
    let added = segments.add(ours, segment.parse().unwrap(), &contacts);
    added.await.unwrap();
    let html = format!(
        "<p>[{{ownerfield=firstname}}|{{ownerfield=lastname}}|{{ownerfield=email}}|{{signature}}]</p>{BODY}"
    );
    let email = email(&installation, "Personal", &html).await;
    let job = send(&installation, &email, &segment).await;
    let workers = work(&installation, |_| true);
    assert_eq!(over(&installation, job).await.tally.accepted, 3);
    workers.stop(Duration::from_secs(30)).await;
    let mails = mailbox(&installation).await;
    assert_eq!(mails.len(), 3);
    for (to, content) in mails {
        let shown = match &to[..] {
            "ann@example.com" => "[Kim|van Dam|kim@example.net|Kim van Dam, kim@example.net]",
            _ => "[|||]",
        };
        let html = content.html.unwrap();
        assert!(html.contains(shown), "{to}: {html}");
    }
}
