//! Addresses that get no mail, whoever they belong to.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use mauntic_core::{EmailAddress, PageSize, Permission};
use mauntic_messaging::{
    FieldProblem,
    suppression::{
        NewSuppression, Suppression, SuppressionCursor, SuppressionFilter, SuppressionReason,
    },
};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Query};
use serde::Deserialize;

use super::{PLACE, SUPPRESSIONS, told, top, wrong};
use crate::ui::{
    Done,
    component::{
        action::{Weight, ask_first, button, confirmation},
        form::{Field, input},
        live, show as shown,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// How many addresses a page lists.
const ROWS: usize = 50;

/// Which part of the list to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Listing {
    #[serde(default)]
    q: String,
    #[serde(default)]
    reason: String,
    /// Begins behind this entry.
    after: Option<DateTime<Utc>>,
    behind: Option<String>,
    done: Option<Done>,
}

/// What stands in the form for a new address.
#[derive(Debug, Default)]
struct Draft {
    address: String,
    note: String,
    problems: Vec<FieldProblem>,
}

/// Shows the list.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(listing): Query<Listing>,
) -> Result<Markup> {
    page(request, &visitor, &listing, &Draft::default()).await
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    listing: &Listing,
    draft: &Draft,
) -> Result<Markup> {
    let asked = listing.q.trim();
    let filter = SuppressionFilter {
        search: Some(asked.to_owned()),
        reason: listing.reason.parse().ok(),
    };
    let after = listing.after.zip(listing.behind.clone());
    let after = after.map(|(created_at, address_hash)| SuppressionCursor {
        created_at,
        address_hash,
    });
    let addresses = &app(request)?.suppressions;
    let size = PageSize::clamped(ROWS);
    let page = addresses.list(&visitor.actor, &filter, after.as_ref(), size);
    let page = page.await.map_err(failure::messaging)?;
    let writes = visitor.may(Permission::SuppressionsWrite);
    let rows: Vec<_> = page.items.iter().map(|entry| row(entry, writes)).collect();
    let next = page.next.map(|next| {
        let at = next.created_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let query = [
            ("q", asked),
            ("reason", &listing.reason),
            ("after", &at),
            ("behind", &next.address_hash),
        ];
        let query = serde_urlencoded::to_string(query).unwrap_or_default();
        format!("{SUPPRESSIONS}?{query}")
    });
    let columns = ["Address", "Why", "From", "Note", "Since", ""].map(Column::plain);
    let content = html! {
        (top(SUPPRESSIONS))
        @if let Some(done) = listing.done { (done.toast()) }
        p class="soft" { "Nobody at these addresses gets mail, also not as a new contact. Who unsubscribes or has no mailbox any more comes here by itself; complaints come here as you or a program of yours learn of them." }
        (filters(listing))
        div id="suppressions" class="stack" {
            @if rows.is_empty() && asked.is_empty() && filter.reason.is_none() {
                (shown::empty("No address is suppressed", "Mail may go to everybody. Who unsubscribes or bounces for good comes here by itself.", &html! {}))
            } @else if rows.is_empty() { p { "There is no such address." } } @else { (table("Suppressed addresses", &columns, &rows, next.as_deref())) }
        }
        @if writes { (add_form(visitor, draft)) }
    };
    Ok(shell(visitor, "Suppression list", PLACE, &content))
}

fn filters(listing: &Listing) -> Markup {
    live::filters(
        SUPPRESSIONS,
        "suppressions",
        &html! {
            div { label for="q" { "Address" } input id="q" name="q" type="search" value=(listing.q.trim()); }
            div {
                label for="reason" { "Why" }
                select id="reason" name="reason" {
                    option value="" { "any reason" }
                    @for reason in SuppressionReason::ALL {
                        option value=(reason.as_str()) selected[reason.as_str() == listing.reason] { (words::spaced(reason.as_str())) }
                    }
                }
            }
            button type="submit" class="button plain" { "Find" }
        },
    )
}

