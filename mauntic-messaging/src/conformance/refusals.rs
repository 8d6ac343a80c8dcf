//! Who stands behind refusals, and behind the numbers of one recipient domain.

use std::sync::Arc;

use mauntic_core::{ContactId, OrganizationId, PageSize, SegmentId, UuidV7Source};

use super::fixture::World;
use crate::{
    MessagingStore,
    sending::{BounceClass, DeliveryState, Outcome},
    token::Purpose,
    tracking::{AtDomain, Behind},
};

/// A refusal is counted by its class and at the domain, and leads to whom it was about.
///
/// # Panics
/// If the store does not do so.
pub async fn refusals_and_domains_lead_to_people(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let mut taken = world.deliver(&email, 3).await;
    taken.sort();
    let refused = Outcome {
        state: DeliveryState::Refused,
        class: Some(BounceClass::Hard),
        reply: "550 5.1.1 no such user".to_owned(),
        retry_at: None,
        slow_down: false,
    };
    let to: Vec<_> = ["nobody@example.net", "gone@example.net"]
        .map(|address| (ContactId::generate(&UuidV7Source), address.to_owned()))
        .to_vec();
    let segment = SegmentId::generate(&UuidV7Source);
    let mut lost = world.attempt(segment, &email, &to, &refused).await;
    lost.sort();
    world.advance(60);
    let open = world.token(taken[1], email.current.id, Purpose::Open);
    world.tracking.open(&open, &world.person()).await.unwrap();
    world.advance(10);
    world.project().await;
    let people = async |organization: OrganizationId, behind: Behind| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (tracking, size) = (world.store.tracking(), PageSize::clamped(1));
            let page = tracking.people(organization, email.email.id, &behind, after, size);
            let page = page.await.unwrap();
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
    };
    let ours = world.organization();
    let ids = async |behind: Behind| {
        let people = people(ours, behind).await;
        let ids = people.iter().map(|person| person.delivery_id);
        ids.collect::<Vec<_>>()
    };
    let hard = people(ours, Behind::Bounced("hard".to_owned())).await;
    assert_eq!(hard.len(), 2);
    for person in &hard {
        assert!(lost.contains(&person.delivery_id));
        assert_eq!(person.bounce_class.as_deref(), Some("hard"));
        assert_eq!(person.reply.as_deref(), Some("550 5.1.1 no such user"));
    }
    assert_eq!(ids(Behind::Bounced("soft".to_owned())).await, []);
    let at = |of, domain: &str| Behind::Domain {
        of,
        domain: domain.to_owned(),
    };
    let (accepted, refused) = (
        AtDomain::State(DeliveryState::Accepted),
        AtDomain::State(DeliveryState::Refused),
    );
    assert_eq!(ids(at(AtDomain::Planned, "example.com")).await, taken);
    assert_eq!(ids(at(accepted, "example.com")).await, taken);
    assert_eq!(ids(at(refused, "example.com")).await, []);
    assert_eq!(ids(at(AtDomain::Opened, "example.com")).await, [taken[1]]);
    assert_eq!(ids(at(AtDomain::Clicked, "example.com")).await, []);
    assert_eq!(ids(at(AtDomain::Planned, "example.net")).await, lost);
    assert_eq!(ids(at(refused, "example.net")).await, lost);
    assert_eq!(ids(at(AtDomain::Opened, "example.net")).await, []);
    for domain in ["", "net", "example.org"] {
        assert_eq!(ids(at(AtDomain::Planned, domain)).await, [], "{domain}");
    }
    let domains = world.tracking.domains(&world.owner, email.email.id).await;
    let domains = domains.unwrap();
    let counted: Vec<_> = domains
        .iter()
        .map(|of| (of.domain.as_str(), of.planned, of.refused, of.opened))
        .collect();
    assert_eq!(
        counted,
        [("example.com", 3, 0, 1), ("example.net", 2, 2, 0)]
    );
    let report = world.tracking.report(&world.owner, email.email.id).await;
    assert_eq!(report.unwrap().bounced, [("hard".to_owned(), 2)].into());
    let theirs = OrganizationId::generate(&UuidV7Source);
    for behind in [
        Behind::Bounced("hard".to_owned()),
        at(AtDomain::Planned, "example.com"),
        at(AtDomain::Opened, "example.com"),
    ] {
        assert_eq!(people(theirs, behind).await, []);
    }
}
