//! Saved views of the list: a search, filters, an order and columns under a name.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{
    CrmError, SaveView,
    view::{SavedView, SavedViewId},
};
use poem::{Request, Response, Result, handler, http::StatusCode, web::Path};
use uuid::Uuid;

use super::{PLACE, listing::Listing};
use crate::ui::{
    component::{
        action::{Weight, button, button_link, confirmation, panel},
        form::{Field, checkbox, input},
        frame, live,
    },
    failure, shell,
    visitor::{Posted, Visitor, app, redirect},
};

/// The views that somebody sees, and keeping the present one.
pub(super) fn views(visitor: &Visitor, listing: &Listing, views: &[SavedView]) -> Markup {
    let present = listing.query();
    panel(
        "Views",
        &html! {
            @if views.is_empty() { p class="soft" { "Keep what you look at often: the search, the filters, the order and the columns." } }
            ul class="tree" {
                @for view in views {
                    @let mine = view.owner.is_some() || visitor.may(Permission::ContactsWrite);
                    li class="row" {
                        a href=(href(view)) aria-current=[(view.query == present).then_some("true")] { (view.name) }
                        @if view.owner.is_none() { span class="soft" { "everybody’s" } }
                        @if mine { a class="quiet" href=(format!("/app/contacts/views/{}/delete", view.id)) data-confirm aria-label={ "Delete the view " (view.name) } { "×" } }
                    }
                }
            }
            (live::posted("/app/contacts/views", Some("stack"), &html! {
                (visitor.csrf())
                input type="hidden" name="query" value=(present);
                (saving("", None))
                @if visitor.may(Permission::ContactsWrite) { (checkbox("shared", "For everybody", false)) }
                div class="row" { (button("Keep this view", Weight::Plain)) }
            }))
        },
    )
}

fn saving(name: &str, error: Option<&str>) -> Markup {
    let field = Field {
        name: "view",
        label: "What you see now, as",
        value: name,
        hint: Some("If there is one of that name, it shows this from now on."),
        error,
        required: true,
    };
    input(&field, "text")
}

/// Where a view is; what cannot be read in it by now is as good as not said.
fn href(view: &SavedView) -> String {
    Listing::read(&view.query).href()
}

/// Keeps a view.
#[handler]
pub(super) async fn save(request: &Request, posted: Posted) -> Result<Response> {
    let Posted { visitor, fields } = &posted;
    let listing = Listing::read(fields.text("query"));
    let command = SaveView {
        name: fields.text("view").to_owned(),
        query: listing.query(),
        shared: fields.find("shared").is_some(),
    };
    match app(request)?.views.save(&visitor.actor, command).await {
        Ok(view) => Ok(redirect(&href(&view))),
        Err(CrmError::Invalid(why)) => {
            let content = html! {
                (frame::breadcrumbs(&[(PLACE, "Contacts")], "Keep a view"))
                (frame::header("Keep a view", &html! {}))
                form method="post" action="/app/contacts/views" class="card" {
                    (visitor.csrf())
                    input type="hidden" name="query" value=(listing.query());
                    (saving(fields.text("view"), Some(&format!("It cannot be like this: {why}."))))
                    div class="row" { (button("Keep this view", Weight::Primary)) (button_link(&listing.href(), "Cancel", Weight::Plain)) }
                }
            };
            let page = shell(visitor, "Keep a view", PLACE, &content);
            Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(failure::crm(error)),
    }
}

/// Says what is lost with a view.
#[handler]
pub(super) async fn ask_to_delete(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let id = SavedViewId::from_uuid(id);
    let views = app(request)?.views.list(&visitor.actor).await;
    let views = views.map_err(failure::crm)?;
    let view = views.iter().find(|view| view.id == id);
    let view = view.ok_or_else(|| failure::missing("view"))?;
    if view.owner.is_none() && !visitor.may(Permission::ContactsWrite) {
        return Err(failure::forbidden());
    }
    let whose = if view.owner.is_none() {
        "everybody’s"
    } else {
        "yours"
    };
    let lost = [format!(
        "The view {}, which is {whose}; no contact is touched",
        view.name
    )];
    let content = html! {
        (frame::breadcrumbs(&[(PLACE, "Contacts")], &view.name))
        (frame::header("Delete a view", &html! {}))
        (confirmation(&format!("Delete the view {}?", view.name), &lost, "Delete", PLACE, &visitor.csrf()))
    };
    Ok(shell(&visitor, "Delete a view", PLACE, &content))
}

/// Forgets a view.
#[handler]
pub(super) async fn delete(
    request: &Request,
    Path(id): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let views = &app(request)?.views;
    let deleted = views.delete(&posted.visitor.actor, SavedViewId::from_uuid(id));
    deleted.await.map_err(failure::crm)?;
    Ok(redirect(PLACE))
}
