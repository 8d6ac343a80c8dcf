//! What is looked at before a send: the audience, the content, and the sender.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{Permission, TimeZoneName};
use mauntic_messaging::{
    domain::{RecordCheck, RecordState, bounces_come_home, can_be_verified},
    email::SavedEmail,
    sending::{LocalTime, Preflight, Sender},
    transport::TransportKind,
};
use poem::{Request, Result};

use crate::ui::{
    component::{
        Tone, live, show as shown,
        table::{Column, table},
    },
    failure,
    visitor::{Visitor, app},
    words,
};

/// Whom it reaches, who is left out and why, and how long it takes.
pub(super) fn audience(flight: &Preflight) -> Markup {
    let estimate = flight.is_estimate();
    let people = |count| about(count, estimate);
    let reachable = flight.reachable();
    let all = reachable + flight.left_out_total();
    let time = match (flight.seconds(), flight.seconds_as_before()) {
        (Some(seconds), _) => format!("{} at the limit that is set", words::duration(seconds)),
        (None, Some(seconds)) => format!(
            "{} if it goes as fast as earlier sends; no limit is set",
            words::duration(seconds)
        ),
        (None, None) => "as long as the mail server needs; no limit is set".to_owned(),
    };
    shown::card(
        "Audience",
        &html! {
            @if let Some(reason) = flight.readiness.reason() {
                p { (shown::badge("not up to date", Tone::Warn)) " The segment is not up to date: " (reason) ". A send waits for that, so more or fewer may get it than stands here." }
            }
            @if estimate {
                p class="soft" { "The segment is large: what follows is what its first " (words::count(flight.looked_at)) " members let expect of all." }
            }
            div class="grid" {
                (shown::stat("In the segment", &words::count(flight.size), "now; who is in it when it starts gets it"))
                (shown::stat("Will get it", &people(reachable), &words::share(reachable, all)))
                (shown::stat("Left out", &people(flight.left_out_total()), "for the reasons below"))
            }
            @if flight.left_out_total() > 0 {
                dl class="values" {
                    @for (reason, count) in flight.left_out() { dt { (words::spaced(reason.as_str())) } dd { (people(count)) } }
                }
            }
            p { "It takes " (time) "." }
        },
    )
}

/// A number of people, which may be an estimate.
fn about(count: u64, is_estimate: bool) -> String {
    let count = words::count(count);
    if is_estimate {
        format!("about {count}")
    } else {
        count
    }
}

/// When those who get it by their own clocks do.
pub(super) fn clocks(
    flight: &Preflight,
    local: &LocalTime,
    zone: &TimeZoneName,
    now: DateTime<Utc>,
) -> Markup {
    let Some(outlook) = flight.by_local_time(local, now) else {
        return html! {};
    };
    let estimate = flight.is_estimate();
    let whole = about(flight.reachable(), estimate);
    let mut pairs = vec![
        ("First", words::time_in(zone, outlook.first)),
        ("Last", words::time_in(zone, outlook.last)),
    ];
    let mut group = |name, count, text: &str| {
        pairs.push((
            name,
            html! { (about(count, estimate)) " of " (whole) ": " (text) },
        ));
    };
    if outlook.without_zone > 0 {
        let text = format!("they get it by the clocks of {}", local.fallback);
        group("Without a time zone", outlook.without_zone, &text);
    }
    if outlook.over > 0 {
        group("Whose time is over", outlook.over, "they get it at once");
    }
    shown::values(&pairs)
}

/// What is to be looked at in the email itself.
pub(super) fn content(saved: &SavedEmail, flight: &Preflight) -> Markup {
    let warnings = saved.current.compiled.warnings();
    shown::card(
        "Content",
        &html! {
            @if warnings.is_empty() && flight.empty_fields.is_empty() {
                p { (shown::badge("fine", Tone::Good)) " Nothing was found that needs a look." }
            }
            @if !warnings.is_empty() { ul { @for warning in warnings { li { (warning.to_string()) } } } }
            @if !flight.empty_fields.is_empty() {
                p { "The email shows these fields, and not everybody has them. Where nothing else is written for that case, nothing stands there." }
                dl class="values" {
                    @for (field, count) in &flight.empty_fields {
                        dt { code { (field) } }
                        dd { "empty for " (words::count(*count)) " of " (words::count(flight.fields_of)) " that were looked at" }
                    }
                }
            }
        },
    )
}

