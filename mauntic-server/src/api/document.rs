//! The OpenAPI document: what poem-openapi derives from the code, and what it cannot know.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Methods whose operations a document lists.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Completes the derived document: schemas of stored documents, and the headers that every operation shares.
#[must_use]
pub(crate) fn complete(mut document: Value, schemas: Map<String, Value>) -> Value {
    accept_null(&mut document);
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

/// A stream of events is no array: each event stands alone, with its data as JSON in text (WHATWG HTML, "server-sent
/// events"). OpenAPI 3.0 cannot say what that JSON is, so an extension does.
fn describe_events(operation: &mut Value) {
    let responses = operation
        .get_mut("responses")
        .and_then(Value::as_object_mut);
    for response in responses.into_iter().flat_map(Map::values_mut) {
        let Some(schema) = response.pointer_mut("/content/text~1event-stream/schema") else {
            continue;
        };
        let data = schema.get("items").cloned().unwrap_or_default();
        *schema = json!({
            "type": "object",
            "required": ["data"],
            "properties": {
                "event": { "type": "string" },
                "data": { "type": "string", "description": "JSON", "x-content-schema": data },
            },
        });
    }
}

/// In a body, `null` for a property that may be left out means the same as leaving it out, unless the operation says
/// more of it (clearing a value). poem-openapi reads bodies so, but does not say it.
fn accept_null(document: &mut Value) {
    let mut names = BTreeSet::new();
    let paths = document["paths"].clone();
    let operations = paths
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        .flat_map(Map::values);
    for operation in operations {
        collect_schemas(&operation["requestBody"], document, &mut names);
    }
    for name in names {
        let schema = &mut document["components"]["schemas"][name];
        let required = schema.get("required").cloned();
        let is_required = |name: &str| {
            required
                .as_ref()
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|required| required == name))
        };
        let properties = schema.get_mut("properties");
        let Some(properties) = properties.and_then(Value::as_object_mut) else {
            continue;
        };
        for (name, property) in properties {
            if is_required(name) {
                continue;
            }
            // Beside a reference, OpenAPI 3.0 ignores everything else.
            if property.get("$ref").is_some() {
                *property = json!({ "allOf": [property.take()] });
            }
            if property
                .as_object()
                .is_some_and(|schema| !schema.is_empty())
            {
                property["nullable"] = json!(true);
            }
        }
    }
}

/// The names of the schemas that a part of the document refers to, and that these refer to.
fn collect_schemas(part: &Value, document: &Value, names: &mut BTreeSet<String>) {
    match part {
        Value::Object(map) => {
            let reference = map.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|at| at.strip_prefix("#/components/schemas/"))
                && names.insert(name.to_owned())
            {
                collect_schemas(&document["components"]["schemas"][name], document, names);
            }
            map.values()
                .for_each(|part| collect_schemas(part, document, names));
        }
        Value::Array(parts) => parts
            .iter()
            .for_each(|part| collect_schemas(part, document, names)),
        _ => {}
    }
}

fn complete_operation(method: &str, operation: &mut Value) {
    describe_events(operation);
    let by_token = operation
        .get("security")
        .and_then(Value::as_array)
        .is_some_and(|ways| ways.iter().any(|way| way.get("Token").is_some()));
    if method == "post" && by_token {
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
    fn what_a_body_may_leave_out_may_be_null() {
        let mut document = json!({
            "paths": {"/x": {"post": {"requestBody": {"schema": {"$ref": "#/components/schemas/A"}}}}},
            "components": {"schemas": {
                "A": {"required": ["a"], "properties": {
                    "a": {"type": "string"}, "b": {"type": "string"},
                    "c": {"$ref": "#/components/schemas/B"},
                }},
                "B": {"properties": {"d": {"type": "integer"}}},
                "Answer": {"properties": {"e": {"type": "integer"}}},
            }},
        });
        accept_null(&mut document);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["A"]["properties"]["a"], json!({"type": "string"}));
        assert_eq!(schemas["A"]["properties"]["b"]["nullable"], true);
        assert_eq!(schemas["A"]["properties"]["c"]["nullable"], true);
        assert_eq!(schemas["B"]["properties"]["d"]["nullable"], true);
        assert_eq!(
            schemas["Answer"]["properties"]["e"],
            json!({"type": "integer"})
        );
    }

    #[test]
    fn every_post_with_a_token_takes_an_idempotency_key() {
        let security = json!([{"Token": []}]);
        let document = json!({"paths": {
            "/x": {"post": {"security": security}, "get": {"security": security}},
            "/y": {"post": {}},
        }});
        let document = complete(document, Map::new());
        assert_eq!(
            document.pointer("/paths/~1x/post/parameters/0/name"),
            Some(&json!("Idempotency-Key"))
        );
        assert_eq!(document.pointer("/paths/~1x/get/parameters"), None);
        assert_eq!(document.pointer("/paths/~1y/post/parameters"), None);
    }
}
