//! Who looks at a page, and forms that only our pages can send.

use maud::{Markup, html};
use mauntic_core::{
    Actor, OrganizationId, Permission,
    identity::{Client, Detour, DetourSecret, IdentityError, LoggedIn, SessionSecret, Workplace},
};
use poem::{
    Error, FromRequest, Request, RequestBody, Response, Result,
    http::{HeaderValue, StatusCode, header},
    web::{Field as FormPart, Multipart},
};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::{
    component::{
        action::{Weight, button},
        frame::Place,
        icon::Icon,
    },
    failure, notifications,
};
use crate::{
    App,
    http::limits::{client_address, told_address},
};

/// The longest form, in bytes. Files have forms of their own.
const MAX_FORM: usize = 2 << 20;
/// The longest token that is read, in bytes.
const MAX_TOKEN: u64 = 256;
/// The field that proves that a form is ours.
pub(super) const CSRF: &str = "csrf";

/// Somebody who is logged in and works in an organisation.
pub(crate) struct Visitor {
    /// The session and the user.
    pub(crate) who: LoggedIn,
    /// Acts in the organisation that is worked in.
    pub(crate) actor: Actor,
    /// How much they were told there and have not read yet.
    pub(super) unread: u32,
    secret: SessionSecret,
    /// Tells the page that they get from all others.
    page: Uuid,
}

impl Visitor {
    /// Whether to offer something.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.actor.may(permission)
    }

    /// Whether the token is one that pages of the visitor have that show the organisation which is worked in. With
    /// another one chosen meanwhile, as in a second tab, a form would change what its page does not show.
    fn must_have_sent(&self, token: &str) -> Result<()> {
        must_be_of(&self.secret, token)?;
        let of = organization_of(token).ok_or_else(failure::foreign_form)?;
        if of == self.actor.organization_id() {
            return Ok(());
        }
        let name_of = |place: &Workplace| place.name.to_string();
        let now = self.who.workplace().map(name_of).unwrap_or_default();
        let mut places = self.who.workplaces.iter();
        let of = places.find(|place| place.organization_id == of);
        Err(failure::elsewhere(&now, of.map(name_of).as_deref()))
    }

    /// Shows a page of refusal instead of one that offers what would be refused.
    pub(crate) fn needs(&self, permission: Permission) -> Result<()> {
        let allowed = self.actor.require(permission);
        allowed.map(|_| ()).map_err(failure::refused)
    }

    /// The field for forms that change something: its token says which organisation the page shows.
    pub(crate) fn csrf(&self) -> Markup {
        let organization = self.actor.organization_id().as_uuid();
        let page = format!("{}-{}", self.page.simple(), organization.simple());
        token_field(&self.secret, &page)
    }
}

/// The organisation that the page shows which has the token, if it is a page of one.
pub(crate) fn organization_of(token: &str) -> Option<OrganizationId> {
    let (page, _) = token.split_once('.')?;
    let (_, organization) = page.split_once('-')?;
    organization.parse().ok().map(OrganizationId::from_uuid)
}

/// From an organisation where nobody may work to the others, and out.
fn ways_out(who: &LoggedIn, token: &Markup) -> Markup {
    html! {
        div class="row" {
            @for place in &who.workplaces {
                form method="post" action="/app/account/organization" {
                    (token)
                    input type="hidden" name="organization" value=(place.organization_id);
                    (button(&format!("Work in {}", place.name), Weight::Primary))
                }
            }
            form method="post" action="/app/logout" { (token) (button("Log out", Weight::Plain)) }
        }
    }
}

/// The field that proves that a form is of a page of that session, with a token that no other page has.
fn token_field(secret: &SessionSecret, page: &str) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(secret.csrf_token_of(page)); }
}

/// Whether the token is one that a page of that session has.
fn must_be_of(secret: &SessionSecret, token: &str) -> Result<()> {
    if secret.takes_csrf_token(token) {
        Ok(())
    } else {
        Err(failure::foreign_form())
    }
}

/// Somebody who is logged in, and perhaps a member of no organisation.
pub(crate) struct Person {
    /// The session and the user.
    pub(crate) who: LoggedIn,
    unread: u32,
    secret: SessionSecret,
    page: Uuid,
}

