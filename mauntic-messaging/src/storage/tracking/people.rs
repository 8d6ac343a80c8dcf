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
    tracking::{AtDomain, Behind, Person},
};

const PERSON: &str =
    "d.id, d.job_id, d.contact_id, d.address, d.state, d.skip_reason, d.bounce_class, d.reply,
    e.human_open_at, e.machine_open_at, e.human_click_at, e.machine_click_at, e.unsubscribed_at";
const ENGAGED: &str = "e.organization_id = d.organization_id AND e.delivery_id = d.id";

/// All but what was left out.
fn in_plan() -> Vec<DeliveryState> {
    let mut states = DeliveryState::ALL.to_vec();
    states.retain(|state| *state != DeliveryState::Skipped);
    states
}

/// How many queries one statement unites; SQLite takes 500 and 32,766 parameters.
const UNITED: usize = 200;

impl SeaOrmMessagingStore {
    pub(super) async fn people_behind(
        &self,
        organization: OrganizationId,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, StoreError> {
        let limit = size.overfetched();
        let domain_of_address = self.domain_of_address();
        let at = |domain| Some((domain_of_address.as_str(), domain));
        let (states, only) = match behind {
            Behind::InPlan => (in_plan(), None),
            Behind::State(state) => (vec![*state], None),
            Behind::Skipped(reason) => {
                let only = ("d.skip_reason", reason.as_str());
                (vec![DeliveryState::Skipped], Some(only))
            }
            Behind::Bounced(class) => {
                let only = ("d.bounce_class", class.as_str());
                (vec![DeliveryState::Refused], Some(only))
            }
            Behind::Domain {
                of: AtDomain::Planned,
                domain,
            } => (in_plan(), at(domain.as_str())),
            Behind::Domain {
                of: AtDomain::State(state),
                domain,
            } => (vec![*state], at(domain.as_str())),
            // They are found by what they did.
            Behind::Opened { .. }
            | Behind::Clicked { .. }
            | Behind::Unsubscribed
            | Behind::Link { .. }
            | Behind::Domain { .. } => (Vec::new(), None),
        };
        let people = if states.is_empty() {
            self.who_engaged(organization, email, behind, after, limit)
                .await?
        } else {
            self.in_states(organization, email, &states, only, after, limit)
                .await?
        };
        Ok(Page::from_overfetched(people, size, |person| {
            person.delivery_id
        }))
    }

    /// The domain of a delivery, as it is counted.
    fn domain_of_address(&self) -> String {
        let dialect = self.db.dialect();
        dialect.after_last("COALESCE(d.address, '')", '@')
    }

    /// The first rows of each send by the index of states, then the first of those. `only` is what they must have in
    /// common, and its value.
    async fn in_states(
        &self,
        organization: OrganizationId,
        email: EmailId,
        states: &[DeliveryState],
        only: Option<(&str, &str)>,
        after: Option<DeliveryId>,
        limit: u64,
    ) -> Result<Vec<Person>, StoreError> {
        let jobs = self.jobs_of(organization, email).await?;
        let parts: Vec<_> = jobs
            .iter()
            .flat_map(|job| states.iter().map(move |state| (*job, *state)))
            .collect();
        let mut people: Vec<Person> = Vec::new();
        for parts in parts.chunks(UNITED) {
            let mut parameters = Parameters::default();
            let organization_id = parameters.bind(organization.as_uuid());
            let mut condition = String::new();
            if let Some((what, value)) = only {
                let _ = write!(condition, " AND {what} = {}", parameters.bind(value));
            }
            if let Some(after) = after {
                let _ = write!(
                    condition,
                    " AND d.id > {}",
                    parameters.bind(after.as_uuid())
                );
            }
            let mut branches = String::new();
            for (number, (job, state)) in parts.iter().enumerate() {
                let union = if number == 0 { "" } else { " UNION ALL " };
                let job = parameters.bind(*job);
                let _ = write!(
                    branches,
                    "{union}SELECT * FROM (SELECT {PERSON} FROM delivery d
                     LEFT JOIN delivery_engagement e ON {ENGAGED}
                     WHERE d.organization_id = {organization_id} AND d.job_id = {job}
                     AND d.state = '{state}'{condition} ORDER BY d.id LIMIT {limit}) AS rows_{number}"
                );
            }
            let sql = format!("SELECT * FROM ({branches}) AS merged ORDER BY id LIMIT {limit}");
            people.extend(self.people_of(parameters, sql).await?);
        }
        people.sort_by_key(|person| person.delivery_id);
        Ok(people)
    }

    async fn who_engaged(
        &self,
        organization: OrganizationId,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        limit: u64,
    ) -> Result<Vec<Person>, StoreError> {
        let mut parameters = Parameters::default();
        let organization_id = parameters.bind(organization.as_uuid());
        let email = parameters.bind(email.as_uuid());
        let mut onward = |column: &str| {
            after.map_or_else(String::new, |after| {
                format!(" AND {column} > {}", parameters.bind(after.as_uuid()))
            })
        };
        let side = |machine: &bool| if *machine { "machine" } else { "human" };
        let sql = if let Behind::Link {
            version,
            link,
            machine,
        } = behind
        {
            let onward = onward("f.delivery_id");
            let version = parameters.bind(version.as_uuid());
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
            let column = match behind {
                Behind::Opened { machine } => format!("{}_open_at", side(machine)),
                Behind::Clicked { machine } => format!("{}_click_at", side(machine)),
                Behind::Domain {
                    of: AtDomain::Clicked,
                    ..
                } => "human_click_at".to_owned(),
                Behind::Domain { .. } => "human_open_at".to_owned(),
                _ => "unsubscribed_at".to_owned(),
            };
            let onward = onward("e.delivery_id");
            let there = if let Behind::Domain { domain, .. } = behind {
                let domain = parameters.bind(domain.as_str());
                format!(" AND {} = {domain}", self.domain_of_address())
            } else {
                String::new()
            };
            format!(
                "SELECT {PERSON} FROM delivery_engagement e JOIN delivery d ON {ENGAGED}
                 WHERE e.organization_id = {organization_id} AND e.email_id = {email}
                 AND e.{column} IS NOT NULL{there}{onward} ORDER BY e.delivery_id LIMIT {limit}"
            )
        };
        self.people_of(parameters, sql).await
    }

    async fn people_of(
        &self,
        parameters: Parameters,
        sql: String,
    ) -> Result<Vec<Person>, StoreError> {
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(person).collect()
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
