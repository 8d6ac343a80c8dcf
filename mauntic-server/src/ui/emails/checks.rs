//! What of an email to look at before it is sent: its way out, its images, its size, its links and its variables.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission, SegmentId};
use mauntic_crm::{Contact, CrmError};
use mauntic_messaging::{
    content::{CompiledEmail, Problem},
    sending::SendStatus,
};
use poem::{Request, Result};

use crate::ui::{
    component::{Tone, show as shown},
    failure,
    visitor::{Visitor, app},
    words,
};

/// What every contact has beside its fields.
const OURS: [&str; 3] = ["id", "email", "stage"];

/// What is known of the contacts' fields that an email shows.
pub(super) struct Variables {
    /// Those that it shows.
    shown: BTreeSet<String>,
    /// Whether it shows who looks after the contact.
    shows_owner: bool,
    /// Those of them that there are not, or not any more.
    unknown: Vec<String>,
    /// For how many members of the segment that it was sent to last each is empty, if that was asked for.
    empty: Option<Empty>,
    /// Whether that can be asked for.
    was_sent: bool,
}

/// What was counted among members of a segment.
struct Empty {
    /// How many of them were looked at.
    of: u64,
    /// How many there are, if there are more.
    all: Option<u64>,
    /// What is empty, and for how many.
    fields: Vec<(String, u64)>,
}

impl Empty {
    /// Whom it is about.
    fn people(&self) -> String {
        let Some(all) = self.all else {
            return words::people(self.of);
        };
        format!(
            "the first {} of {}",
            words::count(self.of),
            words::people(all)
        )
    }
}

impl Variables {
    /// Looks them up; in the audience of the last of its sends only if that is `wanted`, since it takes a moment.
    pub(super) async fn of(
        request: &Request,
        visitor: &Visitor,
        compiled: &CompiledEmail,
        sends: &[SendStatus],
        wanted: bool,
    ) -> Result<Self> {
        let app = app(request)?;
        let (fields, shows_owner) = (compiled.contact_fields(), compiled.shows_owner());
        let mut unknown = Vec::new();
        if visitor.may(Permission::ContactsRead) {
            let known = app.fields.list(&visitor.actor).await;
            let known = known.map_err(failure::crm)?;
            let missing = fields
                .iter()
                .filter(|alias| known.get(alias).is_none() && !OURS.contains(&alias.as_str()));
            unknown.extend(missing.cloned());
        }
        let sees = visitor.may(Permission::SegmentsRead) && visitor.may(Permission::ContactsRead);
        let last = sends.first().filter(|_| sees);
        let empty = match last {
            Some(last) if wanted => {
                let segment = last.job.segment_id;
                empty_in(request, visitor, segment, &fields, shows_owner).await?
            }
            _ => None,
        };
        Ok(Self {
            shown: fields,
            shows_owner,
            unknown,
            empty,
            was_sent: last.is_some(),
        })
    }

    fn row(&self, more: &str) -> Markup {
        let missing: Vec<_> = self.empty.iter().flat_map(|empty| &empty.fields).collect();
        let fine = self.unknown.is_empty() && missing.is_empty();
        html! {
            li id="variables" {
                (badge(fine)) " " strong { "Variables" } " "
                @if !self.unknown.is_empty() {
                    "There are no such fields: " @for alias in &self.unknown { code { (alias) } " " }
                }
                @if self.shown.is_empty() && !self.shows_owner { "It shows no field of the contacts." }
                @else if self.unknown.is_empty() && missing.is_empty() { "All of them are known." }
                @match &self.empty {
                    Some(seen) if seen.fields.is_empty() => { " None is empty for any of " (seen.people()) " in the segment that it was sent to last." }
                    Some(seen) => {
                        @for (alias, empty) in &seen.fields { code { (alias) } " is empty for " (words::share(*empty, seen.of)) ", " (words::count(*empty)) " of " (seen.people()) " in the segment that it was sent to last. " }
                    }
                    None if self.was_sent && (self.shows_owner || !self.shown.is_empty()) => {
                        " " a id="empty-values" href=(more) hx-get=(more) hx-target="#variables" hx-select="#variables" hx-swap="outerHTML" { "Count for whom they are empty" }
                    }
                    None => {}
                }
            }
        }
    }
}

