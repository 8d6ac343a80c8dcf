//! The block editor, step by step, as a browser without scripting uses it.

use crate::browser::Browser;
use crate::support::Installation;
use mauntic_messaging::content::{
    Body,
    blocks::{BlockContent, BlockDocument},
};

const NEW: &str = "/app/emails/new";

/// The document that the form holds.
fn stored(page: &str) -> String {
    let start = "name=\"document\" value=\"";
    let rest = page.split_once(start).unwrap_or_else(|| panic!("{page}")).1;
    let escaped = rest.split_once('"').unwrap().0;
    escaped
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn document(page: &str) -> BlockDocument {
    serde_json::from_str(&stored(page)).unwrap()
}

fn kinds(page: &str) -> Vec<&'static str> {
    let document = document(page);
    let all = document.all();
    all.iter().map(|(block, _)| block.content.kind()).collect()
}

/// Sends the form as it stands, with some fields filled in.
async fn post(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) {
    let document = stored(&browser.page);
    let mut all = vec![
        ("kind", "blocks"),
        ("document", &*document),
        ("name", "Launch"),
        ("subject", "Fjords"),
        ("from_address", "news@example.com"),
    ];
    all.retain(|(name, _)| !fields.iter().any(|(given, _)| given == name));
    all.extend(fields);
    browser.post(path, &all).await;
}

#[tokio::test]
async fn an_email_is_built_block_by_block() {
    let mut ann = Browser::new().await;
    let start = ann.get(NEW).await.to_owned();
    assert_eq!(
        kinds(&start),
        ["heading", "text", "button", "divider", "text"]
    );
    // What was written before a step is there after it.
    let words = "Hello & <script>alert(1)</script> {{ contact.firstname }}";
    let fields = [
        ("step", "add:top"),
        ("kind.top", "conditional"),
        ("b.1.here", "1"),
        ("b.1.text", words),
        ("b.1.level", "2"),
        ("style.button_color", "#112233"),
        ("style.width", "9999"),
    ];
    post(&mut ann, NEW, &fields).await;
    assert_eq!((ann.status, ann.at.as_str()), (200, NEW));
    assert!(!ann.page.contains("<script>alert"), "{}", ann.page);
    let now = document(&ann.page);
    assert!(
        matches!(&now.blocks[0].content, BlockContent::Heading { text, level: 2, .. } if text == words),
        "{now:?}"
    );
    assert_eq!(now.styles.button_color.to_string(), "#112233");
    assert_eq!(now.styles.width, 800, "brought into its range");
    assert_eq!(kinds(&ann.page)[5], "conditional");
    // Into the conditional block, up, a copy, and away with the button.
    for (step, kind) in [
        ("add:6.0", "image"),
        ("up:6", ""),
        ("copy:4", ""),
        ("delete:3", ""),
        ("move:2:top:0", ""),
    ] {
        post(&mut ann, NEW, &[("step", step), ("kind.6.0", kind)]).await;
        assert_eq!(ann.status, 200, "{step}");
    }
    assert_eq!(
        kinds(&ann.page),
        [
            "text",
            "heading",
            "divider",
            "divider",
            "conditional",
            "image",
            "text"
        ]
    );
    // What is wrong is said at its block, and nothing is lost.
    post(&mut ann, NEW, &[("step", "save")]).await;
    assert_eq!(ann.status, 422);
    let block = ann.page.split_once("id=\"block-7\"").unwrap().1;
    let block = block.split_once("</li>").unwrap().0;
    assert!(block.contains("the image has no address yet"), "{block}");
    let image = [
        ("step", "save"),
        ("b.7.here", "1"),
        ("b.7.src", "https://example.com/fjord.png"),
        ("b.7.alt", "A fjord"),
        ("b.6.here", "1"),
        ("b.6.test", "equals"),
        ("b.6.field", "city"),
        ("b.6.value", "Oslo"),
    ];
    post(&mut ann, NEW, &image).await;
    let place = ann.at.strip_suffix("?done=created").unwrap().to_owned();
    let id = place.rsplit('/').next().unwrap().parse().unwrap();
    let app = ann.installation.app.clone();
    let saved = app.emails.get(&ann.installation.ours, id).await.unwrap();
    let Body::Blocks(blocks) = &saved.current.source.body else {
        panic!("{:?}", saved.current.source.body);
    };
    assert_eq!(blocks.all().len(), 7);
    let edit = format!("{place}/edit");
    assert_eq!(kinds(ann.get(&edit).await).len(), 7);
    // A number that is none is said, and the email stays as it was.
    let wrong = [("version", "1"), ("b.1.here", "1"), ("b.1.level", "huge")];
    post(&mut ann, &edit, &wrong).await;
    assert_eq!(ann.status, 422);
    assert!(ann.page.contains("huge is not a number"), "{}", ann.page);
    // Into MJML, of which nothing is saved yet.
    post(&mut ann, &edit, &[("version", "1"), ("step", "to_mjml")]).await;
    assert!(ann.page.contains("&lt;mjml&gt;"), "{}", ann.page);
    assert!(!ann.page.contains("name=\"document\""));
}

