//! Deleting a field, with its values on all contacts.

use maud::{Markup, html};
use poem::{Request, Response, Result, handler, web::Path};

use super::{PLACE, own};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button_link, confirmation},
        frame, show,
    },
    contacts, failure, shell,
    visitor::{Posted, Visitor, app, redirect},
};

/// Says what is lost, or what must be changed before.
#[handler]
pub(super) async fn ask(
    request: &Request,
    visitor: Visitor,
    Path(alias): Path<String>,
) -> Result<Markup> {
    let field = own(request, &visitor, &alias).await?;
    let users = app(request)?
        .fields
        .uses(&visitor.actor, &field.alias)
        .await;
    let users = users.map_err(failure::crm)?;
    let at = format!("{PLACE}/{}", field.alias);
    let lost = [
        format!("The field {}", field.label),
        "Its value on every contact".to_owned(),
    ];
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Fields"), (&at, &field.label)], "Delete"))
        (frame::header("Delete a field", &html! {}))
        @if users.is_empty() {
            (confirmation(&format!("Delete the field {}?", field.label), &lost, "Delete", &at, &visitor.csrf()))
        } @else {
            (show::card("It is still needed", &html! {
                p { "The rules of these segments read it. Change or delete them first:" }
                ul class="tree" { @for name in &users { li { (name) } } }
                div class="row" { (button_link(&at, "Back", Weight::Plain)) }
            }))
        }
    };
    Ok(shell(&visitor, "Delete a field", contacts::PLACE, &content))
}

/// Deletes it.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(alias): Path<String>,
    posted: Posted,
) -> Result<Response> {
    let field = own(request, &posted.visitor, &alias).await?;
    let fields = &app(request)?.fields;
    let deleted = fields.delete(&posted.visitor.actor, &field.alias).await;
    deleted.map_err(failure::crm)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}
