//! What recipients reach without an account, asked as mail programs, browsers and scanners ask it.

use std::time::Duration;

use futures_util::future::join_all;
use mauntic_core::{EmailAddress, SecretKey, storage::test_database::TestDatabase};
use mauntic_messaging::{
    suppression::SuppressionReason,
    token::{Purpose, TokenSigner, TrackingToken},
};
use poem::http::header;
use serde_json::json;

use crate::{
    mail::{contact, email, id, made, mailbox, over, send, work},
    support::{Answer, Installation, request},
};

const TARGET: &str = "https://shop.example/news?a=1&b=2";
const HTML: &str =
    "<p>Hello {{ contact.firstname }}</p><a href=\"https://shop.example/news?a=1&amp;b=2\">news</a>
    <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> <a href=\"{{ dnc_url }}\">From all</a>
    <a href=\"{{ webview_url }}\">In the browser</a>";
/// What a mail program sends (RFC 8058 section 3.1).
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
/// The same as others send it.
const MULTIPART: &str = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";

/// A message that was sent to Ann, and the paths of its links.
struct Sent {
    installation: Installation,
    signer: TokenSigner,
    segment: String,
    pixel: String,
    click: String,
    leave: String,
    leave_all: String,
    view: String,
}

/// Sends it, to a mailing list if recipients know the segment by a name.
async fn sent(list_name: Option<&str>) -> Sent {
    let installation = Installation::on(TestDatabase::chosen().await).await;
    let more = json!({"fields": {"firstname": "Ann"}});
    let ann = contact(&installation, "ann@example.com", &more).await;
    let segment = made(
        &installation,
        "/api/crm/segments",
        json!({"name": "Readers"}),
    )
    .await;
    let segment = id(&segment);
    if let Some(name) = list_name {
        let (owner, path) = (&installation.owner, format!("/api/crm/segments/{segment}"));
        let named = installation.call(owner, "PATCH", &path, Some(json!({"list_name": name})));
        named.await.ok(200);
    }
    let (segments, ours) = (&installation.app.segments, &installation.ours);
    let ann = [ann.parse().unwrap()];
    let added = segments.add(ours, segment.parse().unwrap(), &ann);
    added.await.unwrap();
    let email = email(&installation, "News", HTML).await;
    let job = send(&installation, &email, &segment).await;
    let workers = work(&installation, |_| true);
    over(&installation, job).await;
    workers.stop(Duration::from_secs(30)).await;
    let (_, content) = mailbox(&installation).await.remove(0);
    let path = |url: &String| {
        let (_, path) = url.split_once("://").unwrap();
        path[path.find('/').unwrap()..].to_owned()
    };
    let [click, leave, leave_all, view] = &content.links[..] else {
        panic!("{:?}", content.links);
    };
    Sent {
        signer: TokenSigner::new(&installation.app.secret),
        pixel: path(content.images.last().unwrap()),
        click: path(click),
        leave: path(leave),
        leave_all: path(leave_all),
        view: path(view),
        segment,
        installation,
    }
}

impl Sent {
    async fn ask(&self, method: &str, path: &str) -> Answer {
        self.installation.call("", method, path, None).await
    }

    async fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let mut request = request("", "POST", path);
        if !content_type.is_empty() {
            request = request.content_type(content_type);
        }
        self.installation.send(request.body(body.to_owned())).await
    }

    /// Why Ann gets no mail at all, if so.
    async fn suppressed(&self) -> Option<SuppressionReason> {
        let ann: EmailAddress = "ann@example.com".parse().unwrap();
        let organization = self.installation.ours.organization_id();
        let suppressions = self.installation.app.messaging_store.suppressions();
        let found = suppressions.find(organization, &ann).await.unwrap();
        found.map(|entry| entry.reason)
    }

    /// Whether Ann left the mailing list.
    async fn left_the_list(&self) -> bool {
        let hash = mauntic_messaging::suppression::address_hash("ann@example.com");
        let organization = self.installation.ours.organization_id();
        let suppressions = self.installation.app.messaging_store.suppressions();
        let left = suppressions.left_lists(organization, &hash).await.unwrap();
        left.contains(&self.segment.parse().unwrap())
    }

    /// How many hits were stored.
    async fn hits(&self) -> usize {
        let app = &self.installation.app;
        let mut uow = app.messaging_store.begin().await.unwrap();
        let later = app.clock.now() + chrono::TimeDelta::hours(1);
        let hits = uow.tracking().take_uncounted(later, 1_000).await.unwrap();
        hits.len()
    }
}