#[tokio::test]
async fn what_is_written_is_shown_where_it_can_do_nothing() {
    let mut ann = Browser::new().await;
    let path = "/app/emails/preview";
    ann.get(NEW).await;
    let document = stored(&ann.page);
    let token = ann.token();
    let form = [
        ("csrf", token.as_str()),
        ("kind", "blocks"),
        ("document", &document),
        ("subject", "Hi"),
        ("b.1.here", "1"),
        ("b.1.text", "Fjords today"),
    ];
    let body = serde_urlencoded::to_string(form).unwrap();
    let shown = ann.send("POST", path, Some(body.clone())).await;
    let policy = shown.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox "), "{policy}");
    let html = String::from_utf8(shown.body).unwrap();
    assert!(html.contains("Fjords today"), "{html}");
    let bad = body.replace("Fjords+today", "%7B%7B+contact.nothing+%7D%7D");
    let shown = ann.send("POST", path, Some(bad)).await;
    let html = String::from_utf8(shown.body).unwrap();
    assert!(html.contains("It cannot be shown yet"), "{html}");
    assert!(html.contains("block 1:"), "{html}");
    let bare = ann.send("POST", path, Some("kind=blocks".to_owned())).await;
    assert_eq!(bare.status, 403, "without its token");
    let broken = [
        ("csrf", token.as_str()),
        ("kind", "blocks"),
        ("document", "{"),
    ];
    let broken = serde_urlencoded::to_string(broken).unwrap();
    for path in [path, NEW] {
        let answer = ann.send("POST", path, Some(broken.clone())).await;
        assert_eq!(answer.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_viewer_builds_nothing() {
    let installation = Installation::sqlite().await;
    let password = "a long enough password";
    installation
        .member("vic@example.com", "Vic", "viewer", password)
        .await;
    let mut vic = Browser::fresh(installation);
    vic.log_in("vic@example.com", password).await;
    for path in [NEW, "/app/emails/preview"] {
        vic.get("/app/account").await;
        vic.post(path, &[("kind", "blocks"), ("step", "add:top")])
            .await;
        assert_eq!(vic.status, 403, "{path}");
    }
}

#[tokio::test]
async fn columns_profiles_space_and_html_are_filled_in() {
    let mut ann = Browser::new().await;
    ann.get(NEW).await;
    for kind in ["columns", "social", "spacer", "html"] {
        post(&mut ann, NEW, &[("step", "add:top"), ("kind.top", kind)]).await;
        assert_eq!(ann.status, 200, "{kind}");
    }
    let now = document(&ann.page);
    let ids: Vec<_> = now.blocks[5..]
        .iter()
        .map(|block| block.id.to_string())
        .collect();
    let [columns, social, spacer, html] = ids.as_slice() else {
        panic!("{ids:?}");
    };
    // A third column, a text into the second, and another profile.
    for (step, list, kind) in [
        (format!("more:{columns}"), "top".to_owned(), ""),
        (format!("add:{columns}.1"), format!("{columns}.1"), "text"),
        (format!("more:{social}"), "top".to_owned(), ""),
    ] {
        let list = format!("kind.{list}");
        post(&mut ann, NEW, &[("step", &step), (&list, kind)]).await;
        assert_eq!(ann.status, 200, "{step}");
    }
    let name = |id: &str, field: &str| format!("b.{id}.{field}");
    let fields = [
        (name(columns, "here"), "1"),
        (name(columns, "width.0"), "50"),
        (name(columns, "width.1"), "30"),
        (name(columns, "width.2"), "20"),
        (name(social, "here"), "1"),
        (name(social, "name.0"), "Mastodon"),
        (name(social, "href.0"), "https://example.social/@fjord"),
        (name(social, "align"), "right"),
        (name(spacer, "here"), "1"),
        (name(spacer, "height"), "48"),
        (name(html, "here"), "1"),
        (name(html, "html"), "<p>Written\r\nby hand</p>"),
        (name("1", "here"), "1"),
        (name("1", "text"), "Fjords"),
    ];
    let mut filled: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    filled.push(("step", "up:1"));
    post(&mut ann, NEW, &filled).await;
    let now = document(&ann.page);
    let content = |id: &str| {
        &now.blocks
            .iter()
            .find(|block| block.id.to_string() == id)
            .unwrap()
            .content
    };
    let BlockContent::Columns { columns: found } = content(columns) else {
        panic!("{now:?}");
    };
    let widths: Vec<_> = found.iter().map(|column| column.width).collect();
    assert_eq!(widths, [50, 30, 20]);
    assert_eq!(found[1].blocks.len(), 1);
    let BlockContent::Social { links, align } = content(social) else {
        panic!("{now:?}");
    };
    assert_eq!(
        (links[0].name.as_str(), links[0].href.as_str()),
        ("Mastodon", "https://example.social/@fjord")
    );
    assert_eq!(align.as_str(), "right");
    assert!(
        matches!(content(spacer), BlockContent::Spacer { height: 48 }),
        "{now:?}"
    );
    assert!(
        matches!(content(html), BlockContent::Html { html } if html == "<p>Written\nby hand</p>"),
        "{now:?}"
    );
    what_cannot_be_is_said(&mut ann, columns, spacer).await;
}

/// What cannot be is said at its block, and a column that holds something stays.
async fn what_cannot_be_is_said(ann: &mut Browser, columns: &str, spacer: &str) {
    let name = |id: &str, field: &str| format!("b.{id}.{field}");
    let wrong = [
        (name(spacer, "here"), "1"),
        (name(spacer, "height"), "high"),
    ];
    let mut wrong: Vec<_> = wrong
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    wrong.push(("step", "save"));
    post(ann, NEW, &wrong).await;
    assert_eq!(ann.status, 422);
    assert!(
        ann.page
            .contains("high is not a number that can be used here"),
        "{}",
        ann.page
    );
    for left in [2, 2] {
        post(ann, NEW, &[("step", &format!("fewer:{columns}"))]).await;
        let now = document(&ann.page);
        let found = now
            .blocks
            .iter()
            .find(|block| block.id.to_string() == columns)
            .unwrap();
        assert_eq!(found.content.children().count(), left);
    }
}
