//! What stands above the list: search and filters, views, and the choice of columns.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{
    FieldSet, Tag,
    segment::{Segment, SegmentFilter},
};
use poem::{Request, Result};

use super::{
    PLACE,
    listing::{Consent, FILTERS, Listing, OTHERS},
    people::People,
    views,
};
use crate::ui::{
    component::{
        action::panel,
        form::checkbox_of,
        live::{self, Part},
        show,
    },
    failure,
    visitor::{Visitor, app},
};

/// How many tags and segments are offered to filter by; others can be typed or come from their pages.
const OFFERED: usize = 200;

/// What the filters and what they leave are shown with.
pub(super) struct Shown<'a> {
    pub(super) listing: &'a Listing,
    pub(super) fields: &'a FieldSet,
    pub(super) people: &'a People,
    /// The stages of those on the page, to choose from.
    pub(super) stages: BTreeSet<&'a str>,
}

/// The segments to choose from, with the chosen one among them; none if the visitor may not see any.
pub(super) async fn segments(
    request: &Request,
    visitor: &Visitor,
    listing: &Listing,
) -> Result<Vec<Segment>> {
    if !visitor.may(Permission::SegmentsRead) {
        return Ok(Vec::new());
    }
    let (app, any) = (app(request)?, SegmentFilter::default());
    let size = PageSize::clamped(OFFERED);
    let page = app.segments.list(&visitor.actor, &any, None, size).await;
    let mut segments = page.map_err(failure::crm)?.items;
    if let Some(id) = listing.segment
        && segments.iter().all(|segment| segment.id != id)
    {
        let chosen = app.segments.find(&visitor.actor, id).await;
        segments.push(chosen.map_err(failure::crm)?);
    }
    Ok(segments)
}

/// Search, filters, views and the choice of columns.
pub(super) async fn tools(
    request: &Request,
    visitor: &Visitor,
    shown: &Shown<'_>,
    segments: &[Segment],
) -> Result<Markup> {
    let app = app(request)?;
    let size = PageSize::clamped(OFFERED);
    let tags = app.tags.list(&visitor.actor, None, size).await;
    let tags = tags.map_err(failure::crm)?.items;
    let views = app.views.list(&visitor.actor).await;
    let views = views.map_err(failure::crm)?;
    Ok(html! {
        div class="tools" {
            (filters(shown, &tags, segments))
            div class="row" {
                (views::views(visitor, shown.listing, &views))
                (panel("Columns", &choice(shown.listing, shown.fields)))
            }
        }
    })
}

/// The filters that are on, each with the way out of it.
pub(super) fn chips(shown: &Shown<'_>, segments: &[Segment]) -> Markup {
    let listing = shown.listing;
    let without = |chip: &str, change: fn(&mut Listing)| {
        let mut other = listing.first();
        change(&mut other);
        show::chip(chip, &other.href())
    };
    let segment = segments.iter().find(|one| listing.segment == Some(one.id));
    html! {
        @if listing.is_filtered() {
            div class="row" {
                @if let Some(text) = &listing.search { (without(&format!("Search: {text}"), |other| other.search = None)) }
                @if let Some(tag) = &listing.tag { (without(&format!("Tag: {tag}"), |other| other.tag = None)) }
                @if let Some(segment) = segment { (without(&format!("Segment: {}", segment.name.as_str()), |other| other.segment = None)) }
                @if let Some(owner) = listing.owner { (without(&format!("Owner: {}", shown.people.name(owner)), |other| other.owner = None)) }
                @if let Some(stage) = &listing.stage { (without(&format!("Stage: {stage}"), |other| other.stage = None)) }
                @if let Some(consent) = listing.consent { (without(&consent.words(), |other| other.consent = None)) }
            }
        }
    }
}

fn filters(shown: &Shown<'_>, tags: &[Tag], segments: &[Segment]) -> Markup {
    let listing = shown.listing;
    let kept = listing.pairs().into_iter();
    let kept = kept.filter(|(name, _)| !FILTERS.contains(name));
    let mut owners = shown.people.by_name();
    let chosen = listing.owner.map(|id| id.to_string()).unwrap_or_default();
    if owners.iter().all(|(id, _)| *id != chosen) && !chosen.is_empty() {
        owners.push((chosen.clone(), "A former member"));
    }
    let consents: Vec<_> = Consent::all()
        .map(|consent| (consent.text(), consent.words()))
        .collect();
    let consent = listing.consent.map(Consent::text).unwrap_or_default();
    let segments: Vec<_> = segments
        .iter()
        .map(|segment| (segment.id.to_string(), segment.name.as_str()))
        .collect();
    let segment = listing.segment.map(|id| id.to_string()).unwrap_or_default();
    let part = Part {
        id: "contacts",
        others: Some("#contacts-actions,#views,#columns"),
    };
    live::filters_of(
        PLACE,
        part,
        "filters",
        &html! {
            // What else the address says; it comes anew with the rest.
            span id="kept" hidden { @for (name, value) in kept { input type="hidden" name=(name) value=(value); } }
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
            (one_of("segment", "Segment", &segment, segments.iter().map(|(id, name)| (id.as_str(), *name))))
            (one_of("owner", "Owner", &chosen, owners.iter().map(|(id, name)| (id.as_str(), *name))))
            div class="field" {
                label for="stage" { "Stage" }
                input id="stage" name="stage" list="stages" autocomplete="off" value=[listing.stage.as_deref()];
                datalist id="stages" { @for stage in &shown.stages { option value=(stage) {} } }
            }
            (one_of("consent", "May we write?", &consent, consents.iter().map(|(text, words)| (text.as_str(), words.as_str()))))
            button type="submit" class="button plain" { "Search" }
            p class="note" id="search-hint" {
                "Finds how a name or an address begins. With * in front, any part of it: "
                code { "*smith" } "."
            }
        },
    )
}

/// A choice of one or all; nothing where there is nothing to choose from.
fn one_of<'a>(
    name: &str,
    label: &str,
    chosen: &str,
    choices: impl Iterator<Item = (&'a str, &'a str)>,
) -> Markup {
    let mut choices = choices.peekable();
    html! {
        @if choices.peek().is_some() {
            div class="field" {
                label for=(name) { (label) }
                select id=(name) name=(name) {
                    option value="" { "All" }
                    @for (value, text) in choices { option value=(value) selected[value == chosen] { (text) } }
                }
            }
        }
    }
}

/// Which columns to show: with scripting the list follows each tick.
fn choice(listing: &Listing, fields: &FieldSet) -> Markup {
    let chosen = listing.columns(fields);
    let kept = listing.pairs().into_iter();
    let kept = kept.filter(|(name, _)| *name != "column");
    let others = OTHERS.into_iter();
    let all = fields
        .iter()
        .map(|field| (field.alias.as_str(), field.label.as_str()))
        .chain(others);
    let part = Part {
        id: "contacts",
        others: Some("#contacts-actions,#views,#kept"),
    };
    live::filters_of(
        PLACE,
        part,
        "stack",
        &html! {
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            fieldset class="choices" {
                legend { "Shown beside the name" }
                @for (name, label) in all { (checkbox_of("column", name, label, chosen.contains(&name))) }
            }
            button type="submit" class="button primary plain" { "Show" }
        },
    )
}
