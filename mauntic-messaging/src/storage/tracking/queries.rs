use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, Day, DeliveryId, EmailId, OrganizationId, Page, PageSize, StoreError,
    storage::{Dialect, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};

use super::{insert_hits, kind, link};
use crate::{
    storage::{
        SeaOrmMessagingStore,
        sql::{Parameters, Row as _},
    },
    tracking::{
        Behind, DayActivity, DomainReport, EmailReport, EmailSummary, Hit, LinkReport, Metric,
        Person, Split, SummaryCursor, SummaryListing, TimelineCursor, TimelineEntry, TimelineEvent,
        TrackingQueries,
    },
};

#[async_trait]
impl TrackingQueries for SeaOrmMessagingStore {
    async fn append(&self, hits: &[Hit]) -> Result<(), StoreError> {
        if hits.is_empty() {
            return Ok(());
        }
        let statement = insert_hits(self.db.dialect(), hits, false);
        if self.db.dialect() == Dialect::Postgres {
            // One statement is a transaction of its own: no round trips to begin and commit it.
            self.db.reader().execute_raw(statement).await?;
            return Ok(());
        }
        let txn = self.db.begin().await?;
        txn.execute_raw(statement).await?;
        txn.commit().await
    }

    async fn has_uncounted(&self, before: DateTime<Utc>) -> Result<bool, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT 1 AS one FROM hit WHERE NOT counted AND at <= $1 LIMIT 1",
            [to_micros(before).into()],
        );
        Ok(self.db.reader().query_one_raw(statement).await?.is_some())
    }

    async fn report(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<EmailReport, StoreError> {
        let mut report = EmailReport::default();
        self.add_sending(organization, email, &mut report).await?;
        self.add_engagement(organization, email, &mut report)
            .await?;
        report.links = self.link_reports(organization, email).await?;
        Ok(report)
    }

    async fn summaries(
        &self,
        organization: OrganizationId,
        listing: &SummaryListing,
    ) -> Result<Page<EmailSummary, SummaryCursor>, StoreError> {
        self.summaries_of(organization, listing).await
    }

    async fn activity(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<Vec<DayActivity>, StoreError> {
        self.day_activity(organization, days).await
    }

    async fn people(
        &self,
        organization: OrganizationId,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, StoreError> {
        self.people_behind(organization, email, behind, after, size)
            .await
    }

    async fn domains(
        &self,
        organization: OrganizationId,
        email: EmailId,
        limit: u16,
    ) -> Result<Vec<DomainReport>, StoreError> {
        self.domains_of(organization, email, limit).await
    }

    async fn timeline(
        &self,
        organization: OrganizationId,
        contact: ContactId,
        after: Option<TimelineCursor>,
        size: PageSize,
    ) -> Result<Page<TimelineEntry, TimelineCursor>, StoreError> {
        let mut parameters = Parameters::default();
        let organization = parameters.bind(organization.as_uuid());
        let contact = parameters.bind(contact.as_uuid());
        let mine = format!(
            "d.organization_id = {organization} AND d.contact_id = {contact} AND d.state <> 'skipped'"
        );
        let onward = after.map_or_else(String::new, |cursor| {
            let at = parameters.bind(to_micros(cursor.at));
            format!("WHERE (at, id) < ({at}, {})", parameters.bind(cursor.id))
        });
        let sql = format!(
            "SELECT * FROM (
                SELECT COALESCE(d.first_attempt_at, d.updated_at) AS at, d.id AS id, d.id AS delivery_id,
                    d.email_id, d.state, NULL AS kind, NULL AS link, NULL AS machine, NULL AS reasons
                FROM delivery d WHERE {mine}
                UNION ALL
                SELECT h.at, h.id, h.delivery_id, d.email_id, NULL, h.kind, h.link, h.machine, h.reasons
                FROM delivery d JOIN hit h ON h.organization_id = d.organization_id AND h.delivery_id = d.id
                WHERE {mine}
             ) AS entry {onward} ORDER BY at DESC, id DESC LIMIT {}",
            size.overfetched()
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let entries = rows.iter().map(timeline_entry).collect::<Result<_, _>>()?;
        Ok(Page::from_overfetched(
            entries,
            size,
            |entry: &TimelineEntry| entry.cursor,
        ))
    }

    async fn forget_hits(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "DELETE FROM hit WHERE (organization_id, delivery_id, id) IN
                    (SELECT organization_id, delivery_id, id FROM hit
                     WHERE counted AND at < $1 ORDER BY at LIMIT {limit})"
            ),
            [to_micros(before).into()],
        );
        let txn = self.db.begin().await?;
        let forgotten = txn.execute_raw(statement).await?.rows_affected();
        txn.commit().await?;
        Ok(forgotten)
    }
}

