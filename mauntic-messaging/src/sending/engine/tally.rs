use std::collections::BTreeMap;

use super::super::{Changed, DeliveryState, SendJobRef, SkipReason, Tally};

/// How the counters of a send change when a delivery goes to another state.
pub(in crate::sending) fn change(
    changed: &Changed,
    to: DeliveryState,
    reason: Option<SkipReason>,
) -> Tally {
    let mut tally = Tally::default();
    let deferred_now = to == DeliveryState::Deferred;
    let deferrals = changed.deferrals + u32::from(deferred_now);
    *counter(&mut tally, changed.from, changed.deferrals) -= 1;
    if to == DeliveryState::Skipped {
        tally.planned -= 1;
        if let Some(reason) = reason {
            tally.skip(reason, 1);
        }
    } else {
        *counter(&mut tally, to, deferrals) += 1;
    }
    // Waiting ones are counted with the planned ones alone, which was used as a place to write to.
    tally.planned = if to == DeliveryState::Skipped { -1 } else { 0 };
    tally
}

/// The counter that a delivery is in besides `planned`; for those that wait and were never deferred
/// there is none, and `planned` stands in.
fn counter(tally: &mut Tally, state: DeliveryState, deferrals: u32) -> &mut i64 {
    match state {
        DeliveryState::Accepted => &mut tally.accepted,
        DeliveryState::Refused => &mut tally.refused,
        DeliveryState::Unknown => &mut tally.unknown,
        _ if deferrals > 0 => &mut tally.deferred,
        _ => &mut tally.planned,
    }
}

/// Adds up changes by send.
pub(in crate::sending) fn merge(
    changes: impl IntoIterator<Item = (SendJobRef, Tally)>,
) -> BTreeMap<SendJobRef, Tally> {
    let mut sums: BTreeMap<SendJobRef, Tally> = BTreeMap::new();
    for (job, change) in changes {
        let sum = sums.entry(job).or_default();
        for (name, count) in change.entries() {
            sum.add(&name, count);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use mauntic_core::{ContactId, DeliveryId, EmailId, OrganizationId, SendJobId};
    use uuid::Uuid;

    use super::{
        super::super::{DeliveryRef, Lane},
        *,
    };

    fn changed(from: DeliveryState, deferrals: u32) -> Changed {
        let id = Uuid::from_u128(1);
        let organization_id = OrganizationId::from_uuid(id);
        Changed {
            delivery: DeliveryRef {
                organization_id,
                id: DeliveryId::from_uuid(id),
            },
            job: SendJobRef {
                organization_id,
                id: SendJobId::from_uuid(id),
            },
            email_id: EmailId::from_uuid(id),
            contact_id: ContactId::from_uuid(id),
            address: None,
            lane: Lane::Bulk,
            from,
            deferrals,
        }
    }

    fn entries(tally: &Tally) -> Vec<(String, i64)> {
        tally.entries()
    }

    #[test]
    fn the_counters_follow_the_states() {
        use DeliveryState::{Accepted, Deferred, HandedOver, Leased, Planned, Skipped, Unknown};

        let expect = |from, deferrals, to, expected: &[(&str, i64)]| {
            let tally = change(&changed(from, deferrals), to, Some(SkipReason::Deleted));
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            assert_eq!(entries(&tally), expected, "{from} → {to}");
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
}
