use std::collections::BTreeMap;

use mauntic_core::{EmailId, OrganizationId};

use super::{Changed, Delivery, DeliveryState, SendJobRef, SkipReason, Tally};

/// The recipients of an email at one domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainRef {
    /// Whose email.
    pub organization_id: OrganizationId,
    /// Which email.
    pub email_id: EmailId,
    /// The domain of their addresses; empty for those without one.
    pub domain: String,
}

/// What to add to the counters of an email at a domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DomainTally {
    /// Messages to be sent there.
    pub planned: i64,
    /// Messages that it took.
    pub accepted: i64,
    /// Messages that it refused for good.
    pub refused: i64,
    /// Messages that it refused for now.
    pub deferred: i64,
    /// Deliveries that a person opened.
    pub opened: i64,
    /// Deliveries that a person clicked in.
    pub clicked: i64,
}

/// What to add to counters: those of sends, and those of emails at the domains of their recipients. Both follow from
/// the changes to deliveries, and are written in their transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By send.
    pub sends: BTreeMap<SendJobRef, Tally>,
    /// By recipient domain.
    pub domains: BTreeMap<DomainRef, DomainTally>,
}

impl Counts {
    /// Counts somebody of the audience as planned, or as left out for a reason.
    pub fn plan(&mut self, job: SendJobRef, at: DomainRef, reason: Option<SkipReason>) {
        let tally = self.sends.entry(job).or_default();
        if let Some(reason) = reason {
            tally.skip(reason, 1);
        } else {
            tally.planned += 1;
            self.domains.entry(at).or_default().planned += 1;
        }
    }

    /// Counts deliveries that went to another state; `reason` says why if they were left out.
    pub fn change<'a>(
        &mut self,
        changed: impl IntoIterator<Item = &'a Changed>,
        to: DeliveryState,
        reason: Option<SkipReason>,
    ) {
        for one in changed {
            let change = change(one.from, one.deferrals, to, reason);
            let domain = one.address.as_ref().map_or("", |address| address.domain());
            let of = self.domains.entry(DomainRef {
                organization_id: one.delivery.organization_id,
                email_id: one.email_id,
                domain: domain.to_owned(),
            });
            of.or_default().add(&change);
            self.sends.entry(one.job).or_default().merge(&change);
        }
    }

    /// Counts a leased delivery at the domain of its new address. `delivery` still has the old one.
    pub fn readdress(&mut self, delivery: &Delivery, domain: &str) {
        let was = delivery
            .address
            .as_ref()
            .map_or("", |address| address.domain());
        for (domain, by) in [(was, -1), (domain, 1)] {
            let of = self.domains.entry(DomainRef {
                organization_id: delivery.organization_id,
                email_id: delivery.email_id,
                domain: domain.to_owned(),
            });
            let of = of.or_default();
            of.planned += by;
            of.deferred += if delivery.deferrals > 0 { by } else { 0 };
        }
    }

    /// What is added to a send.
    #[must_use]
    pub fn of(&self, job: &SendJobRef) -> Tally {
        self.sends.get(job).cloned().unwrap_or_default()
    }
}

impl DomainTally {
    fn add(&mut self, change: &Tally) {
        self.planned += change.planned;
        self.accepted += change.accepted;
        self.refused += change.refused;
        self.deferred += change.deferred;
    }
}

/// How the counters of a send change when a delivery goes to another state.
fn change(
    from: DeliveryState,
    deferrals: u32,
    to: DeliveryState,
    reason: Option<SkipReason>,
) -> Tally {
    let mut tally = Tally::default();
    if let Some(counter) = counter(&mut tally, from, deferrals) {
        *counter -= 1;
    }
    if to == DeliveryState::Skipped {
        tally.planned -= 1;
        if let Some(reason) = reason {
            tally.skip(reason, 1);
        }
        return tally;
    }
    let deferrals = deferrals + u32::from(to == DeliveryState::Deferred);
    if let Some(counter) = counter(&mut tally, to, deferrals) {
        *counter += 1;
    }
    tally
}

