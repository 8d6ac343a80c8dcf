//! One contact: what is known, whether they may be written to, and what happened.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{
    Channel, Contact, FieldGroup, FieldSet, Reason,
    segment::{Origin, SegmentMembership},
};
use mauntic_messaging::suppression::Suppression;
use poem::{
    Request, Result, handler,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{
    PLACE, called, channel_name, find, group_name, merge,
    people::People,
    place,
    timeline::{self, From},
    value::shown,
};
use crate::ui::{
    Said,
    component::{
        Tone,
        action::{Weight, ask_first, button, button_link},
        form::{Field, input},
        frame, live, show,
    },
    failure,
    organization::way_to_write,
    shell,
    visitor::{Visitor, app},
    words,
};

/// Shows it.
#[handler]
pub(super) async fn page(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(said): Query<Said>,
    Query(from): Query<From>,
) -> Result<Markup> {
    let (app, actor) = (app(request)?, &visitor.actor);
    let contact = find(request, &visitor, id).await?;
    let id = contact.id();
    let fields = app.fields.list(actor).await.map_err(failure::crm)?;
    let people = People::of(request, &visitor).await?;
    let suppressed = match contact.email() {
        Some(email) if visitor.may(Permission::SuppressionsRead) => {
            let found = app.suppressions.find(actor, email).await;
            found.map_err(failure::messaging)?
        }
        _ => None,
    };
    let segments = if visitor.may(Permission::SegmentsRead) {
        let found = app.segments.of_contact(actor, id).await;
        Some(found.map_err(failure::crm)?)
    } else {
        None
    };
    let twins = if merge::may(&visitor) {
        Some(merge::candidates(request, &visitor, &contact).await?)
    } else {
        None
    };
    let happened = timeline::timeline(request, &visitor, &contact, &fields, &people, &from).await?;
    let (name, at) = (called(&contact), place(id));
    let actions = html! {
        @if visitor.may(Permission::ContactsWrite) { (button_link(&format!("{at}/edit"), "Edit", Weight::Primary)) }
        @if visitor.may(Permission::ContactsDelete) { (ask_first(&format!("{at}/delete"), "Delete")) }
    };
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts")], &name))
        (frame::header(&name, &actions))
        @if let Some(done) = said.done { (done.toast()) }
        div class="split" {
            div class="stack" {
                (known(&contact, &fields))
                (show::card("What happened", &happened))
            }
            div class="stack" {
                (show::card("May we write?", &channels(&visitor, &contact, suppressed.as_ref())))
                (show::card("Tags", &tags(&visitor, &contact)))
                @if let Some(segments) = &segments { (show::card("Segments", &memberships(&contact, segments))) }
                (show::card("Record", &record(&visitor, &contact, &people)))
                @if let Some(twins) = &twins { (show::card("Perhaps the same person", twins)) }
            }
        }
    };
    Ok(shell(&visitor, &name, PLACE, &content))
}

fn known(contact: &Contact, fields: &FieldSet) -> Markup {
    let mut groups: Vec<(FieldGroup, Vec<(&str, Markup)>)> = Vec::new();
    for field in fields.iter() {
        let alias = field.alias.as_str();
        // They stand in the record.
        if matches!(alias, "points" | "last_active") {
            continue;
        }
        let Some(value) = contact.field_value(alias) else {
            continue;
        };
        let pair = (field.label.as_str(), shown(field, &value));
        match groups.iter_mut().find(|(group, _)| *group == field.group) {
            Some((_, pairs)) => pairs.push(pair),
            None => groups.push((field.group, vec![pair])),
        }
    }
    html! {
        @if groups.is_empty() { (show::card(group_name(FieldGroup::Core), &html! { p class="soft" { "Nothing is known yet." } })) }
        @for (group, pairs) in &groups { (show::card(group_name(*group), &show::values(pairs))) }
    }
}

fn record(visitor: &Visitor, contact: &Contact, people: &People) -> Markup {
    let parts = contact.parts();
    let none = || html! { span class="soft" { "–" } };
    let time = |at: Option<_>| at.map_or_else(none, words::time);
    let here = place(contact.id());
    let owner = parts.owner.map(|owner| {
        html! {
            (people.name(owner))
            @if people.gets_mail(owner) && owner != visitor.who.user.id { " " a href=(way_to_write(owner, &here)) { "Write to them" } }
        }
    });
    let stage = parts.stage.as_ref().map(|stage| html! { (stage) });
    show::values(&[
        ("Owner", owner.unwrap_or_else(none)),
        ("Stage", stage.unwrap_or_else(none)),
        ("Points", html! { (parts.points) }),
        ("Last active", time(parts.last_active_at)),
        ("Added", words::time(parts.created_at)),
        ("Came from", html! { (timeline::source(&parts.origin)) }),
        ("Changed", words::time(parts.updated_at)),
    ])
}

