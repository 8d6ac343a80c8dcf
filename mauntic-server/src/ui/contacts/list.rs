//! The list: searched, filtered, sorted, with chosen columns, page by page.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{
    Contact, ContactListing, Field, FieldSet, FieldType, Tag,
    segment::{Segment, SegmentFilter},
};
use poem::{Request, Result, handler, web::Query};

use super::{
    PLACE, called, channel_name,
    listing::{Listing, OTHERS},
    people::People,
    place, sections,
    value::shown,
    views,
};
use crate::ui::{
    Said, bulk,
    component::{
        Tone,
        action::{Weight, button, button_link, panel},
        form::checkbox_of,
        frame, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// How many rows a page shows.
const ROWS: usize = 50;
/// How many tags and segments are offered to filter by; others can be typed or come from their pages.
const OFFERED: usize = 200;

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
        let columns = columns(&listing, &fields);
        let writes = visitor.may(Permission::ContactsWrite);
        let rows: Vec<_> = page
            .items
            .iter()
            .map(|contact| row(contact, &columns, &people, writes))
            .collect();
        html! {
            (frame::header("Contacts", &actions(&visitor, &listing)))
            @if let Some(done) = said.done { (done.toast()) }
            (sections(PLACE))
            (tools(request, &visitor, &listing, &fields).await?)
            @if rows.is_empty() {
                (show::empty("Nobody fits this", "Look for less, or take a filter off.", &button_link(PLACE, "Show all contacts", Weight::Plain)))
            } @else {
                (contacts(&listing, &columns, &rows, next.as_deref(), writes))
                @if writes { (of_many(&visitor, &listing)) }
            }
            @if listing.after.is_some() { p { a href=(listing.first().href()) { "Back to the first page" } } }
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

/// Search, filters and the choice of columns.
async fn tools(
    request: &Request,
    visitor: &Visitor,
    listing: &Listing,
    fields: &FieldSet,
) -> Result<Markup> {
    let app = app(request)?;
    let size = PageSize::clamped(OFFERED);
    let tags = app.tags.list(&visitor.actor, None, size).await;
    let tags = tags.map_err(failure::crm)?.items;
    let views = app.views.list(&visitor.actor).await;
    let views = views.map_err(failure::crm)?;
    let mut segments = Vec::new();
    let mut chosen = None;
    if visitor.may(Permission::SegmentsRead) {
        let page = app
            .segments
            .list(&visitor.actor, &SegmentFilter::default(), None, size)
            .await;
        segments = page.map_err(failure::crm)?.items;
        if let Some(id) = listing.segment {
            let segment = app.segments.find(&visitor.actor, id).await;
            chosen = Some(segment.map_err(failure::crm)?);
        }
    }
    if let Some(chosen) = &chosen
        && segments.iter().all(|segment| segment.id != chosen.id)
    {
        segments.push(chosen.clone());
    }
    Ok(html! {
        div class="tools" {
            (filters(listing, &tags, &segments))
            div class="row" {
                (views::views(visitor, listing, &views))
                (panel("Columns", &choice(listing, fields)))
            }
        }
        @if listing.is_filtered() {
            div class="row" {
                @if let Some(text) = &listing.search {
                    (show::chip(&format!("Search: {text}"), &Listing { search: None, ..listing.first() }.href()))
                }
                @if let Some(tag) = &listing.tag {
                    (show::chip(&format!("Tag: {tag}"), &Listing { tag: None, ..listing.first() }.href()))
                }
                @if let Some(segment) = &chosen {
                    (show::chip(&format!("Segment: {}", segment.name.as_str()), &Listing { segment: None, ..listing.first() }.href()))
                }
            }
        }
    })
}

fn filters(listing: &Listing, tags: &[Tag], segments: &[Segment]) -> Markup {
    let kept = listing.pairs().into_iter();
    let kept = kept.filter(|(name, _)| matches!(*name, "sort" | "column"));
    html! {
        form method="get" action=(PLACE) class="filters" role="search" {
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            div class="field" {
                label for="search" { "Search" }
                input id="search" name="search" type="search" value=[listing.search.as_deref()]
                    placeholder="Name or address" aria-describedby="search-hint";
            }
            div class="field" {
                label for="tag" { "Tag" }
                input id="tag" name="tag" list="tags" autocomplete="off" value=[listing.tag.as_ref().map(Tag::as_str)];
                datalist id="tags" { @for tag in tags { option value=(tag.as_str()) {} } }
            }
            @if !segments.is_empty() {
                div class="field" {
                    label for="segment" { "Segment" }
                    select id="segment" name="segment" {
                        option value="" { "All" }
                        @for segment in segments {
                            option value=(segment.id) selected[listing.segment == Some(segment.id)] { (segment.name.as_str()) }
                        }
                    }
                }
            }
            (button("Search", Weight::Plain))
            p class="note" id="search-hint" {
                "Finds how a name or an address begins. With * in front, any part of it: "
                code { "*smith" } "."
            }
        }
    }
}

/// Which columns to show.
fn choice(listing: &Listing, fields: &FieldSet) -> Markup {
    let chosen = listing.columns(fields);
    let kept = listing.pairs().into_iter();
    let kept = kept.filter(|(name, _)| *name != "column");
    let others = OTHERS.into_iter();
    let all = fields
        .iter()
        .map(|field| (field.alias.as_str(), field.label.as_str()))
        .chain(others);
    html! {
        form method="get" action=(PLACE) class="stack" {
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            fieldset class="choices" {
                legend { "Shown beside the name" }
                @for (name, label) in all { (checkbox_of("column", name, label, chosen.contains(&name))) }
            }
            div class="row" { (button("Show", Weight::Primary)) }
        }
    }
}

/// A column and how it is filled.
enum Shown<'a> {
    /// By a field.
    Field(&'a Field),
    /// By something else: its name and what it is called.
    Other(&'static str, &'static str),
}

impl Shown<'_> {
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

fn columns<'a>(listing: &Listing, fields: &'a FieldSet) -> Vec<Shown<'a>> {
    let names = listing.columns(fields).into_iter();
    names
        .filter_map(|name| match fields.get(name) {
            Some(field) => Some(Shown::Field(field)),
            None => OTHERS
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(other, label)| Shown::Other(other, label)),
        })
        .collect()
}

