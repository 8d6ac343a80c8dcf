//! How HTTP is served: the listener, and what every request passes through.

pub(crate) mod allow;
pub(crate) mod auth;
pub(crate) mod explain;
pub(crate) mod idempotency;
pub(crate) mod limits;
pub(crate) mod nul;
pub mod problem;
pub(crate) mod proxies;

use std::{any::Any, io, sync::Arc, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use poem::{
    Endpoint, EndpointExt as _, IntoResponse as _, Middleware, Request, Response, Route, Server,
    get,
    http::{HeaderName, HeaderValue, StatusCode, header},
    listener::{Acceptor, TcpAcceptor},
    middleware::CatchPanic,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::limits::{BodyLimit, RateLimit};
use crate::{App, api, oauth, ops, public, ui};

/// Browsers come over HTTPS alone for a year; other names of the domain are others' concern.
const HTTPS_ONLY: &str = "max-age=31536000";
/// How long open requests may take to end when the server stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until `stop` is cancelled, then lets open requests end.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    endpoint: impl Endpoint + 'static,
    stop: CancellationToken,
) -> io::Result<()> {
    let acceptor = NoDelay(TcpAcceptor::from_tokio(listener)?);
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(
            endpoint,
            async move { stop.cancelled().await },
            Some(PATIENCE),
        )
        .await
}

/// Sends small answers at once instead of waiting for more to send (Nagle's algorithm off).
struct NoDelay(TcpAcceptor);

impl Acceptor for NoDelay {
    type Io = tokio::net::TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(
        &mut self,
    ) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, poem::http::uri::Scheme)> {
        let accepted = self.0.accept().await?;
        accepted.0.set_nodelay(true)?;
        Ok(accepted)
    }
}

/// Everything that is served: the API, the public endpoints and what operators ask.
pub fn endpoint(app: &App, metrics: PrometheusHandle) -> impl Endpoint + use<> {
    let settings = &app.settings;
    let limits = BodyLimit {
        ordinary: settings.max_body_bytes,
        upload: settings.max_upload_bytes,
        is_upload: |path| path == "/api/crm/imports",
    };
    let rate = RateLimit::per_second(settings.requests_per_second);
    let api = api::routes(app).with(limits).with(rate.clone());
    ui::routes(public::routes(oauth::routes(Route::new(), &rate)))
        .nest("/api", api)
        .at("/healthz", get(ops::healthz))
        .at("/readyz", get(ops::readyz))
        .at("/metrics", get(ops::metrics))
        .data(app.clone())
        .data(Arc::new(public::PublicLimits::new(
            settings.public_requests_per_second,
        )))
        .data(Arc::new(ui::FormLimits::new()))
        .data(metrics)
        .with(CatchPanic::new().with_handler(panicked))
        .with(Observation {
            https: settings.is_https(),
        })
}

/// A defect: logged here, hidden from the client.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that poem calls"
)]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a request failed");
    let detail = "something failed on our side; the server's log says more";
    problem::Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
}

/// Wraps the API and the operator's endpoints: problems in one shape, security headers, a span with the
/// request id, metrics.
struct Observation {
    /// Whether the server is reached over HTTPS.
    https: bool,
}

impl<E: Endpoint> Middleware<E> for Observation {
    type Output = Observed<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Observed {
            inner,
            https: self.https,
        }
    }
}

/// An endpoint behind [`Observation`].
struct Observed<E> {
    inner: E,
    https: bool,
}

impl<E: Endpoint> Endpoint for Observed<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut response = observe(&self.inner, request).await?;
        if self.https {
            response.headers_mut().insert(
                header::STRICT_TRANSPORT_SECURITY,
                HeaderValue::from_static(HTTPS_ONLY),
            );
        }
        Ok(response)
    }
}

async fn observe<E: Endpoint>(endpoint: &E, request: Request) -> poem::Result<Response> {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let request_id = request
        .header("x-request-id")
        .filter(|id| {
            id.len() <= 64
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .map_or_else(
            || mauntic_core::IdSource::next(&mauntic_core::UuidV7Source).to_string(),
            str::to_owned,
        );
    let span = tracing::info_span!("request", %method, path, request_id);
    let mut response = match endpoint.call(request).instrument(span).await {
        Ok(response) => response.into_response(),
        Err(error) => problem::problem_response(error).await,
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static(referrer_policy(&path)),
    );
    headers
        .entry(header::X_FRAME_OPTIONS)
        .or_insert(HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    let first = path.split('/').nth(1).unwrap_or_default();
    let known = AREAS.into_iter().find(|area| *area == first);
    let area = known.unwrap_or("other");
    let status = response.status();
    metrics::counter!("mauntic_http_requests_total", "area" => area, "status" => class(status))
        .increment(1);
    metrics::histogram!("mauntic_http_seconds", "area" => area)
        .record(started.elapsed().as_secs_f64());
    Ok(response)
}

/// With `no-referrer`, browsers send `Origin: null` with the forms of our own pages, which could then not be told from
/// those of other sites. No other site learns where somebody comes from, either way.
fn referrer_policy(path: &str) -> &'static str {
    if path == "/app" || path.starts_with("/app/") {
        "same-origin"
    } else {
        "no-referrer"
    }
}

const AREAS: [&str; 10] = [
    "api", "app", "assets", "oauth", "t", "u", "v", "healthz", "readyz", "metrics",
];

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
