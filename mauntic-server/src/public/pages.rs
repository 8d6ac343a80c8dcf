//! The pages that recipients see. Small, without scripts, readable everywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use mauntic_messaging::tracking::UnsubscribePage;

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
button.plain{background:transparent;color:var(--accent);border:1px solid var(--line);margin-top:.75rem}
.choice{margin-top:1.5rem;padding-top:1.25rem;border-top:1px solid var(--line)}
fieldset{border:0;margin:0;padding:0}
legend{padding:0;margin-bottom:.5rem;color:var(--soft)}
label{display:block;padding:.35rem 0;overflow-wrap:anywhere}
input{width:1.1rem;height:1.1rem;vertical-align:-.15rem;accent-color:var(--accent)}
button:focus-visible,input:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
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

/// Asks whether to unsubscribe, and from what. Opening it changes nothing (RFC 8058 §3.2, RFC 9110 §9.2.1).
pub(crate) fn confirm_unsubscribe(of: &UnsubscribePage) -> Markup {
    let (organization, address) = (&of.organization, &of.address);
    let list = of.this_list().filter(|list| list.member);
    page(
        "Unsubscribe",
        &html! {
            @if let Some(list) = list {
                h1 { "Unsubscribe from “" (list.name) "”?" }
                p { (organization) " will stop sending it to " strong { (address) } "." }
                form method="post" { (button("unsubscribe", "Unsubscribe")) }
            } @else if of.all || of.lists.is_empty() {
                h1 { "Unsubscribe from all email from " (organization) "?" }
                p { "We will stop sending email to " strong { (address) } "." }
                form method="post" { (button("unsubscribe", "Unsubscribe")) }
            } @else {
                h1 { "Email from " (organization) }
                p { "What " strong { (address) } " gets." }
            }
            @if !of.lists.is_empty() { (choice(of, !of.all)) }
        },
    )
}

/// The mailing lists to choose from, and the way out of all if that is not what the page is about.
fn choice(of: &UnsubscribePage, offers_end: bool) -> Markup {
    html! {
        form method="post" class="choice" {
            fieldset {
                legend { "Or choose what you get" }
                @for list in &of.lists {
                    label { input type="checkbox" name="list" value=(list.id) checked[list.member]; " " (list.name) }
                }
            }
            button type="submit" class="plain" name="action" value="lists" { "Save my choice" }
        }
        @if offers_end {
            form method="post" {
                button type="submit" class="plain" name="action" value="all" { "Stop all email from " (of.organization) }
            }
        }
    }
}

fn button(action: &str, text: &str) -> Markup {
    html! { button type="submit" name="action" value=(action) { (text) } }
}

/// Says that it is done, and offers the way back.
pub(crate) fn unsubscribed(of: &UnsubscribePage) -> Markup {
    page(
        "You are unsubscribed",
        &html! {
            h1 { "You are unsubscribed" }
            p { (of.organization) " will not send email to " strong { (of.address) } " any more." }
            p class="soft" { "Was that a mistake?" }
            form method="post" { (button("resubscribe", "Subscribe again")) }
        },
    )
}

/// Says that one mailing list was left, and offers the way back and the rest.
pub(crate) fn left_list(of: &UnsubscribePage) -> Markup {
    let name = of.this_list().map_or("this list", |list| &list.name);
    page(
        "You are unsubscribed",
        &html! {
            h1 { "You are unsubscribed from “" (name) "”" }
            p { (of.organization) " will not send it to " strong { (of.address) } " any more." }
            p class="soft" { "Was that a mistake?" }
            form method="post" { (button("resubscribe", "Subscribe again")) }
            (choice(of, true))
        },
    )
}

/// Says that the choice of mailing lists is kept.
pub(crate) fn lists_saved(of: &UnsubscribePage) -> Markup {
    page(
        "Your choice was saved",
        &html! {
            h1 { "Your choice was saved" }
            p { "What " strong { (of.address) } " gets from " (of.organization) " from now on:" }
            (choice(of, true))
        },
    )
}

/// Says that mail comes again.
pub(crate) fn resubscribed(of: &UnsubscribePage) -> Markup {
    page(
        "You are subscribed again",
        &html! {
            h1 { "You are subscribed again" }
            p { (of.organization) " may send email to " strong { (of.address) } " again." }
            @if of.lists.is_empty() {
                form method="post" { (button("unsubscribe", "Unsubscribe")) }
            } @else { (choice(of, true)) }
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

/// For the links of test messages, which belong to nobody.
pub(crate) fn test_message() -> Markup {
    page(
        "This was a test message",
        &html! {
            h1 { "This was a test message" }
            p { "Nothing was changed. In a message that was sent to a contact, this link lets the reader unsubscribe." }
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

/// A link was called too often.
pub(crate) fn too_often() -> Markup {
    page(
        "Too many requests",
        &html! {
            h1 { "Too many requests" }
            p { "This was asked for too often just now, and nothing was changed. Please try again in a moment." }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_in_a_name_stays_text() {
        let script = "<script>alert(1)</script>";
        let id = mauntic_core::SegmentId::from_uuid(uuid::Uuid::nil());
        let of = UnsubscribePage {
            organization: script.to_owned(),
            address: "a…@example.com".to_owned(),
            unsubscribed: false,
            all: false,
            list: Some(id),
            lists: vec![mauntic_messaging::MailingList {
                id,
                name: script.to_owned(),
                member: true,
            }],
        };
        for page in [
            confirm_unsubscribe(&of),
            unsubscribed(&of),
            left_list(&of),
            lists_saved(&of),
            resubscribed(&of),
        ] {
            let page = page.into_string();
            assert!(!page.contains("<script>"), "{page}");
            assert!(page.contains("&lt;script&gt;"));
        }
    }
}
