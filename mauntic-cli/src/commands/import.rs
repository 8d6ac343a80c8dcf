//! `mauntic contacts import` and `export`.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use mauntic_core::{Actor, ImportId, WorkerId};
use mauntic_crm::{
    ContactFilter, DateOrder, FieldAlias, Tag,
    import::{
        ColumnChoice, CreateImport, Delimiter, EmptyCells, Existing, FormatHints, Import,
        ImportFile, ImportOptions, ImportPreview, ImportState, TextEncoding, Watch,
    },
};
use serde_json::{Value, json};
use tracing::warn;

use crate::{
    commands::serve::stop_on_signal,
    context::Context,
    exit,
    output::{count, table},
    progress::Progress,
};

/// `mauntic contacts import`
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command"
)]
pub(crate) struct ImportFileCommand {
    /// The CSV file; - reads standard input
    file: PathBuf,
    /// What a column becomes: COLUMN=FIELD; COLUMN= leaves it out; repeat for several
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// A tag for every contact of the file; repeat for several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// The static segment that every contact of the file is put into, by name or id; made if there is none
    #[arg(long)]
    segment: Option<String>,
    /// The member in charge of every contact of the file, by email address or id
    #[arg(long, value_name = "MEMBER")]
    owner: Option<String>,
    /// The unique field that tells which contact a row is about [default: email]
    #[arg(long, value_name = "FIELD")]
    match_on: Option<FieldAlias>,
    /// Empty cells clear the value instead of keeping it
    #[arg(long)]
    clear_empty: bool,
    /// Leave contacts that are there as they are
    #[arg(long, conflicts_with = "fill_blanks")]
    skip_existing: bool,
    /// Give contacts that are there values only where they have none
    #[arg(long)]
    fill_blanks: bool,
    /// Such as UTF-8, UTF-16LE or windows-1252 [default: detected]
    #[arg(long)]
    encoding: Option<TextEncoding>,
    /// , ; tab or | [default: detected]
    #[arg(long)]
    delimiter: Option<Delimiter>,
    /// The first row is the heading, whatever it looks like [default: detected]
    #[arg(long, conflicts_with = "no_header")]
    header: bool,
    /// The first row is not a heading
    #[arg(long)]
    no_header: bool,
    /// Whether 3/4/2026 is 3 April (day) or March 4th (month)
    #[arg(long, value_name = "ORDER", value_parser = ["day", "month"])]
    dates: Option<String>,
    /// Show what would happen and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where to write the rows that could not be imported
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Removes an upload of which no import is made. If that fails, it is no failure of the command.
async fn forget(context: &Context, actor: &Actor, upload: ImportId) {
    if let Err(error) = context.app.imports.forget_upload(actor, upload).await {
        warn!(upload.id = %upload, error = &error as &dyn std::error::Error, "an upload could not be removed");
    }
}

impl ImportFileCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let actor = context.actor().await?;
        let command = self.command(context, &actor).await?;
        let imports = &context.app.imports;
        let upload = match command.file {
            ImportFile::Upload(id) => Some(id),
            ImportFile::Path(_) => None,
        };
        if self.dry_run {
            let preview = imports.preview(&actor, command).await;
            if let Some(upload) = upload {
                forget(context, &actor, upload).await;
            }
            context.output.result(&preview?, describe)?;
            return Ok(ExitCode::SUCCESS);
        }
        let import = match (imports.create(&actor, command).await, upload) {
            (Err(error), Some(upload)) => {
                forget(context, &actor, upload).await;
                return Err(error.into());
            }
            (made, _) => made?,
        };
        if import.counts.rows > 0 {
            context.output.note(format_args!(
                "Going on with this import behind row {}.",
                count(import.counts.rows)
            ));
        }
        let import = watch(context, &actor, &import).await?;
        finish(context, &actor, &import, self.report.as_deref()).await
    }

    async fn command(&self, context: &Context, actor: &Actor) -> anyhow::Result<CreateImport> {
        let columns = self
            .map
            .iter()
            .map(|text| column_choice(text))
            .collect::<Result<_, _>>()?;
        let segment = match (&self.segment, self.dry_run) {
            (Some(name), false) => {
                Some(super::segments::find_or_create_static(context, name).await?)
            }
            (Some(name), true) => super::segments::find(context, name)
                .await
                .ok()
                .map(|segment| segment.id),
            (None, _) => None,
        };
        let owner = match &self.owner {
            Some(name) => Some(super::contacts::owner(context, name).await?),
            None => None,
        };
        let options = ImportOptions {
            format: FormatHints {
                encoding: self.encoding,
                delimiter: self.delimiter,
                header: match (self.header, self.no_header) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                },
            },
            columns,
            match_on: self.match_on.clone(),
            empty: if self.clear_empty {
                EmptyCells::Clear
            } else {
                EmptyCells::Keep
            },
            existing: match (self.skip_existing, self.fill_blanks) {
                (true, _) => Existing::Skip,
                (_, true) => Existing::FillBlanks,
                _ => Existing::Update,
            },
            tags: self.tags.clone(),
            owner,
            segment,
            date_order: self.dates.as_deref().map(|order| match order {
                "day" => DateOrder::DayFirst,
                _ => DateOrder::MonthFirst,
            }),
            zone: context.app.zones.zone_of(actor.organization_id()).await?,
        };
        let (name, file) = source(context, actor, &self.file).await?;
        Ok(CreateImport {
            name,
            file,
            options,
        })
    }
}

