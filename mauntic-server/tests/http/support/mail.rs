//! A message from an email to somebody's mailbox, through the API and the workers.

use std::{sync::Arc, time::Duration};

use mauntic_core::{PageSize, SendJobId};
use mauntic_messaging::{sending::SendStatus, transport::capture::MailContent};
use mauntic_server::{Job, Workers, jobs};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::Installation;

/// How long tests wait for workers before they give up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes something through the API and returns it.
pub(crate) async fn made(installation: &Installation, path: &str, body: Value) -> Value {
    let owner = installation.owner.clone();
    let made = installation.call(&owner, "POST", path, Some(body)).await;
    made.ok(201)
}

/// The id of what the API made.
pub(crate) fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// An email with that HTML.
pub(crate) async fn email(installation: &Installation, name: &str, html: &str) -> String {
    let content = json!({"subject": name, "html": html, "from_address": "news@example.com"});
    let body = json!({"name": name, "content": content});
    id(&made(installation, "/api/messaging/emails", body).await)
}

/// A contact with that address and perhaps more.
pub(crate) async fn contact(installation: &Installation, address: &str, more: &Value) -> String {
    let mut body = json!({"email": address});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    id(&made(installation, "/api/crm/contacts", body).await)
}

/// A send that begins at once.
pub(crate) async fn send(installation: &Installation, email: &str, segment: &str) -> SendJobId {
    let body = json!({"email_id": email, "segment_id": segment});
    let send = made(installation, "/api/messaging/sends", body).await;
    id(&send).parse().unwrap()
}

/// The workers whose names are let through.
pub(crate) fn work(installation: &Installation, wanted: impl Fn(&str) -> bool) -> Workers {
    let mut jobs: Vec<Arc<dyn Job>> = jobs(&installation.app);
    jobs.retain(|job| wanted(job.name()));
    Workers::start(jobs, CancellationToken::new())
}

/// Waits until a send is as wanted.
pub(crate) async fn until(
    installation: &Installation,
    send: SendJobId,
    wanted: impl Fn(&SendStatus) -> bool,
) -> SendStatus {
    let sends = &installation.app.sends;
    let look = async || sends.status(&installation.ours, send).await.unwrap();
    let reached = tokio::time::timeout(PATIENCE, async {
        loop {
            let status = look().await;
            if wanted(&status) {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let Ok(status) = reached.await else {
        panic!("stuck: {:?}", look().await);
    };
    status
}

/// Waits until a send is over.
pub(crate) async fn over(installation: &Installation, send: SendJobId) -> SendStatus {
    until(installation, send, |status| {
        status.job.finished_at.is_some()
    })
    .await
}

/// All mail that was captured, the newest first.
pub(crate) async fn mailbox(installation: &Installation) -> Vec<(String, MailContent)> {
    let (inbox, ours) = (&installation.app.inbox, &installation.ours);
    let mails = inbox.list(ours, None, None, PageSize::default()).await;
    let mut opened = Vec::new();
    for mail in mails.unwrap().items {
        let content = inbox.open(ours, mail.id).await.unwrap().content;
        opened.push((mail.envelope_to, content));
    }
    opened
}
