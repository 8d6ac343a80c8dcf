//! Asks people whether an app may act for them (RFC 6749 §4.1), and sends them back to it with the answer.

use maud::html;
use mauntic_core::identity::{
    AuthorizationParameters, IdentityError, OauthClient, OauthConsent, OauthError, RedirectUri,
    Wanted,
};
use poem::{
    IntoResponse as _, Request, Response, Result, Route, get, handler,
    http::{HeaderValue, header},
};
use url::Url;

use super::{
    component::{
        action::{Weight, button_link, step_button},
        frame,
    },
    failure, scopes,
    visitor::{Fields, OwnForm, Person, app, redirect},
};
use crate::App;

const HERE: &str = "/app/oauth/authorize";

/// The page of it. Apps send browsers to `/oauth/authorize`, which leads here.
pub(super) fn routes(route: Route) -> Route {
    route.at("/oauth/authorize", get(ask).post(decide))
}

/// What an app asks for, and where the answer goes.
struct Asked {
    parameters: AuthorizationParameters,
    client: OauthClient,
    redirect_uri: RedirectUri,
}

impl Asked {
    /// Whatever is wrong here, the browser is sent nowhere.
    async fn read(app: &App, fields: &Fields) -> Result<Self> {
        let parameters = AuthorizationParameters::of(fields.pairs());
        let found = app.identity.oauth_destination(&parameters).await;
        match found {
            Ok((client, redirect_uri)) => Ok(Self {
                parameters,
                client,
                redirect_uri,
            }),
            Err(IdentityError::OauthClientNotFound) => Err(failure::app_refused(
                "An app asked for access that is not known here. It may have been deleted.",
            )),
            Err(IdentityError::RedirectNotRegistered) => Err(failure::app_refused(
                "The app wants you sent to an address that it has not registered.",
            )),
            Err(error) => Err(failure::identity(error)),
        }
    }