/// Standard input is kept in the database first, so that an import of it can be resumed.
async fn source(
    context: &Context,
    actor: &Actor,
    file: &Path,
) -> anyhow::Result<(String, ImportFile)> {
    if file.as_os_str() == "-" {
        let max = context.app.settings.max_upload_bytes;
        let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?;
        let mut stdin = tokio::fs::File::from_std(std::fs::File::from(stdin));
        let upload = context.app.imports.upload(actor, &mut stdin, max).await?;
        return Ok(("standard input".to_owned(), ImportFile::Upload(upload.id)));
    }
    let path =
        std::fs::canonicalize(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok((name, ImportFile::Path(path)))
}

fn column_choice(text: &str) -> anyhow::Result<ColumnChoice> {
    let (column, target) = text
        .rsplit_once('=')
        .ok_or_else(|| exit::invalid(format!("--map {text}: expected COLUMN=FIELD")))?;
    let target = Some(target.trim().to_owned()).filter(|target| !target.is_empty());
    Ok(ColumnChoice {
        column: column.trim().to_owned(),
        target,
    })
}

/// Works on an import until it ends or somebody presses Ctrl-C.
pub(crate) async fn watch(
    context: &Context,
    actor: &Actor,
    import: &Import,
) -> anyhow::Result<Import> {
    let stop = stop_on_signal();
    let mut progress = Progress::start(context.output, "Importing", import.plan.bytes);
    let mut show = |import: &Import, now: mauntic_crm::import::ImportProgress| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shown, rounded"
        )]
        let left = now
            .seconds_left
            .map(|seconds| format!(", {}s left", seconds.ceil() as u64))
            .unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "shown, rounded"
        )]
        let rate = now.rows_per_second as u64;
        let failed = if now.counts.failed > 0 {
            format!(", {} bad", count(now.counts.failed))
        } else {
            String::new()
        };
        let remark = format!(
            "{} rows, {}/s{failed}{left}",
            count(now.counts.rows),
            count(rate)
        );
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "shown, rounded"
        )]
        let done = (import.plan.bytes as f64 * now.fraction) as u64;
        progress.update(done, import.plan.bytes, &remark);
    };
    let stopped = {
        let stop = stop.clone();
        move || stop.is_cancelled()
    };
    let worker = WorkerId::generate(&*context.app.ids);
    let watch = Watch {
        progress: &mut show,
        stop: &stopped,
    };
    let import = context
        .app
        .imports
        .run_to_end(actor, import.id, worker, watch)
        .await?;
    progress.finish();
    Ok(import)
}

