use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    ContactId, Day, DeliveryId, EmailAddress, EmailId, EmailVersionId, OrganizationId, Page,
    PageSize, StoreError,
};

use super::{
    Behind, DayActivity, DomainReport, EmailReport, EmailSummary, Hit, Person, Reason,
    SummaryCursor, SummaryListing, TimelineCursor, TimelineEntry,
};
use crate::sending::{DomainRef, DomainTally};

/// What is known of a delivery when its hits are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engaged {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// The email.
    pub email_id: EmailId,
    /// To whom it went.
    pub contact_id: ContactId,
    /// The domain of the address that it went to; empty without one.
    pub domain: String,
    /// When it was accepted or, while that is not known, handed over.
    pub accepted_at: Option<DateTime<Utc>>,
    /// What happened to it so far.
    pub firsts: Firsts,
}

/// When something happened to a delivery for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Firsts {
    /// Opened by a machine.
    pub machine_open: Option<DateTime<Utc>>,
    /// Opened by a person.
    pub human_open: Option<DateTime<Utc>>,
    /// Clicked by a machine.
    pub machine_click: Option<DateTime<Utc>>,
    /// Clicked by a person.
    pub human_click: Option<DateTime<Utc>>,
    /// Answered with the wish for no more mail.
    pub unsubscribe: Option<DateTime<Utc>>,
}

/// Clicks that were counted before: when a link of a delivery was last followed, by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierClick {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// The number of the link.
    pub link: u16,
    /// Whether by a machine.
    pub machine: bool,
    /// When last.
    pub last_at: DateTime<Utc>,
}

/// A link that was followed in a delivery for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedLink {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The row of the ledger.
    pub delivery_id: DeliveryId,
    /// The version of the email.
    pub version_id: EmailVersionId,
    /// The number of the link in the version.
    pub link: u16,
    /// Whether by a machine.
    pub machine: bool,
    /// When.
    pub at: DateTime<Utc>,
}

/// A counter of an email, in the form in which it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Deliveries opened at least once.
    Opened,
    /// All opens.
    Opens,
    /// Deliveries with at least one click.
    Clicked,
    /// All clicks.
    Clicks,
    /// Deliveries answered with the wish for no more mail.
    Unsubscribed,
}

impl Metric {
    /// All counters.
    pub const ALL: [Self; 5] = [
        Self::Opened,
        Self::Opens,
        Self::Clicked,
        Self::Clicks,
        Self::Unsubscribed,
    ];

    /// The name, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Opens => "opens",
            Self::Clicked => "clicked",
            Self::Clicks => "clicks",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// What to add to a counter of an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailCount {
    /// Whose email.
    pub organization_id: OrganizationId,
    /// Which email.
    pub email_id: EmailId,
    /// Which counter.
    pub metric: Metric,
    /// Whether it counts machines.
    pub machine: bool,
    /// In which [hour](mauntic_core::hour_of) it happened.
    pub hour: i64,
    /// How much to add.
    pub n: i64,
}

/// What to add to the counters of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkCount {
    /// Whose email.
    pub organization_id: OrganizationId,
    /// Which email.
    pub email_id: EmailId,
    /// Which version of it.
    pub version_id: EmailVersionId,
    /// The number of the link in the version.
    pub link: u16,
    /// Whether it counts machines.
    pub machine: bool,
    /// Clicks.
    pub clicks: i64,
    /// Deliveries in which it was followed for the first time.
    pub clicked: i64,
}

/// The final verdict on a hit that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The hit, by its delivery and id.
    pub hit: Hit,
    /// All reasons.
    pub reasons: Vec<Reason>,
}

/// Where a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// The [hash](crate::suppression::address_hash) of the address.
    pub hash: String,
    /// The address; `None` once its contact was deleted.
    pub address: Option<EmailAddress>,
}

/// Keeps hits and answers about them.
#[async_trait]
pub trait TrackingQueries: Send + Sync {
    /// Stores hits, of any organisations, in one statement of its own. They are durable when it returns.
    async fn append(&self, hits: &[Hit]) -> Result<(), StoreError>;