    /// What to ask the person, unless there is something else to tell the app.
    async fn consent(&self, app: &App, person: &Person) -> Result<Answer> {
        let wanted = match self.parameters.wanted(&self.client) {
            Ok(wanted) => wanted,
            // Told only to apps of one's own organisation: anybody could have an app registered somewhere, and send
            // people on over here.
            Err(error) => return self.member(person).map(|()| Answer::Refused(error)),
        };
        let consent = app
            .identity
            .oauth_consent(&person.who, &self.client, &wanted);
        match consent.await {
            Ok(consent) => Ok(Answer::Asked(wanted, consent)),
            Err(IdentityError::Oauth(error)) => Ok(Answer::Refused(error)),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether nobody but the app can do anything with the answer. On the machine of a person, any program could take the
    /// place of one that has no secret, and would be let in without a question (RFC 8252 §8.6).
    fn reaches_the_app(&self) -> bool {
        self.client.is_confidential() || self.redirect_uri.origin().starts_with("https://")
    }

    fn member(&self, person: &Person) -> Result<()> {
        let organization = self.client.organization_id;
        let mut places = person.who.workplaces.iter();
        if places.any(|place| place.organization_id == organization) {
            Ok(())
        } else {
            Err(failed(IdentityError::OrganizationNotFound(organization)))
        }
    }

    /// Lets the app in, and makes the address to go back to with the code.
    async fn allow(&self, app: &App, person: &Person, wanted: &Wanted) -> Result<String> {
        let code = app
            .identity
            .authorize(&person.who, &self.client, &self.redirect_uri, wanted);
        let code = code.await.map_err(failed)?;
        Ok(self.back(app, &[("code", code.reveal())]))
    }

    fn refuse(&self, app: &App, error: OauthError) -> String {
        let text = error.to_string();
        let fields = [
            ("error", error.code()),
            ("error_description", text.as_str()),
        ];
        self.back(app, &fields)
    }

    /// The address to go back to, with what is told, the state, and who tells it (RFC 9207).
    fn back(&self, app: &App, told: &[(&str, &str)]) -> String {
        let Ok(mut url) = Url::parse(self.redirect_uri.as_str()) else {
            return self.redirect_uri.to_string();
        };
        let issuer = app.settings.public_url();
        url.query_pairs_mut()
            .extend_pairs(told)
            .extend_pairs(self.parameters.state().map(|state| ("state", state)))
            .append_pair("iss", &issuer);
        url.to_string()
    }
}

enum Answer {
    Asked(Wanted, OauthConsent),
    Refused(OauthError),
}

/// The person cannot let anything act there.
fn failed(error: IdentityError) -> poem::Error {
    match error {
        IdentityError::OrganizationNotFound(_) => failure::app_refused(
            "The app belongs to an organisation that you are not a member of, or that is closed.",
        ),
        error => failure::identity(error),
    }
}

/// Asks, unless the person said yes before, and it is the same app for sure.
#[handler]
pub(super) async fn ask(request: &Request, person: Person) -> Result<Response> {
    let app = app(request)?;
    let fields = Fields::of_query(request.uri().query().unwrap_or_default());
    let asked = Asked::read(app, &fields).await?;
    match asked.consent(app, &person).await? {
        Answer::Refused(error) => Ok(go(request, &asked, &asked.refuse(app, error))),
        Answer::Asked(wanted, consent) if consent.given && asked.reaches_the_app() => {
            let to = asked.allow(app, &person, &wanted).await?;
            Ok(go(request, &asked, &to))
        }
        Answer::Asked(_, consent) => Ok(consent_page(&person, &asked, &consent)),
    }
}

/// Takes the answer of the person. A page goes on to the app, as after every form: what the app leads on to is nothing
/// that the policy of the page with the question could name.
#[handler]
pub(super) async fn decide(request: &Request, posted: OwnForm) -> Result<Response> {
    let app = app(request)?;
    let (person, fields) = (&posted.person, &posted.fields);
    let asked = Asked::read(app, fields).await?;
    let to = match asked.consent(app, person).await? {
        Answer::Refused(error) => asked.refuse(app, error),
        Answer::Asked(wanted, _) if fields.find("step") == Some("allow") => {
            asked.allow(app, person, &wanted).await?
        }
        Answer::Asked(..) => {
            asked.refuse(app, OauthError::AccessDenied("the user did not allow it"))
        }
    };
    Ok(page_to(&asked, &to))
}

/// Goes back to the app without a question. After a form of ours, such as the login, browsers hold the whole way to the
/// policy of the page that it was on, which lets forms go nowhere else: a page goes on by itself then.
fn go(request: &Request, asked: &Asked, to: &str) -> Response {
    let after_form = match request.header("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => request.header(header::REFERER).is_some_and(|from| {
            let host = request.header(header::HOST).unwrap_or_default();
            let from = from.split_once("://").map_or("", |(_, rest)| rest);
            from.split('/').next() == Some(host)
        }),
    };
    if after_form {
        page_to(asked, to)
    } else {
        redirect(to)
    }
}

/// A page that goes on to the app by itself.
fn page_to(asked: &Asked, to: &str) -> Response {
    let content = html! {
        p { "You are going back to " strong { (asked.client.name.as_str()) } "." }
        p { (button_link(to, "Go on", Weight::Primary)) }
    };
    let mut response = frame::alone("One moment", &content).into_response();
    if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={to}")) {
        response.headers_mut().insert("refresh", refresh);
    }
    response
}

fn consent_page(person: &Person, asked: &Asked, consent: &OauthConsent) -> Response {
    let origin = asked.redirect_uri.origin();
    let name = asked.client.name.as_str();
    let content = html! {
        p { strong { (name) } " asks to act for you in " strong { (consent.organization.as_str()) } ". It wants to:" }
        ul class="tree" { @for scope in &consent.scopes { li { (scopes::words(*scope)) } } }
        p class="hint" { "It can never do more than you may do yourself, and you can end this at any time under Account." }
        p { "You are " strong { (person.who.user.email.as_str()) } ". Afterwards you go back to " code { (origin) } "." }
        form method="post" action=(HERE) class="stack" {
            (person.csrf())
            @for (name, value) in asked.parameters.fields() { input type="hidden" name=(name) value=(value); }
            div class="row" {
                (step_button("allow", "Allow", Weight::Primary))
                (step_button("deny", "Do not allow", Weight::Plain))
            }
        }
    };
    frame::alone("Allow access?", &content).into_response()
}
