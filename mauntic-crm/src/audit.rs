//! What the use cases of the CRM leave in the audit log.
//!
//! One use case that somebody calls leaves one entry, however many contacts it is about. Of contacts, an entry holds ids
//! and the names of what was changed; what they were changed to is in their own history, which goes with them.

use mauntic_core::{Audited, ContactId};
pub(crate) use mauntic_core::{Change, Subject, audit as tell};
use serde_json::{Value as Json, json};

use crate::{
    ContactFilter,
    bulk::{BulkAction, BulkPlan, Whom},
    import::ImportPlan,
    segment::{NameTable, Segment},
};

/// Every use case that changes something for somebody, and the action that it leaves.
pub const AUDITED: &[Audited] = &[
    ("bulk.cancel", "bulk_change.cancelled"),
    ("bulk.create", "bulk_change.created"),
    ("bulk.pause", "bulk_change.paused"),
    ("bulk.resume", "bulk_change.resumed"),
    ("contacts.create", "contact.created"),
    ("contacts.create_many", "contact.created"),
    ("contacts.delete", "contact.deleted"),
    ("contacts.delete_many", "contact.deleted"),
    (
        "contacts.lift_do_not_contact",
        "contact.do_not_contact_lifted",
    ),
    (
        "contacts.lift_do_not_contact_many",
        "contact.do_not_contact_lifted",
    ),
    ("contacts.merge", "contact.merged"),
    ("contacts.set_do_not_contact", "contact.do_not_contact_set"),
    (
        "contacts.set_do_not_contact_many",
        "contact.do_not_contact_set",
    ),
    ("contacts.update", "contact.updated"),
    ("contacts.update_many", "contact.updated"),
    // And `contact.created` for those that were not there.
    ("contacts.upsert_batch", "contact.updated"),
    ("exports.contacts", "contact.exported"),
    ("fields.create", "field.created"),
    ("fields.delete", "field.deleted"),
    ("fields.update", "field.updated"),
    ("imports.cancel", "import.cancelled"),
    ("imports.create", "import.created"),
    ("imports.pause", "import.paused"),
    ("imports.report", "import.report_exported"),
    ("imports.resume", "import.resumed"),
    ("segments.add", "segment.members_added"),
    ("segments.create", "segment.created"),
    ("segments.delete", "segment.deleted"),
    ("segments.queue_rebuild", "segment.rebuild_queued"),
    ("segments.remove", "segment.members_removed"),
    ("segments.update", "segment.updated"),
    ("tags.change", "contact.updated"),
    ("tags.delete", "tag.deleted"),
    ("tags.rename", "tag.renamed"),
    ("views.delete", "view.deleted"),
    ("views.save", "view.saved"),
];

/// Every use case that writes and leaves no entry although somebody calls it, and why.
pub const UNAUDITED: &[(&str, &str)] = &[
    (
        "imports.forget_upload",
        "forgets bytes that nothing was made of",
    ),
    (
        "imports.run_to_end",
        "does what the import asked for, which is in the log since it was created",
    ),
    (
        "imports.upload",
        "keeps bytes that nothing is made of until an import is created",
    ),
];

/// What was done to contacts: to which, and the names of what is different of any of them.
pub(crate) fn contacts_changed<'a>(
    action: &str,
    ids: &[ContactId],
    changed: impl IntoIterator<Item = &'a str>,
) -> Change {
    let change = Change::of_all(action, "contact", ids);
    let names: std::collections::BTreeSet<_> = changed.into_iter().collect();
    if names.is_empty() {
        change
    } else {
        change.and(json!({"changed": names}))
    }
}

/// Which contacts a filter lets through. What was searched for may be a name or an address, so it is not kept.
pub(crate) fn filter(filter: &ContactFilter) -> Json {
    json!({
        "search": filter.search.is_some(),
        "tag": filter.tag,
        "segment": filter.segment,
        "owner": filter.owner,
        "stage": filter.stage,
        "do_not_contact": filter.do_not_contact,
        "may_contact": filter.may_contact,
    })
}

/// What a change of many is to do, to whom. What a field is set to is not kept, nor what was noted.
pub(crate) fn bulk(plan: &BulkPlan, total: u64) -> Json {
    let whom = match &plan.whom {
        Whom::Chosen(_) => json!("chosen"),
        Whom::All(all) => filter(all),
    };
    let action = match &plan.action {
        BulkAction::Tags { add, remove } => json!({"add_tags": add, "remove_tags": remove}),
        BulkAction::AddToSegment { segment } => json!({"add_to_segment": segment}),
        BulkAction::RemoveFromSegment { segment } => json!({"remove_from_segment": segment}),
        BulkAction::SetField { field, .. } => json!({"set_field": field}),
        BulkAction::SetOwner { owner } => json!({"set_owner": owner}),
        BulkAction::SetStage { stage } => json!({"set_stage": stage}),
        BulkAction::DoNotContact { channel, .. } => json!({"do_not_contact": channel}),
        BulkAction::Delete => json!({"delete": true}),
    };
    json!({"count": total, "whom": whom, "action": action})
}

/// What is to be imported and how; the rows are counted by the import itself.
pub(crate) fn import(plan: &ImportPlan) -> Json {
    let options = &plan.options;
    json!({
        "name": plan.name,
        "bytes": plan.bytes,
        "existing": options.existing,
        "match_on": options.match_on,
        "tags": options.tags,
        "segment": options.segment,
        "owner": options.owner,
    })
}

/// What people say of a segment. Other segments and emails stand in the rule by their ids.
pub(crate) fn segment(segment: &Segment) -> Json {
    json!({
        "name": segment.name,
        "description": segment.description,
        "list_name": segment.list_name,
        "rule": segment.rule.as_ref().map(|rule| rule.to_text(&NameTable::default())),
    })
}
