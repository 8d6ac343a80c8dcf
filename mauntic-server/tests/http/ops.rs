//! What operators and load balancers ask.

use metrics_exporter_prometheus::PrometheusBuilder;
use poem::{Endpoint as _, EndpointExt as _};

use crate::support::{Installation, request};

#[tokio::test]
async fn the_server_says_that_it_lives_and_is_ready() {
    let installation = Installation::sqlite().await;
    for (path, says) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = installation.call("", "GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(String::from_utf8_lossy(&answer.body), says);
    }
}

#[tokio::test]
async fn metrics_are_shown_as_prometheus_reads_them() {
    let installation = Installation::sqlite().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = metrics::with_local_recorder(&recorder, || metrics::counter!("mauntic_test"));
    counted.increment(3);
    let app = mauntic_server::endpoint(&installation.app, recorder.handle());
    let app = app.map_to_response();
    let answer = app
        .get_response(request("", "GET", "/metrics").finish())
        .await;
    assert_eq!(answer.status().as_u16(), 200);
    let kind = answer.content_type().unwrap_or_default().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = answer.into_body().into_string().await.unwrap();
    assert!(text.contains("mauntic_test 3"), "{text}");
}
