//! What pages show of what happened: refusals, machines, what runs, who changed what, and the headers of a mail.

use std::time::Duration;

use mauntic_core::{EmailId, PageSize, SendJobId, hour_of, storage::test_database::TestDatabase};
use mauntic_messaging::tracking::{EmailCount, Metric};
use mauntic_server::{Workers, jobs};
use poem::http::header;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::sends::{email, office, segment, until};
use crate::{
    browser::{Browser, OWNER},
    letters::letter_to,
    mail::made,
    page::has,
    people::{self, PASSWORD},
    support::request,
};

/// A mail server that takes all mail but that to `nobody`; its port.
async fn mail_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port.to_string()
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example ESMTP\r\n").await?;
    let (mut line, mut in_message) = (String::new(), false);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.to_ascii_uppercase();
        let reply: &[u8] = if in_message {
            if line != ".\r\n" {
                continue;
            }
            in_message = false;
            b"250 2.0.0 queued\r\n"
        } else if command.starts_with("EHLO") {
            b"250-mail.example\r\n250 8BITMIME\r\n"
        } else if command.starts_with("RCPT") && command.contains("<NOBODY@") {
            b"550 5.1.1 no such user\r\n"
        } else if command.starts_with("DATA") {
            in_message = true;
            b"354 go ahead\r\n"
        } else if command.starts_with("QUIT") {
            return stream.write_all(b"221 2.0.0 bye\r\n").await;
        } else {
            b"250 2.0.0 ok\r\n"
        };
        stream.write_all(reply).await?;
    }
}

/// Counts opens by people and by machines.
async fn opened(mia: &Browser, email: &str) {
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let email_id: EmailId = email.parse().unwrap();
    let counts = [
        (Metric::Opened, false, 4),
        (Metric::Opened, true, 2),
        (Metric::Opens, false, 7),
        (Metric::Opens, true, 3),
    ];
    let counts = counts.map(|(metric, machine, n)| EmailCount {
        organization_id: ours.organization_id(),
        email_id,
        metric,
        machine,
        hour: hour_of(app.clock.now()),
        n,
    });
    let mut uow = app.messaging_store.begin().await.unwrap();
    uow.tracking().count(&counts).await.unwrap();
    uow.commit().await.unwrap();
}

#[tokio::test]
async fn a_refusal_shows_its_class_and_leads_to_whom_it_was_about() {
    let mut mia = office(TestDatabase::chosen().await).await;
    mia.log_in("ada@example.com", PASSWORD).await;
    mia.get("/app/sending").await;
    let port = mail_server().await;
    let server = [
        ("kind", "smtp"),
        ("host", "127.0.0.1"),
        ("port", port.as_str()),
        ("tls", "none"),
    ];
    mia.post("/app/sending", &server).await;
    assert_eq!(mia.at, "/app/sending?done=saved", "{}", mia.page);
    mia.post("/app/sending/test", &[]).await;
    has(&mia.page, "It answers: ");
    assert!(!mia.page.contains("It does not work"), "{}", mia.page);

    let mut addresses: Vec<_> = (0..59).map(|n| format!("p{n}@example.com")).collect();
    addresses.push("nobody@example.net".to_owned());
    let people: Vec<_> = addresses.iter().map(|one| (one.as_str(), "Pat")).collect();
    let segment = segment(&mia.installation, &people).await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}");
    let summary = format!("{place}/send/summary?segment={segment}&at=");
    has(mia.get(&summary).await, "as long as the mail server needs");
    let body = json!({"email_id": email, "segment_id": segment});
    let send = made(&mia.installation, "/api/messaging/sends", body).await;
    let send = format!("/app/sends/{}", send["id"].as_str().unwrap());
    let workers = Workers::start(jobs(&mia.installation.app), CancellationToken::new());
    until(&mut mia, &send, ">completed<").await;
    workers.stop(Duration::from_secs(30)).await;

    opened(&mia, &email).await;
    let results = mia.get(&format!("{place}/results")).await.to_owned();
    let behind = |behind: &str, count: u64| {
        format!("<a href=\"{place}/people?behind={behind}\">{count}</a>")
    };
    has(&results, &behind("accepted", 59));
    let hard = format!("<dt>hard</dt><dd>{}</dd>", behind("refused%3Ahard", 1));
    has(&results, &hard);
    // People and machines stand apart, each with those behind.
    let row = format!(
        "<th scope=\"row\">Opened</th><td class=\"number\">{} (6.7 %)</td><td class=\"number\">{} (3.3 %)</td>\
         <td class=\"number\">7</td><td class=\"number\">3</td>",
        behind("opened%3Ahuman", 4),
        behind("opened%3Amachine", 2)
    );
    has(&results, &row);
    let domains = mia
        .get(&format!("{place}/results/domains"))
        .await
        .to_owned();
    has(&domains, &behind("domain%3Ain_plan%3Aexample.com", 59));
    has(&domains, &behind("domain%3Arefused%3Aexample.net", 1));
    for number in ["refused%3Ahard", "domain%3Arefused%3Aexample.net"] {
        let page = mia.get(&format!("{place}/people?behind={number}")).await;
        has(page, "nobody@example.net");
        has(page, "no such user");
        assert!(!page.contains("p1@example.com"), "{page}");
    }
    has(&mia.page, "At example.net: deliveries that are refused");
    has(&mia.page, &format!("{place}/results/domains"));
    // What was sent tells how long the next send takes.
    has(
        mia.get(&summary).await,
        "if it goes as fast as earlier sends",
    );
}

