//! Where a JSON body does not fit: poem-openapi says that it does not, and the OpenAPI document says what was expected.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response,
    http::{Method, StatusCode},
};
use poem_openapi::{error::ParseRequestPayloadError, payload::Json};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    allow::segments,
    problem::{ApiError, FieldProblem, Problem},
};

/// Most problems that are told of one body.
const MOST: usize = 20;
/// Most schemas within each other that are looked at.
const DEEPEST: usize = 32;

/// Adds to the refusal of a body which of its fields are wrong, as the document has them.
#[derive(Clone)]
pub(crate) struct Explain(Arc<Bodies>);

struct Bodies {
    /// What schemas refer to.
    document: Value,
    /// Method, path (`None` where anything may stand), and the schema of the body.
    operations: Vec<(Method, Vec<Option<String>>, Value)>,
}

impl Explain {
    /// Knows the bodies of the document's operations.
    pub(crate) fn of(document: &Value) -> Self {
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let content = operation["requestBody"]["content"].as_object();
                let json = content
                    .into_iter()
                    .flatten()
                    .find(|(media_type, _)| media_type.starts_with("application/json"));
                let Some((_, content)) = json else {
                    continue;
                };
                let Ok(name) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                let fixed = |segment: &str| (!segment.starts_with('{')).then(|| segment.to_owned());
                let path = segments(path).map(fixed).collect();
                operations.push((name, path, content["schema"].clone()));
            }
        }
        Self(Arc::new(Bodies {
            document: json!({ "components": document["components"] }),
            operations,
        }))
    }
}

impl Bodies {
    /// The schema of the body of a request.
    fn schema(&self, method: &Method, path: &str) -> Option<&Value> {
        let asked: Vec<_> = segments(path).collect();
        let fits = |known: &[Option<String>]| {
            let mut pairs = known.iter().zip(&asked);
            known.len() == asked.len()
                && pairs.all(|(known, asked)| known.as_ref().is_none_or(|known| known == asked))
        };
        let fitting = self
            .operations
            .iter()
            .filter(|(known, segments, _)| known == method && fits(segments));
        let fixed = |segments: &[Option<String>]| segments.iter().flatten().count();
        fitting
            .max_by_key(|(_, segments, _)| fixed(segments))
            .map(|(.., schema)| schema)
    }

    /// The refusal with its fields; without any, if the document does not know either.
    fn explain(
        &self,
        schema: &Value,
        body: &[u8],
        error: &ParseRequestPayloadError,
    ) -> Option<ApiError> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let mut look = Look {
            document: &self.document,
            unknown: unknown_field(&error.reason),
            found: Vec::new(),
        };
        look.check(schema, &body, "", 0);
        let errors = look.found;
        let detail = match errors.as_slice() {
            [] => return None,
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} fields are wrong", many.len()),
        };
        let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail);
        Some(ApiError::BadRequest(Json(Problem { errors, ..problem })))
    }
}

/// The field that poem-openapi does not know: ``unknown field `nmae`.``
fn unknown_field(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("unknown field `")?;
    rest.split_once('`').map(|(name, _)| name)
}

/// A step of a JSON pointer (RFC 6901 §3).
fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Compares a body with its schema.
struct Look<'a> {
    document: &'a Value,
    /// The one field that was refused for it.
    unknown: Option<&'a str>,
    found: Vec<FieldProblem>,
}

impl<'a> Look<'a> {
    fn tell(&mut self, at: &str, detail: String) {
        if self.found.len() < MOST && !self.found.iter().any(|known| known.pointer == at) {
            let pointer = at.to_owned();
            self.found.push(FieldProblem { pointer, detail });
        }
    }

