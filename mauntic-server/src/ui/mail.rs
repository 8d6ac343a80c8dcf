//! What somebody wrote as a mail, shown in a frame that can do nothing.

use maud::{Markup, html};
use poem::{Response, http::header};

/// Pictures and styles, and nothing that acts. Only our pages may frame it.
const POLICY: &str = "sandbox; default-src 'none'; img-src 'self' https: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The HTML of a mail, alone.
pub(super) fn html_of(mail: String) -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::X_FRAME_OPTIONS, "SAMEORIGIN")
        .body(mail)
}

/// The frame that shows what `address` answers.
pub(super) fn frame(title: &str, address: &str) -> Markup {
    html! { iframe class="mail" title=(title) src=(address) sandbox loading="lazy" referrerpolicy="no-referrer" {} }
}

/// The same, as wide as a phone.
pub(super) fn narrow_frame(title: &str, address: &str) -> Markup {
    html! { iframe class="mail narrow" title=(title) src=(address) sandbox loading="lazy" referrerpolicy="no-referrer" {} }
}
