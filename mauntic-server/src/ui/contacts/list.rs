//! The list: searched, filtered by tag, sorted, page by page.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{Contact, ContactFilter, ContactListing, ContactSort};
use poem::{Request, Result, handler, web::Query};
use serde::{Deserialize, Serialize};

use super::{PLACE, called, column, place};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button, button_link},
        form::{Field, input},
        frame, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// How many rows a page shows.
const ROWS: usize = 50;

/// Which part of the list to show.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct Listing {
    /// What to look for.
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<String>,
    /// Only those with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// What to sort by.
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<ContactSort>,
    /// The other way round.
    #[serde(skip_serializing_if = "Option::is_none")]
    descending: Option<bool>,
    /// Where the page starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// What just happened.
    #[serde(skip_serializing)]
    done: Option<Done>,
}

impl Listing {
    fn href(&self) -> String {
        let query = serde_urlencoded::to_string(self).unwrap_or_default();
        format!("{PLACE}?{query}")
    }

    /// Where the same list is sorted by something, or the other way round if it already is.
    fn sorted_by(&self, sort: ContactSort) -> String {
        let again = self.sort.unwrap_or_default() == sort;
        let descending = again && !self.descending.unwrap_or_default();
        let other = Self {
            sort: Some(sort),
            descending: Some(descending),
            after: None,
            ..self.clone()
        };
        other.href()
    }

    fn is_filtered(&self) -> bool {
        self.search.is_some() || self.tag.is_some()
    }
}

/// Shows it.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(mut listing): Query<Listing>,
) -> Result<Markup> {
    let some = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    listing.search = some(listing.search);
    // A text that cannot be a tag, or is no cursor, is as good as none.
    let tag = listing.tag.as_deref().and_then(|tag| tag.parse().ok());
    listing.tag = tag.as_ref().map(|tag: &mauntic_crm::Tag| tag.to_string());
    let wanted = ContactListing {
        filter: ContactFilter {
            search: listing.search.clone(),
            tag,
            segment: None,
        },
        sort: listing.sort.unwrap_or_default(),
        descending: listing.descending.unwrap_or_default(),
        after: listing.after.as_deref().and_then(|text| text.parse().ok()),
        size: PageSize::clamped(ROWS),
    };
    let page = app(request)?.contacts.list(&visitor.actor, &wanted).await;
    let page = page.map_err(failure::crm)?;
    let next = page.next.map(|cursor| {
        let after = Some(cursor.to_string());
        Listing {
            after,
            ..listing.clone()
        }
        .href()
    });
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let content = html! {
        (frame::header("Contacts", &actions(&visitor)))
        @if let Some(done) = listing.done { (done.toast()) }
        @if rows.is_empty() && !listing.is_filtered() && wanted.after.is_none() {
            (show::empty("There are no contacts yet", "Add the first one, or bring many in from a CSV file.", &actions(&visitor)))
        } @else {
            (filters(&listing))
            (contacts(&listing, &rows, next.as_deref()))
            @if rows.is_empty() { p { "Nobody fits this." } }
            @if wanted.after.is_some() {
                (button_link(&Listing { after: None, ..listing.clone() }.href(), "First page", Weight::Plain))
            }
        }
    };
    Ok(shell(&visitor, "Contacts", PLACE, &content))
}

fn actions(visitor: &Visitor) -> Markup {
    html! {
        @if visitor.may(Permission::ContactsExport) { (button_link("/app/contacts/export", "Export", Weight::Plain)) }
        @if visitor.may(Permission::ContactsWrite) { (button_link("/app/contacts/new", "New contact", Weight::Primary)) }
    }
}

fn filters(listing: &Listing) -> Markup {
    let tag = Field {
        name: "tag",
        label: "Tag",
        value: listing.tag.as_deref().unwrap_or_default(),
        ..Field::default()
    };
    html! {
        form method="get" action=(PLACE) class="row" role="search" {
            div class="field" {
                label for="search" { "Name or address begins with" }
                input id="search" name="search" type="search" data-search value=[listing.search.as_deref()];
            }
            (input(&tag, "text"))
            (button("Search", Weight::Plain))
        }
        @if let Some(tag) = &listing.tag {
            (show::chip(&format!("Tag: {tag}"), &Listing { tag: None, after: None, ..listing.clone() }.href()))
        }
    }
}

fn contacts(listing: &Listing, rows: &[Markup], next: Option<&str>) -> Markup {
    let [email, active, added] = [
        ContactSort::Email,
        ContactSort::LastActive,
        ContactSort::CreatedAt,
    ]
    .map(|sort| (sort, listing.sorted_by(sort)));
    let direction = if listing.descending.unwrap_or_default() {
        "descending"
    } else {
        "ascending"
    };
    let now = listing.sort.unwrap_or_default();
    let sorting = |name, sort| Column {
        sorted: (sort == now).then_some(direction),
        ..column(name)
    };
    let columns = [
        Column {
            sort: Some(&email.1),
            ..sorting("Email address", email.0)
        },
        column("Name"),
        column("Country"),
        column("Tags"),
        Column {
            sort: Some(&active.1),
            ..sorting("Last active", active.0)
        },
        Column {
            sort: Some(&added.1),
            ..sorting("Added", added.0)
        },
    ];
    table("Contacts", &columns, rows, next)
}

fn row(contact: &Contact) -> Markup {
    let parts = contact.parts();
    let email = contact.email().map(ToString::to_string);
    html! { tr {
        td { a href=(place(contact.id())) { (email.unwrap_or_else(|| "(no address)".to_owned())) } }
        td { (called(contact)) }
        td { @if let Some(country) = contact.value("country") { (country.to_string()) } }
        td { @for tag in &parts.tags { (show::badge(tag.as_str(), crate::ui::component::Tone::Plain)) " " } }
        td { @if let Some(at) = parts.last_active_at { (words::time(at)) } }
        td { (words::time(parts.created_at)) }
    } }
}