/// From whom it comes, how it leaves, and whether receivers can verify it. `address` is the summary; unless the records
/// are looked up, they are fetched from there.
pub(super) async fn sender(
    request: &Request,
    visitor: &Visitor,
    saved: &SavedEmail,
    sender: &Sender,
    address: &str,
    look_up: bool,
) -> Result<Markup> {
    let app = app(request)?;
    let transport = app.transports.show(&visitor.actor).await;
    let transport = transport.map_err(failure::messaging)?;
    let captured = matches!(transport.kind, TransportKind::Capture);
    let from = sender.address.as_ref().map_or_else(
        || html! { code { (saved.current.source.from_address.as_deref().unwrap_or_default()) } ", filled in for each recipient" },
        |address| html! { (address) },
    );
    let domain = match &sender.signed_by {
        Some(domain) => Some(app.domains.get_named(&visitor.actor, domain).await),
        None => None,
    };
    let domain = domain.transpose().map_err(failure::messaging)?;
    let records = match &domain {
        None => unsigned(visitor, sender),
        Some(domain) if look_up => {
            let checks = app.domains.check(&visitor.actor, domain.id, &*app.dns);
            checked(&checks.await.map_err(failure::messaging)?)
        }
        Some(domain) => {
            let more = format!("{address}&records=true");
            let link = html! { a href=(more) { "Compare the DNS records of " (domain.domain.as_str()) " with what they should be" } };
            live::late("records", &more, &link, 6)
        }
    };
    Ok(shown::card(
        "Sender",
        &html! {
            (shown::values(&[
                ("From", from),
                ("Leaves through", html! {
                    @if captured { "nothing: it is captured in the " a href="/app/inbox" { "inbox" } ", and nobody is mailed" } @else { (transport.url) }
                }),
            ]))
            @if let Some(problem) = app.settings.link_problem().filter(|_| !captured) {
                p { (shown::badge("look", Tone::Warn)) " Recipients cannot use the links of this mail as they should: " (problem) "." }
            }
            div id="records" class="stack" { (records) }
        },
    ))
}

/// What it means that nothing signs the mail, and what to do about it.
fn unsigned(visitor: &Visitor, sender: &Sender) -> Markup {
    let Some(from) = &sender.address else {
        return html! {
            p { (shown::badge("look", Tone::Warn)) " The sender depends on the recipient. Mail from domains that are not set up as sending domains is not signed"
                @if sender.must_be_signed { ", and not sent" } "." }
        };
    };
    html! {
        @if sender.must_be_signed {
            p { (shown::badge("refused", Tone::Bad)) " Nothing signs mail from " (from.domain()) ", and this installation sends no unsigned mail." }
        } @else {
            p { (shown::badge("look", Tone::Warn)) " No sending domain is set up for this address, so nothing signs the mail. Gmail, Yahoo and Outlook refuse unsigned mail to many or take it for spam, and do not offer their button to unsubscribe." }
        }
        @if visitor.may(Permission::SendingManage) {
            p { a href="/app/sending/domains" { "Set up " (from.domain()) " as a sending domain" } }
        } @else {
            p { "An admin can set up " (from.domain()) " as a sending domain." }
        }
    }
}

/// The badge of a record.
pub(crate) fn record_state(state: RecordState) -> Markup {
    let tone = match state {
        RecordState::Ok => Tone::Good,
        RecordState::Warning | RecordState::Unknown => Tone::Warn,
        RecordState::Missing | RecordState::Wrong => Tone::Bad,
    };
    shown::badge(state.as_str(), tone)
}

fn checked(checks: &[RecordCheck]) -> Markup {
    let rows: Vec<_> = checks
        .iter()
        .map(|check| {
            html! { tr class="stacks" {
                td { (record_state(check.state)) }
                td { (check.record.kind.as_str()) " " code { (check.record.name) } }
                td { (check.detail) }
            } }
        })
        .collect();
    let columns = ["State", "Record", "What it means"].map(Column::plain);
    html! {
        @if !can_be_verified(checks) {
            (shown::toast("Receivers cannot verify the signatures of this mail: no key is published as it should be. To them it is as if nothing had signed it. Publish the keys before you send.", Tone::Bad))
        }
        @if !bounces_come_home(checks) {
            (shown::toast("The return path of this mail is not set up: some mail servers refuse such mail, and bounces that come later have nowhere to go. Publish its MX before you send.", Tone::Warn))
        }
        (table("DNS records of the sender", &columns, &rows, None))
    }
}
