//! Logging in with providers, and linking them, in a browser and over the API.

use mauntic_core::{Operator, identity::SessionSecret, storage::test_database::TestDatabase};
use mauntic_server::ProviderKind;
use poem::http::header;
use serde_json::json;

use crate::browser::{Browser, OWNER};
use crate::letters::{letter_to, link as link_of};
use crate::people::{become_viewer, call};
use crate::support::{
    Installation,
    provider::{Fault, Known, TestProvider},
    request,
};

/// The owner, whose address is another one there.
const ANN: Known = Known {
    number: 7,
    email: "ann@private.example",
    verified: true,
};
/// Somebody else, who says to have the owner's address.
const EVE: Known = Known {
    number: 8,
    email: OWNER.0,
    verified: true,
};
const LOGINS: &str = "/app/account/logins";

async fn with_provider(kind: ProviderKind) -> (Browser, TestProvider) {
    let provider = TestProvider::start().await;
    let id = if kind == ProviderKind::GitHub {
        "github"
    } else {
        "sso"
    };
    let setting = provider.setting(kind, id);
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.login_providers = vec![setting];
    });
    (Browser::set_up(installation.await).await, provider)
}

async fn sso() -> (Browser, TestProvider) {
    with_provider(ProviderKind::Oidc).await
}

/// Where a browser is sent from a path.
async fn sent(browser: &mut Browser, path: &str) -> String {
    let answer = browser.send("GET", path, None).await;
    assert_eq!(answer.status, 303, "{path}");
    let location = answer.headers.get(header::LOCATION).unwrap();
    location.to_str().unwrap().to_owned()
}

/// Asks to link a provider; returns where the browser is to go.
async fn ask_to_link(browser: &mut Browser, id: &str) -> String {
    browser.get(LOGINS).await;
    let field = format!("password-for-{id}");
    let fields = [(field.as_str(), OWNER.1)];
    let page = browser.post(&format!("{LOGINS}/{id}"), &fields).await;
    way_on(page)
}

/// Where a page leads to at the provider.
fn way_on(page: &str) -> String {
    let (_, rest) = page.split_once("href=\"http://127.0.0.1:").expect(page);
    let href = rest.split_once('"').unwrap().0;
    format!("http://127.0.0.1:{}", href.replace("&amp;", "&"))
}

async fn link(browser: &mut Browser, provider: &TestProvider, who: Known) {
    let way = ask_to_link(browser, "sso").await;
    let back = provider.approve(&way, who);
    browser.get(&back).await;
}

async fn log_in(browser: &mut Browser, provider: &TestProvider, who: Known) {
    let way = sent(browser, "/app/login/with/sso").await;
    let back = provider.approve(&way, who);
    browser.get(&back).await;
}

#[track_caller]
fn assert_stays_out(browser: &Browser, status: u16, text: &str) {
    assert_eq!(browser.status, status, "{}", browser.page);
    assert!(browser.page.contains(text), "{}", browser.page);
    assert_eq!(browser.cookie(), "", "no session began");
}

#[tokio::test]
async fn nothing_is_offered_where_no_provider_is_configured() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/account").await;
    assert!(!page.contains("Linked logins"), "{page}");
    let page = browser.get(LOGINS).await;
    assert!(page.contains("Nothing can be linked here"), "{page}");
    for path in ["/app/login/with/google", "/app/login/with/google/return"] {
        browser.get(path).await;
        assert_eq!(browser.status, 404, "{path}");
    }
    browser.set_cookie("");
    let page = browser.get("/app/login").await;
    assert!(!page.contains("Continue with"), "{page}");
}

