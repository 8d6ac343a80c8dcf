//! What is running and what was done last: sends, imports, changes of many, rebuilds.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_crm::segment::SegmentFilter;
use mauntic_messaging::sending::JobState;
use poem::{Request, Result, handler};

use super::{
    bulk,
    component::{
        Tone, frame, live, show, slug,
        table::{Column, table},
    },
    failure, imports, shell,
    visitor::{Visitor, app},
    words,
};

/// How many of each kind are listed as begun last.
const LATEST: usize = 8;
/// How many of each kind that are not over are shown, whenever they were begun.
const OPEN: usize = 50;
/// Where what is running is alone.
const PLACE: &str = "/app/running";

/// An import, a send, a change of many or a rebuild.
pub(super) struct Job {
    pub(super) kind: &'static str,
    name: String,
    place: String,
    state: String,
    tone: Tone,
    /// How much of how much is done, if that is known.
    progress: Option<(u64, u64)>,
    /// Whether something is still to come of it.
    open: bool,
    /// Whether it goes on by itself just now.
    moves: bool,
    at: DateTime<Utc>,
}

impl Job {
    fn title(&self) -> Markup {
        html! { a href=(self.place) { (self.name) } }
    }

    fn progress(&self) -> Markup {
        html! {
            li {
                div class="row" { span class="soft" { (self.kind) } a id=(slug(&self.place)) href=(self.place) { (self.name) } (show::badge(&self.state, self.tone)) }
                @if let Some((done, all)) = self.progress { (show::progress("Done", done, all)) }
            }
        }
    }
}

/// Shows what is running, for those who look again and again.
#[handler]
pub(super) async fn running(request: &Request, visitor: Visitor) -> Result<Markup> {
    let jobs = jobs(request, &visitor).await?;
    let content = html! {
        (frame::breadcrumbs(&[("/app/", "Start")], "Running"))
        (frame::header("Running", &html! {}))
        @if jobs.iter().all(|job| !job.open) { p { "Nothing is running now." } }
        (going_on(&jobs))
    };
    Ok(shell(&visitor, "Running", "/app/", &content))
}

/// What is not over; looked at again while something moves.
pub(super) fn going_on(jobs: &[Job]) -> Markup {
    let moves = jobs.iter().any(|job| job.moves);
    let open: Vec<_> = jobs.iter().filter(|job| job.open).collect();
    live::followed(
        "running",
        PLACE,
        moves,
        &html! {
            @if !open.is_empty() { (show::card("Running now", &html! { ul class="jobs" { @for job in &open { (job.progress()) } } })) }
        },
    )
}

/// What was begun last.
pub(super) fn latest(jobs: &[Job]) -> Markup {
    let columns = ["What", "Name", "State", "Begun"].map(Column::plain);
    let rows: Vec<_> = jobs
        .iter()
        .take(LATEST)
        .map(|job| {
            html! { tr {
                td { (job.kind) } td { (job.title()) } td { (show::badge(&job.state, job.tone)) } td { (words::time(job.at)) }
            } }
        })
        .collect();
    table("Imports, sends and changes", &columns, &rows, None)
}

/// What is running, and what was done last.
pub(super) async fn jobs(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    if visitor.may(Permission::EmailsRead) {
        jobs.extend(sends(request, visitor).await?);
    }
    if visitor.may(Permission::ContactsRead) {
        jobs.extend(imported(request, visitor).await?);
        jobs.extend(changes(request, visitor).await?);
    }
    if visitor.may(Permission::SegmentsRead) {
        jobs.extend(rebuilds(request, visitor).await?);
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.at));
    Ok(jobs)
}

/// Those that are not over, and of those that were begun last the others.
fn joined<T, I: Eq>(mut open: Vec<T>, latest: Vec<T>, id: impl Fn(&T) -> I) -> Vec<T> {
    for one in latest {
        if !open.iter().any(|other| id(other) == id(&one)) {
            open.push(one);
        }
    }
    open
}

async fn sends(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let (app, actor) = (app(request)?, &visitor.actor);
    let open = app.sends.unfinished(actor, PageSize::clamped(OPEN)).await;
    let size = PageSize::clamped(LATEST);
    let page = app.sends.list(actor, None, None, size).await;
    let latest = page.map_err(failure::messaging)?.items;
    let open = open.map_err(failure::messaging)?;
    let sends = joined(open, latest, |status| status.job.id);
    let emails: BTreeSet<_> = sends.iter().map(|send| send.job.email_id).collect();
    let names = app.emails.names(actor, &emails).await;
    let names = names.map_err(failure::messaging)?;
    let jobs = sends.iter().map(|status| {
        let (job, tally) = (&status.job, &status.tally);
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let done = number(tally.accepted + tally.refused + tally.unknown);
        let moves = JobState::RUNNING.contains(&job.state);
        // What was sent stays, though the email may be gone.
        let name = names.get(&job.email_id);
        Job {
            kind: "Send",
            name: name.map_or_else(|| "(deleted)".to_owned(), ToString::to_string),
            place: format!("/app/sends/{}", job.id),
            state: job.state.as_str().to_owned(),
            tone: super::send_tone(job),
            progress: Some((done, number(tally.planned))),
            open: moves || matches!(job.state, JobState::Scheduled | JobState::Paused),
            moves,
            at: job.created_at,
        }
    });
    Ok(jobs.collect())
}

async fn imported(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let (imports, actor) = (&app(request)?.imports, &visitor.actor);
    let open = imports.unfinished(actor, PageSize::clamped(OPEN)).await;
    let page = imports.list(actor, None, PageSize::clamped(LATEST)).await;
    let latest = page.map_err(failure::import)?.items;
    let found = joined(open.map_err(failure::import)?, latest, |import| import.id);
    let jobs = found.into_iter().map(|import| {
        let position = import.progress().fraction * 100.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a hundred"
        )]
        let percent = position.clamp(0.0, 100.0) as u64;
        let (state, tone) = imports::state_words(import.state);
        Job {
            kind: "Import",
            place: imports::place(import.id),
            state: state.to_owned(),
            tone,
            progress: Some((percent, 100)),
            open: !import.state.is_final(),
            moves: imports::moves(import.state),
            at: import.created_at,
            name: import.plan.name,
        }
    });
    Ok(jobs.collect())
}

async fn changes(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let (bulk, actor) = (&app(request)?.bulk, &visitor.actor);
    let open = bulk.unfinished(actor, PageSize::clamped(OPEN)).await;
    let page = bulk.list(actor, None, PageSize::clamped(LATEST)).await;
    let latest = page.map_err(failure::crm)?.items;
    let changes = joined(open.map_err(failure::crm)?, latest, |change| change.id);
    let jobs = changes.iter().map(|change| {
        let (state, tone) = bulk::state_words(change.state);
        Job {
            kind: "Change",
            name: bulk::words(&change.action),
            place: bulk::place(change.id),
            state: state.to_owned(),
            tone,
            progress: Some((change.done, change.total.max(change.done))),
            open: !change.state.is_final(),
            moves: bulk::moves(change.state),
            at: change.created_at,
        }
    });
    Ok(jobs.collect())
}

/// Segments whose rule is being applied to everybody.
async fn rebuilds(request: &Request, visitor: &Visitor) -> Result<Vec<Job>> {
    let size = PageSize::clamped(OPEN);
    let building = SegmentFilter {
        building: true,
        ..SegmentFilter::default()
    };
    let segments = &app(request)?.segments;
    let page = segments.list(&visitor.actor, &building, None, size).await;
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
            moves: true,
        })
    });
    Ok(building.collect())
}
