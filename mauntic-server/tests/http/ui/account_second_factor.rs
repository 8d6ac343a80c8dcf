//! Logging in with an authenticator app, in a browser and over the API.

use crate::browser::{Browser, OWNER};
use crate::support::{Answer, Installation, request};
use poem::http::header;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

fn app(secret: &str) -> Totp {
    let secret = Secret::try_from_base32(secret.replace(' ', "")).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

/// The code of so many steps later than now, which a login takes a step early.
fn code(app: &Totp, later: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    app.generate(now.unwrap().as_secs() + 30 * later)
        .to_string()
}

fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let rest = page.split_once(start).expect(page).1;
    rest.split_once(end).expect(page).0
}

/// Switches it on; returns the app and the recovery codes.
async fn enrol(browser: &mut Browser) -> (Totp, Vec<String>) {
    browser.get("/app/account/second-factor").await;
    let page = browser.post("/app/account/second-factor/begin", &[]).await;
    assert!(page.contains("QR code of the secret"), "{page}");
    let app = app(between(page, "<code>", "</code>"));
    let wrong = [("code", "000000"), ("password-to-begin", OWNER.1)];
    let page = browser
        .post("/app/account/second-factor/confirm", &wrong)
        .await;
    assert!(page.contains("This code is wrong"), "{page}");
    let right = code(&app, 0);
    // The session alone is not enough: it may have been left open.
    let alone = [("code", right.as_str()), ("password-to-begin", "")];
    let page = browser
        .post("/app/account/second-factor/confirm", &alone)
        .await;
    assert!(page.contains("id=\"password-to-begin-error\""), "{page}");
    let right = [("code", right.as_str()), ("password-to-begin", OWNER.1)];
    let page = browser
        .post("/app/account/second-factor/confirm", &right)
        .await;
    let codes = between(page, "<code>", "</code>");
    (app, codes.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_login_asks_for_the_code_and_goes_on_to_where_somebody_wanted_to() {
    let mut browser = Browser::new().await;
    let (app, codes) = enrol(&mut browser).await;
    assert_eq!(codes.len(), 10);
    let fields = [
        ("email", OWNER.0),
        ("password", OWNER.1),
        ("next", "/app/account"),
    ];
    browser.post("/app/login", &fields).await;
    assert_eq!(browser.at, "/app/login/code?next=%2Fapp%2Faccount");
    let waiting = browser.cookie().to_owned();
    // Nothing else is there for a login that waits.
    for path in ["/app/", "/app/account", "/app/account/second-factor"] {
        browser.get(path).await;
        assert!(browser.at.starts_with("/app/login?"), "{}", browser.at);
    }
    let wrong = [("code", "000000"), ("next", "/app/account")];
    let page = browser.post("/app/login/code", &wrong).await;
    assert!(page.contains("id=\"code-error\""), "{page}");
    assert_eq!(browser.status, 422);
    let right = code(&app, 1);
    let right = [("code", right.as_str()), ("next", "/app/account")];
    let page = browser.post("/app/login/code", &right).await;
    assert!(page.contains("Where you are logged in"), "{page}");
    assert_eq!(browser.at, "/app/account");
    assert_ne!(browser.cookie(), waiting, "rotated");
    browser.set_cookie(&waiting);
    browser.get("/app/login/code").await;
    assert_eq!(browser.at, "/app/login");
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_and_the_password_switches_it_off() {
    let mut browser = Browser::new().await;
    let (_, codes) = enrol(&mut browser).await;
    for status in [200, 422] {
        browser.log_in(OWNER.0, OWNER.1).await;
        assert_eq!(browser.at, "/app/login/code?next=%2Fapp%2F");
        browser
            .post("/app/login/code", &[("code", &codes[0])])
            .await;
        assert_eq!(browser.status, status);
    }
    browser
        .post("/app/login/code", &[("code", &codes[1])])
        .await;
    assert_eq!(browser.at, "/app/");
    let page = browser.get("/app/account/second-factor").await;
    assert!(page.contains("<dd>8</dd>"), "{page}");
    let wrong = [("password-to-end", "wrong horse battery")];
    let page = browser.post("/app/account/second-factor/end", &wrong).await;
    assert!(page.contains("id=\"password-to-end-error\""), "{page}");
    let right = [("password-for-codes", OWNER.1)];
    let page = browser
        .post("/app/account/second-factor/codes", &right)
        .await;
    assert!(!page.contains(&codes[2]), "{page}");
    browser.get("/app/account/second-factor").await;
    let right = [("password-to-end", OWNER.1)];
    let page = browser.post("/app/account/second-factor/end", &right).await;
    assert!(page.contains("It is off"), "{page}");
    browser.log_in(OWNER.0, OWNER.1).await;
    assert_eq!(browser.at, "/app/");
}

/// What the browser is told of its cookie.
fn told(answer: &Answer) -> String {
    let set = answer.headers.get(header::SET_COOKIE).unwrap();
    set.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_device_is_remembered_after_the_code_and_not_before() {
    let mut browser = Browser::new().await;
    let (_, codes) = enrol(&mut browser).await;
    let login = |remember: bool| {
        let mut fields = vec![("email", OWNER.0), ("password", OWNER.1)];
        fields.extend(remember.then_some(("remember", "on")));
        serde_urlencoded::to_string(fields).unwrap()
    };
    for (remember, code) in [(true, &codes[0]), (false, &codes[1])] {
        let waits = browser.send("POST", "/app/login", Some(login(remember)));
        let waits = told(&waits.await);
        assert!(!waits.contains("Max-Age"), "{waits}");
        let code = serde_urlencoded::to_string([("code", code)]).unwrap();
        let given = browser.send("POST", "/app/login/code", Some(code)).await;
        let kept = told(&given);
        // Ninety days.
        assert_eq!(kept.ends_with("; Max-Age=7776000"), remember, "{kept}");
        assert_eq!(kept.contains("Max-Age"), remember, "{kept}");
    }
}

/// A program that keeps the cookie and the token of its session.
struct Program {
    installation: Installation,
    cookie: String,
    token: String,
}

impl Program {
    async fn call(&mut self, method: &str, path: &str, body: Value) -> Answer {
        let request = request("", method, path)
            .header(header::COOKIE, &self.cookie)
            .header("X-CSRF-Token", &self.token)
            .content_type("application/json")
            .body(body.to_string());
        let answer = self.installation.send(request).await;
        if let Some(set) = answer.headers.get(header::SET_COOKIE) {
            let text = set.to_str().unwrap();
            text.split(';').next().unwrap().clone_into(&mut self.cookie);
            if let Some(token) = answer.json()["csrf_token"].as_str() {
                token.clone_into(&mut self.token);
            }
        }
        answer
    }
}

#[tokio::test]
async fn programs_log_in_with_the_code_and_send_the_token_with_the_cookie() {
    let browser = Browser::new().await;
    let mut program = Program {
        installation: browser.installation,
        cookie: String::new(),
        token: String::new(),
    };
    let wrong = json!({"email": OWNER.0, "password": "wrong horse battery"});
    let answer = program.call("POST", "/api/auth/login", wrong).await;
    assert_eq!(answer.problem(401)["code"], "wrong_credentials");
    let right = json!({"email": OWNER.0, "password": OWNER.1});
    let answer = program.call("POST", "/api/auth/login", right.clone()).await;
    assert_eq!(answer.ok(200)["code_awaited"], false);
    let account = program.call("GET", "/api/auth/session", Value::Null).await;
    assert_eq!(account.ok(200)["workplaces"][0]["role"], "owner");
    // The cookie alone is not enough: other sites can make a browser send it.
    let token = std::mem::take(&mut program.token);
    let account = program.call("GET", "/api/auth/session", Value::Null).await;
    account.problem(401);
    program.token = token;

    let path = "/api/auth/second-factor/enrolment";
    let enrolment = program.call("POST", path, Value::Null).await.ok(200);
    let app = app(enrolment["secret"].as_str().unwrap());
    let path = "/api/auth/second-factor/confirmation";
    let alone = json!({"code": code(&app, 0)});
    let refused = program.call("POST", path, alone).await;
    assert_eq!(refused.problem(401)["code"], "wrong_credentials");
    let first = json!({"code": code(&app, 0), "password": OWNER.1});
    let codes = program.call("POST", path, first).await.ok(200);
    let state = program
        .call("GET", "/api/auth/second-factor", Value::Null)
        .await;
    assert_eq!(state.ok(200)["recovery_codes_left"], 10);
    assert_eq!(
        program
            .call("DELETE", "/api/auth/session", Value::Null)
            .await
            .status,
        204
    );

    let answer = program.call("POST", "/api/auth/login", right).await;
    assert_eq!(answer.ok(200)["code_awaited"], true);
    // Until then nothing answers to the cookie, whatever the token.
    for path in ["/api/auth/session", "/api/identity/me"] {
        program.call("GET", path, Value::Null).await.problem(401);
    }
    let recovery = json!({"code": codes["codes"][0]});
    let answer = program.call("POST", "/api/auth/login/code", recovery).await;
    assert_eq!(answer.ok(200)["code_awaited"], false);
    let me = program.call("GET", "/api/identity/me", Value::Null).await;
    me.ok(200);
    let sessions = program.call("GET", "/api/auth/sessions", Value::Null).await;
    assert_eq!(sessions.ok(200).as_array().unwrap().len(), 1);
    let off = json!({"password": OWNER.1});
    let path = "/api/auth/second-factor/removal";
    assert_eq!(program.call("POST", path, off).await.status, 204);
}
