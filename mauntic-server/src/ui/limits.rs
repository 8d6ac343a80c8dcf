//! How often one session may ask for what costs: counting whom a rule fits or what is empty, adding up results, looking
//! through a file, rendering, sending tests.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use maud::html;
use poem::{
    IntoResponse as _, Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};

use super::{
    component::{
        action::{Weight, button_link},
        frame,
    },
    visitor::{app, cookie},
};
use crate::http::limits::RateLimit;

/// How often each second, beyond a burst of ten times as many: more than people press and pages ask by themselves.
const EACH_SECOND: u32 = 5;

/// Keeps one session from keeping the server busy.
pub(crate) struct FormLimits {
    session: RateLimit<u64>,
    hasher: RandomState,
}

impl FormLimits {
    /// With nothing asked for yet.
    pub(crate) fn new() -> Self {
        Self {
            session: RateLimit::per_second(EACH_SECOND),
            hasher: RandomState::new(),
        }
    }

    /// Whether the request costs and is one too many. Who is not logged in gets nothing that costs.
    pub(super) fn refuses(&self, request: &Request) -> bool {
        let uri = request.uri();
        costs(request.method(), uri.path(), uri.query()) && self.is_one_too_many(request)
    }

    fn is_one_too_many(&self, request: &Request) -> bool {
        let secret = app(request).ok().and_then(|app| cookie(app, request));
        secret.is_some_and(|secret| {
            let key = self.hasher.hash_one(secret.reveal());
            self.session.refuses(&key)
        })
    }
}

/// The answer to a step in a form that costs though saving the form does not, if it is one too many.
pub(super) fn refused_step(request: &Request) -> Option<Response> {
    let limits = request.data::<Arc<FormLimits>>()?;
    limits.is_one_too_many(request).then(too_often)
}

/// Whether a page or a form, by its address below `/app`, is one that costs.
fn costs(method: &Method, path: &str, query: Option<&str>) -> bool {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    if *method == Method::POST {
        return matches!(
            parts.as_slice(),
            ["imports", "uploads", _]
                | ["emails", "preview"]
                | ["emails", _, "test"]
                | ["sending", "test"]
        );
    }
    let mut asked = query.unwrap_or_default().split('&');
    match parts.as_slice() {
        ["reports.csv"] | ["emails", _, "send", "summary"] => true,
        ["emails", _] => asked.any(|one| one == "values=true"),
        _ => false,
    }
}

/// Says so.
pub(super) fn too_often() -> Response {
    let text = html! {
        p { "This was asked for too often just now, and nothing was changed. Go back: what you wrote is still there. Wait a moment, and try again." }
        p { (button_link("/app/", "Go to the start", Weight::Primary)) }
    };
    let page = frame::alone("Not so often", &text);
    let mut response = page
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .into_response();
    let after = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_is_limited_and_nothing_else() {
        let id = "00000000-0000-7000-8000-000000000000";
        for path in [
            format!("/imports/uploads/{id}"),
            "/emails/preview".to_owned(),
            format!("/emails/{id}/test"),
            "/sending/test".to_owned(),
        ] {
            assert!(costs(&Method::POST, &path, None), "{path}");
            assert!(!costs(&Method::GET, &path, None), "{path}");
        }
        for path in [
            "/",
            "/emails/new",
            "/logout",
            "/contacts/new",
            "/imports",
            "/segments/new",
        ] {
            assert!(!costs(&Method::POST, path, None), "{path}");
        }
        let email = format!("/emails/{id}");
        let summary = format!("{email}/send/summary");
        for (path, query) in [
            ("/reports.csv", None),
            (summary.as_str(), Some("segment=1")),
            (email.as_str(), Some("as=a&values=true")),
        ] {
            assert!(costs(&Method::GET, path, query), "{path}");
            assert!(!costs(&Method::POST, path, query), "{path}");
        }
        assert!(!costs(&Method::GET, &email, Some("as=a")), "{email}");
    }
}
