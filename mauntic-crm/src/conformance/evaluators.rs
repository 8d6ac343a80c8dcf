//! A rule picks the same contacts in SQL and in memory.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{ContactId, EmailId, SegmentId};
use proptest::{
    strategy::{Strategy, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use uuid::Uuid;

use super::organization;
use crate::{
    Contact, CrmStore,
    engagement::EngagementRow,
    segment::{
        Build, Condition, ContactFacts, EngagementFact, NameTable, Origin, Rule, Segment, Today,
        testing::{random_contact, random_fields, random_now, random_rule, random_segments},
    },
};

const CONTACTS: u128 = 200;
const RULES: usize = 400;

/// Other rules and contacts for each number in `MAUNTIC_RULES_SEED`; without it the same ones each time. The number is
/// shown when the test fails.
fn runner() -> TestRunner {
    let seed = std::env::var("MAUNTIC_RULES_SEED");
    let Some(seed) = seed.ok().and_then(|seed| seed.parse::<u64>().ok()) else {
        return TestRunner::deterministic();
    };
    println!("MAUNTIC_RULES_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// Random rules over random contacts: SQL, memory over the generated contacts and memory over the
/// stored ones agree.
///
/// `MAUNTIC_RULES_SEED=7` in the environment, or another number, tries others than usual.
pub async fn random_rules_pick_the_same_contacts(store: Arc<dyn CrmStore>) {
    let mut runner = runner();
    let generated = random_contacts(&mut runner);
    save(&*store, &generated).await;
    let ids: Vec<_> = generated.iter().map(|facts| facts.contact().id()).collect();
    let stored = store.segments().facts(organization(1), &ids).await.unwrap();
    let today = Today::at(random_now(), "Europe/Berlin".parse().unwrap());
    let mut picked_some = 0;
    for _ in 0..RULES {
        let rule = random_rule().new_tree(&mut runner).unwrap().current();
        let condition = rule.compile(&random_fields(), &today).unwrap();
        let in_memory = |facts: &[ContactFacts]| -> BTreeSet<_> {
            facts
                .iter()
                .filter(|facts| condition.holds(facts))
                .map(|facts| facts.contact().id())
                .collect()
        };
        let expected = in_memory(&generated);
        assert_eq!(in_memory(&stored), expected, "{}", text(&rule));
        let found = store
            .segments()
            .sample_matching(organization(1), &condition, 1_000)
            .await
            .unwrap();
        let found: BTreeSet<_> = found.iter().map(Contact::id).collect();
        assert_eq!(found, expected, "{}", text(&rule));
        let count = store
            .segments()
            .count_matching(organization(1), &condition)
            .await
            .unwrap();
        assert_eq!(count, expected.len() as u64, "{}", text(&rule));
        assert_eq!(
            rebuilt(&*store, &condition).await,
            expected,
            "{}",
            text(&rule)
        );
        picked_some += usize::from(!expected.is_empty() && expected.len() < generated.len());
    }
    assert!(
        picked_some > RULES / 4,
        "the rules should tell contacts apart"
    );
}

/// Who is in a segment once a rebuild has applied the condition to everybody, in chunks; nothing of it is kept.
async fn rebuilt(store: &dyn CrmStore, condition: &Condition) -> BTreeSet<ContactId> {
    let (organization, segment) = (organization(1), SegmentId::from_uuid(Uuid::from_u128(0xB)));
    let name = "Rebuilt".parse().unwrap();
    let rule = Some(Rule::everyone());
    let rebuilt = Segment::new(segment, name, String::new(), rule, random_now());
    let mut build = Build {
        started_at: random_now(),
        cursor: None,
        added: 0,
        removed: 0,
    };
    let mut uow = store.begin().await.unwrap();
    let segments = uow.segments();
    segments.insert(organization, &rebuilt).await.unwrap();
    let mut everybody = Vec::new();
    loop {
        let chunk = segments
            .rebuild_chunk(organization, segment, Some(condition), &build, 70)
            .await
            .unwrap();
        build.added += chunk.added;
        build.cursor = chunk.cursor;
        everybody.extend(chunk.cursor);
        if chunk.cursor.is_none() {
            break;
        }
    }
    assert_eq!(everybody.len(), 2, "200 contacts are three chunks of 70");
    // Taking out whoever is in tells who was.
    let ids: Vec<_> = (1..=CONTACTS)
        .map(Uuid::from_u128)
        .map(ContactId::from_uuid)
        .collect();
    let inside = segments
        .set_by_hand(organization, segment, &ids, Origin::Removed, random_now())
        .await
        .unwrap();
    assert_eq!(build.added, i64::try_from(inside.len()).unwrap());
    inside.into_iter().collect()
}

fn text(rule: &Rule) -> String {
    rule.to_text(&NameTable::default())
}

fn random_contacts(runner: &mut TestRunner) -> Vec<ContactFacts> {
    let contacts = (0..CONTACTS).map(|number| {
        let (contact, segments, engagement) =
            random_contact(number).new_tree(runner).unwrap().current();
        ContactFacts::new(contact, segments, engagement)
    });
    contacts.collect()
}

async fn save(store: &dyn CrmStore, contacts: &[ContactFacts]) {
    let organization = organization(1);
    let mut uow = store.begin().await.unwrap();
    let all: Vec<_> = contacts
        .iter()
        .map(|facts| facts.contact().clone())
        .collect();
    uow.contacts()
        .insert_many(organization, &all)
        .await
        .unwrap();
    for (id, number) in random_segments().into_iter().zip(1..) {
        let name = format!("Segment {number}").parse().unwrap();
        let segment = Segment::new(id, name, String::new(), None, random_now());
        uow.segments().insert(organization, &segment).await.unwrap();
        let members: Vec<_> = contacts
            .iter()
            .filter(|facts| facts.segments.contains(&id))
            .collect();
        let members: Vec<_> = members.iter().map(|facts| facts.contact().id()).collect();
        uow.segments()
            .set_by_hand(organization, id, &members, Origin::Added, random_now())
            .await
            .unwrap();
        // Who was taken out by hand is no member.
        let others: Vec<_> = contacts
            .iter()
            .filter(|facts| !facts.segments.contains(&id))
            .take(20)
            .collect();
        let others: Vec<_> = others.iter().map(|facts| facts.contact().id()).collect();
        uow.segments()
            .set_by_hand(organization, id, &others, Origin::Removed, random_now())
            .await
            .unwrap();
    }
    let rows: Vec<_> = contacts.iter().flat_map(engagement_rows).collect();
    uow.engagement().count(organization, &rows).await.unwrap();
    // The same ids elsewhere: nothing of theirs may show.
    let elsewhere = super::organization(2);
    uow.contacts()
        .insert_many(elsewhere, &all[..20])
        .await
        .unwrap();
    uow.engagement().count(elsewhere, &rows).await.unwrap();
    uow.commit().await.unwrap();
}

fn engagement_rows(facts: &ContactFacts) -> Vec<EngagementRow> {
    let row = |fact: &EngagementFact| EngagementRow {
        contact_id: facts.contact().id(),
        kind: fact.kind,
        email_id: EmailId::from_uuid(fact.subject),
        machine: fact.machine,
        day: fact.day,
        count: fact.count,
    };
    facts.engagement.iter().map(row).collect()
}

/// The segments of other organisations are unknown, and names are taken within one only.
pub async fn segments_of_another_organisation_are_unknown(store: Arc<dyn CrmStore>) {
    let id = SegmentId::from_uuid(Uuid::from_u128(7));
    let segment = Segment::new(
        id,
        "VIP".parse().unwrap(),
        String::new(),
        None,
        random_now(),
    );
    let mut uow = store.begin().await.unwrap();
    uow.segments()
        .insert(organization(1), &segment)
        .await
        .unwrap();
    uow.segments()
        .insert(organization(2), &segment)
        .await
        .unwrap();
    let again = Segment {
        id: SegmentId::from_uuid(Uuid::from_u128(8)),
        name: "vip".parse().unwrap(),
        ..segment
    };
    let taken = uow
        .segments()
        .insert(organization(1), &again)
        .await
        .unwrap_err();
    assert!(
        matches!(
            taken,
            mauntic_core::StoreError::Conflict {
                field: "segment.name"
            }
        ),
        "{taken:?}"
    );
    uow.segments().delete(organization(2), id).await.unwrap();
    uow.commit().await.unwrap();
    assert!(
        store
            .segments()
            .find(organization(1), id)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .segments()
            .find(organization(2), id)
            .await
            .unwrap()
            .is_none()
    );
}
