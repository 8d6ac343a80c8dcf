//! One segment: its rule, who is in, who uses it, and why somebody is in or not.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{ContactId, PageSize, Permission};
use mauntic_crm::{
    Contact,
    segment::{Explanation, Origin, Segment},
};
use poem::{
    Request, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;

use super::{PLACE, ROWS, built, contact_link, found, kind, place, tree, uses::Uses};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, ask_first, button, button_link},
        form::Field,
        frame, live, show,
        table::{Column, table},
    },
    contacts::lookup,
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// What to show of a segment.
#[derive(Debug, Default, Deserialize)]
pub(super) struct View {
    /// Members behind this contact.
    after: Option<String>,
    /// Say why this contact is in or not.
    contact: Option<String>,
    /// What just happened.
    done: Option<Done>,
    /// What just happened to its members.
    told: Option<Told>,
}

/// What happened to the members.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    PutIn,
    Kept,
    TakenOut,
    Queued,
}

impl Told {
    /// The address that says it of a segment.
    pub(super) fn at(self, segment: &Segment) -> String {
        let name = match self {
            Self::PutIn => "put_in",
            Self::Kept => "kept",
            Self::TakenOut => "taken_out",
            Self::Queued => "queued",
        };
        format!("{}?told={name}", place(segment))
    }

    fn toast(self) -> Markup {
        let text = match self {
            Self::PutIn => "The contact was put in, and stays whatever the rule says.",
            Self::Kept => "The contact was in already, and stays whatever the rule says.",
            Self::TakenOut => "The contact was taken out, and stays out whatever the rule says.",
            Self::Queued => "The rebuild is due now; it runs in the background.",
        };
        show::toast(text, Tone::Good)
    }
}

/// Shows it.
#[handler]
pub(super) async fn one(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(view): Query<View>,
) -> Result<Markup> {
    let segment = found(request, &visitor, &id).await?;
    content(request, &visitor, &segment, &view, None).await
}

/// Whether a worker is at it, or soon will be.
fn is_rebuilt_now(segment: &Segment, now: DateTime<Utc>) -> bool {
    segment.build.is_some() || segment.next_rebuild_at.is_some_and(|at| at <= now)
}

/// The page; `refused` is an address that could not be put in, and why.
pub(super) async fn content(
    request: &Request,
    visitor: &Visitor,
    segment: &Segment,
    view: &View,
    refused: Option<(&str, &str)>,
) -> Result<Markup> {
    let app = app(request)?;
    let (actor, here) = (&visitor.actor, place(segment));
    let writes = visitor.may(Permission::SegmentsWrite);
    let uses = Uses::of(app, visitor, segment.id).await?;
    let text = app.segments.rule_text(actor, segment).await;
    let text = text.map_err(failure::crm)?;
    let node = match &segment.rule {
        Some(rule) => Some(tree::of_rule(rule, &tree::names(app, visitor, rule).await?)),
        None => None,
    };
    let actions = html! {
        @if writes {
            (button_link(&format!("{here}/edit"), "Edit", Weight::Primary))
            @if segment.rule.is_some() {
                (live::posted(&format!("{here}/rebuild"), None, &html! { (visitor.csrf()) (button("Rebuild now", Weight::Plain)) }))
            }
            (ask_first(&format!("{here}/delete"), "Delete"))
        }
    };
    let now = app.clock.now();
    let last = if segment.build.is_some() {
        "This rebuild so far"
    } else {
        "Last rebuild"
    };
    let state = show::card(
        "Segment",
        &show::values(&[
            ("Kind", kind(segment)),
            (
                "Description",
                html! { @if segment.description.is_empty() { span class="soft" { "none" } } @else { (segment.description) } },
            ),
            (
                "Mailing list",
                html! { @if let Some(name) = &segment.list_name { "known to recipients as " (name.as_str()) } @else { span class="soft" { "no" } } },
            ),
            ("Members", html! { (words::counted(segment.member_count)) }),
            ("Built", built(segment, now)),
            (
                last,
                html! { (words::counted(segment.last_added)) " came in, " (words::counted(segment.last_removed)) " went out" },
            ),
            (
                "Version",
                html! { (segment.version) ", of " (words::time(segment.updated_at)) },
            ),
            ("Used by", uses.shown()),
        ]),
    );
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Segments")], segment.name.as_str()))
        (frame::header(segment.name.as_str(), &actions))
        @if let Some(done) = view.done { (done.toast()) }
        @if let Some(told) = view.told { (told.toast()) }
        (live::followed("state", &here, is_rebuilt_now(segment, now), &state))
        (super::growth::card(app, visitor, segment).await?)
        @if let (Some(text), Some(node)) = (&text, node) {
            (show::card("Rule", &html! { (show::code(text)) (show::tree(&[node])) }))
        }
        (show::card("Members", &html! {
            @if writes { (add_form(visitor, &here, refused)) }
            (members(request, visitor, segment, view).await?)
        }))
        (show::card("Why is somebody in or not?", &why(request, visitor, segment, view).await?))
    };
    Ok(shell(visitor, segment.name.as_str(), PLACE, &content))
}

