//! Setting up, logging in and out, and one's own account.

mod browser;
mod email;
mod grants;
mod login;
mod logins;
mod organizations;
mod own;
mod proof;
mod providers;
mod reset;
mod second_factor;

use poem::{Route, get, post};

pub(crate) use providers::{depart, not_begun, not_ready, provider_links};
pub(crate) use reset::Link;

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/setup", get(login::setup).post(login::set_up))
        .at("/login", get(login::login).post(login::log_in))
        .at("/login/code", get(login::ask_code).post(login::give_code))
        .at("/login/with/:provider", get(providers::begin))
        .at("/login/with/:provider/return", get(providers::returned))
        .at("/logout", post(login::log_out))
        .at("/forgot", get(reset::forgot).post(reset::ask_for_link))
        .at("/reset", get(reset::reset).post(reset::set_password))
        .at("/confirm-email", get(email::confirm).post(email::confirmed))
        .at("/account/email", get(email::show_email).post(email::ask))
        .at("/account/email/cancel", post(email::cancel))
        .at("/account", get(own::account))
        .at("/account/password", post(own::change_password))
        .at("/account/sessions/others", post(own::end_others))
        .at("/account/sessions/:session", post(own::end_session))
        .at("/account/second-factor", get(second_factor::second_factor))
        .at("/account/second-factor/begin", post(second_factor::begin))
        .at(
            "/account/second-factor/confirm",
            post(second_factor::confirm),
        )
        .at(
            "/account/second-factor/codes",
            post(second_factor::renew_codes),
        )
        .at("/account/second-factor/end", post(second_factor::end))
        .at("/account/logins", get(logins::logins))
        .at("/account/logins/:provider", post(logins::link))
        .at("/account/logins/:provider/removal", post(logins::unlink))
        .at(
            "/account/apps/:grant/revoke",
            get(grants::ask_to_revoke).post(grants::revoke),
        )
        .at("/account/organization", post(own::switch))
        .at("/account/profile", post(own::save_profile))
        .at(
            "/account/organizations/new",
            get(organizations::ask).post(organizations::create),
        )
        .at(
            "/account/organizations/:organization/leave",
            get(organizations::ask_to_leave).post(organizations::leave),
        )
}
