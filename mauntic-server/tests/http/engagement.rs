//! What people do with a message, from the public addresses to the rules of segments and the marks of contacts.

use std::time::Duration;

use chrono::TimeDelta;
use mauntic_core::storage::test_database::TestDatabase;
use mauntic_server::settle_events;
use serde_json::{Value, json};

use crate::{
    mail::{contact, email, id, made, mailbox, over, send, work},
    support::{Installation, request},
};

const HTML: &str = "<p>Hello</p><a href=\"https://shop.example/news\">News</a>
    <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>";
/// The browser of a person.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
/// Longer than it takes until whoever opens a message may be a person.
const A_MOMENT: Duration = Duration::from_millis(2_500);

/// The path of an address of ours.
fn path(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    &rest[rest.find('/').unwrap()..]
}

/// What a person asks for with a browser; the status of the answer.
async fn ask(installation: &Installation, method: &str, url: &str) -> u16 {
    let request = request("", method, path(url)).header("user-agent", BROWSER);
    installation.send(request.finish()).await.status
}

async fn what_people_do_reaches_their_contacts(database: TestDatabase) {
    let installation = Installation::on(database).await;
    let (app, ours) = (installation.app.clone(), installation.ours.clone());
    let owner = installation.owner.clone();
    let get = async |path: &str| installation.call(&owner, "GET", path, None).await.ok(200);
    let segment = json!({"name": "Readers"});
    let segment = id(&made(&installation, "/api/crm/segments", segment).await);
    let mut people = Vec::new();
    // The captured inbox refuses the last one as a server that knows no such mailbox: 550 5.1.1.
    for address in ["ann@example.com", "bob@example.com", "bounce@example.com"] {
        people.push(contact(&installation, address, &Value::Null).await);
    }
    let ids: Vec<_> = people.iter().map(|id| id.parse().unwrap()).collect();
    let added = app.segments.add(&ours, segment.parse().unwrap(), &ids);
    added.await.unwrap();
    let email = email(&installation, "News", HTML).await;
    let job = send(&installation, &email, &segment).await;
    let workers = work(&installation, |_| true);
    let tally = over(&installation, job).await.tally;
    workers.stop(Duration::from_secs(30)).await;
    assert_eq!((tally.accepted, tally.refused), (2, 1));

    tokio::time::sleep(A_MOMENT).await;
    for (to, content) in mailbox(&installation).await {
        let [news, leave] = &content.links[..] else {
            panic!("{:?}", content.links);
        };
        if to == "ann@example.com" {
            let pixel = content.images.last().unwrap();
            assert_eq!(ask(&installation, "GET", pixel).await, 200);
            assert_eq!(ask(&installation, "GET", news).await, 302);
        } else if to == "bob@example.com" {
            assert_eq!(ask(&installation, "POST", leave).await, 200);
        }
    }
    let until = app.clock.now() + TimeDelta::seconds(1);
    while app.projector.project_before(until).await.unwrap() {}
    settle_events(&app).await.unwrap();

    for (rule, people) in [
        ("opened(any)", 1),
        ("opened(any) and email = \"ann@example.com\"", 1),
        ("clicked(any)", 1),
        (
            "clicked(any, last 30 days) and email = \"ann@example.com\"",
            1,
        ),
        ("opened(\"News\", including machine)", 1),
    ] {
        let body = Some(json!({"where": rule}));
        let preview = "/api/crm/segments/preview";
        let preview = installation.call(&owner, "POST", preview, body).await;
        assert_eq!(preview.ok(200)["count"], people, "{rule}");
    }
    for (person, reason) in people
        .iter()
        .zip([None, Some("unsubscribed"), Some("bounced")])
    {
        let contact = get(&format!("/api/crm/contacts/{person}")).await;
        let marks = contact["do_not_contact"].as_array().unwrap();
        let marks: Vec<_> = marks
            .iter()
            .map(|mark| (mark["channel"].as_str(), mark["reason"].as_str()))
            .collect();
        let wanted = reason.map(|reason| (Some("email"), Some(reason)));
        assert_eq!(marks, Vec::from_iter(wanted), "{contact}");
    }
    for (address, reason) in [
        ("bounce@example.com", "hard_bounce"),
        ("bob@example.com", "unsubscribed"),
    ] {
        let entry = get(&format!("/api/messaging/suppressions/{address}")).await;
        assert_eq!(entry["reason"], reason, "{entry}");
    }
    let report = get(&format!("/api/messaging/emails/{email}/report")).await;
    assert_eq!(report["bounced"], json!({"hard": 1}), "{report}");
    let once = json!({"human": 1, "machine": 0});
    for count in ["opened", "clicked", "unsubscribed"] {
        assert_eq!(report[count], once, "{count}: {report}");
    }
}

