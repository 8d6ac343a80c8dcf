//! What a resource can be asked: the `Allow` header of a refused method.

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::Value;

use super::problem::problem_response;

/// Adds `Allow` to refusals of methods, as the OpenAPI document has them.
pub(crate) struct Allow {
    /// The segments of each path, `None` where anything may stand, and its methods.
    resources: Vec<(Vec<Option<String>>, HeaderValue)>,
}

impl Allow {
    /// Knows the methods of the document's paths.
    pub(crate) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let resources = paths.filter_map(|(path, operations)| {
            let methods: Vec<_> = operations
                .as_object()?
                .keys()
                .map(|method| method.to_uppercase())
                .collect();
            let methods = HeaderValue::from_str(&methods.join(", ")).ok()?;
            let segments = segments(path);
            let fixed = |segment: &str| (!segment.starts_with('{')).then(|| segment.to_owned());
            Some((segments.map(fixed).collect(), methods))
        });
        Self {
            resources: resources.collect(),
        }
    }

    fn methods(&self, path: &str) -> Option<&HeaderValue> {
        let asked: Vec<_> = segments(path).collect();
        let fits = |known: &[Option<String>]| {
            let mut pairs = known.iter().zip(&asked);
            known.len() == asked.len()
                && pairs.all(|(known, asked)| known.as_ref().is_none_or(|known| known == asked))
        };
        let fitting = self.resources.iter().filter(|(known, _)| fits(known));
        // A path that names a segment goes before one that takes anything there.
        fitting
            .max_by_key(|(known, _)| known.iter().filter(|segment| segment.is_some()).count())
            .map(|(_, methods)| methods)
    }
}

/// The steps of a path below `/api`.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches("/api").trim_matches('/').split('/')
}

impl<E: Endpoint> Middleware<E> for Allow {
    type Output = Allowing<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Allowing {
            inner,
            allow: Self {
                resources: self.resources.clone(),
            },
        }
    }
}

/// An endpoint behind [`Allow`].
pub(crate) struct Allowing<E> {
    inner: E,
    allow: Allow,
}

impl<E: Endpoint> Endpoint for Allowing<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path().to_owned();
        match self.inner.call(request).await {
            Ok(response) => Ok(response.into_response()),
            Err(error) if error.status() == StatusCode::METHOD_NOT_ALLOWED => {
                let mut response = problem_response(error).await;
                if let Some(methods) = self.allow.methods(&path) {
                    response
                        .headers_mut()
                        .insert(header::ALLOW, methods.clone());
                }
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_named_segment_goes_before_a_parameter() {
        let document = json!({"paths": {
            "/a/{id}": {"get": {}, "delete": {}},
            "/a/export": {"get": {}},
        }});
        let allow = Allow::of(&document);
        assert_eq!(allow.methods("/api/a/export").unwrap(), "GET");
        assert_eq!(allow.methods("/api/a/1").unwrap(), "DELETE, GET");
        assert_eq!(allow.methods("/api/b"), None);
    }
}
