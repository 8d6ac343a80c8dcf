//! Who is asking: the bearer of an API token, an app with an access token, or somebody who is logged in.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mauntic_core::{
    Actor,
    identity::{IdentityError, LoggedIn, OauthSecretKind, Refusal, SessionSecret, TokenSecret},
};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, RequestBody, Response,
    http::{Method, StatusCode, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, SecurityScheme,
    auth::ApiKey,
    payload::Json,
    registry::{MetaSecurityScheme, Registry},
};

use super::{
    limits::told_address,
    problem::{ApiError, Problem},
};
use crate::{
    App,
    ui::visitor::{cookie, is_ours, organization_of},
};

/// Whoever acts in an organisation: the bearer of an API token or an app, within its scopes, or somebody who is logged in,
/// within the role there.
pub(crate) struct Token(pub(crate) Actor);

impl<'a> ApiExtractor<'a> for Token {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        for (name, scheme) in schemes() {
            registry.create_security_scheme(name, scheme);
        }
    }

    fn security_schemes() -> Vec<&'static str> {
        schemes().map(|(name, _)| name).into()
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        admitted(request).map(Self)
    }
}

/// The ways to say who acts; one of them is enough.
fn schemes() -> [(&'static str, MetaSecurityScheme); 3] {
    let scheme = |ty, description| MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    };
    [
        (
            "Token",
            MetaSecurityScheme {
                scheme: Some("bearer"),
                bearer_format: Some("mnt_…"),
                ..scheme(
                    "http",
                    "An API token: `Authorization: Bearer mnt_…`. It acts in its own organisation, within its scopes. So does the \
                     access token (`mna_…`) of an app that was let in by OAuth 2, which never does more than whom it acts for; \
                     where an app gets one, `/.well-known/oauth-authorization-server` says.",
                )
            },
        ),
        (
            "Basic",
            MetaSecurityScheme {
                scheme: Some("basic"),
                ..scheme(
                    "http",
                    "An API token as the password, for programs that know nothing else; the name does not matter.",
                )
            },
        ),
        (
            "Session",
            MetaSecurityScheme {
                name: Some("mauntic"),
                key_in: Some("cookie"),
                ..scheme(
                    "apiKey",
                    "The cookie that the login set (`__Host-mauntic` with HTTPS), for pages of this installation. It acts \
                     as the user, in the organisation that the session works in. Whatever is no GET sends the token \
                     that the login told as `X-CSRF-Token`, too.",
                )
            },
        ),
    ]
}

/// A session: the cookie that the login set, and with it the token that the login told. The header keeps other sites
/// from calling with the cookie.
#[derive(SecurityScheme)]
#[oai(
    ty = "api_key",
    key_in = "header",
    key_name = "X-CSRF-Token",
    checker = "in_session"
)]
pub(crate) struct InSession(pub(crate) LoggedIn);

/// A login that waits for the code of the second factor: its cookie, and the token that it told.
#[derive(SecurityScheme)]
#[oai(
    ty = "api_key",
    key_in = "header",
    key_name = "X-CSRF-Token",
    checker = "with_cookie"
)]
pub(crate) struct Waiting(pub(crate) SessionSecret);

#[expect(clippy::unused_async, reason = "what poem-openapi calls is async")]
async fn with_cookie(request: &Request, given: ApiKey) -> poem::Result<SessionSecret> {
    request
        .data::<App>()
        .and_then(|app| cookie(app, request))
        .filter(|secret| secret.takes_csrf_token(&given.key))
        .ok_or_else(|| not_in_session().into())
}

async fn in_session(request: &Request, given: ApiKey) -> poem::Result<LoggedIn> {
    let secret = with_cookie(request, given).await?;
    let app = request.data::<App>().ok_or_else(not_in_session)?;
    let who = app.identity.logged_in(&secret).await;
    let who = who.map_err(|error| ApiError::internal(&error))?;
    let who = who.ok_or_else(not_in_session)?;
    Ok(who.calling_from(told_address(request)))
}

fn not_in_session() -> ApiError {
    let detail = "this needs a session: log in, keep the cookie, and send the token that the login told as X-CSRF-Token";
    unauthorized(detail.to_owned())
}

/// The decision of [`Authentication`], which stands before the API.
#[derive(Clone)]
struct Admission(Result<Actor, ApiError>);

/// Decides once for each request who is asking; what needs no token ignores the decision.
pub(crate) struct Authentication(pub(crate) App);

impl<E: Endpoint> Middleware<E> for Authentication {
    type Output = Authenticated<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Authenticated {
            inner,
            app: self.0.clone(),
        }
    }
}

/// An endpoint behind [`Authentication`].
pub(crate) struct Authenticated<E> {
    inner: E,
    app: App,
}

impl<E: Endpoint> Endpoint for Authenticated<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        authenticate(&self.app, &self.inner, request).await
    }
}