/// Says what became of an import, and writes the report if one was asked for.
pub(crate) async fn finish(
    context: &Context,
    actor: &Actor,
    import: &Import,
    report: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    if let Some(path) = report {
        let file = std::fs::File::create(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        write_report(context, actor, import, file).await?;
    }
    context
        .output
        .result(&summary(import), |_| sentence(import))?;
    if import.counts.failed > 0 && report.is_none() {
        context.output.note(format_args!(
            "{} rows could not be imported; see them with: mauntic imports report {}",
            count(import.counts.failed),
            import.id
        ));
    }
    match import.state {
        ImportState::Completed => Ok(ExitCode::SUCCESS),
        ImportState::Pending | ImportState::Running => {
            context
                .output
                .note("Interrupted. The same command goes on where it was.");
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        state => {
            let why = import
                .error
                .clone()
                .unwrap_or_else(|| format!("the import is {state}"));
            Err(exit::conflict(format!(
                "{why}; go on with: mauntic imports resume {}",
                import.id
            )))
        }
    }
}

/// Writes the rows that could not be imported.
pub(crate) async fn write_report(
    context: &Context,
    actor: &Actor,
    import: &Import,
    output: impl std::io::Write,
) -> anyhow::Result<()> {
    let mut output = std::io::BufWriter::new(output);
    let mut rows = std::pin::pin!(context.app.imports.report(actor, import.id).await?);
    while let Some(piece) = rows.next().await {
        output.write_all(&piece?)?;
    }
    Ok(output.flush()?)
}

/// The contract of `contacts import --json`.
pub(crate) fn summary(import: &Import) -> Value {
    let (counts, progress) = (import.counts, import.progress());
    json!({
        "import_id": import.id,
        "state": import.state.to_string(),
        "rows": counts.rows,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "failed": counts.failed,
        "duplicates": counts.duplicates,
        "seconds": progress.seconds,
    })
}

fn sentence(import: &Import) -> String {
    let (counts, progress) = (import.counts, import.progress());
    format!(
        "{} rows: {} created, {} updated, {} unchanged, {} failed, {} repeated in the file; {:.1} s ({:.0} rows/s)",
        count(counts.rows),
        count(counts.created),
        count(counts.updated),
        count(counts.unchanged),
        count(counts.failed),
        count(counts.duplicates),
        progress.seconds,
        progress.rows_per_second,
    )
}

fn describe(preview: &ImportPreview) -> String {
    let columns = preview.columns.iter().map(|(column, target)| {
        [
            column.clone(),
            target
                .as_ref()
                .map_or_else(|| "(left out)".to_owned(), ToString::to_string),
        ]
    });
    let counts = preview.counts;
    let mut text = format!(
        "{}, {} delimiter\n{}\n{} rows: {} new, {} there already, {} bad, {} repeated in the file. Nothing was written.",
        preview.format.encoding.name(),
        preview.format.delimiter,
        table(["Column", "Becomes"], columns),
        count(counts.rows),
        count(counts.created),
        count(counts.updated),
        count(counts.failed),
        count(counts.duplicates),
    );
    for row in &preview.rows {
        let values: Vec<_> = row
            .values
            .iter()
            .map(|(field, value)| format!("{field}={value}"))
            .collect();
        let _ = write!(text, "\nline {}: {}", row.line, values.join(", "));
    }
    for problem in &preview.problems {
        let column = problem
            .column
            .as_deref()
            .map(|column| format!(" {column}:"))
            .unwrap_or_default();
        let _ = write!(text, "\nline {}:{column} {}", problem.line, problem.reason);
    }
    text
}

/// `mauntic contacts export`
#[derive(Debug, Args)]
pub(crate) struct ExportCommand {
    /// Only the members of this segment, by name or id
    #[arg(long)]
    segment: Option<String>,
    /// Where to write [default: standard output; needed with --json, whose result goes there]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl ExportCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        if context.output.is_json() && self.output.is_none() {
            return Err(exit::invalid(
                "with --json, say where the contacts go: --output FILE",
            ));
        }
        let actor = context.actor().await?;
        let segment = match &self.segment {
            Some(name) => Some(super::segments::find(context, name).await?.id),
            None => None,
        };
        let filter = ContactFilter {
            segment,
            ..ContactFilter::default()
        };
        let mut pieces = std::pin::pin!(context.app.exports.contacts(&actor, filter).await?);
        let mut output: Box<dyn std::io::Write> = match &self.output {
            Some(path) => Box::new(std::io::BufWriter::new(
                std::fs::File::create(path)
                    .with_context(|| format!("cannot write {}", path.display()))?,
            )),
            None => Box::new(std::io::BufWriter::new(std::io::stdout().lock())),
        };
        let (mut bytes, mut lines, mut quoted) = (0_u64, 0_u64, false);
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            bytes += piece.len() as u64;
            // A line break between quotes belongs to a value (RFC 4180 §2).
            for byte in &piece {
                match byte {
                    b'"' => quoted = !quoted,
                    b'\n' if !quoted => lines += 1,
                    _ => {}
                }
            }
            output.write_all(&piece)?;
        }
        output.flush()?;
        drop(output);
        // The first line names the columns.
        let rows = lines.saturating_sub(1);
        if let Some(path) = self.output {
            context
                .output
                .result(&json!({"file": path, "rows": rows, "bytes": bytes}), |_| {
                    format!("{} contacts in {}", count(rows), path.display())
                })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