/// The counter that a delivery is in besides `planned`; none for those that wait and were never deferred.
fn counter(tally: &mut Tally, state: DeliveryState, deferrals: u32) -> Option<&mut i64> {
    match state {
        DeliveryState::Accepted => Some(&mut tally.accepted),
        DeliveryState::Refused => Some(&mut tally.refused),
        DeliveryState::Unknown => Some(&mut tally.unknown),
        _ if deferrals > 0 => Some(&mut tally.deferred),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mauntic_core::{ContactId, DeliveryId, SendJobId};
    use uuid::Uuid;

    use super::{
        super::{DeliveryRef, Lane},
        *,
    };

    fn organization() -> OrganizationId {
        OrganizationId::from_uuid(Uuid::from_u128(1))
    }

    fn job() -> SendJobRef {
        SendJobRef {
            organization_id: organization(),
            id: SendJobId::from_uuid(Uuid::from_u128(1)),
        }
    }

    fn at(domain: &str) -> DomainRef {
        DomainRef {
            organization_id: organization(),
            email_id: EmailId::from_uuid(Uuid::from_u128(1)),
            domain: domain.to_owned(),
        }
    }

    fn changed(from: DeliveryState, deferrals: u32) -> Changed {
        let id = Uuid::from_u128(1);
        Changed {
            delivery: DeliveryRef {
                organization_id: organization(),
                id: DeliveryId::from_uuid(id),
            },
            job: job(),
            email_id: EmailId::from_uuid(id),
            contact_id: ContactId::from_uuid(id),
            address: Some("ann@example.com".parse().unwrap()),
            lane: Lane::Bulk,
            from,
            deferrals,
        }
    }

    #[test]
    fn the_counters_follow_the_states() {
        use DeliveryState::{Accepted, Deferred, HandedOver, Leased, Planned, Skipped, Unknown};

        let expect = |from, deferrals, to, expected: &[(&str, i64)]| {
            let mut counts = Counts::default();
            counts.change(&[changed(from, deferrals)], to, Some(SkipReason::Deleted));
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            assert_eq!(counts.of(&job()).entries(), expected, "{from} → {to}");
            let of = counts.domains[&at("example.com")];
            let number = |wanted: &str| {
                let found = expected.iter().find(|(name, _)| name == wanted);
                found.map_or(0, |(_, count)| *count)
            };
            assert_eq!(
                (of.planned, of.accepted, of.deferred),
                (number("planned"), number("accepted"), number("deferred"))
            );
        };
        expect(HandedOver, 0, Accepted, &[("accepted", 1)]);
        expect(
            HandedOver,
            2,
            Accepted,
            &[("accepted", 1), ("deferred", -1)],
        );
        expect(HandedOver, 0, Deferred, &[("deferred", 1)]);
        expect(HandedOver, 1, Deferred, &[]);
        expect(HandedOver, 0, Planned, &[]);
        expect(Unknown, 0, Accepted, &[("accepted", 1), ("unknown", -1)]);
        expect(Unknown, 3, Planned, &[("deferred", 1), ("unknown", -1)]);
        let skipped = [("planned", -1), ("skipped:deleted", 1)];
        expect(Leased, 0, Skipped, &skipped);
        let skipped = [("planned", -1), ("deferred", -1), ("skipped:deleted", 1)];
        expect(Planned, 1, Skipped, &skipped);
    }

    #[test]
    fn a_plan_counts_at_the_domains_of_those_who_get_it() {
        let mut counts = Counts::default();
        counts.plan(job(), at("example.com"), None);
        counts.plan(job(), at("example.com"), None);
        counts.plan(job(), at("example.org"), Some(SkipReason::Suppressed));
        assert_eq!(counts.of(&job()).planned, 2);
        assert_eq!(counts.domains.len(), 1);
        assert_eq!(counts.domains[&at("example.com")].planned, 2);
    }
}