    /// Whether any hit from before that instant waits to be counted.
    async fn has_uncounted(&self, before: DateTime<Utc>) -> Result<bool, StoreError>;

    /// The results of an email; all zero for an unknown one.
    async fn report(
        &self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<EmailReport, StoreError>;

    /// The results of emails that were sent and not deleted, one beside the other. One query, however many they are. A
    /// cursor of another order is an error of the caller's.
    async fn summaries(
        &self,
        organization: OrganizationId,
        listing: &SummaryListing,
    ) -> Result<Page<EmailSummary, SummaryCursor>, StoreError>;

    /// What happened on each of the days.
    async fn activity(
        &self,
        organization: OrganizationId,
        days: &[Day],
    ) -> Result<Vec<DayActivity>, StoreError>;

    /// Who stands behind a number of the report, in the order of the deliveries' ids.
    async fn people(
        &self,
        organization: OrganizationId,
        email: EmailId,
        behind: &Behind,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Person, DeliveryId>, StoreError>;

    /// The results of an email by recipient domain, those with most messages first.
    async fn domains(
        &self,
        organization: OrganizationId,
        email: EmailId,
        limit: u16,
    ) -> Result<Vec<DomainReport>, StoreError>;

    /// What was sent to a contact and what happened to it, newest first.
    async fn timeline(
        &self,
        organization: OrganizationId,
        contact: ContactId,
        after: Option<TimelineCursor>,
        size: PageSize,
    ) -> Result<Page<TimelineEntry, TimelineCursor>, StoreError>;

    /// Deletes up to `limit` counted hits from before that instant; returns how many. Counters stay.
    async fn forget_hits(&self, before: DateTime<Utc>, limit: u64) -> Result<u64, StoreError>;
}

/// Counts hits.
#[async_trait]
pub trait TrackingRepository: Send {
    /// Stores hits that are counted in this transaction.
    async fn append_counted(&mut self, hits: &[Hit]) -> Result<(), StoreError>;

    /// Takes up to `limit` uncounted hits from before that instant, the oldest first, skipping those
    /// that another transaction takes.
    async fn take_uncounted(
        &mut self,
        before: DateTime<Utc>,
        limit: u64,
    ) -> Result<Vec<Hit>, StoreError>;

    /// What is known of deliveries; nobody else counts their hits until the transaction ends.
    /// Deliveries that are gone are left out.
    async fn engaged(
        &mut self,
        deliveries: &[(OrganizationId, DeliveryId)],
    ) -> Result<Vec<Engaged>, StoreError>;

    /// The counted clicks of deliveries, also those that were forgotten since.
    async fn earlier_clicks(
        &mut self,
        deliveries: &[(OrganizationId, DeliveryId)],
    ) -> Result<Vec<EarlierClick>, StoreError>;

    /// Marks hits as counted, with their final reasons.
    async fn settle(&mut self, hits: &[Settled]) -> Result<(), StoreError>;

    /// Replaces what happened first to deliveries.
    async fn update_firsts(&mut self, engaged: &[Engaged]) -> Result<(), StoreError>;

    /// Adds to counters of emails, and to those of the hour for what happened to deliveries for the first time.
    async fn count(&mut self, counts: &[EmailCount]) -> Result<(), StoreError>;

    /// Adds to counters of links.
    async fn count_links(&mut self, counts: &[LinkCount]) -> Result<(), StoreError>;

    /// Keeps which links were followed, for as long as the deliveries are kept; what is known stays as it is.
    async fn keep_followed(&mut self, followed: &[FollowedLink]) -> Result<(), StoreError>;

    /// Adds to counters of domains.
    async fn count_at_domains(
        &mut self,
        counts: &BTreeMap<DomainRef, DomainTally>,
    ) -> Result<(), StoreError>;

    /// The address that a delivery went to.
    async fn addressee_of(
        &mut self,
        organization: OrganizationId,
        delivery: DeliveryId,
    ) -> Result<Option<Addressee>, StoreError>;
}
