//! How often one session may ask for what costs: counting whom a rule fits, looking through a file, rendering, sending tests.

use std::hash::{BuildHasher as _, RandomState};

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
        if !costs(request.method(), request.uri().path()) {
            return false;
        }
        let secret = app(request).ok().and_then(|app| cookie(app, request));
        secret.is_some_and(|secret| {
            let key = self.hasher.hash_one(secret.reveal());
            self.session.refuses(&key)
        })
    }
}

/// Whether a form, by its address below `/app`, is one that costs.
fn costs(method: &Method, path: &str) -> bool {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    *method == Method::POST
        && matches!(
            parts.as_slice(),
            ["segments", "new"]
                | ["segments", _, "edit"]
                | ["imports", "uploads", _]
                | ["emails", "preview"]
                | ["emails", _, "test"]
                | ["sending", "test"]
        )
}

/// Says so.
pub(super) fn too_often() -> Response {
    let text = html! {
        p { "This was asked for too often just now, and nothing was changed. Wait a moment, and try again." }
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
            "/segments/new".to_owned(),
            format!("/segments/{id}/edit"),
            format!("/imports/uploads/{id}"),
            "/emails/preview".to_owned(),
            format!("/emails/{id}/test"),
            "/sending/test".to_owned(),
        ] {
            assert!(costs(&Method::POST, &path), "{path}");
            assert!(!costs(&Method::GET, &path), "{path}");
        }
        for path in ["/", "/emails/new", "/logout", "/contacts/new", "/imports"] {
            assert!(!costs(&Method::POST, path), "{path}");
        }
    }
}
