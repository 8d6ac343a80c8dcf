//! The web UI: the shell, the components and the pages.
//!
//! To add a page:
//! 1. Write a file in the folder of its context, with a `#[handler]` that calls use cases of the `App`.
//! 2. Build its content from the functions in [`component`]; a part that htmx replaces is a function that the
//!    page calls too. `/app/_components` of a debug build shows every component.
//! 3. Put it into [`component::frame::page`], with breadcrumbs and a header.
//! 4. Add it to [`routes`] as `/app/…`; a fragment is `/ui/<context>/…`.
//! 5. Look at it at 390 and 1440 pixels, light and dark, by keyboard and without scripting.
//!
//! There is no inline script or style: the policy of [`secured`] forbids both. What is missing in the look
//! goes into `assets/mauntic.css` as a component.

mod assets;
mod component;
mod gallery;

use maud::html;
use poem::{
    Endpoint, EndpointExt as _, IntoResponse as _, Request, Response, Route, get, handler,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// Everything that people see in a browser.
pub(crate) fn routes(route: Route) -> Route {
    let mut pages = Route::new();
    if cfg!(debug_assertions) {
        pages = pages.at("/_components", get(gallery::gallery));
    }
    let pages = pages.at("/*", get(missing));
    route
        .nest("/app", pages.around(secured))
        .at("/assets/:version/*name", get(assets::serve))
}

/// Adds the headers that keep a page from being framed, and from running what is not ours.
async fn secured<E: Endpoint>(next: std::sync::Arc<E>, request: Request) -> poem::Result<Response> {
    let mut response = next.call(request).await?.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(PERMISSIONS),
    );
    Ok(response)
}

/// Says that there is no such page.
#[handler]
fn missing() -> Response {
    let text = html! { p { "The address may be mistyped, or what it showed was deleted." } };
    let page = component::frame::alone("There is no such page", &text);
    page.with_status(StatusCode::NOT_FOUND).into_response()
}