/// For how many of the first members of a segment each of the fields, and who looks after them, is empty; nothing if the
/// segment is gone.
async fn empty_in(
    request: &Request,
    visitor: &Visitor,
    segment: SegmentId,
    fields: &BTreeSet<String>,
    shows_owner: bool,
) -> Result<Option<Empty>> {
    let (app, size) = (app(request)?, PageSize::clamped(usize::from(PageSize::MAX)));
    let members = app.segments.members(&visitor.actor, segment, None, size);
    let (members, is_whole) = match members.await {
        Ok(page) => (page.items, page.next.is_none()),
        Err(CrmError::SegmentNotFound(_)) => return Ok(None),
        Err(error) => return Err(failure::crm(error)),
    };
    let ids: Vec<_> = members.iter().map(|member| member.contact_id).collect();
    let contacts = app.contacts.find_many(&visitor.actor, &ids).await;
    let contacts = contacts.map_err(failure::crm)?;
    let empty = |alias: &String| {
        let without = |contact: &&Contact| {
            let value = contact.field_value(alias).map(|value| value.to_string());
            value.is_none_or(|value| value.trim().is_empty())
        };
        let count = contacts.iter().filter(without).count() as u64;
        (count > 0).then(|| (alias.clone(), count))
    };
    let fields = fields
        .iter()
        .filter(|alias| !OURS.contains(&alias.as_str()));
    let mut counted: Vec<_> = fields.filter_map(empty).collect();
    let ownerless = contacts
        .iter()
        .filter(|contact| contact.parts().owner.is_none());
    let ownerless = ownerless.count() as u64;
    if shows_owner && ownerless > 0 {
        counted.push(("owner".to_owned(), ownerless));
    }
    let all = if is_whole {
        None
    } else {
        let segment = app.segments.find(&visitor.actor, segment).await;
        let count = segment.map_err(failure::crm)?.member_count;
        Some(u64::try_from(count).unwrap_or_default())
    };
    Ok(Some(Empty {
        of: contacts.len() as u64,
        all,
        fields: counted,
    }))
}

fn badge(fine: bool) -> Markup {
    if fine {
        shown::badge("fine", Tone::Good)
    } else {
        shown::badge("look", Tone::Warn)
    }
}

/// What was looked at, and what was found. `html` is how somebody gets it, if it can be shown; `more` is the page with
/// the variables counted.
pub(super) fn card(
    more: &str,
    compiled: &CompiledEmail,
    html: Option<&str>,
    variables: &Variables,
) -> Markup {
    let warnings = compiled.warnings();
    let found = |code: &str| -> Vec<&Problem> {
        warnings.iter().filter(|found| found.code == code).collect()
    };
    let row = |name: &str, problems: &[&Problem], good: &str| {
        html! {
            li {
                (badge(problems.is_empty())) " " strong { (name) } " "
                @if problems.is_empty() { (good) }
                @for problem in problems { (problem.to_string()) ". " }
            }
        }
    };
    let known = ["missing_unsubscribe", "missing_alt", "too_long_for_gmail"];
    let others: Vec<_> = warnings
        .iter()
        .filter(|found| !known.contains(&found.code.as_str()))
        .collect();
    shown::card(
        "Checks",
        &html! {
            ul class="tree" {
                (row("Unsubscribe", &found(known[0]), "The HTML and the text lead to it."))
                (row("Images", &found(known[1]), "Each has a text for those who do not see it."))
                (row("Size", &found(known[2]), "Mail programs will not clip it."))
                (links(compiled, html.unwrap_or_default()))
                (variables.row(more))
                @for other in &others { (row("More", &[*other], "")) }
            }
        },
    )
}

fn links(compiled: &CompiledEmail, html: &str) -> Markup {
    let all = compiled.links();
    let plain: Vec<_> = all
        .iter()
        .filter(|link| link.url.starts_with("http://"))
        .collect();
    let dead = dead_links(html);
    html! {
        li {
            (badge(plain.is_empty() && dead.is_empty())) " " strong { "Links" } " "
            @if plain.is_empty() && dead.is_empty() { (words::count(all.len() as u64)) " of them, each leads somewhere, none without encryption." }
            @if !dead.is_empty() { "They lead nowhere: " @for (target, text) in &dead { "“" (text) "” " code { "href=\"" (target) "\"" } " " } }
            @if !plain.is_empty() { "Not encrypted: " @for link in &plain { code { (link.url) } " " } }
        }
    }
}

