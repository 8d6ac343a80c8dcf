//! Captured mail: what would have been sent if there were a mail server.

use maud::{Markup, html};
use mauntic_core::{CapturedMailId, PageSize, Permission};
use mauntic_messaging::transport::capture::OpenedMail;
use poem::{
    Request, Response, Result, Route, get, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Done,
    component::{
        action::{Weight, ask_first, button_link, confirmation},
        frame, live, show,
        table::{Column, table},
    },
    failure, mail, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many mails a page lists.
const ROWS: usize = 50;
/// Where the inbox is.
const PLACE: &str = "/app/inbox";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/inbox", get(list))
        .at("/inbox/delete", get(ask_all).post(delete_all))
        .at("/inbox/:mail", get(open))
        .at("/inbox/:mail/html", get(html_part))
        .at("/inbox/:mail/delete", get(ask).post(delete))
}

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
struct Listing {
    /// Only mail to this address.
    to: Option<String>,
    /// Begins behind this mail.
    after: Option<Uuid>,
    /// What just happened.
    done: Option<Done>,
}

/// Shows the list.
#[handler]
async fn list(
    request: &Request,
    visitor: Visitor,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    let app = app(request)?;
    let to = listing.to.as_deref().map(str::trim);
    let to = to.filter(|to| !to.is_empty());
    let after = listing.after.map(CapturedMailId::from_uuid);
    let size = PageSize::clamped(ROWS);
    let page = app.inbox.list(&visitor.actor, to, after, size).await;
    let page = page.map_err(failure::messaging)?;
    let total = app.inbox.count(&visitor.actor).await;
    let total = total.map_err(failure::messaging)?;
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|mail| {
            html! { tr {
                td { (mail.envelope_to) }
                td { a href=(format!("{PLACE}/{}", mail.id)) { (subject(&mail.subject)) } }
                td { (words::time(mail.captured_at)) }
            } }
        })
        .collect();
    let next = page.next.map(|id| {
        let mut query = vec![("after", id.to_string())];
        query.extend(to.map(|to| ("to", to.to_owned())));
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        format!("{PLACE}?{query}")
    });
    let actions = html! {
        @if total > 0 && visitor.may(Permission::InboxDelete) {
            (ask_first("/app/inbox/delete", "Delete all"))
        }
    };
    let content = html! {
        (frame::header("Inbox", &actions))
        @if let Some(done) = listing.done { (done.toast()) }
        @if total == 0 {
            (show::empty(
                "No mail was captured",
                "As long as no mail server is set up, mail is captured here instead of being sent, so that you can look at it and nobody is mailed by accident. Send a test of an email to see one.",
                &html! { @if visitor.may(Permission::EmailsRead) { (button_link("/app/emails", "Go to the emails", Weight::Primary)) } },
            ))
        } @else {
            p class="soft" { (words::count(total)) " captured. None of it was sent: it is what a mail server would have got." }
            (live::filters(PLACE, "mails", &html! {
                label for="to" { "To" }
                div { input id="to" name="to" type="search" value=(to.unwrap_or_default()); }
                button type="submit" class="button plain" { "Find" }
            }))
            div id="mails" class="stack" {
                @if rows.is_empty() { p { "There is no such mail. " a href=(PLACE) { "Show all" } } } @else {
                    (table("Captured mail", &["To", "Subject", "Captured"].map(Column::plain), &rows, next.as_deref()))
                }
            }
        }
    };
    Ok(shell(&visitor, "Inbox", PLACE, &content))
}

fn subject(subject: &str) -> &str {
    if subject.trim().is_empty() {
        "(no subject)"
    } else {
        subject
    }
}

async fn opened(request: &Request, visitor: &Visitor, mail: Uuid) -> Result<OpenedMail> {
    let id = CapturedMailId::from_uuid(mail);
    let opened = app(request)?.inbox.open(&visitor.actor, id).await;
    opened.map_err(failure::messaging)
}

