//! A send that goes by the clocks of its recipients.

use mauntic_core::storage::test_database::TestDatabase;
use serde_json::json;

use super::{email, office, segment, work_until};
use crate::{mail::made, page::has};

async fn a_send_goes_by_the_clocks_of_its_people(database: TestDatabase) {
    let mut mia = office(database).await;
    let segment = segment(&mia.installation, &[("ann@example.com", "Ann")]).await;
    let kiri = json!({"email": "kiri@example.com", "fields": {"timezone": "Etc/GMT-14"}});
    let kiri = made(&mia.installation, "/api/crm/contacts", kiri).await;
    let ids = [kiri["id"].as_str().unwrap().parse().unwrap()];
    let (app, ours) = (&mia.installation.app, &mia.installation.ours);
    let to = segment.parse().unwrap();
    app.segments.add(ours, to, &ids).await.unwrap();
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}/send");
    // Seven hours ahead of UTC it is this time: in Kiritimati it is over, here it is to come.
    let time = mia.installation.app.clock.now() + chrono::TimeDelta::hours(7);
    let at = time.format("%Y-%m-%dT%H:%M").to_string();
    let form = [
        ("segment", segment.as_str()),
        ("at", at.as_str()),
        ("clock", "recipient"),
        ("version", "1"),
    ];
    let query = serde_urlencoded::to_string(form).unwrap();
    let page = mia.get(&format!("{place}/summary?{query}")).await;
    has(
        page,
        "Without a time zone</dt><dd>1 of 2: they get it by the clocks of UTC",
    );
    has(
        page,
        "Whose time is over</dt><dd>1 of 2: they get it at once",
    );
    mia.post(&place, &form).await;
    let send = mia.at.split('?').next().unwrap().to_owned();
    assert!(send.starts_with("/app/sends/"), "{}: {}", mia.at, mia.page);
    work_until(&mut mia, &send, "Accepted</div><div class=\"value\">1<").await;
    has(&mia.page, ">sending<");
    has(
        &mia.page,
        "Those who wait get it when their clocks show the time",
    );
    let id = send.rsplit('/').next().unwrap();
    let path = format!("/api/messaging/sends/{id}");
    let owner = mia.installation.owner.clone();
    let status = mia
        .installation
        .call(&owner, "GET", &path, None)
        .await
        .ok(200);
    assert_eq!(
        status["send"]["local_time"],
        time.format("%Y-%m-%dT%H:%M:00").to_string()
    );
    assert_eq!(status["send"]["local_time_fallback"], "UTC");
    assert_eq!(status["next_at"], status["eta"]);
    assert_eq!(status["counts"]["waiting"], 1);

    let both = json!({
        "email_id": email, "segment_id": segment,
        "at": "2099-01-01T00:00:00Z", "local_time": "2099-01-01T09:00",
    });
    for (body, detail) in [
        (both, "give either"),
        (
            json!({"email_id": email, "segment_id": segment, "local_time": "9am"}),
            "without a zone",
        ),
    ] {
        let answer = mia
            .installation
            .call(&owner, "POST", "/api/messaging/sends", Some(body))
            .await;
        let problem = answer.ok(422).to_string();
        has(&problem, detail);
        has(&problem, "/local_time");
    }
}

#[tokio::test]
async fn a_send_goes_by_the_clocks_of_its_people_on_both_back_ends() {
    for database in [TestDatabase::sqlite(), TestDatabase::postgres().await] {
        a_send_goes_by_the_clocks_of_its_people(database).await;
    }
}
