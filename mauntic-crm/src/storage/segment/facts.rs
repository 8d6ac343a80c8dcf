use std::collections::{BTreeSet, HashMap};

use mauntic_core::{ContactId, OrganizationId, SegmentId, StoreError, storage::Dialect};
use sea_orm::{ConnectionTrait, QueryResult};
use serde_json::json;

use super::row::{contact_id, segment_id};
use crate::{
    segment::{ContactFacts, EngagementFact, EngagementKind, Origin},
    storage::contacts::by_ids,
};

/// All that rules can ask about contacts, in four statements. Engagement is of these kinds only.
pub(super) async fn facts<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    ids: &[ContactId],
    kinds: &[EngagementKind],
) -> Result<Vec<ContactFacts>, StoreError> {
    let contacts = by_ids(connection, dialect, organization, ids, "").await?;
    let wanted = json!(ids).to_string();
    let sql = format!(
        "SELECT contact_id, segment_id, origin FROM segment_member
         WHERE {}",
        dialect.own_ids("contact_id", 2)
    );
    let parameters = [organization.as_uuid().into(), wanted.clone().into()];
    let mut segments: HashMap<ContactId, BTreeSet<SegmentId>> = HashMap::new();
    let mut by_hand = segments.clone();
    for row in connection
        .query_all_raw(dialect.statement(sql, parameters))
        .await?
    {
        let (contact, segment) = (
            contact_id(&row, "contact_id")?,
            segment_id(&row, "segment_id")?,
        );
        let origin: i16 = row.try_get("", "origin")?;
        if origin != Origin::Removed.code() {
            segments.entry(contact).or_default().insert(segment);
        }
        if origin != Origin::Rule.code() {
            by_hand.entry(contact).or_default().insert(segment);
        }
    }
    let mut engagement: HashMap<ContactId, Vec<EngagementFact>> = HashMap::new();
    if !kinds.is_empty() {
        let sql = format!(
            "SELECT contact_id, kind, subject_id, machine, day, count FROM engagement
             WHERE {} AND {}",
            dialect.own_ids("contact_id", 2),
            dialect.among(
                "kind",
                &format!("SELECT value FROM {}", dialect.texts(3, "kinds"))
            )
        );
        let parameters = [
            organization.as_uuid().into(),
            wanted.into(),
            json!(kinds).to_string().into(),
        ];
        for row in connection
            .query_all_raw(dialect.statement(sql, parameters))
            .await?
        {
            engagement
                .entry(contact_id(&row, "contact_id")?)
                .or_default()
                .push(fact(&row)?);
        }
    }
    let facts = contacts.into_iter().map(|contact| {
        let id = contact.id();
        let mut facts = ContactFacts::new(
            contact,
            segments.remove(&id).unwrap_or_default(),
            engagement.remove(&id).unwrap_or_default(),
        );
        facts.by_hand = by_hand.remove(&id).unwrap_or_default();
        facts
    });
    Ok(facts.collect())
}

fn fact(row: &QueryResult) -> Result<EngagementFact, StoreError> {
    let kind: String = row.try_get("", "kind")?;
    Ok(EngagementFact {
        kind: kind
            .parse()
            .map_err(|error| StoreError::corrupt("engagement", error))?,
        subject: row.try_get("", "subject_id")?,
        machine: row.try_get("", "machine")?,
        day: row.try_get("", "day")?,
        count: row.try_get("", "count")?,
    })
}
