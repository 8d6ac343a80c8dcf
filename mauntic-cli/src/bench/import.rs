//! Importing a CSV file.

use std::time::Instant;

use mauntic_core::storage::DbTarget;
use serde::Serialize;

use super::{
    baseline, memory, rate,
    world::{World, write_people},
};
use crate::{context::Context, output::count};

/// What an import came to.
#[derive(Debug, Serialize)]
pub(super) struct ImportFigures {
    rows: u64,
    seconds: f64,
    rows_per_second: f64,
    peak_megabytes: Option<u64>,
    /// Hand-written SQL over the same file; PostgreSQL only.
    hand_written_rows_per_second: Option<f64>,
    ratio: Option<f64>,
}

/// Imports the rows into the organisation, and compares with hand-written SQL.
pub(super) async fn run(world: &World<'_>, rows: u64) -> anyhow::Result<ImportFigures> {
    let Context { app, output, .. } = world.context;
    output.note(format_args!(
        "Import: writing a file of {} rows …",
        count(rows)
    ));
    let file = write_people(rows)?;
    memory::reset_peak();
    let started = Instant::now();
    world.import(file.path(), None).await?;
    let seconds = started.elapsed().as_secs_f64();
    let peak_megabytes = memory::peak_megabytes();
    let rows_per_second = rate(rows, seconds);
    let by_hand = match app.settings.target()? {
        DbTarget::Postgres(url) => {
            output.note("Import: the same by hand-written SQL …");
            let took = baseline::import(&url, file.path()).await?;
            baseline::tidy(&url).await?;
            Some(rate(rows, took.as_secs_f64()))
        }
        DbTarget::Sqlite(_) => None,
    };
    Ok(ImportFigures {
        rows,
        seconds,
        rows_per_second,
        peak_megabytes,
        hand_written_rows_per_second: by_hand,
        ratio: by_hand.map(|by_hand| rows_per_second / by_hand),
    })
}

impl ImportFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let by_hand = self.hand_written_rows_per_second;
        vec![super::row(
            format!("CSV import, {} rows", count(self.rows)),
            format!(
                "{:.0} rows/s, {}",
                self.rows_per_second,
                super::megabytes(self.peak_megabytes)
            ),
            by_hand.map(|rate| {
                format!(
                    "COPY + INSERT: {rate:.0} rows/s, {:.2} ×",
                    self.ratio.unwrap_or_default()
                )
            }),
            "40,000 rows/s, 0.7 ×",
        )]
    }
}
