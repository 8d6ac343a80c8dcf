//! What protects the server from its callers: body sizes and request rates.

use std::{
    hash::Hash,
    io,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::StreamExt as _;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use poem::{
    Body, Endpoint, IntoResponse, Middleware, Request, Response,
    http::{StatusCode, header},
};

use super::problem::Problem;
use crate::App;

/// Marks the failure of a body that grew past its limit while it was read.
#[derive(Debug, thiserror::Error)]
#[error("the body is larger than {0} bytes")]
pub(crate) struct BodyTooLarge(pub(crate) u64);

/// Refuses bodies beyond a limit: at once if the request says its length, else while it is read.
pub(crate) struct BodyLimit {
    /// For ordinary bodies.
    pub(crate) ordinary: u64,
    /// For uploads.
    pub(crate) upload: u64,
    /// Which paths take uploads.
    pub(crate) is_upload: fn(&str) -> bool,
}

impl<E: Endpoint> Middleware<E> for BodyLimit {
    type Output = BodyLimited<E>;

    fn transform(&self, inner: E) -> Self::Output {
        BodyLimited {
            inner,
            ordinary: self.ordinary,
            upload: self.upload,
            is_upload: self.is_upload,
        }
    }
}

/// An endpoint behind a [`BodyLimit`].
pub(crate) struct BodyLimited<E> {
    inner: E,
    ordinary: u64,
    upload: u64,
    is_upload: fn(&str) -> bool,
}

impl<E: Endpoint> Endpoint for BodyLimited<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let max = if (self.is_upload)(request.original_uri().path()) {
            self.upload
        } else {
            self.ordinary
        };
        let declared = request
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse::<u64>().ok());
        if declared.is_some_and(|length| length > max) {
            return Ok(too_large(max));
        }
        let body = request.take_body();
        let mut seen = 0;
        let counted = body.into_bytes_stream().map(move |chunk| {
            let chunk = chunk?;
            seen += chunk.len() as u64;
            if seen > max {
                Err(io::Error::other(BodyTooLarge(max)))
            } else {
                Ok(chunk)
            }
        });
        request.set_body(Body::from_bytes_stream(counted));
        match self.inner.call(request).await {
            Ok(response) => Ok(response.into_response()),
            Err(error) if is_too_large(&error) => Ok(too_large(max)),
            Err(error) => Err(error),
        }
    }
}

fn is_too_large(error: &poem::Error) -> bool {
    let text = error.to_string();
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<BodyTooLarge>)
    }) || text.contains("the body is larger than")
}

fn too_large(max: u64) -> Response {
    let detail = format!("the body is larger than the {max} bytes allowed here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).into_response()
}

/// So many requests from one tidying to the next.
const TIDY_EVERY: u64 = 4_096;

/// Limits how often something may happen to each of many keys, such as calls by one client address (GCRA, per process).
#[derive(Clone)]
pub(crate) struct RateLimit<K: Clone + Eq + Hash = IpAddr> {
    limiter: Arc<DefaultKeyedRateLimiter<K>>,
    seen: Arc<AtomicU64>,
}

impl<K: Clone + Eq + Hash> RateLimit<K> {
    /// That many per second, with a burst of ten times as many.
    pub(crate) fn per_second(times: u32) -> Self {
        let rate = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate)
            .allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(9)));
        Self {
            limiter: Arc::new(RateLimiter::keyed(quota)),
            seen: Arc::default(),
        }
    }

    /// Whether it is one too many. Forgets, once in a while, the keys that are no longer in use.
    pub(crate) fn refuses(&self, key: &K) -> bool {
        if self
            .seen
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(TIDY_EVERY)
        {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).is_err()
    }
}

/// Whom an address stands for: with IPv6, one subscriber has a whole `/64` of them (RFC 6177) and could call from
/// a new one each time.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl<E: Endpoint> Middleware<E> for RateLimit {
    type Output = RateLimited<E>;

    fn transform(&self, inner: E) -> Self::Output {
        RateLimited {
            inner,
            limit: self.clone(),
        }
    }
}

/// An endpoint behind a [`RateLimit`].
pub(crate) struct RateLimited<E> {
    inner: E,
    limit: RateLimit,
}

impl<E: Endpoint> Endpoint for RateLimited<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let client = client_address(&request);
        if client.is_some_and(|address| self.limit.refuses(&network(address))) {
            let detail = "too many requests from this address: wait a second and try again";
            let mut response =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
                    .into_response();
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            return Ok(response);
        }
        Ok(self.inner.call(request).await?.into_response())
    }
}

/// The address that the request came from: the peer's, or what proxies that the settings trust say.
pub(crate) fn client_address(request: &Request) -> Option<IpAddr> {
    let peer = request.remote_addr().as_socket_addr()?.ip();
    let forwarded = request.headers().get_all("x-forwarded-for");
    // What is no text names nobody, and ends what can be known.
    let forwarded: Vec<_> = forwarded
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    let app = request.data::<App>();
    Some(app.map_or(peer, |app| {
        let proxies = &app.settings.trusted_proxies;
        proxies.caller(peer, forwarded.into_iter())
    }))
}

/// The address that the audit log is told: none where the settings say so.
pub(crate) fn told_address(request: &Request) -> Option<IpAddr> {
    let app = request.data::<App>();
    let told = app.is_none_or(|app| !app.settings.anonymize_ip);
    client_address(request).filter(|_| told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_64_bits_is_one_caller() {
        let limit = RateLimit::per_second(1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let refused = (0..20)
            .filter(|host| limit.refuses(&network(address(&format!("2001:db8:1:2::{host:x}")))))
            .count();
        assert!(refused >= 9, "{refused}");
        assert!(!limit.refuses(&network(address("2001:db8:1:3::1"))));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
