//! The SMTP transport against a server that follows a script.

mod server;

use std::sync::atomic::Ordering;

use mauntic_messaging::{
    sending::{HandOver, OutgoingMessage, Stage},
    transport::{MailTransport as _, SendingLimits, SmtpServer, smtp::SmtpTransport},
};
use server::{Offers, ScriptedServer};

fn message(to: &str, bytes: &str) -> OutgoingMessage {
    OutgoingMessage {
        delivery_id: None,
        envelope_from: "b@example.net".to_owned(),
        envelope_to: to.parse().unwrap(),
        bytes: bytes.as_bytes().to_vec(),
    }
}

fn transport(server: &ScriptedServer, login: &str) -> SmtpTransport {
    let url = format!("smtp://{login}127.0.0.1:{}?tls=none", server.port);
    let (server, password) = SmtpServer::parse(&url).unwrap();
    SmtpTransport::new(server, password, SendingLimits::default())
}

const TEXT: &str = "Subject: Hi\r\n\r\n.dots\r\n..more\r\n";

#[tokio::test]
async fn each_answer_is_told_apart() {
    for pipelining in [false, true] {
        let offers = Offers {
            pipelining,
            ..Offers::default()
        };
        let server = ScriptedServer::start(offers).await;
        let transport = transport(&server, "");
        let ask = async |to: &str| transport.hand_over(&message(to, TEXT)).await;

        assert!(
            matches!(ask("ann@example.com").await, HandOver::Accepted(reply) if reply.code == 250)
        );
        let refused = ask("unknown@example.com").await;
        let HandOver::Refused(Stage::Recipient, reply) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(reply.to_string(), "550 5.1.1 no such user here");
        assert!(matches!(
            ask("grey@example.com").await,
            HandOver::Deferred(_)
        ));
        let refused = ask("spam@example.com").await;
        assert!(
            matches!(refused, HandOver::Refused(Stage::Message, _)),
            "{refused:?}"
        );
        assert!(matches!(
            ask("ann@example.com").await,
            HandOver::Accepted(_)
        ));
        assert_eq!(
            server.seen.connections.load(Ordering::SeqCst),
            1,
            "the connection survives refusals"
        );
        assert!(
            matches!(ask("many@example.com").await, HandOver::Deferred(reply) if reply.code == 421)
        );
        assert!(matches!(
            ask("lost@example.com").await,
            HandOver::Unknown(_)
        ));
        assert!(matches!(
            ask("bob@example.com").await,
            HandOver::Accepted(_)
        ));
        let messages = server.seen.messages.lock().unwrap();
        assert!(messages.iter().all(|message| message == TEXT));
        assert_eq!(messages.len(), 4);
    }
}

#[tokio::test]
async fn a_refused_sender_is_told_from_a_refused_recipient() {
    let server = ScriptedServer::start(Offers::default()).await;
    let transport = transport(&server, "");
    let mut from_nobody = message("ann@example.com", TEXT);
    from_nobody.envelope_from = "nobody@example.net".to_owned();
    let answer = transport.hand_over(&from_nobody).await;
    assert!(
        matches!(answer, HandOver::Refused(Stage::Sender, _)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_message_that_was_cut_off_can_be_sent_again() {
    let server = ScriptedServer::start(Offers::default()).await;
    let transport = transport(&server, "");
    // Too large to be swallowed by the buffers of the operating system.
    let large = format!(
        "Subject: Hi\r\n\r\n{}",
        "line of text\r\n".repeat(2_000_000)
    );
    let cut = transport
        .hand_over(&message("cut@example.com", &large))
        .await;
    assert!(matches!(cut, HandOver::Broken(_)), "{cut:?}");
    assert!(server.seen.messages.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_breaks_each_connection_is_told_from_a_server_that_is_down() {
    for pipelining in [false, true] {
        let offers = Offers {
            pipelining,
            ..Offers::default()
        };
        let server = ScriptedServer::start(offers).await;
        let transport = transport(&server, "");
        for to in ["ann@example.com", "crash@example.com", "crash@example.com"] {
            let answer = transport.hand_over(&message(to, TEXT)).await;
            let broken = matches!(answer, HandOver::Broken(_));
            assert_eq!(broken, to.starts_with("crash"), "{answer:?}");
        }
        // A connection that was used before is not the proof; a new one is.
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 3);
    }
}

#[tokio::test]
async fn without_a_server_nothing_was_sent() {
    let server = ScriptedServer::start(Offers::default()).await;
    let mut url = SmtpServer::parse("smtp://127.0.0.1?tls=none").unwrap().0;
    url.port = 1;
    let transport = SmtpTransport::new(url, None, SendingLimits::default());
    let answer = transport.hand_over(&message("ann@example.com", TEXT)).await;
    assert!(matches!(answer, HandOver::NotSent(_)));
    assert!(transport.probe().await.is_err());
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_server_that_had_enough_gets_a_new_connection() {
    let offers = Offers {
        pipelining: true,
        most: Some(2),
        ..Offers::default()
    };
    let server = ScriptedServer::start(offers).await;
    let transport = transport(&server, "");
    for _ in 0..6 {
        let answer = transport.hand_over(&message("ann@example.com", TEXT)).await;
        assert!(matches!(answer, HandOver::Accepted(_)), "{answer:?}");
    }
    assert_eq!(server.seen.messages.lock().unwrap().len(), 6);
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn it_logs_in_with_what_the_server_offers() {
    for (mechanisms, expected) in [
        ("LOGIN PLAIN", vec!["AUTH PLAIN AGFubgBzM2NyZXQ="]),
        ("LOGIN", vec!["YW5u", "czNjcmV0"]),
    ] {
        let offers = Offers {
            auth: Some(mechanisms),
            ..Offers::default()
        };
        let server = ScriptedServer::start(offers).await;
        let transport = transport(&server, "ann:s3cret@");
        assert!(transport.probe().await.is_ok());
        assert_eq!(*server.seen.logins.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_required() {
    let server = ScriptedServer::start(Offers::default()).await;
    let url = format!("smtp://127.0.0.1:{}?tls=required", server.port);
    let (required, _) = SmtpServer::parse(&url).unwrap();
    let transport = SmtpTransport::new(required, None, SendingLimits::default());
    assert!(transport.probe().await.unwrap_err().contains("STARTTLS"));
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let (opportunistic, _) = SmtpServer::parse(&url).unwrap();
    let transport = SmtpTransport::new(opportunistic, None, SendingLimits::default());
    assert!(transport.probe().await.is_ok());
}

#[tokio::test]
async fn a_private_server_is_left_alone_where_only_public_ones_are_allowed() {
    let server = ScriptedServer::start(Offers::default()).await;
    let transport = transport(&server, "").public_only();
    assert!(transport.probe().await.unwrap_err().contains("private"));
    let refused = transport.hand_over(&message("ann@example.com", TEXT)).await;
    assert!(matches!(refused, HandOver::NotSent(why) if why.contains("private")));
    assert!(server.seen.logins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_can() {
    let server = ScriptedServer::start(Offers::default()).await;
    let transport = transport(&server, "");
    let answer = transport
        .hand_over(&message("jürgen@example.com", TEXT))
        .await;
    assert!(
        matches!(answer, HandOver::Refused(Stage::Message, _)),
        "{answer:?}"
    );
    let answer = transport
        .hand_over(&message("ann@bücher.example", TEXT))
        .await;
    assert!(matches!(answer, HandOver::Accepted(_)), "{answer:?}");
}
