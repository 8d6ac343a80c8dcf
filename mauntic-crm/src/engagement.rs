//! What happened between contacts and emails, counted for segments. Another context tells; this one
//! only counts.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Datelike as _, Utc};
use mauntic_core::{
    Access, Clock, ContactId, EmailId, EventId, OrganizationId, StoreError, UseCase, Zones,
};

use crate::{CrmStore, segment::EngagementKind};

/// Something that happened between a contact and an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engaged {
    /// Who.
    pub contact_id: ContactId,
    /// What.
    pub kind: EngagementKind,
    /// Which email.
    pub email_id: EmailId,
    /// Whether a security scanner or mail proxy did it.
    pub machine: bool,
    /// When.
    pub at: DateTime<Utc>,
    /// How often.
    pub count: i64,
}

/// How often something happened on one day, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EngagementRow {
    /// Who.
    pub contact_id: ContactId,
    /// What.
    pub kind: EngagementKind,
    /// Which email.
    pub email_id: EmailId,
    /// Whether a machine did it.
    pub machine: bool,
    /// The day in the organisation's zone, in days since 1970.
    pub day: i32,
    /// How often.
    pub count: i64,
}

/// Changes what is known of engagement.
#[async_trait]
pub trait EngagementRepository: Send {
    /// Adds to the counts, and returns the contacts there are among them, by id; others are left out.
    async fn count(
        &mut self,
        organization: OrganizationId,
        rows: &[EngagementRow],
    ) -> Result<Vec<ContactId>, StoreError>;
}

/// Counts what happened between contacts and emails, each event once.
#[derive(Clone)]
pub struct EngagementRecorder {
    store: Arc<dyn CrmStore>,
    zones: Arc<dyn Zones>,
    clock: Arc<dyn Clock>,
}

impl EngagementRecorder {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[("record", Access::Itself)];

    /// A recorder that counts days in the organisation's zone.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, zones: Arc<dyn Zones>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            zones,
            clock,
        }
    }

    /// Counts what an event tells of, unless the same handler did so before. The contacts' segments
    /// are checked again. `false` if it was counted before.
    ///
    /// # Errors
    /// If the storage fails; then nothing was counted.
    pub async fn record(
        &self,
        organization: OrganizationId,
        handler: &'static str,
        event: EventId,
        engaged: &[Engaged],
    ) -> Result<bool, StoreError> {
        let zone = self.zones.zone_of(organization).await?;
        let mut rows: Vec<_> = engaged
            .iter()
            .map(|engaged| EngagementRow {
                contact_id: engaged.contact_id,
                kind: engaged.kind,
                email_id: engaged.email_id,
                machine: engaged.machine,
                day: zone.date_at(engaged.at).num_days_from_ce() - DAYS_TO_1970,
                count: engaged.count,
            })
            .collect();
        add_up(&mut rows);
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        if !uow.inbox().first_time(handler, event, now).await? {
            return Ok(false);
        }
        let mut known = uow.engagement().count(organization, &rows).await?;
        // Of those who are gone, some were merged into others.
        rows.retain(|row| known.binary_search(&row.contact_id).is_err());
        let gone: Vec<_> = rows.iter().map(|row| row.contact_id).collect();
        if !gone.is_empty() {
            let merged = self
                .store
                .contacts()
                .merged_into(organization, &gone)
                .await?;
            rows.retain_mut(|row| {
                let stayed = merged.get(&row.contact_id);
                row.contact_id = stayed.copied().unwrap_or(row.contact_id);
                stayed.is_some()
            });
            add_up(&mut rows);
            known.extend(uow.engagement().count(organization, &rows).await?);
        }
        uow.contacts().mark_dirty(organization, &known, now).await?;
        uow.commit().await?;
        Ok(true)
    }
}

/// One row for each contact, kind, email and day, in order.
fn add_up(rows: &mut Vec<EngagementRow>) {
    rows.sort_unstable();
    rows.dedup_by(|later, row| {
        let same = (row.contact_id, row.kind, row.email_id, row.machine, row.day)
            == (
                later.contact_id,
                later.kind,
                later.email_id,
                later.machine,
                later.day,
            );
        row.count += if same { later.count } else { 0 };
        same
    });
}

/// Days from the first day of our era to 1 January 1970.
const DAYS_TO_1970: i32 = 719_163;
