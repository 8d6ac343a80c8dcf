//! Two records that are perhaps of one person: which there are, what each knows, and making one of them.

use std::collections::BTreeSet;

use maud::{Markup, html};
use mauntic_core::{EmailAddress, Permission};
use mauntic_crm::{ChangeSet, Channel, Contact, CrmError, FieldSet, Likeness, MergeCandidate};
use poem::{
    Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{PLACE, called, channel_name, find, people::People, place, value::plain};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, button, button_link, confirmation},
        form::{Field, input},
        frame,
        show::{self, badge},
        table::{Column, table},
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// Whether the visitor may make one record of two.
pub(super) fn may(visitor: &Visitor) -> bool {
    visitor.may(Permission::ContactsWrite) && visitor.may(Permission::ContactsDelete)
}

fn must(visitor: &Visitor) -> Result<()> {
    visitor.needs(Permission::ContactsWrite)?;
    visitor.needs(Permission::ContactsDelete)
}

/// Where two records are compared.
fn compared(stays: &Contact, goes: &Contact) -> String {
    format!("{}/merge/{}", place(stays.id()), goes.id())
}

/// Other records that are probably of the same person, and the way to one that nobody would guess.
pub(super) async fn candidates(
    request: &Request,
    visitor: &Visitor,
    contact: &Contact,
) -> Result<Markup> {
    let contacts = &app(request)?.contacts;
    let found = contacts.merge_candidates(&visitor.actor, contact.id());
    let found = found.await.map_err(failure::crm)?;
    Ok(html! {
        @if found.is_empty() { p class="soft" { "No other record looks like this one." } }
        ul class="tree" { @for other in &found { (candidate(contact, other)) } }
        details class="more" {
            summary { "Merge with another record" }
            (asking(contact, "", None))
        }
    })
}

fn candidate(contact: &Contact, other: &MergeCandidate) -> Markup {
    let name = called(&other.contact);
    let address = other.contact.email().map(ToString::to_string);
    html! {
        li {
            a href=(place(other.contact.id())) { (name) }
            @if let Some(address) = address.filter(|address| *address != name) { " " span class="soft" { (address) } }
            " " (reasons(&other.because)) " "
            a href=(compared(contact, &other.contact)) aria-label={ "Compare with " (name) } { "Compare" }
        }
    }
}

fn reasons(because: &BTreeSet<Likeness>) -> Markup {
    let words = |why: &Likeness| match why {
        Likeness::Mailbox => "same mailbox",
        Likeness::Mobile => "same mobile number",
        Likeness::NameAndCompany => "same name and company",
        Likeness::NameAndPhone => "same name and phone number",
        Likeness::NameAndPostcode => "same name and postal code",
    };
    html! { @for why in because { (badge(words(why), Tone::Plain)) " " } }
}

/// Asks for the address of the other record.
fn asking(contact: &Contact, address: &str, error: Option<&str>) -> Markup {
    let field = Field {
        name: "with",
        label: "Address of the other record",
        value: address,
        error,
        required: true,
        ..Field::default()
    };
    html! {
        form method="get" action=(format!("{}/merge", place(contact.id()))) class="inline" {
            (input(&field, "email")) (button("Compare", Weight::Plain))
        }
    }
}

/// The other record, by its address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Other {
    #[serde(default)]
    with: String,
}

