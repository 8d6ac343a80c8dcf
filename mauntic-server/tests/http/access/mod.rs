//! Every use case of messaging over a whole installation: as every role, as tokens, and from another organisation.
//!
//! `calls` says how each is called, `fixture` what it works on; here is what is asked of all of them.

mod calls;
mod fixture;

use mauntic_core::{
    Actor, IdSource as _, OrganizationId, Role, UseCase, UserId,
    identity::AuditFilter,
    storage::{DbTarget, test_database::FileWatch},
    testing::{
        AccessCase, CountingIds, Reach, Trace, access_cases, assert_access, assert_audited,
        assert_complete, assert_none_elsewhere,
    },
};
use mauntic_messaging::{
    MessagingError,
    audit::AUDITED,
    domain::SendingDomainService,
    email::EmailService,
    sending::SendService,
    suppression::SuppressionService,
    tracking::TrackingService,
    transport::{TransportService, capture::CapturedMailService},
};
use mauntic_server::settle_events;

use self::fixture::Fixture;

fn reach(case: &AccessCase, result: Result<Reach, MessagingError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(MessagingError::Forbidden(_)) => Reach::Forbidden,
        Err(MessagingError::NotFound { .. }) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

async fn check(
    use_cases: &[UseCase],
    call: impl AsyncFn(&Fixture, &str, &Actor) -> Result<Reach, MessagingError>,
) {
    let ids = CountingIds::default();
    let [own, other] = [ids.next(), ids.next()].map(OrganizationId::from_uuid);
    let cases = access_cases(use_cases, own, other, &ids);
    assert_access(&cases, async |case: &AccessCase| {
        let fixture = Fixture::new().await;
        // The same case with the organisations of this installation.
        let cases = access_cases(use_cases, fixture.own, fixture.other, &ids);
        let same = |found: &&AccessCase| found.use_case == case.use_case && found.who == case.who;
        let case = cases.iter().find(same).unwrap();
        reach(case, call(&fixture, case.use_case, &case.actor).await)
    })
    .await;
}

/// What a call by a person did.
async fn traced(
    use_case: String,
    call: impl AsyncFnOnce(&Fixture, &Actor) -> Result<Reach, MessagingError>,
) -> Trace {
    let fixture = Fixture::new().await;
    fixture.prepare(&use_case).await;
    let person = UserId::generate(&mauntic_core::UuidV7Source);
    let person = Actor::user(fixture.own, person, Role::Owner);
    let target = DbTarget::Sqlite(fixture.folder.path().to_owned());
    let watch = FileWatch::of(&target, "messaging").await;
    let before = watch.version().await;
    let reached = call(&fixture, &person).await;
    assert_eq!(reached.ok(), Some(Reach::Allowed), "{use_case}");
    let wrote = watch.version().await != before;
    settle_events(&fixture.app).await.unwrap();
    let filter = AuditFilter {
        by: Some(person.principal()),
        ..AuditFilter::default()
    };
    let identity = &fixture.app.identity;
    let log = identity
        .audit_log(&person, &filter, None, fixture.all)
        .await;
    let entries = log.unwrap().items.into_iter().rev();
    let actions = entries.map(|entry| entry.change.action).collect();
    Trace { wrote, actions }
}

macro_rules! access_tests {
    ($($name:ident: $service:ty, $($place:literal),+;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
                check(<$service>::USE_CASES, async |fixture: &Fixture, use_case: &str, actor: &Actor| {
                    fixture.$name(use_case, actor).await
                })
                .await;
            }

            #[tokio::test]
            async fn what_somebody_changes_is_in_the_audit_log() {
                let (service, list) = (stringify!($name), <$service>::USE_CASES);
                assert_audited(service, list, AUDITED, &[], async |name| {
                    traced(format!("{service}.{name}"), async |fixture: &Fixture, person: &Actor| {
                        fixture.$name(name, person).await
                    })
                    .await
                })
                .await;
            }

            #[test]
            fn every_use_case_is_listed() {
                let places =
                    [$(concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src/", $place)),+];
                assert_complete(<$service>::USE_CASES, &places);
            }
        })*

        #[test]
        fn no_use_case_stands_elsewhere() {
            let places = [
                $($(concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src/", $place)),+),*
            ];
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../mauntic-messaging/src");
            assert_none_elsewhere(source, &places, &[]);
        }
    };
}

access_tests! {
    emails: EmailService, "email/service";
    sends: SendService, "sending/service";
    tracking: TrackingService, "tracking/service.rs", "tracking/unsubscribe.rs";
    transports: TransportService, "transport/service.rs";
    domains: SendingDomainService, "domain/service.rs";
    suppressions: SuppressionService, "suppression/service.rs";
    inbox: CapturedMailService, "transport/capture/service.rs";
}

#[test]
fn what_is_said_of_the_audit_log_is_of_these_services() {
    let services = [
        "emails",
        "sends",
        "transports",
        "domains",
        "suppressions",
        "inbox",
    ];
    for (use_case, _) in AUDITED {
        let service = use_case.split('.').next().unwrap();
        assert!(services.contains(&service), "{use_case}");
    }
}
