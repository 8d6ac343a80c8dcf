//! Bodies that do not fit are refused with the place, in words that need no knowledge of types.

use serde_json::json;

use crate::support::Installation;

#[tokio::test]
async fn a_body_that_does_not_fit_is_told_where() {
    let installation = Installation::sqlite().await;
    let owner = &installation.owner;
    let id = "0198c2a4-7b1e-7c3a-9f52-3d5e8a6b1c40";
    let time = "expected a date and time such as 2026-01-01T00:00:00Z, found text";
    let cases = [
        // Of a wrong type, or of a wrong form.
        (
            "POST",
            "/api/messaging/sends".to_owned(),
            json!({"email_id": id, "segment_id": id, "at": "soon"}),
            "/at",
            time,
        ),
        (
            "POST",
            "/api/messaging/sends".to_owned(),
            json!({"email_id": "News", "segment_id": id}),
            "/email_id",
            "expected an id such as",
        ),
        (
            "PATCH",
            format!("/api/crm/contacts/{id}"),
            json!({"points": "many"}),
            "/points",
            "expected a whole number, found text",
        ),
        (
            "POST",
            "/api/crm/contacts/batch/create".to_owned(),
            json!({"contacts": [{"email": "ann@example.com"}, {"tags": "vip"}]}),
            "/contacts/1/tags",
            "expected a list, found text",
        ),
        (
            "POST",
            "/api/crm/contacts".to_owned(),
            json!([]),
            "",
            "expected an object, found a list",
        ),
        // Missing.
        (
            "POST",
            "/api/crm/contacts/batch/create".to_owned(),
            json!({"update_existing": true}),
            "/contacts",
            "it is missing: expected a list",
        ),
        (
            "POST",
            "/api/messaging/emails".to_owned(),
            json!({"name": "A", "content": {"html": "<p>Hi</p>"}}),
            "/content/subject",
            "it is missing: expected text",
        ),
        // None of the choices.
        (
            "POST",
            "/api/identity/tokens".to_owned(),
            json!({"name": "A", "role": "boss"}),
            "/role",
            "expected one of ",
        ),
        // Unheard of.
        (
            "POST",
            "/api/crm/contacts".to_owned(),
            json!({"email": "ann@example.com", "firstname": "Ann"}),
            "/firstname",
            "there is no such field here; known are ",
        ),
        (
            "POST",
            "/api/messaging/emails".to_owned(),
            json!({"name": "A", "content": {"subject": "A", "html": "<p>Hi</p>", "from": "a@example.com"}}),
            "/content/from",
            "from_address",
        ),
        // Too long.
        (
            "POST",
            "/api/messaging/emails".to_owned(),
            json!({"name": "", "content": {"subject": "A", "html": "<p>Hi</p>"}}),
            "/name",
            "expected at least 1 characters, found 0",
        ),
    ];
    for (method, path, body, pointer, detail) in cases {
        let answer = installation.call(owner, method, &path, Some(body)).await;
        let problem = answer.problem(400);
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        assert_eq!(errors[0]["pointer"], pointer, "{problem}");
        let told = errors[0]["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{problem}");
        assert!(!problem.to_string().contains("string_"), "{problem}");
    }
    let none = installation
        .call(owner, "GET", "/api/crm/contacts", None)
        .await;
    assert_eq!(none.ok(200)["items"], json!([]), "nothing was made");
}