/// Finds the other record by its address.
#[handler]
pub(super) async fn choose(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(other): Query<Other>,
) -> Result<Response> {
    must(&visitor)?;
    let contact = find(request, &visitor, id).await?;
    let problem = match other.with.trim().parse::<EmailAddress>() {
        Err(error) => format!("This is {error}."),
        Ok(address) => {
            let contacts = &app(request)?.contacts;
            let found = contacts.find_by_email(&visitor.actor, &address).await;
            match found.map_err(failure::crm)? {
                None => "No contact has this address.".to_owned(),
                Some(other) if other.id() == contact.id() => {
                    "This is the address of the record itself.".to_owned()
                }
                Some(other) => return Ok(redirect(&compared(&contact, &other))),
            }
        }
    };
    let name = called(&contact);
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts"), (&place(contact.id()), &name)], "Merge"))
        (frame::header(&format!("Merge {name} with another record"), &html! {}))
        section class="card" { (asking(&contact, &other.with, Some(&problem))) }
    };
    let page = shell(&visitor, "Merge two records", PLACE, &content);
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Compares two records, and asks.
#[handler]
pub(super) async fn compare(
    request: &Request,
    visitor: Visitor,
    Path((stays, goes)): Path<(Uuid, Uuid)>,
) -> Result<Markup> {
    must(&visitor)?;
    let both = both(request, &visitor, stays, goes).await?;
    page(request, &visitor, &both, None).await
}

/// Makes one record of two, unless one of them is another than was looked at.
#[handler]
pub(super) async fn merge(
    request: &Request,
    Path((stays, goes)): Path<(Uuid, Uuid)>,
    posted: Posted,
) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    must(visitor)?;
    let both = both(request, visitor, stays, goes).await?;
    if fields.text("seen") != both.versions() {
        let told = "One of the two records was changed meanwhile: look at them again. Nothing was merged yet.";
        let page = page(request, visitor, &both, Some(told)).await?;
        return Ok(failure::with_status(page, StatusCode::CONFLICT));
    }
    let (stays, goes) = (both.stays.id(), both.goes.id());
    let contacts = &app(request)?.contacts;
    match contacts.merge(&visitor.actor, stays, goes).await {
        Ok(merged) => Ok(redirect(&Done::Merged.at(&place(merged.id())))),
        Err(CrmError::Taken { field }) => Err(failure::unusable(&format!(
            "A third contact has the {field} that the record would take over."
        ))),
        Err(error) => Err(failure::crm(error)),
    }
}

/// Two records of one person.
struct Both {
    stays: Contact,
    goes: Contact,
    /// What the first is once the second became part of it.
    merged: Contact,
}

async fn both(request: &Request, visitor: &Visitor, stays: Uuid, goes: Uuid) -> Result<Both> {
    let stays = find(request, visitor, stays).await?;
    let goes = find(request, visitor, goes).await?;
    if stays.id() == goes.id() {
        return Err(failure::unusable("The two are one record already."));
    }
    let mut merged = stays.clone();
    merged.absorb(&goes, &mut ChangeSet::default());
    Ok(Both {
        stays,
        goes,
        merged,
    })
}

/// What is known of the three under one name.
struct Known {
    name: String,
    /// Whether nothing of the two is lost: numbers are added, sets united, the later counts.
    united: bool,
    stays: Option<String>,
    goes: Option<String>,
    merged: Option<String>,
}

impl Known {
    /// What is nowhere afterwards, and whose it was. Both may have one name, so that is not said by it.
    fn lost(&self) -> Option<(&str, &'static str)> {
        let both = [
            (&self.stays, "the record that stays"),
            (&self.goes, "the record that becomes part of it"),
        ];
        both.into_iter().find_map(|(text, whose)| {
            let text = text.as_deref()?;
            (Some(text) != self.merged.as_deref()).then_some((text, whose))
        })
    }
}

impl Both {
    /// At which versions they are.
    fn versions(&self) -> String {
        format!("{}.{}", self.stays.version(), self.goes.version())
    }

