//! The list: searched, filtered, sorted, with chosen columns, page by page.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{Contact, ContactListing, Field, FieldSet, FieldType};
use poem::{Request, Result, handler, web::Query};

use super::{
    PLACE, called, channel_name,
    listing::{FILTERS, Listing, OTHERS},
    people::People,
    place, sections,
    tools::{Shown, chips, segments, tools},
    value::shown,
};
use crate::ui::{
    Said, bulk,
    component::{
        Tone,
        action::{Weight, button_link},
        frame,
        live::Part,
        show,
        table::{Column, table_of},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// How many rows a page shows.
const ROWS: usize = 50;

/// Shows it.
#[handler]
pub(super) async fn list(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let app = app(request)?;
    let listing = Listing::read(request.uri().query().unwrap_or_default());
    let wanted = ContactListing {
        filter: listing.filter(),
        sort: listing.sort,
        descending: listing.descending,
        after: listing.after.clone(),
        size: PageSize::clamped(ROWS),
    };
    let page = app.contacts.list(&visitor.actor, &wanted).await;
    let page = page.map_err(failure::crm)?;
    let fields = app.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let next = page.next.map(|cursor| {
        let after = Some(cursor);
        Listing {
            after,
            ..listing.clone()
        }
        .href()
    });
    let content = if page.items.is_empty() && listing == Listing::default() {
        html! {
            (frame::header("Contacts", &html! {}))
            @if let Some(done) = said.done { (done.toast()) }
            (sections(PLACE))
            (nobody(&visitor))
        }
    } else {
        let people = People::of(request, &visitor).await?;
        let segments = segments(request, &visitor, &listing).await?;
        let shown = Shown {
            listing: &listing,
            fields: &fields,
            people: &people,
            stages: page
                .items
                .iter()
                .filter_map(|contact| contact.parts().stage.as_deref())
                .collect(),
        };
        let columns = columns(&listing, &fields);
        let writes = visitor.may(Permission::ContactsWrite);
        let rows: Vec<_> = page
            .items
            .iter()
            .map(|contact| row(contact, &columns, &people, writes))
            .collect();
        html! {
            (frame::header("Contacts", &html! { div class="row" id="contacts-actions" { (actions(&visitor, &listing)) } }))
            @if let Some(done) = said.done { (done.toast()) }
            (sections(PLACE))
            (tools(request, &visitor, &shown, &segments).await?)
            div class="stack" id="contacts" {
                (chips(&shown, &segments))
                @if rows.is_empty() {
                    (show::empty("Nobody fits this", "Look for less, or take a filter off.", &button_link(PLACE, "Show all contacts", Weight::Plain)))
                } @else {
                    (contacts(&listing, &columns, &rows, next.as_deref(), writes))
                    @if writes { (of_many(&visitor, &listing)) }
                }
                @if listing.after.is_some() { p { a href=(listing.first().href()) { "Back to the first page" } } }
            }
        }
    };
    Ok(shell(&visitor, "Contacts", PLACE, &content))
}

/// Leads to the first contacts.
fn nobody(visitor: &Visitor) -> Markup {
    let (text, action) = if visitor.may(Permission::ContactsWrite) {
        (
            "Add the first one here, or bring many in from a CSV file.",
            actions(visitor, &Listing::default()),
        )
    } else {
        (
            "Once somebody who may change contacts adds some, they are listed here.",
            html! {},
        )
    };
    show::empty(
        "There are no contacts yet",
        text,
        &html! { div class="row" { (action) } },
    )
}

fn actions(visitor: &Visitor, listing: &Listing) -> Markup {
    html! {
        @if visitor.may(Permission::ContactsExport) {
            @let text = if listing.is_filtered() { "Export these" } else { "Export" };
            (button_link(&listing.filtered("/app/contacts/export"), text, Weight::Plain))
        }
        @if visitor.may(Permission::ContactsImport) { (button_link("/app/imports/new", "Import", Weight::Plain)) }
        @if visitor.may(Permission::ContactsWrite) { (button_link("/app/contacts/new", "New contact", Weight::Primary)) }
    }
}

/// A column and how it is filled.
enum Filled<'a> {
    /// By a field.
    Field(&'a Field),
    /// By something else: its name and what it is called.
    Other(&'static str, &'static str),
}

impl Filled<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Field(field) => field.alias.as_str(),
            Self::Other(name, _) => name,
        }
    }

    fn head(&self) -> &str {
        match self {
            Self::Field(field) => &field.label,
            Self::Other(_, label) => label,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Field(field) if field.field_type == FieldType::Number)
    }
}

