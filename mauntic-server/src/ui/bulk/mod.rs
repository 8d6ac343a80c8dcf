//! One change of many contacts: what is to become of them, and how far it is.

mod ask;
mod show;

pub(super) use ask::{ACTIONS, may};
pub(super) use show::{LIST, moves};

use mauntic_crm::bulk::{BulkAction, BulkChangeId, BulkState};
use poem::{Route, get};

use super::{
    component::{Tone, show::badge},
    contacts, words,
};

/// Where the changes are.
pub(super) const PLACE: &str = "/app/bulk";

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/bulk", get(ask::ask).post(ask::begin))
        .at("/bulk/done", get(show::list))
        .at("/bulk/:change", get(show::page))
        .at(
            "/bulk/:change/:step",
            get(show::ask_to_cancel).post(show::steer),
        )
}

/// Where a change is.
pub(super) fn place(id: BulkChangeId) -> String {
    format!("{PLACE}/{id}")
}

/// What it does, in words.
pub(crate) fn words(action: &BulkAction) -> String {
    match action {
        BulkAction::Tags { add, remove } => {
            let names = |tags: &std::collections::BTreeSet<mauntic_crm::Tag>| {
                let names: Vec<_> = tags.iter().map(|tag| format!("“{tag}”")).collect();
                names.join(", ")
            };
            match (add.is_empty(), remove.is_empty()) {
                (false, true) => format!("Put on the tags {}", names(add)),
                (true, _) => format!("Take off the tags {}", names(remove)),
                (false, false) => {
                    format!(
                        "Put on the tags {} and take off {}",
                        names(add),
                        names(remove)
                    )
                }
            }
        }
        BulkAction::AddToSegment { .. } => "Put into a segment".to_owned(),
        BulkAction::RemoveFromSegment { .. } => "Take out of a segment".to_owned(),
        BulkAction::SetField { field, value } if value.is_empty() => {
            format!("Clear the field {field}")
        }
        BulkAction::SetField { field, value } => format!("Set the field {field} to “{value}”"),
        BulkAction::SetOwner { owner: None } => "Take away the owner".to_owned(),
        BulkAction::SetOwner { .. } => "Set the owner".to_owned(),
        BulkAction::SetStage { stage: None } => "Take out of their stage".to_owned(),
        BulkAction::SetStage { stage: Some(stage) } => format!("Move to the stage “{stage}”"),
        BulkAction::DoNotContact { channel, .. } => format!(
            "Mark as not to be written to by {}",
            contacts::channel_name(*channel).to_lowercase()
        ),
        BulkAction::Delete => "Delete".to_owned(),
    }
}

/// How many contacts, in words.
fn people(count: u64) -> String {
    if count == 1 {
        "1 contact".to_owned()
    } else {
        format!("{} contacts", words::count(count))
    }
}

/// Where a change stands.
fn state(state: BulkState) -> maud::Markup {
    let (text, tone) = state_words(state);
    badge(text, tone)
}

/// The words for where a change stands.
pub(super) fn state_words(state: BulkState) -> (&'static str, Tone) {
    match state {
        BulkState::Pending => ("waiting", Tone::Plain),
        BulkState::Running => ("running", Tone::Plain),
        BulkState::Paused => ("paused", Tone::Warn),
        BulkState::Completed => ("done", Tone::Good),
        BulkState::Failed => ("failed", Tone::Bad),
        BulkState::Cancelled => ("stopped", Tone::Warn),
    }
}
