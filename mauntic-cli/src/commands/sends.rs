//! `mauntic sends`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Subcommand;
use mauntic_core::SendJobId;
use mauntic_messaging::sending::{DeliveryState, JobState, SendStatus};
use mauntic_server::{Job, Workers, jobs};
use serde_json::{Value, json};

use super::{emails, serve::stop_on_signal};
use crate::{
    context::Context,
    exit,
    output::{count, table},
    paging::Paging,
    progress::Progress,
};

/// How often somebody who waits looks.
const LOOK: Duration = Duration::from_millis(200);
/// How long workers may take to end their present piece of work.
const PATIENCE: Duration = Duration::from_secs(20);

/// `mauntic sends …`
#[derive(Debug, Subcommand)]
pub(crate) enum SendsCommand {
    /// List sends, the newest first
    List(Paging),
    /// Show how far a send is
    Show {
        /// The send
        id: SendJobId,
    },
    /// Wait until a send is done
    Wait {
        /// The send
        id: SendJobId,
        /// Leave the work to `mauntic serve` or `mauntic work`
        #[arg(long)]
        no_workers: bool,
    },
    /// Stop a send until it is resumed
    Pause {
        /// The send
        id: SendJobId,
    },
    /// Let a paused or failed send go on
    Resume {
        /// The send
        id: SendJobId,
    },
    /// Stop a send for good
    Cancel {
        /// The send
        id: SendJobId,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Send again what may or may not have been taken; somebody may get it twice
    RetryUnknown {
        /// The send
        id: SendJobId,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// List the deliveries of a send
    Deliveries {
        /// The send
        id: SendJobId,
        /// Only those in this state, such as refused
        #[arg(long)]
        state: Option<DeliveryState>,
        #[command(flatten)]
        paging: Paging,
    },
}

impl SendsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let sends = &context.app.sends;
        let actor = context.actor().await?;
        let id = match self {
            Self::List(paging) => {
                list(context, &paging).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Deliveries { id, state, paging } => {
                deliveries(context, id, state, &paging).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Wait { id, no_workers } => return wait(context, id, !no_workers).await,
            Self::Show { id } => id,
            Self::Pause { id } => sends.pause(&actor, id).await?.id,
            Self::Resume { id } => sends.resume(&actor, id).await?.id,
            Self::Cancel { id, yes } => {
                context.confirm(
                    yes,
                    "Stop the send for good? Who waits does not get the email.",
                )?;
                sends.cancel(&actor, id).await?.id
            }
            Self::RetryUnknown { id, yes } => {
                context.confirm(
                    yes,
                    "Send again to those of whom nobody knows? Some may get it twice.",
                )?;
                let again = sends.retry_unknown(&actor, id).await?;
                context
                    .output
                    .note(format_args!("{} to be sent again", count(again)));
                id
            }
        };
        let status = sends.status(&actor, id).await?;
        context
            .output
            .result(&record(&status), |_| sentence(&status))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A send as JSON.
pub(crate) fn record(status: &SendStatus) -> Value {
    let (job, tally) = (&status.job, &status.tally);
    json!({
        "send_id": job.id, "email_id": job.email_id, "segment_id": job.segment_id, "state": job.state.to_string(),
        "scheduled_at": job.scheduled_at, "local_time": job.local_time.as_ref().map(|local| local.time),
        "next_at": status.waiting.map(|waiting| waiting.next),
        "started_at": job.started_at, "finished_at": job.finished_at,
        "planned": tally.planned, "skipped": tally.skipped_total(), "skipped_by_reason": tally.skipped,
        "accepted": tally.accepted, "refused": tally.refused, "deferred": tally.deferred, "unknown": tally.unknown,
        "per_second": status.rate_millis / 1_000, "eta": status.eta, "note": job.note,
    })
}

/// A send as text.
pub(crate) fn sentence(status: &SendStatus) -> String {
    let tally = &status.tally;
    let number = |count: i64| crate::output::count(u64::try_from(count).unwrap_or_default());
    let note = status
        .job
        .note
        .as_deref()
        .map(|note| format!("\n{note}"))
        .unwrap_or_default();
    let local = match (&status.job.local_time, status.waiting) {
        (Some(local), Some(waiting)) => {
            format!(
                "\n{} on each recipient's clock: the next {}, the last {}",
                local.time.format("%-d %b %Y, %H:%M"),
                waiting.next.format("%-d %b, %H:%M UTC"),
                waiting.last.format("%-d %b, %H:%M UTC"),
            )
        }
        _ => String::new(),
    };
    format!(
        "{} {}: {} of {} accepted, {} refused, {} deferred, {} unknown, {} skipped; {}/s{local}{note}",
        status.job.id,
        status.job.state,
        number(tally.accepted),
        number(tally.planned),
        number(tally.refused),
        number(tally.deferred),
        number(tally.unknown),
        number(tally.skipped_total()),
        status.rate_millis / 1_000,
    )
}

async fn list(context: &Context, paging: &Paging) -> anyhow::Result<()> {
    let (sends, actor) = (&context.app.sends, context.actor().await?);
    let part = paging
        .gather(async |after, size| Ok(sends.list(&actor, None, after, size).await?))
        .await?;
    let records: Vec<_> = part.items.iter().map(record).collect();
    let result = json!({"sends": records, "next": part.next});
    context.output.result(&result, |_| {
        let lines: Vec<_> = part.items.iter().map(sentence).collect();
        if lines.is_empty() {
            "nothing was sent yet; start with: mauntic emails send".to_owned()
        } else {
            lines.join("\n")
        }
    })?;
    part.tell(context.output);
    Ok(())
}

async fn deliveries(
    context: &Context,
    id: SendJobId,
    state: Option<DeliveryState>,
    paging: &Paging,
) -> anyhow::Result<()> {
    let (sends, actor) = (&context.app.sends, context.actor().await?);
    let part = paging
        .gather(async |after, size| Ok(sends.deliveries(&actor, id, state, after, size).await?))
        .await?;
    let records: Vec<_> = part
        .items
        .iter()
        .map(|delivery| {
            json!({
                "id": delivery.id, "contact_id": delivery.contact_id, "address": delivery.address,
                "state": delivery.state.to_string(), "skip_reason": delivery.skip_reason, "reply": delivery.reply,
            })
        })
        .collect();
    context
        .output
        .result(&json!({"deliveries": records, "next": part.next}), |_| {
            table(
                ["Address", "State", "Why", "Id"],
                part.items.iter().map(|delivery| {
                    let why = delivery
                        .skip_reason
                        .map(|reason| reason.as_str().to_owned())
                        .or_else(|| delivery.reply.clone());
                    [
                        delivery
                            .address
                            .as_ref()
                            .map_or_else(String::new, ToString::to_string),
                        delivery.state.to_string(),
                        why.unwrap_or_default(),
                        delivery.id.to_string(),
                    ]
                }),
            )
        })?;
    part.tell(context.output);
    Ok(())
}

/// Stays until a send is over, and prints what became of it. Works on it here if asked to.
pub(crate) async fn wait(
    context: &Context,
    id: SendJobId,
    working: bool,
) -> anyhow::Result<ExitCode> {
    let actor = context.actor().await?;
    let stop = stop_on_signal();
    let wanted: Vec<Arc<dyn Job>> = if working {
        jobs(&context.app)
    } else {
        Vec::new()
    };
    let workers = Workers::start(wanted, stop.child_token());
    let mut progress = Progress::start(context.output, "Sending", 0);
    let status = loop {
        let status = context.app.sends.status(&actor, id).await?;
        let tally = &status.tally;
        let done =
            u64::try_from(tally.accepted + tally.refused + tally.unknown).unwrap_or_default();
        progress.update(
            done,
            u64::try_from(tally.planned).unwrap_or_default(),
            // Why nothing moves is worth more than that nothing does.
            &match &status.job.note {
                Some(note) => note.clone(),
                None => format!("{}/s", status.rate_millis / 1_000),
            },
        );
        let over = !matches!(
            status.job.state,
            JobState::Scheduled | JobState::Planning | JobState::Sending
        );
        if over || stop.is_cancelled() {
            break status;
        }
        tokio::time::sleep(LOOK).await;
    };
    progress.finish();
    if working && !stop.is_cancelled() {
        settle(context).await?;
    }
    workers.stop(PATIENCE).await;
    let mut result = record(&status);
    let report = emails::report(context, status.job.email_id).await?;
    for name in ["opened", "clicked", "unsubscribed"] {
        result[name] = report[name].clone();
    }
    context.output.result(&result, |_| sentence(&status))?;
    match status.job.state {
        JobState::Completed => Ok(ExitCode::SUCCESS),
        _ if stop.is_cancelled() => {
            context.output.note(format_args!(
                "Interrupted. Go on with: mauntic sends wait {id}"
            ));
            Ok(ExitCode::from(exit::INTERRUPTED))
        }
        state => Err(exit::conflict(format!(
            "the send is {state}; see: mauntic sends show {id}"
        ))),
    }
}

/// Lets the workers deal with the events that are out.
pub(crate) async fn settle(context: &Context) -> anyhow::Result<()> {
    let patience = Duration::from_secs(30);
    let drained = async {
        while context.app.event_backlog().await? > 0 {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(patience, drained)
        .await
        .unwrap_or(Ok(()))
}
