//! `mauntic suppressions`.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Subcommand;
use mauntic_core::{EmailAddress, PageSize};
use mauntic_messaging::suppression::{
    ListExitCursor, ListExitFilter, NewSuppression, SuppressionCursor, SuppressionFilter,
    SuppressionReason, address_hash,
};
use serde_json::json;

use super::segments;
use crate::{
    context::Context,
    exit,
    output::{count, table},
    paging::Paging,
};

/// How many addresses are handed over at once.
const BATCH: usize = 5_000;

/// `mauntic suppressions …`
#[derive(Debug, Subcommand)]
pub(crate) enum SuppressionsCommand {
    /// Send no more mail to an address
    Add {
        /// The address
        address: EmailAddress,
        /// unsubscribed, hard_bounce, complaint, manual or import
        #[arg(long, default_value = "manual")]
        reason: SuppressionReason,
        /// What to remember about it
        #[arg(long)]
        note: Option<String>,
    },
    /// Send no more mail to the addresses in a file, one a line; - reads standard input
    Import {
        /// The file
        file: PathBuf,
    },
    /// Allow mail to an address again
    Remove {
        /// The address
        address: EmailAddress,
    },
    /// List the newest entries
    List {
        /// Part of the address
        #[arg(long)]
        search: Option<String>,
        /// Only those with this reason
        #[arg(long)]
        reason: Option<SuppressionReason>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Print every suppressed address, one a line
    Export,
    /// List who left which mailing lists, the last one first
    LeftLists {
        /// Part of the address
        #[arg(long)]
        search: Option<String>,
        /// Only the list of this segment: its name or id
        #[arg(long)]
        segment: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Allow mail of a list to an address that left it; its contact is not put into the segment by this
    LetBack {
        /// The address
        address: EmailAddress,
        /// The segment whose list it left: its name or id
        #[arg(long)]
        segment: String,
    },
}

impl SuppressionsCommand {
    /// Runs the command.
    #[expect(clippy::too_many_lines, reason = "an arm for each command")]
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let suppressions = &context.app.suppressions;
        let actor = context.actor().await?;
        match self {
            Self::Add {
                address,
                reason,
                note,
            } => {
                let new = NewSuppression {
                    address,
                    reason,
                    source: "command line".to_owned(),
                    note,
                };
                let entry = suppressions.add(&actor, new).await?;
                context
                    .output
                    .result(&entry, |entry| format!("suppressed ({})", entry.reason))
            }
            Self::Remove { address } => {
                suppressions.remove(&actor, &address).await?;
                let rest = suppressions.find(&actor, &address).await?;
                let allowed = rest.is_none();
                context
                    .output
                    .result(&json!({"removed": true, "allowed": allowed}), |_| {
                        if allowed {
                            "mail is allowed again".to_owned()
                        } else {
                            "removed; it still gets no mail, since its owner unsubscribed"
                                .to_owned()
                        }
                    })
            }
            Self::LeftLists {
                search,
                segment,
                paging,
            } => {
                let segment = match segment {
                    Some(segment) => Some(segments::find(context, &segment).await?.id),
                    None => None,
                };
                let filter = ListExitFilter { search, segment };
                let part = paging
                    .gather(async |after: Option<ListExitCursor>, size| {
                        let after = after.as_ref();
                        Ok(suppressions
                            .list_exits(&actor, &filter, after, size)
                            .await?)
                    })
                    .await?;
                let result = json!({"list_exits": part.items, "next": part.next});
                context.output.result(&result, |_| {
                    let rows = part.items.iter().map(|exit| {
                        let address = exit.address_key.clone();
                        [
                            address.unwrap_or_else(|| "(not kept)".to_owned()),
                            exit.segment_id.to_string(),
                            exit.at.format("%F %R").to_string(),
                        ]
                    });
                    table(["Address", "Segment", "Since"], rows)
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::LetBack { address, segment } => {
                let segment = segments::find(context, &segment).await?.id;
                let hash = address_hash(&address.key());
                suppressions.remove_exit(&actor, &hash, segment).await?;
                context.output.result(&json!({"removed": true}), |_| {
                    "mail of the list is allowed again".to_owned()
                })
            }
            Self::List {
                search,
                reason,
                paging,
            } => {
                let filter = SuppressionFilter { search, reason };
                let part = paging
                    .gather(async |after: Option<SuppressionCursor>, size| {
                        let after = after.as_ref();
                        Ok(suppressions.list(&actor, &filter, after, size).await?)
                    })
                    .await?;
                let result = json!({"suppressions": part.items, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["Address", "Reason", "Source", "Since"],
                        part.items.iter().map(|entry| {
                            [
                                entry
                                    .address_key
                                    .clone()
                                    .unwrap_or_else(|| "(erased)".to_owned()),
                                entry.reason.to_string(),
                                entry.source.clone(),
                                entry.created_at.format("%F %R").to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::Import { file } => import(context, &file).await,
            Self::Export => export(context).await,
        }
    }
}

async fn import(context: &Context, file: &std::path::Path) -> anyhow::Result<()> {
    let actor = context.actor().await?;
    let input: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(
            std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?,
        )
    };
    let (mut added, mut unchanged, mut batch) = (0, 0, Vec::with_capacity(BATCH));
    let mut lines = BufReader::new(input).lines().zip(1_u64..);
    loop {
        let next = lines.next();
        if let Some((line, number)) = &next {
            let line = line
                .as_ref()
                .map_err(|error| anyhow::anyhow!("line {number}: {error}"))?;
            if line.trim().is_empty() {
                continue;
            }
            let address = line.trim().parse().map_err(|error| {
                exit::invalid(format!(
                    "line {number}: {error}; {} addresses were added before it",
                    count(added)
                ))
            })?;
            let (reason, source) = (SuppressionReason::Import, "command line".to_owned());
            batch.push(NewSuppression {
                address,
                reason,
                source,
                note: None,
            });
        }
        if batch.len() == BATCH || (next.is_none() && !batch.is_empty()) {
            let done = context
                .app
                .suppressions
                .import(&actor, std::mem::take(&mut batch))
                .await?;
            added += done.added;
            unchanged += done.unchanged;
        }
        if next.is_none() {
            break;
        }
    }
    context
        .output
        .result(&json!({"added": added, "unchanged": unchanged}), |_| {
            format!(
                "{} added, {} suppressed before",
                count(added),
                count(unchanged)
            )
        })
}

async fn export(context: &Context) -> anyhow::Result<()> {
    use std::io::Write as _;

    let actor = context.actor().await?;
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let mut after = None;
    loop {
        let filter = SuppressionFilter::default();
        let size = PageSize::clamped(1_000);
        let page = context
            .app
            .suppressions
            .list(&actor, &filter, after.as_ref(), size)
            .await?;
        for address in page
            .items
            .iter()
            .filter_map(|entry| entry.address_key.as_deref())
        {
            writeln!(output, "{address}")?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(output.flush()?);
        }
    }
}
