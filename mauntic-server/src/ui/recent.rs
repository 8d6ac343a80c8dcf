//! What happened last, for the start page: work that was begun, who came, who left, and what people changed.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::ContactListing;
use mauntic_messaging::suppression::{SuppressionFilter, SuppressionReason};
use poem::{Request, Result};

use super::{
    component::{
        show,
        table::{Column, table},
    },
    contacts, failure, organization,
    running::{self, Job},
    visitor::{Visitor, app},
    words,
};

/// How many of each kind are shown.
const LATEST: usize = 8;

/// Shows it, as far as the visitor may see it.
pub(super) async fn cards(request: &Request, visitor: &Visitor, jobs: &[Job]) -> Result<Markup> {
    let (came, left) = (came(request, visitor).await?, left(request, visitor).await?);
    let changed = organization::latest(request, visitor, LATEST).await?;
    Ok(html! {
        @if !jobs.is_empty() { (show::card("Recently", &running::latest(jobs))) }
        @if came.is_some() || left.is_some() {
            div class="pair" {
                @if let Some(came) = &came { (show::card("Who came", came)) }
                @if let Some(left) = &left { (show::card("Who left", left)) }
            }
        }
        @if let Some(changed) = &changed { (show::card("Who changed what", changed)) }
    })
}

/// The contacts that were added last; nothing if there are none.
async fn came(request: &Request, visitor: &Visitor) -> Result<Option<Markup>> {
    if !visitor.may(Permission::ContactsRead) {
        return Ok(None);
    }
    let listing = ContactListing {
        descending: true,
        size: PageSize::clamped(LATEST),
        ..ContactListing::default()
    };
    let page = app(request)?.contacts.list(&visitor.actor, &listing).await;
    let found = page.map_err(failure::crm)?.items;
    let rows: Vec<_> = found
        .iter()
        .map(|contact| {
            html! { tr {
                td { a href=(contacts::place(contact.id())) { (contacts::called(contact)) } }
                td { (words::time(contact.parts().created_at)) }
            } }
        })
        .collect();
    let columns = ["Contact", "Added"].map(Column::plain);
    Ok((!rows.is_empty()).then(|| table("Contacts added last", &columns, &rows, None)))
}

/// Those who unsubscribed last; nothing if nobody did.
async fn left(request: &Request, visitor: &Visitor) -> Result<Option<Markup>> {
    if !visitor.may(Permission::SuppressionsRead) {
        return Ok(None);
    }
    let filter = SuppressionFilter {
        reason: Some(SuppressionReason::Unsubscribed),
        ..SuppressionFilter::default()
    };
    let (suppressions, size) = (&app(request)?.suppressions, PageSize::clamped(LATEST));
    let page = suppressions.list(&visitor.actor, &filter, None, size).await;
    let found = page.map_err(failure::messaging)?.items;
    let rows: Vec<_> = found
        .iter()
        .map(|one| {
            html! { tr {
                td { @if let Some(address) = &one.address_key { (address) } @else { span class="soft" { "an erased address" } } }
                td { (words::time(one.created_at)) }
            } }
        })
        .collect();
    let columns = ["Address", "Unsubscribed"].map(Column::plain);
    let list = html! {
        (table("Who unsubscribed last", &columns, &rows, None))
        p { a href="/app/sending/suppressions?reason=unsubscribed" { "All who unsubscribed" } }
    };
    Ok((!rows.is_empty()).then_some(list))
}
