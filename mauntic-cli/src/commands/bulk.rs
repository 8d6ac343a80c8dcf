//! `mauntic bulk`.

use std::{collections::BTreeSet, process::ExitCode};

use clap::{Args, Subcommand};
use mauntic_core::WorkerId;
use mauntic_crm::{
    Channel, ContactFilter, CreateBulkChange, Tag,
    bulk::{BulkAction, BulkChange, BulkChangeId, BulkState, Whom},
};
use serde_json::{Value, json};

use super::{contacts, segments, serve::stop_on_signal};
use crate::{
    context::Context,
    exit,
    output::{count, table},
    paging::Paging,
    progress::Progress,
};

/// `mauntic bulk …`
#[derive(Debug, Subcommand)]
pub(crate) enum BulkCommand {
    /// Change all contacts that fit, here and now
    Start(Box<Start>),
    /// List changes of many contacts, the latest first
    List(Paging),
    /// Show how far a change is
    Show {
        /// The change
        id: BulkChangeId,
    },
    /// Stop a change until it is resumed; what is changed stays so
    Pause {
        /// The change
        id: BulkChangeId,
    },
    /// Go on with a paused or interrupted change, here
    Resume {
        /// The change
        id: BulkChangeId,
    },
    /// Stop a change for good; what is changed stays so
    Cancel {
        /// The change
        id: BulkChangeId,
    },
}

/// `mauntic bulk start`
#[derive(Debug, Args)]
pub(crate) struct Start {
    #[command(flatten)]
    whom: Filter,
    #[command(flatten)]
    what: Action,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Whom to change.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Filter {
    /// All contacts that there are
    #[arg(long, conflicts_with_all = ["search", "tag", "segment"])]
    all: bool,
    /// What the address or name starts with; with * in front, what it contains
    #[arg(long)]
    search: Option<String>,
    /// Only those with this tag
    #[arg(long)]
    tag: Option<Tag>,
    /// Only the members of this segment, by name or id
    #[arg(long)]
    segment: Option<String>,
}

/// What becomes of each.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Action {
    /// Put a tag on; repeat for several
    #[arg(long, value_name = "TAG", conflicts_with_all = ["put_into", "take_out_of", "set", "owner", "stage", "block", "delete"])]
    add_tag: Vec<Tag>,
    /// Take a tag off; repeat for several
    #[arg(long, value_name = "TAG", conflicts_with_all = ["put_into", "take_out_of", "set", "owner", "stage", "block", "delete"])]
    remove_tag: Vec<Tag>,
    /// Put them into a segment by hand, by name or id
    #[arg(long, value_name = "SEGMENT", conflicts_with_all = ["take_out_of", "set", "owner", "stage", "block", "delete"])]
    put_into: Option<String>,
    /// Take them out of a segment by hand, by name or id
    #[arg(long, value_name = "SEGMENT", conflicts_with_all = ["set", "owner", "stage", "block", "delete"])]
    take_out_of: Option<String>,
    /// Give a field a value; an empty one clears it
    #[arg(long, value_name = "FIELD=VALUE", conflicts_with_all = ["owner", "stage", "block", "delete"])]
    set: Option<String>,
    /// Put a member in charge of them, by email address or id; an empty one nobody
    #[arg(long, value_name = "MEMBER", conflicts_with_all = ["stage", "block", "delete"])]
    owner: Option<String>,
    /// Move them to a stage; an empty one to none
    #[arg(long, conflicts_with_all = ["block", "delete"])]
    stage: Option<String>,
    /// Do not write to them any more by email, sms or push
    #[arg(long, value_name = "CHANNEL", conflicts_with = "delete")]
    block: Option<Channel>,
    /// Delete them and all that is known of them
    #[arg(long)]
    delete: bool,
}

