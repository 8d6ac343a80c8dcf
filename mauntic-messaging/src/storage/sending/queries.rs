use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use async_trait::async_trait;
use mauntic_core::{
    ContactId, DeliveryId, EmailId, OrganizationId, Page, PageSize, SegmentId, SendJobId,
    StoreError,
};
use sea_orm::ConnectionTrait as _;

use super::rows::{DELIVERY, JOB, delivery, job};
use crate::{
    sending::{Delivery, DeliveryState, JobState, SendJob, SendQueries, Tally, Waiting},
    storage::{
        SeaOrmMessagingStore,
        sql::{Parameters, Row as _},
    },
};

#[async_trait]
impl SendQueries for SeaOrmMessagingStore {
    async fn find_job(
        &self,
        organization: OrganizationId,
        id: SendJobId,
    ) -> Result<Option<SendJob>, StoreError> {
        let statement = self.db.dialect().statement(
            format!("SELECT {JOB} FROM send_job WHERE organization_id = $1 AND id = $2"),
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(job).transpose()
    }

    async fn list_jobs(
        &self,
        organization: OrganizationId,
        email: Option<EmailId>,
        after: Option<SendJobId>,
        size: PageSize,
    ) -> Result<Page<SendJob, SendJobId>, StoreError> {
        let mut parameters = Parameters::default();
        let mut sql = format!(
            "SELECT {JOB} FROM send_job WHERE organization_id = {}",
            parameters.bind(organization.as_uuid())
        );
        if let Some(email) = email {
            let _ = write!(sql, " AND email_id = {}", parameters.bind(email.as_uuid()));
        }
        if let Some(after) = after {
            let _ = write!(sql, " AND id < {}", parameters.bind(after.as_uuid()));
        }
        let _ = write!(sql, " ORDER BY id DESC LIMIT {}", size.overfetched());
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let jobs = rows.iter().map(job).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(jobs, size, |job| job.id))
    }

    async fn already_sent(
        &self,
        organization: OrganizationId,
        email: EmailId,
        contacts: &[ContactId],
    ) -> Result<HashSet<ContactId>, StoreError> {
        let dialect = self.db.dialect();
        let ids = contacts
            .iter()
            .map(ToString::to_string)
            .collect::<serde_json::Value>();
        let sql = format!(
            "SELECT d.contact_id AS id FROM delivery d
             WHERE {} AND d.email_id = $2
             AND d.channel = 'email' AND d.occurrence = '' AND d.state <> 'skipped'",
            dialect.own_ids("d.contact_id", 3)
        );
        let parameters = [
            organization.as_uuid().into(),
            email.as_uuid().into(),
            ids.to_string().into(),
        ];
        let statement = dialect.statement(sql, parameters);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(|row| row.id("id")).collect()
    }

