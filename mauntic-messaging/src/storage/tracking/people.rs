//! Who stands behind the numbers of a report.

use std::fmt::Write as _;

use mauntic_core::{DeliveryId, EmailId, OrganizationId, Page, PageSize, StoreError};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::{
    sending::{DeliveryState, SkipReason},
    storage::{
        SeaOrmMessagingStore,
        sql::{Parameters, Row as _},
    },
    tracking::{Behind, Person},
};

const PERSON: &str =
    "d.id, d.job_id, d.contact_id, d.address, d.state, d.skip_reason, d.bounce_class, d.reply,
    e.human_open_at, e.machine_open_at, e.human_click_at, e.machine_click_at, e.unsubscribed_at";
const ENGAGED: &str = "e.organization_id = d.organization_id AND e.delivery_id = d.id";

impl SeaOrmMessagingStore {
    pub(super) async fn people_behind(
        &self,
        organization: OrganizationId,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, StoreError> {
        let mut parameters = Parameters::default();
        let organization_id = parameters.bind(organization.as_uuid());
        let limit = size.overfetched();
        let onward = after.map_or_else(String::new, |after| {
            format!(" AND d.id > {}", parameters.bind(after.as_uuid()))
        });
        let engaged = |column: &str| format!("e.{column} IS NOT NULL");
        let side = |machine: bool| if machine { "machine" } else { "human" };
        let (state, condition) = match behind {
            Behind::State(state) => (Some(*state), String::new()),
            Behind::Skipped(reason) => {
                let reason = parameters.bind(reason.as_str());
                let condition = format!(" AND d.skip_reason = {reason}");
                (Some(DeliveryState::Skipped), condition)
            }
            Behind::Bounced(class) => {
                let class = parameters.bind(class.as_str());
                let condition = format!(" AND d.bounce_class = {class}");
                (Some(DeliveryState::Refused), condition)
            }
            Behind::Opened { machine } => (None, engaged(&format!("{}_open_at", side(*machine)))),
            Behind::Clicked { machine } => (None, engaged(&format!("{}_click_at", side(*machine)))),
            Behind::Unsubscribed => (None, engaged("unsubscribed_at")),
            Behind::Link { .. } => (None, String::new()),
        };
        let sql = if let Some(state) = state {
            // The first rows of each send by the index of states, then the first of those.
            let jobs = self.jobs_of(organization, email).await?;
            if jobs.is_empty() {
                return Ok(Page {
                    items: Vec::new(),
                    next: None,
                });
            }
            let mut branches = String::new();
            for (number, job) in jobs.iter().enumerate() {
                let union = if number == 0 { "" } else { " UNION ALL " };
                let job = parameters.bind(*job);
                let _ = write!(
                    branches,
                    "{union}SELECT * FROM (SELECT {PERSON} FROM delivery d
                     LEFT JOIN delivery_engagement e ON {ENGAGED}
                     WHERE d.organization_id = {organization_id} AND d.job_id = {job}
                     AND d.state = '{state}'{condition}{onward} ORDER BY d.id LIMIT {limit}) AS rows_{number}"
                );
            }
            format!("SELECT * FROM ({branches}) AS merged ORDER BY id LIMIT {limit}")
        } else if let Behind::Link {
            version,
            link,
            machine,
        } = behind
        {
            let email = parameters.bind(email.as_uuid());
            let version = parameters.bind(version.as_uuid());
            let onward = onward.replace("d.id", "f.delivery_id");
            let machine = if *machine { "TRUE" } else { "FALSE" };
            format!(
                "SELECT {PERSON} FROM followed_link f
                 JOIN delivery d ON d.organization_id = f.organization_id AND d.id = f.delivery_id
                 LEFT JOIN delivery_engagement e ON {ENGAGED}
                 WHERE f.organization_id = {organization_id} AND f.version_id = {version}
                 AND f.link = {link} AND f.machine = {machine} AND d.email_id = {email}{onward}
                 ORDER BY f.delivery_id LIMIT {limit}"
            )
        } else {
            let email = parameters.bind(email.as_uuid());
            let onward = onward.replace("d.id", "e.delivery_id");
            format!(
                "SELECT {PERSON} FROM delivery_engagement e JOIN delivery d ON {ENGAGED}
                 WHERE e.organization_id = {organization_id} AND e.email_id = {email}
                 AND {condition}{onward} ORDER BY e.delivery_id LIMIT {limit}"
            )
        };
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let people = rows.iter().map(person).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::from_overfetched(people, size, |person| {
            person.delivery_id
        }))
    }

    async fn jobs_of(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<Vec<uuid::Uuid>, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT id FROM send_job WHERE organization_id = $1 AND email_id = $2 ORDER BY id",
            [organization.as_uuid().into(), email.as_uuid().into()],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }
}

fn person(row: &QueryResult) -> Result<Person, StoreError> {
    let corrupt =
        |error: &dyn std::fmt::Display| StoreError::corrupt("delivery", error.to_string());
    let address = row.find_text("address")?.map(|address| address.parse());
    let reason = row.find_text("skip_reason")?;
    Ok(Person {
        delivery_id: row.id("id")?,
        job_id: row.id("job_id")?,
        contact_id: row.id("contact_id")?,
        address: address.transpose().map_err(|error| corrupt(&error))?,
        state: row
            .text("state")?
            .parse()
            .map_err(|error| corrupt(&error))?,
        skip_reason: reason.as_deref().and_then(SkipReason::from_name),
        bounce_class: row.find_text("bounce_class")?,
        reply: row.find_text("reply")?,
        opened_at: row.find_instant("human_open_at")?,
        machine_opened_at: row.find_instant("machine_open_at")?,
        clicked_at: row.find_instant("human_click_at")?,
        machine_clicked_at: row.find_instant("machine_click_at")?,
        unsubscribed_at: row.find_instant("unsubscribed_at")?,
    })
}