#[tokio::test]
async fn what_people_do_with_a_message_is_known_to_segments_and_contacts_on_both_back_ends() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        what_people_do_reaches_their_contacts(database).await;
    }
}

#[tokio::test]
async fn the_links_of_a_test_say_what_they_are_and_change_nothing() {
    let installation = Installation::sqlite().await;
    let (app, owner) = (installation.app.clone(), installation.owner.clone());
    let html = format!(
        "<p>Dear {{{{ contact.firstname }}}}</p>{HTML}<a href=\"{{{{ webview_url }}}}\">View</a>"
    );
    let email = email(&installation, "News", &html).await;
    let test = format!("/api/messaging/emails/{email}/test");
    let to = json!({"addresses": ["me@example.com"]});
    let sent = installation.call(&owner, "POST", &test, Some(to)).await;
    assert_eq!(sent.ok(200)[0]["accepted"], true);
    let (_, content) = mailbox(&installation).await.remove(0);
    let [news, leave, view] = &content.links[..] else {
        panic!("{:?}", content.links);
    };
    let ask = async |method: &str, url: &str, body: &str| {
        let request = request("", method, path(url)).header("user-agent", BROWSER);
        let form = "application/x-www-form-urlencoded";
        let request = request.content_type(form).body(body.to_owned());
        let answer = installation.send(request).await;
        (
            answer.status,
            String::from_utf8_lossy(&answer.body).into_owned(),
        )
    };
    for (method, body) in [
        ("GET", ""),
        ("POST", "List-Unsubscribe=One-Click"),
        ("POST", "action=all"),
        ("POST", "action=lists"),
        ("POST", "action=resubscribe"),
    ] {
        let (status, page) = ask(method, leave, body).await;
        assert_eq!(status, 200, "{method} {body}");
        assert!(page.contains("This was a test message"), "{page}");
    }
    let (status, page) = ask("GET", view, "").await;
    assert_eq!(status, 200);
    assert!(page.contains("Dear Ann"), "{page}");
    assert!(!page.contains("/t/"), "nothing is tracked: {page}");
    // Its own links lead to the same pages.
    let at = page.find("/u/").unwrap();
    let leave = page[at..].split('"').next().unwrap();
    let (status, _) = ask("GET", &format!("http://localhost{leave}"), "").await;
    assert_eq!(status, 200);
    assert_eq!(ask("GET", news, "").await.0, 302);

    let suppressions = "/api/messaging/suppressions";
    let suppressions = installation.call(&owner, "GET", suppressions, None).await;
    assert_eq!(suppressions.ok(200)["items"], json!([]));
    let until = app.clock.now() + TimeDelta::seconds(1);
    while app.projector.project_before(until).await.unwrap() {}
    let report = format!("/api/messaging/emails/{email}/report");
    let report = installation
        .call(&owner, "GET", &report, None)
        .await
        .ok(200);
    let none = json!({"human": 0, "machine": 0});
    for count in ["opened", "clicked", "unsubscribed"] {
        assert_eq!(report[count], none, "{count}: {report}");
    }
    // A version that is not kept is nobody's test.
    let signer = mauntic_messaging::token::TokenSigner::new(&app.secret);
    let token = signer.verify(leave.rsplit('/').next().unwrap()).unwrap();
    let foreign = mauntic_messaging::token::TrackingToken {
        version_id: mauntic_core::EmailVersionId::generate(&*app.ids),
        ..token
    };
    let (status, page) = ask("GET", &signer.url("http://localhost", &foreign), "").await;
    assert_eq!(status, 404, "{page}");
}
