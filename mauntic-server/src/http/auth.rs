//! Who is asking: the bearer of an API token, or somebody who is logged in.

use mauntic_core::{
    Actor,
    identity::{IdentityError, LoggedIn, Refusal, SessionSecret},
};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{StatusCode, header},
};
use poem_openapi::{
    SecurityScheme,
    auth::{ApiKey, Bearer},
    payload::Json,
};

use super::{
    limits::client_address,
    problem::{ApiError, Problem},
};
use crate::{App, ui::visitor::cookie};

/// An API token: `Authorization: Bearer mnt_…`. It acts in its own organisation, within its scopes.
#[derive(SecurityScheme)]
#[oai(ty = "bearer", bearer_format = "mnt_…", checker = "admitted")]
pub(crate) struct Token(pub(crate) Actor);

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
    Ok(who.calling_from(client_address(request)))
}

fn not_in_session() -> ApiError {
    let detail = "this needs a session: log in, keep the cookie, and send the token that the login told as X-CSRF-Token";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    ApiError::Unauthorized(Json(problem))
}

/// The decision of [`Authentication`], which stands before the API.
#[derive(Clone)]
enum Admission {
    Admitted(Actor),
    Refused(Refusal),
}

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
    let token = request
        .header(header::AUTHORIZATION)
        .and_then(|value| {
            value
                .get(..7)
                .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
                .map(|_| &value[7..])
        })
        .map(str::to_owned);
    if let Some(token) = token {
        let admission = match app.identity.authenticate(&token).await {
            Ok(actor) => Admission::Admitted(match client_address(&request) {
                Some(address) => actor.calling_from(address),
                None => actor,
            }),
            Err(IdentityError::Refused(reason)) => Admission::Refused(reason),
            Err(error) => return Err(ApiError::internal(&error).into()),
        };
        request.set_data(admission);
    }
    Ok(endpoint.call(request).await?.into_response())
}

/// Who is asking, if [`Authentication`] let them in.
pub(crate) fn actor_of(request: &Request) -> Option<Actor> {
    match request.data::<Admission>() {
        Some(Admission::Admitted(actor)) => Some(actor.clone()),
        _ => None,
    }
}

#[expect(clippy::unused_async, reason = "what poem-openapi calls is async")]
async fn admitted(request: &Request, _: Bearer) -> poem::Result<Actor> {
    let refusal = match request.data::<Admission>() {
        Some(Admission::Admitted(actor)) => return Ok(actor.clone()),
        // The token is good; another one would not help.
        Some(Admission::Refused(Refusal::OrganizationBlocked)) => {
            let detail = "the organisation is closed: whoever runs this installation has blocked it, or it is being deleted";
            let problem = Problem::new(StatusCode::FORBIDDEN, "organization_closed", detail);
            return Err(ApiError::Forbidden(Json(problem)).into());
        }
        Some(Admission::Refused(reason)) => reason.to_string(),
        None => "this needs an API token: Authorization: Bearer mnt_…".to_owned(),
    };
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", refusal);
    Err(ApiError::Unauthorized(Json(problem)).into())
}
