//! What every page and asset of the web UI answers, asked through the real router.

use std::path::Path;

use crate::support::{Answer, Installation, request};

async fn get(installation: &Installation, path: &str) -> Answer {
    let request = request("", "GET", path).finish();
    installation.send(request).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap().to_str().unwrap()
}

/// The address that a page names behind `start`.
fn address(page: &str, start: &str) -> String {
    let rest = page.split_once(start).unwrap().1;
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_page_cannot_be_framed_and_runs_only_what_is_ours() {
    let installation = Installation::sqlite().await;
    for (path, status) in [("/app/_components", 200), ("/app/nowhere", 404)] {
        let answer = get(&installation, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.content_type.starts_with("text/html"), "{path}");
        let policy = header(&answer, "content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&answer, "x-frame-options"), "DENY");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert!(header(&answer, "permissions-policy").contains("camera=()"));
        let page = String::from_utf8(answer.body).unwrap();
        assert!(!page.contains(" style=\""), "{path}: inline style");
        assert!(!page.contains(" onclick="), "{path}: inline script");
    }
}

#[tokio::test]
async fn a_page_comes_packed_to_whoever_can_unpack_it() {
    let installation = Installation::sqlite().await;
    let whole = get(&installation, "/app/_components").await;
    assert!(whole.headers.get("content-encoding").is_none());
    for (accepted, packed) in [
        ("gzip, deflate, br", true),
        ("br, gzip;q=0.5", true),
        ("br, gzip;q=0", false),
        ("identity", false),
    ] {
        let request = request("", "GET", "/app/_components")
            .header("accept-encoding", accepted)
            .finish();
        let answer = installation.send(request).await;
        let encoding = answer.headers.get("content-encoding");
        assert_eq!(
            encoding.is_some_and(|name| name == "gzip"),
            packed,
            "{accepted}"
        );
        assert_eq!(
            answer.body.len() < whole.body.len() / 2,
            packed,
            "{accepted}"
        );
        assert!(answer.headers.contains_key("content-security-policy"));
    }
}

#[tokio::test]
async fn an_asset_is_kept_for_ever_under_the_address_that_pages_name() {
    let installation = Installation::sqlite().await;
    let page = get(&installation, "/app/nowhere").await;
    let page = String::from_utf8(page.body).unwrap();
    for (start, kind) in [
        ("rel=\"stylesheet\" href=\"", "text/css"),
        ("type=\"module\" src=\"", "text/javascript"),
    ] {
        let address = address(&page, start);
        let answer = get(&installation, &address).await;
        assert_eq!(answer.status, 200, "{address}");
        assert!(answer.content_type.starts_with(kind), "{address}");
        assert!(header(&answer, "cache-control").contains("immutable"));
        let again = request("", "GET", &address)
            .header("if-none-match", header(&answer, "etag"))
            .finish();
        let again = installation.send(again).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{address}");
    }
}

#[tokio::test]
async fn an_old_address_of_an_asset_is_not_kept_and_an_unknown_one_is_not_found() {
    let installation = Installation::sqlite().await;
    let old = get(&installation, "/assets/0000000000000000/mauntic.css").await;
    assert_eq!(old.status, 200);
    assert_eq!(header(&old, "cache-control"), "no-cache");
    for path in [
        "/assets/0/nothing.css",
        "/assets/0/../Cargo.toml",
        "/assets/0/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(get(&installation, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn pages_load_htmx_where_it_was_added_and_work_where_it_was_not() {
    let installation = Installation::sqlite().await;
    let page = get(&installation, "/app/_components").await;
    let page = String::from_utf8(page.body).unwrap();
    let added = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/vendor/htmx.js");
    assert_eq!(page.contains(" data-live"), added.is_file());
    if !added.is_file() {
        eprintln!(
            "htmx was not added: `cargo xtask assets` adds it, and this test then looks at it too"
        );
        return;
    }
    // Without this, it would add a style and run what attributes say, which the policy refuses.
    assert!(page.contains("&quot;includeIndicatorStyles&quot;:false"));
    assert!(page.contains("&quot;allowEval&quot;:false"));
    let address = address(&page, "<script defer src=\"");
    let request = request("", "GET", &address)
        .header("accept-encoding", "gzip")
        .finish();
    let answer = installation.send(request).await;
    assert_eq!(answer.status, 200, "{address}");
    assert!(header(&answer, "cache-control").contains("immutable"));
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert!(answer.body.len() < 20_000, "{}", answer.body.len());
}
