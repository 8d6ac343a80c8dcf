//! How an app asks, and what it is told.

use poem::http::header;
use serde_json::json;

use super::{App, BACK, CLIENTS, allowed, answer, asked, body, of, status, text, told, way};
use crate::{
    browser::{Browser, OWNER},
    people::{become_viewer, call},
    support::request,
};

#[tokio::test]
async fn an_app_is_let_in_by_somebody_who_logs_in_on_the_way() {
    let mut browser = Browser::new().await;
    let name = "<script>alert(1)</script> & \"Sync\"";
    let app = App::register(&browser, body(name, true)).await;
    browser.set_cookie("");
    browser.get(&app.way("contacts:read contacts:write")).await;
    assert!(browser.at.starts_with("/app/login?next="), "{}", browser.at);
    let (_, next) = browser.page.split_once("name=\"next\" value=\"").unwrap();
    let next = next.split_once('"').unwrap().0.replace("&amp;", "&");
    let fields = [("email", OWNER.0), ("password", OWNER.1), ("next", &next)];
    let page = browser.post("/app/login", &fields).await.to_owned();
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    assert!(!page.contains("<script>alert"), "{page}");
    for told in [
        "Acme",
        OWNER.0,
        "https://app.example",
        "see contacts",
        "add and change",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let scope = "contacts:read contacts:write";
    let shown = asked(&mut browser, &app.way(scope)).await;
    let policy = text(&shown, "content-security-policy");
    assert!(policy.contains("form-action 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");

    let back = answer(&mut browser, &app, scope, "allow").await;
    let told = told(&back);
    assert_eq!(of(&told, "state"), "a b&c//d");
    let issuer = browser.installation.app.settings.public_url();
    assert_eq!(of(&told, "iss"), issuer);
    let answered = app.exchange(&browser, of(&told, "code")).await;
    assert_eq!(text(&answered, "cache-control"), "no-store");
    let tokens = answered.ok(200);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3_600);
    assert_eq!(tokens["scope"], scope);
    let access = tokens["access_token"].as_str().unwrap();
    let me = browser
        .installation
        .call(access, "GET", "/api/identity/me", None);
    let me = me.await;
    // To see the organisation was not asked for.
    assert_eq!(me.status, 403);
    let contact = json!({"email": "ann@example.com"});
    let made = browser
        .installation
        .call(access, "POST", "/api/crm/contacts", Some(contact));
    made.await.ok(201);
    assert_eq!(status(&browser, access, "/api/crm/segments").await, 403);

    // Whoever said yes before is not asked again, unless for more, or at the app's wish.
    let again = asked(&mut browser, &app.way("contacts:read")).await;
    assert_eq!(again.status, 303);
    assert!(!of(&self::told(&again), "code").is_empty());
    let more = asked(&mut browser, &app.way("contacts:read emails:read")).await;
    assert_eq!(more.status, 200);
    let mut fields = app.fields("contacts:read");
    fields.push(("prompt", "consent".to_owned()));
    assert_eq!(asked(&mut browser, &way(&fields)).await.status, 200);

    // It is in the log under its name and hers.
    mauntic_server::settle_events(&browser.installation.app)
        .await
        .unwrap();
    let page = browser.get("/app/organization/audit").await;
    assert!(page.contains("gave access to the app"), "{page}");
    assert!(page.contains("for Ann Owner"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    let log = call(
        &browser,
        "GET",
        "/api/identity/audit?action=contact.",
        json!({}),
    )
    .await;
    assert_eq!(log["items"][0]["actor_kind"], "app", "{log}");
    assert_eq!(log["items"][0]["actor_id"], app.id);
}

#[tokio::test]
async fn after_a_form_of_ours_a_page_goes_on_to_the_app() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    allowed(&mut browser, &app, "contacts:read").await;
    let first = browser.send("GET", &app.way("contacts:read"), None).await;
    let page = text(&first, "location");
    for (site, status) in [("same-origin", 200), ("cross-site", 303), ("none", 303)] {
        let request = request("", "GET", page)
            .header(header::COOKIE, browser.cookie())
            .header("sec-fetch-site", site)
            .finish();
        let answer = browser.installation.send(request).await;
        assert_eq!(answer.status, status, "{site}");
        let refresh = text(&answer, "refresh");
        assert_eq!(
            refresh.starts_with("0; url=https://app.example/cb?"),
            status == 200
        );
    }
}

#[tokio::test]
async fn whoever_uses_an_app_without_a_secret_on_their_machine_is_asked_each_time() {
    let mut browser = Browser::new().await;
    let here = "http://127.0.0.1:8090/cb";
    for (confidential, expected) in [(true, 303), (false, 200)] {
        let mut command = body("Sync", confidential);
        command["redirect_uris"] = json!([BACK, here]);
        let app = App::register(&browser, command).await;
        allowed(&mut browser, &app, "contacts:read").await;
        let again = asked(&mut browser, &app.way("contacts:read")).await;
        assert_eq!(again.status, 303, "only that app is there");
        let mut fields = app.fields("contacts:read");
        for (name, value) in &mut fields {
            if *name == "redirect_uri" {
                here.clone_into(value);
            }
        }
        let again = asked(&mut browser, &way(&fields)).await;
        assert_eq!(again.status, expected, "{confidential}");
    }
}

#[tokio::test]
async fn a_browser_is_sent_nowhere_until_it_is_known_where() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    let fields = app.fields("contacts:read");
    let with = |name: &str, value: &str| {
        let mut changed = fields.clone();
        changed.retain(|(known, _)| *known != name);
        let mut query = way(&changed);
        if !value.is_empty() {
            let pair = serde_urlencoded::to_string([(name, value)]).unwrap();
            query = format!("{query}&{pair}");
        }
        query
    };
    let twice = format!("{}&client_id={}", way(&fields), app.id);
    for way in [
        with("client_id", ""),
        with("client_id", "nobody"),
        with("client_id", "00000000-0000-7000-8000-000000000000"),
        with("redirect_uri", ""),
        with("redirect_uri", "https://evil.example/cb"),
        with("redirect_uri", "https://app.example/cb"),
        with("redirect_uri", "https://app.example/cb?from=mauntic#x"),
        with("redirect_uri", "javascript:alert(1)"),
        twice,
    ] {
        let refused = asked(&mut browser, &way).await;
        assert_eq!(refused.status, 400, "{way}");
        assert_eq!(text(&refused, "location"), "", "{way}");
        let page = String::from_utf8(refused.body).unwrap();
        assert!(page.contains("This app cannot be let in"), "{page}");
        assert!(!page.contains("evil.example"), "{page}");
    }
    // An app of an organisation that one is no member of.
    let token = browser.installation.stranger.clone();
    let theirs = browser
        .installation
        .call(&token, "POST", CLIENTS, Some(body("Theirs", true)));
    let theirs = theirs.await.ok(201);
    let theirs = App {
        id: theirs["client"]["id"].as_str().unwrap().to_owned(),
        secret: None,
    };
    for scope in ["contacts:read", "contacts:eat"] {
        let refused = asked(&mut browser, &theirs.way(scope)).await;
        assert_eq!(refused.status, 400, "{scope}");
        assert_eq!(text(&refused, "location"), "", "{scope}");
    }
    browser.get("/app/account").await;
    let posted = answer(&mut browser, &theirs, "contacts:read", "allow").await;
    assert_eq!(posted.status, 400);
    let path = format!("{CLIENTS}/{}", theirs.id);
    let owner = browser.installation.owner.clone();
    for method in ["GET", "DELETE"] {
        let seen = browser.installation.call(&owner, method, &path, None).await;
        seen.problem(404);
    }
}

#[tokio::test]
async fn whatever_else_is_wrong_is_told_to_the_app() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    let public = App::register(&browser, body("Public", false)).await;
    let fields = app.fields("contacts:read");
    let with = |name: &'static str, value: &str| {
        let mut changed = fields.clone();
        for (known, old) in &mut changed {
            if *known == name {
                value.clone_into(old);
            }
        }
        way(&changed)
    };
    let bare: Vec<_> = public.fields("contacts:read").into_iter().take(5).collect();
    for (way, error) in [
        (with("response_type", "token"), "unsupported_response_type"),
        (with("response_type", ""), "invalid_request"),
        (with("scope", ""), "invalid_scope"),
        (with("scope", "contacts:read contacts:eat"), "invalid_scope"),
        (with("code_challenge_method", "plain"), "invalid_request"),
        (with("code_challenge", "short"), "invalid_request"),
        (
            format!("{}&scope=emails:read", way(&fields)),
            "invalid_request",
        ),
        (way(&bare), "invalid_request"),
    ] {
        let back = asked(&mut browser, &way).await;
        assert_eq!(back.status, 303, "{way}");
        let told = told(&back);
        assert_eq!(of(&told, "error"), error, "{way}");
        assert!(!of(&told, "error_description").is_empty(), "{way}");
        assert_eq!(of(&told, "state"), "a b&c//d", "{way}");
        assert!(of(&told, "iss").starts_with("http"), "{way}");
        assert_eq!(of(&told, "code"), "", "{way}");
    }
    // She says no, and nothing is kept of it.
    asked(&mut browser, &app.way("contacts:read")).await;
    let back = answer(&mut browser, &app, "contacts:read", "deny").await;
    assert_eq!(of(&told(&back), "error"), "access_denied");
    assert_eq!(
        asked(&mut browser, &app.way("contacts:read")).await.status,
        200
    );
    // A viewer has nothing of that to give.
    become_viewer(&mut browser).await;
    let back = asked(&mut browser, &app.way("contacts:write")).await;
    assert_eq!(of(&told(&back), "error"), "access_denied");
    let page = asked(&mut browser, &app.way("contacts:read contacts:write")).await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("see contacts"), "{page}");
    assert!(!page.contains("add and change contacts"), "{page}");
}

#[tokio::test]
async fn nobody_says_yes_for_somebody_else() {
    let mut browser = Browser::new().await;
    let app = App::register(&browser, body("Sync", true)).await;
    asked(&mut browser, &app.way("contacts:read")).await;
    let mut fields = app.fields("contacts:read");
    fields.push(("step", "allow".to_owned()));
    for token in [None, Some(""), Some("a.b")] {
        let mut fields = fields.clone();
        fields.extend(token.map(|token| ("csrf", token.to_owned())));
        let form = serde_urlencoded::to_string(&fields).unwrap();
        let refused = browser
            .send("POST", "/app/oauth/authorize", Some(form))
            .await;
        assert_eq!(refused.status, 403, "{token:?}");
    }
    // Nor does a link with the answer in it.
    let way = format!(
        "{}&step=allow&csrf={}",
        app.way("contacts:read"),
        browser.token()
    );
    assert_eq!(asked(&mut browser, &way).await.status, 200);
}
