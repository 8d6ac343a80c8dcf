//! The one shape of every refusal: `application/problem+json` (RFC 9457) with a stable `code`.

use mauntic_core::{Forbidden, StoreError};
use poem::{Response, http::StatusCode};
use poem_openapi::{ApiResponse, Object, payload::Json};
use tracing::error;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct FieldProblem {
    /// Where: a JSON pointer (RFC 6901) into the body, or the name of a parameter.
    pub pointer: String,
    /// What is wrong and what was expected.
    pub detail: String,
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// What kind of problem, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem, for programs; it never changes.
    pub code: String,
    /// What happened here.
    pub detail: String,
    /// The fields that are wrong, if some are.
    #[oai(skip_serializing_if_is_empty, default)]
    pub errors: Vec<FieldProblem>,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The problem as a response of its own, for refusals outside the documented endpoints.
    #[must_use]
    pub fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = poem_openapi::types::ToJSON::to_json_string(&self);
        Response::builder()
            .status(status)
            .content_type("application/problem+json")
            .body(body)
    }
}

/// The refusals of every endpoint of the API.
#[derive(Debug, Clone, ApiResponse)]
pub enum ApiError {
    /// The request cannot be understood.
    #[oai(status = 400, content_type = "application/problem+json")]
    BadRequest(Json<Problem>),
    /// There is no valid API token in the request, nor a session.
    #[oai(status = 401, content_type = "application/problem+json")]
    Unauthorized(Json<Problem>),
    /// The token or role does not include this, or another site may have sent it.
    #[oai(status = 403, content_type = "application/problem+json")]
    Forbidden(Json<Problem>),
    /// There is no such thing in this organisation.
    #[oai(status = 404, content_type = "application/problem+json")]
    NotFound(Json<Problem>),
    /// It contradicts what is stored.
    #[oai(status = 409, content_type = "application/problem+json")]
    Conflict(Json<Problem>),
    /// Somebody else changed it meanwhile.
    #[oai(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Json<Problem>),
    /// The body is larger than allowed.
    #[oai(status = 413, content_type = "application/problem+json")]
    TooLarge(Json<Problem>),
    /// The body is of a type that the endpoint does not take.
    #[oai(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Json<Problem>),
    /// Some fields are wrong.
    #[oai(status = 422, content_type = "application/problem+json")]
    Unprocessable(Json<Problem>),
    /// Too many requests.
    #[oai(status = 429, content_type = "application/problem+json")]
    TooMany(
        Json<Problem>,
        /// In so many seconds it may go well.
        #[oai(header = "Retry-After")]
        Option<u64>,
    ),
    /// Mauntic failed; the log says more.
    #[oai(status = 500, content_type = "application/problem+json")]
    Internal(Json<Problem>),
}

impl ApiError {
    /// Some fields are wrong.
    #[must_use]
    pub fn fields(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} fields are wrong", many.len()),
        };
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail);
        Self::Unprocessable(Json(Problem { errors, ..problem }))
    }

    /// One field is wrong. `pointer` is a JSON pointer, or the name of a parameter.
    #[must_use]
    pub fn invalid(pointer: &str, detail: &impl ToString) -> Self {
        Self::fields(vec![FieldProblem {
            pointer: pointer.to_owned(),
            detail: detail.to_string(),
        }])
    }

    /// A parameter or the body as a whole is wrong.
    #[must_use]
    pub fn bad_request(code: &str, detail: &impl ToString) -> Self {
        Self::BadRequest(Json(Problem::new(
            StatusCode::BAD_REQUEST,
            code,
            detail.to_string(),
        )))
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(detail: &impl ToString) -> Self {
        Self::NotFound(Json(Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            detail.to_string(),
        )))
    }

    /// It contradicts what is stored.
    #[must_use]
    pub fn conflict(code: &str, detail: &impl ToString) -> Self {
        Self::Conflict(Json(Problem::new(
            StatusCode::CONFLICT,
            code,
            detail.to_string(),
        )))
    }

    /// Somebody else changed it meanwhile.
    #[must_use]
    pub fn changed(detail: &impl ToString) -> Self {
        let problem = Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "changed_meanwhile",
            detail.to_string(),
        );
        Self::PreconditionFailed(Json(problem))
    }

    /// There is too much to do at the moment.
    #[must_use]
    pub fn too_many(detail: &impl ToString) -> Self {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail.to_string());
        Self::TooMany(Json(problem), None)
    }

    /// That was tried too often, as a password that was wrong each time; it may go well in so many seconds.
    #[must_use]
    pub fn tried_too_often(detail: &impl ToString, seconds: u64) -> Self {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            detail.to_string(),
        );
        Self::TooMany(Json(problem), Some(seconds))
    }

    /// The body is larger than allowed.
    #[must_use]
    pub fn too_large(detail: &impl ToString) -> Self {
        Self::TooLarge(Json(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            detail.to_string(),
        )))
    }

    /// Address and password, or a code, are wrong.
    #[must_use]
    pub fn wrong_credentials(detail: &impl ToString) -> Self {
        Self::Unauthorized(Json(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_credentials",
            detail.to_string(),
        )))
    }

    /// The token or role does not include this.
    #[must_use]
    pub fn forbidden(detail: &impl ToString) -> Self {
        Self::Forbidden(Json(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            detail.to_string(),
        )))
    }

    /// Mauntic failed: logged here, hidden from the client.
    #[must_use]
    pub fn internal(failure: &(dyn std::error::Error + 'static)) -> Self {
        error!(error = describe(failure), "a request failed");
        let problem = Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something failed on our side; the server's log says more",
        );
        Self::Internal(Json(problem))
    }
}

impl From<Forbidden> for ApiError {
    fn from(refused: Forbidden) -> Self {
        let code = match refused {
            Forbidden::Lacking(_) => "forbidden",
            Forbidden::Closing(_) => "organization_closing",
        };
        Self::Forbidden(Json(Problem::new(
            StatusCode::FORBIDDEN,
            code,
            refused.to_string(),
        )))
    }
}

impl From<StoreError> for ApiError {
    fn from(failure: StoreError) -> Self {
        match &failure {
            StoreError::Missing { .. } => Self::not_found(&failure),
            StoreError::Conflict { .. } => Self::conflict("taken", &failure),
            StoreError::Contended => Self::conflict("contended", &failure),
            _ => Self::internal(&failure),
        }
    }
}

/// An error and what led to it.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Gives refusals that come from elsewhere (routing, parameters, payloads, authentication) the same shape.
pub(crate) async fn problem_response(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let status = error.status();
    let code = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        status if status.is_client_error() => "bad_request",
        _ => "internal",
    };
    if status.is_server_error() {
        error!(error = %error, "a request failed");
        let detail = "something failed on our side; the server's log says more";
        return Problem::new(status, code, detail).into_response();
    }
    let detail = match status {
        StatusCode::UNAUTHORIZED => {
            "this needs a valid API token: Authorization: Bearer mnt_…; make one with `mauntic token create`"
                .to_owned()
        }
        StatusCode::NOT_FOUND => "there is nothing at this address".to_owned(),
        _ => error.to_string(),
    };
    let mut response = Problem::new(status, code, detail).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let scheme = poem::http::HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(poem::http::header::WWW_AUTHENTICATE, scheme);
    }
    response
}
