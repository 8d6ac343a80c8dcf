//! Adds and changes a contact by what a form says. Of a change, only what its maker changed is written; where
//! somebody else changed the same meanwhile, the form says so and asks again.

use mauntic_crm::{
    Change, Contact, ContactPatch, CreateContact, CrmError, FieldProblem, FieldSet, UpdateContact,
};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    current,
    form::{Draft, Texts, WAS, control_of, editable, known, page, sent},
    people::People,
    place,
};
use crate::ui::{
    Done, failure,
    visitor::{Posted, Visitor, app, redirect},
};

/// How often a change is tried again when others change the contact at the same moment.
const TRIES: usize = 3;

/// Adds a contact.
#[handler]
pub(super) async fn create(request: &Request, posted: Posted) -> Result<Response> {
    let app = app(request)?;
    let Posted { visitor, fields } = &posted;
    let set = app.fields.list(&visitor.actor).await;
    let set = set.map_err(failure::crm)?;
    let texts = sent(&set, fields, "");
    let people = People::of(request, visitor).await?;
    let made = async {
        let patch = patch(request, visitor, &set, &people, &texts).await?;
        let command = CreateContact {
            patch,
            origin: None,
        };
        Ok(app.contacts.create(&visitor.actor, command).await?)
    };
    match made.await {
        Ok(contact) => Ok(redirect(&Done::Created.at(&place(contact.id())))),
        Err(refused) => again(request, visitor, None, &set, texts, refused).await,
    }
}

/// Changes a contact.
#[handler]
pub(super) async fn save(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let app = app(request)?;
    let Posted { visitor, fields } = &posted;
    let set = app.fields.list(&visitor.actor).await;
    let set = set.map_err(failure::crm)?;
    let people = People::of(request, visitor).await?;
    let (sent_now, was) = (sent(&set, fields, ""), sent(&set, fields, WAS));
    for _ in 0..TRIES {
        // Of one that was merged meanwhile, the form is about the one that stays.
        let contact = current(request, visitor, id).await?;
        let id = contact.id();
        let present = known(&set, Some(&contact));
        let changed: Texts = sent_now
            .iter()
            .filter(|(name, text)| was.get(*name).or_else(|| present.get(*name)) != Some(*text))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect();
        let problems = overtaken(&changed, &was, &present);
        let texts = present.into_iter().chain(changed.clone()).collect();
        if !problems.is_empty() {
            let draft = Draft {
                texts,
                problems,
                problem: Some("Somebody else changed this contact meanwhile. Nothing of yours is lost, and nothing is saved yet: look at the marked fields.".to_owned()),
            };
            let page = page(request, visitor, Some(&contact), &set, &draft).await?;
            return Ok(failure::with_status(page, StatusCode::CONFLICT));
        }
        let saved = async {
            let command = UpdateContact {
                id,
                version: Some(contact.version()),
                patch: patch(request, visitor, &set, &people, &changed).await?,
            };
            Ok(app.contacts.update(&visitor.actor, command).await?)
        };
        match saved.await {
            Ok(_) => return Ok(redirect(&Done::Saved.at(&place(id)))),
            Err(Refused::Crm(CrmError::VersionMismatch { .. })) => {}
            Err(refused) => {
                return again(request, visitor, Some(&contact), &set, texts, refused).await;
            }
        }
    }
    Err(failure::unusable(
        "Others keep changing this contact at the same moment.",
    ))
}

/// The controls whose text somebody else changed since the form was made, to something else than what was sent.
fn overtaken(changed: &Texts, was: &Texts, present: &Texts) -> Texts {
    let overtaken = changed.iter().filter_map(|(name, text)| {
        let (was, now) = (was.get(name)?, present.get(name)?);
        (was != now && now != text).then(|| {
            let to = if now.is_empty() {
                "took this away".to_owned()
            } else {
                format!("changed this to “{now}”")
            };
            let problem =
                format!("Somebody else {to} meanwhile. Save again to put yours in its place.");
            (name.clone(), problem)
        })
    });
    overtaken.collect()
}

/// Why nothing was written.
enum Refused {
    Crm(CrmError),
    /// The owner is no member.
    Owner,
}

impl From<CrmError> for Refused {
    fn from(error: CrmError) -> Self {
        Self::Crm(error)
    }
}

async fn patch(
    request: &Request,
    visitor: &Visitor,
    set: &FieldSet,
    people: &People,
    texts: &Texts,
) -> std::result::Result<ContactPatch, Refused> {
    let values: Map<String, Value> = editable(set)
        .filter_map(|field| {
            let text = texts.get(&control_of(field))?;
            Some((field.alias.to_string(), Value::String(text.clone())))
        })
        .collect();
    let contacts = &app(request).map_err(|_| Refused::Owner)?.contacts;
    let mut patch = contacts.parse(&visitor.actor, &values).await?;
    if let Some(stage) = texts.get("stage") {
        patch.stage = Change::to((!stage.is_empty()).then(|| stage.clone()));
    }
    match texts.get("owner").map(String::as_str) {
        None => {}
        Some("") => patch.owner = Change::Clear,
        Some(text) => {
            let owner = text.parse().ok().filter(|owner| people.has(*owner));
            patch.owner = Change::Set(owner.ok_or(Refused::Owner)?);
        }
    }
    Ok(patch)
}

/// The form once more, with what was entered and what is wrong with it.
async fn again(
    request: &Request,
    visitor: &Visitor,
    contact: Option<&Contact>,
    set: &FieldSet,
    texts: Texts,
    refused: Refused,
) -> Result<Response> {
    let mut problems = Texts::new();
    let mut problem = "Nothing was saved yet: the marked fields need another look.".to_owned();
    match refused {
        Refused::Owner => {
            problems.insert("owner".to_owned(), "Choose a member.".to_owned());
        }
        Refused::Crm(CrmError::InvalidFields(found)) => {
            problems.extend(found.iter().map(|found| described(set, found)));
        }
        Refused::Crm(CrmError::Taken { field }) => {
            let text = "Another contact has this already.".to_owned();
            problems.insert(control_named(set, &field), text);
        }
        Refused::Crm(CrmError::Invalid(why)) => problem = why,
        Refused::Crm(error) => return Err(failure::crm(error)),
    }
    let draft = Draft {
        texts,
        problems,
        problem: Some(problem),
    };
    let page = page(request, visitor, contact, set, &draft).await?;
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

fn control_named(set: &FieldSet, name: &str) -> String {
    set.get(name).map_or_else(|| name.to_owned(), control_of)
}

fn described(set: &FieldSet, problem: &FieldProblem) -> (String, String) {
    let text = problem.reason.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let text = first.into_iter().chain(letters).chain(['.']).collect();
    (control_named(set, &problem.field), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn only_what_both_changed_differently_is_asked_again() {
        let was = texts(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
        let present = texts(&[("a", "1"), ("b", "2"), ("c", "2"), ("d", "")]);
        let mine = texts(&[("a", "3"), ("b", "3"), ("c", "2"), ("d", "3")]);
        let problems = overtaken(&mine, &was, &present);
        assert_eq!(problems.keys().collect::<Vec<_>>(), ["b", "d"]);
        assert!(problems["b"].contains("changed this to “2”"));
        assert!(problems["d"].contains("took this away"));
    }
}
