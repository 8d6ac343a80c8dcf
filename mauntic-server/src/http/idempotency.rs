//! Requests that may be sent again: `Idempotency-Key` on every POST but those about one's own account.

use std::io;

use futures_util::StreamExt as _;
use mauntic_core::{
    Actor, Clock as _, SecretKey, SystemClock,
    identity::{Begun, Claim, IdempotencyKey, StoredAnswer},
};
use poem::{
    Body, Endpoint, IntoResponse, Middleware, Request, Response,
    error::ReadBodyError,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::{
    auth::actor_of,
    problem::{ApiError, Problem, problem_response},
};
use crate::App;

/// The header that names a request.
const KEY: &str = "idempotency-key";
/// Larger answers are not kept: asking again does the request's checks again, and finds what is stored.
const LARGEST_KEPT: usize = 1 << 20;

/// Does a POST that carries a key once, and answers repeats with the first answer.
pub(crate) struct Idempotency(pub(crate) App);

impl<E: Endpoint> Middleware<E> for Idempotency {
    type Output = Idempotent<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Idempotent {
            inner,
            app: self.0.clone(),
        }
    }
}

/// An endpoint behind [`Idempotency`].
pub(crate) struct Idempotent<E> {
    inner: E,
    app: App,
}

impl<E: Endpoint> Endpoint for Idempotent<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        once(&self.app, &self.inner, request).await
    }
}

async fn once<E: Endpoint>(
    app: &App,
    endpoint: &E,
    mut request: Request,
) -> poem::Result<Response> {
    let Some((actor, key)) = named(&request)? else {
        return Ok(endpoint.call(request).await?.into_response());
    };
    // A body may hold a password: without the key, its hash would let anybody who reads the database try some.
    let hash = kept_with(app).authenticate(&hash(&mut request).await?);
    let key = IdempotencyKey {
        organization_id: actor.organization_id(),
        principal: actor.principal(),
        key,
    };
    let store = app.identity_store.idempotency();
    match store
        .begin(&key, hash, SystemClock.now())
        .await
        .map_err(ApiError::from)?
    {
        Begun::Fresh(claim) => perform(app, endpoint, request, &claim).await,
        Begun::Answered(answer) => {
            let body = kept_with(app).decrypt(&place(&key, answer.status), &answer.body);
            let body = body.map_err(|error| ApiError::internal(&error))?;
            Ok(replay(StoredAnswer { body, ..answer }))
        }
        Begun::Mismatch => Ok(refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request; use a new one",
        )),
        Begun::InProgress => Ok(refuse(
            StatusCode::CONFLICT,
            "in_progress",
            "the same request is being done at this moment; ask again in a few seconds",
        )),
    }
}

fn named(request: &Request) -> poem::Result<Option<(Actor, String)>> {
    if request.method() != Method::POST {
        return Ok(None);
    }
    let Some(key) = request.headers().get(KEY) else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty()
        || key.len() > IdempotencyKey::MAX_LEN
        || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let detail = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        return Err(ApiError::bad_request("invalid_idempotency_key", &detail).into());
    }
    // They act in no organisation that a key could count in, and some answer with a cookie, which is not kept.
    if request.uri().path().starts_with("/auth/") {
        let detail = "calls under /api/auth take no Idempotency-Key: leave it out, and look what became of a call before you send it again";
        return Err(ApiError::bad_request("idempotency_key_not_taken", &detail).into());
    }
    Ok(actor_of(request).map(|actor| (actor, key.to_owned())))
}

/// Covers all that makes the request what it is, its body included. A file goes through a temporary one, which costs
/// only those who send a key.
async fn hash(request: &mut Request) -> poem::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let target = request
        .original_uri()
        .path_and_query()
        .map_or("", |target| target.as_str());
    hasher.update(target.as_bytes());
    hasher.update([0]);
    let is_json = request
        .content_type()
        .is_none_or(|content_type| content_type.contains("json"));
    let body = request.take_body();
    if is_json {
        let body = body.into_vec().await?;
        hasher.update(&body);
        request.set_body(body);
    } else {
        let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(kept_body)?);
        let mut chunks = body.into_bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(ReadBodyError::from)?;
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(kept_body)?;
        }
        file.rewind().await.map_err(kept_body)?;
        request.set_body(Body::from_async_read(file));
    }
    Ok(hasher.finalize().into())
}

/// The temporary file could not be written: the disk is full, for instance.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn kept_body(error: io::Error) -> poem::Error {
    ApiError::internal(&error).into()
}

async fn perform<E: Endpoint>(
    app: &App,
    endpoint: &E,
    request: Request,
    claim: &Claim,
) -> poem::Result<Response> {
    let store = app.identity_store.idempotency();
    let response = match endpoint.call(request).await {
        Ok(response) => response.into_response(),
        Err(error) => problem_response(error).await,
    };
    // What failed for want of something of ours, or was held off, may be tried again.
    if response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS {
        store.abandon(claim).await.map_err(ApiError::from)?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.into_vec().await?;
    if body.len() > LARGEST_KEPT {
        store.abandon(claim).await.map_err(ApiError::from)?;
    } else {
        let status = parts.status.as_u16();
        let sealed = kept_with(app).encrypt(&place(&claim.key, status), &body);
        let answer = StoredAnswer {
            status,
            content_type: parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body: sealed.map_err(|error| ApiError::internal(&error))?,
        };
        store.finish(claim, &answer).await.map_err(ApiError::from)?;
    }
    Ok(Response::from_parts(parts, body.into()))
}

/// The key for what is kept: some answers hold secrets that are shown once, such as those of API tokens.
fn kept_with(app: &App) -> SecretKey {
    app.secret.derive("idempotency")
}

/// Where a kept answer belongs, so that it opens nowhere else.
fn place(key: &IdempotencyKey, status: u16) -> String {
    let (organization, principal) = (key.organization_id, key.principal);
    format!("{organization}/{principal}/{}/{status}", key.key)
}

fn replay(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = Response::builder().status(status).body(answer.body);
    let headers = response.headers_mut();
    if let Some(value) = answer
        .content_type
        .and_then(|text| HeaderValue::from_str(&text).ok())
    {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(
        HeaderName::from_static("idempotent-replayed"),
        HeaderValue::from_static("true"),
    );
    response
}

fn refuse(status: StatusCode, code: &str, detail: &str) -> Response {
    Problem::new(status, code, detail).into_response()
}
