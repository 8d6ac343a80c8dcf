//! A stand-in for S3-compatible storage: one bucket in memory behind real HTTP, which checks that requests are signed.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use hmac::{Hmac, Mac as _};
use poem::{
    EndpointExt as _, Request, Response, Server,
    endpoint::make,
    http::{Method, StatusCode},
    listener::TcpAcceptor,
};
use sha2::{Digest as _, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-central-1";

/// The files by their paths, such as `/bucket/images/…`.
pub(crate) type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Serves a bucket until the test ends; returns its address and what is in it.
pub(crate) async fn serve() -> (String, Files) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let files = Files::default();
    let kept = Arc::clone(&files);
    let endpoint = make(move |request| {
        let files = Arc::clone(&kept);
        async move { answer(request, &files).await }
    });
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint.map_to_response()));
    (address, files)
}

async fn answer(mut request: Request, files: &Files) -> Response {
    let body = request.take_body().into_vec().await.unwrap();
    if !is_signed(&request, &body) {
        let text = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
        return Response::builder().status(StatusCode::FORBIDDEN).body(text);
    }
    let path = request.uri().path().to_owned();
    let mut files = files.lock().unwrap();
    let found = |bytes: Vec<u8>| {
        Response::builder()
            .header("etag", format!("\"{}\"", hex(&Sha256::digest(&bytes))))
            .header("last-modified", "Thu, 26 Nov 2026 12:00:00 GMT")
            .body(bytes)
    };
    match *request.method() {
        Method::PUT => {
            files.insert(path, body);
            found(Vec::new())
        }
        // Many at once, though it is one.
        Method::POST => {
            let text = String::from_utf8(body).unwrap();
            let mut deleted = String::new();
            for key in text
                .split("<Key>")
                .skip(1)
                .filter_map(|rest| rest.split('<').next())
            {
                files.remove(&format!("{}/{key}", path.trim_end_matches('/')));
                let _ = write!(deleted, "<Deleted><Key>{key}</Key></Deleted>");
            }
            Response::builder()
                .content_type("application/xml")
                .body(format!("<DeleteResult>{deleted}</DeleteResult>"))
        }
        Method::DELETE => {
            files.remove(&path);
            Response::builder().status(StatusCode::NO_CONTENT).finish()
        }
        Method::GET
            if request
                .uri()
                .query()
                .is_some_and(|query| query.contains("list-type=2")) =>
        {
            Response::builder()
                .content_type("application/xml")
                .body(list(&request, &files))
        }
        _ => match files.get(&path) {
            Some(bytes) => found(bytes.clone()),
            None => Response::builder()
                .status(StatusCode::NOT_FOUND)
                .body("<Error><Code>NoSuchKey</Code></Error>"),
        },
    }
}

fn list(request: &Request, files: &BTreeMap<String, Vec<u8>>) -> String {
    let query: BTreeMap<String, String> =
        serde_urlencoded::from_str(request.uri().query().unwrap_or_default()).unwrap();
    let bucket = request.uri().path().trim_end_matches('/').to_owned() + "/";
    let mut xml = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (path, bytes) in files {
        let Some(key) = path
            .strip_prefix(&bucket)
            .filter(|key| key.starts_with(&query["prefix"]))
        else {
            continue;
        };
        let _ = write!(
            xml,
            "<Contents><Key>{key}</Key><LastModified>2026-11-26T12:00:00.000Z</LastModified>\
             <ETag>\"1\"</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            bytes.len()
        );
    }
    xml + "</ListBucketResult>"
}

/// Whether the request carries the signature (AWS version 4) that our secret makes, over its body too.
fn is_signed(request: &Request, body: &[u8]) -> bool {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let claimed = header("authorization");
    let part = |name: &str| {
        let (_, rest) = claimed.split_once(&format!("{name}="))?;
        Some(rest.split(',').next().unwrap_or_default().trim())
    };
    let (Some(credential), Some(names), Some(signature)) =
        (part("Credential"), part("SignedHeaders"), part("Signature"))
    else {
        return false;
    };
    let Some((key, scope)) = credential.split_once('/') else {
        return false;
    };
    if key != ACCESS_KEY {
        return false;
    }
    let payload = header("x-amz-content-sha256");
    if payload != "UNSIGNED-PAYLOAD" && payload != hex(&Sha256::digest(body)) {
        return false;
    }
    let mut headers = String::new();
    for name in names.split(';') {
        headers.extend([name, ":", header(name).trim(), "\n"]);
    }
    let query = request.uri().query().unwrap_or_default();
    let query = query.split('&').filter(|pair| !pair.is_empty());
    let mut query: Vec<_> = query
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    query.sort_unstable();
    let asked = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{payload}",
        request.method(),
        request.uri().path(),
        query.join("&")
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        header("x-amz-date"),
        hex(&Sha256::digest(asked.as_bytes()))
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| {
            keyed(&key, part.as_bytes())
        });
    scope.contains(&format!("/{REGION}/s3/")) && hex(&keyed(&key, text.as_bytes())) == signature
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
