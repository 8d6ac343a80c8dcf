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
    // What costs nothing goes on, and so does another session.
    ann.get("/app/emails").await;
    assert_eq!(ann.status, 200);
    ann.log_in(OWNER.0, OWNER.1).await;
    let other = ann.send("POST", path, Some(String::new())).await;
    assert_eq!(other.status, 403);
}
