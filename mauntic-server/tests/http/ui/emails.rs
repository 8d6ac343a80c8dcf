//! The pages of emails, sends and captured mail, asked through the real router by somebody with a browser.

use crate::support::{Answer, Installation, request};

/// A browser with the cookie of a login.
struct Browser<'a> {
    installation: &'a Installation,
    cookie: String,
    csrf: String,
}

/// Sets up a new organisation with its owner, who is logged in.
async fn set_up(installation: &Installation) -> Browser<'_> {
    let code = installation.set_up_code().await;
    let form = [
        ("code", code.as_str()),
        ("organization", "Fjord Books"),
        ("timezone", "UTC"),
        ("name", "Ann"),
        ("email", "ann@example.com"),
        ("password", "a long enough password"),
    ];
    let answer = post(installation, "", "/app/setup", &form).await;
    Browser::enter(installation, &answer).await
}

async fn post(
    installation: &Installation,
    cookie: &str,
    path: &str,
    form: &[(&str, &str)],
) -> Answer {
    let request = request("", "POST", path)
        .header("cookie", cookie)
        .content_type("application/x-www-form-urlencoded")
        .body(serde_urlencoded::to_string(form).unwrap());
    installation.send(request).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap().to_str().unwrap()
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap().1;
    rest.split_once(end).unwrap().0
}

impl<'a> Browser<'a> {
    async fn enter(installation: &'a Installation, login: &Answer) -> Self {
        assert_eq!(login.status, 303, "{}", text(login));
        let cookie = header(login, "set-cookie").split(';').next().unwrap();
        let mut browser = Self {
            installation,
            cookie: cookie.to_owned(),
            csrf: String::new(),
        };
        let account = browser.get("/app/account").await;
        let csrf = text(&account);
        between(&csrf, "name=\"csrf\" value=\"", "\"").clone_into(&mut browser.csrf);
        browser
    }

    async fn get(&self, path: &str) -> Answer {
        let request = request("", "GET", path).header("cookie", self.cookie.as_str());
        self.installation.send(request.finish()).await
    }

    /// The page, after a check that it is there.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", text(&answer));
        text(&answer)
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        form.push(("csrf", self.csrf.as_str()));
        post(self.installation, &self.cookie, path, &form).await
    }

    /// Makes an email and returns where it is.
    async fn email(&self, subject: &str) -> String {
        let made = self.post("/app/emails/new", &email(subject, BODY)).await;
        assert_eq!(made.status, 303, "{}", text(&made));
        let to = header(&made, "location");
        to.strip_suffix("?done=created").unwrap().to_owned()
    }
}

const BODY: &str =
    "<p>Hello {{ contact.firstname }}, <a href=\"{{ unsubscribe_url }}\">unsubscribe</a></p>";

fn email<'a>(subject: &'a str, body: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("name", "Launch"),
        ("subject", subject),
        ("kind", "html"),
        ("body", body),
        ("from_address", "news@example.com"),
    ]
}

#[tokio::test]
async fn an_email_is_written_and_changed_and_nothing_that_was_written_is_lost() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    assert!(ann.page("/app/emails").await.contains("New email"));
    let start = ann.page("/app/emails/new").await;
    assert!(start.contains("{{ unsubscribe_url }}"), "{start}");
    let place = ann.email("Fjords").await;
    let list = ann.page("/app/emails").await;
    assert!(list.contains(&place) && list.contains("Fjords"), "{list}");

    let edit = format!("{place}/edit");
    let body = "\n<p>First line is empty</p>\n<p><a href=\"{{ unsubscribe_url }}\">x</a></p>\n";
    let mut form = email("Fjords again", body).to_vec();
    form.push(("version", "1"));
    let saved = ann.post(&edit, &form).await;
    assert_eq!(header(&saved, "location"), format!("{place}?done=saved"));
    let page = ann.page(&edit).await;
    let area = between(&page, "<textarea id=\"body\"", "</textarea>");
    let shown = area.split_once('>').unwrap().1.replace("&lt;", "<");
    let shown = shown.replace("&gt;", ">").replace("&quot;", "\"");
    assert_eq!(
        shown,
        format!("\n{body}"),
        "a browser drops the first break"
    );

    // The same version again: somebody else was faster.
    let late = ann.post(&edit, &form).await;
    assert_eq!(late.status, 409);
    let late = text(&late);
    assert!(late.contains("Somebody changed this email"), "{late}");
    assert!(late.contains("name=\"version\" value=\"2\""), "{late}");
}