#[tokio::test]
async fn what_runs_is_shown_however_much_was_begun_since() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let segment = segment(&mia.installation, &[]).await;
    let email = email(&mia.installation).await;
    let body = json!({"email_id": email, "segment_id": segment, "at": "2099-01-01T09:00:00Z"});
    let mut sends = Vec::new();
    for _ in 0..10 {
        let send = made(&mia.installation, "/api/messaging/sends", body.clone()).await;
        sends.push(send["id"].as_str().unwrap().to_owned());
    }
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    for send in &sends[1..] {
        let send: SendJobId = send.parse().unwrap();
        app.sends.cancel(ours, send).await.unwrap();
    }
    for path in ["/app/running", "/app/"] {
        let page = mia.get(path).await;
        let running = page.split_once("Running now").expect(path).1;
        let running = running.split_once("</section>").unwrap().0;
        has(running, &format!("href=\"/app/sends/{}\"", sends[0]));
        has(running, ">scheduled<");
        assert_eq!(running.matches("<li>").count(), 1, "{running}");
    }
}

#[tokio::test]
async fn the_audit_log_names_emails_segments_and_sends() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let segment = segment(&mia.installation, &[]).await;
    let email = email(&mia.installation).await;
    let body = json!({"email_id": email, "segment_id": segment, "at": "2099-01-01T09:00:00Z"});
    let send = made(&mia.installation, "/api/messaging/sends", body).await;
    let send = send["id"].as_str().unwrap().to_owned();
    mia.log_in("ada@example.com", PASSWORD).await;
    mia.get(&format!("/app/sends/{send}")).await;
    mia.post(&format!("/app/sends/{send}/pause"), &[]).await;
    for file in [
        "/app/contacts/export".to_owned(),
        format!("/app/emails/{email}/people.csv?behind=accepted"),
    ] {
        assert_eq!(mia.send("GET", &file, None).await.status, 200, "{file}");
    }
    let app = mia.installation.app.clone();
    mauntic_server::settle_events(&app).await.unwrap();
    let page = mia.get("/app/organization/audit").await;
    for done in ["began", "paused"] {
        let row = format!("{done} the send of <a href=\"/app/sends/{send}\">Launch</a>");
        has(page, &row);
    }
    has(page, "<dt>email</dt><dd>Launch</dd>");
    has(page, "<dt>segment</dt><dd>Readers</dd>");
    let recipients =
        format!("the recipients of the email <a href=\"/app/emails/{email}\">Launch</a>");
    has(page, &recipients);
    has(page, "<td>exported contacts</td>");
    assert!(!page.contains("without a name"), "{page}");
}

#[tokio::test]
async fn every_header_of_a_captured_mail_is_explained() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let email = email(&mia.installation).await.parse().unwrap();
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let to = ["me@example.com".parse().unwrap()];
    app.sends.send_test(ours, email, None, &to).await.unwrap();
    let mails = app.inbox.list(ours, None, None, PageSize::default()).await;
    let id = mails.unwrap().items[0].id;
    let page = mia.get(&format!("/app/inbox/{id}")).await;
    let headers = page.split_once("<h2>Headers</h2>").unwrap().1;
    let headers = headers.split_once("</dl>").unwrap().0;
    for name in [
        "X-Mauntic-Delivery",
        "Date",
        "To",
        "Subject",
        "MIME-Version",
    ] {
        has(headers, &format!("<dt>{name}</dt>"));
    }
    for header in headers.split("<dt>").skip(1) {
        has(header, "<p class=\"soft\">");
    }
}