impl Person {
    /// Who is logged in, if anybody is.
    pub(crate) async fn find(request: &Request) -> Result<Option<Self>> {
        let app = app(request)?;
        let Some(secret) = cookie(app, request) else {
            return Ok(None);
        };
        let who = app.identity.logged_in(&secret).await;
        let Some(who) = who.map_err(failure::identity)? else {
            return Ok(None);
        };
        let unread = match who.actor() {
            Some(actor) => unread(app, &actor).await?,
            None => 0,
        };
        Ok(Some(Self {
            who: who.calling_from(told_address(request)),
            unread,
            secret,
            page: app.ids.next(),
        }))
    }

    /// The same as a visitor of an organisation; `None` for a member of none.
    pub(super) fn visitor(&self) -> Option<Visitor> {
        Some(Visitor {
            who: self.who.clone(),
            actor: self.who.actor()?,
            unread: self.unread,
            secret: self.secret.clone(),
            page: self.page,
        })
    }

    /// The field for forms that change something.
    pub(crate) fn csrf(&self) -> Markup {
        token_field(&self.secret, &self.page.simple().to_string())
    }

    /// Holds a form to be of a page of this session.
    pub(crate) fn prove(&self, fields: &Fields) -> Result<()> {
        must_be_of(&self.secret, fields.find(CSRF).unwrap_or_default())
    }
}

/// What the bell of a page counts.
async fn unread(app: &App, actor: &Actor) -> Result<u32> {
    let unread = app
        .identity
        .unread_notifications(actor, notifications::MOST);
    unread.await.map_err(failure::identity)
}

/// The app of the request.
pub(super) fn app(request: &Request) -> Result<&App> {
    request
        .data::<App>()
        .ok_or_else(|| Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Where the request comes from.
pub(crate) fn client(request: &Request) -> Client {
    let client = Client::new(client_address(request), request.header("user-agent"));
    client.calling_from(told_address(request))
}

impl<'a> FromRequest<'a> for Person {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        match Self::find(request).await? {
            Some(person) => Ok(person),
            None => Err(log_in_first(app(request)?, request).await),
        }
    }
}

impl<'a> FromRequest<'a> for Visitor {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let app = app(request)?;
        let Some(secret) = cookie(app, request) else {
            return Err(log_in_first(app, request).await);
        };
        let found = app.identity.logged_in(&secret).await;
        let Some(who) = found.map_err(failure::identity)? else {
            return Err(log_in_first(app, request).await);
        };
        let who = who.calling_from(told_address(request));
        if let Some(place) = who.closed_workplace() {
            let page = app.ids.next().simple().to_string();
            let ways = ways_out(&who, &token_field(&secret, &page));
            return Err(failure::closed(place.name.as_str(), &ways));
        }
        let Some(actor) = who.actor() else {
            return Err(failure::no_workplace());
        };
        Ok(Self {
            unread: unread(app, &actor).await?,
            who,
            actor,
            secret,
            page: app.ids.next(),
        })
    }
}

/// To the login, and from there back to where somebody wanted to go; to the set-up if nobody can log in yet.
async fn log_in_first(app: &App, request: &Request) -> Error {
    match app.identity.needs_set_up().await {
        Err(error) => failure::identity(error),
        Ok(true) => Error::from_response(redirect("/app/setup")),
        Ok(false) => {
            // Within `/app`, addresses are without it.
            let wanted = request.uri().path_and_query();
            let wanted = format!("/app{}", wanted.map_or("/", |wanted| wanted.as_str()));
            let back = if request.method() == poem::http::Method::GET {
                let query = serde_urlencoded::to_string([("next", &wanted)]).unwrap_or_default();
                format!("/app/login?{query}")
            } else {
                "/app/login".to_owned()
            };
            Error::from_response(redirect(&back))
        }
    }
}

/// See other: the browser asks for the page with `GET`.
pub(crate) fn redirect(to: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, to)
        .finish()
}

/// A place of ours to go on to; anything else would send people to other sites.
pub(super) fn own_place(next: Option<&str>) -> &str {
    next.filter(|next| {
        (*next == "/app" || next.starts_with("/app/") || next.starts_with("/app?"))
            && !next.contains("//")
            && !next.contains('\\')
            && next.chars().all(|c| !c.is_control())
    })
    .unwrap_or("/app/")
}

