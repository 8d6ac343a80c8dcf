//! How soon segments follow changes of contacts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mauntic_core::{ContactId, PageSize, WorkerId};
use mauntic_crm::{
    ContactListing, ContactPatch, UpdateContact,
    segment::{CreateSegment, RuleInput},
};
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use super::{rate, world::World};
use crate::output::count;

/// Contacts, of whom some change.
pub(super) const CONTACTS: u64 = 100_000;
/// Segments with a rule.
const SEGMENTS: usize = 1_000;
/// Contacts that change in one transaction, twice a second: 2,000 changes a second.
const BATCH: usize = 1_000;
const EVERY: Duration = Duration::from_millis(500);
/// How long contacts change.
const BATCHES: usize = 40;

/// What the changes came to.
#[derive(Debug, Serialize)]
pub(super) struct FollowFigures {
    segments: usize,
    changes: u64,
    changes_per_second: f64,
    /// The longest time from the commit of a change to the commit of its memberships.
    slowest_seconds: f64,
    /// Half of the changes were followed within this time.
    median_seconds: f64,
}

/// Changes contacts at a steady rate while a worker follows.
pub(super) async fn run(world: &World<'_>) -> anyhow::Result<FollowFigures> {
    let output = &world.context.output;
    output.note(format_args!(
        "Segment: making {} segments …",
        count(SEGMENTS as u64)
    ));
    segments(world).await?;
    let contacts = contacts(world).await?;
    output.note("Segment: changing 2,000 contacts a second …");
    // The rules are compiled once, when the first change is followed.
    change(world, &contacts, 0).await?;
    while follow(world).await? {}
    let waits = steadily(world, &contacts).await?;
    let changes = (waits.len() * BATCH) as u64;
    let mut sorted: Vec<_> = waits.iter().map(|(_, wait)| *wait).collect();
    sorted.sort_unstable();
    let started = waits.first().map_or_else(Instant::now, |(at, _)| *at);
    let ended = waits.iter().map(|(at, wait)| *at + *wait).max();
    let took = ended.map_or(Duration::ZERO, |ended| ended - started);
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    Ok(FollowFigures {
        segments: SEGMENTS,
        changes,
        changes_per_second: rate(changes, took.as_secs_f64()),
        slowest_seconds: seconds(sorted.last()),
        median_seconds: seconds(sorted.get(sorted.len() / 2)),
    })
}

/// Half of the rules ask for what changes, and half for something else.
async fn segments(world: &World<'_>) -> anyhow::Result<()> {
    let app = &world.context.app;
    for number in 0..SEGMENTS {
        let rule = if number.is_multiple_of(2) {
            format!("points = {number} and email is set")
        } else {
            format!("city = \"City {number}\" and tag in (\"vip\")")
        };
        let command = CreateSegment {
            name: format!("Follow {number}").parse()?,
            description: String::new(),
            rule: Some(RuleInput::Text(rule)),
        };
        let id = app.segments.create(&world.actor, command).await?.id;
        let worker = WorkerId::generate(&*app.ids);
        app.segment_worker.rebuild(worker, id).await?;
    }
    Ok(())
}

async fn contacts(world: &World<'_>) -> anyhow::Result<Vec<ContactId>> {
    let (mut found, mut after) = (Vec::new(), None);
    while found.len() < BATCHES * BATCH {
        let listing = ContactListing {
            after,
            size: PageSize::clamped(1_000),
            ..ContactListing::default()
        };
        let page = world
            .context
            .app
            .contacts
            .list(&world.actor, &listing)
            .await?;
        found.extend(page.items.iter().map(mauntic_crm::Contact::id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

/// One transaction that changes a batch of contacts.
async fn change(world: &World<'_>, contacts: &[ContactId], round: usize) -> anyhow::Result<()> {
    let chunk = round % contacts.len().div_ceil(BATCH).max(1);
    let batch = contacts.chunks(BATCH).nth(chunk).unwrap_or_default();
    let commands: Vec<_> = batch
        .iter()
        .enumerate()
        .map(|(number, id)| UpdateContact {
            id: *id,
            version: None,
            patch: ContactPatch {
                points: i64::try_from((number + round * 7) % SEGMENTS).ok(),
                ..ContactPatch::default()
            },
        })
        .collect();
    for result in world
        .context
        .app
        .contacts
        .update_many(&world.actor, &commands)
        .await?
    {
        result?;
    }
    Ok(())
}

async fn follow(world: &World<'_>) -> anyhow::Result<bool> {
    let app = &world.context.app;
    let worker = WorkerId::generate(&*app.ids);
    Ok(app.segment_worker.run_incremental(worker).await?)
}

/// When each batch was committed, and how long it took until nothing was left to follow.
async fn steadily(
    world: &World<'_>,
    contacts: &[ContactId],
) -> anyhow::Result<Vec<(Instant, Duration)>> {
    let done = Arc::new(AtomicBool::new(false));
    let app = world.context.app.clone();
    let (idle, mut idles) = tokio::sync::mpsc::unbounded_channel();
    let ended = Arc::clone(&done);
    let worker = tokio::spawn(async move {
        loop {
            // Whatever was committed before this moment is followed once the queue is empty.
            let looked = Instant::now();
            let last = ended.load(Ordering::SeqCst);
            let worker = WorkerId::generate(&*app.ids);
            if !app.segment_worker.run_incremental(worker).await? {
                let _ = idle.send((looked, Instant::now()));
                if last {
                    return Ok::<(), mauntic_core::StoreError>(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut committed = Vec::with_capacity(BATCHES);
    for round in 0..BATCHES {
        clock.tick().await;
        change(world, contacts, round).await?;
        committed.push(Instant::now());
    }
    done.store(true, Ordering::SeqCst);
    worker.await??;
    let mut seen = Vec::new();
    while let Ok(moment) = idles.try_recv() {
        seen.push(moment);
    }
    let waits = committed.into_iter().map(|at| {
        let followed = seen.iter().find(|(looked, _)| *looked >= at);
        (at, followed.map_or(Duration::MAX, |(_, end)| *end - at))
    });
    Ok(waits.collect())
}

impl FollowFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        vec![super::row(
            format!(
                "{} changes with {} segments",
                count(self.changes),
                count(self.segments as u64)
            ),
            format!(
                "{:.0}/s, visible after {:.2} s, at most {:.2} s",
                self.changes_per_second, self.median_seconds, self.slowest_seconds
            ),
            None,
            "2,000/s, 2 s",
        )]
    }
}
