//! Setting up, logging in and out in a browser, and what nobody may do to somebody else's session.

use crate::browser::{Browser, OWNER};
use crate::support::{Answer, Installation, request};
use mauntic_core::{
    Operator, Role,
    identity::{CreateUser, FirstPassword, PasswordHash},
    storage::test_database::TestDatabase,
};
use poem::http::header;

#[tokio::test]
async fn the_first_to_come_sets_the_installation_up() {
    let mut browser = Browser::fresh(Installation::sqlite().await);
    browser.get("/app/").await;
    assert_eq!(browser.at, "/app/setup");
    // What is wrong is said at its field, and what was typed stays.
    let fields = [
        ("organization", "Acme"),
        ("timezone", "Nowhere"),
        ("name", "Ann"),
        ("email", "not an address"),
        ("password", "short"),
    ];
    let page = browser.post("/app/setup", &fields).await;
    assert!(page.contains("id=\"email-error\""), "{page}");
    assert!(page.contains("id=\"timezone-error\""), "{page}");
    assert!(page.contains("id=\"password-error\""), "{page}");
    assert!(page.contains("value=\"Acme\""), "{page}");
    assert!(!page.contains("short"), "{page}");
    assert_eq!(browser.status, 422);
    // There are organisations and tokens here, which the first stranger to come is not to own.
    let fields = [
        ("code", "0000000000000000"),
        ("organization", "Acme"),
        ("timezone", "UTC"),
        ("name", "Eve"),
        ("email", "eve@example.com"),
        ("password", "a long enough password"),
    ];
    let page = browser.post("/app/setup", &fields).await;
    assert!(page.contains("id=\"code-error\""), "{page}");
    assert_eq!(browser.status, 422);
    browser.get("/app/").await;
    assert_eq!(browser.at, "/app/setup");

    let mut browser = Browser::new().await;
    assert!(browser.page.contains("Ann Owner"), "{}", browser.page);
    // The second to come can only log in.
    browser.set_cookie("");
    browser.get("/app/setup").await;
    assert_eq!(browser.at, "/app/login");
}

#[tokio::test]
async fn logging_in_leads_where_somebody_wanted_to_go_and_nowhere_else() {
    let mut browser = Browser::new().await;
    browser.set_cookie("");
    browser.get("/app/account").await;
    assert_eq!(browser.at, "/app/login?next=%2Fapp%2Faccount");
    let form = |next| {
        let fields = [("next", next), ("email", OWNER.0), ("password", OWNER.1)];
        serde_urlencoded::to_string(fields).unwrap()
    };
    for (next, place) in [
        ("/app/account", "/app/account"),
        ("https://evil.example/", "/app/"),
        ("//evil.example", "/app/"),
    ] {
        let answer = browser.send("POST", "/app/login", Some(form(next))).await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.headers["location"], place);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        assert!(cookie.contains("SameSite=Lax"), "{cookie}");
    }
}

#[tokio::test]
async fn a_wrong_password_says_nothing_of_the_account() {
    let mut browser = Browser::new().await;
    browser.log_in(OWNER.0, "wrong horse battery").await;
    let wrong = browser.page.replace(OWNER.0, "X");
    assert_eq!(browser.status, 422);
    browser
        .log_in("nobody@example.com", "wrong horse battery")
        .await;
    assert_eq!(browser.page.replace("nobody@example.com", "X"), wrong);
    for _ in 0..5 {
        browser.log_in(OWNER.0, "wrong horse battery").await;
    }
    assert_eq!(browser.status, 429);
    assert!(browser.page.contains("try again in"), "{}", browser.page);
}

#[tokio::test]
async fn a_login_has_a_new_session_and_ends_the_one_before() {
    let mut browser = Browser::new().await;
    let before = browser.cookie().to_owned();
    browser.get("/app/").await;
    let fields = [("email", OWNER.0), ("password", OWNER.1)];
    browser.post("/app/login", &fields).await;
    assert_ne!(browser.cookie(), before);
    browser.set_cookie(&before);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
}