#[tokio::test]
async fn a_login_is_linked_and_lets_in_until_it_is_unlinked() {
    let (mut browser, provider) = sso().await;
    let page = browser.get(LOGINS).await;
    assert!(page.contains("Link Example SSO"), "{page}");
    let wrong = [("password-for-sso", "wrong horse battery")];
    let page = browser.post(&format!("{LOGINS}/sso"), &wrong).await;
    assert!(page.contains("id=\"password-for-sso-error\""), "{page}");
    assert_eq!(browser.status, 422);
    link(&mut browser, &provider, ANN).await;
    assert_eq!(browser.at, format!("{LOGINS}?done=saved"));
    assert!(browser.page.contains(ANN.email), "{}", browser.page);
    let letter = letter_to(&browser.installation.app, OWNER.0).await.unwrap();
    assert!(letter.contains(ANN.email), "{letter}");
    let page = browser.get("/app/account").await;
    assert!(page.contains("You can log in with Example SSO."), "{page}");

    let earlier = browser.cookie().to_owned();
    browser.set_cookie("");
    let page = browser.get("/app/account").await;
    assert!(page.contains("Continue with Example SSO"), "{page}");
    let begin = "/app/login/with/sso?next=%2Fapp%2Faccount";
    assert!(page.contains(begin), "{page}");
    let way = sent(&mut browser, begin).await;
    assert_eq!(browser.cookie(), "", "nobody is logged in on the way");
    let back = provider.approve(&way, ANN);
    let page = browser.get(&back).await;
    assert!(page.contains("Where you are logged in"), "{page}");
    assert_eq!(browser.at, "/app/account");
    assert_ne!(browser.cookie(), earlier);
    assert_eq!(browser.others(), "", "the secret of the way is gone");

    // A session that the browser had is ended, as after a password.
    let second = browser.cookie().to_owned();
    log_in(&mut browser, &provider, ANN).await;
    assert_eq!(browser.at, "/app/");
    browser.set_cookie(&second);
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login"), "{}", browser.at);

    log_in(&mut browser, &provider, ANN).await;
    browser.get(LOGINS).await;
    let removal = format!("{LOGINS}/sso/removal");
    let page = browser.post(&removal, &wrong).await;
    assert!(page.contains("id=\"password-for-sso-error\""), "{page}");
    let right = [("password-for-sso", OWNER.1)];
    let page = browser.post(&removal, &right).await;
    assert!(page.contains("not linked"), "{page}");
    browser.set_cookie("");
    log_in(&mut browser, &provider, ANN).await;
    assert_stays_out(&browser, 403, "This Example SSO login is not linked");
}

#[tokio::test]
async fn a_form_leads_to_the_provider_by_a_page_for_the_policy_lets_no_answer_do_it() {
    let (mut browser, provider) = sso().await;
    browser.get(LOGINS).await;
    let token = browser.token();
    let fields = [("csrf", token.as_str()), ("password-for-sso", OWNER.1)];
    let form = serde_urlencoded::to_string(fields).unwrap();
    let path = format!("{LOGINS}/sso");
    let answer = browser.send("POST", &path, Some(form)).await;
    assert_eq!(answer.status, 200);
    let refresh = answer.headers.get(header::REFRESH).unwrap();
    let page = String::from_utf8(answer.body).unwrap();
    let expected = format!("0;url={}", way_on(&page));
    assert_eq!(refresh.to_str().unwrap(), expected);
    assert!(expected.contains(&provider.address), "{expected}");
    // Only our own pages can ask for it.
    let foreign = [("csrf", "x"), ("password-for-sso", OWNER.1)];
    browser.post_exactly(&path, &foreign).await;
    assert_eq!(browser.status, 403);
}

#[tokio::test]
async fn a_way_over_the_provider_ends_once_and_in_the_browser_where_it_began() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    browser.set_cookie("");
    let way = sent(&mut browser, "/app/login/with/sso").await;
    let back = provider.approve(&way, ANN);
    let own = browser.others().to_owned();
    // What an attacker began elsewhere, or begins without.
    let wrong_state = back.replace("state=", "state=x");
    let no_state = back.split("&state=").next().unwrap().to_owned();
    for path in [wrong_state.as_str(), &no_state] {
        browser.get(path).await;
        assert_stays_out(&browser, 400, "This login cannot go on");
    }
    browser.set_others("");
    browser.get(&back).await;
    assert_stays_out(&browser, 400, "This login cannot go on");
    sent(&mut browser, "/app/login/with/sso").await;
    browser.get(&back).await;
    assert_stays_out(&browser, 400, "This login cannot go on");
    // Nothing of this has ended it for its owner.
    browser.set_others(&own);
    browser.get(&back).await;
    assert_eq!(browser.at, "/app/");
    let asked = provider.asked().len();
    browser.set_cookie("");
    browser.set_others(&own);
    browser.get(&back).await;
    assert_stays_out(&browser, 400, "This login cannot go on");
    assert_eq!(provider.asked().len(), asked, "a replay is not asked about");
}

