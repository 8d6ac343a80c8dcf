//! Sends that are summed up, made, paused, resumed and cancelled, by those who may.

use mauntic_core::storage::test_database::TestDatabase;
use serde_json::json;

use super::{email, office, segment};
use crate::{mail::made, page::has, people::PASSWORD};

#[tokio::test]
async fn a_send_is_summed_up_made_steered_and_nobody_elses() {
    let mut mia = office(TestDatabase::chosen().await).await;
    let segment = segment(&mia.installation, &[]).await;
    let email = email(&mia.installation).await;
    let place = format!("/app/emails/{email}/send");
    has(mia.get(&place).await, "Readers (0)");
    let summary = format!("{place}/summary?segment={segment}&at=");
    let page = mia.get(&format!("{summary}2099-01-31T09:00")).await;
    has(page, "31 Jan 2099, 09:00 UTC");
    has(page, "Nobody is in this segment now");
    mia.get(&format!("{summary}soon")).await;
    assert_eq!(mia.status, 422);

    let page = mia
        .get(&format!("{summary}2099-01-31T09:00&clock=recipient"))
        .await;
    has(page, "31 Jan 2099, 09:00 on each recipient's clock");
    let page = mia.get(&format!("{summary}&clock=recipient")).await;
    has(page, "at once is the same on every clock");
    assert_eq!(mia.status, 422);

    let form = |version| {
        let at = ("at", "2099-01-31T09:00");
        [("segment", segment.as_str()), at, ("version", version)]
    };
    let page = mia.get(&format!("{summary}2099-01-31T09:00")).await;
    has(page, "name=\"version\" value=\"1\"");
    // What was agreed to is what is sent: in the meantime the email was changed.
    let path = format!("/api/messaging/emails/{email}");
    let (owner, renamed) = (mia.installation.owner.clone(), json!({"name": "Renamed"}));
    let installation = &mia.installation;
    let answer = installation.call(&owner, "PATCH", &path, Some(renamed));
    answer.await.ok(200);
    mia.post(&place, &form("1")).await;
    assert_eq!(mia.status, 409);
    has(&mia.page, "Nothing was sent");
    has(&mia.page, "Renamed");
    has(&mia.page, "name=\"version\" value=\"2\"");
    let form = form("2");
    mia.get(&place).await;
    mia.log_in("vic@example.com", PASSWORD).await;
    mia.post(&place, &form).await;
    assert_eq!(mia.status, 403);
    mia.log_in("mia@example.com", PASSWORD).await;
    mia.get("/app/account").await;
    mia.post(&place, &form).await;
    let send = mia.at.strip_suffix("?done=started").unwrap().to_owned();
    has(
        &mia.page,
        "The send is scheduled: it goes on <time datetime=\"2099-01-31T09:00:00Z\">31 Jan 2099, 09:00 UTC</time>.",
    );
    has(&mia.page, ">scheduled<");
    let all = mia.get("/app/sends").await;
    has(all, &format!("href=\"{send}\">Renamed</a>"));
    let of = format!("/app/sends?email={email}");
    has(mia.get(&of).await, "Only those of ");
    for (step, state) in [
        ("pause", ">paused<"),
        ("resume", ">scheduled<"),
        ("cancel", ">cancelled<"),
    ] {
        let path = format!("{send}/{step}");
        let bare = mia.send("POST", &path, Some(String::new())).await;
        assert_eq!(bare.status, 403, "{step} without its token");
        mia.get("/app/account").await;
        mia.post(&path, &[]).await;
        has(&mia.page, state);
    }
    mia.get("/app/account").await;
    mia.post(&format!("{send}/pause"), &[]).await;
    assert_eq!(mia.status, 409, "{}", mia.page);
    mia.log_in("vic@example.com", PASSWORD).await;
    assert!(!mia.get(&send).await.contains("Pause"));
    mia.get("/app/account").await;
    for step in ["pause", "resume", "cancel", "retry"] {
        let form = serde_urlencoded::to_string([("csrf", mia.token())]).unwrap();
        let path = format!("{send}/{step}");
        let answer = mia.send("POST", &path, Some(form)).await;
        assert_eq!(answer.status, 403, "{step} by a viewer");
    }
}

#[tokio::test]
async fn another_organisations_send_and_results_are_not_there() {
    let mut ann = office(TestDatabase::chosen().await).await;
    ann.log_in("ada@example.com", PASSWORD).await;
    // From here on, what is made by the API is another organisation's.
    let stranger = ann.installation.stranger.clone();
    ann.installation.owner = stranger;
    let email = email(&ann.installation).await;
    let segment = segment(&ann.installation, &[]).await;
    let send = json!({"email_id": email, "segment_id": segment, "at": "2099-01-01T00:00:00Z"});
    let send = made(&ann.installation, "/api/messaging/sends", send).await;
    let send = format!("/app/sends/{}", send["id"].as_str().unwrap());
    for path in ["/app/sends".to_owned(), format!("/app/sends?email={email}")] {
        let page = ann.get(&path).await;
        assert!(!page.contains(&send), "{path}: {page}");
    }
    let email = format!("/app/emails/{email}");
    for path in [
        send.clone(),
        format!("{send}/cancel"),
        format!("{send}/retry"),
        format!("{email}/results"),
        format!("{email}/results/domains"),
        format!("{email}/people?behind=accepted"),
        format!("{email}/people.csv?behind=accepted"),
        format!("{email}/versions"),
        format!("{email}/versions/1"),
        format!("{email}/versions/1/html"),
        format!("{email}/send"),
        format!("{email}/send/summary?segment={segment}"),
    ] {
        ann.get(&path).await;
        assert_eq!(ann.status, 404, "{path}");
    }
    ann.get("/app/account").await;
    let token = ann.token();
    for path in [
        format!("{send}/pause"),
        format!("{send}/resume"),
        format!("{send}/cancel"),
        format!("{send}/retry"),
        format!("{email}/versions/1/restore"),
        format!("{email}/send"),
    ] {
        let form = [("csrf", token.as_str()), ("segment", segment.as_str())];
        let form = serde_urlencoded::to_string(form).unwrap();
        let answer = ann.send("POST", &path, Some(form)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