#[tokio::test]
async fn whoever_logs_in_by_the_api_leaves_the_session_before() {
    let mut browser = Browser::new().await;
    let log_in = async |browser: &Browser, password: &str| {
        let body = serde_json::json!({"email": OWNER.0, "password": password});
        let request = request("", "POST", "/api/auth/login")
            .header("cookie", browser.cookie())
            .content_type("application/json")
            .body(body.to_string());
        browser.installation.send(request).await
    };
    log_in(&browser, OWNER.1).await.ok(200);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);

    // Who fails often is told when to try again.
    for _ in 0..5 {
        log_in(&browser, "wrong horse battery").await.problem(401);
    }
    let refused = log_in(&browser, OWNER.1).await;
    assert_eq!(refused.problem(429)["code"], "too_many_attempts");
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn forms_work_over_plain_http_on_a_name_of_the_local_network() {
    let mut browser = Browser::new().await;
    // As browsers do there: the pages' own policy decides what they say, and nothing else is said.
    for path in ["/app/", "/app/account", "/app/login", "/app/forgot"] {
        browser.get(path).await;
        assert_eq!(browser.origin(), "http://mauntic.lan:8080", "{path}");
    }
    browser.log_in(OWNER.0, OWNER.1).await;
    assert_eq!(browser.at, "/app/");
    browser.get("/app/account").await;
    browser.post("/app/logout", &[]).await;
    assert_eq!(browser.at, "/app/login");
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let mut browser = Browser::new().await;
    let cookie = browser.cookie().to_owned();
    // Without the token, with a wrong one, and with the right one from another site.
    browser.post_exactly("/app/logout", &[]).await;
    assert_eq!(browser.status, 403);
    browser.post_exactly("/app/logout", &[("csrf", "x")]).await;
    assert_eq!(browser.status, 403);
    browser.get("/app/account").await;
    let token = browser.token();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let form = serde_urlencoded::to_string([("csrf", token.as_str())]).unwrap();
        let request = request("", "POST", "/app/logout")
            .header("cookie", &cookie)
            .header("host", "127.0.0.1:8080")
            .header(name, value)
            .content_type("application/x-www-form-urlencoded")
            .body(form);
        let answer = browser.installation.send(request).await;
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    browser.get("/app/").await;
    assert_eq!(browser.at, "/app/", "still logged in");
    browser.get("/app/account").await;
    browser.post("/app/logout", &[]).await;
    browser.set_cookie(&cookie);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
}

#[tokio::test]
async fn the_password_is_changed_by_who_knows_it_and_ends_every_session() {
    let mut browser = Browser::new().await;
    let cookie = browser.cookie().to_owned();
    browser.get("/app/account").await;
    let wrong = [
        ("current", "wrong horse battery"),
        ("new", "a newer long password"),
    ];
    let page = browser.post("/app/account/password", &wrong).await;
    assert!(page.contains("present password is wrong"), "{page}");
    let weak = [("current", OWNER.1), ("new", "short")];
    let page = browser.post("/app/account/password", &weak).await;
    assert!(page.contains("12 characters"), "{page}");
    let right = [("current", OWNER.1), ("new", "a newer long password")];
    browser.post("/app/account/password", &right).await;
    assert_eq!(browser.at, "/app/login");
    browser.set_cookie(&cookie);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
    browser.log_in(OWNER.0, "a newer long password").await;
    assert_eq!(browser.at, "/app/");
}

#[tokio::test]
async fn other_sessions_are_listed_and_ended() {
    let mut browser = Browser::new().await;
    let first = browser.cookie().to_owned();
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get("/app/account").await;
    assert_eq!(page.matches(">this one<").count(), 1);
    assert!(page.contains("Log out everywhere else"), "{page}");
    browser.post("/app/account/sessions/others", &[]).await;
    assert!(browser.page.contains("The session was ended."));
    let second = browser.cookie().to_owned();
    browser.set_cookie(&first);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
    browser.set_cookie(&second);
    browser.get("/app/").await;
    assert_eq!(browser.at, "/app/");
}