#[tokio::test]
async fn whatever_the_provider_says_wrongly_lets_nobody_in() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    browser.set_cookie("");
    for fault in [
        Fault::Nonce,
        Fault::NoNonce,
        Fault::Audience,
        Fault::Issuer,
        Fault::Signature,
        Fault::NoSignature,
        Fault::Expired,
        Fault::NoIdToken,
        Fault::Refused,
    ] {
        provider.set_fault(Some(fault));
        log_in(&mut browser, &provider, ANN).await;
        assert_stays_out(&browser, 502, "Example SSO did not say who you are");
    }
    provider.set_fault(None);
    let way = sent(&mut browser, "/app/login/with/sso").await;
    let back = provider.approve(&way, ANN);
    browser
        .get(&format!("{back}&iss=https://another.example"))
        .await;
    assert_stays_out(&browser, 502, "Example SSO did not say who you are");
    // With new keys it is asked for them, once.
    provider.rotate();
    log_in(&mut browser, &provider, ANN).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    let found = provider.asked();
    let discoveries = found.iter().filter(|path| path.contains("well-known"));
    assert!(discoveries.count() >= 2, "{found:?}");
}

#[tokio::test]
async fn an_address_takes_no_account_over() {
    let (mut browser, provider) = sso().await;
    browser.set_cookie("");
    log_in(&mut browser, &provider, EVE).await;
    assert_stays_out(&browser, 403, "is not linked");
    let known = browser.page.clone();
    let nobody = Known {
        number: 9,
        email: "nobody@example.net",
        verified: true,
    };
    log_in(&mut browser, &provider, nobody).await;
    assert_eq!(browser.page, known, "it does not tell who has an account");
    browser.log_in(OWNER.0, OWNER.1).await;
    let page = browser.get(LOGINS).await;
    assert!(page.contains("not linked"), "{page}");
}

#[tokio::test]
async fn only_a_verified_address_is_linked_and_only_once() {
    let (mut browser, provider) = sso().await;
    let unverified = Known {
        verified: false,
        ..ANN
    };
    link(&mut browser, &provider, unverified).await;
    assert_eq!(browser.status, 422);
    assert!(browser.page.contains("does not vouch"), "{}", browser.page);
    provider.set_fault(Some(Fault::AnotherPerson));
    link(&mut browser, &provider, ANN).await;
    assert_eq!(browser.status, 502, "{}", browser.page);
    provider.set_fault(None);
    // Whoever is logged in by the time has to be who asked.
    let way = ask_to_link(&mut browser, "sso").await;
    let back = provider.approve(&way, ANN);
    let (cookie, others) = (browser.cookie().to_owned(), browser.others().to_owned());
    become_viewer(&mut browser).await;
    browser.set_others(&others);
    browser.get(&back).await;
    assert_eq!(browser.status, 400, "{}", browser.page);
    browser.set_cookie(&cookie);
    link(&mut browser, &provider, ANN).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    let way = {
        become_viewer_again(&mut browser).await;
        browser.get(LOGINS).await;
        let fields = [("password-for-sso", crate::people::VIEWER.1)];
        way_on(browser.post(&format!("{LOGINS}/sso"), &fields).await)
    };
    let back = provider.approve(&way, ANN);
    let page = browser.get(&back).await;
    assert!(page.contains("login is taken"), "{page}");
    assert_eq!(browser.status, 409);
}

async fn become_viewer_again(browser: &mut Browser) {
    let (email, password) = crate::people::VIEWER;
    browser.log_in(email, password).await;
}

#[tokio::test]
async fn the_blocked_stay_out_and_the_second_factor_is_asked_for() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    let page = browser.get("/app/account/second-factor").await;
    assert!(page.contains("It is off"), "{page}");
    let page = browser.post("/app/account/second-factor/begin", &[]).await;
    let rest = page.split_once("<code>").unwrap().1;
    let secret = rest.split_once("</code>").unwrap().0.replace(' ', "");
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let code = |at: u64| app.generate(at).to_string();
    let first = code(now);
    browser
        .post(
            "/app/account/second-factor/confirm",
            &[("code", &first), ("password-to-begin", OWNER.1)],
        )
        .await;
    browser.set_cookie("");
    let way = sent(&mut browser, "/app/login/with/sso?next=/app/emails").await;
    let back = provider.approve(&way, ANN);
    browser.get(&back).await;
    assert_eq!(browser.at, "/app/login/code?next=%2Fapp%2Femails");
    let waiting = browser.cookie().to_owned();
    browser.get("/app/").await;
    assert!(browser.at.starts_with("/app/login?"), "{}", browser.at);
    let next = code(now + 30);
    let fields = [("code", next.as_str()), ("next", "/app/emails")];
    browser.post("/app/login/code", &fields).await;
    assert_eq!(browser.at, "/app/emails", "{}", browser.page);
    assert_ne!(browser.cookie(), waiting);

    let installation = &browser.installation;
    let identity = &installation.app.identity;
    let members = installation.app.identity_store.members();
    let owner = members.find_user_by_email(&OWNER.0.parse().unwrap()).await;
    let owner = owner.unwrap().unwrap().id;
    let operator = Operator::local();
    identity.block_user(&operator, owner).await.unwrap();
    browser.set_cookie("");
    log_in(&mut browser, &provider, ANN).await;
    assert_stays_out(&browser, 403, "This account is blocked");
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_and_no_word_of_a_provider_becomes_part_of_the_page() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    for next in [
        "https://evil.example",
        "//evil.example",
        "/app//evil.example",
    ] {
        browser.set_cookie("");
        let way = sent(&mut browser, &format!("/app/login/with/sso?next={next}")).await;
        let back = provider.approve(&way, ANN);
        browser.get(&back).await;
        assert_eq!(browser.at, "/app/");
    }
    browser.set_cookie("");
    for (error, text) in [
        ("access_denied", "It was not allowed there."),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
    ] {
        let way = sent(&mut browser, "/app/login/with/sso").await;
        let state = way.split_once("state=").unwrap().1;
        let state = state.split('&').next().unwrap();
        let query = serde_urlencoded::to_string([("error", error), ("state", state)]).unwrap();
        browser
            .get(&format!("/app/login/with/sso/return?{query}"))
            .await;
        assert_stays_out(&browser, 403, text);
        assert!(!browser.page.contains("<script>alert"));
    }
}

