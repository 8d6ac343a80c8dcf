//! What the visitor was told: the bell above every page, and the list behind it.

use maud::{Markup, html};
use mauntic_core::{
    NotificationId, PageSize,
    identity::{Notification, NotificationKind},
};
use poem::{
    Request, Response, Result, Route, get, handler, post,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    component::{
        Tone,
        action::{Weight, button},
        frame,
        icon::{Icon, icon},
        live::Part,
        show, table,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

const PLACE: &str = "/app/notifications";
const TITLE: &str = "Notifications";
/// The bell alone, which every open page asks for again and again.
const BELL: &str = "/app/notifications?bell=true";
/// The bell counts no further.
pub(super) const MOST: u32 = 100;

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/notifications", get(list))
        .at("/notifications/read", post(read_all))
        .at("/notifications/:notification/read", post(read_one))
}

/// The way to the list, with how much is not read yet. It is looked at again every half a minute, as long as somebody is
/// there; it has the same size whatever it counts.
pub(super) fn bell(unread: u32) -> Markup {
    let count = if unread < MOST {
        unread.to_string()
    } else {
        format!("{}+", MOST - 1)
    };
    html! {
        a class="button bell" id="bell" href=(PLACE) data-quiet hx-get=(BELL) hx-trigger="every 30s" hx-select="#bell"
            hx-target="this" hx-swap="outerHTML" {
            (icon(Icon::Bell))
            @if unread == 0 { span class="hidden" { (TITLE) ", nothing new" } } @else {
                span class="hidden" { (TITLE) ", " (count) " unread" }
                span class="count" aria-hidden="true" { (count) }
            }
        }
    }
}

/// Where what a notification is about can be looked at.
pub(crate) fn place(notification: &Notification) -> Option<String> {
    let of = |place: &str| notification.about.map(|id| format!("{place}/{id}"));
    match notification.kind {
        NotificationKind::Import => of("/app/imports"),
        NotificationKind::BulkChange => of("/app/bulk"),
        NotificationKind::Send => of("/app/sends"),
        NotificationKind::Member | NotificationKind::Organization => {
            Some("/app/organization".to_owned())
        }
    }
}

/// Where the list goes on, or that nothing is to be listed.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    after: Option<Uuid>,
    #[serde(default)]
    bell: bool,
}

/// Shows the latest, or how many are not read.
#[handler]
async fn list(request: &Request, visitor: Visitor, Query(asked): Query<Asked>) -> Result<Markup> {
    if asked.bell {
        return Ok(bell(visitor.unread));
    }
    let before = asked.after.map(NotificationId::from_uuid);
    let size = PageSize::default();
    let identity = &app(request)?.identity;
    let page = identity.notifications(&visitor.actor, false, before, size);
    let page = page.await.map_err(failure::identity)?;
    let first = page.items.first().filter(|_| asked.after.is_none());
    let unread = first.filter(|_| visitor.unread > 0);
    let actions = html! {
        @if let Some(latest) = unread {
            form method="post" action={ (PLACE) "/read" } {
                (visitor.csrf())
                // What comes in while the page is looked at stays unread.
                input type="hidden" name="up_to" value=(latest.id);
                (button("Mark all as read", Weight::Plain))
            }
        }
    };
    let next = page.next.map(|next| format!("{PLACE}?after={next}"));
    let part = Part {
        id: "told",
        others: None,
    };
    let content = html! {
        (frame::header(TITLE, &actions))
        div class="stack" id=(part.id) {
            @if page.items.is_empty() {
                (show::empty("Nothing was told yet", "When an import, a change of many contacts or a send of yours ends, or something goes wrong with it, you read it here. So you do when somebody accepts your invitation.", &html! {}))
            } @else {
                ul class="told" { @for one in &page.items { (entry(&visitor, one)) } }
            }
            @if let Some(next) = &next { (table::next_page(next, part, "told-next")) }
        }
        p class="soft" { "What is older than " (Notification::KEPT.num_days()) " days is forgotten." }
    };
    Ok(shell(&visitor, TITLE, PLACE, &content))
}

fn entry(visitor: &Visitor, one: &Notification) -> Markup {
    let (shown, kind) = match one.kind {
        NotificationKind::Import => (Icon::Inbox, "Import"),
        NotificationKind::BulkChange => (Icon::Contacts, "Change of many contacts"),
        NotificationKind::Send => (Icon::Sending, "Send"),
        NotificationKind::Member => (Icon::Members, "Member"),
        NotificationKind::Organization => (Icon::Settings, "Organisation"),
    };
    let unread = one.read_at.is_none();
    html! {
        li data-unread[unread] {
            (icon(shown))
            div class="stack" {
                div class="row" {
                    span class="hidden" { (kind) ": " }
                    @if let Some(place) = place(one) { a href=(place) { strong { (one.heading) } } } @else { strong { (one.heading) } }
                    @if one.problem { (show::badge("needs a look", Tone::Warn)) }
                    @if unread { (show::badge("new", Tone::Good)) }
                }
                @if !one.message.is_empty() { p { (one.message) } }
                div class="row" {
                    span class="soft" { (words::time(one.at)) }
                    @if unread {
                        form method="post" action=(format!("{PLACE}/{}/read", one.id)) {
                            (visitor.csrf())
                            button type="submit" class="button small" { "Mark as read" span class="hidden" { ": " (one.heading) } }
                        }
                    }
                }
            }
        }
    }
}

/// Notes that one was read.
#[handler]
async fn read_one(
    request: &Request,
    Path(notification): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = NotificationId::from_uuid(notification);
    let read = identity.mark_notification_read(&posted.visitor.actor, id);
    read.await.map_err(failure::identity)?;
    Ok(redirect(PLACE))
}

/// Notes that all were read that the visitor saw.
#[handler]
async fn read_all(request: &Request, posted: Posted) -> Result<Response> {
    let up_to = posted.fields.text("up_to").parse();
    let up_to: NotificationId = up_to.map_err(|_| failure::unreadable())?;
    let identity = &app(request)?.identity;
    let read = identity.mark_notifications_read(&posted.visitor.actor, Some(up_to));
    read.await.map_err(failure::identity)?;
    Ok(redirect(PLACE))
}
