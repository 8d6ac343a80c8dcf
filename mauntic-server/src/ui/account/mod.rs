//! Setting up, logging in and out, and one's own account.

mod login;
mod own;

use poem::{Route, get, post};

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/setup", get(login::setup).post(login::set_up))
        .at("/login", get(login::login).post(login::log_in))
        .at("/logout", post(login::log_out))
        .at("/account", get(own::account))
        .at("/account/password", post(own::change_password))
        .at("/account/sessions/others", post(own::end_others))
        .at("/account/sessions/:session", post(own::end_session))
        .at("/account/organization", post(own::switch))
}
