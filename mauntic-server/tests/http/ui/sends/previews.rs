//! What is looked at before an email is sent: as a contact sees it, as a test, in an earlier version, and what its checks say.

use mauntic_core::{EmailId, PageSize, storage::test_database::TestDatabase};
use mauntic_messaging::email::PreviewRecipient;
use serde_json::json;

use super::{BODY, email, office, segment};
use crate::{
    mail::{id, made, mailbox},
    page::has,
    people,
    support::{Installation, dns::nothing_published},
};

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

#[tokio::test]
async fn a_test_has_the_values_of_nobody_by_the_beginning_of_a_name() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let fields = json!({"firstname": "Berta", "lastname": "Lee"});
    let berta = json!({"email": "berta@example.com", "fields": fields});
    let berta = id(&made(&mia.installation, "/api/crm/contacts", berta).await);
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}");
    // To look at, the beginning of a name is enough; the form of the test names whom it found by the id.
    let page = mia.get(&format!("{place}?as=ber&view=text")).await;
    has(page, "Hello Berta,");
    has(
        page,
        &format!("type=\"hidden\" name=\"as\" value=\"{berta}\""),
    );
    let test = format!("{place}/test");
    for named in ["ber", "Berta", "Berta Lee"] {
        mia.get(&place).await;
        let form = [("to", "me@example.com"), ("as", named)];
        mia.post(&test, &form).await;
        assert_eq!(mia.status, 422, "{named}: {}", mia.page);
        has(&mia.page, "id=\"as-error\"");
        has(
            &mia.page,
            "Write the whole address of a contact, or the id.",
        );
        has(&mia.page, &format!("value=\"{named}\""));
    }
    assert!(mailbox(&mia.installation).await.is_empty());
    for named in [berta.as_str(), "berta@example.com"] {
        mia.get(&place).await;
        let form = [("to", "me@example.com"), ("as", named)];
        mia.post(&test, &form).await;
        assert_eq!(mia.at, format!("{place}?done=tested"), "{}", mia.page);
    }
    let mails = mailbox(&mia.installation).await;
    assert_eq!(mails.len(), 2);
    for (_, mail) in mails {
        has(&mail.text.unwrap(), "Hello Berta,");
    }
    // Whoever was named by the id stands there by the address when the test did not go.
    mia.get(&place).await;
    mia.post(&test, &[("to", "me@"), ("as", &berta)]).await;
    assert_eq!(mia.status, 422);
    has(&mia.page, "id=\"to-error\"");
    has(&mia.page, "With the values of berta@example.com.");
}

#[tokio::test]
async fn where_mail_must_be_signed_nothing_unsigned_is_sent() {
    let strict = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.unsigned_mail = false;
        settings.dns_server = Some(nothing_published());
    });
    let mut mia = people::office(strict.await, "mia").await;
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
    has(records, "Receivers cannot verify the signatures");
    has(records, "The return path of this mail is not set up");
    has(records, "MX <code>bounce.example.com</code>");
    has(records, "reject_unknown_sender_domain");
    assert!(!records.contains("In the segment"), "{records}");
    assert!(!records.contains("Send it now"), "{records}");
    made(&mia.installation, path, send).await;
}
