//! Who is in charge of contacts, and where an organisation counts its days: Identity's answers, and what the CRM makes
//! of them.

use chrono::TimeDelta;
use mauntic_core::{Operator, WorkerId, identity::UpdateOrganization};
use mauntic_server::settle_events;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Installation};

const CONTACTS: &str = "/api/crm/contacts";
const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(1));

async fn owner(installation: &Installation, method: &str, path: &str, body: Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    installation
        .call(&installation.owner, method, path, body)
        .await
}

/// The id of the member with an address.
async fn member(installation: &Installation, email: &str) -> String {
    let page = installation.app.identity.members(
        &installation.ours,
        None,
        mauntic_core::PageSize::default(),
    );
    let members = page.await.unwrap().items;
    let found = members.iter().find(|member| member.email.as_str() == email);
    found.unwrap().user_id.to_string()
}

/// An installation with Mia, a member, and her id.
async fn with_mia() -> (Installation, String) {
    let installation = Installation::sqlite().await;
    let password = "correct horse battery";
    installation
        .member("mia@example.com", "Mia", "member", password)
        .await;
    let mia = member(&installation, "mia@example.com").await;
    (installation, mia)
}

#[tokio::test]
async fn contacts_belong_to_members() {
    let (installation, mia) = with_mia().await;
    let stranger = Uuid::from_u128(77).to_string();
    let input = |email: &str, owner: &str| json!({"email": email, "owner_id": owner});
    let made = owner(
        &installation,
        "POST",
        CONTACTS,
        input("a@example.com", &mia),
    )
    .await;
    let made = made.ok(201);
    assert_eq!(made["owner_id"], json!(mia));
    let wrong = |answer: Answer| {
        let problem = answer.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/owner_id", "{problem}");
    };
    let body = input("b@example.com", &stranger);
    wrong(owner(&installation, "POST", CONTACTS, body).await);
    let one = format!("{CONTACTS}/{}", made["id"].as_str().unwrap());
    let body = json!({"owner_id": stranger});
    wrong(owner(&installation, "PATCH", &one, body).await);
    let body =
        json!({"contacts": [input("c@example.com", &stranger), input("d@example.com", &mia)]});
    let batch = format!("{CONTACTS}/batch/create");
    let done = owner(&installation, "POST", &batch, body).await.ok(200);
    assert_eq!(
        (&done["succeeded"], &done["failed"]),
        (&json!(1), &json!(1))
    );
    // Of many at once.
    let bulk =
        |owner: &str| json!({"filter": {}, "action": {"kind": "set_owner", "owner_id": owner}});
    let bulk_api = "/api/crm/bulk";
    owner(&installation, "POST", bulk_api, bulk(&stranger))
        .await
        .problem(422);
    let none = json!({"filter": {}, "action": {"kind": "set_owner"}});
    owner(&installation, "POST", bulk_api, none).await.ok(201);
    let stage = json!({"filter": {}, "action": {"kind": "set_stage", "stage": "lead"}});
    let staged = owner(&installation, "POST", bulk_api, stage).await.ok(201);
    assert_eq!(
        staged["action"],
        json!({"kind": "set_stage", "stage": "lead"})
    );
    let work = &installation.app.bulk;
    while work.run_once(WORKER, &|| false).await.unwrap() {}
    let now = owner(&installation, "GET", &one, Value::Null).await.ok(200);
    assert_eq!(
        (&now["owner_id"], &now["stage"]),
        (&Value::Null, &json!("lead"))
    );
    owner(&installation, "POST", bulk_api, bulk(&mia))
        .await
        .ok(201);
    while work.run_once(WORKER, &|| false).await.unwrap() {}
    // Rules know members by their addresses.
    let body = json!({"where": "owner = \"Mia@Example.com\""});
    let preview = owner(&installation, "POST", "/api/crm/segments/preview", body).await;
    assert_eq!(preview.ok(200)["count"], 2);
}

#[tokio::test]
async fn nobody_who_is_blocked_is_given_contacts() {
    let (installation, mia) = with_mia().await;
    let give = async |email: &str| {
        let body = json!({"email": email, "owner_id": mia});
        owner(&installation, "POST", CONTACTS, body).await
    };
    let refused = async |email: &str| {
        let problem = give(email).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], "/owner_id", "{problem}");
    };
    give("a@example.com").await.ok(201);
    let block = format!("/api/identity/members/{mia}/block");
    let blocked = owner(&installation, "PUT", &block, Value::Null).await;
    assert_eq!(blocked.status, 204);
    refused("b@example.com").await;
    let unblocked = owner(&installation, "DELETE", &block, Value::Null).await;
    assert_eq!(unblocked.status, 204);
    give("b@example.com").await.ok(201);
    // The same if the account is blocked everywhere.
    let (identity, operator) = (&installation.app.identity, Operator::local());
    let mia = mia.parse().unwrap();
    identity.block_user(&operator, mia).await.unwrap();
    refused("c@example.com").await;
}

#[tokio::test]
async fn another_time_zone_has_segments_rebuilt_for_its_days() {
    let installation = Installation::sqlite().await;
    let body = json!({"name": "Today", "where": "created_at = today"});
    let segment = owner(&installation, "POST", "/api/crm/segments", body).await;
    let id = segment.ok(201)["id"].as_str().unwrap().parse().unwrap();
    let app = &installation.app;
    let rebuild = async || {
        while app.segment_worker.run_due_rebuilds(WORKER).await.unwrap() {}
        let found = app.segments.find(&installation.ours, id).await.unwrap();
        found.next_rebuild_at.unwrap()
    };
    let midnight = rebuild().await;
    let command = UpdateOrganization {
        timezone: Some("Asia/Kathmandu".parse().unwrap()),
        ..UpdateOrganization::default()
    };
    let changed = app
        .identity
        .update_organization(&installation.ours, command);
    changed.await.unwrap();
    settle_events(app).await.unwrap();
    let elsewhere = rebuild().await;
    // Its midnight is 18:15 in UTC.
    let apart = (midnight - elsewhere).num_minutes().rem_euclid(24 * 60);
    assert_eq!(TimeDelta::minutes(apart), TimeDelta::minutes(5 * 60 + 45));
    let name = UpdateOrganization {
        name: Some("Still ours".parse().unwrap()),
        ..UpdateOrganization::default()
    };
    let changed = app.identity.update_organization(&installation.ours, name);
    changed.await.unwrap();
    settle_events(app).await.unwrap();
    assert!(!app.segment_worker.run_due_rebuilds(WORKER).await.unwrap());
}
