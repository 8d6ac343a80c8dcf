//! The fields: which there are, defining, changing and deleting those of the organisation.

mod delete;
mod form;

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::{Field, FieldAlias, FieldType};
use poem::{Request, Result, Route, get, handler, web::Query};

use super::{
    Said,
    component::{
        Tone,
        action::{Weight, button_link},
        frame, show,
        table::{Column, table},
    },
    contacts, failure, shell,
    visitor::{Visitor, app},
};

/// Where the fields are.
pub(super) const PLACE: &str = "/app/fields";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/fields", get(list))
        .at("/fields/new", get(form::new).post(form::create))
        .at("/fields/:field", get(form::edit).post(form::save))
        .at(
            "/fields/:field/delete",
            get(delete::ask).post(delete::delete),
        )
}

/// What a kind of values is called.
fn type_name(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Text => "Text, one line",
        FieldType::Textarea => "Text, several lines",
        FieldType::Number => "Number",
        FieldType::Boolean => "Yes or no",
        FieldType::Date => "Date",
        FieldType::Datetime => "Date and time",
        FieldType::Select => "One of a list",
        FieldType::Multiselect => "Several of a list",
        FieldType::Email => "Email address",
        FieldType::Url => "Web address",
        FieldType::Phone => "Telephone number",
        FieldType::Country => "Country",
        FieldType::Region => "Region",
        FieldType::Locale => "Language",
        FieldType::Timezone => "Time zone",
    }
}

/// The field of that alias that the organisation defined itself.
async fn own(request: &Request, visitor: &Visitor, alias: &str) -> Result<Field> {
    visitor.needs(Permission::FieldsManage)?;
    let alias = alias.parse::<FieldAlias>();
    let alias = alias.map_err(|_| failure::missing("field"))?;
    let fields = app(request)?.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let field = fields.get(alias.as_str()).filter(|field| !field.core);
    field.cloned().ok_or_else(|| failure::missing("field"))
}

/// Shows them.
#[handler]
async fn list(request: &Request, visitor: Visitor, Query(said): Query<Said>) -> Result<Markup> {
    let fields = app(request)?.fields.list(&visitor.actor).await;
    let fields = fields.map_err(failure::crm)?;
    let manages = visitor.may(Permission::FieldsManage);
    let add =
        html! { @if manages { (button_link("/app/fields/new", "New field", Weight::Primary)) } };
    let own: Vec<_> = fields.custom().map(|field| row(field, manages)).collect();
    let built_in: Vec<_> = fields
        .iter()
        .filter(|field| field.core)
        .map(|field| row(field, false))
        .collect();
    let columns = [
        "Field",
        "Name in rules and imports",
        "Kind",
        "Stands in",
        "",
    ]
    .map(Column::plain);
    let content = html! {
        (frame::header("Fields", &html! { @if !own.is_empty() { (add) } }))
        @if let Some(done) = said.done { (done.toast()) }
        (contacts::sections(PLACE))
        @if own.is_empty() {
            (show::empty("There are no fields of your own yet", "Define what else you want to know of contacts: a shoe size, a plan, the last purchase.", &add))
        } @else {
            (show::card("Your own", &table("Own fields", &columns, &own, None)))
        }
        (show::card("Built in", &table("Built-in fields", &columns, &built_in, None)))
    };
    Ok(shell(&visitor, "Fields", contacts::PLACE, &content))
}

fn row(field: &Field, manages: bool) -> Markup {
    html! { tr {
        td { @if manages { a href=(format!("{PLACE}/{}", field.alias)) { (field.label) } } @else { (field.label) } }
        td { code { (field.alias) } }
        td { (type_name(field.field_type)) }
        td { (contacts::group_name(field.group)) }
        td { div class="row" {
            @if field.required { (show::badge("required", Tone::Plain)) }
            @if field.unique { (show::badge("unique", Tone::Plain)) }
            @if field.indexed { (show::badge("indexed", Tone::Plain)) }
        } }
    } }
}