#[tokio::test]
async fn mjml_is_saved_and_comes_back_as_it_was_written() {
    let mut browser = Browser::new().await;
    let mjml = "<mjml>\n  <mj-body   width=\"600px\">\n<!-- ours & kept -->\n\t<mj-section><mj-column>\n\
                <mj-text>Hello {{ contact.firstname }}</mj-text>\n\n<mj-text><a href='{{ unsubscribe_url }}'>Leave</a></mj-text>\n\
                </mj-column></mj-section>\n  </mj-body>\n</mjml>\n";
    browser.get("/app/emails/new").await;
    let fields = [
        ("name", "Launch"),
        ("subject", "Hi"),
        ("kind", "mjml"),
        ("body", mjml),
        ("from_address", "news@example.com"),
    ];
    browser.post("/app/emails/new", &fields).await;
    let place = browser
        .at
        .strip_suffix("?done=created")
        .expect(&browser.page);
    let edit = format!("{place}/edit");
    let shown = mjml
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    has(browser.get(&edit).await, &shown);
    // Saved again as it is shown, it stays so.
    let again = [&fields[..], &[("version", "1")]].concat();
    browser.post(&edit, &again).await;
    assert!(browser.at.ends_with("?done=saved"), "{}", browser.page);
    has(browser.get(&edit).await, &shown);
}

#[tokio::test]
async fn the_search_finds_segments() {
    let mut browser = Browser::new().await;
    let body = json!({"name": "Spring <b>readers"});
    let segment = people::call(&browser, "POST", "/api/crm/segments", body).await;
    let page = browser.get("/app/search?q=SPRING").await;
    has(page, "<h2>Segments</h2>");
    let id = segment["id"].as_str().unwrap();
    has(page, &format!("href=\"/app/segments/{id}\""));
    has(page, "Spring &lt;b&gt;readers");
    assert!(!page.contains("<h2>Emails</h2>"), "{page}");
}

#[tokio::test]
async fn a_letter_leads_to_the_installation_whatever_host_it_was_asked_for_at() {
    let mut browser = Browser::new().await;
    browser.set_cookie("");
    browser.get("/app/forgot").await;
    let form = serde_urlencoded::to_string([("email", OWNER.0)]).unwrap();
    let cookies = format!("{}; {}", browser.cookie(), browser.others());
    let request = request("", "POST", "/app/forgot")
        .header(header::COOKIE, cookies)
        .header(header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header(header::ORIGIN, "http://evil.example")
        .content_type("application/x-www-form-urlencoded")
        .body(form);
    let answer = browser.installation.send(request).await;
    assert_eq!(answer.status, 200);
    let letter = letter_to(&browser.installation.app, OWNER.0).await;
    let letter = letter.expect("it was asked for as by a page of ours");
    has(&letter, "http://127.0.0.1:8080/app/reset?token=");
    assert!(!letter.contains("evil.example"), "{letter}");
}

#[tokio::test]
async fn a_skeleton_holds_the_place_of_what_comes_later() {
    let mut ada = office(TestDatabase::chosen().await).await;
    ada.log_in("ada@example.com", PASSWORD).await;
    ada.get("/app/sending/domains").await;
    let domain = [("domain", "example.com")];
    ada.post("/app/sending/domains", &domain).await;
    let place = ada.at.strip_suffix("?done=created").expect(&ada.page);
    let more = format!("{place}?check=true");
    has(
        &ada.page,
        &format!("<div class=\"stack late\" hx-get=\"{more}\" hx-trigger=\"load\""),
    );
    has(&ada.page, "class=\"skeleton\"");
    has(&ada.page, &format!("href=\"{more}\">Look them up</a>"));
    let page = ada.get(&more).await;
    assert!(!page.contains("skeleton"), "{page}");
}

#[tokio::test]
async fn what_changes_in_place_is_a_plain_form_too() {
    let mut browser = Browser::new().await;
    let body = json!({"fields": {"email": "ann@example.com"}, "tags": ["one", "two"]});
    let contact = people::contact(&browser, body).await;
    let page = browser.get(&contact).await.to_owned();
    // Two tags that are on, one to put on, and a mark for each channel.
    assert!(page.matches(" hx-post=\"").count() >= 4, "{page}");
    for form in page.split("<form ").skip(1) {
        let (form, _) = form.split_once('>').unwrap();
        let Some((_, sent)) = form.split_once(" hx-post=\"") else {
            continue;
        };
        let (to, _) = sent.split_once('"').unwrap();
        let plain = format!("method=\"post\" action=\"{to}\"");
        assert!(form.starts_with(&plain), "{form}");
    }
    browser
        .post(&format!("{contact}/tags"), &[("remove", "one")])
        .await;
    assert_eq!(browser.at, format!("{contact}?done=saved"));
    has(&browser.page, "Take off the tag two");
    assert!(!browser.page.contains("Take off the tag one"));
}
