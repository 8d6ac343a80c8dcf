//! What nobody may do to the web UI: every route that is written in its source is tried, so that none can be forgotten.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::browser::{Browser, OWNER};
use crate::support::{Answer, request};

/// Forms of those who are not logged in, which have no session to take a token from. What they do needs a password, or a
/// secret that was sent by mail; they come from pages of ours all the same. And the ways over a provider of logins.
const OPEN: [&str; 10] = [
    "/app/confirm-email",
    "/app/forgot",
    "/app/invitation",
    "/app/invitation/with/00000000-0000-7000-8000-000000000000",
    "/app/login",
    "/app/login/code",
    "/app/login/with/00000000-0000-7000-8000-000000000000",
    "/app/login/with/00000000-0000-7000-8000-000000000000/return",
    "/app/reset",
    "/app/setup",
];

/// What a route of the source answers to.
#[derive(Debug, Default)]
struct Methods {
    get: bool,
    post: bool,
}

/// Every route of the UI, as it stands in the source, with an id that belongs to nothing for each variable.
fn routes() -> BTreeMap<String, Methods> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    let mut routes = BTreeMap::new();
    let mut posts = 0;
    for file in sources(&folder) {
        let source = fs::read_to_string(&file).unwrap();
        let source: String = source.split_whitespace().collect();
        for (at, _) in source.match_indices(".at(\"/") {
            let rest = &source[at + 5..];
            let (path, rest) = rest.split_once('"').unwrap();
            let handlers = balanced(rest);
            let methods: &mut Methods = routes.entry(example(path)).or_default();
            for other in ["put(", "patch(", "delete("] {
                assert!(
                    !handlers.starts_with(&format!(",{other}")),
                    "{path}: {other}"
                );
                assert!(!handlers.contains(&format!(").{other}")), "{path}: {other}");
            }
            methods.get |= handlers.contains("get(");
            methods.post |= handlers.contains("post(");
            posts += handlers.matches("post(").count();
        }
        // Nothing is routed in another way than the one that is read here.
        let all = source.matches(",post(").count() + source.matches(").post(").count();
        posts -= all;
        assert_eq!(posts, 0, "{}: a POST route was not read", file.display());
    }
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

/// The files of the modules that a folder declares.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let root = folder.join("mod.rs");
    let declared = fs::read_to_string(&root).unwrap();
    let names = declared.lines().filter_map(|line| {
        let name = line.split_once("mod ")?.1.strip_suffix(';')?;
        Some(name.to_owned())
    });
    let mut found = vec![root];
    for name in names {
        let file = folder.join(format!("{name}.rs"));
        if file.is_file() {
            found.push(file);
        } else if folder.join(&name).is_dir() {
            found.extend(sources(&folder.join(name)));
        }
    }
    found
}

