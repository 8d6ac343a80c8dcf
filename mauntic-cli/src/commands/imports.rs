//! `mauntic imports`.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use mauntic_core::ImportId;
use serde_json::json;

use super::import::{finish, summary, watch, write_report};
use crate::{
    context::Context,
    output::{count, table},
    paging::Paging,
};

/// `mauntic imports …`
#[derive(Debug, Subcommand)]
pub(crate) enum ImportsCommand {
    /// List imports, the latest first
    List(Paging),
    /// Show how far an import is
    Show {
        /// The import
        id: ImportId,
    },
    /// Go on with a paused, failed or interrupted import, here
    Resume {
        /// The import
        id: ImportId,
    },
    /// Stop an import until it is resumed
    Pause {
        /// The import
        id: ImportId,
    },
    /// Stop an import for good; what is imported stays
    Cancel {
        /// The import
        id: ImportId,
    },
    /// Write the rows that could not be imported, as CSV that can be imported once repaired
    Report {
        /// The import
        id: ImportId,
        /// Where to write [default: standard output]
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

impl ImportsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let imports = &context.app.imports;
        let actor = context.actor().await?;
        match self {
            Self::List(paging) => {
                let part = paging
                    .gather(async |after, size| Ok(imports.list(&actor, after, size).await?))
                    .await?;
                let records: Vec<_> = part.items.iter().map(summary).collect();
                let result = json!({"imports": records, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["File", "State", "Rows", "Bad", "Started", "Id"],
                        part.items.iter().map(|import| {
                            [
                                import.plan.name.clone(),
                                import.state.to_string(),
                                count(import.counts.rows),
                                count(import.counts.failed),
                                import.created_at.format("%F %R").to_string(),
                                import.id.to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
            }
            Self::Show { id } => {
                let import = imports.find(&actor, id).await?;
                let mut record = summary(&import);
                record["name"] = import.plan.name.as_str().into();
                record["fraction"] = json!(import.progress().fraction);
                record["error"] = json!(import.error);
                context
                    .output
                    .result(&record, |record| format!("{record:#}"))?;
            }
            Self::Resume { id } => {
                let mut import = imports.find(&actor, id).await?;
                if import.lease.is_none()
                    && !matches!(import.state, mauntic_crm::import::ImportState::Pending)
                {
                    import = imports.resume(&actor, id).await?;
                }
                let import = watch(context, &actor, &import).await?;
                return finish(context, &actor, &import, None).await;
            }
            Self::Pause { id } => {
                let import = imports.pause(&actor, id).await?;
                context
                    .output
                    .result(&summary(&import), |_| "paused".to_owned())?;
            }
            Self::Cancel { id } => {
                let import = imports.cancel(&actor, id).await?;
                context
                    .output
                    .result(&summary(&import), |_| "cancelled".to_owned())?;
            }
            Self::Report { id, output } => {
                let import = imports.find(&actor, id).await?;
                match output {
                    Some(path) => {
                        write_report(context, &actor, &import, std::fs::File::create(path)?)
                            .await?;
                    }
                    None => {
                        write_report(context, &actor, &import, std::io::stdout().lock()).await?;
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