fn row(entry: &Suppression, writes: bool) -> Markup {
    let href = entry.address_key.as_ref().map(|address| {
        let query = serde_urlencoded::to_string([("address", address)]).unwrap_or_default();
        format!("{SUPPRESSIONS}/remove?{query}")
    });
    html! { tr {
        td { (entry.address_key.as_deref().unwrap_or("(erased, and still suppressed)")) }
        td { (words::spaced(entry.reason.as_str())) }
        td { (entry.source) }
        td { (entry.note.as_deref().unwrap_or_default()) }
        td { (words::time(entry.created_at)) }
        td { @if writes { @if let Some(href) = &href { (ask_first(href, "Remove")) } } }
    } }
}

fn add_form(visitor: &Visitor, draft: &Draft) -> Markup {
    let (address_wrong, note_wrong) = (
        wrong(&draft.problems, "address"),
        wrong(&draft.problems, "addresses/0/note"),
    );
    let address = Field {
        name: "address",
        label: "Address",
        value: &draft.address,
        hint: None,
        error: address_wrong.as_deref(),
        required: true,
    };
    let note = Field {
        name: "note",
        label: "Note",
        value: &draft.note,
        hint: Some("What to remember about it"),
        error: note_wrong.as_deref(),
        required: false,
    };
    shown::card(
        "Suppress an address",
        &html! {
            form method="post" action=(SUPPRESSIONS) class="stack" {
                (visitor.csrf())
                (input(&address, "email"))
                (input(&note, "text"))
                div class="row" { (button("Suppress it", Weight::Primary)) }
            }
        },
    )
}

/// Suppresses an address.
#[handler]
pub(super) async fn add(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::SuppressionsWrite)?;
    let mut draft = Draft {
        address: posted.fields.text("address").to_owned(),
        note: posted.fields.text("note").to_owned(),
        problems: Vec::new(),
    };
    match draft.address.parse() {
        Err(_) => draft.problems.push(FieldProblem {
            field: "address".to_owned(),
            code: "invalid".to_owned(),
            message: "this is not an email address".to_owned(),
            line: None,
        }),
        Ok(address) => {
            let new = NewSuppression {
                address,
                reason: SuppressionReason::Manual,
                source: "web".to_owned(),
                note: Some(draft.note.clone()),
            };
            let addresses = &app(request)?.suppressions;
            match addresses.add(&visitor.actor, new).await {
                Ok(_) => return Ok(redirect(&Done::Saved.at(SUPPRESSIONS))),
                Err(error) => draft.problems = told(error)?,
            }
        }
    }
    let page = page(request, visitor, &Listing::default(), &draft).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Which address.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    address: String,
}

fn address(text: &str) -> Result<EmailAddress> {
    text.parse().map_err(|_| failure::missing("address"))
}

/// Asks before an address gets mail again.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Markup> {
    visitor.needs(Permission::SuppressionsWrite)?;
    let address = address(&which.address)?;
    let found = app(request)?
        .suppressions
        .find(&visitor.actor, &address)
        .await;
    let found = found.map_err(failure::messaging)?;
    let entry = found.ok_or_else(|| failure::missing("suppressed address"))?;
    let reason = words::spaced(entry.reason.as_str());
    let wish = entry
        .unsubscribed_at
        .filter(|_| entry.reason != SuppressionReason::Unsubscribed);
    let mut lost = vec![match wish {
        None => format!("That {address} gets no mail ({reason})"),
        Some(at) => format!(
            "That {address} is on the list for this reason: {reason}. It stays there because its owner unsubscribed on {}",
            at.format("%-d %B %Y")
        ),
    }];
    if entry.reason != SuppressionReason::Manual {
        lost.push(
            "What its owner, or the receiving side, wanted: mail to it may be reported as spam"
                .to_owned(),
        );
    }
    let question = "Send mail to this address again?";
    let token = html! { (visitor.csrf()) input type="hidden" name="address" value=(address); };
    let content = confirmation(
        question,
        &lost,
        "Remove it from the list",
        SUPPRESSIONS,
        &token,
    );
    Ok(shell(&visitor, question, PLACE, &content))
}

/// Lets an address get mail again.
#[handler]
pub(super) async fn remove(request: &Request, posted: Posted) -> Result<Response> {
    let address = address(posted.fields.text("address"))?;
    let addresses = &app(request)?.suppressions;
    let removed = addresses.remove(&posted.visitor.actor, &address).await;
    removed.map_err(failure::messaging)?;
    Ok(redirect(&Done::Deleted.at(SUPPRESSIONS)))
}
