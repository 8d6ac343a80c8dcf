//! How often one session may ask for what costs.

use crate::browser::{Browser, OWNER};

#[tokio::test]
async fn one_session_is_held_to_a_limit_and_another_is_not() {
    let mut ann = Browser::new().await;
    let path = "/app/emails/preview";
    // Refused for another reason, each of them, but counted.
    let mut before = 0;
    let last = loop {
        let answer = ann.send("POST", path, Some(String::new())).await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.status, 403);
        before += 1;
        assert!(before < 1_000, "it is never one too many");
    };
    assert!(before >= 50, "people are let through: {before}");
    assert_eq!(last.headers["retry-after"], "1");
    assert!(last.headers.contains_key("content-security-policy"));
    let page = String::from_utf8(last.body).unwrap();
    assert!(page.contains("asked for too often"), "{page}");
    assert!(page.contains("what you wrote is still there"), "{page}");
    // What costs nothing goes on, and so does another session.
    ann.get("/app/emails").await;
    assert_eq!(ann.status, 200);
    ann.log_in(OWNER.0, OWNER.1).await;
    let other = ann.send("POST", path, Some(String::new())).await;
    assert_eq!(other.status, 403);
}

/// Asks until that is too often.
async fn exhaust(ann: &mut Browser) {
    for _ in 0..1_000 {
        let path = "/app/emails/preview";
        if ann.send("POST", path, Some(String::new())).await.status == 429 {
            return;
        }
    }
    panic!("it is never one too many");
}

/// Whether something counts as well: is refused right after the limit is reached, though more is let through with time.
async fn is_limited(ann: &mut Browser, method: &str, path: &str, form: Option<&str>) -> bool {
    for _ in 0..20 {
        exhaust(ann).await;
        let answer = ann.send(method, path, form.map(str::to_owned)).await;
        if answer.status == 429 {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn what_was_built_step_by_step_can_be_saved() {
    let mut ann = Browser::new().await;
    let new = "/app/segments/new";
    ann.get(new).await;
    let fields = |step: &str| {
        let (csrf, rule) = (ann.token(), "country = \"DE\"");
        let fields = [
            ("csrf", csrf.as_str()),
            ("name", "Germans"),
            ("description", ""),
            ("rule", rule),
            ("do", step),
        ];
        serde_urlencoded::to_string(fields).unwrap()
    };
    let (step, save) = (fields("preview"), fields("save"));
    assert!(is_limited(&mut ann, "POST", new, Some(&step)).await);
    exhaust(&mut ann).await;
    let saved = ann.send("POST", new, Some(save)).await;
    assert_eq!(saved.status, 303);
}

#[tokio::test]
async fn pages_that_cost_are_limited_too() {
    let mut ann = Browser::new().await;
    let email = "/app/emails/00000000-0000-7000-8000-000000000000";
    for costly in [
        "/app/reports.csv".to_owned(),
        format!("{email}?view=phone&values=true"),
        format!("{email}/send/summary?segment=1"),
    ] {
        assert!(is_limited(&mut ann, "GET", &costly, None).await, "{costly}");
    }
    exhaust(&mut ann).await;
    ann.get("/app/reports").await;
    assert_eq!(ann.status, 200);
}
