//! The search over everything: contacts, segments and emails that the visitor may see.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{Contact, ContactFilter, ContactListing, segment::SegmentFilter};
use mauntic_messaging::email::{EmailFilter, EmailSort};
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;

use super::{
    component::frame,
    contacts::{called, lookup, place},
    failure, shell_searched,
    visitor::{Visitor, app},
    words,
};

/// How many of each kind are shown.
const FOUND: usize = 6;
/// The longest text that is searched for.
const LONGEST: usize = 200;

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// By other names where a field of a form asks what fits.
    #[serde(default, alias = "as", alias = "contact", alias = "email")]
    q: String,
}

/// Things of one kind.
struct Found {
    kind: &'static str,
    /// Address, name, and what else tells it from others.
    things: Vec<(String, String, String)>,
    /// The list of all that are found of this kind.
    all: &'static str,
}

/// Shows what was found. With htmx, `#found` of it stands below the field while somebody types.
#[handler]
pub(super) async fn search(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let asked: String = asked.q.trim().chars().take(LONGEST).collect();
    let contacts = contacts(request, &visitor, &asked).await?;
    let found = if asked.is_empty() {
        Vec::new()
    } else {
        vec![
            people(&contacts),
            segments(request, &visitor, &asked).await?,
            emails(request, &visitor, &asked).await?,
        ]
    };
    let content = html! {
        (frame::header("Search", &html! {}))
        div class="found card" id="found" { div class="found" { (list(&asked, &found)) } }
        (lookup::options(contacts.iter()))
    };
    Ok(shell_searched(&visitor, "Search", "", &asked, &content))
}

fn list(asked: &str, found: &[Found]) -> Markup {
    let none = found.iter().all(|found| found.things.is_empty());
    html! {
        @if asked.is_empty() {
            p { "Type the beginning of a name or an address, or a part of the name of a segment or an email." }
        } @else if none {
            p role="status" { "Nothing was found for “" (asked) "”." }
        } @else {
            @for found in found { @if !found.things.is_empty() {
                section {
                    h2 { (found.kind) }
                    ul { @for (href, name, more) in &found.things {
                        li { a href=(href) { span { (name) } span class="soft" { (more) } } }
                    } }
                    @if found.things.len() == FOUND { p { a href=(of_all(found.all, asked)) { "All " (found.kind.to_lowercase()) " that fit" } } }
                }
            } }
        }
    }
}

/// The list that a text finds the same in.
fn of_all(list: &str, asked: &str) -> String {
    let (place, name) = list.split_once('?').unwrap_or((list, "q"));
    let query = serde_urlencoded::to_string([(name, asked)]);
    format!("{place}?{}", query.unwrap_or_default())
}

async fn contacts(request: &Request, visitor: &Visitor, asked: &str) -> Result<Vec<Contact>> {
    if asked.is_empty() || !visitor.may(Permission::ContactsRead) {
        return Ok(Vec::new());
    }
    let listing = ContactListing {
        filter: ContactFilter {
            search: Some(asked.to_owned()),
            ..ContactFilter::default()
        },
        size: PageSize::clamped(FOUND),
        ..ContactListing::default()
    };
    let page = app(request)?.contacts.list(&visitor.actor, &listing).await;
    Ok(page.map_err(failure::crm)?.items)
}

fn people(contacts: &[Contact]) -> Found {
    let things = contacts.iter().map(|contact| {
        let name = called(contact);
        let email = contact.email().map(ToString::to_string);
        let email = email.filter(|email| *email != name).unwrap_or_default();
        (place(contact.id()), name, email)
    });
    Found {
        kind: "Contacts",
        things: things.collect(),
        all: "/app/contacts?search",
    }
}

async fn segments(request: &Request, visitor: &Visitor, asked: &str) -> Result<Found> {
    let mut things = Vec::new();
    if visitor.may(Permission::SegmentsRead) {
        let filter = SegmentFilter {
            search: Some(asked.to_owned()),
            building: false,
        };
        let size = PageSize::clamped(FOUND);
        let segments = &app(request)?.segments;
        let page = segments.list(&visitor.actor, &filter, None, size).await;
        let found = page.map_err(failure::crm)?.items.into_iter();
        things.extend(found.map(|segment| {
            let members = words::counted(segment.member_count);
            (
                format!("/app/segments/{}", segment.id),
                segment.name.to_string(),
                format!("{members} members"),
            )
        }));
    }
    Ok(Found {
        kind: "Segments",
        things,
        all: "/app/segments?q",
    })
}

async fn emails(request: &Request, visitor: &Visitor, asked: &str) -> Result<Found> {
    let mut things = Vec::new();
    if visitor.may(Permission::EmailsRead) {
        let filter = EmailFilter {
            search: Some(asked.to_owned()),
            sort: EmailSort::Updated,
        };
        let size = PageSize::clamped(FOUND);
        let emails = &app(request)?.emails;
        let page = emails.list(&visitor.actor, &filter, None, size).await;
        for email in page.map_err(failure::messaging)?.items {
            things.push((
                format!("/app/emails/{}", email.id),
                email.name.to_string(),
                String::new(),
            ));
        }
    }
    Ok(Found {
        kind: "Emails",
        things,
        all: "/app/emails?q",
    })
}
