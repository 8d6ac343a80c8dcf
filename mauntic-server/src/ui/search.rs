//! The search over everything: contacts, segments and emails that the visitor may see.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{ContactFilter, ContactListing, segment::SegmentFilter};
use mauntic_messaging::email::{EmailFilter, EmailSort};
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;

use super::{
    component::frame,
    contacts, failure, shell_searched,
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
    #[serde(default)]
    q: String,
}

/// Things of one kind.
struct Found {
    kind: &'static str,
    /// Address, name, and what else tells it from others.
    things: Vec<(String, String, String)>,
}

/// Shows what was found. With htmx, `#found` of it stands below the field while somebody types.
#[handler]
pub(super) async fn search(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let asked: String = asked.q.trim().chars().take(LONGEST).collect();
    let found = if asked.is_empty() {
        Vec::new()
    } else {
        vec![
            people(request, &visitor, &asked).await?,
            segments(request, &visitor, &asked).await?,
            emails(request, &visitor, &asked).await?,
        ]
    };
    let content = html! {
        (frame::header("Search", &html! {}))
        div class="found card" id="found" { div class="found" { (list(&asked, &found)) } }
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
                }
            } }
        }
    }
}

async fn people(request: &Request, visitor: &Visitor, asked: &str) -> Result<Found> {
    let mut things = Vec::new();
    if visitor.may(Permission::ContactsRead) {
        let listing = ContactListing {
            filter: ContactFilter {
                search: Some(asked.to_owned()),
                ..ContactFilter::default()
            },
            size: PageSize::clamped(FOUND),
            ..ContactListing::default()
        };
        let page = app(request)?.contacts.list(&visitor.actor, &listing).await;
        for contact in page.map_err(failure::crm)?.items {
            let name = contacts::called(&contact);
            let email = contact.email().map(ToString::to_string);
            let email = email.filter(|email| *email != name).unwrap_or_default();
            things.push((contacts::place(contact.id()), name, email));
        }
    }
    Ok(Found {
        kind: "Contacts",
        things,
    })
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
    })
}
