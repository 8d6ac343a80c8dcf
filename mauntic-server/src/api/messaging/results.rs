//! `/api/messaging/emails/{id}/…`: what became of an email, who stands behind each number, and at which domains they
//! are.

use chrono::{DateTime, Utc};
use mauntic_core::{DeliveryId, EmailId};
use mauntic_messaging::tracking::{
    Behind, DomainReport, EmailReport, EmailSummary, LinkReport, Person, Split, SummaryListing,
    SummarySort, TrackingService,
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use uuid::Uuid;

use super::send_body::{DeliveryStateName, SkipReasonName};
use crate::{
    App,
    api::{ApiTag, Page, page_size, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct ResultsApi {
    tracking: TrackingService,
}

impl ResultsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            tracking: app.tracking.clone(),
        }
    }
}

/// How many people, and how many programs such as mail scanners.
#[derive(Debug, Object)]
#[oai(rename = "Split")]
struct SplitBody {
    human: u64,
    machine: u64,
}

impl From<Split> for SplitBody {
    fn from(split: Split) -> Self {
        Self {
            human: split.human,
            machine: split.machine,
        }
    }
}

/// The clicks of one link.
#[derive(Debug, Object)]
#[oai(rename = "LinkReport")]
#[oai(skip_serializing_if_is_none)]
struct LinkBody {
    /// The version of the email that holds it.
    version_id: Uuid,
    /// Its number in that version.
    link: u16,
    /// Where it leads, if the version still says so.
    url: Option<String>,
    /// Messages in which it was followed.
    clicked: SplitBody,
    /// All clicks.
    clicks: SplitBody,
}

impl From<LinkReport> for LinkBody {
    fn from(link: LinkReport) -> Self {
        Self {
            version_id: link.version_id.as_uuid(),
            link: link.link,
            url: link.url,
            clicked: link.clicked.into(),
            clicks: link.clicks.into(),
        }
    }
}

/// What became of an email, over all its sends.
#[derive(Debug, Object)]
#[oai(rename = "EmailReport")]
struct ReportBody {
    planned: u64,
    /// Left out, by reason.
    skipped: serde_json::Value,
    /// Taken by the receiving side.
    accepted: u64,
    /// Refused for good.
    refused: u64,
    /// To be tried again.
    deferred: u64,
    /// Handed over, with an outcome that nobody knows; never sent again by itself.
    unknown: u64,
    /// Refused messages by the class of the refusal, such as `hard`.
    bounced: serde_json::Value,
    /// Messages that were opened; a human click counts as an open too.
    opened: SplitBody,
    /// All loads of the pixel.
    opens: SplitBody,
    /// Messages with a click.
    clicked: SplitBody,
    /// All clicks.
    clicks: SplitBody,
    /// Messages answered with the wish for no more mail.
    unsubscribed: SplitBody,
    links: Vec<LinkBody>,
}

impl From<EmailReport> for ReportBody {
    fn from(report: EmailReport) -> Self {
        Self {
            planned: report.planned,
            skipped: serde_json::to_value(&report.skipped).unwrap_or_default(),
            accepted: report.accepted,
            refused: report.refused,
            deferred: report.deferred,
            unknown: report.unknown,
            bounced: serde_json::to_value(&report.bounced).unwrap_or_default(),
            opened: report.opened.into(),
            opens: report.opens.into(),
            clicked: report.clicked.into(),
            clicks: report.clicks.into(),
            unsubscribed: report.unsubscribed.into(),
            links: report.links.into_iter().map(LinkBody::from).collect(),
        }
    }
}

/// One message behind a number, and what came of it.
#[derive(Debug, Object)]
#[oai(rename = "PersonBehind", skip_serializing_if_is_none)]
struct PersonBody {
    delivery_id: Uuid,
    send_id: Uuid,
    contact_id: Uuid,
    /// Where it went; absent if the contact has no address.
    address: Option<String>,
    state: DeliveryStateName,
    /// Why it was left out, if it was.
    skip_reason: Option<SkipReasonName>,
    /// The class of the refusal, such as `hard`.
    bounce_class: Option<String>,
    /// The last reply of the next host.
    reply: Option<String>,
    /// When a person first opened it.
    opened_at: Option<DateTime<Utc>>,
    /// When a machine first opened it.
    machine_opened_at: Option<DateTime<Utc>>,
    /// When a person first clicked.
    clicked_at: Option<DateTime<Utc>>,
    /// When a machine first clicked.
    machine_clicked_at: Option<DateTime<Utc>>,
    /// When it was answered with the wish for no more mail.
    unsubscribed_at: Option<DateTime<Utc>>,
}

impl From<Person> for PersonBody {
    fn from(person: Person) -> Self {
        Self {
            delivery_id: person.delivery_id.as_uuid(),
            send_id: person.job_id.as_uuid(),
            contact_id: person.contact_id.as_uuid(),
            address: person.address.map(|address| address.to_string()),
            state: person.state.into(),
            skip_reason: person.skip_reason.map(Into::into),
            bounce_class: person.bounce_class,
            reply: person.reply,
            opened_at: person.opened_at,
            machine_opened_at: person.machine_opened_at,
            clicked_at: person.clicked_at,
            machine_clicked_at: person.machine_clicked_at,
            unsubscribed_at: person.unsubscribed_at,
        }
    }
}

