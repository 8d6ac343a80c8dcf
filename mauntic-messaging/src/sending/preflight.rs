//! What will become of a send, told before it is made.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    ContactId, EmailAddress, EmailId, EmailVersionId, OrganizationId, PageSize, SegmentId,
    StoreError, TimeZoneName,
};
use serde_json::Value;

use super::{
    EnginePorts, JobState, LocalTime, SendJob, Sender, SkipReason, Tally, service::cannot_send,
};
use crate::{AudienceMember, MessagingError, Readiness, transport::SendingLimits};

/// Most members that are looked at: what is told of a larger segment is what they let expect.
pub(super) const LOOK_AT: u64 = 100_000;
/// How long it is looked at most, since somebody waits for it.
const LOOK_FOR: TimeDelta = TimeDelta::seconds(3);
/// Most members whose fields are looked at.
const READ_FIELDS: u64 = 1_000;
/// How many of the latest sends are asked how fast they went.
const EARLIER: usize = 20;
/// How many messages a send has at the least that tells how fast many go.
const FAIR_SIZE: i64 = 50;
/// How long a send takes at the most that tells how fast many go.
const FAIR_TIME: TimeDelta = TimeDelta::hours(2);

/// What will become of a send, as far as it can be known before.
#[derive(Debug, Clone, PartialEq)]
pub struct Preflight {
    /// How many are in the segment.
    pub size: u64,
    /// Whether the segment is up to date; if not, the send waits for that, and more or fewer may be in it then.
    pub readiness: Readiness,
    /// How many of them were looked at.
    pub looked_at: u64,
    /// Whether these are all.
    pub(super) is_whole: bool,
    /// How many of those who were looked at would get a message.
    pub(super) seen_reachable: u64,
    /// How many of those would be left out, by reason.
    pub(super) seen_left_out: BTreeMap<SkipReason, u64>,
    /// Fields that the email shows, with how many of the first members do not have them.
    pub empty_fields: Vec<(String, u64)>,
    /// How many members the empty fields were counted among.
    pub fields_of: u64,
    /// How fast mail may go.
    pub limits: SendingLimits,
    /// How many messages a second earlier sends of a fair size made, if there were any.
    pub pace: Option<f64>,
    /// Whom it is from, and whether anything signs it.
    pub sender: Sender,
    /// In which zones those live who would get a message, as far as it is known.
    pub(super) zones: BTreeMap<Option<TimeZoneName>, u64>,
}

/// When people get a message that goes by their own clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalOutlook {
    /// When the first of them gets it.
    pub first: DateTime<Utc>,
    /// When the last of them gets it.
    pub last: DateTime<Utc>,
    /// How many of them have no zone of their own.
    pub without_zone: u64,
    /// For how many of them the time is over: they get it at once.
    pub over: u64,
}

impl Preflight {
    /// Whether the counts are what those who were looked at let expect of the whole segment, for it is large.
    #[must_use]
    pub const fn is_estimate(&self) -> bool {
        !self.is_whole
    }

    /// How many would get a message.
    #[must_use]
    pub fn reachable(&self) -> u64 {
        self.of_whole(self.seen_reachable)
    }

    /// How many would be left out, by reason.
    #[must_use]
    pub fn left_out(&self) -> BTreeMap<SkipReason, u64> {
        let seen = self.seen_left_out.iter();
        seen.map(|(reason, count)| (*reason, self.of_whole(*count)))
            .collect()
    }

    /// How many would be left out.
    #[must_use]
    pub fn left_out_total(&self) -> u64 {
        self.of_whole(self.looked_at - self.seen_reachable)
    }