fn add_form(visitor: &Visitor, here: &str, refused: Option<(&str, &str)>) -> Markup {
    let field = Field {
        name: "email",
        label: "Put in by hand",
        value: refused.map_or("", |(typed, _)| typed),
        hint: Some(
            "The name or address of a contact, or the id, who then stays in whatever the rule says",
        ),
        error: refused.map(|(_, problem)| problem),
        required: true,
    };
    let content = html! {
        (visitor.csrf()) (lookup::field(&field)) div class="row" { (button("Put in", Weight::Plain)) }
    };
    live::posted(&format!("{here}/add"), Some("stack"), &content)
}

async fn members(
    request: &Request,
    visitor: &Visitor,
    segment: &Segment,
    view: &View,
) -> Result<Markup> {
    let (app, here) = (app(request)?, place(segment));
    let after = view.after.as_deref().and_then(|id| id.parse().ok());
    let size = PageSize::clamped(ROWS);
    let page = app
        .segments
        .members(&visitor.actor, segment.id, after, size);
    let page = page.await.map_err(failure::crm)?;
    let ids: Vec<_> = page.items.iter().map(|member| member.contact_id).collect();
    let contacts = app.contacts.find_many(&visitor.actor, &ids).await;
    let contacts: HashMap<ContactId, Contact> = contacts
        .map_err(failure::crm)?
        .into_iter()
        .map(|contact| (contact.id(), contact))
        .collect();
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|member| {
            let id = member.contact_id;
            html! { tr {
                td { @if let Some(contact) = contacts.get(&id) { (contact_link(contact)) } @else { (id) } }
                td { (origin(member.origin)) }
                td { (words::time(member.added_at)) }
                td { @if visitor.may(Permission::SegmentsWrite) {
                    (live::posted(&format!("{here}/remove"), None, &html! {
                        (visitor.csrf()) input type="hidden" name="contact" value=(id); (button("Take out", Weight::Plain))
                    }))
                } }
            } }
        })
        .collect();
    let columns = ["Contact", "Came in", "When", ""].map(Column::plain);
    let next = page.next.map(|id| format!("{here}?after={id}"));
    Ok(html! {
        @if rows.is_empty() { p class="soft" { "Nobody is in here." } }
        @else { (table("Members", &columns, &rows, next.as_deref())) }
    })
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Rule => "by rule",
        Origin::Added => "by hand",
        Origin::Removed => "taken out by hand",
    }
}

/// Asks for a contact, and says why it is in or not.
async fn why(
    request: &Request,
    visitor: &Visitor,
    segment: &Segment,
    view: &View,
) -> Result<Markup> {
    let app = app(request)?;
    let asked = view.contact.as_deref().unwrap_or_default();
    let mut field = Field {
        name: "contact",
        label: "Name or address",
        value: asked,
        required: true,
        ..Field::default()
    };
    let mut answer = html! {};
    let problem;
    if !asked.trim().is_empty() {
        match lookup::find(request, visitor, asked).await? {
            Ok(contact) => {
                let why = app
                    .segments
                    .explain(&visitor.actor, segment.id, contact.id());
                answer = explained(&contact, &why.await.map_err(failure::crm)?);
            }
            Err(text) => {
                problem = text;
                field.error = Some(&problem);
            }
        }
    }
    Ok(html! {
        form method="get" action=(place(segment)) class="stack" {
            (lookup::field(&field)) div class="row" { (button("Explain", Weight::Plain)) }
        }
        (answer)
    })
}

fn explained(contact: &Contact, why: &Explanation) -> Markup {
    let is = if why.is_member {
        " is in"
    } else {
        " is not in"
    };
    html! {
        p { (contact_link(contact)) (is) @if let Some(how) = why.origin { ", " (origin(how)) } "." }
        @if let Some(proof) = &why.proof { (show::tree(&[tree::of_proof(proof)])) }
        @else { p class="soft" { "There is no rule: people are put in by hand or by import." } }
    }
}