fn header_of(answer: &Answer, name: header::HeaderName) -> &str {
    let value = answer.headers.get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

#[tokio::test]
async fn looking_changes_nothing_and_is_never_kept_by_a_cache() {
    let sent = sent(None).await;
    for (path, status, content_type) in [
        (&sent.pixel, 200, "image/gif"),
        (&sent.click, 302, ""),
        (&sent.view, 200, "text/html; charset=utf-8"),
        (&sent.leave, 200, "text/html; charset=utf-8"),
        (&sent.leave_all, 200, "text/html; charset=utf-8"),
    ] {
        for method in ["HEAD", "GET", "GET"] {
            let answer = sent.ask(method, path).await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.content_type, content_type, "{method} {path}");
            let cache = header_of(&answer, header::CACHE_CONTROL);
            assert!(cache.contains("no-store"), "{method} {path}: {cache}");
            assert_eq!(answer.headers.get(header::SET_COOKIE), None);
            assert_eq!(sent.suppressed().await, None, "{method} {path}");
        }
    }
    // Each look but those at the pages to unsubscribe is a hit.
    assert_eq!(sent.hits().await, 9);
}

#[tokio::test]
async fn the_pixel_is_an_image_of_one_pixel() {
    let sent = sent(None).await;
    for path in [sent.pixel.clone(), format!("{}.gif", sent.pixel)] {
        let pixel = sent.ask("GET", &path).await;
        assert_eq!((pixel.status, &pixel.content_type[..]), (200, "image/gif"));
        assert_eq!(pixel.body.len(), 43);
        assert!(pixel.body.starts_with(b"GIF89a\x01\x00\x01\x00"));
        assert!(pixel.body.ends_with(b";"));
    }
    assert_eq!(sent.hits().await, 2);
}

#[tokio::test]
async fn a_click_leads_where_the_message_says_and_nowhere_else() {
    let sent = sent(None).await;
    for more in ["", "?url=https://evil.example", "?target=//evil.example#x"] {
        let answer = sent.ask("GET", &format!("{}{more}", sent.click)).await;
        assert_eq!(answer.status, 302, "{more}");
        assert_eq!(header_of(&answer, header::LOCATION), TARGET, "{more}");
        let referrer = header_of(&answer, header::REFERRER_POLICY);
        assert_eq!(referrer, "no-referrer");
    }
    // Nobody else can make a link that leads elsewhere.
    let token = sent.click.rsplit('/').next().unwrap();
    let token = sent.signer.verify(token).unwrap();
    let elsewhere = TrackingToken {
        purpose: Purpose::Click {
            link: 0,
            target: Some("https://evil.example".to_owned()),
        },
        ..token
    };
    let stranger = TokenSigner::new(&SecretKey::random().unwrap());
    let answer = sent.ask("GET", &stranger.url("", &elsewhere)).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers.get(header::LOCATION), None);
}

#[tokio::test]
async fn the_web_view_runs_nothing() {
    let sent = sent(None).await;
    let view = sent.ask("GET", &sent.view).await;
    let policy = header_of(&view, header::CONTENT_SECURITY_POLICY);
    for part in [
        "default-src 'none'",
        "form-action 'none'",
        "base-uri 'none'",
        "sandbox",
    ] {
        assert!(policy.contains(part), "{part} is missing in {policy}");
    }
    assert!(!policy.contains("script"), "{policy}");
    assert!(!policy.contains("allow-same-origin"), "{policy}");
    assert_eq!(view.headers["x-robots-tag"], "noindex");
    assert_eq!(view.headers["x-content-type-options"], "nosniff");
    let html = text(&view);
    assert!(html.contains("Hello Ann"), "{html}");
    assert!(!html.contains("/t/o/"), "the view is counted by itself");
    let page = sent.ask("GET", &sent.leave).await;
    let policy = header_of(&page, header::CONTENT_SECURITY_POLICY);
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert!(!policy.contains("script"), "{policy}");
}

#[tokio::test]
async fn one_click_unsubscribes_in_any_form_and_may_be_repeated() {
    let sent = sent(None).await;
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", ONE_CLICK),
        ("multipart/form-data; boundary=x", MULTIPART),
        ("application/x-www-form-urlencoded", ""),
        ("", ""),
        ("", ONE_CLICK),
    ] {
        for _ in 0..2 {
            let answer = sent.post(&sent.leave, content_type, body).await;
            assert_eq!(answer.status, 200, "{content_type} {body}");
            assert_eq!(answer.headers.get(header::LOCATION), None);
            assert!(text(&answer).contains("You are unsubscribed"));
            let cache = header_of(&answer, header::CACHE_CONTROL);
            assert!(cache.contains("no-store"), "{cache}");
            let reason = Some(SuppressionReason::Unsubscribed);
            assert_eq!(sent.suppressed().await, reason, "{content_type} {body}");
        }
        assert!(text(&sent.ask("GET", &sent.leave).await).contains("You are unsubscribed"));
        let form = "application/x-www-form-urlencoded";
        let back = sent.post(&sent.leave, form, "action=resubscribe").await;
        assert_eq!(back.status, 200);
        assert_eq!(sent.suppressed().await, None);
    }
    let too_long = "x".repeat(20_000);
    let answer = sent.post(&sent.leave, "", &too_long).await;
    assert_eq!((answer.status, sent.suppressed().await), (404, None));
}

