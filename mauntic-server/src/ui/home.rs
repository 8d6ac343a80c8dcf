//! The start page: how the list grows, what was sent and what came of it, what is running, and what to do next.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_crm::ContactGrowth;
use mauntic_messaging::tracking::DayActivity;
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;

use super::{
    Done,
    component::{
        action::{Weight, button_link},
        chart::{Series, Shape, chart},
        frame, show,
    },
    failure, recent,
    running::{self, Job},
    shell,
    visitor::{Visitor, app},
    words,
};

/// The ranges that can be looked at, in days.
const RANGES: [u16; 3] = [7, 30, 90];

/// What to show.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    days: Option<u16>,
    #[serde(default)]
    done: Option<Done>,
}

/// Shows it.
#[handler]
pub(crate) async fn home(
    request: &Request,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Markup> {
    let days = wanted
        .days
        .filter(|days| RANGES.contains(days))
        .unwrap_or(30);
    let growth = growth(request, &visitor, days).await?;
    let activity = activity(request, &visitor, days).await?;
    let jobs = running::jobs(request, &visitor).await?;
    let recent = recent::cards(request, &visitor, &jobs).await?;
    let steps = Steps::of(growth.as_ref(), &jobs);
    let content = html! {
        (frame::header("Start", &ranges(days)))
        @if let Some(done) = wanted.done { (done.toast()) }
        @if !steps.all_done() { (steps.show(&visitor)) }
        div class="stack" id="figures" {
            (figures(growth.as_ref(), activity.as_deref(), days))
            (charts(growth.as_ref(), activity.as_deref()))
        }
        (running::going_on(&jobs))
        (recent)
    };
    Ok(shell(&visitor, "Start", "/app/", &content))
}

fn ranges(current: u16) -> Markup {
    html! {
        nav class="choice" aria-label="Range" {
            @for days in RANGES {
                a href=(format!("/app/?days={days}")) aria-current=[(days == current).then_some("true")] { (days) " days" }
            }
        }
    }
}

async fn growth(request: &Request, visitor: &Visitor, days: u16) -> Result<Option<ContactGrowth>> {
    if !visitor.may(Permission::ContactsRead) {
        return Ok(None);
    }
    let growth = app(request)?.contacts.growth(&visitor.actor, days).await;
    growth.map(Some).map_err(failure::crm)
}

async fn activity(
    request: &Request,
    visitor: &Visitor,
    days: u16,
) -> Result<Option<Vec<DayActivity>>> {
    if !visitor.may(Permission::EmailsRead) {
        return Ok(None);
    }
    let app = app(request)?;
    let zone = app.zones.zone_of(visitor.actor.organization_id()).await;
    let zone = zone.map_err(|error| failure::crm(error.into()))?;
    let activity = app.tracking.activity(&visitor.actor, &zone, days).await;
    activity.map(Some).map_err(failure::messaging)
}

fn figures(growth: Option<&ContactGrowth>, activity: Option<&[DayActivity]>, days: u16) -> Markup {
    html! {
        div class="stats" {
            @if let Some(growth) = growth {
                @let added = growth.days.iter().map(|day| day.added).sum();
                (show::stat("Contacts", &words::count(growth.total), &format!("{} added in {days} days", words::count(added))))
            }
            @if let Some(activity) = activity {
                @let sum = |of: fn(&DayActivity) -> u64| activity.iter().map(of).sum::<u64>();
                @let accepted = sum(|day| day.accepted);
                @let (opened, clicked) = (sum(|day| day.opened.human), sum(|day| day.clicked.human));
                @let refused = sum(|day| day.refused);
                @let left = sum(|day| day.unsubscribed.human + day.unsubscribed.machine);
                (show::stat("Mails sent", &words::count(accepted), "accepted by the mail servers"))
                (show::stat("Opened by people", &words::share(opened, accepted), &format!("by machines: {}", words::share(sum(|day| day.opened.machine), accepted))))
                (show::stat("Clicked by people", &words::share(clicked, accepted), &format!("by machines: {}", words::share(sum(|day| day.clicked.machine), accepted))))
                (show::stat("Bounced", &words::share(refused, accepted + refused), &format!("{} mails refused for good", words::count(refused))))
                (show::stat("Unsubscribed", &words::share(left, accepted), &words::people(left)))
            }
        }
    }
}

fn charts(growth: Option<&ContactGrowth>, activity: Option<&[DayActivity]>) -> Markup {
    html! {
        div class="pair" {
            @if let Some(growth) = growth {
                @let labels: Vec<_> = growth.days.iter().map(|day| words::date(day.date)).collect();
                @let added: Vec<_> = growth.days.iter().map(|day| day.added).collect();
                section class="card" { (chart("Contacts added", &labels, &[Series { name: "Added", values: &added }], Shape::Bars)) }
            }
            @if let Some(activity) = activity {
                @let labels: Vec<_> = activity.iter().map(|day| words::date(day.date)).collect();
                @let of = |of: fn(&DayActivity) -> u64| activity.iter().map(of).collect::<Vec<_>>();
                @let (accepted, opened, clicked) = (of(|day| day.accepted), of(|day| day.opened.human), of(|day| day.clicked.human));
                section class="card" { (chart("Mails sent", &labels, &[Series { name: "Accepted", values: &accepted }], Shape::Bars)) }
                section class="card" { (chart("What people did", &labels, &[Series { name: "Opened", values: &opened }, Series { name: "Clicked", values: &clicked }], Shape::Lines)) }
            }
        }
    }
}

/// The way from an empty installation to the first send.
struct Steps {
    contacts: bool,
    sent: bool,
}

impl Steps {
    fn of(growth: Option<&ContactGrowth>, jobs: &[Job]) -> Self {
        Self {
            contacts: growth.is_none_or(|growth| growth.total > 0),
            sent: jobs.iter().any(|job| job.kind == "Send"),
        }
    }

    fn all_done(&self) -> bool {
        self.contacts && self.sent
    }

    /// What to do next.
    fn show(&self, visitor: &Visitor) -> Markup {
        let contacts = !self.contacts && visitor.may(Permission::ContactsImport);
        let later = if contacts {
            Weight::Plain
        } else {
            Weight::Primary
        };
        let title = if self.contacts {
            "Nothing was sent yet"
        } else {
            "There are no contacts yet"
        };
        show::empty(
            title,
            "Bring your contacts in, say who should get a mail, write it, and send it. Without a mail server it is captured, so that nobody is mailed by accident.",
            &html! {
                div class="row" {
                    @if contacts { (button_link("/app/imports/new", "Import contacts", Weight::Primary)) }
                    @if visitor.may(Permission::SegmentsWrite) { (button_link("/app/segments/new", "Describe a segment", Weight::Plain)) }
                    @if visitor.may(Permission::EmailsWrite) { (button_link("/app/emails/new", "Write an email", later)) }
                }
            },
        )
    }
}
