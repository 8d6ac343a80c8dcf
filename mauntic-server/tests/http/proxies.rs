//! Who calls, over a real connection, with and without a proxy in front that is trusted.

use mauntic_core::{
    Operator,
    identity::{Client, SessionSecret, SetUp},
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

/// The network that a login counts for which names two addresses.
async fn network(trusted: &str) -> String {
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.trusted_proxies = trusted.parse().unwrap();
    })
    .await;
    let app = &installation.app;
    set_up(app).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let served = tokio::spawn(serve(listener, endpoint(app, metrics), stop.clone()));
    let form = serde_urlencoded::to_string([("email", OWNER.0), ("password", OWNER.1)]).unwrap();
    let request = format!(
        "POST /app/login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         X-Forwarded-For: 198.51.100.7, 203.0.113.9\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    stop.cancel();
    served.await.unwrap().unwrap();
    let (_, cookie) = answer.split_once("mauntic=").expect(&answer);
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