/// What became of an email at one recipient domain.
#[derive(Debug, Object)]
#[oai(rename = "DomainReport")]
struct DomainBody {
    /// The domain; empty for those without an address.
    domain: String,
    planned: u64,
    /// Messages that it took.
    accepted: u64,
    /// Messages that it refused for good.
    refused: u64,
    /// Messages that it refused for now.
    deferred: u64,
    /// Messages that a person opened.
    opened: u64,
    /// Messages that a person clicked in.
    clicked: u64,
}

impl From<DomainReport> for DomainBody {
    fn from(of: DomainReport) -> Self {
        Self {
            domain: of.domain,
            planned: of.planned,
            accepted: of.accepted,
            refused: of.refused,
            deferred: of.deferred,
            opened: of.opened,
            clicked: of.clicked,
        }
    }
}

/// An email that was sent, with what became of it over all its sends.
#[derive(Debug, Object)]
#[oai(rename = "EmailResults")]
struct SummaryBody {
    email_id: Uuid,
    name: String,
    /// When its last send began.
    last_sent_at: DateTime<Utc>,
    planned: u64,
    /// Taken by the receiving side.
    accepted: u64,
    /// Refused for good.
    refused: u64,
    /// Messages that were opened; a human click counts as an open too.
    opened: SplitBody,
    /// Messages with a click.
    clicked: SplitBody,
    /// Messages answered with the wish for no more mail.
    unsubscribed: u64,
}

impl From<EmailSummary> for SummaryBody {
    fn from(of: EmailSummary) -> Self {
        Self {
            email_id: of.id.as_uuid(),
            name: of.name.to_string(),
            last_sent_at: of.last_sent_at,
            planned: of.planned,
            accepted: of.accepted,
            refused: of.refused,
            opened: of.opened.into(),
            clicked: of.clicked.into(),
            unsubscribed: of.unsubscribed,
        }
    }
}

/// What to sort by, the most first; all but the first two are rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "EmailResultsSort", rename_all = "snake_case")]
enum SummarySortName {
    LastSent,
    Accepted,
    Opened,
    Clicked,
    Refused,
    Unsubscribed,
}

impl From<SummarySortName> for SummarySort {
    fn from(name: SummarySortName) -> Self {
        match name {
            SummarySortName::LastSent => Self::LastSent,
            SummarySortName::Accepted => Self::Accepted,
            SummarySortName::Opened => Self::Opened,
            SummarySortName::Clicked => Self::Clicked,
            SummarySortName::Refused => Self::Refused,
            SummarySortName::Unsubscribed => Self::Unsubscribed,
        }
    }
}

#[OpenApi(prefix_path = "/messaging/emails", tag = "ApiTag::Emails")]
impl ResultsApi {
    /// List what became of emails, side by side
    ///
    /// Of emails that were sent and not deleted.
    #[oai(
        path = "/summaries",
        method = "get",
        operation_id = "listEmailSummaries"
    )]
    async fn summaries(
        &self,
        Token(actor): Token,
        /// Only emails whose last send began then or later.
        since: Query<Option<DateTime<Utc>>>,
        /// What to sort by; `last_sent` without it.
        sort: Query<Option<SummarySortName>>,
        /// The `next` of the page before, which was in the same order.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<SummaryBody>>, ApiError> {
        let listing = SummaryListing {
            since: since.0,
            sort: sort.0.map_or_else(SummarySort::default, Into::into),
            after: after.0.map(|cursor| parse("after", &cursor)).transpose()?,
            size: page_size(limit.0),
        };
        let page = self.tracking.summaries(&actor, &listing).await?;
        Ok(Json(Page::present(page, SummaryBody::from)))
    }

    /// Show what became of an email
    #[oai(
        path = "/:email_id/report",
        method = "get",
        operation_id = "getEmailReport"
    )]
    async fn report(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
    ) -> Result<Json<ReportBody>, ApiError> {
        let email = EmailId::from_uuid(email_id.0);
        let report = self.tracking.report(&actor, email).await?;
        Ok(Json(report.into()))
    }

    /// List who stands behind a number of the report
    #[oai(
        path = "/:email_id/people",
        method = "get",
        operation_id = "listPeopleBehind"
    )]
    async fn people(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        /// The number: `in_plan` for all that were to be sent, a state such as `accepted`, `skipped:` and a reason, `refused:` and a class, `opened:human`,
        /// `opened:machine`, `clicked:human`, `clicked:machine`, `unsubscribed`, or a link as
        /// `link:<version id>:<number>:human` or `…:machine`; at one recipient domain `domain:in_plan:example.com`, or with a
        /// state such as `accepted`, `opened` or `clicked` in place of `in_plan`.
        behind: Query<String>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<PersonBody>>, ApiError> {
        let behind: Behind = behind
            .0
            .parse()
            .map_err(|error| ApiError::invalid("behind", &error))?;
        let email = EmailId::from_uuid(email_id.0);
        let after = after.0.map(DeliveryId::from_uuid);
        let size = page_size(limit.0);
        let page = self.tracking.people(&actor, email, &behind, after, size);
        Ok(Json(Page::present(page.await?, PersonBody::from)))
    }

    /// Show what became of an email by recipient domain
    ///
    /// The 50 domains that most of its messages go to.
    #[oai(
        path = "/:email_id/domains",
        method = "get",
        operation_id = "listEmailDomains"
    )]
    async fn domains(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
    ) -> Result<Json<Vec<DomainBody>>, ApiError> {
        let email = EmailId::from_uuid(email_id.0);
        let domains = self.tracking.domains(&actor, email).await?;
        Ok(Json(domains.into_iter().map(DomainBody::from).collect()))
    }
}