impl BulkCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (bulk, actor) = (&context.app.bulk, context.actor().await?);
        let state = |change: &BulkChange| {
            context
                .output
                .result(&summary(change), |_| change.state.to_string())
        };
        match self {
            Self::Start(start) => return start.run(context).await,
            Self::List(paging) => list(context, &paging).await?,
            Self::Show { id } => {
                let change = bulk.find(&actor, id).await?;
                context
                    .output
                    .result(&summary(&change), |record| format!("{record:#}"))?;
            }
            Self::Pause { id } => state(&bulk.pause(&actor, id).await?)?,
            Self::Resume { id } => {
                let mut change = bulk.find(&actor, id).await?;
                if change.state == BulkState::Paused {
                    change = bulk.resume(&actor, id).await?;
                }
                return work(context, change).await;
            }
            Self::Cancel { id } => state(&bulk.cancel(&actor, id).await?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Start {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (app, actor) = (&context.app, context.actor().await?);
        let segment = match &self.whom.segment {
            Some(name) => Some(segments::find(context, name).await?.id),
            None => None,
        };
        let filter = ContactFilter {
            search: self.whom.search,
            tag: self.whom.tag,
            segment,
            ..ContactFilter::default()
        };
        let action = self.what.read(context).await?;
        let total = app.contacts.count(&actor, &filter).await?;
        let verb = if action == BulkAction::Delete {
            "Delete"
        } else {
            "Change"
        };
        context.confirm(self.yes, &format!("{verb} {} contacts?", count(total)))?;
        let command = CreateBulkChange {
            whom: Whom::All(filter),
            action,
            at_most: (!self.yes).then_some(total),
        };
        work(context, app.bulk.create(&actor, command).await?).await
    }
}

impl Action {
    async fn read(self, context: &Context) -> anyhow::Result<BulkAction> {
        let tags = |tags: Vec<Tag>| tags.into_iter().collect::<BTreeSet<_>>();
        if let Some(name) = self.put_into {
            let segment = segments::find(context, &name).await?.id;
            return Ok(BulkAction::AddToSegment { segment });
        }
        if let Some(name) = self.take_out_of {
            let segment = segments::find(context, &name).await?.id;
            return Ok(BulkAction::RemoveFromSegment { segment });
        }
        if let Some(text) = self.set {
            let (field, value) = text
                .split_once('=')
                .ok_or_else(|| exit::invalid(format!("expected FIELD=VALUE, not {text:?}")))?;
            let field = field.trim().parse();
            return Ok(BulkAction::SetField {
                field: field.map_err(|error| exit::invalid(format!("--set: {error}")))?,
                value: value.to_owned(),
            });
        }
        if let Some(owner) = self.owner {
            let owner = match owner.trim() {
                "" => None,
                owner => Some(contacts::owner(context, owner).await?),
            };
            return Ok(BulkAction::SetOwner { owner });
        }
        if let Some(stage) = self.stage {
            let stage = Some(stage.trim().to_owned()).filter(|stage| !stage.is_empty());
            return Ok(BulkAction::SetStage { stage });
        }
        Ok(match (self.block, self.delete) {
            (Some(channel), _) => BulkAction::DoNotContact {
                channel,
                comment: String::new(),
            },
            (None, true) => BulkAction::Delete,
            (None, false) => BulkAction::Tags {
                add: tags(self.add_tag),
                remove: tags(self.remove_tag),
            },
        })
    }
}

/// Works on a change until it ends, or somebody presses Ctrl-C or pauses it; other workers may have it instead.
async fn work(context: &Context, change: BulkChange) -> anyhow::Result<ExitCode> {
    let (bulk, actor) = (&context.app.bulk, context.actor().await?);
    let stop = stop_on_signal();
    let worker = WorkerId::generate(&*context.app.ids);
    let mut progress = Progress::start(context.output, "Changing", change.total);
    let mut change = change;
    while matches!(change.state, BulkState::Pending | BulkState::Running) && !stop.is_cancelled() {
        // A look at how far it is every second, as others see it.
        let ends = std::time::Instant::now() + std::time::Duration::from_secs(1);
        let pause = || stop.is_cancelled() || std::time::Instant::now() >= ends;
        if !bulk.run_once(worker, &pause).await? {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        change = bulk.find(&actor, change.id).await?;
        progress.update(change.done, change.total.max(change.done), "");
    }
    progress.finish();
    context.output.result(&summary(&change), |_| {
        format!(
            "{}: {} contacts, {} could not be changed",
            change.state,
            count(change.done),
            count(change.refused)
        )
    })?;
    match change.state {
        BulkState::Completed => Ok(ExitCode::SUCCESS),
        BulkState::Pending | BulkState::Running => {
            context.output.note(format_args!(
                "Interrupted. Go on with: mauntic bulk resume {}",
                change.id
            ));
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        state => {
            let why = change.problem.clone();
            let why = why.unwrap_or_else(|| format!("the change is {state}"));
            Err(exit::conflict(why))
        }
    }
}

async fn list(context: &Context, paging: &Paging) -> anyhow::Result<()> {
    let (bulk, actor) = (&context.app.bulk, context.actor().await?);
    let part = paging
        .gather(async |after, size| Ok(bulk.list(&actor, after, size).await?))
        .await?;
    let records: Vec<_> = part
        .items
        .iter()
        .map(|entry| {
            json!({
                "change_id": entry.id, "action": entry.action, "actor": entry.actor.to_string(),
                "state": entry.state, "total": entry.total, "done": entry.done,
                "refused": entry.refused, "created_at": entry.created_at,
            })
        })
        .collect();
    let result = json!({"changes": records, "next": part.next});
    context.output.result(&result, |_| {
        table(
            ["Id", "What", "State", "Done", "Not possible", "Begun"],
            part.items.iter().map(|entry| {
                let action = json!(entry.action);
                let kind = action["kind"].as_str().unwrap_or_default();
                [
                    entry.id.to_string(),
                    kind.replace('_', " "),
                    entry.state.to_string(),
                    count(entry.done),
                    count(entry.refused),
                    entry.created_at.format("%F %R").to_string(),
                ]
            }),
        )
    })?;
    part.tell(context.output);
    Ok(())
}

/// The contract of `bulk start --json`.
fn summary(change: &BulkChange) -> Value {
    json!({
        "change_id": change.id,
        "action": change.plan.action,
        "state": change.state,
        "total": change.total,
        "done": change.done,
        "refused": change.refused,
        "problem": change.problem,
    })
}
