//! Every use case of the CRM, as every role, as tokens, and from another organisation.
//!
//! `calls` says how each is called, `fixture` what it works on; here is what is asked of all of them.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod calls;
mod fixture;

use mauntic_core::{
    Actor, IdSource as _, UseCase,
    testing::{
        AccessCase, CountingIds, Reach, access_cases, assert_access, assert_audited,
        assert_complete, assert_none_elsewhere,
    },
};
use mauntic_crm::{
    BulkService, ContactService, FieldService, TagService, ViewService,
    audit::{AUDITED, UNAUDITED},
    engagement::EngagementRecorder,
    export::ExportService,
    import::ImportService,
    segment::SegmentService,
};

use self::{
    calls::{reach, reach_of_import},
    fixture::{Fixture, OTHER, OWN},
};

fn cases(use_cases: &[UseCase]) -> Vec<AccessCase> {
    let ids = CountingIds::default();
    // Beyond the ids that the fixtures use.
    for _ in 0..1_000 {
        ids.next();
    }
    access_cases(use_cases, OWN, OTHER, &ids)
}

/// Those whose calls make what they look at first.
const LOOKING: &[(&str, &str)] = &[
    ("bulk.find", "reads"),
    ("bulk.list", "reads"),
    ("bulk.unfinished", "reads"),
    ("contacts.merge_candidates", "reads"),
    ("imports.glance", "reads"),
    ("imports.preview", "reads"),
    ("views.list", "reads"),
];

fn a_case(use_case: &'static str) -> AccessCase {
    AccessCase {
        use_case,
        actor: Actor::system(OWN),
        expected: Reach::Allowed,
        who: "a person".to_owned(),
    }
}

macro_rules! access_tests {
    ($($name:ident: $service:ty, $reach:ident, [$($place:literal),+];)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
                assert_access(&cases(<$service>::USE_CASES), async |case: &AccessCase| {
                    let fixture = Fixture::new().await;
                    let result = fixture.$name(case.use_case, &case.actor).await;
                    $reach(case, result)
                })
                .await;
            }

            #[tokio::test]
            async fn what_somebody_changes_is_in_the_audit_log() {
                let (service, excused) = (stringify!($name), [UNAUDITED, LOOKING].concat());
                assert_audited(service, <$service>::USE_CASES, AUDITED, &excused, async |name| {
                    let fixture = Fixture::new().await;
                    fixture
                        .traced(async |fixture: &Fixture, person: &Actor| {
                            $reach(&a_case(name), fixture.$name(name, person).await)
                        })
                        .await
                })
                .await;
            }

            #[test]
            fn every_use_case_is_listed() {
                let places = [$(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $place)),+];
                assert_complete(<$service>::USE_CASES, &places);
            }
        })*

        #[test]
        fn no_use_case_stands_elsewhere() {
            let places = [$($(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $place)),+),*];
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
            assert_none_elsewhere(source, &places, &[]);
        }
    };
}

access_tests! {
    contacts: ContactService, reach, ["service/candidates.rs", "service/change.rs", "service/consent.rs", "service/contacts.rs", "service/merge.rs"];
    fields: FieldService, reach, ["service/fields.rs"];
    tags: TagService, reach, ["service/tags.rs"];
    segments: SegmentService, reach, ["segment/service"];
    imports: ImportService, reach_of_import, ["import/glance.rs", "import/service.rs", "import/upload.rs"];
    exports: ExportService, reach, ["export.rs"];
    bulk: BulkService, reach, ["service/bulk.rs"];
    views: ViewService, reach, ["service/views.rs"];
}

#[test]
fn what_is_said_of_the_audit_log_is_of_these_services() {
    let services = [
        "contacts", "fields", "tags", "segments", "imports", "exports", "bulk", "views",
    ];
    for (use_case, _) in AUDITED.iter().chain(UNAUDITED) {
        let service = use_case.split('.').next().unwrap();
        assert!(services.contains(&service), "{use_case}");
    }
}

/// It takes no actor: only handlers of events call it.
#[test]
fn every_use_case_of_engagement_is_listed() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engagement.rs");
    assert_complete(EngagementRecorder::USE_CASES, &[place]);
}
