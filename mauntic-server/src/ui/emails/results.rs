//! What came of an email, with a way to the people behind each number.

use maud::{Markup, html};
use mauntic_core::{EmailId, Permission};
use mauntic_messaging::{
    email::SavedEmail,
    sending::{DeliveryState, SkipReason},
    tracking::{AtDomain, Behind, DomainReport, EmailReport, Split},
};
use poem::{Request, Result, handler, web::Path};
use uuid::Uuid;

use super::{PLACE, Tab, find, place, top};
use crate::ui::{
    component::{
        action::{Weight, button_link},
        show as shown,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// Shows the results.
#[handler]
pub(super) async fn results(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let saved = find(request, &visitor, id).await?;
    let tracking = &app(request)?.tracking;
    let report = tracking.report(&visitor.actor, saved.email.id).await;
    let report = report.map_err(failure::messaging)?;
    let content = html! {
        (top(&visitor, &saved, Tab::Results))
        @if report.planned == 0 && report.skipped.is_empty() {
            (shown::empty("It was not sent yet", "Once it is, you see here who got it, who read it, and who left.", &html! {}))
        } @else {
            (funnel(saved.email.id, &report))
            (people_and_machines(saved.email.id, &report))
            (links(saved.email.id, &report))
            (lost(saved.email.id, &report))
            (more(&visitor, saved.email.id, &report))
        }
    };
    Ok(shell(&visitor, saved.email.name.as_str(), PLACE, &content))
}

/// A number that leads to those behind it.
fn number(email: EmailId, behind: &Behind, count: u64) -> Markup {
    if count == 0 {
        return html! { "0" };
    }
    let behind = serde_urlencoded::to_string([("behind", behind.to_string())]);
    let href = format!("{}/people?{}", place(email), behind.unwrap_or_default());
    html! { a href=(href) { (words::count(count)) } }
}

/// From those it was meant for to those who clicked, each step as a part of the first.
fn funnel(email: EmailId, report: &EmailReport) -> Markup {
    let skipped: u64 = report.skipped.values().sum();
    let meant = report.planned + skipped;
    let steps = [
        ("In the audience", meant, html! { (words::count(meant)) }),
        (
            "Planned",
            report.planned,
            number(email, &Behind::InPlan, report.planned),
        ),
        (
            "Accepted by mail servers",
            report.accepted,
            number(
                email,
                &Behind::State(DeliveryState::Accepted),
                report.accepted,
            ),
        ),
        (
            "Opened by people",
            report.opened.human,
            number(
                email,
                &Behind::Opened { machine: false },
                report.opened.human,
            ),
        ),
        (
            "Clicked by people",
            report.clicked.human,
            number(
                email,
                &Behind::Clicked { machine: false },
                report.clicked.human,
            ),
        ),
    ];
    shown::card(
        "From the audience to a click",
        &html! {
            ol class="funnel" {
                @for (name, count, shown) in &steps {
                    li {
                        div class="row" { span { (name) } span class="soft" { (shown) ", " (words::share(*count, meant)) } }
                        progress aria-label=(name) value=(count) max=(meant.max(1)) {}
                    }
                }
            }
        },
    )
}

fn people_and_machines(email: EmailId, report: &EmailReport) -> Markup {
    let row = |name: &str, of: Split, all: Split, behind: fn(bool) -> Behind| {
        html! { tr {
            th scope="row" { (name) }
            td class="number" { (number(email, &behind(false), of.human)) " (" (words::share(of.human, report.accepted)) ")" }
            td class="number" { (number(email, &behind(true), of.machine)) " (" (words::share(of.machine, report.accepted)) ")" }
            td class="number" { (words::count(all.human)) }
            td class="number" { (words::count(all.machine)) }
        } }
    };
    let rows = [
        row("Opened", report.opened, report.opens, |machine| {
            Behind::Opened { machine }
        }),
        row("Clicked", report.clicked, report.clicks, |machine| {
            Behind::Clicked { machine }
        }),
    ];
    let columns = [
        Column::plain(""),
        Column::number("People"),
        Column::number("Machines"),
        Column::number("Times, people"),
        Column::number("Times, machines"),
    ];
    shown::card(
        "People and machines",
        &html! {
            p class="soft" { "Scanners and image proxies open mails and follow links too. They are counted apart, by what is known of them; a mail may be in both columns." }
            (table("Opens and clicks by people and machines", &columns, &rows, None))
        },
    )
}

fn links(email: EmailId, report: &EmailReport) -> Markup {
    if report.links.is_empty() {
        return html! {};
    }
    let rows: Vec<_> = report
        .links
        .iter()
        .map(|link| {
            let behind = |machine| Behind::Link {
                version: link.version_id,
                link: link.link,
                machine,
            };
            html! { tr {
                td class="link" { code { (link.url.as_deref().unwrap_or("(no longer known)")) } }
                td class="number" { (number(email, &behind(false), link.clicked.human)) }
                td class="number" { (number(email, &behind(true), link.clicked.machine)) }
                td class="number" { (words::count(link.clicks.human + link.clicks.machine)) }
            } }
        })
        .collect();
    let columns = [
        Column::plain("Link"),
        Column::number("People"),
        Column::number("Machines"),
        Column::number("All clicks"),
    ];
    shown::card("Links", &table("Links", &columns, &rows, None))
}

/// Who did not get it, who refused it, who left.
fn lost(email: EmailId, report: &EmailReport) -> Markup {
    let left = report.unsubscribed.human + report.unsubscribed.machine;
    let state = |state, count| number(email, &Behind::State(state), count);
    let reason = |name: &str, count: u64| {
        let known = SkipReason::from_name(name);
        known.map_or_else(
            || html! { (words::count(count)) },
            |reason| number(email, &Behind::Skipped(reason), count),
        )
    };
    html! {
        div class="grid" {
            (shown::card("Left", &html! {
                p { (number(email, &Behind::Unsubscribed, left)) " unsubscribed (" (words::share(left, report.accepted)) ")" }
            }))
            (shown::card("Bounces", &html! {
                dl class="values" {
                    dt { "Refused" } dd { (state(DeliveryState::Refused, report.refused)) }
                    @for (class, count) in &report.bounced {
                        dt { (words::spaced(class)) } dd { (number(email, &Behind::Bounced(class.clone()), *count)) }
                    }
                    dt { "Deferred" } dd { (state(DeliveryState::Deferred, report.deferred)) }
                    dt { "Unknown" } dd { (state(DeliveryState::Unknown, report.unknown)) }
                }
            }))
            @if !report.skipped.is_empty() {
                (shown::card("Left out", &html! {
                    dl class="values" { @for (name, count) in &report.skipped { dt { (words::spaced(name)) } dd { (reason(name, *count)) } } }
                }))
            }
        }
    }
}

fn more(visitor: &Visitor, email: EmailId, report: &EmailReport) -> Markup {
    let here = place(email);
    html! {
        div class="row" {
            (button_link(&format!("{here}/results/domains"), "By recipient domain", Weight::Plain))
            (button_link(&format!("{here}/results.csv?of=figures"), "Figures as CSV", Weight::Plain))
            @if !report.links.is_empty() {
                (button_link(&format!("{here}/results.csv?of=links"), "Links as CSV", Weight::Plain))
            }
            @if visitor.may(Permission::ContactsExport) {
                (button_link(&format!("{here}/people.csv?behind=accepted"), "Export those who got it", Weight::Plain))
            }
        }
    }
}

/// Shows the results by recipient domain.
#[handler]
pub(super) async fn show_domains(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
) -> Result<Markup> {
    let saved = find(request, &visitor, id).await?;
    let tracking = &app(request)?.tracking;
    let domains = tracking.domains(&visitor.actor, saved.email.id).await;
    let domains = domains.map_err(failure::messaging)?;
    let content = html! {
        (top(&visitor, &saved, Tab::Results))
        (by_domain(&saved, &domains))
    };
    Ok(shell(&visitor, saved.email.name.as_str(), PLACE, &content))
}

fn by_domain(saved: &SavedEmail, domains: &[DomainReport]) -> Markup {
    let rows: Vec<_> = domains
        .iter()
        .map(|at| {
            let number = |of, count| {
                let domain = at.domain.clone();
                number(saved.email.id, &Behind::Domain { of, domain }, count)
            };
            let state = |state, count| number(AtDomain::State(state), count);
            html! { tr {
                th scope="row" { @if at.domain.is_empty() { "(no address)" } @else { (at.domain) } }
                td class="number" { (number(AtDomain::Planned, at.planned)) }
                td class="number" { (state(DeliveryState::Accepted, at.accepted)) }
                td class="number" { (state(DeliveryState::Refused, at.refused)) }
                td class="number" { (state(DeliveryState::Deferred, at.deferred)) }
                td class="number" { (number(AtDomain::Opened, at.opened)) " (" (words::share(at.opened, at.accepted)) ")" }
                td class="number" { (number(AtDomain::Clicked, at.clicked)) " (" (words::share(at.clicked, at.accepted)) ")" }
            } }
        })
        .collect();
    let columns = [
        Column::plain("Domain"),
        Column::number("Planned"),
        Column::number("Accepted"),
        Column::number("Refused"),
        Column::number("Deferred"),
        Column::number("Opened by people"),
        Column::number("Clicked by people"),
    ];
    let back = format!("{}/results", place(saved.email.id));
    shown::card(
        "By recipient domain",
        &html! {
            p class="soft" { "A domain where much less is opened than elsewhere may put your mail into its spam folder. The 50 with most mails are shown." }
            @if rows.is_empty() { p { "It was not sent yet." } } @else { (table("Results by recipient domain", &columns, &rows, None)) }
            div class="row" {
                @if !rows.is_empty() { (button_link(&format!("{back}.csv?of=domains"), "Export as CSV", Weight::Plain)) }
                a href=(back) { "Back to the results" }
            }
        },
    )
}
