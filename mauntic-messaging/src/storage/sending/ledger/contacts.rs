//! What becomes of deliveries to contacts that are merged into others, or deleted.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, OrganizationId, StoreError, storage::to_micros};
use sea_orm::Value;
use serde_json::json;

use super::WAITING;
use crate::{
    sending::{Changed, SkipReason},
    storage::{SeaOrmUnitOfWork, sending::rows::CHANGED},
};

impl SeaOrmUnitOfWork {
    /// Does what [`Ledger::move_to`](crate::sending::Ledger::move_to) says.
    pub(super) async fn move_deliveries(
        &self,
        organization: OrganizationId,
        from: ContactId,
        to: ContactId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let ids = || {
            let ids = [organization.as_uuid(), from.as_uuid(), to.as_uuid()];
            ids.map(Value::from)
        };
        // Whoever prepares a message to the one who is gone does so no more.
        let free = format!(
            "UPDATE delivery SET state = {WAITING}, worker_id = NULL, updated_at = $3
             WHERE organization_id = $1 AND contact_id = $2 AND state = 'leased'"
        );
        let [organization_id, from_id, _] = ids();
        let free_values = [organization_id, from_id, to_micros(now).into()];
        self.execute(free, free_values).await?;
        let got = format!(
            "SELECT {CHANGED} FROM delivery d WHERE d.organization_id = $1 AND d.contact_id = $3
             AND d.state IN ('planned', 'deferred', 'leased')
             AND EXISTS (SELECT 1 FROM delivery o WHERE o.organization_id = $1
                 AND o.contact_id = $2 AND o.email_id = d.email_id AND o.channel = d.channel
                 AND o.state IN ('handed_over', 'accepted', 'unknown'))
             ORDER BY d.id{}",
            self.dialect.for_update()
        );
        let got = self.changing(got, ids()).await?;
        self.leave_out(&got, SkipReason::AlreadySent, now).await?;
        // Of an email that both got, the second delivery needs an occurrence of its own.
        let sql = "UPDATE delivery SET contact_id = $3, occurrence = CASE WHEN EXISTS (
                SELECT 1 FROM delivery o WHERE o.organization_id = $1 AND o.contact_id = $3
                AND o.email_id = delivery.email_id AND o.channel = delivery.channel
                AND o.occurrence = delivery.occurrence AND o.state <> 'skipped')
             THEN $4 || occurrence ELSE occurrence END
             WHERE organization_id = $1 AND contact_id = $2
             AND state NOT IN ('planned', 'deferred', 'leased')";
        let [organization, from_id, to] = ids();
        let own = format!("merged {from} ").into();
        self.execute(sql.to_owned(), [organization, from_id, to, own])
            .await?;
        let sql = "UPDATE delivery SET contact_id = $3
             WHERE organization_id = $1 AND contact_id = $2 AND state IN ('planned', 'deferred')
             AND NOT EXISTS (SELECT 1 FROM delivery o WHERE o.organization_id = $1
                 AND o.contact_id = $3 AND o.email_id = delivery.email_id
                 AND o.channel = delivery.channel AND o.state <> 'skipped')";
        self.execute(sql.to_owned(), ids()).await?;
        let sql = "UPDATE delivery_engagement SET contact_id = $3
             WHERE organization_id = $1 AND contact_id = $2 AND delivery_id IN (
                SELECT id FROM delivery WHERE organization_id = $1 AND contact_id = $3)";
        self.execute(sql.to_owned(), ids()).await?;
        Ok(got)
    }

    /// Does what [`Ledger::forget`](crate::sending::Ledger::forget) says.
    pub(super) async fn forget_addressees(
        &self,
        organization: OrganizationId,
        contacts: &[ContactId],
        now: DateTime<Utc>,
    ) -> Result<Vec<Changed>, StoreError> {
        let values = || {
            let ids = json!(contacts).to_string();
            [organization.as_uuid().into(), ids.into()]
        };
        let waiting = format!(
            "SELECT {CHANGED} FROM delivery d WHERE {}
             AND d.state IN ('planned', 'deferred', 'leased') ORDER BY d.id{}",
            self.dialect.own_ids("d.contact_id", 2),
            self.dialect.for_update()
        );
        let waiting = self.changing(waiting, values()).await?;
        self.leave_out(&waiting, SkipReason::Deleted, now).await?;
        let theirs = |state: &str| {
            let gone = self.dialect.own_ids("contact_id", 2);
            format!("{gone} AND {state}")
        };
        // Each half has an index of its own.
        for state in ["state <> 'skipped'", "state = 'skipped'"] {
            let theirs = theirs(state);
            let deliveries = format!("SELECT id FROM delivery WHERE {theirs}");
            for sql in [
                format!(
                    "UPDATE hit SET network = NULL, user_agent = NULL
                     WHERE organization_id = $1 AND delivery_id IN ({deliveries})"
                ),
                format!(
                    "DELETE FROM captured_mail
                     WHERE organization_id = $1 AND delivery_id IN ({deliveries})"
                ),
                format!("UPDATE delivery SET address = NULL, reply = NULL WHERE {theirs}"),
            ] {
                self.execute(sql, values()).await?;
            }
        }
        Ok(waiting)
    }
}
