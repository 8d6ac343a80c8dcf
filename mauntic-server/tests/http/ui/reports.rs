//! Figures of emails: on the start page and side by side.

use mauntic_core::{EmailId, SendJobId, hour_of, storage::test_database::TestDatabase};
use mauntic_messaging::{
    sending::{Counts, SendJobRef, Tally},
    tracking::{EmailCount, Metric},
};
use serde_json::json;

use super::sends::{email, office};
use crate::{browser::Browser, mail::made, page::has, people::PASSWORD};

/// Counts what became of an email that was sent: accepted and refused; opened, clicked and unsubscribed, by people.
async fn became(mia: &Browser, email: &str, sent: (i64, i64), hits: [(Metric, i64); 3]) {
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let segment = made(
        &mia.installation,
        "/api/crm/segments",
        json!({"name": format!("of {email}")}),
    );
    let segment = segment.await;
    let body = json!({"email_id": email, "segment_id": segment["id"]});
    let send = made(&mia.installation, "/api/messaging/sends", body).await;
    let organization_id = ours.organization_id();
    let id: SendJobId = send["id"].as_str().unwrap().parse().unwrap();
    let (accepted, refused) = sent;
    let tally = Tally {
        planned: accepted + refused,
        accepted,
        refused,
        ..Tally::default()
    };
    let job = SendJobRef {
        organization_id,
        id,
    };
    let counts = Counts {
        sends: [(job, tally)].into(),
        ..Counts::default()
    };
    let now = app.clock.now();
    let mut uow = app.messaging_store.begin().await.unwrap();
    let found = uow.sends().find_job_for_update(organization_id, id).await;
    let mut job = found.unwrap().unwrap();
    job.planned_up_to(None, now);
    uow.sends().update_job(&job).await.unwrap();
    uow.sends().count(0, &counts, now).await.unwrap();
    let email_id: EmailId = email.parse().unwrap();
    let count = |metric, n, machine| EmailCount {
        organization_id,
        email_id,
        metric,
        machine,
        hour: hour_of(now),
        n,
    };
    let mut counts: Vec<_> = hits
        .iter()
        .map(|(metric, n)| count(*metric, *n, false))
        .collect();
    counts.push(count(Metric::Opened, 1, true));
    uow.tracking().count(&counts).await.unwrap();
    uow.commit().await.unwrap();
}

async fn named(mia: &Browser, name: &str) -> String {
    let html = "<p>Hi, <a href=\"{{ unsubscribe_url }}\">leave</a></p>";
    let content = json!({"subject": "Hi", "html": html, "from_address": "news@example.com"});
    let body = json!({"name": name, "content": content});
    let made = made(&mia.installation, "/api/messaging/emails", body).await;
    made["id"].as_str().unwrap().to_owned()
}

const HITS: [(Metric, i64); 3] = [
    (Metric::Opened, 4),
    (Metric::Clicked, 2),
    (Metric::Unsubscribed, 1),
];

#[tokio::test]
async fn the_start_page_adds_up_what_was_sent_and_what_came_of_it() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let email = email(&mia.installation).await;
    became(&mia, &email, (8, 2), HITS).await;
    let page = mia.get("/app/?days=7").await;
    for (label, value, note) in [
        ("Mails sent", "8", "accepted by the mail servers"),
        ("Opened by people", "50.0 %", "by machines: 12.5 %"),
        ("Clicked by people", "25.0 %", "by machines: 0.0 %"),
        ("Bounced", "20.0 %", "2 mails refused for good"),
        ("Unsubscribed", "12.5 %", "1 person"),
    ] {
        let figure = format!(
            "<div class=\"soft\">{label}</div><div class=\"value\">{value}</div><div class=\"soft\">{note}</div>"
        );
        has(page, &figure);
    }
}