    async fn tallies(
        &self,
        organization: OrganizationId,
        jobs: &[SendJobId],
    ) -> Result<HashMap<SendJobId, Tally>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT job_id, name, CAST(SUM(n) AS BIGINT) AS n FROM send_count
             WHERE {} GROUP BY job_id, name",
            dialect.own_ids("job_id", 2)
        );
        let ids = serde_json::json!(jobs).to_string();
        let statement = dialect.statement(sql, [organization.as_uuid().into(), ids.into()]);
        let mut tallies: HashMap<SendJobId, Tally> = HashMap::new();
        for row in self.db.reader().query_all_raw(statement).await? {
            let name: String = row.try_get("", "name")?;
            let tally = tallies.entry(row.id("job_id")?).or_default();
            tally.add(&name, row.try_get("", "n")?);
        }
        Ok(tallies)
    }

    async fn unfinished(
        &self,
        organization: OrganizationId,
        size: PageSize,
    ) -> Result<Vec<SendJob>, StoreError> {
        // The index of what is still to be sent to a segment leads with the organisation.
        let sql = format!(
            "SELECT {JOB} FROM send_job WHERE organization_id = $1 AND {}
             ORDER BY scheduled_at, id LIMIT {}",
            not_over(),
            size.get()
        );
        let statement = self
            .db
            .dialect()
            .statement(sql, [organization.as_uuid().into()]);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(job).collect()
    }

    async fn unfinished_to(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
    ) -> Result<Vec<SendJob>, StoreError> {
        let sql = format!(
            "SELECT {JOB} FROM send_job WHERE organization_id = $1 AND segment_id = $2
             AND {} ORDER BY scheduled_at, id",
            not_over()
        );
        let values = [organization.as_uuid().into(), segment.as_uuid().into()];
        let statement = self.db.dialect().statement(sql, values);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(job).collect()
    }

    async fn waiting(
        &self,
        organization: OrganizationId,
        job: SendJobId,
    ) -> Result<Option<Waiting>, StoreError> {
        // Each end is the first row of an index.
        let end = |order: &str| {
            format!(
                "(SELECT next_attempt_at FROM delivery WHERE organization_id = $1 AND job_id = $2
                 AND state IN ('planned', 'deferred') ORDER BY next_attempt_at {order}, id {order} LIMIT 1)"
            )
        };
        let sql = format!(
            "SELECT {} AS first_at, {} AS last_at",
            end("ASC"),
            end("DESC")
        );
        let values = [organization.as_uuid().into(), job.as_uuid().into()];
        let statement = self.db.dialect().statement(sql, values);
        let row = self.db.reader().query_one_raw(statement).await?;
        let Some(row) = row else { return Ok(None) };
        let (next, last) = (row.find_instant("first_at")?, row.find_instant("last_at")?);
        Ok(next.zip(last).map(|(next, last)| Waiting { next, last }))
    }

    async fn list_deliveries(
        &self,
        organization: OrganizationId,
        job: SendJobId,
        state: Option<DeliveryState>,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let mut parameters = Parameters::default();
        let organization = parameters.bind(organization.as_uuid());
        let job = parameters.bind(job.as_uuid());
        let after = after.map_or(String::new(), |after| {
            format!("AND id > {}", parameters.bind(after.as_uuid()))
        });
        let limit = size.overfetched();
        // The first rows of each state by the index, then the first of those.
        let states = state.map_or(DeliveryState::ALL.to_vec(), |state| vec![state]);
        let branches: Vec<_> = states
            .iter()
            .map(|state| {
                format!(
                    "SELECT * FROM (SELECT {DELIVERY} FROM delivery WHERE organization_id = {organization}
                     AND job_id = {job} AND state = '{state}' {after} ORDER BY id LIMIT {limit}) AS {state}_rows"
                )
            })
            .collect();
        let sql = format!(
            "SELECT * FROM ({}) AS merged ORDER BY id LIMIT {limit}",
            branches.join(" UNION ALL ")
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(deliveries, size, |row| row.id))
    }

    async fn find_delivery(
        &self,
        organization: OrganizationId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let statement = self.db.dialect().statement(
            format!("SELECT {DELIVERY} FROM delivery WHERE organization_id = $1 AND id = $2"),
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(delivery).transpose()
    }

    async fn open_jobs(&self, states: &[JobState]) -> Result<Vec<SendJob>, StoreError> {
        let mut parameters = Parameters::default();
        let states: Vec<_> = states
            .iter()
            .map(|state| parameters.bind(state.as_str()))
            .collect();
        let sql = format!(
            "SELECT {JOB} FROM send_job WHERE state IN ({}) AND finished_at IS NULL
             ORDER BY scheduled_at, id",
            states.join(", ")
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(job).collect()
    }
}

/// The condition of sends that are not over; it has that of the index in it.
fn not_over() -> String {
    let over = JobState::ALL.into_iter().filter(|state| state.is_over());
    let over: Vec<_> = over.map(|state| format!("'{state}'")).collect();
    format!("finished_at IS NULL AND state NOT IN ({})", over.join(", "))
}
