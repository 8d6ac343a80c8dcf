//! The pages that recipients see. Small, without scripts, readable everywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A few rules that make plain HTML pleasant, in light and dark.
const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5a6473;--page:#f4f5f7;--card:#fff;--line:#dfe3e8;--accent:#2457d6;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#a3acba;--page:#14171c;--card:#1d2229;--line:#343b46;--accent:#8fb0ff;--on:#10141a}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--page);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
main{width:min(30rem,100%);background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:2rem}
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.25}
p{margin:0 0 1rem;overflow-wrap:anywhere}
.soft{color:var(--soft);font-size:.9rem}
button{font:inherit;font-weight:600;border:0;border-radius:.5rem;padding:.7rem 1.2rem;background:var(--accent);color:var(--on);cursor:pointer}
button:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
";

/// The hash of [`STYLE`] would change with it, so the policy allows inline style on these pages and no script at all.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                // Written above, nothing in it comes from outside.
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    }
}

/// Asks whether to unsubscribe. Opening it changes nothing (RFC 8058 §3.2, RFC 9110 §9.2.1).
pub(crate) fn confirm_unsubscribe(organization: &str, address: &str) -> Markup {
    page(
        "Unsubscribe",
        &html! {
            h1 { "Unsubscribe from " (organization) "?" }
            p { "We will stop sending email to " strong { (address) } "." }
            form method="post" { button type="submit" name="action" value="unsubscribe" { "Unsubscribe" } }
        },
    )
}

/// Says that it is done, and offers the way back.
pub(crate) fn unsubscribed(organization: &str, address: &str) -> Markup {
    page(
        "You are unsubscribed",
        &html! {
            h1 { "You are unsubscribed" }
            p { (organization) " will not send email to " strong { (address) } " any more." }
            p class="soft" { "Was that a mistake?" }
            form method="post" { button type="submit" name="action" value="resubscribe" { "Subscribe again" } }
        },
    )
}

/// Says that mail comes again.
pub(crate) fn resubscribed(organization: &str, address: &str) -> Markup {
    page(
        "You are subscribed again",
        &html! {
            h1 { "You are subscribed again" }
            p { (organization) " may send email to " strong { (address) } " again." }
            form method="post" { button type="submit" name="action" value="unsubscribe" { "Unsubscribe" } }
        },
    )
}

/// For links that were cut, forged, or whose content is gone.
pub(crate) fn broken_link() -> Markup {
    page(
        "This link does not work",
        &html! {
            h1 { "This link does not work" }
            p { "It may have been cut off in the message, or what it leads to is gone." }
            p class="soft" { "To stop receiving email, reply to the message and ask to be removed." }
        },
    )
}

/// For failures on our side.
pub(crate) fn try_again() -> Markup {
    page(
        "Something went wrong",
        &html! {
            h1 { "Something went wrong on our side" }
            p { "Nothing was changed. Please try again in a minute." }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_in_a_name_stays_text() {
        let page = confirm_unsubscribe("<script>alert(1)</script>", "a@example.com").into_string();
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
    }
}