fn contacts(
    listing: &Listing,
    columns: &[Shown<'_>],
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
    table("Contacts", &heads, rows, next)
}

/// What can be done with many; those that are ticked in the list belong to the form.
fn of_many(visitor: &Visitor, listing: &Listing) -> Markup {
    let filter = listing.pairs().into_iter();
    let filter = filter.filter(|(name, _)| matches!(*name, "search" | "tag" | "segment"));
    html! {
        form method="get" action=(bulk::PLACE) id="many" class="card many" {
            @for (name, value) in filter { input type="hidden" name=(name) value=(value); }
            fieldset class="row" {
                legend { "Change many" }
                label class="check" { input type="radio" name="whom" value="chosen" checked; span { "those that are ticked" } }
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

fn row(contact: &Contact, columns: &[Shown<'_>], people: &People, writes: bool) -> Markup {
    html! { tr {
        @if writes {
            td { input type="checkbox" name="contact" value=(contact.id()) form="many" aria-label={ "Choose " (called(contact)) }; }
        }
        td { a href=(place(contact.id())) { (called(contact)) } }
        @for column in columns {
            @match column {
                Shown::Field(field) => {
                    td class=[column.is_number().then_some("number")] {
                        @if let Some(value) = contact.field_value(field.alias.as_str()) { (shown(field, &value)) }
                    }
                }
                Shown::Other(name, _) => { td { (other(contact, name, people)) } }
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