#[tokio::test]
async fn an_invitation_is_accepted_with_a_provider_that_vouches_for_its_address() {
    let (mut browser, provider) = sso().await;
    browser.get("/app/organization").await;
    let fields = [("email", "bob@example.com"), ("role", "member")];
    browser.post("/app/organization/invitations", &fields).await;
    let letter = letter_to(&browser.installation.app, "bob@example.com").await;
    let place = link_of(&letter.unwrap());
    browser.set_cookie("");
    let page = browser.get(&place).await;
    let token = place.split_once("token=").unwrap().1;
    let begin = format!("/app/invitation/with/sso?token={token}");
    assert!(page.contains(&begin), "{page}");
    let bob = Known {
        number: 9,
        email: "bob@example.com",
        verified: true,
    };
    for (who, status) in [
        (ANN, 409),
        (
            Known {
                verified: false,
                ..bob
            },
            422,
        ),
    ] {
        let way = sent(&mut browser, &begin).await;
        let back = provider.approve(&way, who);
        browser.get(&back).await;
        assert_eq!(browser.status, status, "{}", browser.page);
        assert_eq!(browser.cookie(), "");
    }
    let way = sent(&mut browser, &begin).await;
    let back = provider.approve(&way, bob);
    let page = browser.get(&back).await;
    assert!(page.contains("Known Elsewhere"), "{page}");
    assert_eq!(browser.at, "/app/");
    // Without a password there is no other way in yet.
    browser.get(LOGINS).await;
    let page = browser.post(&format!("{LOGINS}/sso/removal"), &[]).await;
    assert!(page.contains("Nothing else would let you in"), "{page}");
    // Nobody is asked for a password that they do not have.
    let page = browser.get("/app/account/email").await;
    assert!(page.contains("15 minutes"), "{page}");
    assert!(!page.contains("type=\"password\""), "{page}");
    let other = [("email", "bobby@example.com")];
    let page = browser.post("/app/account/email", &other).await;
    assert!(page.contains("not confirmed"), "{page}");
    browser.get("/app/account/second-factor").await;
    let page = browser.post("/app/account/second-factor/begin", &[]).await;
    assert!(page.contains("15 minutes"), "{page}");
    assert!(!page.contains("type=\"password\""), "{page}");
    let page = browser.get("/app/account").await;
    assert!(page.contains("Set a password"), "{page}");
    let new = [("new", "a long enough password")];
    browser.post("/app/account/password", &new).await;
    assert_eq!(browser.at, "/app/login", "{}", browser.page);
    browser
        .log_in("bob@example.com", "a long enough password")
        .await;
    assert_eq!(browser.at, "/app/");
    browser.set_cookie("");
    browser.get(&begin).await;
    assert_eq!(browser.status, 410, "the invitation is used up");
}