    /// Everything that one of them has, field by field.
    fn known(&self, fields: &FieldSet, people: &People) -> Vec<Known> {
        let all = [&self.stays, &self.goes, &self.merged];
        let mut rows = Vec::new();
        let mut add = |name: &str, united: bool, texts: [Option<String>; 3]| {
            if texts.iter().any(Option::is_some) {
                let [stays, goes, merged] = texts;
                rows.push(Known {
                    name: name.to_owned(),
                    united,
                    stays,
                    goes,
                    merged,
                });
            }
        };
        for field in fields.iter() {
            let texts = all.map(|contact| {
                let value = contact.field_value(field.alias.as_str())?;
                Some(plain(field, &value))
            });
            let united = matches!(field.alias.as_str(), "points" | "last_active");
            add(&field.label, united, texts);
        }
        add(
            "Stage",
            false,
            all.map(|contact| contact.parts().stage.clone()),
        );
        add(
            "Owner",
            false,
            all.map(|contact| Some(people.name(contact.parts().owner?).to_owned())),
        );
        add(
            "Tags",
            true,
            all.map(|contact| {
                let tags = contact.parts().tags.iter().map(ToString::to_string);
                let tags: Vec<_> = tags.collect();
                (!tags.is_empty()).then(|| tags.join(", "))
            }),
        );
        for channel in Channel::ALL {
            let name = format!("Do not contact: {}", channel_name(*channel).to_lowercase());
            let mark = |contact: &Contact| {
                let mark = contact.parts().do_not_contact.get(channel)?;
                Some(mark.reason.to_string())
            };
            add(&name, true, all.map(mark));
        }
        rows
    }

    /// What a merge cannot keep.
    fn lost(&self, known: &[Known]) -> Vec<String> {
        let mut lost: Vec<_> = known
            .iter()
            .filter(|row| !row.united)
            .filter_map(|row| {
                let (text, whose) = row.lost()?;
                Some(format!("{}: {text}, of {whose}", row.name))
            })
            .collect();
        lost.push(format!(
            "{} as a record of its own: its history, tags, points and places in segments by hand become part of {}, and cannot be told apart again",
            called(&self.goes),
            called(&self.stays)
        ));
        lost
    }
}

async fn page(
    request: &Request,
    visitor: &Visitor,
    both: &Both,
    told: Option<&str>,
) -> Result<Markup> {
    let fields = app(request)?.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let people = People::of(request, visitor).await?;
    let known = both.known(&fields, &people);
    let (name, other) = (called(&both.stays), called(&both.goes));
    let because = both.stays.likeness(&both.goes);
    let proof = html! {
        (visitor.csrf())
        input type="hidden" name="seen" value=(both.versions());
    };
    let swap = compared(&both.goes, &both.stays);
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts"), (&place(both.stays.id()), &name)], "Merge"))
        (frame::header("Merge two records", &button_link(&swap, "Keep the other one instead", Weight::Plain)))
        @if let Some(told) = told { (show::toast(told, Tone::Bad)) }
        p {
            "The record of " (link(&both.stays)) ", added " (words::time(both.stays.parts().created_at))
            ", stays. That of " (link(&both.goes)) ", added " (words::time(both.goes.parts().created_at))
            ", becomes part of it, and its address here leads there. Of two values, the one of the record that was changed last counts."
        }
        @if because.is_empty() { p class="soft" { "Nothing that is known says that the two are one person." } }
        @else { p { (reasons(&because)) } }
        section class="card" { (rows(&known)) }
        (confirmation(&format!("Merge {other} into {name}?"), &both.lost(&known), "Merge", &place(both.stays.id()), &proof))
    };
    Ok(shell(visitor, "Merge two records", PLACE, &content))
}

fn link(contact: &Contact) -> Markup {
    html! { a href=(place(contact.id())) { (called(contact)) } }
}

fn rows(known: &[Known]) -> Markup {
    let columns = ["", "Stays", "Becomes part of it", "Afterwards"].map(Column::plain);
    let cell = |text: &Option<String>, row: &Known| {
        html! { td class="text" {
            @match text {
                Some(text) if !row.united && *text != *row.merged.as_ref().unwrap_or(text) => { del { (text) } }
                Some(text) => { (text) }
                None => { span class="soft" { "–" } }
            }
        } }
    };
    let rows: Vec<_> = known
        .iter()
        .map(|row| {
            html! { tr {
                th scope="row" { (row.name) }
                (cell(&row.stays, row))
                (cell(&row.goes, row))
                td class="text" { (row.merged.as_deref().unwrap_or("–")) }
            } }
        })
        .collect();
    table("Field by field", &columns, &rows, None)
}