fn tags(visitor: &Visitor, contact: &Contact) -> Markup {
    let writes = visitor.may(Permission::ContactsWrite);
    let action = format!("{}/tags", place(contact.id()));
    let tags = &contact.parts().tags;
    let add = Field {
        name: "add",
        label: "Another tag",
        required: true,
        ..Field::default()
    };
    html! {
        @if tags.is_empty() { p class="soft" { "None" } }
        ul class="tags" id="tags" {
            @for tag in tags { li {
                a href=(tag_place(tag)) { (tag) }
                @if writes {
                    (live::posted(&action, None, &html! {
                        (visitor.csrf())
                        input type="hidden" name="remove" value=(tag.as_str());
                        button type="submit" class="quiet" aria-label={ "Take off the tag " (tag) } { "×" }
                    }))
                }
            } }
        }
        @if writes {
            (live::posted(&action, Some("inline"), &html! { (visitor.csrf()) (input(&add, "text")) (button("Add", Weight::Plain)) }))
        }
    }
}

fn tag_place(tag: &mauntic_crm::Tag) -> String {
    let query = serde_urlencoded::to_string([("tag", tag.as_str())]);
    format!("{PLACE}?{}", query.unwrap_or_default())
}

/// Who said that a contact must not be written to.
fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Unsubscribed => "No: they unsubscribed",
        Reason::Bounced => "No: mail bounces",
        Reason::Manual => "No: decided here",
    }
}

fn channels(visitor: &Visitor, contact: &Contact, suppressed: Option<&Suppression>) -> Markup {
    let writes = visitor.may(Permission::ContactsWrite);
    let at = place(contact.id());
    let marks = &contact.parts().do_not_contact;
    html! {
        @for channel in Channel::ALL {
            @let mark = marks.get(channel);
            @let name = channel_name(*channel);
            section class="stack channel" id={ "channel-" (channel) } {
                div class="row" {
                    h3 { (name) }
                    @match mark {
                        Some(mark) => { (show::badge(reason(mark.reason), Tone::Bad)) }
                        None => { (show::badge("Yes", Tone::Good)) }
                    }
                }
                @if let Some(mark) = mark {
                    p class="soft" { "Since " (words::time(mark.at)) ", " (timeline::source(&mark.source)) }
                    @if !mark.comment.is_empty() { p { "“" (mark.comment) "”" } }
                    @if writes { div class="row" { (ask_first(&format!("{at}/allow/{channel}"), "Allow again")) } }
                }
                @if *channel == Channel::Email { (suppression(suppressed)) }
                @if mark.is_none() && writes {
                    details class="more" {
                        summary { "Do not write by " (name.to_lowercase()) }
                        (live::posted(&format!("{at}/do-not-contact"), Some("inline"), &html! {
                            (visitor.csrf())
                            input type="hidden" name="channel" value=(channel);
                            div class="field" {
                                label for={ "comment-" (channel) } { "Why" span class="hint" { " (optional)" } }
                                input id={ "comment-" (channel) } name="comment" maxlength="1000";
                            }
                            (button("Do not contact", Weight::Danger))
                        }))
                    }
                }
            }
        }
    }
}

fn suppression(suppressed: Option<&Suppression>) -> Markup {
    html! {
        @if let Some(entry) = suppressed {
            p {
                (show::badge("Address suppressed", Tone::Bad)) " "
                (timeline::word(&entry.reason)) ", since " (words::time(entry.created_at))
                ". No mail goes to this address, whatever stands here."
            }
        }
    }
}

/// How a contact came into a segment, or out of it.
pub(super) fn origin(origin: Origin) -> (&'static str, Tone) {
    match origin {
        Origin::Rule => ("by its rule", Tone::Plain),
        Origin::Added => ("put in by hand", Tone::Good),
        Origin::Removed => ("taken out by hand", Tone::Warn),
    }
}

fn memberships(contact: &Contact, segments: &[SegmentMembership]) -> Markup {
    let at = place(contact.id());
    html! {
        @if segments.is_empty() { p class="soft" { "In none" } }
        ul class="tree" {
            @for of in segments {
                @let (text, tone) = origin(of.member.origin);
                li {
                    a href=(format!("/app/segments/{}", of.segment.id)) { (of.segment.name.as_str()) } " " (show::badge(text, tone)) " "
                    a href=(format!("{at}/segments/{}", of.segment.id)) aria-label={ "Why " (of.segment.name.as_str()) } { "Why?" }
                }
            }
        }
    }
}