    /// A count among those who were looked at, scaled up to the whole segment.
    fn of_whole(&self, count: u64) -> u64 {
        if self.is_whole || self.looked_at == 0 {
            return count;
        }
        let scaled = u128::from(count) * u128::from(self.size) / u128::from(self.looked_at);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// When they get it by their own clocks; `None` if nobody would get it.
    #[must_use]
    pub fn by_local_time(&self, local: &LocalTime, now: DateTime<Utc>) -> Option<LocalOutlook> {
        let instants = self
            .zones
            .iter()
            .map(|(zone, people)| (local.instant_in(zone.as_ref()), *people));
        let first = instants.clone().map(|(at, _)| at).min()?;
        let last = instants.clone().map(|(at, _)| at).max()?;
        Some(LocalOutlook {
            first: first.max(now),
            last: last.max(now),
            without_zone: self.of_whole(self.zones.get(&None).copied().unwrap_or_default()),
            over: self.of_whole(
                instants
                    .filter(|(at, _)| *at < now)
                    .map(|(_, people)| people)
                    .sum(),
            ),
        })
    }

    /// How many seconds the send takes at the least, if its speed is limited.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        Some(self.seconds_at(self.limits.per_second?))
    }

    /// How many seconds the send takes if it goes as fast as earlier ones did, if there were any.
    #[must_use]
    pub fn seconds_as_before(&self) -> Option<u64> {
        Some(self.seconds_at(self.pace?))
    }

    fn seconds_at(&self, per_second: f64) -> u64 {
        let seconds = number(self.reachable()) / per_second;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float stops at the ends of the range"
        )]
        let seconds = seconds.ceil() as u64;
        seconds
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of people is far below the limit"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// How many messages a second the latest sends of the organisation made: the middle one, since some stood still for a
/// while.
async fn pace(
    ports: &EnginePorts,
    organization: OrganizationId,
) -> Result<Option<f64>, StoreError> {
    let sends = ports.store.sends();
    let size = PageSize::clamped(EARLIER);
    let jobs = sends.list_jobs(organization, None, None, size).await?.items;
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let tallies = sends.tallies(organization, &ids).await?;
    let paces = jobs.iter().map(|job| pace_of(job, tallies.get(&job.id)?));
    let mut paces: Vec<f64> = paces.flatten().collect();
    paces.sort_by(f64::total_cmp);
    Ok(paces.get(paces.len() / 2).copied())
}

/// How many messages a second a send made; nothing if it tells little of others, being small, not over, held back by the
/// clocks of its recipients, or so long that it may have waited for servers that did not take a few of its messages: a
/// tally does not keep that some were deferred once they are settled.
fn pace_of(job: &SendJob, tally: &Tally) -> Option<f64> {
    let messages = tally.accepted + tally.refused;
    if job.state != JobState::Completed || job.local_time.is_some() || messages < FAIR_SIZE {
        return None;
    }
    let took = job.finished_at? - job.started_at?;
    if took > FAIR_TIME {
        return None;
    }
    let took = took.num_milliseconds();
    let [messages, took] = [messages, took.max(1)].map(|n| u64::try_from(n).unwrap_or_default());
    Some(number(messages) * 1_000.0 / number(took))
}

/// Looks at the audience as the planner will: at up to that many members.
pub(super) async fn look(
    ports: &EnginePorts,
    organization: OrganizationId,
    (email, version): (EmailId, EmailVersionId),
    segment: SegmentId,
    most: u64,
) -> Result<Preflight, MessagingError> {
    const NO_SEGMENT: MessagingError = MessagingError::NotFound { what: "segment" };
    let began = ports.clock.now();
    let size = ports.audience.size(organization, segment).await?;
    let readiness = ports.audience.readiness(organization, segment, began);
    let readiness = readiness.await?.ok_or(NO_SEGMENT)?;
    let sender = ports.builder.sender(organization, version).await;
    let mut seen = Preflight {
        size: size.ok_or(NO_SEGMENT)?,
        readiness,
        looked_at: 0,
        is_whole: true,
        seen_reachable: 0,
        seen_left_out: BTreeMap::new(),
        empty_fields: Vec::new(),
        fields_of: 0,
        limits: ports.transports.of(organization).await?.limits,
        pace: pace(ports, organization).await?,
        sender: sender.map_err(cannot_send)?,
        zones: BTreeMap::new(),
    };
    let mut addresses = HashSet::new();
    let mut first = Vec::new();
    let mut after = None;
    let page_size = u64::from(PageSize::MAX);
    loop {
        let audience = &ports.audience;
        let members = audience.members(organization, segment, after, page_size);
        let members = members.await?;
        let is_last = (members.len() as u64) < page_size;
        after = members.last().map(|last| last.contact_id);
        let reasons = reasons(
            ports,
            organization,
            (email, segment),
            &members,
            &mut addresses,
        );
        for (member, reason) in members.iter().zip(reasons.await?) {
            seen.looked_at += 1;
            if let Some(reason) = reason {
                *seen.seen_left_out.entry(reason).or_default() += 1;
                continue;
            }
            seen.seen_reachable += 1;
            *seen.zones.entry(member.timezone.clone()).or_default() += 1;
            if (first.len() as u64) < READ_FIELDS {
                first.push(member.contact_id);
            }
        }
        if is_last {
            break;
        }
        let is_late = ports.clock.now() - began >= LOOK_FOR;
        if seen.looked_at >= most || is_late {
            seen.is_whole = seen.looked_at >= seen.size;
            break;
        }
    }
    look_at_fields(ports, organization, version, &first, &mut seen).await?;
    Ok(seen)
}