fn columns<'a>(listing: &Listing, fields: &'a FieldSet) -> Vec<Filled<'a>> {
    let names = listing.columns(fields).into_iter();
    names
        .filter_map(|name| match fields.get(name) {
            Some(field) => Some(Filled::Field(field)),
            None => OTHERS
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(other, label)| Filled::Other(other, label)),
        })
        .collect()
}

fn contacts(
    listing: &Listing,
    columns: &[Filled<'_>],
    rows: &[Markup],
    next: Option<&str>,
    writes: bool,
) -> Markup {
    let direction = if listing.descending {
        "descending"
    } else {
        "ascending"
    };
    let known = columns
        .iter()
        .map(|column| (column.name(), column.head(), column.is_number()));
    let shown: Vec<_> = std::iter::once(("name", "Name", false))
        .chain(known)
        .collect();
    let sorts: Vec<_> = shown
        .iter()
        .map(|(name, ..)| Listing::sort_of(name))
        .map(|sort| sort.map(|sort| (sort, listing.sorted_by(sort))))
        .collect();
    let heads = shown
        .iter()
        .zip(&sorts)
        .map(|((_, name, number), sort)| Column {
            name,
            sort: sort.as_ref().map(|(_, href)| href.as_str()),
            sorted: sort
                .as_ref()
                .and_then(|(sort, _)| (*sort == listing.sort).then_some(direction)),
            number: *number,
        });
    let choose = writes.then(|| Column::plain("Choose")).into_iter();
    let heads: Vec<_> = choose.chain(heads).collect();
    let part = Part {
        id: "contacts",
        others: Some("#contacts-actions,#views,#columns,#kept"),
    };
    table_of("Contacts", &heads, rows, next, part)
}

/// What can be done with many; those that are ticked in the list belong to the form.
fn of_many(visitor: &Visitor, listing: &Listing) -> Markup {
    let filter = listing.pairs().into_iter();
    let filter = filter.filter(|(name, _)| FILTERS.contains(name));
    html! {
        form method="get" action=(bulk::PLACE) id="many" class="card many" {
            @for (name, value) in filter { input type="hidden" name=(name) value=(value); }
            fieldset class="row" {
                legend { "Change many" }
                label class="check" { input type="radio" name="whom" value="chosen" checked; span { "those that are ticked on this page" span data-ticked {} } }
                label class="check" {
                    input type="radio" name="whom" value="all";
                    span { @if listing.is_filtered() { "all that fit the search and filters, on every page" } @else { "all contacts, on every page" } }
                }
            }
            div class="row" {
                @for (action, text) in bulk::ACTIONS {
                    @if bulk::may(visitor, action) {
                        button type="submit" name="action" value=(action) class={ "button" @if action == "delete" { " danger" } } { (text) }
                    }
                }
            }
        }
    }
}

fn row(contact: &Contact, columns: &[Filled<'_>], people: &People, writes: bool) -> Markup {
    html! { tr {
        @if writes {
            td { input type="checkbox" name="contact" value=(contact.id()) form="many" aria-label={ "Choose " (called(contact)) }; }
        }
        td { a href=(place(contact.id())) { (called(contact)) } }
        @for column in columns {
            @match column {
                Filled::Field(field) => {
                    td class=[column.is_number().then_some("number")] {
                        @if let Some(value) = contact.field_value(field.alias.as_str()) { (shown(field, &value)) }
                    }
                }
                Filled::Other(name, _) => { td { (other(contact, name, people)) } }
            }
        }
    } }
}

fn other(contact: &Contact, column: &str, people: &People) -> Markup {
    let parts = contact.parts();
    html! {
        @match column {
            "tags" => { div class="row" { @for tag in &parts.tags { (show::badge(tag.as_str(), Tone::Plain)) } } }
            "do_not_contact" => {
                div class="row" {
                    @for channel in parts.do_not_contact.keys() { (show::badge(channel_name(*channel), Tone::Bad)) }
                }
            }
            "owner" => { @if let Some(owner) = parts.owner { (people.name(owner)) } }
            "stage" => { @if let Some(stage) = &parts.stage { (stage) } }
            "created_at" => { (words::time(parts.created_at)) }
            _ => { (words::time(parts.updated_at)) }
        }
    }
}
