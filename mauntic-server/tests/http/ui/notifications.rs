//! What members are told and write to each other, in a browser and over the API.

use chrono::TimeDelta;
use mauntic_core::{
    ApiTokenId, Cause, DomainEvent, EmailId, Envelope, ImportId, Principal, SendJobId, UserId,
    UuidV7Source, WorkerId,
};
use mauntic_crm::{
    bulk::{BulkAction, BulkChangeEnded, BulkChangeId, BulkState},
    import::{ImportCounts, ImportEnded, ImportState},
};
use mauntic_messaging::{event::SendNoted, sending::JobState};
use mauntic_server::settle_events;
use poem::http::header;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::browser::{Browser, OWNER};
use crate::files;
use crate::letters::{letter_to, link};
use crate::people::{VIEWER, become_viewer, contact};
use crate::support::request;

const PLACE: &str = "/app/notifications";
const BOB: (&str, &str) = ("bob@example.com", "a long enough password");

async fn user(browser: &Browser, email: &str) -> UserId {
    let members = browser.installation.app.identity_store.members();
    let found = members.find_user_by_email(&email.parse().unwrap()).await;
    found.unwrap().unwrap().id
}

/// Tells of something in the outbox of messaging, as any context does in its own, and brings it to its handlers.
async fn happened<E: DomainEvent + Sync>(browser: &Browser, event: &E, minutes_ago: i64) {
    let app = &browser.installation.app;
    let organization = browser.installation.ours.organization_id();
    let at = app.clock.now() - TimeDelta::minutes(minutes_ago);
    let (ids, cause) = (&UuidV7Source, Cause::root(&UuidV7Source));
    let envelope = Envelope::seal(organization, event, at, ids, cause).unwrap();
    let mut uow = app.messaging_store.begin().await.unwrap();
    uow.outbox().append(&[envelope]).await.unwrap();
    uow.commit().await.unwrap();
    settle_events(app).await.unwrap();
}

fn import_of(actor: Principal, state: ImportState, error: Option<&str>) -> ImportEnded {
    ImportEnded {
        import_id: ImportId::generate(&UuidV7Source),
        name: "people.csv".to_owned(),
        state,
        counts: ImportCounts::default(),
        error: error.map(str::to_owned),
        actor,
    }
}

/// A call with the cookie of whoever is logged in, with the token of the page that was looked at last.
async fn api(browser: &Browser, method: &str, path: &str, body: Value) -> crate::support::Answer {
    let request = request("", method, path)
        .header(header::COOKIE, browser.cookie())
        .header("x-csrf-token", browser.token());
    let request = match body {
        Value::Null => request.finish(),
        body => request
            .content_type("application/json")
            .body(body.to_string()),
    };
    browser.installation.send(request).await
}

