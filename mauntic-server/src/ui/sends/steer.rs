//! Stopping a send for now or for good, letting it go on, and sending again what nobody knows the fate of.

use maud::{Markup, html};
use mauntic_core::{Permission, SendJobId};
use poem::{Request, Response, Result, handler, web::Path};
use uuid::Uuid;

use super::{EMAILS, find, place};
use crate::ui::{
    Done, Steer,
    component::{
        action::{Weight, button, button_link, confirmation},
        frame, show as shown,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// Back to the send, which says that it was changed.
fn changed(id: SendJobId) -> Response {
    redirect(&Done::Saved.at(&place(id)))
}

/// Asks before a send is stopped for good.
#[handler]
pub(super) async fn ask_cancel(
    request: &Request,
    visitor: Visitor,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsSend)?;
    step.asks_first()?;
    let status = find(request, &visitor, id).await?;
    let waiting = words::counted(status.tally.waiting() + status.tally.deferred);
    let lost = [format!(
        "The mail of those who still wait: {waiting} as far as it is planned. Another send may reach them."
    )];
    let question = "Stop this send for good?";
    let back = place(status.job.id);
    let content = confirmation(question, &lost, "Stop it", &back, &visitor.csrf());
    Ok(shell(&visitor, question, EMAILS, &content))
}

/// Stops a send, or lets it go on.
#[handler]
pub(super) async fn steer(
    request: &Request,
    posted: Posted,
    Path((id, step)): Path<(Uuid, Steer)>,
) -> Result<Response> {
    let (sends, actor) = (&app(request)?.sends, &posted.visitor.actor);
    let id = SendJobId::from_uuid(id);
    let steered = match step {
        Steer::Pause => sends.pause(actor, id).await,
        Steer::Resume => sends.resume(actor, id).await,
        Steer::Cancel => sends.cancel(actor, id).await,
    };
    steered.map_err(failure::messaging)?;
    Ok(changed(id))
}

/// Explains what sending again risks, and asks.
#[handler]
pub(super) async fn ask_retry(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    visitor.needs(Permission::EmailsSend)?;
    let status = find(request, &visitor, id).await?;
    let question = "Send the unknown ones again?";
    let content = shown::card(
        question,
        &html! {
            p { "Of " (words::counted(status.tally.unknown)) " mails nobody knows whether the mail server took them: the connection or the worker was lost just then." }
            p { "Look into the log of the mail server first. If it has them, leave it; if it does not, send them again. Whoever got the mail already gets it twice." }
            form method="post" class="row" {
                (visitor.csrf())
                (button("Send them again", Weight::Danger))
                (button_link(&place(status.job.id), "Leave it", Weight::Plain))
            }
        },
    );
    let content = html! { (frame::header("Send again", &html! {})) (content) };
    Ok(shell(&visitor, question, EMAILS, &content))
}

/// Sends again what nobody knows the fate of.
#[handler]
pub(super) async fn retry(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let id = SendJobId::from_uuid(id);
    let retried = app(request)?
        .sends
        .retry_unknown(&posted.visitor.actor, id)
        .await;
    retried.map_err(failure::messaging)?;
    Ok(changed(id))
}
