//! What stands around every page: the start page, the search, the menus.

use crate::browser::Browser;

#[tokio::test]
async fn the_search_finds_what_is_there_and_shows_it_as_it_is() {
    let mut browser = Browser::new().await;
    browser.get("/app/emails/new").await;
    let fields = [
        ("name", "Spring <b>sale</b>"),
        ("subject", "Hello"),
        ("kind", "html"),
        (
            "body",
            "<p>Hello</p><a href=\"{{ unsubscribe_url }}\">Leave</a>",
        ),
        ("from_address", "news@example.com"),
    ];
    browser.post("/app/emails/new", &fields).await;
    assert!(browser.at.starts_with("/app/emails/"), "{}", browser.page);
    let page = browser.get("/app/search?q=SPRING").await;
    assert!(page.contains("<h2>Emails</h2>"), "{page}");
    assert!(page.contains("Spring &lt;b&gt;sale"), "{page}");
    assert!(!page.contains("<h2>Segments</h2>"), "{page}");
    // What was searched for stays in the field.
    assert!(page.contains("name=\"q\" value=\"SPRING\""), "{page}");
    for asked in ["%25", "_", "'", "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"] {
        let page = browser.get(&format!("/app/search?q={asked}")).await;
        assert!(page.contains("Nothing was found for"), "{asked}: {page}");
        assert!(!page.contains("<script>alert"), "{page}");
        assert_eq!(browser.status, 200);
    }
    let long = format!("/app/search?q={}", "x".repeat(5_000));
    browser.get(&long).await;
    assert_eq!(browser.status, 200);
    let page = browser.get("/app/search").await;
    assert!(page.contains("Type the beginning"), "{page}");
}

#[tokio::test]
async fn the_start_page_has_ranges_and_leads_on_where_nothing_is_there_yet() {
    let mut browser = Browser::new().await;
    for (asked, shown) in [
        ("/app/", 30),
        ("/app/?days=7", 7),
        ("/app/?days=90", 90),
        ("/app/?days=8", 30),
    ] {
        let page = browser.get(asked).await;
        let current = format!("<a href=\"/app/?days={shown}\" aria-current=\"true\">");
        assert!(page.contains(&current), "{asked}: {page}");
        assert!(page.contains(&format!("0 added in {shown} days")), "{page}");
        // A row for each day under each of the three charts, and their heads.
        assert_eq!(page.matches("<th scope=\"row\">").count(), 3 * shown);
    }
    let page = browser.get("/app/").await;
    assert!(page.contains("There are no contacts yet"), "{page}");
    assert!(page.contains("href=\"/app/emails/new\""), "{page}");
}

#[tokio::test]
async fn every_page_has_the_search_the_person_and_a_way_past_the_navigation() {
    let mut browser = Browser::new().await;
    for path in ["/app/", "/app/account", "/app/emails", "/app/search"] {
        let page = browser.get(path).await;
        assert!(page.contains("class=\"skip\" href=\"#main\""), "{path}");
        assert!(page.contains("role=\"search\""), "{path}");
        assert!(page.contains("action=\"/app/logout\""), "{path}");
        assert!(page.contains(">Acme<"), "{path}");
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn the_search_leads_on_to_all_that_fit() {
    let mut browser = Browser::new().await;
    for number in 0..7 {
        let body = serde_json::json!({"fields": {"email": format!("ann{number}@example.com")}});
        crate::people::contact(&browser, body).await;
    }
    let page = browser.get("/app/search?q=ann%26").await;
    assert!(!page.contains("that fit"), "{page}");
    let page = browser.get("/app/search?q=ann").await;
    assert!(
        page.contains("href=\"/app/contacts?search=ann\">All contacts that fit<"),
        "{page}"
    );
    let page = browser.get("/app/contacts?search=ann").await;
    assert!(page.contains("ann6@example.com"), "{page}");
}
