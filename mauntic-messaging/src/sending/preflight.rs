//! What will become of a send, told before it is made.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use mauntic_core::{
    EmailId, EmailVersionId, OrganizationId, PageSize, SegmentId, StoreError, TimeZoneName,
};
use serde_json::Value;

use super::{EnginePorts, LocalTime, Sender, SkipReason, service::cannot_send};
use crate::{MessagingError, transport::SendingLimits};

/// Most members that are looked at: what is told of a larger segment is told of its first ones.
const LOOK_AT: u64 = 20_000;
/// Most members whose fields are looked at.
const READ_FIELDS: u64 = 1_000;

/// What will become of a send, as far as it can be known before.
#[derive(Debug, Clone, PartialEq)]
pub struct Preflight {
    /// How many are in the segment.
    pub size: u64,
    /// How many of them were looked at.
    pub looked_at: u64,
    /// How many of those would get a message.
    pub reachable: u64,
    /// How many of those would be left out, by reason.
    pub left_out: BTreeMap<SkipReason, u64>,
    /// Fields that the email shows, with how many of the first members do not have them.
    pub empty_fields: Vec<(String, u64)>,
    /// How many members the empty fields were counted among.
    pub fields_of: u64,
    /// How fast mail may go.
    pub limits: SendingLimits,
    /// Whom it is from, and whether anything signs it.
    pub sender: Sender,
    /// In which zones those live who would get a message, as far as it is known.
    pub zones: BTreeMap<Option<TimeZoneName>, u64>,
}

/// When those who were looked at get a message that goes by their own clocks.
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
            without_zone: self.zones.get(&None).copied().unwrap_or_default(),
            over: instants
                .filter(|(at, _)| *at < now)
                .map(|(_, people)| people)
                .sum(),
        })
    }

    /// How many seconds the send takes at the least, if its speed is limited: of the whole segment, with the same share
    /// left out.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        let rate = self.limits.per_second?;
        let share = if self.looked_at == 0 {
            1.0
        } else {
            number(self.reachable) / number(self.looked_at)
        };
        let seconds = number(self.size) * share / rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float stops at the ends of the range"
        )]
        Some(seconds.ceil() as u64)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of people is far below the limit"
)]
fn number(count: u64) -> f64 {
    count as f64
}

/// Looks at the audience as the planner will.
pub(super) async fn look(
    ports: &EnginePorts,
    organization: OrganizationId,
    (email, version): (EmailId, EmailVersionId),
    segment: SegmentId,
) -> Result<Preflight, MessagingError> {
    let size = ports.audience.size(organization, segment).await?;
    let sender = ports.builder.sender(organization, version).await;
    let mut seen = Preflight {
        size: size.ok_or(MessagingError::NotFound { what: "segment" })?,
        looked_at: 0,
        reachable: 0,
        left_out: BTreeMap::new(),
        empty_fields: Vec::new(),
        fields_of: 0,
        limits: ports.transports.of(organization).await?.limits,
        sender: sender.map_err(cannot_send)?,
        zones: BTreeMap::new(),
    };
    let mut addresses = HashSet::new();
    let mut first = Vec::new();
    let mut after = None;
    let page_size = u64::from(PageSize::MAX);
    while seen.looked_at < LOOK_AT {
        let audience = &ports.audience;
        let members = audience.members(organization, segment, after, page_size);
        let members = members.await?;
        let Some(last) = members.last() else { break };
        after = Some(last.contact_id);
        let keys: Vec<_> = members
            .iter()
            .filter_map(|member| member.address.as_ref())
            .map(mauntic_core::EmailAddress::key)
            .collect();
        let ids: Vec<_> = members.iter().map(|member| member.contact_id).collect();
        let store = &ports.store;
        let suppressed = store.suppressions().filter_suppressed(organization, &keys);
        let suppressed = suppressed.await?;
        let left = store
            .suppressions()
            .filter_left(organization, segment, &keys);
        let left = left.await?;
        let sent = store
            .sends()
            .already_sent(organization, email, &ids)
            .await?;
        let full = members.len() as u64 == page_size;
        for member in members {
            seen.looked_at += 1;
            let key = member.address.as_ref().map(mauntic_core::EmailAddress::key);
            // In the order in which the planner decides.
            let reason = match key {
                _ if sent.contains(&member.contact_id) => Some(SkipReason::AlreadySent),
                _ if member.do_not_contact => Some(SkipReason::DoNotContact),
                None => Some(SkipReason::MissingAddress),
                Some(key) if suppressed.contains(&key) => Some(SkipReason::Suppressed),
                Some(key) if left.contains(&key) => Some(SkipReason::LeftList),
                Some(key) if !addresses.insert(key.clone()) => Some(SkipReason::DuplicateAddress),
                Some(_) => None,
            };
            if let Some(reason) = reason {
                *seen.left_out.entry(reason).or_default() += 1;
            } else {
                seen.reachable += 1;
                *seen.zones.entry(member.timezone).or_default() += 1;
            }
            if reason.is_none() && (first.len() as u64) < READ_FIELDS {
                first.push(member.contact_id);
            }
        }
        if !full {
            break;
        }
    }
    let stored = ports.store.emails().find_version(organization, version);
    let stored = stored.await?;
    let stored = stored.ok_or_else(|| StoreError::corrupt("email", "it has no content"))?;
    let fields = stored.compiled.contact_fields();
    if !fields.is_empty() && !first.is_empty() {
        let recipients = ports.directory.recipients(organization, &first).await?;
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
    }
    Ok(seen)
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
            looked_at: 20_000,
            reachable: 10_000,
            left_out: BTreeMap::new(),
            empty_fields: Vec::new(),
            fields_of: 0,
            limits: SendingLimits::default(),
            sender: Sender {
                address: None,
                signed_by: None,
                must_be_signed: false,
            },
            zones: BTreeMap::new(),
        }
    }

    #[test]
    fn the_time_is_that_of_those_who_get_it() {
        let mut flight = flight();
        assert_eq!(flight.seconds(), None);
        flight.limits.per_second = Some(100.0);
        assert_eq!(flight.seconds(), Some(200));
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
            without_zone: 5,
            over: 2,
        };
        assert_eq!(flight.by_local_time(&local, now), Some(outlook));
    }
}
