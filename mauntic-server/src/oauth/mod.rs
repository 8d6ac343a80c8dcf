//! What apps call that are let in by OAuth 2: the token endpoint, revocation, and what they can find out by themselves
//! (RFC 6749, 7009, 8414). People are asked by a page, in `ui::oauth`.

mod form;
mod tokens;

use std::sync::Arc;

use mauntic_core::{Permission, identity::AuthorizationParameters};
use poem::{
    Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Route, get, handler,
    http::{HeaderValue, Method, StatusCode, header},
    post,
    web::Data,
};
use serde_json::json;

use crate::{
    App,
    http::{limits::RateLimit, problem::problem_response},
    ui::visitor::Fields,
};

/// The page that asks people.
const PAGE: &str = "/app/oauth/authorize";

/// Adds the endpoints below `/oauth`, and the document that tells of them.
pub(crate) fn routes(route: Route, rate: &RateLimit) -> Route {
    let token = post(tokens::issue).with(rate.clone());
    let revoke = post(tokens::revoke).with(rate.clone());
    route
        .at("/oauth/authorize", get(authorize))
        .at("/oauth/token", token.around(to_any_site))
        .at("/oauth/revoke", revoke.around(to_any_site))
        .at(
            "/.well-known/oauth-authorization-server",
            get(metadata).around(to_any_site),
        )
}

/// Lets scripts of any site call, as apps that run in browsers are (CORS). No cookie counts here: all that a caller can do
/// is what it can show to be let do.
async fn to_any_site<E: Endpoint + 'static>(
    endpoint: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    let mut response = if request.method() == Method::OPTIONS {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST")
            .header(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type",
            )
            .header(header::ACCESS_CONTROL_MAX_AGE, "86400")
            .finish()
    } else {
        match endpoint.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => problem_response(error).await,
        }
    };
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    Ok(response)
}

/// Sends a browser on to the page that asks, which has the session and the policies of pages. What is asked for is
/// written anew, so that it finds its way through a login.
#[handler]
fn authorize(request: &Request) -> Response {
    let fields = Fields::of_query(request.uri().query().unwrap_or_default());
    let asked = AuthorizationParameters::of(fields.pairs());
    let query = serde_urlencoded::to_string(asked.fields()).unwrap_or_default();
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, format!("{PAGE}?{query}"))
        .finish()
}

/// What apps can find out by themselves (RFC 8414).
#[handler]
fn metadata(Data(app): Data<&App>) -> Response {
    let issuer = app.settings.public_url();
    let scopes = Permission::ALL.map(|(_, text)| text);
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "service_documentation": format!("{issuer}/api/docs"),
    });
    Response::builder()
        .content_type("application/json")
        .body(document.to_string())
}