#[tokio::test]
async fn a_name_with_a_script_is_shown_as_it_is() {
    let installation = Installation::sqlite().await;
    let code = installation.set_up_code().await;
    let mut browser = Browser::fresh(installation);
    let fields = [
        ("code", code.as_str()),
        ("organization", "<script>alert(1)</script>"),
        ("timezone", "UTC"),
        ("name", "\"><img src=x onerror=alert(1)>"),
        ("email", OWNER.0),
        ("password", OWNER.1),
    ];
    browser.post("/app/setup", &fields).await;
    for path in ["/app/", "/app/account"] {
        let page = browser.get(path).await;
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(!page.contains("<img src=x"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }
}

#[tokio::test]
async fn name_and_signature_are_changed() {
    let mut browser = Browser::new().await;
    browser.get("/app/account").await;
    let wrong = [("name", " "), ("signature", "Ann\u{1}")];
    let page = browser.post("/app/account/profile", &wrong).await;
    assert!(page.contains("id=\"name-error\""), "{page}");
    assert!(page.contains("id=\"signature-error\""), "{page}");
    assert_eq!(browser.status, 422);
    let right = [
        ("name", "Ann <b>Lee</b>"),
        ("signature", "Ann Lee\r\n</textarea><b>Zoo"),
    ];
    let page = browser.post("/app/account/profile", &right).await;
    assert!(page.contains("The change was saved."), "{page}");
    assert!(page.contains("value=\"Ann &lt;b&gt;Lee"), "{page}");
    assert!(page.contains("Ann Lee\n&lt;/textarea&gt;"), "{page}");
    let none = [("name", "Ann Lee"), ("signature", "")];
    let page = browser.post("/app/account/profile", &none).await;
    // Three letters alone may stand in a form's token.
    assert!(!page.contains("b&gt;Zoo"), "{page}");
    assert!(page.contains("value=\"Ann Lee\""), "{page}");
    // A form of another site changes nothing.
    let fields = [("name", "Eve"), ("signature", "")];
    browser.post_exactly("/app/account/profile", &fields).await;
    assert_eq!(browser.status, 403);
}

#[tokio::test]
async fn an_organization_is_made_and_left() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/account").await;
    assert!(
        page.contains("href=\"/app/account/organizations/new\""),
        "{page}"
    );
    let page = browser.get("/app/account/organizations/new").await;
    assert!(page.contains("You will be its owner"), "{page}");
    let wrong = [("name", ""), ("timezone", "Nowhere"), ("address", "\u{1}")];
    let page = browser.post("/app/account/organizations/new", &wrong).await;
    for field in ["name", "timezone", "address"] {
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{page}");
    }
    let right = [("name", "Zoo"), ("timezone", "UTC"), ("address", "")];
    let page = browser.post("/app/account/organizations/new", &right).await;
    assert!(page.contains("<span class=\"name\">Zoo</span>"), "{page}");
    assert_eq!(browser.at, "/app/");
    let page = browser.get("/app/account").await.to_owned();
    let ways = page.split("href=\"/app/account/organizations/").skip(1);
    let ways: Vec<_> = ways.collect();
    let way = |text: &str| {
        let (id, _) = text.split_once("/leave\"").unwrap();
        format!("/app/account/organizations/{id}/leave")
    };
    // Sorted by name: Acme, then Zoo.
    let (acme, zoo) = (way(ways[0]), way(ways[1]));
    // The last owner stays.
    browser.get(&zoo).await;
    let page = browser.post(&zoo, &[]).await;
    assert!(page.contains("needs an owner"), "{page}");
    assert_eq!(browser.status, 409);
    let installation = &browser.installation;
    installation
        .member(
            "second@example.com",
            "Second Owner",
            "owner",
            "a long enough password",
        )
        .await;
    let page = browser.get(&acme).await;
    assert!(page.contains("Leave Acme?"), "{page}");
    assert!(page.contains("API tokens that you made"), "{page}");
    browser.post_exactly(&acme, &[]).await;
    assert_eq!(browser.status, 403);
    browser.get(&acme).await;
    let page = browser.post(&acme, &[]).await;
    assert!(page.contains("The change was saved."), "{page}");
    assert!(!page.contains("<td>Acme</td>"), "{page}");
    browser.get(&acme).await;
    assert_eq!(browser.status, 404);
}

#[tokio::test]
async fn a_password_that_is_easy_to_guess_is_refused_at_its_field() {
    let guessable = "Acme2027Acme2027";
    let installation = Installation::sqlite().await;
    let code = installation.set_up_code().await;
    let mut browser = Browser::fresh(installation);
    let fields = [
        ("code", code.as_str()),
        ("organization", "Acme"),
        ("timezone", "UTC"),
        ("name", "Ann"),
        ("email", OWNER.0),
        ("password", guessable),
    ];
    let page = browser.post("/app/setup", &fields).await;
    assert!(page.contains("id=\"password-error\""), "{page}");
    assert!(page.contains("easy to guess"), "{page}");
    assert!(!page.contains(guessable), "{page}");
    let mut browser = Browser::new().await;
    browser.get("/app/account").await;
    let fields = [("current", OWNER.1), ("new", guessable)];
    let page = browser.post("/app/account/password", &fields).await;
    assert!(page.contains("easy to guess"), "{page}");
    assert_eq!(browser.status, 422);
    browser.log_in(OWNER.0, OWNER.1).await;
    assert_eq!(browser.at, "/app/");
}

/// What browsers are told of the cookie of the session.
fn cookie_of(answer: &Answer) -> String {
    let all = answer.headers.get_all(header::SET_COOKIE);
    let mut all = all.iter().map(|value| value.to_str().unwrap());
    all.next().unwrap().to_owned()
}

#[tokio::test]
async fn under_https_cookies_and_browsers_stay_with_it() {
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.base_url = Some("https://mail.example.com".parse().unwrap());
    });
    let browser = Browser::set_up(installation.await).await;
    let log_in = async |browser: &Browser, remember: &[(&str, &str)]| {
        let fields = [&[("email", OWNER.0), ("password", OWNER.1)][..], remember].concat();
        let form = serde_urlencoded::to_string(fields).unwrap();
        let request = request("", "POST", "/app/login")
            .content_type("application/x-www-form-urlencoded")
            .body(form);
        browser.installation.send(request).await
    };
    let answer = log_in(&browser, &[]).await;
    let cookie = cookie_of(&answer);
    assert!(cookie.starts_with("__Host-mauntic="), "{cookie}");
    // What browsers hold the prefix to: this host, all paths, encrypted.
    assert!(cookie.contains("; Path=/;"), "{cookie}");
    assert!(cookie.ends_with("; Secure"), "until it is closed: {cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
    let kept = cookie_of(&log_in(&browser, &[("remember", "on")]).await);
    assert!(kept.ends_with("; Secure; Max-Age=7776000"), "{kept}");
    let shown = |answer: &Answer| {
        let found = answer.headers.get("strict-transport-security");
        found.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(shown(&answer).as_deref(), Some("max-age=31536000"));
    let plain = Browser::new().await;
    let answer = log_in(&plain, &[]).await;
    let cookie = cookie_of(&answer);
    assert!(cookie.starts_with("mauntic="), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert_eq!(shown(&answer), None);
}

#[tokio::test]
async fn a_weak_password_of_another_system_leads_to_a_new_one() {
    // By libxcrypt, of "secret".
    const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    let mut browser = Browser::new().await;
    let (app, ours) = (
        browser.installation.app.clone(),
        browser.installation.ours.organization_id(),
    );
    let command = CreateUser {
        email: "old@example.com".parse().unwrap(),
        name: "Old Hand".parse().unwrap(),
        password: Some(FirstPassword::Adopted(
            PasswordHash::from_bcrypt(BCRYPT).unwrap(),
        )),
        role: Role::Viewer,
    };
    app.identity
        .create_user(&Operator::local(), ours, command)
        .await
        .unwrap();
    browser.log_in("old@example.com", "secret").await;
    assert_eq!(browser.status, 422);
    assert!(
        browser.page.contains("We mailed you a link"),
        "{}",
        browser.page
    );
    assert_eq!(browser.cookie(), "", "nobody is let in");
    let body = serde_json::json!({"email": "old@example.com", "password": "secret"});
    let refused = browser
        .installation
        .call("", "POST", "/api/auth/login", Some(body));
    assert_eq!(refused.await.problem(409)["code"], "password_too_weak");
    let letter = crate::letters::letter_to(&app, "old@example.com").await;
    assert!(letter.unwrap().contains("/app/reset?token="));
}