async fn authenticate<E: Endpoint>(
    app: &App,
    endpoint: &E,
    mut request: Request,
) -> poem::Result<Response> {
    let shown = shown_token(&request);
    let prefixes = [TokenSecret::PREFIX, OauthSecretKind::Access.prefix()];
    let ours = shown
        .as_deref()
        .is_some_and(|token| prefixes.iter().any(|prefix| token.starts_with(prefix)));
    let mut admission = if ours {
        None
    } else {
        in_browser(app, &mut request).await?
    };
    // Whatever else is shown says only why nobody is let in who has no session either.
    if admission.is_none()
        && let Some(token) = shown
    {
        admission = Some(by_token(app, &request, &token).await?);
    }
    if let Some(admission) = admission {
        request.set_data(admission);
    }
    Ok(endpoint.call(request).await?.into_response())
}

/// The API token that a request shows, or what a proxy in front of the server shows in the place of one.
fn shown_token(request: &Request) -> Option<String> {
    let (scheme, shown) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(shown.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(shown.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (name, password) = pair.split_once(':')?;
    // Whatever is no token is for a proxy in front of the server.
    let mut parts = [password, name].into_iter();
    let token = parts.find(|part| part.starts_with(TokenSecret::PREFIX));
    token.map(str::to_owned)
}

async fn by_token(app: &App, request: &Request, token: &str) -> poem::Result<Admission> {
    let admission = match app.identity.authenticate(token).await {
        Ok(actor) => Ok(match told_address(request) {
            Some(address) => actor.calling_from(address),
            None => actor,
        }),
        // The token is good; another one would not help.
        Err(IdentityError::Refused(Refusal::OrganizationBlocked)) => Err(closed()),
        Err(IdentityError::Refused(reason)) => Err(unauthorized(reason.to_string())),
        Err(error) => return Err(ApiError::internal(&error).into()),
    };
    Ok(Admission(admission))
}

/// Somebody who is logged in, by the rules of pages: what changes something proves that it comes from one of ours.
async fn in_browser(app: &App, request: &mut Request) -> poem::Result<Option<Admission>> {
    // Those about one's own account find out by themselves.
    if request.uri().path().starts_with("/auth/") {
        return Ok(None);
    }
    let Some(secret) = cookie(app, request) else {
        return Ok(None);
    };
    let found = app.identity.logged_in(&secret).await;
    let Some(who) = found.map_err(|error| ApiError::internal(&error))? else {
        return Ok(None);
    };
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let token = request.header("x-csrf-token").unwrap_or_default();
    if !is_ours(request) || !(looks || secret.takes_csrf_token(token)) {
        return Ok(Some(Admission(Err(foreign()))));
    }
    let shown = organization_of(token);
    let who = who.calling_from(told_address(request));
    let admission = match (who.closed_workplace(), who.actor()) {
        (Some(_), _) => Err(closed()),
        // As with forms: another one may have been chosen meanwhile, as in a second tab.
        (None, Some(actor)) if shown.is_some_and(|shown| shown != actor.organization_id()) => {
            Err(elsewhere())
        }
        (None, Some(actor)) => Ok(actor),
        (None, None) => Err(forbidden(
            "no_organization",
            "you are a member of no organisation now",
        )),
    };
    request.set_data(who);
    Ok(Some(Admission(admission)))
}

/// Who is asking, if [`Authentication`] let them in.
pub(crate) fn actor_of(request: &Request) -> Option<Actor> {
    let Admission(admission) = request.data()?;
    admission.clone().ok()
}

/// Who is logged in, if it is somebody in a browser who asks.
pub(crate) fn logged_in_of(request: &Request) -> Option<LoggedIn> {
    request.data::<LoggedIn>().cloned()
}

fn admitted(request: &Request) -> poem::Result<Actor> {
    if let Some(Admission(admission)) = request.data() {
        return Ok(admission.clone()?);
    }
    let detail = "this needs an API token (Authorization: Bearer mnt_…), or the cookie of somebody who is logged in";
    Err(unauthorized(detail.to_owned()).into())
}

fn unauthorized(detail: String) -> ApiError {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    ApiError::Unauthorized(Json(problem))
}

fn forbidden(code: &str, detail: &str) -> ApiError {
    ApiError::Forbidden(Json(Problem::new(StatusCode::FORBIDDEN, code, detail)))
}

fn closed() -> ApiError {
    let detail = "the organisation is closed: whoever runs this installation has blocked it, or it is being deleted";
    forbidden("organization_closed", detail)
}

fn elsewhere() -> ApiError {
    let detail = "the page that sent this shows another organisation than the session works in by now: open it again";
    ApiError::conflict("another_organization", &detail)
}

fn foreign() -> ApiError {
    let detail = "this call with the cookie of a session does not prove that a page of this installation sent it: send the token that the login told as X-CSRF-Token";
    forbidden("foreign_request", detail)
}
