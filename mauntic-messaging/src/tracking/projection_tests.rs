use chrono::TimeDelta;
use mauntic_core::{ContactId, HitId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tracking::Firsts;

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1) + TimeDelta::milliseconds(millis)
}

fn organization() -> OrganizationId {
    OrganizationId::from_uuid(Uuid::from_u128(1))
}

fn hit(id: u128, delivery: u128, link: Option<u16>, millis: i64) -> Hit {
    Hit {
        organization_id: organization(),
        id: HitId::from_uuid(Uuid::from_u128(id)),
        delivery_id: DeliveryId::from_uuid(Uuid::from_u128(delivery)),
        version_id: EmailVersionId::from_uuid(Uuid::from_u128(4)),
        kind: if link.is_some() {
            HitKind::Click
        } else {
            HitKind::Open
        },
        link,
        at: at(millis),
        network: None,
        user_agent: None,
        reasons: Vec::new(),
    }
}

fn engaged(delivery: u128) -> Engaged {
    Engaged {
        organization_id: organization(),
        delivery_id: DeliveryId::from_uuid(Uuid::from_u128(delivery)),
        email_id: EmailId::from_uuid(Uuid::from_u128(3)),
        contact_id: ContactId::from_uuid(Uuid::from_u128(delivery)),
        domain: "example.com".to_owned(),
        accepted_at: Some(DateTime::UNIX_EPOCH),
        firsts: Firsts::default(),
    }
}

fn counts(projection: &Projection) -> Vec<(Metric, bool, i64)> {
    let counts = projection.counts.iter();
    counts
        .map(|count| (count.metric, count.machine, count.n))
        .collect()
}

#[test]
fn a_human_click_opens_and_counts_once() {
    let hits = vec![hit(1, 9, Some(0), 0), hit(2, 9, Some(0), 60_000)];
    let projection = project(hits, vec![engaged(9)], &[], &VerdictRules::default());
    assert_eq!(
        counts(&projection),
        [
            (Metric::Opened, false, 1),
            (Metric::Clicked, false, 1),
            (Metric::Clicks, false, 2)
        ]
    );
    assert_eq!(
        (projection.links[0].clicks, projection.links[0].clicked),
        (2, 1)
    );
    let clicked: Vec<_> = projection.clicked.values().flatten().collect();
    assert_eq!(
        (clicked.len(), clicked[0].count, clicked[0].first),
        (1, 2, true)
    );
    assert_eq!(projection.engaged[0].firsts.human_open, Some(at(0)));
    let followed: Vec<_> = projection
        .followed
        .iter()
        .map(|one| (one.link, one.at))
        .collect();
    assert_eq!(followed, [(0, at(0))]);
    let domains: Vec<_> = projection.domains.into_iter().collect();
    assert_eq!(domains.len(), 1);
    assert_eq!(domains[0].0.domain, "example.com");
    assert_eq!((domains[0].1.opened, domains[0].1.clicked), (1, 1));
}

#[test]
fn a_click_before_the_acceptance_is_a_machines_and_opens_nothing() {
    let early = Engaged {
        accepted_at: Some(at(1_000)),
        ..engaged(9)
    };
    let projection = project(
        vec![hit(1, 9, Some(0), 0)],
        vec![early],
        &[],
        &VerdictRules::default(),
    );
    assert_eq!(
        counts(&projection),
        [(Metric::Clicked, true, 1), (Metric::Clicks, true, 1)]
    );
    assert!(projection.domains.is_empty(), "people alone count there");
    assert!(projection.followed[0].machine);
    assert_eq!(projection.settled[0].reasons, [Reason::TooEarly]);
}

#[test]
fn a_burst_is_seen_over_two_batches() {
    let clicks = |link, millis| EarlierClick {
        organization_id: organization(),
        delivery_id: DeliveryId::from_uuid(Uuid::from_u128(9)),
        link,
        machine: true,
        last_at: at(millis),
    };
    let earlier = [clicks(1, 0), clicks(2, 100)];
    let projection = project(
        vec![hit(3, 9, Some(3), 200)],
        vec![engaged(9)],
        &earlier,
        &VerdictRules::default(),
    );
    assert_eq!(projection.settled[0].reasons, [Reason::Burst]);
}

#[test]
fn hits_of_a_delivery_that_is_gone_are_settled_and_not_counted() {
    let projection = project(
        vec![hit(1, 9, None, 0)],
        Vec::new(),
        &[],
        &VerdictRules::default(),
    );
    assert_eq!(projection.settled.len(), 1);
    assert_eq!(counts(&projection), []);
    assert!(projection.opened.is_empty());
}

proptest! {
    /// However hits are cut into batches, nothing is counted twice or lost.
    #[test]
    fn batches_add_up(
        hits in prop::collection::vec((0_u128..4, prop::option::of(0_u16..2), 0_i64..1_000_000), 0..40),
        cut in 0_usize..40,
    ) {
        // Two links are never a burst, so verdicts do not depend on the batch.
        let mut hits: Vec<_> = hits
            .into_iter()
            .enumerate()
            .map(|(id, (delivery, link, millis))| hit(id as u128 + 100, delivery, link, millis))
            .collect();
        hits.sort_by_key(|hit| (hit.at, hit.id));
        let all: Vec<_> = (0..4).map(engaged).collect();
        let rules = VerdictRules::default();
        let whole = project(hits.clone(), all.clone(), &[], &rules);

        let (first, second) = hits.split_at(cut.min(hits.len()));
        let one = project(first.to_vec(), all.clone(), &[], &rules);
        let between: Vec<_> = all
            .into_iter()
            .map(|was| one.engaged.iter().find(|now| now.delivery_id == was.delivery_id).cloned().unwrap_or(was))
            .collect();
        let earlier: Vec<_> = first
            .iter()
            .filter_map(|hit| Some(EarlierClick {
                organization_id: hit.organization_id,
                delivery_id: hit.delivery_id,
                link: hit.link?,
                machine: false,
                last_at: hit.at,
            }))
            .collect();
        let two = project(second.to_vec(), between, &earlier, &rules);

        let sum = |metric: Metric, parts: &[&Projection]| -> i64 {
            let counts = parts.iter().flat_map(|part| &part.counts);
            counts.filter(|count| count.metric == metric).map(|count| count.n).sum()
        };
        for metric in Metric::ALL {
            prop_assert_eq!(sum(metric, &[&whole]), sum(metric, &[&one, &two]), "{:?}", metric);
        }
        let unique = |parts: &[&Projection]| -> i64 {
            parts.iter().flat_map(|part| &part.links).map(|link| link.clicked).sum()
        };
        prop_assert_eq!(unique(&[&whole]), unique(&[&one, &two]));
        prop_assert_eq!(whole.settled.len(), hits.len());
    }
}
