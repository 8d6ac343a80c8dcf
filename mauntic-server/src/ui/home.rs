//! The start page: how the list grows, what was sent and what came of it, what is running, and what to do next.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::{ContactGrowth, import::ImportState};
use mauntic_messaging::{MessagingError, sending::JobState, tracking::DayActivity};
use poem::{Request, Result, handler, web::Query};
use serde::Deserialize;

use super::{
    Done,
    component::{
        Tone,
        action::{Weight, button_link},
        chart::{Series, Shape, chart},
        frame, live, show,
        table::{Column, table},
    },
    failure, shell,
    visitor::{Visitor, app},
    words,
};

/// The ranges that can be looked at, in days.
const RANGES: [u16; 3] = [7, 30, 90];
/// How many sends and imports are looked at, and how many things are listed as done last.
const LATEST: usize = 8;

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
    let here = format!("/app/?days={days}");
    let growth = growth(request, &visitor, days).await?;
    let activity = activity(request, &visitor, days).await?;
    let jobs = jobs(request, &visitor).await?;
    let steps = Steps::of(growth.as_ref(), &jobs);
    let running: Vec<_> = jobs.iter().filter(|job| job.open).collect();
    let content = html! {
        (frame::header("Start", &ranges(days)))
        @if let Some(done) = wanted.done { (done.toast()) }
        @if !steps.all_done() { (steps.show(&visitor)) }
        div class="stack" id="figures" {
            (figures(growth.as_ref(), activity.as_deref(), days))
            (charts(growth.as_ref(), activity.as_deref()))
        }
        (live::followed("running", &here, !running.is_empty(), &html! {
            @if !running.is_empty() { (show::card("Running now", &html! { ul class="jobs" { @for job in &running { (job.progress()) } } })) }
        }))
        @if !jobs.is_empty() { (show::card("Recently", &latest(&jobs))) }
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

/// An import, a send or a rebuild.
struct Job {
    kind: &'static str,
    name: String,
    place: String,
    state: String,
    tone: Tone,
    /// How much of how much is done, if that is known.
    progress: Option<(u64, u64)>,
    open: bool,
    at: DateTime<Utc>,
}

impl Job {
    fn title(&self) -> Markup {
        html! { a href=(self.place) { (self.name) } }
    }

    fn progress(&self) -> Markup {
        html! {
            li {
                div class="row" { span class="soft" { (self.kind) } (self.title()) (show::badge(&self.state, self.tone)) }
                @if let Some((done, all)) = self.progress { (show::progress("Done", done, all)) }
            }
        }
    }
}

/// What is running, and what was done last.
async fn jobs(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    if visitor.may(Permission::EmailsRead) {
        jobs.extend(sends(request, visitor).await?);
    }
    if visitor.may(Permission::ContactsRead) {
        jobs.extend(imports(request, visitor).await?);
    }
    if visitor.may(Permission::SegmentsRead) {
        jobs.extend(rebuilds(request, visitor).await?);
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.at));
    Ok(jobs)
}

async fn sends(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let app = app(request)?;
    let size = PageSize::clamped(LATEST);
    let page = app.sends.list(&visitor.actor, None, None, size).await;
    let mut jobs = Vec::new();
    for status in page.map_err(failure::messaging)?.items {
        let (job, tally) = (&status.job, &status.tally);
        let name = match app.emails.get(&visitor.actor, job.email_id).await {
            Ok(saved) => saved.email.name.to_string(),
            // What was sent stays, though the email may be gone.
            Err(MessagingError::NotFound { .. }) => "(deleted)".to_owned(),
            Err(error) => return Err(failure::messaging(error)),
        };
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let done = number(tally.accepted + tally.refused + tally.unknown);
        let open = matches!(
            job.state,
            JobState::Scheduled | JobState::Planning | JobState::Sending | JobState::Paused
        );
        jobs.push(Job {
            kind: "Send",
            name,
            place: format!("/app/sends/{}", job.id),
            state: job.state.as_str().to_owned(),
            tone: super::send_tone(job),
            progress: Some((done, number(tally.planned))),
            open,
            at: job.created_at,
        });
    }
    Ok(jobs)
}

async fn imports(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let size = PageSize::clamped(LATEST);
    let page = app(request)?.imports.list(&visitor.actor, None, size).await;
    let imports = page.map_err(failure::import)?.items;
    let jobs = imports.into_iter().map(|import| {
        let position = import.progress().fraction * 100.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a hundred"
        )]
        let percent = position.clamp(0.0, 100.0) as u64;
        Job {
            kind: "Import",
            place: format!("/app/imports/{}", import.id),
            state: import.state.to_string(),
            tone: match import.state {
                ImportState::Completed => Tone::Good,
                ImportState::Failed => Tone::Bad,
                _ => Tone::Plain,
            },
            progress: Some((percent, 100)),
            open: !import.state.is_final(),
            at: import.created_at,
            name: import.plan.name,
        }
    });
    Ok(jobs.collect())
}

/// Segments whose rule is being applied to everybody.
async fn rebuilds(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let size = PageSize::clamped(PageSize::MAX.into());
    let page = app(request)?
        .segments
        .list(&visitor.actor, None, size)
        .await;
    let segments = page.map_err(failure::crm)?.items.into_iter();
    let building = segments.filter_map(|segment| {
        Some(Job {
            kind: "Segment",
            at: segment.build?.started_at,
            place: format!("/app/segments/{}", segment.id),
            name: segment.name.to_string(),
            state: "rebuilding".to_owned(),
            tone: Tone::Plain,
            progress: None,
            open: true,
        })
    });
    Ok(building.collect())
}

fn latest(jobs: &[Job]) -> Markup {
    let column = |name| Column {
        name,
        sort: None,
        sorted: None,
        number: false,
    };
    let columns = ["What", "Name", "State", "Begun"].map(column);
    let rows: Vec<_> = jobs
        .iter()
        .take(LATEST)
        .map(|job| {
            html! { tr {
                td { (job.kind) } td { (job.title()) } td { (show::badge(&job.state, job.tone)) } td { (words::time(job.at)) }
            } }
        })
        .collect();
    table("Imports, sends and rebuilds", &columns, &rows, None)
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
