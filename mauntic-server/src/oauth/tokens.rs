//! Tokens for apps, and their end.

use mauntic_core::identity::{IdentityError, IssuedTokens, OauthError, TokenRequest};
use poem::{
    Error, Request, Response, Result, handler,
    http::{StatusCode, header},
    web::Data,
};
use serde_json::{Value, json};

use super::form::AppForm;
use crate::{App, http::problem::describe, ui::visitor::client};

/// Gives an app tokens (RFC 6749 §3.2).
#[handler]
pub(super) async fn issue(
    request: &Request,
    Data(app): Data<&App>,
    form: AppForm,
) -> Result<Response> {
    let wanted = TokenRequest::read(&form.fields).map_err(refused)?;
    let from = client(request);
    let issued = app.identity.issue_tokens(&form.proof, wanted, &from).await;
    let issued = issued.map_err(failed)?;
    Ok(answer(StatusCode::OK, &told(&issued)))
}

/// Ends a token that an app has no more use for (RFC 7009).
#[handler]
pub(super) async fn revoke(
    request: &Request,
    Data(app): Data<&App>,
    form: AppForm,
) -> Result<Response> {
    let Some(token) = form.find("token") else {
        let problem = OauthError::InvalidRequest("token is missing");
        return Err(refused(problem));
    };
    let from = client(request);
    let ended = app.identity.revoke_issued(&form.proof, token, &from).await;
    ended.map_err(failed)?;
    Ok(answer(StatusCode::OK, &json!({})))
}

fn told(issued: &IssuedTokens) -> Value {
    let scopes: Vec<_> = issued.scopes.iter().map(ToString::to_string).collect();
    let mut told = json!({
        "access_token": issued.access.reveal(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in.num_seconds(),
        "scope": scopes.join(" "),
    });
    if let Some(refresh) = &issued.refresh {
        told["refresh_token"] = refresh.reveal().into();
    }
    told
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::PRAGMA, "no-cache")
        .content_type("application/json")
        .body(body.to_string())
}

/// What an app is told (RFC 6749 §5.2). Where it does not prove to be itself, it is told how it can.
pub(super) fn refused(error: OauthError) -> Error {
    let status = match error {
        OauthError::InvalidClient => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = json!({"error": error.code(), "error_description": error.to_string()});
    let mut response = answer(status, &body);
    if status == StatusCode::UNAUTHORIZED {
        let how = header::HeaderValue::from_static("Basic realm=\"mauntic\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    Error::from_response(response)
}

fn failed(error: IdentityError) -> Error {
    match error {
        IdentityError::Oauth(error) => refused(error),
        IdentityError::TooManyFailures { seconds } => {
            let body =
                json!({"error": "temporarily_unavailable", "error_description": error.to_string()});
            let mut response = answer(StatusCode::TOO_MANY_REQUESTS, &body);
            let after = header::HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, after);
            Error::from_response(response)
        }
        error => {
            tracing::error!(error = describe(&error), "an app got no answer");
            let body = json!({"error": "server_error", "error_description": "something failed on our side"});
            Error::from_response(answer(StatusCode::INTERNAL_SERVER_ERROR, &body))
        }
    }
}
