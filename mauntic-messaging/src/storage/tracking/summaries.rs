use mauntic_core::{OrganizationId, Page, StoreError, storage::to_micros};
use sea_orm::{ConnectionTrait as _, QueryResult};

use crate::{
    storage::{
        SeaOrmMessagingStore,
        sql::{Parameters, Row as _},
    },
    tracking::{EmailSummary, Split, SummaryCursor, SummaryListing, SummarySort},
};

impl SeaOrmMessagingStore {
    /// The results of emails side by side, from the counters alone: those of the emails that were sent in the time asked
    /// for or, where the order does not depend on them, of the page.
    pub(super) async fn summaries_of(
        &self,
        organization: OrganizationId,
        listing: &SummaryListing,
    ) -> Result<Page<EmailSummary, SummaryCursor>, StoreError> {
        let mut parameters = Parameters::default();
        let organization = parameters.bind(organization.as_uuid());
        let since = listing.since.map_or(i64::MIN, to_micros);
        let since = parameters.bind(since);
        let after = listing.after.map(|after| {
            let rank = parameters.bind(after.rank);
            let id = parameters.bind(after.id.as_uuid());
            format!("({rank}, {id})")
        });
        let size = listing.size.overfetched();
        let sliced = |rank: &str, id: &str, and: &str| {
            let onward = after
                .as_ref()
                .map(|after| format!("{and} ({rank}, {id}) < {after}"));
            let onward = onward.unwrap_or_default();
            format!("{onward} ORDER BY {rank} DESC, {id} DESC LIMIT {size}")
        };
        let cut = if matches!(listing.sort, SummarySort::LastSent) {
            sliced("s.last_sent", "e.id", "AND")
        } else {
            String::new()
        };
        let counted = |name: &str| {
            format!(
                "CAST(SUM(CASE WHEN c.name = '{name}' THEN c.n ELSE 0 END) AS BIGINT) AS {name}"
            )
        };
        let happened = |metric: &str, machine: bool| {
            let (side, not) = if machine {
                ("machine", "")
            } else {
                ("human", "NOT ")
            };
            format!(
                "CAST(SUM(CASE WHEN metric = '{metric}' AND {not}machine THEN n ELSE 0 END) AS BIGINT) AS {metric}_{side}"
            )
        };
        let sql = format!(
            "WITH sent AS (
                SELECT email_id, MAX(started_at) AS last_sent FROM send_job
                WHERE organization_id = {organization} AND started_at IS NOT NULL
                GROUP BY email_id HAVING MAX(started_at) >= {since}),
             listed AS (
                SELECT e.id, e.name, s.last_sent FROM sent s
                JOIN email e ON e.organization_id = {organization} AND e.id = s.email_id
                WHERE e.deleted_at IS NULL {cut}),
             counts AS (
                SELECT j.email_id, {}, {}, {}
                FROM listed l JOIN send_job j ON j.organization_id = {organization} AND j.email_id = l.id
                JOIN send_count c ON c.organization_id = j.organization_id AND c.job_id = j.id
                GROUP BY j.email_id),
             stats AS (
                SELECT email_id, {}, {}, {}, {}, {}, {}
                FROM listed l JOIN email_stat t ON t.organization_id = {organization} AND t.email_id = l.id
                GROUP BY email_id),
             result AS (
                SELECT l.id, l.name, l.last_sent, COALESCE(c.planned, 0) AS planned,
                    COALESCE(c.accepted, 0) AS accepted, COALESCE(c.refused, 0) AS refused,
                    COALESCE(t.opened_human, 0) AS opened_human, COALESCE(t.opened_machine, 0) AS opened_machine,
                    COALESCE(t.clicked_human, 0) AS clicked_human, COALESCE(t.clicked_machine, 0) AS clicked_machine,
                    COALESCE(t.unsubscribed_human + t.unsubscribed_machine, 0) AS unsubscribed
                FROM listed l
                LEFT JOIN counts c ON c.email_id = l.id
                LEFT JOIN stats t ON t.email_id = l.id),
             ordered AS (SELECT result.*, {} AS ranked FROM result)
             SELECT * FROM ordered {}",
            counted("planned"),
            counted("accepted"),
            counted("refused"),
            happened("opened", false),
            happened("opened", true),
            happened("clicked", false),
            happened("clicked", true),
            happened("unsubscribed", false),
            happened("unsubscribed", true),
            rank(listing.sort),
            sliced("ranked", "id", "WHERE")
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let found = rows.iter().map(ranked).collect::<Result<Vec<_>, _>>()?;
        let page = Page::from_overfetched(found, listing.size, |(cursor, _)| *cursor);
        Ok(page.map(|(_, summary)| summary))
    }
}

/// What emails are sorted by, as a whole number: of a rate, how many in a million; below all of them where there is none.
fn rank(sort: SummarySort) -> String {
    let rate = |part: &str, whole: &str| {
        format!("CASE WHEN {whole} > 0 THEN {part} * 1000000 / ({whole}) ELSE -1 END")
    };
    match sort {
        SummarySort::LastSent => "last_sent".to_owned(),
        SummarySort::Accepted => "accepted".to_owned(),
        SummarySort::Opened => rate("opened_human", "accepted"),
        SummarySort::Clicked => rate("clicked_human", "accepted"),
        SummarySort::Refused => rate("refused", "accepted + refused"),
        SummarySort::Unsubscribed => rate("unsubscribed", "accepted"),
    }
}

fn ranked(row: &QueryResult) -> Result<(SummaryCursor, EmailSummary), StoreError> {
    let split = |human: &str, machine: &str| {
        Ok::<_, StoreError>(Split {
            human: row.count(human)?,
            machine: row.count(machine)?,
        })
    };
    let id = row.id("id")?;
    let name = row.text("name")?.parse();
    let summary = EmailSummary {
        id,
        name: name.map_err(|error| StoreError::corrupt("email", error))?,
        last_sent_at: row.instant("last_sent")?,
        planned: row.count("planned")?,
        accepted: row.count("accepted")?,
        refused: row.count("refused")?,
        opened: split("opened_human", "opened_machine")?,
        clicked: split("clicked_human", "clicked_machine")?,
        unsubscribed: row.count("unsubscribed")?,
    };
    let rank = row.integer("ranked")?;
    Ok((SummaryCursor { rank, id }, summary))
}