#[tokio::test]
async fn github_is_asked_with_its_token_and_vouches_for_the_primary_address() {
    let (mut browser, provider) = with_provider(ProviderKind::GitHub).await;
    let unverified = Known {
        verified: false,
        ..ANN
    };
    let way = ask_to_link(&mut browser, "github").await;
    let back = provider.approve(&way, unverified);
    browser.get(&back).await;
    assert_eq!(browser.status, 422, "{}", browser.page);
    let way = ask_to_link(&mut browser, "github").await;
    let back = provider.approve(&way, ANN);
    let page = browser.get(&back).await;
    assert!(page.contains(ANN.email), "{page}");
    browser.set_cookie("");
    let page = browser.get("/app/login").await;
    assert!(page.contains("Continue with GitHub"), "{page}");
    for (who, at) in [(ANN, "/app/"), (EVE, "")] {
        browser.set_cookie("");
        let way = sent(&mut browser, "/app/login/with/github").await;
        let back = provider.approve(&way, who);
        browser.get(&back).await;
        assert!(at.is_empty() || browser.at == at, "{}", browser.page);
    }
    assert_stays_out(&browser, 403, "This GitHub login is not linked");
    provider.set_fault(Some(Fault::Refused));
    let way = sent(&mut browser, "/app/login/with/github").await;
    let back = provider.approve(&way, ANN);
    browser.get(&back).await;
    assert_stays_out(&browser, 502, "GitHub did not say who you are");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_or_know_us_is_said_to() {
    let provider = TestProvider::start().await;
    let mut wrong = provider.setting(ProviderKind::Oidc, "wrong");
    wrong.client_secret = "another".to_owned();
    let mut gone = provider.setting(ProviderKind::Oidc, "gone");
    // Nobody answers there.
    gone.issuer = Some("http://127.0.0.1:9".to_owned());
    let mut lying = provider.setting(ProviderKind::Oidc, "lying");
    lying.issuer = Some(provider.address.replace("127.0.0.1", "localhost"));
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        settings.login_providers = vec![wrong, gone, lying];
    });
    let mut browser = Browser::set_up(installation.await).await;
    browser.set_cookie("");
    for id in ["gone", "lying"] {
        browser.get(&format!("/app/login/with/{id}")).await;
        assert_stays_out(&browser, 503, "does not answer");
    }
    let way = sent(&mut browser, "/app/login/with/wrong").await;
    let back = provider.approve(&way, ANN);
    browser.get(&back).await;
    assert_stays_out(&browser, 502, "did not say who you are");
}

#[tokio::test]
async fn a_new_password_names_the_logins_that_it_does_not_end() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    letter_to(&browser.installation.app, OWNER.0).await.unwrap();
    browser.set_cookie("");
    browser.post("/app/forgot", &[("email", OWNER.0)]).await;
    let letter = letter_to(&browser.installation.app, OWNER.0).await.unwrap();
    for part in ["sso", ANN.email, "/app/account/logins"] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    let link = link_of(&letter);
    assert!(link.starts_with("/app/reset?"), "{link}");
    let token = link.split_once("token=").unwrap().1;
    let fields = [("token", token), ("new", "a newer long password")];
    let page = browser.post_exactly("/app/reset", &fields).await;
    for part in ["Example SSO as", ANN.email, "href=\"/app/account/logins\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    log_in(&mut browser, &provider, ANN).await;
    assert_eq!(browser.at, "/app/");
}

#[tokio::test]
async fn programs_list_and_unlink_what_is_linked() {
    let (mut browser, provider) = sso().await;
    link(&mut browser, &provider, ANN).await;
    let cookie = browser.cookie().to_owned();
    let secret: SessionSecret = cookie.split_once('=').unwrap().1.parse().unwrap();
    let token = secret.csrf_token();
    let ask = async |method: &str, path: &str, body: serde_json::Value| {
        let request = request("", method, path)
            .header(header::COOKIE, &cookie)
            .header("X-CSRF-Token", &token)
            .content_type("application/json")
            .body(body.to_string());
        browser.installation.send(request).await
    };
    let path = "/api/auth/logins";
    let found = ask("GET", path, json!(null)).await.ok(200);
    assert_eq!(found[0]["provider"], "sso");
    assert_eq!(found[0]["email"], ANN.email);
    assert_eq!(found[0]["issuer"], provider.address);
    let removal = "/api/auth/logins/sso/removal";
    for wrong in [json!({}), json!({"password": "wrong horse battery"})] {
        let refused = ask("POST", removal, wrong).await;
        assert_eq!(refused.problem(401)["code"], "wrong_credentials");
    }
    let right = json!({"password": OWNER.1});
    assert_eq!(ask("POST", removal, right.clone()).await.status, 204);
    ask("POST", removal, right).await.problem(404);
    assert_eq!(ask("GET", path, json!(null)).await.ok(200), json!([]));
    let log = call(&browser, "GET", "/api/identity/audit?limit=1", json!(null)).await;
    let last = &log["items"][0];
    assert_eq!(last["action"], "user.login_unlinked", "{log}");
    assert_eq!(last["before"]["email"], ANN.email);
}
