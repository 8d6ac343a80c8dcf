//! The OpenAPI document: what poem-openapi derives from the code, and what it cannot know.

use serde_json::{Map, Value, json};

/// Methods whose operations a document lists.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Completes the derived document: schemas of stored documents, and the headers that every operation shares.
#[must_use]
pub(crate) fn complete(mut document: Value, schemas: Map<String, Value>) -> Value {
    if let Some(known) = document
        .pointer_mut("/components/schemas")
        .and_then(Value::as_object_mut)
    {
        known.extend(schemas);
    }
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else {
        return document;
    };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        for method in METHODS {
            if let Some(operation) = operations.get_mut(method) {
                complete_operation(method, operation);
            }
        }
    }
    document
}

fn complete_operation(method: &str, operation: &mut Value) {
    if method == "post" {
        let parameters = operation
            .as_object_mut()
            .map(|o| o.entry("parameters").or_insert_with(|| json!([])));
        if let Some(Value::Array(parameters)) = parameters {
            parameters.push(idempotency_key());
        }
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "deprecated": false,
        "description": "Makes it safe to send the request again: within 24 hours the same key with the same \
            content is answered with the first answer, and nothing is done twice.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_post_takes_an_idempotency_key() {
        let document =
            json!({"paths": {"/x": {"post": {"responses": {}}, "get": {"responses": {}}}}});
        let document = complete(document, Map::new());
        assert_eq!(
            document.pointer("/paths/~1x/post/parameters/0/name"),
            Some(&json!("Idempotency-Key"))
        );
        assert_eq!(document.pointer("/paths/~1x/get/parameters"), None);
    }
}