/// The text up to the bracket that closes the call.
fn balanced(text: &str) -> &str {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

fn example(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.chars().next() {
        Some(':') if part == ":step" => "cancel",
        Some(':' | '*') => "00000000-0000-7000-8000-000000000000",
        _ => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Asks under `/app` and, for what is no page, under `/ui`.
async fn ask(browser: &Browser, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut first = None;
    for root in ["/app", "/ui"] {
        let mut request = request("", method, &format!("{root}{path}"))
            .header("cookie", browser.cookie())
            .header("host", "127.0.0.1:8080")
            .content_type("application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = browser.installation.send(request.body("a=b")).await;
        if answer.status != 404 {
            return answer;
        }
        first.get_or_insert(answer);
    }
    first.unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn no_form_is_taken_without_its_token_or_from_another_site() {
    let browser = Browser::new().await;
    let mut tried = 0;
    for (path, methods) in routes() {
        if !methods.post {
            continue;
        }
        let open = OPEN.contains(&format!("/app{path}").as_str());
        if !open {
            let answer = ask(&browser, "POST", &path, &[]).await;
            assert_eq!(answer.status, 403, "POST {path} without a token");
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = ask(&browser, "POST", &path, &[(name, value)]).await;
            assert_eq!(answer.status, 403, "POST {path} with {name}: {value}");
        }
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} forms were found");
}

#[tokio::test]
async fn each_page_has_a_token_of_its_own_that_no_other_session_takes() {
    let mut browser = Browser::new().await;
    browser.get("/app/account").await;
    let first = browser.token();
    browser.get("/app/account").await;
    assert_ne!(browser.token(), first);
    let fields = [
        ("csrf", first.as_str()),
        ("name", "Acme"),
        ("timezone", "UTC"),
    ];
    browser
        .post_exactly("/app/organization/settings", &fields)
        .await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    browser.log_in(OWNER.0, OWNER.1).await;
    browser
        .post_exactly("/app/organization/settings", &fields)
        .await;
    assert_eq!(browser.status, 403, "of the session before");
    for wrong in ["", ".", "a.b", first.split_once('.').unwrap().1] {
        browser
            .post_exactly("/app/logout", &[("csrf", wrong)])
            .await;
        assert_eq!(browser.status, 403, "{wrong}");
    }
}

#[tokio::test]
async fn nothing_is_shown_or_done_without_a_login() {
    let mut browser = Browser::new().await;
    browser.set_cookie("");
    for (path, methods) in routes() {
        let open = OPEN.contains(&format!("/app{path}").as_str());
        if open || path.starts_with("/assets") || path == "/_components" {
            continue;
        }
        for (method, has) in [("GET", methods.get), ("POST", methods.post)] {
            if !has {
                continue;
            }
            let answer = ask(&browser, method, &path, &[]).await;
            let refused = matches!(answer.status, 303 | 401 | 403);
            assert!(refused, "{method} {path}: {}", answer.status);
            if answer.status == 303 {
                let to = header(&answer, "location");
                assert!(to.starts_with("/app/login"), "{method} {path}: {to}");
            }
        }
    }
}

#[tokio::test]
async fn no_page_can_be_framed_cached_or_run_what_is_not_ours() {
    let browser = Browser::new().await;
    for (path, methods) in routes() {
        if !methods.get || path.starts_with("/assets") {
            continue;
        }
        let answer = ask(&browser, "GET", &path, &[]).await;
        let policy = header(&answer, "content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-eval"), "{path}: {policy}");
        let framed = policy.contains("frame-ancestors 'none'")
            || policy.contains("frame-ancestors 'self'") && policy.contains("sandbox");
        assert!(framed, "{path}: {policy}");
        assert_eq!(
            header(&answer, "x-content-type-options"),
            "nosniff",
            "{path}"
        );
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
        // With `no-referrer`, browsers would not say where our own forms come from.
        assert_eq!(header(&answer, "referrer-policy"), "same-origin", "{path}");
        let frames = header(&answer, "x-frame-options");
        assert!(matches!(frames, "DENY" | "SAMEORIGIN"), "{path}: {frames}");
    }
}

#[tokio::test]
async fn a_cookie_that_was_planted_is_nobodys_session() {
    let mut browser = Browser::new().await;
    let name = browser.cookie().split_once('=').unwrap().0.to_owned();
    // Of the right form, known to who planted it.
    let length = browser.cookie().len() - name.len() - 1;
    let planted = format!("{name}={}", "A".repeat(length));
    browser.set_cookie(&planted);
    let fields = [("email", OWNER.0), ("password", OWNER.1)];
    browser.post("/app/login", &fields).await;
    assert_eq!(browser.at, "/app/");
    assert_ne!(browser.cookie(), planted);
    browser.set_cookie(&planted);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
}

#[tokio::test]
async fn no_answer_is_made_of_the_host_that_a_request_names() {
    let browser = Browser::new().await;
    for path in ["/app/", "/app/account", "/app/emails", "/app/login", "/"] {
        for cookie in [browser.cookie(), ""] {
            let request = request("", "GET", path)
                .header("cookie", cookie)
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .finish();
            let answer = browser.installation.send(request).await;
            let to = header(&answer, "location");
            assert!(to.is_empty() || to.starts_with('/'), "{path}: {to}");
            assert!(!to.starts_with("//"), "{path}: {to}");
            let page = String::from_utf8_lossy(&answer.body);
            assert!(!page.contains("evil.example"), "{path}: {page}");
        }
    }
}