/// Why members would be left out, in the order in which the planner decides. `addresses` are those of everybody before.
async fn reasons(
    ports: &EnginePorts,
    organization: OrganizationId,
    (email, segment): (EmailId, SegmentId),
    members: &[AudienceMember],
    addresses: &mut HashSet<String>,
) -> Result<Vec<Option<SkipReason>>, StoreError> {
    let key = |member: &AudienceMember| member.address.as_ref().map(EmailAddress::key);
    let keys: Vec<_> = members.iter().filter_map(key).collect();
    let ids: Vec<_> = members.iter().map(|member| member.contact_id).collect();
    let suppressions = ports.store.suppressions();
    let suppressed = suppressions.filter_suppressed(organization, &keys).await?;
    let left = suppressions.filter_left(organization, segment, &keys);
    let left = left.await?;
    let sends = ports.store.sends();
    let sent = sends.already_sent(organization, email, &ids).await?;
    let reason = |member: &AudienceMember| match key(member) {
        _ if sent.contains(&member.contact_id) => Some(SkipReason::AlreadySent),
        _ if member.do_not_contact => Some(SkipReason::DoNotContact),
        None => Some(SkipReason::MissingAddress),
        Some(key) if suppressed.contains(&key) => Some(SkipReason::Suppressed),
        Some(key) if left.contains(&key) => Some(SkipReason::LeftList),
        Some(key) => (!addresses.insert(key)).then_some(SkipReason::DuplicateAddress),
    };
    Ok(members.iter().map(reason).collect())
}