/// Shows a mail.
#[handler]
async fn open(request: &Request, visitor: Visitor, Path(id): Path<Uuid>) -> Result<Markup> {
    let opened = opened(request, &visitor, id).await?;
    let title = subject(&opened.mail.subject);
    let actions = html! {
        @if visitor.may(Permission::InboxDelete) {
            (ask_first(&format!("{PLACE}/{id}/delete"), "Delete"))
        }
    };
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Inbox")], title))
        (frame::header(title, &actions))
        (show::card("Envelope", &show::values(&[
            ("To", html! { (opened.mail.envelope_to) }),
            ("From", html! { (opened.mail.sender) }),
            ("Bounces to", html! { (opened.mail.envelope_from) }),
            ("Captured", words::time(opened.mail.captured_at)),
            ("Size", html! { (words::count(opened.mail.size)) " bytes" }),
            ("Part of", html! { @if opened.mail.delivery_id.is_some() { "a send" } @else { "a test" } }),
        ])))
        @if opened.content.html.is_some() {
            (show::card("As it is shown", &mail::frame("The mail", &format!("{PLACE}/{id}/html"))))
        }
        @if let Some(text) = &opened.content.text { (show::card("Text", &show::code(text))) }
        @if !opened.content.links.is_empty() {
            (show::card("Links", &html! { ol class="tree" { @for link in &opened.content.links { li { code { (link) } } } } }))
        }
        (show::card("Headers", &headers(&opened.source)))
        (show::card("Source", &html! {
            p class="soft" { "The message with its headers, as a mail server would have got it." }
            details { summary { "Show the source" } (show::code(&String::from_utf8_lossy(&opened.source))) }
        }))
    };
    Ok(shell(&visitor, title, PLACE, &content))
}

/// The headers as they stand in the message, those that decide about its delivery with what they are for.
fn headers(source: &[u8]) -> Markup {
    let text = String::from_utf8_lossy(source);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'));
    html! {
        dl class="values" {
            @for (name, value) in headers {
                dt { (name) }
                dd {
                    code { (value.trim()) }
                    @if let Some(meaning) = meaning(name) { p class="soft" { (meaning) } }
                }
            }
        }
    }
}

fn meaning(header: &str) -> Option<&'static str> {
    Some(match header.to_ascii_lowercase().as_str() {
        "from" => "The sender that people see. Its domain is what DMARC checks.",
        "to" => "Whom the mail is for, as people see it; a mail server goes by the envelope.",
        "subject" => "What people see of it before they open it.",
        "date" => "When it was made. Receivers distrust mail with a wrong date.",
        "mime-version" => "Says that what follows may have several parts and any characters.",
        "reply-to" => "Where answers go.",
        "message-id" => "Names this message in the logs of mail servers.",
        "list-unsubscribe" => "Where a mail program lets people leave.",
        "list-unsubscribe-post" => "Says that leaving takes one click (RFC 8058).",
        "list-id" => "Names the list, so that filters can tell it from others.",
        "dkim-signature" => "Proves that the message is the sender's and unchanged.",
        "feedback-id" => "Lets large receivers report complaints by campaign.",
        "x-mauntic-organization" => {
            "The organisation that sent it, by which a complaint finds the way to it."
        }
        "x-mauntic-delivery" => {
            "This delivery, so that an answer or a complaint is known to be about it."
        }
        "x-mauntic-email" => "The email in Mauntic that this is a copy of.",
        "auto-submitted" | "precedence" => "Asks for no automatic answers.",
        "content-transfer-encoding" => "How its characters are written for mail servers.",
        "content-type" => "How the parts of the message are put together.",
        _ => return None,
    })
}

/// The HTML part of a mail, for the frame.
#[handler]
async fn html_part(request: &Request, visitor: Visitor, Path(id): Path<Uuid>) -> Result<Response> {
    let opened = opened(request, &visitor, id).await?;
    let part = opened.content.html;
    let part = part.ok_or_else(|| failure::missing("part of the mail"))?;
    mail::captured(request, &part).await
}

/// Asks before a mail is deleted.
#[handler]
async fn ask(request: &Request, visitor: Visitor, Path(id): Path<Uuid>) -> Result<Markup> {
    visitor.needs(Permission::InboxDelete)?;
    let opened = opened(request, &visitor, id).await?;
    let lost = format!("{}, to {}", opened.mail.subject, opened.mail.envelope_to);
    let back = format!("{PLACE}/{id}");
    let question = "Delete this mail?";
    let content = confirmation(question, &[lost], "Delete", &back, &visitor.csrf());
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Deletes a mail.
#[handler]
async fn delete(request: &Request, Path(id): Path<Uuid>, posted: Posted) -> Result<Response> {
    let id = CapturedMailId::from_uuid(id);
    let deleted = app(request)?.inbox.delete(&posted.visitor.actor, id).await;
    deleted.map_err(failure::messaging)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}

/// Asks before all mail is deleted.
#[handler]
async fn ask_all(request: &Request, visitor: Visitor) -> Result<Markup> {
    visitor.needs(Permission::InboxDelete)?;
    let total = app(request)?.inbox.count(&visitor.actor).await;
    let total = words::count(total.map_err(failure::messaging)?);
    let lost = [format!("All captured mail: {total}")];
    let question = "Delete all captured mail?";
    let content = confirmation(question, &lost, "Delete all", PLACE, &visitor.csrf());
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Deletes all mail.
#[handler]
async fn delete_all(request: &Request, posted: Posted) -> Result<Response> {
    let deleted = app(request)?.inbox.delete_all(&posted.visitor.actor).await;
    deleted.map_err(failure::messaging)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}
