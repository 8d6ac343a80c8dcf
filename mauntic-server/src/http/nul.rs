//! Text that cannot be kept: PostgreSQL takes no NUL characters, so nobody may send any.

use poem::{Endpoint, IntoResponse, Middleware, Request, Response};

use super::problem::ApiError;

/// Refuses NUL characters in addresses, parameters and JSON bodies.
pub(crate) struct NoNul;

impl<E: Endpoint> Middleware<E> for NoNul {
    type Output = WithoutNul<E>;

    fn transform(&self, inner: E) -> Self::Output {
        WithoutNul(inner)
    }
}

/// An endpoint behind [`NoNul`].
pub(crate) struct WithoutNul<E>(E);

impl<E: Endpoint> Endpoint for WithoutNul<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let target = request.uri().path_and_query();
        let mut found = target.is_some_and(|target| target.as_str().contains("%00"));
        let is_json = request
            .content_type()
            .is_some_and(|content_type| content_type.contains("json"));
        if is_json && !found {
            let body = request.take_body().into_vec().await?;
            found = has_nul(&body);
            request.set_body(body);
        }
        if found {
            let detail = "text may not have the character U+0000 in it";
            return Err(ApiError::bad_request("nul_character", &detail).into());
        }
        Ok(self.0.call(request).await?.into_response())
    }
}

/// Whether a JSON text has an escaped NUL in it; a bare one is no JSON anyway.
fn has_nul(json: &[u8]) -> bool {
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        if escaped && json[at..].starts_with(b"u0000") {
            return true;
        }
        escaped = !escaped && *byte == b'\\';
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_nul;

    #[test]
    fn an_escaped_backslash_escapes_nothing_else() {
        assert!(has_nul(br#"{"a": "b\u0000"}"#));
        assert!(has_nul(br#"{"a": "\\\u0000"}"#));
        assert!(!has_nul(br#"{"a": "\\u0000"}"#));
        assert!(!has_nul(br#"{"a": "u0000"}"#));
    }
}