impl SeaOrmMessagingStore {
    async fn rows_of_email(
        &self,
        sql: &str,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let parameters = [organization.as_uuid().into(), email.as_uuid().into()];
        let statement = self.db.dialect().statement(sql, parameters);
        Ok(self.db.reader().query_all_raw(statement).await?)
    }

    async fn add_sending(
        &self,
        organization: OrganizationId,
        email: EmailId,
        report: &mut EmailReport,
    ) -> Result<(), StoreError> {
        let counts = "SELECT c.name AS name, CAST(SUM(c.n) AS BIGINT) AS n
             FROM send_job j JOIN send_count c ON c.organization_id = j.organization_id AND c.job_id = j.id
             WHERE j.organization_id = $1 AND j.email_id = $2 GROUP BY c.name";
        for row in self.rows_of_email(counts, organization, email).await? {
            let (name, n) = (row.text("name")?, row.count("n")?);
            match name.as_str() {
                "planned" => report.planned = n,
                "accepted" => report.accepted = n,
                "refused" => report.refused = n,
                "deferred" => report.deferred = n,
                "unknown" => report.unknown = n,
                other => {
                    if let Some(reason) = other.strip_prefix("skipped:").filter(|_| n > 0) {
                        report.skipped.insert(reason.to_owned(), n);
                    }
                }
            }
        }
        let bounces = "SELECT d.bounce_class AS class, COUNT(*) AS n
             FROM send_job j JOIN delivery d ON d.organization_id = j.organization_id AND d.job_id = j.id
             WHERE j.organization_id = $1 AND j.email_id = $2 AND d.state = 'refused'
             AND d.bounce_class IS NOT NULL GROUP BY d.bounce_class";
        for row in self.rows_of_email(bounces, organization, email).await? {
            report.bounced.insert(row.text("class")?, row.count("n")?);
        }
        Ok(())
    }

    async fn add_engagement(
        &self,
        organization: OrganizationId,
        email: EmailId,
        report: &mut EmailReport,
    ) -> Result<(), StoreError> {
        let sql = "SELECT metric, machine, n FROM email_stat WHERE organization_id = $1 AND email_id = $2";
        for row in self.rows_of_email(sql, organization, email).await? {
            let name = row.text("metric")?;
            let Some(metric) = Metric::ALL
                .into_iter()
                .find(|metric| metric.as_str() == name)
            else {
                return Err(StoreError::corrupt("counter", "an unknown name"));
            };
            let split = match metric {
                Metric::Opened => &mut report.opened,
                Metric::Opens => &mut report.opens,
                Metric::Clicked => &mut report.clicked,
                Metric::Clicks => &mut report.clicks,
                Metric::Unsubscribed => &mut report.unsubscribed,
            };
            *split.side(row.try_get("", "machine")?) = row.count("n")?;
        }
        Ok(())
    }

    async fn link_reports(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<Vec<LinkReport>, StoreError> {
        let sql = "SELECT version_id, link, machine, clicks, clicked FROM link_stat
             WHERE organization_id = $1 AND email_id = $2 ORDER BY version_id, link";
        let mut links: Vec<LinkReport> = Vec::new();
        for row in self.rows_of_email(sql, organization, email).await? {
            let (version_id, number) = (row.id("version_id")?, link(&row)?.unwrap_or_default());
            let other = |last: &LinkReport| (last.version_id, last.link) != (version_id, number);
            if links.last().is_none_or(other) {
                links.push(LinkReport {
                    version_id,
                    link: number,
                    url: None,
                    clicked: Split::default(),
                    clicks: Split::default(),
                });
            }
            if let Some(report) = links.last_mut() {
                let machine = row.try_get("", "machine")?;
                *report.clicks.side(machine) = row.count("clicks")?;
                *report.clicked.side(machine) = row.count("clicked")?;
            }
        }
        Ok(links)
    }
}

fn timeline_entry(row: &QueryResult) -> Result<TimelineEntry, StoreError> {
    let at = row.instant("at")?;
    let event = match row.find_text("state")? {
        Some(state) => TimelineEvent::Delivery { state },
        None => TimelineEvent::Hit {
            hit: kind(row)?,
            link: link(row)?,
            machine: row.try_get("", "machine")?,
            reasons: row.json("hit", "reasons")?,
        },
    };
    Ok(TimelineEntry {
        at,
        delivery_id: row.id("delivery_id")?,
        email_id: row.id("email_id")?,
        event,
        cursor: TimelineCursor {
            at,
            id: row.try_get("", "id")?,
        },
    })
}