/// The name of the cookie. With HTTPS, browsers hold the prefix to what it promises: this host alone, encrypted alone.
fn cookie_name(app: &App) -> &'static str {
    if app.settings.is_https() {
        "__Host-mauntic"
    } else {
        "mauntic"
    }
}

/// The secret that the browser shows.
pub(crate) fn cookie(app: &App, request: &Request) -> Option<SessionSecret> {
    find_cookie(request, cookie_name(app))
}

fn find_cookie<T: std::str::FromStr>(request: &Request, name: &str) -> Option<T> {
    request
        .headers()
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .and_then(|(_, secret)| secret.parse().ok())
}

fn detour_name(app: &App) -> String {
    format!("{}-detour", cookie_name(app))
}

/// The secret of the way over a provider that the browser is on.
pub(super) fn detour_cookie(app: &App, request: &Request) -> Option<DetourSecret> {
    find_cookie(request, &detour_name(app))
}

/// Gives the browser the secret of a way over a provider, or takes it away.
pub(super) fn set_detour_cookie(app: &App, response: &mut Response, secret: Option<&DetourSecret>) {
    let secure = if app.settings.is_https() {
        "; Secure"
    } else {
        ""
    };
    let (value, age) = match secret {
        Some(secret) => (secret.reveal(), Detour::LIFETIME.num_seconds()),
        None => (String::new(), 0),
    };
    let name = detour_name(app);
    // Lax: the provider sends the browser back with it.
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Gives the browser its secret, or takes it away.
pub(super) fn set_cookie(
    app: &App,
    response: &mut Response,
    secret: Option<(&SessionSecret, bool)>,
) {
    if let Ok(value) = HeaderValue::from_str(&cookie_text(app, secret)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The header that gives a browser its secret, with whether it is remembered, or takes it away.
pub(crate) fn cookie_text(app: &App, secret: Option<(&SessionSecret, bool)>) -> String {
    let secure = if app.settings.is_https() {
        "; Secure"
    } else {
        ""
    };
    let (value, age) = match secret {
        None => (String::new(), "; Max-Age=0".to_owned()),
        Some((secret, true)) => {
            let age = mauntic_core::identity::Session::LONGEST.num_seconds();
            (secret.reveal(), format!("; Max-Age={age}"))
        }
        Some((secret, false)) => (secret.reveal(), String::new()),
    };
    let name = cookie_name(app);
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")
}

/// Whoever logs in leaves the session that the browser had: somebody else may have put it there.
pub(crate) async fn end_earlier(
    app: &App,
    request: &Request,
) -> std::result::Result<(), IdentityError> {
    let Some(earlier) = cookie(app, request) else {
        return Ok(());
    };
    if let Some(who) = app.identity.logged_in(&earlier).await? {
        let who = who.calling_from(told_address(request));
        app.identity.end_session(&who, who.session.id).await?;
    }
    Ok(())
}

/// The fields of a form, in order.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a field, without spaces around it; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).map_or("", str::trim)
    }

    /// The first value of a field as it was sent.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Those of the query of an address.
    pub(crate) fn of_query(query: &str) -> Self {
        Self(serde_urlencoded::from_str(query).unwrap_or_default())
    }

    /// All values of a field that can be there several times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The same without some of them.
    pub(crate) fn without(&self, left_out: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !left_out(name));
        Self(kept.cloned().collect())
    }

    /// All fields in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self> {
        if !is_ours(request) {
            return Err(failure::foreign_form());
        }
        let bytes = body.take()?.into_bytes_limit(MAX_FORM).await;
        let bytes = bytes.map_err(|_| failure::too_large())?;
        let fields = serde_urlencoded::from_bytes(&bytes);
        Ok(Self(fields.map_err(|_| failure::foreign_form())?))
    }
}

/// Whether a page of ours sent the request, as far as the browser says.
pub(crate) fn is_ours(request: &Request) -> bool {
    if let Some(site) = request.header("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = request.header(header::ORIGIN) else {
        return true;
    };
    let host = request.header(header::HOST).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, of)| of == host)
}

