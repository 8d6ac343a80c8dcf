//! Who calls, over a real connection, with and without a proxy in front that is trusted, and what follows from it.

use mauntic_core::{
    Operator, PageSize,
    identity::{AuditFilter, Client, SessionSecret, SetUp},
    storage::test_database::TestDatabase,
};
use mauntic_server::{App, endpoint, serve};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{browser::OWNER, support::Installation};

async fn set_up(app: &App) {
    let command = SetUp {
        organization: "Acme".parse().unwrap(),
        timezone: "UTC".parse().unwrap(),
        name: "Ann".parse().unwrap(),
        email: OWNER.0.parse().unwrap(),
        password: OWNER.1.parse().unwrap(),
        code: app.identity.set_up_code(&Operator::local()).await.unwrap(),
    };
    let made = app.identity.set_up(command, Client::default());
    made.await.unwrap();
}

/// A request, but for its first lines.
fn sent(path: &str, kind: &str, headers: &str, body: &str) -> String {
    format!(
        "{path} HTTP/1.1\r\nHost: mauntic.example\r\nConnection: close\r\n{headers}\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn log_in() -> String {
    let form = serde_urlencoded::to_string([("email", OWNER.0), ("password", OWNER.1)]).unwrap();
    let through = "X-Forwarded-For: 198.51.100.7, 203.0.113.9\r\n";
    let kind = "application/x-www-form-urlencoded";
    sent("POST /app/login", kind, through, &form)
}

/// What a server answers to each, over a connection of its own.
async fn answers(app: &App, requests: &[String]) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let served = tokio::spawn(serve(listener, endpoint(app, metrics), stop.clone()));
    let mut answers = Vec::new();
    for request in requests {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answers.push(answer);
    }
    stop.cancel();
    served.await.unwrap().unwrap();
    answers
}

/// The network that a login counts for which names two addresses.
async fn network(trusted: &str) -> String {
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.trusted_proxies = trusted.parse().unwrap();
    })
    .await;
    let app = &installation.app;
    set_up(app).await;
    let answers = answers(app, &[log_in()]).await;
    let answer = &answers[0];
    let (_, cookie) = answer.split_once("mauntic=").expect(answer);
    let secret: SessionSecret = cookie.split(';').next().unwrap().parse().unwrap();
    let who = app.identity.logged_in(&secret).await.unwrap().unwrap();
    who.session.client.network.unwrap().to_string()
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_who_calls() {
    assert_eq!(network("127.0.0.0/8").await, "203.0.113.0");
}

#[tokio::test]
async fn nobody_else_says_who_calls() {
    for trusted in ["", "10.0.0.0/8"] {
        assert_eq!(network(trusted).await, "127.0.0.0", "{trusted}");
    }
}

#[tokio::test]
async fn whoever_calls_too_often_is_asked_to_wait() {
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.requests_per_second = 1;
    });
    let installation = installation.await;
    let me = sent("GET /api/identity/me", "application/json", "", "");
    let me: Vec<_> = std::iter::repeat_n(me, 30).collect();
    let answers = answers(&installation.app, &me).await;
    assert!(answers[0].starts_with("HTTP/1.1 401"), "{}", answers[0]);
    let refused = answers.iter().find(|it| it.starts_with("HTTP/1.1 429"));
    let refused = refused
        .expect("ten times as many as in a second go through")
        .to_lowercase();
    for part in [
        "retry-after: 1",
        "application/problem+json",
        "too_many_requests",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[tokio::test]
async fn the_audit_log_keeps_addresses_unless_it_is_not_to() {
    for anonymize in [false, true] {
        let installation = Installation::with(TestDatabase::chosen().await, |settings| {
            settings.anonymize_ip = anonymize;
        });
        let installation = installation.await;
        let app = &installation.app;
        set_up(app).await;
        let token = format!("Authorization: Bearer {}\r\n", installation.owner);
        let path = "PATCH /api/identity/organization";
        let rename = sent(path, "application/json", &token, "{\"name\": \"Acme Ltd\"}");
        let answers = answers(app, &[log_in(), rename]).await;
        assert!(answers[1].starts_with("HTTP/1.1 200"), "{}", answers[1]);
        for action in ["user.logged_in", "organization.updated"] {
            let filter = AuditFilter {
                action: Some(action.to_owned()),
                ..AuditFilter::default()
            };
            let size = PageSize::default();
            let page = app
                .identity
                .audit_log(&installation.ours, &filter, None, size);
            let entries = page.await.unwrap().items;
            let expected = (!anonymize).then(|| "127.0.0.1".parse().unwrap());
            assert_eq!(entries[0].address, expected, "{action}, {anonymize}");
        }
    }
}