#[tokio::test]
async fn an_email_is_copied_and_the_copy_is_written_on() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    let place = ann.email("October").await;
    assert!(ann.page(&place).await.contains(&format!("{place}/copy")));
    for name in ["Launch (copy)", "Launch (copy 2)"] {
        let copied = ann.post(&format!("{place}/copy"), &[]).await;
        assert_eq!(copied.status, 303, "{}", text(&copied));
        let edit = header(&copied, "location").to_owned();
        assert!(!edit.starts_with(&place), "it is another email: {edit}");
        let page = ann.page(&edit).await;
        assert!(page.contains(&format!("value=\"{name}\"")), "{page}");
        assert!(page.contains("October"), "{page}");
        assert!(page.contains("This is the copy."), "{page}");
        let later = ann.page(edit.split('?').next().unwrap()).await;
        assert!(!later.contains("This is the copy."), "{later}");
        assert!(page.contains("</code></button> Their signature"), "{page}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_where_it_is_and_the_draft_stays() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    let body = "<p>Hi</p>\n<p>{{ contact.firstnam }} <a href=\"{{ unsubscribe_url }}\">x</a></p>";
    let refused = ann.post("/app/emails/new", &email("Hi", body)).await;
    assert_eq!(refused.status, 422);
    let page = text(&refused);
    assert!(
        page.contains(" data-changed>"),
        "what is not saved is known"
    );
    assert!(page.contains("data-unsaved>Not saved yet"), "{page}");
    let start = ann.page("/app/emails/new").await;
    assert!(!start.contains("data-changed"), "{start}");
    assert!(start.contains("data-unsaved hidden>"), "{start}");
    let problem = between(&page, "id=\"body-error\">", "</p>");
    assert!(problem.contains("line 2"), "{problem}");
    assert!(
        problem.contains("firstname"),
        "says what to write: {problem}"
    );
    assert!(page.contains("contact.firstnam }}"), "the draft stays");
    let mut nameless = email("Hi", BODY);
    nameless[0].1 = " ";
    let refused = ann.post("/app/emails/new", &nameless).await;
    assert!(text(&refused).contains("id=\"name-error\""));
    ann.email("Hi").await;
    let twice = ann.post("/app/emails/new", &email("Hi", BODY)).await;
    assert!(text(&twice).contains("another email already has this name"));
}

#[tokio::test]
async fn a_test_is_captured_and_shown_where_it_can_do_nothing() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    let subject = "<script>alert(1)</script>";
    let place = ann.email(subject).await;
    assert!(
        ann.page("/app/inbox")
            .await
            .contains("No mail was captured")
    );
    let wrong = ann
        .post(&format!("{place}/test"), &[("to", "nobody")])
        .await;
    assert_eq!(wrong.status, 422);
    assert!(text(&wrong).contains("nobody is not an email address"));
    let form = [("to", "bob@example.com, eve@example.com")];
    let sent = ann.post(&format!("{place}/test"), &form).await;
    assert_eq!(sent.status, 303, "{}", text(&sent));

    let inbox = ann.page("/app/inbox").await;
    assert!(inbox.contains("bob@example.com") && inbox.contains("eve@example.com"));
    assert!(inbox.contains("&lt;script&gt;alert(1)"), "{inbox}");
    let only = ann.page("/app/inbox?to=bob%40example.com").await;
    assert!(!only.contains("eve@example.com"), "{only}");
    let mail = format!(
        "/app/inbox/0{}",
        between(&only, "href=\"/app/inbox/0", "\"")
    );
    for page in [
        inbox,
        ann.page("/app/emails").await,
        ann.page(&place).await,
        ann.page(&mail).await,
    ] {
        assert!(!page.contains("<script>alert"), "{page}");
    }
    assert!(
        ann.page(&mail)
            .await
            .contains(&format!("src=\"{mail}/html\" sandbox"))
    );
    for path in [format!("{mail}/html"), format!("{place}/preview")] {
        let answer = ann.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = header(&answer, "content-security-policy");
        assert!(policy.starts_with("sandbox "), "{policy}");
        // Links open beside it; that is all it can do.
        let allowed = policy.split_once(';').unwrap().0;
        assert_eq!(
            allowed,
            "sandbox allow-popups allow-popups-to-escape-sandbox"
        );
        assert!(!policy.contains("script"), "{policy}");
        let images = policy.split_once("img-src ").unwrap().1;
        assert_eq!(images, "https: data: http://127.0.0.1:8080/i/", "{policy}");
        assert_eq!(header(&answer, "x-frame-options"), "SAMEORIGIN");
        assert!(text(&answer).contains("unsubscribe"), "{path}");
    }

    let deleted = ann.post(&format!("{mail}/delete"), &[]).await;
    assert_eq!(deleted.status, 303);
    assert_eq!(ann.get(&mail).await.status, 404);
    ann.post("/app/inbox/delete", &[]).await;
    assert!(
        ann.page("/app/inbox")
            .await
            .contains("No mail was captured")
    );
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    let place = ann.email("Hi").await;
    for path in [
        "/app/emails/new".to_owned(),
        format!("{place}/edit"),
        format!("{place}/copy"),
        format!("{place}/test"),
        format!("{place}/delete"),
        "/app/inbox/delete".to_owned(),
    ] {
        let answer = post(&installation, &ann.cookie, &path, &email("Lost", BODY)).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert!(ann.page(&place).await.contains("Hi"));
}

#[tokio::test]
async fn what_is_another_organisations_is_not_there() {
    let installation = Installation::sqlite().await;
    let ann = set_up(&installation).await;
    let theirs = installation.stranger.clone();
    let body = serde_json::json!({
        "name": "Theirs",
        "content": {"subject": "Secret", "html": BODY, "from_address": "a@example.com"},
    });
    let made = installation
        .call(&theirs, "POST", "/api/messaging/emails", Some(body))
        .await;
    let made = made.ok(201);
    let id = made["id"].as_str().unwrap();
    for path in ["", "/edit", "/preview", "/delete"] {
        let answer = ann.get(&format!("/app/emails/{id}{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    for path in ["/edit", "/copy", "/test", "/delete"] {
        let mut form = email("Mine", BODY).to_vec();
        form.extend([("version", "1"), ("to", "ann@example.com")]);
        let answer = ann.post(&format!("/app/emails/{id}{path}"), &form).await;
        assert_eq!(answer.status, 404, "{path}: {}", text(&answer));
    }
    let test = format!("/api/messaging/emails/{id}/test");
    let to = serde_json::json!({"addresses": ["bob@example.com"]});
    installation
        .call(&theirs, "POST", &test, Some(to))
        .await
        .ok(200);
    let mails = installation
        .call(&theirs, "GET", "/api/messaging/inbox", None)
        .await;
    let mails = mails.ok(200);
    let mail = mails["items"][0]["id"].as_str().unwrap();
    for path in ["", "/html", "/delete"] {
        let answer = ann.get(&format!("/app/inbox/{mail}{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let answer = ann.post(&format!("/app/inbox/{mail}/delete"), &[]).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_viewer_is_offered_no_change_and_refused_when_forced() {
    let installation = Installation::sqlite().await;
    let owner = installation.owner.clone();
    let password = "a long enough password";
    installation
        .member("vic@example.com", "Vic", "viewer", password)
        .await;
    let api = |path, body| installation.call(&owner, "POST", path, Some(body));
    let body = serde_json::json!({
        "name": "Launch",
        "content": {"subject": "Hi", "html": BODY, "from_address": "a@example.com"},
    });
    let made = api("/api/messaging/emails", body).await.ok(201);
    let place = format!("/app/emails/{}", made["id"].as_str().unwrap());
    let login = [
        ("email", "vic@example.com"),
        ("password", "a long enough password"),
    ];
    let login = post(&installation, "", "/app/login", &login).await;
    let vic = Browser::enter(&installation, &login).await;
    let list = vic.page("/app/emails").await;
    assert!(
        list.contains("Launch") && !list.contains("New email"),
        "{list}"
    );
    let page = vic.page(&place).await;
    for offered in ["/edit", "/copy", "/delete", "/test", "/send\""] {
        assert!(!page.contains(offered), "{offered}");
    }
    for path in ["/app/emails/new", &format!("{place}/edit")] {
        assert_eq!(vic.get(path).await.status, 403, "{path}");
        let mut form = email("Forced", BODY).to_vec();
        form.push(("version", "1"));
        assert_eq!(vic.post(path, &form).await.status, 403, "{path}");
    }
    for path in [
        &format!("{place}/copy"),
        &format!("{place}/test"),
        &format!("{place}/delete"),
        "/app/inbox/delete",
    ] {
        let answer = vic.post(path, &[("to", "bob@example.com")]).await;
        assert_eq!(answer.status, 403, "{path}");
    }
}