/// A form of somebody who is not logged in: the login itself.
pub(crate) struct OpenForm(pub(crate) Fields);

impl<'a> FromRequest<'a> for OpenForm {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        Fields::read(request, body).await.map(Self)
    }
}

/// A form of a visitor, which proved that it is ours, and of a page of the organisation that is worked in.
pub(crate) struct Posted {
    /// Who sent it.
    pub(crate) visitor: Visitor,
    /// What it says.
    pub(crate) fields: Fields,
}

impl<'a> FromRequest<'a> for Posted {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let visitor = Visitor::from_request(request, body).await?;
        let fields = Fields::read(request, body).await?;
        visitor.must_have_sent(fields.find(CSRF).unwrap_or_default())?;
        Ok(Self { visitor, fields })
    }
}

/// A form about one's own account, which proved that it is ours.
pub(crate) struct OwnForm {
    /// Who sent it.
    pub(crate) person: Person,
    /// What it says.
    pub(crate) fields: Fields,
}

impl<'a> FromRequest<'a> for OwnForm {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let person = Person::from_request(request, body).await?;
        let fields = Fields::read(request, body).await?;
        person.prove(&fields)?;
        Ok(Self { person, fields })
    }
}

/// A form of a visitor with one file, which is read as it comes in: the token must stand in front of it.
pub(crate) struct PostedFile {
    pub(crate) visitor: Visitor,
    /// What the file is called where it comes from.
    pub(crate) name: String,
    pub(crate) file: FormPart,
    /// Keeps the connection that the file comes from.
    _form: Multipart,
}

impl<'a> FromRequest<'a> for PostedFile {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let visitor = Visitor::from_request(request, body).await?;
        if !is_ours(request) {
            return Err(failure::foreign_form());
        }
        let form = Multipart::from_request(request, body).await;
        let mut form = form.map_err(|_| failure::foreign_form())?;
        let part = form
            .next_field()
            .await
            .map_err(|_| failure::foreign_form())?;
        let part = part.filter(|part| part.name() == Some(CSRF));
        let part = part.ok_or_else(failure::foreign_form)?;
        let mut token = String::new();
        let read = part.into_async_read().take(MAX_TOKEN);
        let read = Box::pin(read).read_to_string(&mut token).await;
        read.map_err(|_| failure::foreign_form())?;
        visitor.must_have_sent(&token)?;
        let file = form
            .next_field()
            .await
            .map_err(|_| failure::foreign_form())?;
        let file = file.ok_or_else(failure::foreign_form)?;
        let name = file.file_name().unwrap_or_default().to_owned();
        Ok(Self {
            visitor,
            name,
            file,
            _form: form,
        })
    }
}

/// The places of the navigation.
pub(super) fn places() -> [Place<'static>; 9] {
    [
        ("/app/", "Start", Icon::Start),
        ("/app/contacts", "Contacts", Icon::Contacts),
        ("/app/segments", "Segments", Icon::Segments),
        ("/app/emails", "Emails", Icon::Emails),
        ("/app/reports", "Reports", Icon::Reports),
        ("/app/inbox", "Inbox", Icon::Inbox),
        ("/app/sending", "Sending", Icon::Sending),
        ("/app/organization", "Organisation", Icon::Members),
        ("/app/account", "Account", Icon::Settings),
    ]
    .map(|(href, name, icon)| Place {
        href,
        name,
        icon,
        group: (icon == Icon::Sending).then_some("Settings"),
    })
}

#[cfg(test)]
mod tests {
    use super::own_place;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (next, place) in [
            (Some("/app/contacts?after=x"), "/app/contacts?after=x"),
            (Some("/app"), "/app"),
            (None, "/app/"),
            (Some("https://evil.example"), "/app/"),
            (Some("//evil.example"), "/app/"),
            (Some("/app//evil.example"), "/app/"),
            (Some("/app/\\evil.example"), "/app/"),
            (Some("/application"), "/app/"),
            (Some("javascript:alert(1)"), "/app/"),
            (Some("/app/\r\nX: y"), "/app/"),
        ] {
            assert_eq!(own_place(next), place, "{next:?}");
        }
    }
}
