//! Every operation of the document, made up so that it can be called.

use serde_json::{Value, json};

use super::{HTML, NOBODY};
use crate::support::{Answer, Installation, request};

pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) csv: bool,
    /// Whether it wants an API token.
    pub(super) by_token: bool,
}

/// Every operation of the document, with a body that its schema allows.
pub(super) async fn operations() -> Vec<Operation> {
    let document = mauntic_server::openapi_document().await.unwrap();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"];
            let schema = content.as_object().and_then(|types| {
                types
                    .iter()
                    .find(|(name, _)| name.starts_with("application/json"))
                    .map(|(_, content)| &content["schema"])
            });
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let mut body = schema.map(|schema| sample("", schema, &document));
            // Either of two is needed, which the schema cannot say.
            match id.as_str() {
                "createEmail" => body.as_mut().unwrap()["content"]["html"] = json!(HTML),
                "createBulkChange" => body.as_mut().unwrap()["filter"] = json!({}),
                _ => {}
            }
            all.push(Operation {
                id,
                method: method.to_uppercase(),
                path: format!("/api{}", fill(path, operation)),
                body,
                csv: content.get("text/csv").is_some(),
                by_token: operation["security"]
                    .as_array()
                    .is_some_and(|ways| ways.iter().any(|way| way.get("Token").is_some())),
            });
        }
    }
    all
}

fn fill(path: &str, operation: &Value) -> String {
    let mut path = path.trim_start_matches("/api").to_owned();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "path" {
            let name = parameter["name"].as_str().unwrap();
            let value = match name {
                "channel" => "email",
                "email" | "address" => "ann@example.com",
                "tag" | "alias" => "unheard_of",
                _ => NOBODY,
            };
            path = path.replace(&format!("{{{name}}}"), value);
        }
        if parameter["in"] == "query" && parameter["required"] == true {
            let sign = if path.contains('?') { '&' } else { '?' };
            let name = parameter["name"].as_str().unwrap();
            let value = match name {
                "behind" => "accepted",
                "segment_id" => NOBODY,
                _ => "sample",
            };
            path = format!("{path}{sign}{name}={value}");
        }
    }
    path
}

/// A value that a schema allows, with what is required alone.
fn sample(name: &str, schema: &Value, document: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return sample(name, target, document);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return sample(name, &all[0], document);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let names = required.filter_map(Value::as_str);
            names
                .map(|name| {
                    let value = sample(name, &schema["properties"][name], document);
                    (name.to_owned(), value)
                })
                .collect()
        }
        Some("array") if schema["minItems"].as_u64() > Some(0) => {
            let name = if name == "addresses" { "address" } else { name };
            json!([sample(name, &schema["items"], document)])
        }
        Some("array") => json!([]),
        Some("string") => match (schema["format"].as_str(), name) {
            (Some("uuid"), _) => json!(NOBODY),
            (Some("date-time"), _) => json!("2026-01-01T00:00:00Z"),
            (_, "email" | "address") => json!("ann@example.com"),
            (_, "domain") => json!("example.com"),
            (_, "type") => json!("text"),
            (_, "subject") => json!("Hi"),
            _ => json!("sample"),
        },
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        _ => Value::Null,
    }
}

pub(super) async fn perform(
    installation: &Installation,
    token: &str,
    operation: &Operation,
) -> Answer {
    if operation.csv {
        let request = request(token, &operation.method, &operation.path)
            .content_type("text/csv")
            .body("email\nann@example.com\n");
        return installation.send(request).await;
    }
    installation
        .call(
            token,
            &operation.method,
            &operation.path,
            operation.body.clone(),
        )
        .await
}
