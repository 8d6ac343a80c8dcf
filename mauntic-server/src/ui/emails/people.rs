//! Who stands behind a number of the results: on a page, and as a file.

use std::{io, sync::Arc};

use futures_util::{StreamExt as _, stream};
use maud::{Markup, html};
use mauntic_core::{
    Change, DeliveryId, EmailId, PageSize, Permission, Subject, identity::AuditLog as _,
};
use mauntic_messaging::tracking::{AtDomain, Behind, Person};
use poem::{
    Body, Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{PLACE, Tab, find, place, top};
use crate::{
    App,
    ui::{
        component::{
            action::{Weight, button_link},
            show as shown,
            table::{Column, table},
        },
        csv, failure, shell,
        visitor::{Visitor, app},
        words,
    },
};

/// How many people a page lists.
const ROWS: usize = 50;

/// Which number, and which part of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    behind: String,
    after: Option<Uuid>,
}

impl Asked {
    fn behind(&self) -> Result<Behind> {
        let behind = self.behind.parse();
        behind.map_err(|_| failure::missing("number of the results"))
    }
}

/// The number in words.
fn named(behind: &Behind) -> String {
    match behind {
        Behind::InPlan => "Everybody it was to be sent to".to_owned(),
        Behind::State(state) => format!("Deliveries that are {}", words::spaced(state.as_str())),
        Behind::Skipped(reason) => format!("Left out: {}", words::spaced(reason.as_str())),
        Behind::Bounced(class) => format!("Refused: {}", words::spaced(class)),
        Behind::Opened { machine: false } => "Opened by a person".to_owned(),
        Behind::Opened { machine: true } => "Opened by a machine".to_owned(),
        Behind::Clicked { machine: false } => "Clicked by a person".to_owned(),
        Behind::Clicked { machine: true } => "Clicked by a machine".to_owned(),
        Behind::Unsubscribed => "Unsubscribed".to_owned(),
        Behind::Link { machine: false, .. } => "Link followed by a person".to_owned(),
        Behind::Link { machine: true, .. } => "Link followed by a machine".to_owned(),
        Behind::Domain { of, domain } => {
            let of = match of {
                AtDomain::Planned => "everybody it was to be sent to".to_owned(),
                AtDomain::State(state) => {
                    format!("deliveries that are {}", words::spaced(state.as_str()))
                }
                AtDomain::Opened => "opened by a person".to_owned(),
                AtDomain::Clicked => "clicked by a person".to_owned(),
            };
            if domain.is_empty() {
                format!("Without an address: {of}")
            } else {
                format!("At {domain}: {of}")
            }
        }
    }
}

/// Where the link leads, if it is one and its version still says so.
async fn target(
    request: &Request,
    visitor: &Visitor,
    email: EmailId,
    behind: &Behind,
) -> Result<Option<String>> {
    let Behind::Link { version, link, .. } = behind else {
        return Ok(None);
    };
    let tracking = &app(request)?.tracking;
    let report = tracking.report(&visitor.actor, email).await;
    let mut links = report.map_err(failure::messaging)?.links.into_iter();
    let found = links.find(|one| one.version_id == *version && one.link == *link);
    Ok(found.and_then(|link| link.url))
}

/// Shows them.
#[handler]
pub(super) async fn people(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let saved = find(request, &visitor, id).await?;
    let behind = asked.behind()?;
    let email = saved.email.id;
    let after = asked.after.map(DeliveryId::from_uuid);
    let tracking = &app(request)?.tracking;
    let size = PageSize::clamped(ROWS);
    let page = tracking.people(&visitor.actor, email, &behind, after, size);
    let page = page.await.map_err(failure::messaging)?;
    let query = serde_urlencoded::to_string([("behind", behind.to_string())]).unwrap_or_default();
    let here = place(email);
    let next = page
        .next
        .map(|next| format!("{here}/people?{query}&after={next}"));
    let target = target(request, &visitor, email, &behind).await?;
    let linked = visitor.may(Permission::ContactsRead);
    let rows: Vec<_> = page.items.iter().map(|one| row(one, linked)).collect();
    let columns = [
        Column::plain("Address"),
        Column::plain("State"),
        Column::plain("Why"),
        Column::plain("Opened"),
        Column::plain("Clicked"),
        Column::plain("Unsubscribed"),
    ];
    let content = html! {
        (top(&visitor, &saved, Tab::Results))
        (shown::card(&named(&behind), &html! {
            @if let Some(url) = &target { p { code { (url) } } }
            div class="row" {
                @if visitor.may(Permission::ContactsExport) {
                    (button_link(&format!("{here}/people.csv?{query}"), "Export as CSV", Weight::Plain))
                }
                a href=(format!("{here}/results{}", if matches!(behind, Behind::Domain { .. }) { "/domains" } else { "" })) { "Back to the results" }
            }
            @if matches!(&behind, Behind::Domain { domain, .. } if !domain.is_empty()) {
                p class="soft" { "People whose data was deleted are still counted, but no longer listed here." }
            }
            @if rows.is_empty() { p { "There is nobody." } } @else { (table(&named(&behind), &columns, &rows, next.as_deref())) }
        }))
    };
    Ok(shell(&visitor, &named(&behind), PLACE, &content))
}

