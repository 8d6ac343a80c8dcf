//! A browser without scripting: it keeps cookies, follows redirects, and sends forms with the token that the page had,
//! and with the origin that browsers tell for a page with its referrer policy.

use mauntic_core::storage::test_database::TestDatabase;
use poem::http::header;

use crate::support::{Answer, Installation, request};

/// What the owner of the first organisation logs in with.
pub(crate) const OWNER: (&str, &str) = ("owner@example.com", "correct horse battery");

/// A name in the local network: over plain HTTP, browsers send no `Sec-Fetch-Site` there.
const HOST: &str = "mauntic.lan:8080";

/// A browser and the installation that it looks at.
pub(crate) struct Browser {
    pub(crate) installation: Installation,
    /// The cookie of the session, and the others.
    cookie: String,
    others: String,
    /// The referrer policy of the page that was looked at last.
    policy: String,
    /// The page that was looked at last.
    pub(crate) page: String,
    pub(crate) status: u16,
    /// The address of that page.
    pub(crate) at: String,
}

impl Browser {
    /// On a fresh installation, set up by its owner.
    pub(crate) async fn new() -> Self {
        Self::set_up(Installation::on(TestDatabase::chosen().await).await).await
    }

    /// On an installation that its owner sets up.
    pub(crate) async fn set_up(installation: Installation) -> Self {
        let code = installation.set_up_code().await;
        let mut browser = Self::fresh(installation);
        let fields = [
            ("code", code.as_str()),
            ("organization", "Acme"),
            ("timezone", "Europe/Oslo"),
            ("name", "Ann Owner"),
            ("email", OWNER.0),
            ("password", OWNER.1),
        ];
        browser.post("/app/setup", &fields).await;
        assert_eq!(browser.at, "/app/", "{}", browser.page);
        browser
    }

    /// On an installation, without any cookie.
    pub(crate) fn fresh(installation: Installation) -> Self {
        Self {
            installation,
            cookie: String::new(),
            others: String::new(),
            policy: String::new(),
            page: String::new(),
            status: 0,
            at: String::new(),
        }
    }

    /// The same installation with another user.
    pub(crate) async fn log_in(&mut self, email: &str, password: &str) {
        self.cookie.clear();
        let fields = [("email", email), ("password", password)];
        self.post("/app/login", &fields).await;
    }

    /// Looks at a page.
    pub(crate) async fn get(&mut self, path: &str) -> &str {
        let answer = self.send("GET", path, None).await;
        self.arrive(path, answer).await;
        &self.page
    }

    /// Sends a form to a path, with the token of the page that was looked at last.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> &str {
        let token = self.token();
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.post_exactly(path, &all).await
    }

    /// Sends a form with these fields and no other.
    pub(crate) async fn post_exactly(&mut self, path: &str, fields: &[(&str, &str)]) -> &str {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let answer = self.send("POST", path, Some(body)).await;
        self.arrive(path, answer).await;
        &self.page
    }

    /// The token of the page that was looked at last.
    pub(crate) fn token(&self) -> String {
        let rest = self.page.split_once("name=\"csrf\" value=\"");
        rest.and_then(|(_, rest)| rest.split_once('"'))
            .map(|(token, _)| token.to_owned())
            .unwrap_or_default()
    }

    /// What the browser says the last page's forms come from (Fetch, "append a request Origin header").
    pub(crate) fn origin(&self) -> String {
        match self.policy.as_str() {
            "no-referrer" => "null".to_owned(),
            _ => format!("http://{HOST}"),
        }
    }

    /// The cookie as it is sent.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Sends exactly this cookie from now on.
    pub(crate) fn set_cookie(&mut self, cookie: &str) {
        cookie.clone_into(&mut self.cookie);
    }

    /// The cookies beside that of the session, as they are sent.
    pub(crate) fn others(&self) -> &str {
        &self.others
    }

    /// Sends exactly these beside that of the session from now on.
    pub(crate) fn set_others(&mut self, others: &str) {
        others.clone_into(&mut self.others);
    }

    /// One request, no redirect followed.
    pub(crate) async fn send(&mut self, method: &str, path: &str, form: Option<String>) -> Answer {
        let request = request("", method, path)
            .header(header::COOKIE, format!("{}; {}", self.cookie, self.others))
            .header(header::HOST, HOST);
        let request = match form {
            Some(form) => request
                .header(header::ORIGIN, self.origin())
                .content_type("application/x-www-form-urlencoded")
                .body(form),
            None => request.finish(),
        };
        let answer = self.installation.send(request).await;
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let kept = if pair.starts_with("mauntic=") {
                &mut self.cookie
            } else {
                &mut self.others
            };
            let pair = if pair.ends_with('=') { "" } else { pair };
            pair.clone_into(kept);
        }
        answer
    }

    /// Follows where an answer leads.
    pub(crate) async fn arrive(&mut self, path: &str, mut answer: Answer) {
        let mut at = path.to_owned();
        for _ in 0..5 {
            if !(300..400).contains(&answer.status) {
                break;
            }
            let location = answer.headers.get(header::LOCATION).unwrap();
            location.to_str().unwrap().clone_into(&mut at);
            answer = self.send("GET", &at.clone(), None).await;
        }
        let policy = answer.headers.get(header::REFERRER_POLICY);
        self.policy = policy.map_or_else(String::new, |policy| policy.to_str().unwrap().to_owned());
        self.status = answer.status;
        self.page = String::from_utf8_lossy(&answer.body).into_owned();
        self.at = at;
    }
}
