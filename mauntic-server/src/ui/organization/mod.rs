//! The organisation: its members and invitations, API tokens and apps, the audit log, and the organisation itself.

mod apps;
mod audit;
mod audit_csv;
mod audit_row;
mod audit_who;
mod audit_words;
mod delete;
mod invitation;
mod members;
mod settings;
mod tokens;
mod write;

use maud::{Markup, html};
use mauntic_core::{Permission, Role};
use poem::{Route, get, post};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Done,
    component::{frame, show, table::Column},
    shell,
    visitor::Visitor,
};

pub(super) use audit::latest;
pub(super) use invitation::over as invitation_over;
pub(super) use write::way as way_to_write;

const PLACE: &str = "/app/organization";

/// Where a list goes on, and what just happened.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    after: Option<Uuid>,
    invited: Option<Uuid>,
    #[serde(default)]
    done: Option<Done>,
}

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/organization", get(members::members))
        .at("/organization/roles", get(members::permissions))
        .at("/organization/invitations", post(members::invite))
        .at(
            "/organization/invitations/:invitation/:what",
            get(members::ask_to_revoke).post(members::change_invitation),
        )
        .at(
            "/organization/members/:user/role",
            post(members::change_role),
        )
        .at(
            "/organization/members/:user/block",
            get(members::ask_to_block).post(members::block),
        )
        .at(
            "/organization/members/:user/unblock",
            post(members::unblock),
        )
        .at(
            "/organization/members/:user/remove",
            get(members::ask_to_remove).post(members::remove),
        )
        .at(
            "/organization/members/:user/write",
            get(write::ask).post(write::send),
        )
        .at(
            "/organization/settings",
            get(settings::settings).post(settings::save),
        )
        .at(
            "/organization/members/:user/owner",
            get(members::ask_to_give).post(members::give),
        )
        .at(
            "/organization/delete",
            get(delete::ask).post(delete::delete),
        )
        .at("/organization/restore", post(delete::restore))
        .at(
            "/organization/tokens",
            get(tokens::tokens).post(tokens::create),
        )
        .at(
            "/organization/tokens/:token/revoke",
            get(tokens::ask_to_revoke).post(tokens::revoke),
        )
        .at("/organization/apps", get(apps::apps).post(apps::create))
        .at(
            "/organization/apps/:client",
            get(apps::app_page).post(apps::change),
        )
        .at(
            "/organization/apps/:client/machine",
            post(apps::change_machine),
        )
        .at(
            "/organization/apps/:client/secret",
            get(apps::ask_to_rotate).post(apps::rotate),
        )
        .at(
            "/organization/apps/:client/delete",
            get(apps::ask_to_delete).post(apps::delete),
        )
        .at("/organization/audit", get(audit::audit))
        .at("/organization/audit.csv", get(audit_csv::export))
        .at("/invitation/with/:provider", get(invitation::begin_with))
        .at(
            "/invitation",
            get(invitation::show_invitation).post(invitation::accept),
        )
}

/// A page of the organisation, with the tabs that the visitor may open.
fn page(visitor: &Visitor, title: &str, current: &str, content: &Markup) -> Markup {
    let tabs: Vec<_> = [
        (PLACE, "Members", Permission::MembersRead),
        ("/app/organization/roles", "Roles", Permission::MembersRead),
        (
            "/app/organization/tokens",
            "API tokens",
            Permission::TokensManage,
        ),
        (
            "/app/organization/apps",
            "API apps",
            Permission::TokensManage,
        ),
        (
            "/app/organization/audit",
            "Audit log",
            Permission::AuditRead,
        ),
        (
            "/app/organization/settings",
            "Settings",
            Permission::OrganizationManage,
        ),
    ]
    .into_iter()
    .filter(|(.., needed)| visitor.may(*needed))
    .map(|(href, name, _)| (href, name))
    .collect();
    let page = html! {
        (frame::header(title, &html! {}))
        (show::tabs("Organisation", &tabs, current))
        (content)
    };
    shell(visitor, title, PLACE, &page)
}

/// The heads of columns that do not sort.
fn columns<const N: usize>(names: [&str; N]) -> [Column<'_>; N] {
    names.map(Column::plain)
}

/// The roles that somebody may give: none above their own.
fn roles_of(visitor: &Visitor) -> Vec<(&'static str, &'static str)> {
    let own = visitor.actor.role();
    let given = Role::ALL.into_iter().filter(|role| *role <= own);
    given.map(|role| (role.as_str(), role.as_str())).collect()
}
