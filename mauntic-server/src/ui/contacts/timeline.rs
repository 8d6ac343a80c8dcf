//! What happened to a contact: mail, what they did with it, and changes of what is known.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{ContactId, EmailId, PageSize, Permission};
use mauntic_crm::{Contact, ContactChange, FieldSet};
use mauntic_messaging::email::EmailName;
use mauntic_messaging::tracking::{HitKind, TimelineCursor, TimelineEntry, TimelineEvent};
use poem::{Request, Result};
use serde::Deserialize;
use uuid::Uuid;

use super::{people::People, place, value};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button_link},
        show,
    },
    failure,
    visitor::{Visitor, app},
    words,
};

/// How many entries are shown at a time.
const ENTRIES: usize = 40;
/// The name that a merge has among the changes.
const MERGED: &str = "merged";
/// Longest value that is shown of a change.
const LONGEST: usize = 200;

/// Where a page of the timeline starts: in the mail and in the changes, each on its own.
#[derive(Debug, Default, Deserialize)]
pub(super) struct From {
    #[serde(default)]
    mail: Option<String>,
    #[serde(default)]
    changes: Option<String>,
}

/// A place in one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot<C> {
    Start,
    Behind(C),
    End,
}

impl<C> Spot<C> {
    fn read(text: Option<&str>, cursor: impl Fn(&str) -> Option<C>) -> Self {
        match text {
            None => Self::Start,
            Some("end") => Self::End,
            Some(text) => cursor(text).map_or(Self::Start, Self::Behind),
        }
    }

    fn text(&self, cursor: impl Fn(&C) -> String) -> Option<String> {
        match self {
            Self::Start => None,
            Self::Behind(at) => Some(cursor(at)),
            Self::End => Some("end".to_owned()),
        }
    }

    /// Where to go on after so many of the entries that were read.
    fn after<T>(self, read: &[T], used: usize, more: bool, cursor: impl Fn(&T) -> C) -> Self {
        if used == read.len() && !more {
            return Self::End;
        }
        match used.checked_sub(1) {
            Some(last) => Self::Behind(cursor(&read[last])),
            None => self,
        }
    }
}

fn read_mail(text: &str) -> Option<TimelineCursor> {
    let (micros, id) = text.split_once('.')?;
    Some(TimelineCursor {
        at: DateTime::from_timestamp_micros(micros.parse().ok()?)?,
        id: id.parse().ok()?,
    })
}

fn mail_text(cursor: &TimelineCursor) -> String {
    format!("{}.{}", cursor.at.timestamp_micros(), cursor.id)
}

enum Entry<'a> {
    Mail(&'a TimelineEntry),
    Change(&'a ContactChange),
}

impl Entry<'_> {
    fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Mail(entry) => entry.at,
            Self::Change(change) => change.at,
        }
    }
}

/// One page of it, the latest first.
pub(super) async fn timeline(
    request: &Request,
    visitor: &Visitor,
    contact: &Contact,
    fields: &FieldSet,
    people: &People,
    from: &From,
) -> Result<Markup> {
    let (app, actor, id) = (app(request)?, &visitor.actor, contact.id());
    let size = PageSize::clamped(ENTRIES);
    let at_mail = Spot::read(from.mail.as_deref(), read_mail);
    let at_changes = Spot::read(from.changes.as_deref(), |text| text.parse::<Uuid>().ok());
    let (mail, more_mail) = match at_mail {
        Spot::End => (Vec::new(), false),
        Spot::Start | Spot::Behind(_) => {
            let after = if let Spot::Behind(at) = at_mail {
                Some(at)
            } else {
                None
            };
            let page = app.tracking.timeline(actor, id, after, size).await;
            let page = page.map_err(failure::messaging)?;
            (page.items, page.next.is_some())
        }
    };
    let (changes, more_changes) = match at_changes {
        Spot::End => (Vec::new(), false),
        Spot::Start | Spot::Behind(_) => {
            let after = if let Spot::Behind(at) = at_changes {
                Some(at)
            } else {
                None
            };
            let page = app.contacts.history(actor, id, after, size).await;
            let page = page.map_err(failure::crm)?;
            (page.items, page.next.is_some())
        }
    };
    let mut entries: Vec<_> = mail
        .iter()
        .map(Entry::Mail)
        .chain(changes.iter().map(Entry::Change))
        .collect();
    entries.sort_by_key(|entry| Reverse(entry.at()));
    entries.truncate(ENTRIES);
    let used = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Mail(_)))
        .count();
    let next_mail = at_mail.after(&mail, used, more_mail, |entry| entry.cursor);
    let next_changes = at_changes.after(&changes, entries.len() - used, more_changes, |change| {
        change.id
    });
    let older = (next_mail, next_changes) != (Spot::End, Spot::End);
    let query: Vec<_> = [
        ("mail", next_mail.text(mail_text)),
        ("changes", next_changes.text(Uuid::to_string)),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect();
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    let names = emails(request, visitor, &entries).await?;
    Ok(html! {
        @if entries.is_empty() { p class="soft" { "Nothing yet." } }
        ol class="timeline" {
            @for entry in &entries { li {
                div class="soft" { (words::time(entry.at())) }
                @match entry {
                    Entry::Mail(entry) => { (mailed(entry, &names)) }
                    Entry::Change(change) => { (changed(change, fields, people)) }
                }
            } }
        }
        @if older { div class="row" { (button_link(&format!("{}?{query}", place(id)), "Older", Weight::Plain)) } }
    })
}