#[tokio::test]
async fn whoever_imports_is_told_when_it_is_done_and_nobody_else_is() {
    let mut browser = Browser::new().await;
    let page = browser.get(PLACE).await;
    assert!(page.contains("Nothing was told yet"), "{page}");
    assert!(page.contains("Notifications, nothing new"), "{page}");
    browser.get("/app/imports/new").await;
    let file = "email,firstname\nann@example.com,Ann\nbob@,Bob\n";
    files::upload(
        &mut browser,
        "/app/imports/new",
        "people.csv",
        file.as_bytes(),
    )
    .await;
    let at = browser.at.split_once('?').unwrap().0.to_owned();
    let fields = [
        ("name", "people.csv"),
        ("step", "start"),
        ("column-1", "email"),
        ("column-2", "firstname"),
    ];
    browser.post(&at, &fields).await;
    let import = browser.at.split('?').next().unwrap().to_owned();
    let app = browser.installation.app.clone();
    let worker = WorkerId::from_uuid(Uuid::from_u128(1));
    while app.imports.run_once(worker, &|| false).await.unwrap() {}
    // However often the events are brought.
    for _ in 0..2 {
        settle_events(&app).await.unwrap();
    }
    let page = browser.get("/app/").await;
    assert!(page.contains("Notifications, 1 unread"), "{page}");
    assert!(page.contains("hx-trigger=\"every 30s\""), "{page}");
    // The bell that is looked at again is had without the list.
    let light = format!("{PLACE}?bell=true");
    assert!(page.contains(&format!("hx-get=\"{light}\"")), "{page}");
    let answer = browser.send("GET", &light, None).await;
    assert_eq!(answer.status, 200);
    let alone = String::from_utf8(answer.body).unwrap();
    assert!(
        alone.starts_with("<a ") && alone.ends_with("</a>"),
        "{alone}"
    );
    assert!(alone.contains("Notifications, 1 unread"), "{alone}");
    assert!(!alone.contains("people.csv"), "{alone}");
    let page = browser.get(PLACE).await.to_owned();
    assert!(page.contains("The import of people.csv is done"), "{page}");
    assert!(
        page.contains("2 rows: 1 added, 1 could not be used."),
        "{page}"
    );
    assert!(page.contains(&format!("<a href=\"{import}\">")), "{page}");
    assert_eq!(
        page.matches("The import of people.csv is done</strong>")
            .count(),
        1
    );
    become_viewer(&mut browser).await;
    let page = browser.get(PLACE).await.to_owned();
    assert!(page.contains("Nothing was told yet"), "{page}");
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get(PLACE).await.to_owned();
    let (_, rest) = page.split_once("/app/notifications/").unwrap();
    let (_, rest) = rest.split_once("/app/notifications/").unwrap();
    let one = format!("{PLACE}/{}/read", rest.split('/').next().unwrap());
    let page = browser.post(&one, &[]).await.to_owned();
    assert_eq!(browser.at, PLACE);
    assert!(page.contains("Notifications, nothing new"), "{page}");
    assert!(
        page.contains("The import of people.csv is done"),
        "it stays: {page}"
    );
    assert!(!page.contains("Mark as read"), "{page}");
    // Nobody reads what is another's.
    browser.log_in(VIEWER.0, VIEWER.1).await;
    browser.get(PLACE).await;
    browser.post(&one, &[]).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn what_went_wrong_is_told_with_its_reason() {
    let mut browser = Browser::new().await;
    let ann = Principal::User {
        id: user(&browser, OWNER.0).await,
    };
    let failed = import_of(
        ann,
        ImportState::Failed,
        Some("the file is not <b>UTF-8</b>"),
    );
    happened(&browser, &failed, 3).await;
    let change = BulkChangeEnded {
        bulk_change_id: BulkChangeId::generate(&UuidV7Source),
        action: BulkAction::Delete,
        state: BulkState::Completed,
        done: 1_200,
        refused: 200,
        problem: Some("another contact already has this email address".to_owned()),
        actor: ann,
    };
    happened(&browser, &change, 2).await;
    let send = SendNoted {
        send_job_id: SendJobId::generate(&UuidV7Source),
        email_id: EmailId::generate(&UuidV7Source),
        state: JobState::Failed,
        note: Some("its segment was deleted".to_owned()),
        made_by: ann,
    };
    happened(&browser, &send, 1).await;
    let page = browser.get(PLACE).await.to_owned();
    for words in [
        "The import of people.csv failed",
        "The file is not &lt;b&gt;UTF-8&lt;/b&gt;. So far: no rows.",
        "The change of many contacts is done",
        "Done for 1,000 of 1,200; 200 could not be changed: another contact already has this email address.",
        "Sending “(deleted)” failed",
        "Its segment was deleted. 0 accepted.",
        "needs a look",
        "Notifications, 3 unread",
        &format!("href=\"/app/bulk/{}\"", change.bulk_change_id),
        &format!("href=\"/app/sends/{}\"", send.send_job_id),
    ] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    let (sent, imported) = (page.find("Sending “"), page.find("The import of"));
    assert!(sent < imported, "the latest is the first: {page}");
    // What comes in after the page was looked at is not marked with the others.
    let (_, up_to) = page.split_once("name=\"up_to\" value=\"").unwrap();
    let up_to = up_to.split_once('"').unwrap().0;
    let later = import_of(ann, ImportState::Completed, None);
    happened(&browser, &later, 0).await;
    let read = format!("{PLACE}/read");
    let page = browser.post(&read, &[("up_to", up_to)]).await;
    assert!(page.contains("Notifications, 1 unread"), "{page}");
    browser.post(&read, &[]).await;
    assert_eq!(browser.status, 400);
}

#[tokio::test]
async fn a_mail_server_that_comes_and_goes_is_told_once_a_day() {
    let mut browser = Browser::new().await;
    let ann = Principal::User {
        id: user(&browser, OWNER.0).await,
    };
    let send = SendNoted {
        send_job_id: SendJobId::generate(&UuidV7Source),
        email_id: EmailId::generate(&UuidV7Source),
        state: JobState::Sending,
        note: Some("no mail goes out: no answer".to_owned()),
        made_by: ann,
    };
    let day = 24 * 60;
    for minutes_ago in [day + 30, day + 20, 20, 10] {
        happened(&browser, &send, minutes_ago).await;
    }
    let page = browser.get(PLACE).await;
    assert_eq!(page.matches("is held up</strong>").count(), 2, "{page}");
    let other = SendNoted {
        send_job_id: SendJobId::generate(&UuidV7Source),
        ..send
    };
    happened(&browser, &other, 5).await;
    let page = browser.get(PLACE).await;
    assert_eq!(page.matches("is held up</strong>").count(), 3, "{page}");
}

#[tokio::test]
async fn programs_are_answered_for_by_their_person_when_something_goes_wrong() {
    let mut browser = Browser::new().await;
    browser.get("/app/account").await;
    let body = json!({"name": "nightly", "role": "member"});
    let token = api(&browser, "POST", "/api/identity/tokens", body).await;
    let id = token.ok(201)["token"]["id"].as_str().unwrap().to_owned();
    let program = Principal::Token {
        id: ApiTokenId::from_uuid(id.parse().unwrap()),
    };
    for (by, state) in [
        (program, ImportState::Completed),
        (program, ImportState::Failed),
        (Principal::System, ImportState::Failed),
    ] {
        happened(&browser, &import_of(by, state, Some("no such file")), 0).await;
    }
    let page = browser.get(PLACE).await;
    assert!(page.contains("Notifications, 1 unread"), "{page}");
    assert!(page.contains("The import of people.csv failed"), "{page}");
}

/// Invites Bob, who makes an account.
async fn bob(browser: &mut Browser) {
    browser.get("/app/organization").await;
    let fields = [("email", BOB.0), ("role", "member")];
    browser.post("/app/organization/invitations", &fields).await;
    let letter = letter_to(&browser.installation.app, BOB.0).await.unwrap();
    let link = link(&letter);
    browser.set_cookie("");
    browser.get(&link).await;
    let token = link.split_once("token=").unwrap().1;
    let fields = [("token", token), ("name", "Bob"), ("password", BOB.1)];
    browser.post_exactly("/app/invitation", &fields).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    settle_events(&browser.installation.app).await.unwrap();
}

#[tokio::test]
async fn whoever_invited_is_told_who_joined_and_owners_what_becomes_of_the_organisation() {
    let mut browser = Browser::new().await;
    bob(&mut browser).await;
    let page = browser.get(PLACE).await;
    assert!(
        page.contains("Nothing was told yet"),
        "Bob invited nobody: {page}"
    );
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get(PLACE).await;
    assert!(page.contains("Bob accepted your invitation"), "{page}");
    assert!(
        page.contains("Bob works with you now, as member."),
        "{page}"
    );
    let delete = "/app/organization/delete";
    browser.get(delete).await;
    let fields = [("name", "Acme"), ("password", OWNER.1)];
    browser.post(delete, &fields).await;
    settle_events(&browser.installation.app).await.unwrap();
    let page = browser.get(PLACE).await.to_owned();
    assert!(page.contains("Acme is going to be deleted"), "{page}");
    assert!(page.contains("Ann Owner asked for it."), "{page}");
    // What one is told is read also where nothing else can be changed.
    let (_, up_to) = page.split_once("name=\"up_to\" value=\"").unwrap();
    let up_to = up_to.split_once('"').unwrap().0;
    let page = browser
        .post(&format!("{PLACE}/read"), &[("up_to", up_to)])
        .await;
    assert!(page.contains("Notifications, nothing new"), "{page}");
    browser.post("/app/organization/restore", &[]).await;
    settle_events(&browser.installation.app).await.unwrap();
    let page = browser.get(PLACE).await;
    assert!(page.contains("Acme is kept"), "{page}");
    browser.log_in(BOB.0, BOB.1).await;
    let page = browser.get(PLACE).await;
    assert!(
        !page.contains("Acme is kept"),
        "Bob does not own it: {page}"
    );
}

#[tokio::test]
async fn notifications_are_read_over_the_api() {
    let mut browser = Browser::new().await;
    let ann = Principal::User {
        id: user(&browser, OWNER.0).await,
    };
    for _ in 0..3 {
        happened(&browser, &import_of(ann, ImportState::Completed, None), 0).await;
    }
    browser.get("/app/account").await;
    let place = "/api/identity/notifications";
    let get = async |path: String| api(&browser, "GET", &path, Value::Null).await.ok(200);
    let put = async |path: String| api(&browser, "PUT", &path, Value::Null).await;
    let first = get(format!("{place}?limit=2")).await;
    let items = first["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["kind"], "import");
    assert_eq!(items[0]["problem"], false);
    let about = items[0]["about"].as_str().unwrap();
    assert_eq!(items[0]["page"], format!("/app/imports/{about}"));
    assert!(items[0].get("read_at").is_none());
    let next = first["next"].as_str().unwrap();
    let rest = get(format!("{place}?limit=2&after={next}")).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert!(rest.get("next").is_none_or(Value::is_null));
    assert_eq!(get(format!("{place}/unread")).await["unread"], 3);
    let latest = items[0]["id"].as_str().unwrap();
    assert_eq!(put(format!("{place}/{latest}/read")).await.status, 204);
    let unread = get(format!("{place}?unread=true")).await;
    assert_eq!(unread["items"].as_array().unwrap().len(), 2);
    put(format!("{place}/{}/read", Uuid::nil()))
        .await
        .problem(404);
    let oldest = rest["items"][0]["id"].as_str().unwrap();
    assert_eq!(
        put(format!("{place}/read?up_to={oldest}")).await.status,
        204
    );
    assert_eq!(get(format!("{place}/unread")).await["unread"], 1);
    assert_eq!(put(format!("{place}/read")).await.status, 204);
    assert_eq!(get(format!("{place}/unread")).await["unread"], 0);
    // Programs are told nothing.
    let token = browser.installation.owner.clone();
    let refused = browser.installation.call(&token, "GET", place, None).await;
    assert_eq!(refused.problem(403)["code"], "forbidden");
}

#[tokio::test]
async fn members_write_to_each_other() {
    let mut browser = Browser::new().await;
    become_viewer(&mut browser).await;
    let owner = user(&browser, OWNER.0).await;
    let write = format!("/app/organization/members/{owner}/write");
    let page = browser.get("/app/organization").await;
    assert!(page.contains(&format!("href=\"{write}\"")), "{page}");
    let page = browser.get(&format!("{write}?page=/app/contacts/1")).await;
    assert!(page.contains("value=\"/app/contacts/1\""), "{page}");
    let long = "x".repeat(6_000);
    let wrong = [
        ("subject", "a\r\nBcc: eve@example.com"),
        ("message", long.as_str()),
        ("page", "https://evil.example/app/"),
    ];
    let page = browser.post(&write, &wrong).await.to_owned();
    assert_eq!(browser.status, 422);
    for field in ["subject", "message", "page"] {
        assert!(
            page.contains(&format!("id=\"{field}-error\"")),
            "{field}: {page}"
        );
    }
    let fields = [
        ("subject", "About <Ann>"),
        (
            "message",
            "Have you seen this?\r\n.\r\n<script>alert(1)</script>",
        ),
        ("page", "http://127.0.0.1:8080/app/contacts/1"),
    ];
    let page = browser.post(&write, &fields).await;
    assert!(page.contains("Your mail is on its way."), "{page}");
    let app = browser.installation.app.clone();
    let text = letter_to(&app, OWNER.0).await.unwrap();
    for words in [
        "Vera Viewer (viewer@example.com), who works with you in Acme, writes to you:",
        "Have you seen this?",
        "<script>alert(1)</script>",
        "http://127.0.0.1:8080/app/contacts/1",
    ] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    let operator = mauntic_core::Actor::system(mauntic_server::installation());
    let size = mauntic_core::PageSize::default();
    let mails = app.inbox.list(&operator, Some(OWNER.0), None, size).await;
    let mail = app.inbox.open(&operator, mails.unwrap().items[0].id).await;
    let raw = String::from_utf8(mail.unwrap().source).unwrap();
    assert!(raw.contains("Reply-To: "), "{raw}");
    assert!(raw.contains("<viewer@example.com>"), "{raw}");
    // Nobody writes to themselves, or to somebody who is no member.
    let oneself = user(&browser, VIEWER.0).await;
    browser
        .get(&format!("/app/organization/members/{oneself}/write"))
        .await;
    assert_eq!(browser.status, 409);
    let nobody = UserId::generate(&UuidV7Source);
    browser
        .get(&format!("/app/organization/members/{nobody}/write"))
        .await;
    assert_eq!(browser.status, 404);
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get("/app/organization/audit").await;
    assert!(page.contains("wrote a mail to"), "{page}");
}

#[tokio::test]
async fn whoever_looks_after_a_contact_is_written_to_from_its_page() {
    let mut browser = Browser::new().await;
    let owner = user(&browser, OWNER.0).await;
    let body = json!({"fields": {"email": "dee@example.com"}, "owner_id": owner});
    let contact = contact(&browser, body).await;
    let page = browser.get(&contact).await;
    assert!(page.contains("Ann Owner"), "{page}");
    assert!(!page.contains("Write to them"), "it is oneself: {page}");
    become_viewer(&mut browser).await;
    let page = browser.get(&contact).await.to_owned();
    let about = contact.replace('/', "%2F");
    let way = format!("/app/organization/members/{owner}/write?page={about}");
    assert!(page.contains(&way), "{page}");
    let page = browser.get(&way).await;
    assert!(page.contains(&format!("value=\"{contact}\"")), "{page}");
}

#[tokio::test]
async fn members_write_to_each_other_over_the_api() {
    let mut browser = Browser::new().await;
    let owner = user(&browser, OWNER.0).await;
    become_viewer(&mut browser).await;
    browser.get("/app/account").await;
    let path = format!("/api/identity/members/{owner}/letters");
    let good = json!({"subject": "Hi", "text": "How are you?", "page": "/app/segments"});
    for (field, value) in [
        ("subject", json!("a\nb")),
        ("subject", json!("x".repeat(200))),
        ("text", json!(" ")),
        ("page", json!("//evil.example")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let problem = api(&browser, "POST", &path, body).await.problem(422);
        let text = problem.to_string();
        assert!(text.contains(&format!("/{field}")), "{text}");
    }
    let app = browser.installation.app.clone();
    assert!(letter_to(&app, OWNER.0).await.is_none());
    for _ in 0..20 {
        let sent = api(&browser, "POST", &path, good.clone()).await;
        assert_eq!(sent.status, 204);
    }
    let more = api(&browser, "POST", &path, good.clone()).await;
    assert_eq!(more.problem(429)["code"], "too_many_attempts");
    let text = letter_to(&app, OWNER.0).await.unwrap();
    assert!(
        text.contains("http://127.0.0.1:8080/app/segments"),
        "{text}"
    );
    let stranger = format!("/api/identity/members/{}/letters", Uuid::nil());
    api(&browser, "POST", &stranger, good.clone())
        .await
        .problem(404);
    let oneself = user(&browser, VIEWER.0).await;
    let oneself = format!("/api/identity/members/{oneself}/letters");
    let refused = api(&browser, "POST", &oneself, good).await.problem(409);
    assert_eq!(refused["code"], "oneself");
}
