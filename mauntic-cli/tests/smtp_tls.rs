//! Encrypted SMTP against a server with a certificate of its own: what is trusted, and when a password is sent.
#![expect(clippy::unwrap_used, reason = "a test without its server cannot run")]

#[path = "support/installation.rs"]
#[expect(dead_code, reason = "no test here starts a server of ours")]
mod installation;

use std::{
    process::Output,
    sync::{Arc, Mutex},
};

use installation::{Installation, argument};
use mauntic_core::storage::test_database::TestDatabase;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// When the server encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    AtOnce,
    WhenAsked,
}

/// A server, the certificate that made its own, and what it was told.
struct Server {
    port: u16,
    authority: String,
    told: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(tls: Tls) -> Self {
        let (authority, acceptor) = certificates();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let stream = match tls {
                        Tls::AtOnce => stream,
                        Tls::WhenAsked => match talk(stream, "plain", true, &seen).await {
                            Some(stream) => stream,
                            None => return,
                        },
                    };
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(stream, "secret", tls == Tls::AtOnce, &seen).await;
                    }
                });
            }
        });
        Self {
            port,
            authority,
            told,
        }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

/// An authority in PEM, and a server for 127.0.0.1 with a certificate of it.
fn certificates() -> (String, TlsAcceptor) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = own.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (
        authority_certificate.pem(),
        TlsAcceptor::from(Arc::new(config)),
    )
}

/// Answers until the client goes, or asks for encryption.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    how: &str,
    greets: bool,
    told: &Mutex<Vec<String>>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 ready\r\n").await.ok()?;
    }
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let word = line.split_whitespace().next().unwrap_or_default();
        told.lock().unwrap().push(format!("{how} {word}"));
        let reply = match word {
            "EHLO" if how == "plain" => "250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
            "EHLO" => "250-here\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "STARTTLS" => "220 go on\r\n",
            _ => "250 2.0.0 ok\r\n",
        };
        stream.write_all(reply.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        if word == "STARTTLS" {
            return Some(stream.into_inner());
        }
    }
}

/// `mauntic transport test` over that address, trusting the server's authority or only what the system trusts.
async fn test(server: &Server, url: String, trusting: bool) -> Output {
    let authority = server.authority.clone();
    tokio::task::spawn_blocking(move || {
        let database = TestDatabase::sqlite();
        let installation = Installation::on(&database.target);
        installation.result(&["transport", "set", &url]);
        let authority = installation.write("authority.pem", authority);
        let mut command = installation.command(&["transport", "test"]);
        if trusting {
            command.env("SSL_CERT_FILE", argument(&authority));
            command.env_remove("SSL_CERT_DIR");
        }
        command.output().unwrap()
    })
    .await
    .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    for (tls, scheme, query) in [
        (Tls::AtOnce, "smtps", ""),
        (Tls::WhenAsked, "smtp", "?tls=required"),
    ] {
        let server = Server::start(tls).await;
        let url = format!("{scheme}://ann:s3cret@127.0.0.1:{}{query}", server.port);
        let output = test(&server, url, true).await;
        assert!(output.status.success(), "{tls:?}: {}", said(&output));
        let told = server.told();
        assert!(told.contains(&"secret AUTH".to_owned()), "{told:?}");
        assert!(!told.contains(&"plain AUTH".to_owned()), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_nobody_known_is_refused_before_the_password() {
    for (tls, scheme, query) in [
        (Tls::AtOnce, "smtps", ""),
        (Tls::WhenAsked, "smtp", "?tls=required"),
    ] {
        let server = Server::start(tls).await;
        let url = format!("{scheme}://ann:s3cret@127.0.0.1:{}{query}", server.port);
        let output = test(&server, url, false).await;
        assert!(!output.status.success());
        let said = said(&output);
        assert!(said.to_lowercase().contains("certificate"), "{said}");
        let told = server.told();
        assert!(!told.iter().any(|word| word.ends_with("AUTH")), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_encryption_is_left_to_the_server_any_certificate_will_do_but_no_password_is_sent() {
    let server = Server::start(Tls::WhenAsked).await;
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let output = test(&server, url, false).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(server.told().contains(&"secret EHLO".to_owned()));

    let server = Server::start(Tls::WhenAsked).await;
    let url = format!(
        "smtp://ann:s3cret@127.0.0.1:{}?tls=opportunistic",
        server.port
    );
    let output = test(&server, url, false).await;
    assert!(!output.status.success());
    assert!(said(&output).contains("tls=required"), "{}", said(&output));
    let told = server.told();
    assert!(!told.iter().any(|word| word.ends_with("AUTH")), "{told:?}");
}
