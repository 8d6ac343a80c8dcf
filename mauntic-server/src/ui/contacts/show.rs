//! One contact: what is known, whether they may be written to, and what happened.

use maud::{Markup, html};
use mauntic_core::{ContactId, PageSize, Permission};
use mauntic_crm::{
    Channel, Contact, ContactChange, FieldGroup, FieldSet, segment::SegmentMembership,
};
use mauntic_messaging::tracking::{TimelineEntry, TimelineEvent};
use poem::{
    Request, Result, handler,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{PLACE, called, column, place};
use crate::ui::{
    Said,
    component::{
        Tone,
        action::{Weight, button, button_link},
        form::{Field, input},
        frame, show,
        table::table,
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// How many entries of the timeline and of the history are shown.
const ENTRIES: usize = 50;

/// Shows it.
#[handler]
pub(super) async fn contact(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let app = app(request)?;
    let (id, actor) = (ContactId::from_uuid(id), &visitor.actor);
    let size = PageSize::clamped(ENTRIES);
    let contact = app.contacts.get(actor, id).await.map_err(failure::crm)?;
    let fields = app.fields.list(actor).await.map_err(failure::crm)?;
    let segments = if visitor.may(Permission::SegmentsRead) {
        let found = app.segments.of_contact(actor, id).await;
        found.map_err(failure::crm)?
    } else {
        Vec::new()
    };
    let timeline = app.tracking.timeline(actor, id, None, size).await;
    let timeline = timeline.map_err(failure::messaging)?;
    let history = app.contacts.history(actor, id, None, size).await;
    let history = history.map_err(failure::crm)?;
    let (name, at) = (called(&contact), place(id));
    let actions = html! {
        @if visitor.may(Permission::ContactsWrite) { (button_link(&format!("{at}/edit"), "Edit", Weight::Primary)) }
        @if visitor.may(Permission::ContactsDelete) { (button_link(&format!("{at}/delete"), "Delete", Weight::Danger)) }
    };
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts")], &name))
        (frame::header(&name, &actions))
        @if let Some(done) = said.done { (done.toast()) }
        (known(&contact, &fields))
        (tags(&visitor, &contact))
        (channels(&visitor, &contact))
        @if visitor.may(Permission::SegmentsRead) { (show::card("Segments", &memberships(&segments))) }
        (show::card("Mail", &happened(&timeline.items)))
        (show::card("History of changes", &changes(&history.items)))
    };
    Ok(shell(&visitor, &name, PLACE, &content))
}

/// The title of a group of fields.
pub(super) fn title(group: FieldGroup) -> String {
    let mut letters = group.as_str().chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn known(contact: &Contact, fields: &FieldSet) -> Markup {
    let mut groups: Vec<(FieldGroup, Vec<(&str, Markup)>)> = Vec::new();
    for field in fields.iter() {
        let Some(value) = contact.field_value(field.alias.as_str()) else {
            continue;
        };
        let pair = (field.label.as_str(), html! { (value.to_string()) });
        match groups.iter_mut().find(|(group, _)| *group == field.group) {
            Some((_, pairs)) => pairs.push(pair),
            None => groups.push((field.group, vec![pair])),
        }
    }
    html! { @for (group, pairs) in &groups { (show::card(&title(*group), &show::values(pairs))) } }
}

fn tags(visitor: &Visitor, contact: &Contact) -> Markup {
    let (writes, action) = (
        visitor.may(Permission::ContactsWrite),
        format!("{}/tags", place(contact.id())),
    );
    let add = Field {
        name: "add",
        label: "Another tag",
        required: true,
        ..Field::default()
    };
    show::card(
        "Tags",
        &html! {
            div class="row" {
                @for tag in &contact.parts().tags {
                    (show::badge(tag.as_str(), Tone::Plain))
                    @if writes {
                        form method="post" action=(action) {
                            (visitor.csrf())
                            input type="hidden" name="remove" value=(tag.as_str());
                            (button(&format!("Remove {tag}"), Weight::Plain))
                        }
                    }
                } @if contact.parts().tags.is_empty() { p class="soft" { "None" } }
            }
            @if writes {
                form method="post" action=(action) class="row" { (visitor.csrf()) (input(&add, "text")) (button("Add", Weight::Plain)) }
            }
        },
    )
}

fn channels(visitor: &Visitor, contact: &Contact) -> Markup {
    let writes = visitor.may(Permission::ContactsWrite);
    let action = format!("{}/do-not-contact", place(contact.id()));
    let marks = &contact.parts().do_not_contact;
    let rows: Vec<_> = [Channel::Email, Channel::Sms, Channel::Push]
        .into_iter()
        .map(|channel| {
            let mark = marks.get(&channel);
            html! { tr {
                td { (channel.as_str()) }
                td {
                    @if let Some(mark) = mark {
                        (show::badge(mark.reason.as_str(), Tone::Bad)) " " (words::time(mark.at)) " " (mark.comment)
                    } @else { "May be written to" }
                }
                td { @if writes {
                    form method="post" action=(action) class="row" {
                        (visitor.csrf())
                        input type="hidden" name="channel" value=(channel.as_str());
                        @if mark.is_some() {
                            input type="hidden" name="lift" value="yes";
                            (button("Allow again", Weight::Plain))
                        } @else {
                            input name="comment" aria-label={ "Why not by " (channel.as_str()) } placeholder="Why";
                            (button("Do not contact", Weight::Plain))
                        }
                    }
                } }
            } }
        })
        .collect();
    let columns = ["Channel", "State", ""].map(column);
    show::card("Do not contact", &table("Channels", &columns, &rows, None))
}

fn memberships(segments: &[SegmentMembership]) -> Markup {
    html! {
        @if segments.is_empty() { p class="soft" { "In none" } }
        ul class="tree" {
            @for of in segments {
                li { a href=(format!("/app/segments/{}", of.segment.id)) { (of.segment.name.as_str()) } " " (show::badge(&word(&of.member.origin), Tone::Plain)) }
            }
        }
    }
}

fn happened(entries: &[TimelineEntry]) -> Markup {
    if entries.is_empty() {
        return html! { p class="soft" { "No mail was sent to this contact." } };
    }
    let row = |entry: &TimelineEntry| {
        let (what, who) = match &entry.event {
            TimelineEvent::Delivery { state } => (format!("mail {state}"), ""),
            TimelineEvent::Hit { hit, machine, .. } => {
                (word(hit), if *machine { "machine" } else { "human" })
            }
        };
        html! { tr {
            td { (words::time(entry.at)) }
            td { (what) }
            td { (who) }
            td { a href=(format!("/app/emails/{}", entry.email_id)) { "email" } }
        } }
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    let columns = ["When", "What", "By", "Email"].map(column);
    table("Mail", &columns, &rows, None)
}

fn changes(entries: &[ContactChange]) -> Markup {
    let row = |entry: &ContactChange| {
        html! { tr {
            td { (words::time(entry.at)) }
            td { (entry.source) }
            td { @for (name, [old, new]) in entry.changes.values() {
                div { (name) ": " (plain(old)) " → " (plain(new)) }
            } }
        } }
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    let columns = ["When", "By way of", "From and to"].map(column);
    table("History of changes", &columns, &rows, None)
}

/// A value as people read it.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "nothing".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name that something has in the API, in words.
fn word(of: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(of).unwrap_or_default();
    plain(&name).replace('_', " ")
}