/// Counts which fields that the email shows some of the members do not have; `owner` is who looks after them.
async fn look_at_fields(
    ports: &EnginePorts,
    organization: OrganizationId,
    version: EmailVersionId,
    members: &[ContactId],
    seen: &mut Preflight,
) -> Result<(), StoreError> {
    let stored = ports.store.emails().find_version(organization, version);
    let stored = stored.await?;
    let stored = stored.ok_or_else(|| StoreError::corrupt("email", "it has no content"))?;
    let fields = stored.compiled.contact_fields();
    let shows_owner = stored.compiled.shows_owner();
    if (fields.is_empty() && !shows_owner) || members.is_empty() {
        return Ok(());
    }
    let recipients = ports.directory.recipients(organization, members).await?;
    seen.fields_of = recipients.len() as u64;
    for field in fields {
        let empty = recipients
            .iter()
            .filter(|one| is_empty(one.fields.get(&field)))
            .count() as u64;
        if empty > 0 {
            seen.empty_fields.push((field, empty));
        }
    }
    let ownerless = recipients.iter().filter(|one| one.owner_id.is_none());
    let ownerless = ownerless.count() as u64;
    if shows_owner && ownerless > 0 {
        seen.empty_fields.push(("owner".to_owned(), ownerless));
    }
    Ok(())
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight() -> Preflight {
        Preflight {
            size: 40_000,
            readiness: Readiness::Ready,
            looked_at: 20_000,
            is_whole: false,
            seen_reachable: 10_000,
            seen_left_out: [(SkipReason::Suppressed, 10_000)].into(),
            empty_fields: Vec::new(),
            fields_of: 0,
            limits: SendingLimits::default(),
            pace: None,
            sender: Sender {
                address: None,
                signed_by: None,
                must_be_signed: false,
            },
            zones: BTreeMap::new(),
        }
    }

    #[test]
    fn a_part_is_scaled_up_to_the_whole() {
        let mut flight = flight();
        assert!(flight.is_estimate());
        assert_eq!(
            (flight.reachable(), flight.left_out_total()),
            (20_000, 20_000)
        );
        assert_eq!(flight.left_out()[&SkipReason::Suppressed], 20_000);
        flight.is_whole = true;
        assert_eq!(
            (flight.reachable(), flight.left_out_total()),
            (10_000, 10_000)
        );
        assert_eq!(flight.left_out()[&SkipReason::Suppressed], 10_000);
    }

    #[test]
    fn the_time_is_that_of_those_who_get_it() {
        let mut flight = flight();
        assert_eq!(flight.seconds(), None);
        flight.limits.per_second = Some(100.0);
        assert_eq!(flight.seconds(), Some(200));
        assert_eq!(flight.seconds_as_before(), None);
        flight.pace = Some(40.0);
        assert_eq!(flight.seconds_as_before(), Some(500));
    }

    #[test]
    fn a_finished_send_of_a_fair_size_tells_how_fast_mail_goes() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (began, ended) = (at("2027-01-31T09:00:00Z"), at("2027-01-31T09:00:10Z"));
        let id = uuid::Uuid::from_u128;
        let new = crate::sending::NewSendJob {
            id: mauntic_core::SendJobId::from_uuid(id(1)),
            organization_id: OrganizationId::from_uuid(id(2)),
            email_id: EmailId::from_uuid(id(3)),
            email_version_id: EmailVersionId::from_uuid(id(4)),
            segment_id: SegmentId::from_uuid(id(5)),
            lane: crate::sending::Lane::Bulk,
            scheduled_at: began,
            local_time: None,
            made_by: mauntic_core::Principal::System,
        };
        let mut job = SendJob::new(new, began);
        let mut tally = Tally::default();
        (tally.accepted, tally.refused) = (390, 10);
        job.planned_up_to(None, began);
        assert_eq!(pace_of(&job, &tally), None, "it is not over");
        job.finish(ended);
        assert_eq!(pace_of(&job, &tally), Some(40.0));
        let local = LocalTime {
            time: "2027-01-31T09:00:00".parse().unwrap(),
            fallback: "Europe/Oslo".parse().unwrap(),
        };
        job.local_time = Some(local);
        assert_eq!(pace_of(&job, &tally), None, "it waited for clocks");
        job.local_time = None;
        job.finished_at = Some(began + FAIR_TIME);
        assert!(pace_of(&job, &tally).is_some());
        job.finished_at = Some(began + FAIR_TIME + TimeDelta::seconds(1));
        assert_eq!(pace_of(&job, &tally), None, "it may have tried again");
        job.finished_at = Some(ended);
        tally.accepted = 10;
        assert_eq!(pace_of(&job, &tally), None, "it is small");
    }

    #[test]
    fn a_local_time_comes_zone_by_zone() {
        let local = LocalTime {
            time: "2027-01-31T09:00:00".parse().unwrap(),
            fallback: "Europe/Oslo".parse().unwrap(),
        };
        let zone = |name: &str| Some(name.parse().unwrap());
        let mut flight = flight();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2027-01-31T00:30:00Z");
        assert_eq!(flight.by_local_time(&local, now), None);
        flight.zones = [
            (None, 5),
            (zone("Asia/Tokyo"), 2),
            (zone("America/New_York"), 3),
        ]
        .into();
        let outlook = LocalOutlook {
            first: now,
            last: at("2027-01-31T14:00:00Z"),
            // Half of them were looked at.
            without_zone: 10,
            over: 4,
        };
        assert_eq!(flight.by_local_time(&local, now), Some(outlook));
    }
}
