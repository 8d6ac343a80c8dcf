//! Imports of contacts in a browser: from the file to the report of what could not be used.

use std::fmt::Write as _;

use crate::browser::Browser;
use crate::files;
use crate::people::{become_viewer, call, contact, next_page};
use mauntic_core::WorkerId;
use serde_json::json;
use uuid::Uuid;

const NEW: &str = "/app/imports/new";
const FILE: &str = "E-Mail;Vorname;Shoe size;Land\nann@example.com;Ann;38;Norway\nbob@;Bob;44;DE\ncy@example.com;Cy;;Atlantis\ndee@example.com;Dee;39;FR\nann@example.com;Anna;38;NO\n";

/// Uploads a file and returns where its columns are shown.
async fn upload(browser: &mut Browser, name: &str, content: &str) -> String {
    browser.get(NEW).await;
    files::upload(browser, NEW, name, content.as_bytes()).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    browser.at.split_once('?').unwrap().0.to_owned()
}

/// What a worker does.
async fn work(browser: &Browser) {
    let worker = WorkerId::from_uuid(Uuid::from_u128(1));
    let imports = &browser.installation.app.imports;
    while imports.run_once(worker, &|| false).await.unwrap() {}
}

/// Whether a control of columns has chosen something.
fn becomes(page: &str, column: usize, target: &str) -> bool {
    let (_, rest) = page
        .split_once(&format!("name=\"column-{column}\""))
        .unwrap();
    let (select, _) = rest.split_once("</select>").unwrap();
    select.contains(&format!("value=\"{target}\" selected"))
}