/// The links of a mail that lead nowhere: where to, and the words that people would press.
fn dead_links(html: &str) -> Vec<(String, String)> {
    let lower = html.to_ascii_lowercase();
    let anchors = lower.match_indices("<a").filter_map(|(at, _)| {
        let rest = &lower[at + 2..];
        rest.starts_with(char::is_whitespace).then_some(at)
    });
    anchors
        .filter_map(|at| {
            let tag = &html[at..at + lower[at..].find('>')?];
            let target = attribute(tag, "href")?;
            let is_dead = match target.trim() {
                "" | "#" | "http://" | "https://" => true,
                inner if inner.starts_with('#') => !has_place(html, &lower, &inner[1..]),
                target => {
                    let start = target.get(..11).unwrap_or_default();
                    start.eq_ignore_ascii_case("javascript:")
                }
            };
            is_dead.then(|| (target.trim().to_owned(), words_of(&html[at + tag.len()..])))
        })
        .collect()
}

/// Whether something in a mail has that name, by which a link can lead to it; `lower` is the mail in small letters.
fn has_place(html: &str, lower: &str, name: &str) -> bool {
    ["id=", "name="].iter().any(|is| {
        lower.match_indices(is).any(|(at, is)| {
            let value = &html[at + is.len()..];
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let value = &value[quote.map_or(0, char::len_utf8)..];
            let rest = value.strip_prefix(name);
            rest.is_some_and(|rest| match quote {
                Some(quote) => rest.starts_with(quote),
                None => rest.starts_with(|c: char| c.is_whitespace() || c == '>'),
            })
        })
    })
}

/// The value of an attribute in a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let lower = tag.to_ascii_lowercase();
    let (at, _) = lower.match_indices(name).find(|(at, _)| {
        let before = lower[..*at].ends_with(char::is_whitespace);
        before && lower[at + name.len()..].trim_start().starts_with('=')
    })?;
    let value = tag[at + name.len()..].trim_start()[1..].trim_start();
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
        _ => value.split(char::is_whitespace).next(),
    }
}

/// The words of a link, as far as its end, without its tags.
fn words_of(rest: &str) -> String {
    let rest = rest.split_once('>').map_or("", |(_, rest)| rest);
    let end = rest.to_ascii_lowercase().find("</a").unwrap_or(rest.len());
    let mut text = String::new();
    for piece in rest[..end].split('<') {
        let words = piece.split_once('>').map_or(piece, |(_, words)| words);
        text.push_str(words);
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::{Empty, dead_links};

    #[test]
    fn a_part_of_a_large_segment_is_called_so() {
        let people = |of, all| {
            let fields = Vec::new();
            Empty { of, all, fields }.people()
        };
        assert_eq!(people(3, None), "3 people");
        let part = "the first 1,000 of 24,000 people";
        assert_eq!(people(1_000, Some(24_000)), part);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let html = "<A class=b HREF=''><b>Read</b> on</A> <a href=\"#\">Up</a> <a href=\"#end\">End</a> \
                    <a href=\"#gone\">Gone</a> <a href=https://example.com/#a>fine</a> <a name=\"end\"></a> \
                    <abbr title=\"a\">a</abbr> <a data-href=\"\" href=\"mailto:a@example.com\">fine</a> \
                    <a href=\"#one\">one</a> <a href=\"#two\">two</a> <h2 id='one'>1</h2> <h2 ID=two>2</h2> \
                    <a href=\"#on\">on</a> <a href=\"JavaScript:go()\">Go</a><a";
        let found = dead_links(html);
        let found: Vec<_> = found
            .iter()
            .map(|(to, text)| (to.as_str(), text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("", "Read on"),
                ("#", "Up"),
                ("#gone", "Gone"),
                ("#on", "on"),
                ("JavaScript:go()", "Go")
            ]
        );
    }
}