#[tokio::test]
async fn a_message_to_a_list_is_about_the_list_but_for_its_link_for_all_mail() {
    let sent = sent(Some("Weekly news")).await;
    let page = text(&sent.ask("GET", &sent.leave).await);
    assert!(page.contains("Unsubscribe from “Weekly news”?"), "{page}");
    let left = sent.post(&sent.leave, "", ONE_CLICK).await;
    assert!(text(&left).contains("You are unsubscribed from “Weekly news”"));
    assert!(sent.left_the_list().await);
    assert_eq!(sent.suppressed().await, None, "other mail still comes");

    let page = text(&sent.ask("GET", &sent.leave_all).await);
    assert!(
        page.contains("Unsubscribe from all email from Ours?"),
        "{page}"
    );
    assert!(!page.contains("Unsubscribe from “Weekly news”?"), "{page}");
    assert_eq!(sent.suppressed().await, None, "looking changes nothing");
    let left = sent.post(&sent.leave_all, "", "action=unsubscribe").await;
    assert!(text(&left).contains("Ours will not send email to"));
    let reason = Some(SuppressionReason::Unsubscribed);
    assert_eq!(sent.suppressed().await, reason);
}

#[tokio::test]
async fn forged_and_misused_links_do_nothing() {
    let sent = sent(None).await;
    let token = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let (pixel, click, leave) = (token(&sent.pixel), token(&sent.click), token(&sent.leave));
    let (leave_all, view) = (token(&sent.leave_all), token(&sent.view));
    let changed = |token: &str| {
        let last = if token.ends_with('A') { 'Q' } else { 'A' };
        format!("{}{last}", &token[..token.len() - 1])
    };
    let rubbish = [
        "x".to_owned(),
        "A".repeat(6_000),
        "%00".to_owned(),
        "preview".to_owned(),
    ];
    for (place, own, others) in [
        ("/t/o/", &pixel, [&click, &leave, &leave_all, &view]),
        ("/t/c/", &click, [&pixel, &leave, &leave_all, &view]),
        ("/u/", &leave, [&pixel, &click, &click, &view]),
        ("/u/", &leave_all, [&pixel, &click, &click, &view]),
        ("/v/", &view, [&pixel, &click, &leave, &leave_all]),
    ] {
        let half = own[..own.len() / 2].to_owned();
        let forged = others.into_iter().cloned().chain(rubbish.clone());
        for bad in forged.chain([half, changed(own)]) {
            let path = format!("{place}{bad}");
            let answer = sent.ask("GET", &path).await;
            // A broken image would tell the reader of our troubles.
            let expected = if place == "/t/o/" { 200 } else { 404 };
            assert_eq!(answer.status, expected, "{path}");
            assert_eq!(answer.headers.get(header::LOCATION), None, "{path}");
            if place == "/u/" {
                for body in [ONE_CLICK, "action=all", "action=resubscribe"] {
                    let form = "application/x-www-form-urlencoded";
                    let answer = sent.post(&path, form, body).await;
                    assert_eq!(answer.status, 404, "{path} {body}");
                }
            }
        }
    }
    assert_eq!(sent.suppressed().await, None);
    assert_eq!(sent.hits().await, 0);
}

#[tokio::test]
async fn a_link_that_is_asked_for_too_often_is_refused_for_a_moment() {
    let sent = sent(None).await;
    let all_at_once = async |path: &str| {
        let asked = (0..300).map(|_| sent.ask("GET", path));
        join_all(asked).await
    };
    for click in all_at_once(&sent.click).await {
        assert_eq!(click.status, 302, "the reader goes on");
        assert_eq!(header_of(&click, header::LOCATION), TARGET);
    }
    let hits = sent.hits().await;
    assert!((200..300).contains(&hits), "{hits}: not all are kept");
    let few = 1..=100;
    for path in [&sent.view, &sent.leave] {
        let answers = all_at_once(path).await;
        let refused: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status != 200)
            .collect();
        assert!(few.contains(&refused.len()), "{path}: {}", refused.len());
        for answer in refused {
            assert_eq!(answer.status, 429);
            assert_eq!(header_of(answer, header::RETRY_AFTER), "1");
        }
    }
    let posted = (0..300).map(|_| sent.post(&sent.leave_all, "", ONE_CLICK));
    let posted = join_all(posted).await;
    let refused = posted.iter().filter(|answer| answer.status == 429).count();
    assert!(few.contains(&refused), "{refused}");
    assert!(posted.iter().any(|answer| answer.status == 200));
    let reason = Some(SuppressionReason::Unsubscribed);
    assert_eq!(sent.suppressed().await, reason, "the first ones counted");
}
