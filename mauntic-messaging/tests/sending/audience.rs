//! Who gets a message and who is left out, and who may see their addresses.

use mauntic_core::{
    Actor, ApiTokenId, PageSize, Permission, Role, UuidV7Source,
    storage::test_database::TestDatabase,
};
use mauntic_messaging::{
    Readiness,
    sending::{DeliveryState, JobState, SkipReason},
    transport::SendingLimits,
};

use crate::support::{Sink, World, segment};

on_both!(
    everybody_gets_it_once_or_is_left_out_for_a_reason,
    addresses_show_only_to_who_may_read_contacts,
    a_look_before_a_send_is_scaled_up_to_the_whole_segment,
    what_changed_since_the_plan_counts,
);

async fn everybody_gets_it_once_or_is_left_out_for_a_reason(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(300);
    world.people.add(1_001, None, false);
    world.people.add(1_002, Some("no@example.com"), true);
    world.people.add(1_003, Some("P1@example.com"), false);
    world.people.add(1_004, Some("broken@example.com"), false);
    let first = world.create(1).await;
    let status = world.run_to_the_end(first).await;
    assert_eq!(status.job.state, JobState::Completed);
    let tally = status.tally;
    assert_eq!((tally.planned, tally.accepted), (300, 300));
    let reasons: Vec<_> = tally.skipped.into_iter().collect();
    assert_eq!(
        reasons,
        [
            (SkipReason::DoNotContact, 1),
            (SkipReason::MissingAddress, 1),
            (SkipReason::DuplicateAddress, 1),
            (SkipReason::NotRenderable, 1),
        ]
    );
    assert_eq!(world.sink.total(), 300);
    assert!(world.sink.taken().values().all(|count| *count == 1));
    let page = world.service.deliveries(
        &world.actor,
        first,
        Some(DeliveryState::Skipped),
        None,
        PageSize::clamped(10),
    );
    let page = page.await.unwrap();
    let reason = Some(SkipReason::NotRenderable);
    let broken = page.items.iter().find(|one| one.skip_reason == reason);
    assert_eq!(
        broken.unwrap().reply.as_deref(),
        Some("nothing to greet"),
        "it is told what was wrong"
    );

    assert_eq!(
        at_domains(&world).await,
        [("example.com".to_owned(), 300, 300)]
    );

    // A second send of the same email reaches only who is new.
    world.people.add(2_000, Some("new@example.com"), false);
    let second = world.create(1).await;
    let tally = world.run_to_the_end(second).await.tally;
    assert_eq!(tally.accepted, 1);
    assert_eq!(tally.skipped[&SkipReason::AlreadySent], 300);
    assert_eq!(world.sink.total(), 301);
}

/// What was planned and accepted at each recipient domain of the first email.
async fn at_domains(world: &World) -> Vec<(String, u64, u64)> {
    let email = mauntic_core::EmailId::from_uuid(uuid::Uuid::from_u128(1));
    let tracking = world.ports.store.tracking();
    let domains = tracking.domains(world.actor.organization_id(), email, 10);
    let domains = domains.await.unwrap().into_iter();
    domains
        .map(|of| (of.domain, of.planned, of.accepted))
        .collect()
}

async fn addresses_show_only_to_who_may_read_contacts(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(3);
    let id = world.create(1).await;
    world.run_to_the_end(id).await;
    for (scopes, shown) in [
        (vec![Permission::EmailsRead], 0),
        (vec![Permission::EmailsRead, Permission::ContactsRead], 3),
    ] {
        let token = ApiTokenId::generate(&UuidV7Source);
        let organization = world.actor.organization_id();
        let scopes = scopes.into_iter().collect();
        let actor = Actor::token(organization, token, Role::Owner, scopes);
        let page = world
            .service
            .deliveries(&actor, id, None, None, PageSize::default());
        let page = page.await.unwrap();
        assert_eq!(page.items.len(), 3);
        let addresses = page.items.iter().filter(|one| one.address.is_some());
        assert_eq!(addresses.count(), shown);
        let replies = page.items.iter().filter(|one| one.reply.is_some());
        assert_eq!(replies.count(), shown);
    }
}

async fn a_look_before_a_send_is_scaled_up_to_the_whole_segment(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    for number in 1..=2_500_u128 {
        let address = (number % 4 != 0).then(|| format!("p{number}@example.com"));
        world.people.add(number, address.as_deref(), false);
    }
    let email = world.email_with_content(1).await;
    let whole = world.service.preflight(&world.actor, email, segment(1));
    let whole = whole.await.unwrap();
    assert!(!whole.is_estimate());
    assert_eq!((whole.looked_at, whole.reachable()), (2_500, 1_875));
    assert_eq!(whole.left_out()[&SkipReason::MissingAddress], 625);
    assert_eq!(whole.readiness, Readiness::Ready);

    world
        .people
        .behind(segment(1), Some(Readiness::AwaitsChanges));
    let service = world.service.clone().looking_at(1_000);
    let part = service.preflight(&world.actor, email, segment(1)).await;
    let part = part.unwrap();
    assert!(part.is_estimate());
    assert_eq!((part.size, part.looked_at), (2_500, 1_000));
    assert_eq!((part.reachable(), part.left_out_total()), (1_875, 625));
    assert_eq!(part.left_out()[&SkipReason::MissingAddress], 625);
    assert_eq!(part.readiness, Readiness::AwaitsChanges);
}

async fn what_changed_since_the_plan_counts(database: TestDatabase) {
    let world = World::new(database, Sink::accepting()).await;
    world.people.crowd(10);
    let id = world.create(1).await;
    // Plan without sending: the send is paused as soon as it is planned.
    let limits = SendingLimits {
        per_second: Some(0.001),
        ..SendingLimits::default()
    };
    *world.sink.limits.lock().unwrap() = limits;
    world
        .run_until(id, |status| status.tally.accepted == 1)
        .await;
    let sent = world.sink.taken().into_keys().next().unwrap();
    assert_eq!(sent, "p1@example.com");
    world.people.remove(2);
    world.people.add(3, Some("p3@example.com"), true);
    world.people.add(4, None, false);
    world.people.add(5, Some("moved@example.org"), false);
    world.people.add(6, Some("p7@example.com"), false);
    *world.sink.limits.lock().unwrap() = SendingLimits::default();
    let tally = world.run_to_the_end(id).await.tally;
    for reason in [
        SkipReason::Deleted,
        SkipReason::DoNotContact,
        SkipReason::MissingAddress,
        SkipReason::DuplicateAddress,
    ] {
        assert_eq!(tally.skipped[&reason], 1, "{reason:?}");
    }
    assert_eq!((tally.planned, tally.accepted), (6, 6));
    let taken = world.sink.taken();
    assert!(taken.contains_key("moved@example.org"));
    let domains = [
        ("example.com".to_owned(), 5, 5),
        ("example.org".to_owned(), 1, 1),
    ];
    assert_eq!(at_domains(&world).await, domains);
}
