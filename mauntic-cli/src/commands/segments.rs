//! `mauntic segments`.

use std::{fmt::Write as _, time::Instant};

use clap::{Args, Subcommand};
use mauntic_core::{ContactId, PageSize, SegmentId, WorkerId};
use mauntic_crm::{
    MAX_BATCH,
    segment::{
        CreateSegment, InvalidSegmentName, Proof, RuleInput, Segment, SegmentFilter, SegmentName,
        UpdateSegment,
    },
};
use serde_json::{Value, json};

use super::contacts;
use crate::{
    context::Context,
    exit,
    output::{count, table},
    paging::Paging,
};

/// `mauntic segments …`
#[derive(Debug, Subcommand)]
pub(crate) enum SegmentsCommand {
    /// Make a segment: with a rule, or without one for people put in by hand or by import
    Create {
        /// What people call it
        name: SegmentName,
        /// Whom it takes in, such as: country = "DE" and tag in ("vip")
        #[arg(long = "where", value_name = "RULE")]
        rule: Option<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Change a segment
    Update {
        /// Its name or id
        segment: String,
        /// What people call it
        #[arg(long)]
        name: Option<SegmentName>,
        /// Whom it takes in
        #[arg(long = "where", value_name = "RULE")]
        rule: Option<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// What recipients know it as, which makes it a mailing list that they can leave and join; empty ends that
        #[arg(long, value_name = "NAME")]
        list_name: Option<String>,
    },
    /// List the segments, by name
    List(Paging),
    /// Show a segment
    Show {
        /// Its name or id
        segment: String,
    },
    /// Apply the rule to everybody now; without a name, for all segments
    Rebuild {
        /// Its name or id
        segment: Option<String>,
    },
    /// Say why a contact is in a segment or not
    Explain {
        /// Its name or id
        segment: String,
        /// The contact's email address or id
        contact: String,
    },
    /// Count whom a rule fits and show some of them, without saving anything
    Preview {
        /// The rule
        #[arg(long = "where", value_name = "RULE")]
        rule: String,
    },
    /// List members
    Members {
        /// Its name or id
        segment: String,
        #[command(flatten)]
        paging: Paging,
    },
    /// Put contacts in by hand; they stay whatever the rule says
    Add(ByHand),
    /// Take contacts out by hand; they stay out whatever the rule says
    Remove(ByHand),
    /// Delete a segment
    Delete {
        /// Its name or id
        segment: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// Contacts of a segment.
#[derive(Debug, Args)]
pub(crate) struct ByHand {
    /// Its name or id
    segment: String,
    /// The contacts' email addresses or ids
    #[arg(required = true)]
    contacts: Vec<String>,
}

impl SegmentsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let segments = &context.app.segments;
        let actor = context.actor().await?;
        match self {
            Self::Create {
                name,
                rule,
                description,
            } => {
                let rule = rule.map(RuleInput::Text);
                let segment = segments
                    .create(
                        &actor,
                        CreateSegment {
                            name,
                            description,
                            rule,
                        },
                    )
                    .await?;
                if segment.rule.is_some() {
                    build(context, &segment).await?;
                }
                show(context, &find(context, &segment.id.to_string()).await?).await
            }
            Self::Update {
                segment,
                name,
                rule,
                description,
                list_name,
            } => {
                let id = find(context, &segment).await?.id;
                let list_name =
                    match list_name.as_deref().map(str::trim) {
                        None => None,
                        Some("") => Some(None),
                        Some(name) => Some(Some(name.parse().map_err(
                            |error: InvalidSegmentName| exit::invalid(error.to_string()),
                        )?)),
                    };
                let rule = rule.map(|text| Some(RuleInput::Text(text)));
                let command = UpdateSegment {
                    name,
                    description,
                    list_name,
                    rule,
                    version: None,
                };
                let segment = segments.update(&actor, id, command).await?;
                build(context, &segment).await?;
                show(context, &find(context, &segment.id.to_string()).await?).await
            }
            Self::List(paging) => list(context, &paging).await,
            Self::Show { segment } => show(context, &find(context, &segment).await?).await,
            Self::Rebuild { segment } => rebuild(context, segment.as_deref()).await,
            Self::Explain { segment, contact } => explain(context, &segment, &contact).await,
            Self::Preview { rule } => preview(context, rule).await,
            Self::Members { segment, paging } => members(context, &segment, &paging).await,
            Self::Add(by_hand) => {
                let (id, ids) = by_hand.ids(context).await?;
                let changed = segments.add(&actor, id, &ids).await?;
                context
                    .output
                    .result(&json!({"added": changed.len()}), |_| {
                        format!("{} put in", changed.len())
                    })
            }
            Self::Remove(by_hand) => {
                let (id, ids) = by_hand.ids(context).await?;
                let changed = segments.remove(&actor, id, &ids).await?;
                context
                    .output
                    .result(&json!({"removed": changed.len()}), |_| {
                        format!("{} taken out", changed.len())
                    })
            }
            Self::Delete { segment, yes } => {
                let segment = find(context, &segment).await?;
                context.confirm(yes, &format!("Delete the segment {}?", segment.name))?;
                segments.delete(&actor, segment.id).await?;
                context
                    .output
                    .result(&json!({"id": segment.id, "deleted": true}), |_| {
                        "deleted".to_owned()
                    })
            }
        }
    }
}

impl ByHand {
    async fn ids(&self, context: &Context) -> anyhow::Result<(SegmentId, Vec<ContactId>)> {
        let id = find(context, &self.segment).await?.id;
        let mut ids = Vec::with_capacity(self.contacts.len());
        for contact in &self.contacts {
            ids.push(contacts::find(context, contact).await?.id());
        }
        Ok((id, ids))
    }
}

/// The segment that a name or id names.
pub(crate) async fn find(context: &Context, name: &str) -> anyhow::Result<Segment> {
    let found = context
        .app
        .segments
        .find_by_name(&context.actor().await?, name)
        .await?;
    found.ok_or_else(|| {
        exit::not_found(format!(
            "no segment is called {name}; see: mauntic segments list"
        ))
    })
}

/// The static segment of that name, made if there is none.
pub(crate) async fn find_or_create_static(
    context: &Context,
    name: &str,
) -> anyhow::Result<SegmentId> {
    let actor = context.actor().await?;
    if let Some(found) = context.app.segments.find_by_name(&actor, name).await? {
        return Ok(found.id);
    }
    let name = name
        .parse()
        .map_err(|error| exit::invalid(format!("--segment: {error}")))?;
    let command = CreateSegment {
        name,
        description: String::new(),
        rule: None,
    };
    Ok(context.app.segments.create(&actor, command).await?.id)
}

/// Carries out what is due for a segment, or waits for the worker that is at it.
pub(crate) async fn build(context: &Context, segment: &Segment) -> anyhow::Result<()> {
    let worker = WorkerId::generate(&*context.app.ids);
    loop {
        let now = find(context, &segment.id.to_string()).await?;
        if now.build.is_none()
            && now.is_built()
            && now
                .next_rebuild_at
                .is_none_or(|at| at > context.app.clock.now())
        {
            return Ok(());
        }
        if !context
            .app
            .segment_worker
            .rebuild(worker, segment.id)
            .await?
        {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

async fn rebuild(context: &Context, name: Option<&str>) -> anyhow::Result<()> {
    let actor = context.actor().await?;
    let targets = match name {
        Some(name) => vec![find(context, name).await?],
        None => all(context)
            .await?
            .into_iter()
            .filter(|segment| segment.rule.is_some())
            .collect(),
    };
    let started = Instant::now();
    let (mut members, mut added, mut removed) = (0, 0, 0);
    for segment in &targets {
        let queued = context
            .app
            .segments
            .queue_rebuild(&actor, segment.id)
            .await?;
        build(context, &queued).await?;
        let built = find(context, &segment.id.to_string()).await?;
        members += built.member_count;
        added += built.last_added;
        removed += built.last_removed;
    }
    let seconds = started.elapsed().as_secs_f64();
    let record = json!({"segments": targets.len(), "members": members, "added": added, "removed": removed, "seconds": seconds});
    context.output.result(&record, |_| {
        format!("{members} members, {added} came in, {removed} went out; {seconds:.2} s")
    })
}

async fn all(context: &Context) -> anyhow::Result<Vec<Segment>> {
    let actor = context.actor().await?;
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let (any, size) = (SegmentFilter::default(), PageSize::clamped(1_000));
        let segments = &context.app.segments;
        let page = segments.list(&actor, &any, after.as_deref(), size).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn record(context: &Context, segment: &Segment) -> anyhow::Result<Value> {
    let text = context
        .app
        .segments
        .rule_text(&context.actor().await?, segment)
        .await?;
    Ok(json!({
        "id": segment.id,
        "name": segment.name,
        "description": segment.description,
        "where": text,
        "rule": segment.rule,
        "members": segment.member_count,
        "built": segment.is_built(),
        "built_at": segment.built_at,
        "version": segment.version,
    }))
}

async fn show(context: &Context, segment: &Segment) -> anyhow::Result<()> {
    let record = record(context, segment).await?;
    context.output.result(&record, |record| {
        let rule = record["where"]
            .as_str()
            .map_or("people put in by hand", |text| text);
        format!(
            "{}: {} members\n  {rule}\n  id {}",
            segment.name, segment.member_count, segment.id
        )
    })
}

async fn list(context: &Context, paging: &Paging) -> anyhow::Result<()> {
    let (segments, actor) = (&context.app.segments, context.actor().await?);
    let any = SegmentFilter::default();
    let part = paging
        .gather(async |after: Option<String>, size| {
            Ok(segments.list(&actor, &any, after.as_deref(), size).await?)
        })
        .await?;
    let mut records = Vec::new();
    for segment in &part.items {
        records.push(record(context, segment).await?);
    }
    let result = json!({"segments": records, "next": part.next});
    context.output.result(&result, |_| {
        table(
            ["Name", "Members", "Rule", "Id"],
            records.iter().map(|record| {
                [
                    record["name"].as_str().unwrap_or_default().to_owned(),
                    count(record["members"].as_u64().unwrap_or_default()),
                    record["where"].as_str().unwrap_or("(by hand)").to_owned(),
                    record["id"].as_str().unwrap_or_default().to_owned(),
                ]
            }),
        )
    })?;
    part.tell(context.output);
    Ok(())
}

async fn explain(context: &Context, segment: &str, contact: &str) -> anyhow::Result<()> {
    let segment = find(context, segment).await?;
    let contact = contacts::find(context, contact).await?;
    let why = context
        .app
        .segments
        .explain(&context.actor().await?, segment.id, contact.id())
        .await?;
    let record = json!({"member": why.is_member, "origin": why.origin, "proof": why.proof});
    context.output.result(&record, |_| {
        let mut text = format!(
            "{} in {}",
            if why.is_member { "is" } else { "is not" },
            segment.name
        );
        if let Some(origin) = why.origin {
            let origin = serde_json::to_value(origin).unwrap_or_default();
            let _ = write!(text, " (by {})", origin.as_str().unwrap_or_default());
        }
        if let Some(proof) = &why.proof {
            describe(proof, 1, &mut text);
        }
        text
    })
}

fn describe(proof: &Proof, depth: usize, text: &mut String) {
    let mark = if proof.holds { "✓" } else { "✗" };
    let observed = proof
        .observed
        .as_deref()
        .map(|value| format!("   (has {value})"))
        .unwrap_or_default();
    let _ = write!(
        text,
        "\n{}{mark} {}{observed}",
        "  ".repeat(depth),
        proof.rule
    );
    for part in &proof.parts {
        describe(part, depth + 1, text);
    }
}

async fn preview(context: &Context, rule: String) -> anyhow::Result<()> {
    let preview = context
        .app
        .segments
        .preview(&context.actor().await?, RuleInput::Text(rule))
        .await?;
    let sample: Vec<_> = preview.sample.iter().map(contacts::record).collect();
    let warnings: Vec<_> = preview.warnings.iter().map(ToString::to_string).collect();
    let record = json!({"where": preview.text, "rule": preview.rule, "count": preview.count, "sample": sample, "warnings": warnings});
    context.output.result(&record, |_| {
        let mut lines = vec![format!(
            "{} contacts: {}",
            count(preview.count),
            preview.text
        )];
        lines.extend(
            warnings
                .iter()
                .map(|warning| format!("perhaps not meant: {warning}")),
        );
        lines.extend(preview.sample.iter().map(|contact| {
            format!(
                "  {}",
                contact
                    .email()
                    .map_or_else(|| contact.id().to_string(), ToString::to_string)
            )
        }));
        lines.join("\n")
    })
}

async fn members(context: &Context, segment: &str, paging: &Paging) -> anyhow::Result<()> {
    let (segments, actor) = (&context.app.segments, context.actor().await?);
    let id = find(context, segment).await?.id;
    let part = paging
        .gather(async |after, size| Ok(segments.members(&actor, id, after, size).await?))
        .await?;
    let ids: Vec<_> = part.items.iter().map(|member| member.contact_id).collect();
    let mut contacts = Vec::with_capacity(ids.len());
    for ids in ids.chunks(MAX_BATCH) {
        contacts.extend(context.app.contacts.find_many(&actor, ids).await?);
    }
    let records: Vec<_> = contacts.iter().map(contacts::record).collect();
    let result = json!({"members": records, "next": part.next});
    context.output.result(&result, |_| {
        let rows = contacts.iter().map(|contact| {
            [
                contact
                    .email()
                    .map_or_else(String::new, ToString::to_string),
                contact.id().to_string(),
            ]
        });
        table(["Email", "Id"], rows)
    })?;
    part.tell(context.output);
    Ok(())
}
