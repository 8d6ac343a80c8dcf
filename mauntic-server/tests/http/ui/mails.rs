//! How a mail is shown to those who work here: with its pictures, without a trace.

use mauntic_core::{PageSize, storage::test_database::TestDatabase};
use poem::http::header;
use serde_json::json;

use super::sends::{office, segment, work_until};
use crate::{
    mail::made,
    page::has,
    people,
    support::{Installation, request},
};

/// Where recipients reach the installation in these tests; staff come by another name.
const BASE: &str = "https://mail.example.com";

#[tokio::test]
async fn a_captured_mail_is_read_without_a_trace() {
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.base_url = Some(BASE.parse().unwrap());
    });
    let mut mia = people::office(installation.await, "mia").await;
    let segment = segment(&mia.installation, &[("ann@example.com", "Ann")]).await;
    // They look like ours, and are not.
    let foreign =
        ["v", "t/o"].map(|kind| format!("https://other.example/{kind}/{}", "a".repeat(90)));
    let [view, pixel] = &foreign;
    let html = format!("<p><img alt=\"\" src=\"{pixel}\"> {view}</p>");
    let html = html
        + "<p>Hello, <a href=\"https://example.com/news?a=1&amp;b=2\">news</a>, \
        <a href=\"{{ webview_url }}\">in a browser</a>, <a href=\"{{ unsubscribe_url }}\">unsubscribe</a></p>";
    let content = json!({"subject": "Hi", "html": html, "from_address": "news@example.com"});
    let body = json!({"name": "Launch", "content": content});
    let email = made(&mia.installation, "/api/messaging/emails", body).await;
    let body = json!({"email_id": email["id"], "segment_id": segment});
    let send = made(&mia.installation, "/api/messaging/sends", body).await;
    let place = format!("/app/sends/{}", send["id"].as_str().unwrap());
    work_until(&mut mia, &place, ">completed<").await;
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let mails = app.inbox.list(ours, None, None, PageSize::default()).await;
    let id = mails.unwrap().items[0].id;
    let sent = app
        .inbox
        .open(ours, id)
        .await
        .unwrap()
        .content
        .html
        .unwrap();
    for tracked in ["/t/o/", "/t/c/", "/v/"] {
        has(&sent, &format!("{BASE}{tracked}"));
    }
    let path = format!("/app/inbox/{id}/html");
    let answer = mia.send("GET", &path, None).await;
    let shown = String::from_utf8(answer.body).unwrap();
    for tracked in ["/t/o/", "/t/c/", "/v/"] {
        let tracked = format!("{BASE}{tracked}");
        assert!(!shown.contains(&tracked), "{tracked}: {shown}");
    }
    for kept in &foreign {
        has(&shown, kept);
    }
    has(&shown, "href=\"https://example.com/news?a=1&amp;b=2\"");
    has(&shown, &format!("{BASE}/u/"));
    has(&shown, "<base target=\"_blank\">");
    // Our images are named by where recipients and where staff reach them; nothing else of ours is.
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let images = policy.split_once("img-src ").unwrap().1;
    assert_eq!(
        images,
        format!("https: data: {BASE}/i/ http://mauntic.lan:8080/i/")
    );
}

#[tokio::test]
async fn a_host_that_is_no_name_gets_no_place_in_the_policy() {
    let mia = office(TestDatabase::chosen().await).await;
    let email = super::sends::email(&mia.installation).await;
    for host in ["evil.example; script-src *", "a b", "a'b"] {
        let request = request("", "GET", &format!("/app/emails/{email}/preview"))
            .header(header::COOKIE, mia.cookie())
            .header(header::HOST, host);
        let answer = mia.installation.send(request.finish()).await;
        assert_eq!(answer.status, 200);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.ends_with("img-src https: data: http://127.0.0.1:8080/i/"),
            "{policy}"
        );
    }
}