/// A figure of the page.
fn figure(page: &str, label: &str) -> String {
    let (_, rest) = page.split_once(&format!(">{label}</div>")).unwrap();
    let (_, rest) = rest.split_once("class=\"value\">").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_file_is_imported_step_by_step() {
    let mut browser = Browser::new().await;
    contact(&browser, json!({"fields": {"email": "dee@example.com"}})).await;
    let page = browser.get("/app/imports").await;
    assert!(page.contains("Nothing was imported yet"), "{page}");
    let at = upload(&mut browser, "leute.csv", FILE).await;
    let page = &browser.page;
    assert!(page.contains("Import leute.csv"), "{page}");
    assert!(page.contains("value=\"semicolon\" selected"), "{page}");
    assert!(becomes(page, 1, "email"), "{page}");
    assert!(becomes(page, 2, "firstname"), "{page}");
    assert!(!page.contains("name=\"column-5\""), "{page}");
    assert!(page.contains(">38<"), "samples are shown: {page}");

    // What will happen, before anything does.
    let form = [
        ("name", "leute.csv"),
        ("step", "preview"),
        ("column-1", "email"),
        ("column-2", "firstname"),
        ("column-3", ""),
        ("column-4", "country"),
        ("tags", "fair, 2026"),
    ];
    let page = browser.post(&at, &form).await.to_owned();
    assert!(page.contains("The whole file was read"), "{page}");
    assert_eq!(figure(&page, "New"), "1");
    assert_eq!(figure(&page, "Updated"), "1");
    assert_eq!(figure(&page, "Skipped"), "2");
    assert_eq!(figure(&page, "Repeated"), "1");
    assert!(page.contains("Left out: Shoe size."), "{page}");
    assert!(page.contains("not an email address"), "{page}");
    let list = browser.get("/app/contacts").await;
    assert!(
        !list.contains("ann@example.com"),
        "nothing is written yet: {list}"
    );

    // The page carries everything on to the import.
    let page_form: Vec<(String, String)> = page
        .split("<input type=\"hidden\" name=\"")
        .skip(1)
        .map(|input| {
            let (name, rest) = input.split_once('"').unwrap();
            let (_, rest) = rest.split_once("value=\"").unwrap();
            (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
        })
        .filter(|(name, _)| name != "csrf")
        .chain([("step".to_owned(), "start".to_owned())])
        .collect();
    let fields: Vec<_> = page_form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    browser.get("/app/account").await;
    let page = browser.post(&at, &fields).await;
    assert!(page.contains("waiting"), "{page}");
    // With htmx it is looked at again and again, else by a link.
    assert!(page.contains("hx-trigger=\"every 2s\""), "{page}");
    assert!(page.contains(">Look again<"), "{page}");
    let import = browser.at.clone();

    work(&browser).await;
    let page = browser.get(&import).await;
    assert!(page.contains("100.0 %"), "{page}");
    assert!(!page.contains("every 2s"), "it is over: {page}");
    assert_eq!(figure(page, "New"), "1");
    assert_eq!(figure(page, "Updated"), "1");
    assert_eq!(figure(page, "Skipped"), "2");
    assert!(page.contains("Download the bad rows"), "{page}");
    assert!(page.contains(">bob@<"), "{page}");
    let answer = browser.send("GET", &format!("{import}/report"), None).await;
    let report = String::from_utf8(answer.body).unwrap();
    assert!(report.contains("bob@;Bob;44;DE"), "{report}");
    assert!(
        answer.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );

    // Repaired, it is imported as it is.
    let repaired = report
        .replace("bob@;", "bob@example.com;")
        .replace("Atlantis", "Fiji");
    upload(&mut browser, "repaired.csv", &repaired).await;
    assert!(becomes(&browser.page, 1, "email"), "{}", browser.page);
    let at = browser.at.split_once('?').unwrap().0.to_owned();
    browser
        .post(&at, &[("name", "repaired.csv"), ("step", "start")])
        .await;
    work(&browser).await;
    let page = browser.get("/app/imports").await;
    assert!(
        page.contains("leute.csv") && page.contains("repaired.csv"),
        "{page}"
    );
    let page = browser.get("/app/contacts?tag=fair").await;
    assert!(
        page.contains("ann@example.com") && page.contains("dee@example.com"),
        "{page}"
    );
    let page = browser.get("/app/contacts?search=bob").await;
    assert!(page.contains("bob@example.com"), "{page}");
}

#[tokio::test]
async fn what_cannot_be_is_said_where_it_is() {
    let mut browser = Browser::new().await;
    let at = upload(&mut browser, "a.csv", "email,name\na@example.com,Ann\n").await;
    let form = |one, two, tags| {
        [
            ("name", "a.csv"),
            ("step", "preview"),
            ("column-1", one),
            ("column-2", two),
            ("tags", tags),
        ]
    };
    let page = browser.post(&at, &form("email", "email", "")).await;
    assert!(
        page.contains("Two columns cannot both become email"),
        "{page}"
    );
    assert_eq!(browser.status, 422);
    let page = browser.post(&at, &form("", "firstname", "")).await;
    assert!(page.contains("Say which column becomes email"), "{page}");
    let page = browser.post(&at, &form("email", "firstname", "a|b")).await;
    assert!(page.contains("id=\"tags-error\""), "{page}");
    assert!(
        becomes(page, 2, "firstname"),
        "what was chosen stays: {page}"
    );
    let page = browser.post(&at, &form("email", "nonsense", "")).await;
    assert!(page.contains("There is no field nonsense"), "{page}");
}

#[tokio::test]
async fn the_file_is_read_in_another_way() {
    let mut browser = Browser::new().await;
    let at = upload(
        &mut browser,
        "a.csv",
        "a@example.com;b,c\nd@example.com;e,f\n",
    )
    .await;
    let fields = [
        ("name", "a.csv"),
        ("step", "look"),
        ("delimiter", "comma"),
        ("header", "false"),
    ];
    let page = browser.post(&at, &fields).await;
    assert!(page.contains("value=\"comma\" selected"), "{page}");
    assert!(page.contains("a@example.com;b"), "{page}");
    let fields = [
        ("name", "a.csv"),
        ("step", "look"),
        ("delimiter", "semicolon"),
        ("header", "false"),
    ];
    let page = browser.post(&at, &fields).await;
    assert!(becomes(page, 1, "email"), "{page}");
}

#[tokio::test]
async fn files_that_are_none_are_refused() {
    let mut browser = Browser::new().await;
    browser.get(NEW).await;
    files::upload(&mut browser, NEW, "", b"").await;
    let page = &browser.page;
    assert!(page.contains("Choose a file"), "{page}");
    assert_eq!(browser.status, 422);
    files::upload(
        &mut browser,
        NEW,
        "a.csv",
        b"PK\x03\x04\x00\x00\x00\x00\x00\x00",
    )
    .await;
    assert_eq!(browser.status, 422);
    assert!(browser.page.contains("not a CSV file"), "{}", browser.page);
    // Nothing is taken from another site, nor without a token.
    let answer = files::send_file(&browser, NEW, "x", "a.csv", b"email\na@example.com\n").await;
    assert_eq!(answer.status, 403);
    assert!(!browser.page.contains("Choose a file"));
}

#[tokio::test]
async fn a_large_file_goes_through() {
    let mut browser = Browser::new().await;
    let mut text = "email,firstname\n".to_owned();
    for number in 0..40_000 {
        let address = if number % 100 == 0 {
            "broken"
        } else {
            "example.com"
        };
        writeln!(text, "p{number}@{address},{}", "x".repeat(60)).unwrap();
    }
    assert!(text.len() > 3 << 20, "more than a form may hold");
    let at = upload(&mut browser, "large.csv", &text).await;
    browser
        .post(&at, &[("name", "large.csv"), ("step", "start")])
        .await;
    let import = browser.at.clone();
    work(&browser).await;
    let page = browser.get(&import).await;
    assert_eq!(figure(page, "New"), "39,600");
    assert_eq!(figure(page, "Skipped"), "400");
    // The bad rows have pages too.
    let next = next_page(page);
    let page = browser.get(&next).await;
    assert!(page.contains("p5000@broken"), "{page}");
}

#[tokio::test]
async fn an_import_is_paused_goes_on_and_is_stopped() {
    let mut browser = Browser::new().await;
    let at = upload(&mut browser, "a.csv", "email\na@example.com\n").await;
    browser
        .post(&at, &[("name", "a.csv"), ("step", "start")])
        .await;
    let import = browser.at.clone();
    let page = browser.post(&format!("{import}/pause"), &[]).await;
    assert!(page.contains("paused") && page.contains("Go on"), "{page}");
    let page = browser.post(&format!("{import}/resume"), &[]).await;
    assert!(page.contains("waiting"), "{page}");
    // It is looked at again where it is, with what has the focus still there.
    let page = browser.get(&import).await;
    assert!(page.contains(&format!("hx-get=\"{import}\"")), "{page}");
    let id = import.trim_start_matches('/').replace('/', "-");
    assert!(page.contains(&format!("id=\"{id}-pause\"")), "{page}");
    let page = browser.get(&format!("{import}?after=50")).await;
    assert!(
        page.contains(&format!("hx-get=\"{import}?after=50\"")),
        "{page}"
    );
    let page = browser.get(&format!("{import}/cancel")).await;
    assert!(page.contains("What is imported so far stays"), "{page}");
    let page = browser.post(&format!("{import}/cancel"), &[]).await;
    assert!(page.contains("stopped"), "{page}");
    browser.get("/app/account").await;
    browser.post(&format!("{import}/resume"), &[]).await;
    assert_eq!(browser.status, 422);
    // The upload is used up.
    browser.get(&at).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn a_viewer_sees_imports_and_makes_none() {
    let mut browser = Browser::new().await;
    let at = upload(&mut browser, "a.csv", "email\nbroken\n").await;
    browser
        .post(&at, &[("name", "a.csv"), ("step", "start")])
        .await;
    let import = browser.at.clone();
    work(&browser).await;
    let waiting = upload(&mut browser, "b.csv", "email\nb@example.com\n").await;
    become_viewer(&mut browser).await;
    for path in ["/app/imports", &import, "/app/contacts"] {
        let page = browser.get(path).await;
        let main = page.split_once("<main").unwrap().1;
        // Views of one's own change no contact.
        let main = main.replace("method=\"post\" action=\"/app/contacts/views\"", "");
        for words in [
            "New import",
            "method=\"post\"",
            "Download",
            "/app/imports/new",
        ] {
            assert!(!main.contains(words), "{path} offers {words}: {page}");
        }
    }
    for path in [
        NEW,
        &format!("{import}/report"),
        &format!("{import}/cancel"),
        &waiting,
    ] {
        browser.get(path).await;
        assert_eq!(browser.status, 403, "{path}");
    }
    for path in ["pause", "resume", "cancel"] {
        browser.get("/app/account").await;
        browser.post(&format!("{import}/{path}"), &[]).await;
        assert_eq!(browser.status, 403, "{path}");
    }
    browser.get("/app/account").await;
    browser.post(&waiting, &[("step", "start")]).await;
    assert_eq!(browser.status, 403);
    browser.get("/app/account").await;
    files::upload(&mut browser, NEW, "c.csv", b"email\nc@example.com\n").await;
    assert_eq!(browser.status, 403);
}

#[tokio::test]
async fn another_organisations_import_is_not_found() {
    let mut browser = Browser::new().await;
    let token = browser.installation.stranger.clone();
    let request = crate::support::request(&token, "POST", "/api/crm/imports")
        .content_type("text/csv")
        .body("email\nfar@example.com\nbroken\n");
    let made = browser.installation.send(request).await.ok(201);
    let at = format!("/app/imports/{}", made["id"].as_str().unwrap());
    for path in [&at, &format!("{at}/report"), &format!("{at}/cancel")] {
        browser.get(path).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    for path in ["pause", "resume", "cancel"] {
        browser.get("/app/account").await;
        browser.post(&format!("{at}/{path}"), &[]).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    let page = browser.get("/app/imports").await;
    assert!(page.contains("Nothing was imported yet"), "{page}");
    // A segment of theirs is none of ours.
    let at = upload(&mut browser, "a.csv", "email\na@example.com\n").await;
    let segment = "00000000-0000-7000-8000-000000000000";
    let form = [("name", "a.csv"), ("step", "start"), ("segment", segment)];
    browser.post(&at, &form).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn scripts_in_a_file_are_shown_as_text() {
    let mut browser = Browser::new().await;
    let body = json!({"label": "<script>alert(1)</script>", "alias": "evil", "type": "text"});
    call(&browser, "POST", "/api/crm/fields", body).await;
    let file = "email,<script>alert(1)</script>\na@example.com,<script>alert(2)</script>\n<script>alert(3)</script>,x\n";
    let at = upload(&mut browser, "<script>alert(4)<b>.csv", file).await;
    let mut pages = vec![browser.page.clone()];
    let form = [("name", "<script>alert(4)<b>.csv"), ("step", "preview")];
    pages.push(browser.post(&at, &form).await.to_owned());
    let form = [("name", "<script>alert(4)<b>.csv"), ("step", "start")];
    browser.post(&at, &form).await;
    let import = browser.at.clone();
    work(&browser).await;
    pages.push(browser.get(&import).await.to_owned());
    pages.push(browser.get(&format!("{import}/cancel")).await.to_owned());
    pages.push(browser.get("/app/imports").await.to_owned());
    for page in pages {
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(4)"), "{page}");
    }
}
