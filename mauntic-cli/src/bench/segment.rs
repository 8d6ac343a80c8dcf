//! Building a segment of three conditions.

use std::time::{Duration, Instant};

use mauntic_core::{SegmentId, WorkerId, storage::DbTarget};
use mauntic_crm::segment::{CreateSegment, RuleInput};
use serde::Serialize;

use super::{baseline, world::World};
use crate::output::count;

/// Whom the segment takes in.
const RULE: &str = r#"country = "DE" and lifetime_value > 200 and tag in ("vip")"#;
/// The same in SQL, over the contacts as `c`.
const CONDITION: &str = "c.fields ->> 'country' = 'DE' AND (c.fields ->> 'lifetime_value')::float8 > 200 \
                         AND c.tags ? 'vip'";
/// How often the rebuild is measured; the median counts.
const ROUNDS: usize = 3;

/// What a rebuild came to.
#[derive(Debug, Serialize)]
pub(super) struct SegmentFigures {
    contacts: u64,
    members: u64,
    first_build_seconds: f64,
    rebuild_seconds: f64,
    /// Hand-written SQL over the same contacts; PostgreSQL only.
    hand_written_first_seconds: Option<f64>,
    hand_written_seconds: Option<f64>,
    ratio: Option<f64>,
}

/// Builds the segment over the organisation's contacts, and compares with hand-written SQL.
pub(super) async fn run(world: &World<'_>, contacts: u64) -> anyhow::Result<SegmentFigures> {
    let app = &world.context.app;
    world.context.output.note(format_args!(
        "Segment: rebuilding over {} contacts …",
        count(contacts)
    ));
    let command = CreateSegment {
        name: "Valuable people".parse()?,
        description: String::new(),
        rule: Some(RuleInput::Text(RULE.to_owned())),
    };
    let id = app.segments.create(&world.actor, command).await?.id;
    let first = build(world, id).await?;
    let mut rebuilds = Vec::new();
    for _ in 0..ROUNDS {
        app.segments.queue_rebuild(&world.actor, id).await?;
        rebuilds.push(build(world, id).await?);
    }
    let rebuild_seconds = median(rebuilds);
    let members = app.segments.find(&world.actor, id).await?.member_count;
    let by_hand = match app.settings.target()? {
        DbTarget::Postgres(url) => {
            let (first, again) =
                baseline::rebuild(&url, world.organization, CONDITION, ROUNDS).await?;
            Some((first.as_secs_f64(), median(again)))
        }
        DbTarget::Sqlite(_) => None,
    };
    app.segments.delete(&world.actor, id).await?;
    Ok(SegmentFigures {
        contacts,
        members: u64::try_from(members).unwrap_or_default(),
        first_build_seconds: first.as_secs_f64(),
        rebuild_seconds,
        hand_written_first_seconds: by_hand.map(|(first, _)| first),
        hand_written_seconds: by_hand.map(|(_, again)| again),
        ratio: by_hand.map(|(_, again)| rebuild_seconds / again),
    })
}

async fn build(world: &World<'_>, id: SegmentId) -> anyhow::Result<Duration> {
    let app = &world.context.app;
    let worker = WorkerId::generate(&*app.ids);
    let started = Instant::now();
    anyhow::ensure!(
        app.segment_worker.rebuild(worker, id).await?,
        "another worker has the segment"
    );
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, Duration::as_secs_f64)
}

impl SegmentFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let what = format!(
            "segment, {} of {}",
            count(self.members),
            count(self.contacts)
        );
        let first = self.hand_written_first_seconds;
        vec![
            super::row(
                format!("{what}: first build"),
                format!("{:.2} s", self.first_build_seconds),
                first.map(|seconds| format!("by hand: {seconds:.2} s")),
                "",
            ),
            super::row(
                format!("{what}: rebuild"),
                format!("{:.2} s", self.rebuild_seconds),
                self.hand_written_seconds.map(|seconds| {
                    format!(
                        "by hand: {seconds:.2} s, {:.2} ×",
                        self.ratio.unwrap_or_default()
                    )
                }),
                "2 s for 1,000,000, 1.2 ×",
            ),
        ]
    }
}