#[tokio::test]
async fn emails_stand_side_by_side_sorted_by_what_came_of_them() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let page = mia.get("/app/reports").await;
    has(page, "Nothing was sent in this time");
    has(page, "href=\"/app/reports\" aria-current=\"page\"");
    let (read, ignored) = (named(&mia, "Read <b>").await, named(&mia, "=Ignored").await);
    named(&mia, "Unsent").await;
    became(&mia, &read, (8, 2), HITS).await;
    let little = [
        (Metric::Opened, 1),
        (Metric::Clicked, 0),
        (Metric::Unsubscribed, 0),
    ];
    became(&mia, &ignored, (100, 0), little).await;
    let order = |page: &str| page.find("Read &lt;b&gt;").unwrap() < page.find("=Ignored").unwrap();
    let page = mia.get("/app/reports").await;
    assert!(
        !order(page),
        "the last one that was sent comes first: {page}"
    );
    has(page, &format!("href=\"/app/emails/{read}/results\""));
    has(
        page,
        "<td class=\"number\">50.0 %<div class=\"soft\">4</div></td>",
    );
    has(
        page,
        "<td class=\"number\">20.0 %<div class=\"soft\">2</div></td>",
    );
    assert!(!page.contains("Unsent"), "{page}");
    for (sort, read_first) in [
        ("accepted", false),
        ("opened", true),
        ("clicked", true),
        ("refused", true),
        ("unsubscribed", true),
    ] {
        let page = mia.get(&format!("/app/reports?days=0&sort={sort}")).await;
        assert_eq!(order(page), read_first, "{sort}");
        has(page, "aria-sort=\"descending\"");
    }
    let file = mia
        .send("GET", "/app/reports.csv?days=30&sort=opened", None)
        .await;
    assert_eq!(file.content_type, "text/csv; charset=utf-8");
    let text = String::from_utf8(file.body).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[1].starts_with("\"Read <b>\",")
            && lines[1].ends_with("\"10\",\"8\",\"4\",\"1\",\"2\",\"0\",\"2\",\"1\""),
        "{text}"
    );
    assert!(lines[2].starts_with("\"'=Ignored\","), "no formula: {text}");
    mia.log_in("vic@example.com", PASSWORD).await;
    has(mia.get("/app/reports").await, "=Ignored");

    let owner = mia.installation.owner.clone();
    let path = "/api/messaging/emails/summaries?sort=opened&limit=1";
    let page = mia
        .installation
        .call(&owner, "GET", path, None)
        .await
        .ok(200);
    assert_eq!(
        (&page["items"][0]["name"], &page["items"][0]["unsubscribed"]),
        (&json!("Read <b>"), &json!(1))
    );
    let next = format!("{path}&after={}", page["next"].as_str().unwrap());
    let page = mia
        .installation
        .call(&owner, "GET", &next, None)
        .await
        .ok(200);
    assert_eq!(page["items"][0]["name"], "=Ignored");
    let stranger = mia.installation.stranger.clone();
    let theirs = mia
        .installation
        .call(&stranger, "GET", path, None)
        .await
        .ok(200);
    assert_eq!(theirs["items"], json!([]));
    let wrong = format!("{path}&after=soon");
    mia.installation
        .call(&owner, "GET", &wrong, None)
        .await
        .problem(422);
}

#[tokio::test]
async fn the_start_page_tells_who_came_who_left_and_who_changed_what() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let page = mia.get("/app/").await;
    assert!(
        !page.contains("Who came") && !page.contains("Who left"),
        "{page}"
    );
    let body = json!({"fields": {"email": "new@example.com", "firstname": "Nora"}});
    made(&mia.installation, "/api/crm/contacts", body).await;
    let (app, ours) = (mia.installation.app.clone(), mia.installation.ours.clone());
    let new = mauntic_messaging::suppression::NewSuppression {
        address: "left@example.com".parse().unwrap(),
        reason: mauntic_messaging::suppression::SuppressionReason::Unsubscribed,
        source: "one-click".to_owned(),
        note: None,
    };
    app.suppressions.add(&ours, new).await.unwrap();
    let page = mia.get("/app/").await;
    has(page, "Who came");
    has(page, ">Nora</a>");
    has(page, "Who left");
    has(page, "left@example.com");
    assert!(
        !page.contains("Who changed what"),
        "a member does not see the audit log"
    );
    mia.log_in("ada@example.com", PASSWORD).await;
    mia.get("/app/emails/new").await;
    let fields = [
        ("name", "Launch"),
        ("subject", "Hi"),
        ("kind", "html"),
        (
            "body",
            "<p>Hi <a href=\"{{ unsubscribe_url }}\">leave</a></p>",
        ),
        ("from_address", "news@example.com"),
    ];
    mia.post("/app/emails/new", &fields).await;
    mauntic_server::settle_events(&app).await.unwrap();
    let page = mia.get("/app/").await;
    has(page, "Who changed what");
    has(page, ">Launch</a>");
    has(page, "The whole audit log");
}
