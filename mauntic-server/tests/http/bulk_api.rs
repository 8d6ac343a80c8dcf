//! Changes of many contacts, saved views and records of one person, through the JSON API.

use mauntic_core::WorkerId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Installation};

const BULK: &str = "/api/crm/bulk";
const VIEWS: &str = "/api/crm/views";

struct Desk(Installation);

impl Desk {
    async fn new() -> Self {
        let desk = Self(Installation::sqlite().await);
        for number in 0..3 {
            let body =
                json!({"fields": {"email": format!("p{number}@example.com")}, "tags": ["old"]});
            desk.owner("POST", "/api/crm/contacts", body).await.ok(201);
        }
        desk
    }

    async fn owner(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        let Self(installation) = self;
        installation
            .call(&installation.owner, method, path, body)
            .await
    }

    async fn viewer(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        let Self(installation) = self;
        installation
            .call(&installation.viewer, method, path, body)
            .await
    }

    async fn work(&self) {
        let worker = WorkerId::from_uuid(Uuid::from_u128(1));
        while self.0.app.bulk.run_once(worker, &|| false).await.unwrap() {}
    }

    async fn tagged(&self, tag: &str) -> usize {
        let path = format!("/api/crm/contacts?tag={tag}");
        let page = self.owner("GET", &path, Value::Null).await.ok(200);
        page["items"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_change_of_many_is_begun_paused_resumed_and_listed() {
    let desk = Desk::new().await;
    let body = json!({
        "filter": {"tag": "old"}, "at_most": 3,
        "action": {"kind": "tags", "add": ["new"], "remove": ["old"]},
    });
    let made = desk.owner("POST", BULK, body).await.ok(201);
    let at = format!("{BULK}/{}", made["id"].as_str().unwrap());
    assert_eq!(
        (&made["state"], &made["total"]),
        (&json!("pending"), &json!(3))
    );
    assert_eq!(made["filter"], json!({"tag": "old"}));
    let steer = async |step: &str| {
        let path = format!("{at}/{step}");
        desk.owner("POST", &path, Value::Null).await
    };
    assert_eq!(steer("pause").await.ok(200)["state"], "paused");
    desk.work().await;
    assert_eq!(desk.tagged("new").await, 0);
    assert_eq!(steer("pause").await.problem(409)["code"], "wrong_state");
    assert_eq!(steer("resume").await.ok(200)["state"], "pending");
    desk.work().await;
    let done = desk.owner("GET", &at, Value::Null).await.ok(200);
    assert_eq!(
        (&done["state"], &done["done"]),
        (&json!("completed"), &json!(3))
    );
    assert_eq!(desk.tagged("new").await, 3);
    assert_eq!(steer("cancel").await.problem(409)["code"], "wrong_state");
    let list = desk.viewer("GET", BULK, Value::Null).await.ok(200);
    assert_eq!(list["items"][0]["id"], made["id"]);
    let action = json!({"kind": "tags", "add": ["new"], "remove": ["old"]});
    assert_eq!(list["items"][0]["action"], action);
    let stranger = desk.0.stranger.clone();
    for (method, path) in [("GET", at.clone()), ("POST", format!("{at}/pause"))] {
        let answer = desk.0.call(&stranger, method, &path, None).await;
        answer.problem(404);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_says_where() {
    let desk = Desk::new().await;
    let all = json!({});
    for (body, pointer) in [
        (json!({"action": {"kind": "delete"}}), "/contact_ids"),
        (
            json!({"filter": all, "contact_ids": [], "action": {"kind": "delete"}}),
            "/contact_ids",
        ),
        (
            json!({"filter": all, "action": {"kind": "add_to_segment"}}),
            "/action/segment_id",
        ),
        (
            json!({"filter": all, "action": {"kind": "set_field", "value": "x"}}),
            "/action/field",
        ),
        (
            json!({"filter": all, "action": {"kind": "do_not_contact"}}),
            "/action/channel",
        ),
        (
            json!({"filter": all, "action": {"kind": "tags", "add": ["a|b"]}}),
            "/action/add/0",
        ),
        (
            json!({"filter": {"tag": "a|b"}, "action": {"kind": "delete"}}),
            "/filter/tag",
        ),
    ] {
        let problem = desk.owner("POST", BULK, body.clone()).await.problem(422);
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{body}: {problem}"
        );
    }
    let body = json!({"filter": all, "at_most": 2, "action": {"kind": "delete"}});
    let more = desk.owner("POST", BULK, body.clone()).await.problem(409);
    assert_eq!(more["code"], "more_than_agreed");
    desk.viewer("POST", BULK, body).await.problem(403);
    let list = desk.owner("GET", BULK, Value::Null).await.ok(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn views_of_everybody_are_saved_listed_and_deleted() {
    let desk = Desk::new().await;
    let body = json!({"name": "New ones", "query": "tag=new", "shared": true});
    desk.viewer("POST", VIEWS, body.clone()).await.problem(403);
    let made = desk.owner("POST", VIEWS, body).await.ok(201);
    let body = json!({"name": "NEW ones", "query": "tag=newer", "shared": true});
    let again = desk.owner("POST", VIEWS, body).await.ok(201);
    assert_eq!(again["id"], made["id"]);
    let own = json!({"name": "Mine", "query": ""});
    desk.owner("POST", VIEWS, own).await.problem(400);
    let list = desk.viewer("GET", VIEWS, Value::Null).await.ok(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["query"], "tag=newer");
    let at = format!("{VIEWS}/{}", made["id"].as_str().unwrap());
    let stranger = desk.0.stranger.clone();
    desk.0
        .call(&stranger, "DELETE", &at, None)
        .await
        .problem(404);
    desk.viewer("DELETE", &at, Value::Null).await.problem(403);
    assert_eq!(desk.owner("DELETE", &at, Value::Null).await.status, 204);
    desk.owner("DELETE", &at, Value::Null).await.problem(404);
}

#[tokio::test]
async fn records_of_one_person_are_found() {
    let desk = Desk::new().await;
    let make = async |email: &str| {
        let body = json!({"email": email});
        let made = desk.owner("POST", "/api/crm/contacts", body).await.ok(201);
        made["id"].as_str().unwrap().to_owned()
    };
    let (ann, twin) = (
        make("ann@example.com").await,
        make("ann+x@example.com").await,
    );
    let path = format!("/api/crm/contacts/{ann}/merge-candidates");
    let found = desk.viewer("GET", &path, Value::Null).await.ok(200);
    assert_eq!(found["items"][0]["contact"]["id"], twin.as_str());
    assert_eq!(found["items"][0]["because"], json!(["mailbox"]));
}
