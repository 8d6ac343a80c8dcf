//! Rules in the API: those that its document gives as examples, and where one has another shape than it must.

use serde_json::{Value, json};

use crate::support::Installation;

/// The descriptions of what is called so, wherever it stands in the document.
fn descriptions<'a>(document: &'a Value, name: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = vec![document];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => {
                let named = members
                    .get(name)
                    .and_then(|named| named["description"].as_str());
                found.extend(named);
                rest.extend(members.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn the_rules_that_the_document_gives_as_examples_can_be_read() {
    let installation = Installation::sqlite().await;
    let owner = &installation.owner;
    let document = installation
        .call("", "GET", "/api/openapi.json", None)
        .await;
    let document = document.ok(200);
    let mut tried = 0;
    for description in descriptions(&document, "where") {
        let Some((_, examples)) = description.split_once("such as ") else {
            continue;
        };
        for rule in examples.split('`').skip(1).step_by(2) {
            let body = json!({"where": rule});
            let answer = installation
                .call(owner, "POST", "/api/crm/segments/preview", Some(body))
                .await;
            assert_eq!(answer.status, 200, "{rule}");
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[tokio::test]
async fn a_rule_of_another_shape_is_refused_where_it_differs() {
    let installation = Installation::sqlite().await;
    let field = |op: &str| json!({"field": {"name": "city", "op": op, "value": "Oslo"}});
    for (rule, pointer, detail) in [
        (
            json!({"any": [field("="), {"all": [{"not": field("eq")}]}]}),
            "/rule/any/1/all/0/not/field/op",
            "expected one of",
        ),
        (
            json!({"all": [{"field": {"name": "city", "op": "=", "is": 1}}]}),
            "/rule/all/0/field",
            "unknown field `is`",
        ),
        (
            json!({"any": {"not": []}}),
            "/rule/any",
            "expected a sequence",
        ),
        (json!({"every": []}), "/rule", "unknown variant `every`"),
        (json!(7), "/rule", "invalid type"),
    ] {
        for path in ["/api/crm/segments", "/api/crm/segments/preview"] {
            let mut body = json!({"rule": rule});
            if path == "/api/crm/segments" {
                body["name"] = json!("A");
            }
            let answer = installation
                .call(&installation.owner, "POST", path, Some(body))
                .await;
            let problem = answer.problem(422);
            let at = problem["errors"][0]["pointer"].as_str().unwrap();
            assert!(at.starts_with(pointer), "{problem}");
            let why = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(why.contains(detail), "{problem}");
        }
    }
    let content = json!({"subject": "A", "blocks": {"blocks": 7}});
    let email = json!({"name": "A", "content": content});
    let answer = installation
        .call(
            &installation.owner,
            "POST",
            "/api/messaging/emails",
            Some(email),
        )
        .await;
    let problem = answer.problem(422);
    let at = problem["errors"][0]["pointer"].as_str().unwrap();
    assert!(at.starts_with("/content/blocks"), "{problem}");
}