fn row(one: &Person, linked: bool) -> Markup {
    let address = one.address.as_ref().map(ToString::to_string);
    let address = address.as_deref().unwrap_or("(no address)");
    let person = one.opened_at.or(one.machine_opened_at);
    let click = one.clicked_at.or(one.machine_clicked_at);
    let why = one
        .skip_reason
        .map(|reason| words::spaced(reason.as_str()))
        .or_else(|| one.reply.clone());
    let by = |machine: bool| if machine { ", a machine" } else { "" };
    html! { tr {
        td { @if linked { a href=(format!("/app/contacts/{}", one.contact_id)) { (address) } } @else { (address) } }
        td { (words::spaced(one.state.as_str())) }
        td { (why.unwrap_or_default()) }
        td { @if let Some(at) = person { (words::time(at)) (by(one.opened_at.is_none())) } }
        td { @if let Some(at) = click { (words::time(at)) (by(one.clicked_at.is_none())) } }
        td { @if let Some(at) = one.unsubscribed_at { (words::time(at)) } }
    } }
}

const HEADER: &str = "address,contact_id,state,reason,bounce_class,reply,opened_at,machine_opened_at,clicked_at,machine_clicked_at,unsubscribed_at\r\n";

/// The same as a CSV file. However many they are, only a page of them is in memory.
#[handler]
pub(super) async fn export(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    visitor.needs(Permission::ContactsExport)?;
    let email = find(request, &visitor, id).await?.email.id;
    let behind = asked.behind()?;
    let app: &App = app(request)?;
    let change = Change::new("email.people_exported", Subject::new("email", email))
        .to(json!({"of": asked.behind}));
    let told = app.identity.record(&visitor.actor, change).await;
    told.map_err(|error| failure::internal(&error))?;
    let (app, behind) = (app.clone(), Arc::new(behind));
    let actor = visitor.actor.clone();
    let pages = stream::try_unfold(Some(None), move |after: Option<Option<DeliveryId>>| {
        let (app, behind, actor) = (app.clone(), Arc::clone(&behind), actor.clone());
        async move {
            let Some(after) = after else { return Ok(None) };
            let size = PageSize::clamped(usize::from(PageSize::MAX));
            let page = app.tracking.export(&actor, email, &behind, after, size);
            let page = page.await.map_err(io::Error::other)?;
            let rows: String = page.items.iter().map(line).collect();
            Ok::<_, io::Error>(Some((rows.into_bytes(), page.next.map(Some))))
        }
    });
    let file = stream::iter([Ok(HEADER.as_bytes().to_vec())]).chain(pages);
    let name = format!("people-{email}.csv");
    Ok(csv::file(&name, Body::from_bytes_stream(file)))
}

fn line(one: &Person) -> String {
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map(|at| at.to_rfc3339()).unwrap_or_default()
    };
    let cells = [
        one.address
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        one.contact_id.to_string(),
        one.state.to_string(),
        one.skip_reason
            .map_or("", |reason| reason.as_str())
            .to_owned(),
        one.bounce_class.clone().unwrap_or_default(),
        one.reply.clone().unwrap_or_default(),
        time(one.opened_at),
        time(one.machine_opened_at),
        time(one.clicked_at),
        time(one.machine_clicked_at),
        time(one.unsubscribed_at),
    ];
    csv::line(&cells)
}
