//! Passwords that are reset by mail and addresses that are changed by it, in a browser.

use crate::browser::{Browser, OWNER};
use crate::letters::{letter_to, link};
use crate::support::request;
use poem::http::header;
use serde_json::json;

const NEW: &str = "a newer long password";

#[tokio::test]
async fn a_forgotten_password_is_set_anew_with_a_mailed_link() {
    let mut browser = Browser::new().await;
    let session = browser.cookie().to_owned();
    browser.set_cookie("");
    let page = browser.get("/app/login").await;
    assert!(page.contains("href=\"/app/forgot\""), "{page}");
    let page = browser.post("/app/forgot", &[("email", "nobody@example.com")]);
    let unknown = page.await.to_owned();
    let page = browser.post("/app/forgot", &[("email", OWNER.0)]).await;
    assert_eq!(page, unknown, "an account does not show");
    assert_eq!(browser.status, 200);
    let app = browser.installation.app.clone();
    assert!(letter_to(&app, "nobody@example.com").await.is_none());
    let letter = letter_to(&app, OWNER.0).await.unwrap();
    let link = link(&letter);
    let page = browser.get(&link).await;
    assert!(page.contains(OWNER.0), "{page}");
    let token = link.split_once("token=").unwrap().1.to_owned();
    let short = [("token", token.as_str()), ("new", "short")];
    let page = browser.post_exactly("/app/reset", &short).await;
    assert!(page.contains("id=\"new-error\""), "{page}");
    let guessable = [("token", token.as_str()), ("new", "Ann.Owner.2027.Ann")];
    let page = browser.post_exactly("/app/reset", &guessable).await;
    assert!(page.contains("easy to guess"), "{page}");
    let fields = [("token", token.as_str()), ("new", NEW)];
    let page = browser.post_exactly("/app/reset", &fields).await;
    assert!(page.contains("The new password is set"), "{page}");
    browser.post_exactly("/app/reset", &fields).await;
    assert_eq!(browser.status, 410, "once");
    browser.get(&link).await;
    assert_eq!(browser.status, 410);
    browser.set_cookie(&session);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);
    browser.log_in(OWNER.0, NEW).await;
    assert_eq!(browser.at, "/app/");
    // A form of another site cannot ask for letters.
    for _ in 0..3 {
        browser.post("/app/forgot", &[("email", OWNER.0)]).await;
    }
    assert_eq!(browser.status, 429);
}

/// Else whoever asks for a letter to somebody else would have its secret sent to a site of their own.
#[tokio::test]
async fn a_mailed_link_leads_to_the_installation_whatever_host_was_named() {
    let browser = Browser::new().await;
    let form = serde_urlencoded::to_string([("email", OWNER.0)]).unwrap();
    let named = request("", "POST", "/app/forgot")
        .header(header::HOST, "evil.example")
        .header("x-forwarded-host", "evil.example")
        .content_type("application/x-www-form-urlencoded")
        .body(form);
    let answer = browser.installation.send(named).await;
    assert_eq!(answer.status, 200);
    let letter = letter_to(&browser.installation.app, OWNER.0).await.unwrap();
    assert!(
        letter.contains("http://127.0.0.1:8080/app/reset?token="),
        "{letter}"
    );
    assert!(!letter.contains("evil.example"), "{letter}");
}

#[tokio::test]
async fn members_do_not_see_the_letters_of_the_installation() {
    let mut browser = Browser::new().await;
    browser.post("/app/forgot", &[("email", OWNER.0)]).await;
    let app = browser.installation.app.clone();
    assert!(letter_to(&app, OWNER.0).await.is_some());
    let page = browser.get("/app/inbox").await.to_owned();
    assert_eq!(browser.status, 200);
    assert!(!page.contains("Set a new password"), "{page}");
}

#[tokio::test]
async fn an_address_is_changed_once_its_owner_confirmed_it() {
    let mut browser = Browser::new().await;
    browser.get("/app/account/email").await;
    let wrong = [
        ("email", "new@example.com"),
        ("password", "wrong horse battery"),
    ];
    let page = browser.post("/app/account/email", &wrong).await;
    assert!(page.contains("id=\"password-error\""), "{page}");
    assert!(page.contains("value=\"new@example.com\""), "{page}");
    let right = [("email", "new@example.com"), ("password", OWNER.1)];
    let page = browser.post("/app/account/email", &right).await;
    assert!(page.contains("not confirmed"), "{page}");
    let app = browser.installation.app.clone();
    let link = link(&letter_to(&app, "new@example.com").await.unwrap());
    // Following the link changes nothing: programs that look at mail do it.
    let page = browser.get(&link).await;
    assert!(page.contains("Confirm"), "{page}");
    assert!(browser.get("/app/account").await.contains(OWNER.0));
    let token = link.split_once("token=").unwrap().1.to_owned();
    let fields = [("token", token.as_str())];
    let page = browser.post_exactly("/app/confirm-email", &fields).await;
    assert!(page.contains("new@example.com"), "{page}");
    browser.post_exactly("/app/confirm-email", &fields).await;
    assert_eq!(browser.status, 410);
    let told = letter_to(&app, OWNER.0).await.unwrap();
    assert!(told.contains("another email address"), "{told}");
    browser.log_in("new@example.com", OWNER.1).await;
    assert_eq!(browser.at, "/app/");
}

#[tokio::test]
async fn programs_reset_a_password_with_the_link_too() {
    let browser = Browser::new().await;
    let installation = browser.installation;
    let call = |path, body| installation.call("", "POST", path, Some(body));
    for email in [OWNER.0, "nobody@example.com"] {
        let body = json!({"email": email});
        assert_eq!(
            call("/api/auth/password-reset/link", body).await.status,
            204
        );
    }
    let link = link(&letter_to(&installation.app, OWNER.0).await.unwrap());
    let token = link.split_once("token=").unwrap().1;
    let body = json!({"token": token, "password": NEW});
    let path = "/api/auth/password-reset";
    assert_eq!(call(path, body.clone()).await.status, 204);
    assert_eq!(call(path, body).await.problem(409)["code"], "dead_link");
}