/// The names of the emails in it; what was sent stays, though an email may be gone.
async fn emails(
    request: &Request,
    visitor: &Visitor,
    entries: &[Entry<'_>],
) -> Result<BTreeMap<EmailId, EmailName>> {
    if !visitor.may(Permission::EmailsRead) {
        return Ok(BTreeMap::new());
    }
    let ids = entries.iter().filter_map(|entry| match entry {
        Entry::Mail(entry) => Some(entry.email_id),
        Entry::Change(_) => None,
    });
    let emails = &app(request)?.emails;
    let names = emails.names(&visitor.actor, &ids.collect()).await;
    names.map_err(failure::messaging)
}

fn mailed(entry: &TimelineEntry, names: &BTreeMap<EmailId, EmailName>) -> Markup {
    let name = html! {
        @match names.get(&entry.email_id) {
            Some(name) => { a href=(format!("/app/emails/{}", entry.email_id)) { (name) } }
            None => { "an email" }
        }
    };
    html! {
        @match &entry.event {
            TimelineEvent::Delivery { state } => {
                div { "Mail: " (name) " " (show::badge(&state.replace('_', " "), delivery(state))) }
            }
            TimelineEvent::Hit { hit, link, machine, .. } => {
                div {
                    @match hit {
                        HitKind::Open => { "Opened " (name) }
                        HitKind::Click => { "Clicked " @if let Some(link) = link { "link " (link) " in " } (name) }
                        HitKind::Unsubscribe => { "Unsubscribed through " (name) }
                        HitKind::WebView => { "Read " (name) " in a browser" }
                    }
                    " "
                    @if *machine { (show::badge("a machine, not a person", Tone::Warn)) }
                }
            }
        }
    }
}

fn delivery(state: &str) -> Tone {
    match state {
        "accepted" | "delivered" => Tone::Good,
        "refused" | "bounced" | "complained" => Tone::Bad,
        "deferred" | "unknown" => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn changed(change: &ContactChange, fields: &FieldSet, people: &People) -> Markup {
    html! {
        div { "Changed by " (people.who(change.actor)) ", " (source(&change.source)) }
        ul class="changes" {
            @for (name, [old, new]) in change.changes.values() {
                @let field = fields.get(name);
                @if name == MERGED { (merged(new)) } @else { li {
                    @match field { Some(field) => { (field.label) } None => { (called(name)) } }
                    ": "
                    @if !old.is_null() { del { (text(field, old, people)) } " " }
                    @if new.is_null() { span class="soft" { "nothing" } } @else { ins { (text(field, new, people)) } }
                } }
            }
        }
    }
}

/// That another record of the same person became part of this one. Its address leads here since.
fn merged(other: &serde_json::Value) -> Markup {
    let text = |name: &str| other.get(name).and_then(serde_json::Value::as_str);
    let called = text("email").unwrap_or("which had no address");
    let id = text("id").and_then(|id| id.parse().ok());
    html! {
        li {
            "Another record of the same person, "
            @match id { Some(id) => { a href=(place(ContactId::from_uuid(id))) { (called) } } None => { (called) } }
            ", became part of this one"
        }
    }
}

/// What a change that is of no field is of.
fn called(name: &str) -> String {
    let name = name.replace("do_not_contact.", "do not contact by ");
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn text(field: Option<&mauntic_crm::Field>, json: &serde_json::Value, people: &People) -> String {
    let value = field.and_then(|field| {
        let value = serde_json::from_value(json.clone()).ok()?;
        Some(value::plain(field, &value))
    });
    let text = value.unwrap_or_else(|| match json {
        serde_json::Value::String(text) => match text.parse() {
            Ok(user) if field.is_none() => people.name(user).to_owned(),
            _ => text.clone(),
        },
        serde_json::Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| item.as_str().unwrap_or_default())
                .collect();
            if items.is_empty() {
                "none".to_owned()
            } else {
                items.join(", ")
            }
        }
        other => other.to_string(),
    });
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// By which way something came, in words.
pub(super) fn source(source: &str) -> String {
    match source.split_once(':') {
        Some(("import", _)) => "by an import".to_owned(),
        Some(("bulk", _)) => "in a change of many".to_owned(),
        Some(("email", _)) => "through a mail".to_owned(),
        Some((kind, _)) => format!("by {}", kind.replace('_', " ")),
        None => match source {
            "manual" | "web" => "by hand".to_owned(),
            "api" => "through the API".to_owned(),
            "system" => "at the command line".to_owned(),
            other => format!("by {}", other.replace('_', " ")),
        },
    }
}

/// The name that something has in the API, in words.
pub(super) fn word(of: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(of).unwrap_or_default();
    name.as_str().unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_where_each_of_the_two_ended() {
        let read = [10, 9, 8];
        let at = |entry: &i32| *entry;
        assert_eq!(Spot::Start.after(&read, 2, false, at), Spot::Behind(9));
        assert_eq!(Spot::Start.after(&read, 3, true, at), Spot::Behind(8));
        assert_eq!(Spot::Start.after(&read, 3, false, at), Spot::End);
        assert_eq!(
            Spot::Behind(11).after(&read, 0, false, at),
            Spot::Behind(11)
        );
        assert_eq!(Spot::Start.after(&read, 0, false, at), Spot::Start);
        assert_eq!(Spot::<i32>::End.after(&[], 0, false, at), Spot::End);
    }

    #[test]
    fn a_place_in_the_mail_is_read_back() {
        let cursor = TimelineCursor {
            at: DateTime::UNIX_EPOCH,
            id: Uuid::from_u128(7),
        };
        assert_eq!(read_mail(&mail_text(&cursor)), Some(cursor));
        assert_eq!(read_mail("x"), None);
    }
}