    fn check(&mut self, schema: &'a Value, value: &Value, at: &str, depth: usize) {
        if depth > DEEPEST || (value.is_null() && schema["nullable"] == true) {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            let referred = self.document.pointer(name.trim_start_matches('#'));
            if let Some(schema) = referred {
                self.check(schema, value, at, depth + 1);
            }
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, depth + 1);
        }
        if schema["discriminator"].is_object() {
            self.check_variant(&schema["discriminator"], value, at, depth);
            return;
        }
        let fits = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("string") => is_text(schema, value),
            _ => true,
        };
        if !fits {
            self.tell(
                at,
                format!("expected {}, found {}", expected(schema), kind(value)),
            );
            return;
        }
        if let Some(problem) = out_of_bounds(schema, value) {
            self.tell(at, problem);
        }
        match value {
            Value::Object(fields) => {
                for name in schema["required"].as_array().into_iter().flatten() {
                    let name = name.as_str().unwrap_or_default();
                    if !fields.contains_key(name) {
                        let schema = &schema["properties"][name];
                        let detail = format!(
                            "it is missing: expected {}",
                            expected(self.resolved(schema))
                        );
                        self.tell(&format!("{at}/{}", escape(name)), detail);
                    }
                }
                let Some(known) = schema["properties"].as_object() else {
                    return;
                };
                for (name, value) in fields {
                    let at = format!("{at}/{}", escape(name));
                    match known.get(name) {
                        Some(schema) => self.check(schema, value, &at, depth + 1),
                        None if self.unknown == Some(name) => {
                            let names: Vec<_> = known.keys().map(String::as_str).collect();
                            let detail = format!(
                                "there is no such field here; known are {}",
                                names.join(", ")
                            );
                            self.tell(&at, detail);
                        }
                        None => {}
                    }
                }
            }
            Value::Array(items) if schema["items"].is_object() => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}/{index}"), depth + 1);
                }
            }
            _ => {}
        }
    }

    /// One of several objects, told apart by a field.
    fn check_variant(&mut self, discriminator: &'a Value, value: &Value, at: &str, depth: usize) {
        let field = discriminator["propertyName"].as_str().unwrap_or_default();
        let Some(variants) = discriminator["mapping"].as_object() else {
            return;
        };
        let chosen = value.get(field).and_then(Value::as_str);
        let chosen = chosen
            .and_then(|name| variants.get(name))
            .and_then(Value::as_str);
        let schema = chosen.and_then(|at| self.document.pointer(at.trim_start_matches('#')));
        if let Some(schema) = schema {
            self.check(schema, value, at, depth + 1);
        } else {
            let names: Vec<_> = variants.keys().map(String::as_str).collect();
            let detail = format!("expected one of {}", names.join(", "));
            self.tell(&format!("{at}/{}", escape(field)), detail);
        }
    }

    /// What a schema refers to.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let referred = schema["$ref"].as_str();
        let referred =
            referred.and_then(|name| self.document.pointer(name.trim_start_matches('#')));
        referred.unwrap_or(schema)
    }
}

/// Whether a value is text of the wanted form. Numbers and truth values are taken for text where no form is asked for.
fn is_text(schema: &Value, value: &Value) -> bool {
    let Some(text) = value.as_str() else {
        let is_free = schema["format"].is_null() && schema["enum"].is_null();
        return is_free && (value.is_number() || value.is_boolean());
    };
    match schema["format"].as_str() {
        Some("uuid") => text.parse::<Uuid>().is_ok(),
        Some("date-time") => text.parse::<DateTime<Utc>>().is_ok(),
        _ => schema["enum"]
            .as_array()
            .is_none_or(|known| known.iter().any(|known| known == text)),
    }
}

fn out_of_bounds(schema: &Value, value: &Value) -> Option<String> {
    let limit = |name: &str| schema[name].as_f64();
    #[expect(clippy::cast_precision_loss, reason = "no body is that long")]
    let (size, lower, upper, what) = match value {
        Value::String(text) => (
            text.chars().count() as f64,
            "minLength",
            "maxLength",
            " characters",
        ),
        Value::Array(items) => (items.len() as f64, "minItems", "maxItems", " entries"),
        Value::Number(number) => (number.as_f64()?, "minimum", "maximum", ""),
        _ => return None,
    };
    if let Some(least) = limit(lower).filter(|least| size < *least) {
        return Some(format!("expected at least {least}{what}, found {size}"));
    }
    let most = limit(upper).filter(|most| size > *most)?;
    Some(format!("expected at most {most}{what}, found {size}"))
}

