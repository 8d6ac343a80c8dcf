//! What operators and load balancers ask: `/healthz`, `/readyz`, `/metrics`.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use poem::{Response, handler, http::StatusCode, web::Data};

use crate::App;

/// Collects the metrics of the process, to be shown by `/metrics`.
///
/// # Errors
/// If a recorder is installed already.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let buckets = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
    ];
    PrometheusBuilder::new()
        .set_buckets(&buckets)?
        .install_recorder()
}

/// The process lives.
#[handler]
pub(crate) fn healthz() -> &'static str {
    "ok\n"
}

/// The process can do its work: every context's database answers.
#[handler]
pub(crate) async fn readyz(Data(app): Data<&App>) -> Response {
    match app.check_databases().await {
        Ok(()) => Response::builder().status(StatusCode::OK).body("ready\n"),
        Err(error) => {
            tracing::warn!(error = crate::http::problem::describe(&error), "not ready");
            Response::builder()
                .status(StatusCode::SERVICE_UNAVAILABLE)
                .body("a database does not answer\n")
        }
    }
}

/// The metrics in Prometheus' text format.
#[handler]
pub(crate) fn metrics(Data(handle): Data<&PrometheusHandle>) -> Response {
    Response::builder()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render())
}
