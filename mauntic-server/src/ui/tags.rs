//! The tags: which there are, and giving one another name or taking it off everybody.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{CrmError, Tag};
use poem::{Request, Response, Result, Route, get, handler, http::StatusCode, web::Query};
use serde::Deserialize;

use super::{
    Done, Said,
    component::{
        action::{Weight, ask_first, button, button_link, confirmation},
        form::{Field, input},
        frame, show,
        table::{Column, table},
    },
    contacts, failure, shell,
    visitor::{Posted, Visitor, app, redirect},
    words,
};

/// Where the tags are.
pub(super) const PLACE: &str = "/app/tags";
/// How many rows a page shows.
const ROWS: usize = 100;

/// The pages of it. A tag may have any character, so it stands in the query.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/tags", get(list))
        .at("/tags/rename", get(ask_to_rename).post(rename))
        .at("/tags/delete", get(ask_to_delete).post(delete))
}

/// A tag in an address.
#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    tag: String,
}

/// Where the page starts.
#[derive(Debug, Default, Deserialize)]
struct Start {
    #[serde(default)]
    after: Option<String>,
}

fn address(place: &str, name: &str, tag: &Tag) -> String {
    let query = serde_urlencoded::to_string([(name, tag.as_str())]);
    format!("{place}?{}", query.unwrap_or_default())
}

/// Shows them, by name.
#[handler]
async fn list(
    request: &Request,
    visitor: Visitor,
    Query(start): Query<Start>,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let after: Option<Tag> = start.after.as_deref().and_then(|text| text.parse().ok());
    let size = PageSize::clamped(ROWS);
    let tags = &app(request)?.tags;
    let page = tags.list(&visitor.actor, after.as_ref(), size).await;
    let page = page.map_err(failure::crm)?;
    let next = page.next.map(|after| address(PLACE, "after", &after));
    let writes = visitor.may(Permission::ContactsWrite);
    let rows: Vec<_> = page
        .items
        .iter()
        .map(|tag| {
            html! { tr {
                td { a href=(address(contacts::PLACE, "tag", tag)) { (tag) } }
                td { @if writes { div class="row" {
                    (button_link(&address("/app/tags/rename", "tag", tag), "Rename", Weight::Plain))
                    (ask_first(&address("/app/tags/delete", "tag", tag), "Delete"))
                } } }
            } }
        })
        .collect();
    let columns = ["Tag", ""].map(Column::plain);
    let content = html! {
        (frame::header("Tags", &html! {}))
        @if let Some(done) = said.done { (done.toast()) }
        (contacts::sections(PLACE))
        @if rows.is_empty() && after.is_none() {
            (show::empty("There are no tags yet", "Tags are made as contacts get them: on the page of a contact, or for a whole import.", &button_link(contacts::PLACE, "Contacts", Weight::Plain)))
        } @else {
            (table("Tags", &columns, &rows, next.as_deref()))
        }
    };
    Ok(shell(&visitor, "Tags", contacts::PLACE, &content))
}

impl Named {
    fn tag(&self) -> Result<Tag> {
        self.tag.parse().map_err(|_| failure::missing("tag"))
    }
}

/// The tag of an address, and how many contacts have it.
async fn known(request: &Request, visitor: &Visitor, named: &Named) -> Result<(Tag, u64)> {
    visitor.needs(Permission::ContactsWrite)?;
    let tag = named.tag()?;
    let contacts = app(request)?.tags.count(&visitor.actor, &tag).await;
    Ok((tag, contacts.map_err(failure::crm)?))
}

/// Asks for the new name.
#[handler]
async fn ask_to_rename(
    request: &Request,
    visitor: Visitor,
    Query(named): Query<Named>,
) -> Result<Markup> {
    let (tag, contacts) = known(request, &visitor, &named).await?;
    Ok(renaming(&visitor, &tag, contacts, tag.as_str(), None))
}

fn renaming(
    visitor: &Visitor,
    tag: &Tag,
    contacts: u64,
    value: &str,
    error: Option<&str>,
) -> Markup {
    let field = Field {
        name: "to",
        label: "New name",
        value,
        hint: Some("If there is a tag of that name already, the two become one."),
        error,
        required: true,
    };
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Tags")], tag.as_str()))
        (frame::header(&format!("Rename {tag}"), &html! {}))
        (show::card("What is it called from now on?", &html! {
            p { (words::count(contacts)) " contacts have this tag. Segments and emails that name it go on naming the old one: change them too." }
            form method="post" class="stack" {
                (visitor.csrf())
                (input(&field, "text"))
                div class="row" { (button("Rename", Weight::Primary)) (button_link(PLACE, "Cancel", Weight::Plain)) }
            }
        }))
    };
    shell(visitor, "Rename a tag", contacts::PLACE, &content)
}

/// Gives it the new name.
#[handler]
async fn rename(request: &Request, Query(named): Query<Named>, posted: Posted) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    let to = match fields.text("to").parse::<Tag>() {
        Ok(to) => to,
        Err(error) => {
            let (tag, contacts) = known(request, visitor, &named).await?;
            let why = format!("This is {error}.");
            let page = renaming(visitor, &tag, contacts, fields.text("to"), Some(&why));
            return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let renamed = app(request)?
        .tags
        .rename(&visitor.actor, &named.tag()?, &to)
        .await;
    renamed.map_err(failure::crm)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}

/// Says what is lost with a tag.
#[handler]
async fn ask_to_delete(
    request: &Request,
    visitor: Visitor,
    Query(named): Query<Named>,
) -> Result<Markup> {
    let (tag, contacts) = known(request, &visitor, &named).await?;
    let lost = [
        format!("The tag, which {} contacts have", words::count(contacts)),
        "Whom segments find by it: they leave those segments".to_owned(),
    ];
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Tags")], tag.as_str()))
        (frame::header("Delete a tag", &html! {}))
        (confirmation(&format!("Delete the tag {tag}?"), &lost, "Delete", PLACE, &visitor.csrf()))
    };
    Ok(shell(&visitor, "Delete a tag", contacts::PLACE, &content))
}

/// Takes it off everybody.
#[handler]
async fn delete(request: &Request, Query(named): Query<Named>, posted: Posted) -> Result<Response> {
    let tags = &app(request)?.tags;
    match tags.delete(&posted.visitor.actor, &named.tag()?).await {
        // Somebody else was quicker.
        Ok(_) | Err(CrmError::TagNotFound) => Ok(redirect(&Done::Deleted.at(PLACE))),
        Err(error) => Err(failure::crm(error)),
    }
}