/// What a schema asks for, in words.
fn expected(schema: &Value) -> String {
    if let Some(known) = schema["enum"].as_array() {
        let names: Vec<_> = known.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", names.join(", "));
    }
    let words = match (schema["type"].as_str(), schema["format"].as_str()) {
        (_, Some("date-time")) => "a date and time such as 2026-01-01T00:00:00Z",
        (_, Some("uuid")) => "an id such as 0198c2a4-7b1e-7c3a-9f52-3d5e8a6b1c40",
        (Some("string"), _) => "text",
        (Some("integer"), _) => "a whole number",
        (Some("number"), _) => "a number",
        (Some("boolean"), _) => "true or false",
        (Some("array"), _) => "a list",
        (Some("object"), _) => "an object",
        _ => "a value",
    };
    words.to_owned()
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl<E: Endpoint> Middleware<E> for Explain {
    type Output = Explaining<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Explaining {
            inner,
            explain: self.clone(),
        }
    }
}

/// An endpoint behind [`Explain`].
pub(crate) struct Explaining<E> {
    inner: E,
    explain: Explain,
}

impl<E: Endpoint> Endpoint for Explaining<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let bodies = &self.explain.0;
        let schema = bodies.schema(request.method(), request.uri().path());
        let is_json = request
            .content_type()
            .is_some_and(|content_type| content_type.contains("json"));
        let Some(schema) = schema.filter(|_| is_json) else {
            return Ok(self.inner.call(request).await?.into_response());
        };
        let body = request.take_body().into_bytes().await?;
        request.set_body(body.clone());
        match self.inner.call(request).await {
            Ok(response) => Ok(response.into_response()),
            Err(error) => {
                let refused = error.downcast_ref::<ParseRequestPayloadError>();
                let told = refused.and_then(|refused| bodies.explain(schema, &body, refused));
                Err(told.map_or(error, Into::into))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_that_does_not_fit_is_pointed_at() {
        let document = json!({
            "paths": {"/things/{id}": {"patch": {"requestBody": {"content": {
                "application/json; charset=utf-8": {"schema": {"$ref": "#/components/schemas/Thing"}},
            }}}}},
            "components": {"schemas": {
                "Thing": {"type": "object", "required": ["name", "inner"], "properties": {
                    "name": {"type": "string", "maxLength": 3},
                    "at": {"type": "string", "format": "date-time", "nullable": true},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "ids": {"type": "array", "items": {"type": "string", "format": "uuid"}},
                    "inner": {"allOf": [{"$ref": "#/components/schemas/Inner"}, {"description": "x"}]},
                }},
                "Inner": {"type": "object", "properties": {"n/m": {"type": "integer", "minimum": 1}}},
            }},
        });
        let explain = Explain::of(&document);
        let path = "/api/things/0198c2a4";
        let schema = explain.0.schema(&Method::PATCH, path).unwrap();
        assert!(explain.0.schema(&Method::POST, path).is_none());
        let told = |body: Value, reason: &str| -> Vec<String> {
            let error = ParseRequestPayloadError {
                reason: reason.to_owned(),
            };
            let explained = explain
                .0
                .explain(schema, body.to_string().as_bytes(), &error);
            let Some(ApiError::BadRequest(Json(problem))) = explained else {
                return Vec::new();
            };
            let errors = problem.errors.into_iter();
            errors
                .map(|one| format!("{} {}", one.pointer, one.detail))
                .collect()
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(
            told(json!({"name": "x", "inner": {"n/m": 1}, "at": null}), ""),
            none
        );
        assert_eq!(told(json!({"name": 3, "inner": {}, "more": 1}), ""), none);
        assert_eq!(
            told(
                json!({"name": "x", "inner": {}, "at": 1, "more": 1}),
                "unknown field `more`."
            ),
            [
                "/at expected a date and time such as 2026-01-01T00:00:00Z, found a number",
                "/more there is no such field here; known are at, ids, inner, kind, name",
            ]
        );
        assert_eq!(
            told(
                json!({"name": "long", "inner": {"n/m": 0}, "kind": "c", "ids": ["x"]}),
                ""
            ),
            [
                "/ids/0 expected an id such as 0198c2a4-7b1e-7c3a-9f52-3d5e8a6b1c40, found text",
                "/inner/n~1m expected at least 1, found 0",
                "/kind expected one of a, b, found text",
                "/name expected at most 3 characters, found 4",
            ]
        );
        assert_eq!(told(json!([]), ""), [" expected an object, found a list"]);
        assert_eq!(
            told(json!({"inner": "x"}), ""),
            [
                "/name it is missing: expected text",
                "/inner expected an object, found text"
            ]
        );
    }
}
