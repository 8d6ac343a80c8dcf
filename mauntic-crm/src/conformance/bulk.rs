//! Changes of many: everybody has their turn once, whatever happens in between.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, CLOSED, ContactId, FixedZone, PageSize, Role, UserId, WorkerId,
    testing::{CountingIds, ManualClock, ManualStanding},
};
use serde_json::{Map, json};
use uuid::Uuid;

use super::{Staff, boss, organization};
use crate::{
    BulkService, Channel, Contact, ContactFilter, ContactListing, ContactService, CreateBulkChange,
    CreateContact, CreateField, CrmError, CrmStore, FieldService, FieldType, Reason, Tag,
    bulk::{BulkAction, BulkChange, BulkEntry, BulkState, Whom},
    segment::{CreateSegment, NoEmailNames, Origin, SegmentService},
};

const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(7));
const OTHER_WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(8));

struct Desk {
    store: Arc<dyn CrmStore>,
    clock: Arc<ManualClock>,
    standing: Arc<ManualStanding>,
    contacts: ContactService,
    fields: FieldService,
    segments: SegmentService,
    bulk: BulkService,
    actor: Actor,
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

impl Desk {
    fn new(store: Arc<dyn CrmStore>) -> Self {
        let clock = Arc::new(ManualClock::at(super::noon()));
        let standing = Arc::new(ManualStanding::default());
        let ids = Arc::new(CountingIds::default());
        let zones = Arc::new(FixedZone::default());
        let contacts =
            ContactService::new(store.clone(), clock.clone(), ids.clone(), zones.clone())
                .with_owners(Arc::new(Staff));
        let segments = SegmentService::new(
            store.clone(),
            clock.clone(),
            ids.clone(),
            zones,
            Arc::new(NoEmailNames),
        );
        let user = UserId::from_uuid(Uuid::from_u128(5));
        Self {
            fields: FieldService::new(store.clone(), clock.clone(), ids),
            bulk: BulkService::new(contacts.clone(), segments.clone())
                .with_batch(2)
                .with_standing(standing.clone()),
            standing,
            actor: Actor::user(organization(1), user, Role::Owner),
            store,
            clock,
            contacts,
            segments,
        }
    }

    /// Adds so many contacts; every other one is tagged.
    async fn people(&self, count: usize) -> Vec<ContactId> {
        let mut made = Vec::new();
        for number in 0..count {
            let values = json!({"email": format!("p{number}@example.com"), "city": "Oslo"});
            let mut patch = self
                .contacts
                .parse(&self.actor, values.as_object().unwrap_or(&Map::new()))
                .await
                .unwrap();
            if number % 2 == 0 {
                patch.add_tags = BTreeSet::from([tag("even")]);
            }
            let command = CreateContact {
                patch,
                origin: None,
            };
            let contact = self.contacts.create(&self.actor, command).await.unwrap();
            made.push(contact.id());
        }
        made
    }

    async fn all(&self) -> Vec<Contact> {
        let listing = ContactListing {
            size: PageSize::clamped(100),
            ..ContactListing::default()
        };
        let page = self.contacts.list(&self.actor, &listing).await.unwrap();
        page.items
    }

    async fn try_begin(
        &self,
        actor: &Actor,
        whom: Whom,
        action: BulkAction,
    ) -> Result<BulkChange, CrmError> {
        let command = CreateBulkChange {
            whom,
            action,
            at_most: None,
        };
        self.bulk.create(actor, command).await
    }

    async fn begin(&self, whom: Whom, action: BulkAction) -> BulkChange {
        self.try_begin(&self.actor, whom, action).await.unwrap()
    }

    async fn finish(&self, change: &BulkChange) -> BulkChange {
        while self.bulk.run_once(WORKER, &|| false).await.unwrap() {}
        self.bulk.find(&self.actor, change.id).await.unwrap()
    }
}

fn tagged(text: &str) -> Whom {
    Whom::All(ContactFilter {
        tag: Some(tag(text)),
        ..ContactFilter::default()
    })
}

fn off(text: &str) -> BulkAction {
    BulkAction::Tags {
        add: BTreeSet::from([tag("seen")]),
        remove: BTreeSet::from([tag(text)]),
    }
}

/// All that a filter lets through are changed, also if the change itself takes them out of it, and nobody else.
pub async fn all_that_a_filter_lets_through_are_changed(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(9).await;
    let change = desk.begin(tagged("even"), off("even")).await;
    assert_eq!((change.total, change.state), (5, BulkState::Pending));
    // Who is added later is none of them.
    let late = desk.contacts.parse(&desk.actor, &Map::new()).await.unwrap();
    let late = CreateContact {
        patch: crate::ContactPatch {
            add_tags: BTreeSet::from([tag("even")]),
            ..late
        },
        origin: None,
    };
    let late = desk.contacts.create(&desk.actor, late).await.unwrap();
    let done = desk.finish(&change).await;
    assert_eq!((done.done, done.refused), (5, 0));
    assert_eq!(done.state, BulkState::Completed);
    let all = desk.all().await;
    let seen = all
        .iter()
        .filter(|contact| contact.parts().tags.contains(&tag("seen")));
    assert_eq!(seen.count(), 5);
    let even: Vec<_> = all
        .iter()
        .filter(|contact| contact.parts().tags.contains(&tag("even")))
        .map(Contact::id)
        .collect();
    assert_eq!(even, [late.id()]);
    let history = desk.store.contacts();
    let history = history.history(organization(1), all[0].id(), None, PageSize::default());
    assert_eq!(history.await.unwrap().items[0].source, change.source());
}

/// A worker that stops leaves the rest to others, and one that lost its change does nothing more.
pub async fn an_interrupted_change_goes_on_where_it_was(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(7).await;
    let all = Whom::All(ContactFilter::default());
    let change = desk.begin(all, off("even")).await;
    let turns = AtomicUsize::new(0);
    let stop = || turns.fetch_add(1, Ordering::SeqCst) == 2;
    assert!(desk.bulk.run_once(WORKER, &stop).await.unwrap());
    let half = desk.bulk.find(&desk.actor, change.id).await.unwrap();
    assert_eq!((half.done, half.state), (4, BulkState::Running));
    desk.clock.advance(TimeDelta::seconds(1));
    assert!(desk.bulk.run_once(OTHER_WORKER, &|| false).await.unwrap());
    let done = desk.bulk.find(&desk.actor, change.id).await.unwrap();
    assert_eq!((done.done, done.state), (7, BulkState::Completed));
    for contact in desk.all().await {
        assert_eq!(contact.version(), 2, "once each");
    }
    assert!(!desk.bulk.run_once(WORKER, &|| false).await.unwrap());
}

/// A change that was stopped stays stopped, and what it did stays.
pub async fn a_stopped_change_changes_nobody_else(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(6).await;
    let change = desk
        .begin(Whom::All(ContactFilter::default()), off("even"))
        .await;
    let turns = AtomicUsize::new(0);
    let stop = || turns.fetch_add(1, Ordering::SeqCst) == 1;
    desk.bulk.run_once(WORKER, &stop).await.unwrap();
    let stopped = desk.bulk.cancel(&desk.actor, change.id).await.unwrap();
    assert_eq!((stopped.state, stopped.done), (BulkState::Cancelled, 2));
    desk.clock.advance(TimeDelta::minutes(5));
    assert!(!desk.bulk.run_once(WORKER, &|| false).await.unwrap());
    let seen = desk.all().await;
    let seen = seen
        .iter()
        .filter(|contact| contact.parts().tags.contains(&tag("seen")));
    assert_eq!(seen.count(), 2);
}

/// Nothing is changed for an organisation that is blocked or to be deleted, until somebody says so once it is back.
pub async fn the_changes_of_a_closed_organization_are_paused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(3).await;
    let all = Whom::All(ContactFilter::default());
    let change = desk.begin(all, off("even")).await;
    desk.standing.block(true);
    let paused = desk.finish(&change).await;
    assert_eq!((paused.state, paused.done), (BulkState::Paused, 0));
    assert_eq!(paused.problem.as_deref(), Some(CLOSED));
    desk.standing.block(false);
    assert_eq!(desk.finish(&change).await.state, BulkState::Paused);
    desk.bulk.resume(&desk.actor, change.id).await.unwrap();
    let done = desk.finish(&change).await;
    assert_eq!((done.state, done.done), (BulkState::Completed, 3));
    assert_eq!(done.problem, None);
}

/// A paused change waits for nobody but the person who resumes it, and then goes on where it was.
pub async fn a_paused_change_goes_on_when_it_is_resumed(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(5).await;
    let all = Whom::All(ContactFilter::default());
    let change = desk.begin(all, off("even")).await;
    let turns = AtomicUsize::new(0);
    let stop = || turns.fetch_add(1, Ordering::SeqCst) == 1;
    desk.bulk.run_once(WORKER, &stop).await.unwrap();
    let paused = desk.bulk.pause(&desk.actor, change.id).await.unwrap();
    assert_eq!((paused.state, paused.done), (BulkState::Paused, 2));
    assert_eq!(paused.finished_at, None);
    desk.clock.advance(TimeDelta::minutes(5));
    assert!(!desk.bulk.run_once(WORKER, &|| false).await.unwrap());
    let twice = desk.bulk.pause(&desk.actor, change.id).await.unwrap_err();
    assert!(
        matches!(twice, CrmError::WrongState(BulkState::Paused)),
        "{twice}"
    );
    let resumed = desk.bulk.resume(&desk.actor, change.id).await.unwrap();
    assert_eq!(resumed.state, BulkState::Pending);
    let done = desk.finish(&change).await;
    assert_eq!((done.done, done.state), (5, BulkState::Completed));
    for contact in desk.all().await {
        assert_eq!(contact.version(), 2, "once each");
    }
    for ended in [
        desk.bulk.resume(&desk.actor, change.id).await.unwrap_err(),
        desk.bulk.cancel(&desk.actor, change.id).await.unwrap_err(),
    ] {
        assert!(
            matches!(ended, CrmError::WrongState(BulkState::Completed)),
            "{ended}"
        );
    }
}

/// However many changes were made since, those that have not ended are found, the latest first.
pub async fn changes_that_have_not_ended_are_found(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(1).await;
    let all = || Whom::All(ContactFilter::default());
    let waits = desk.begin(all(), off("even")).await;
    let paused = desk.begin(all(), off("even")).await;
    desk.bulk.pause(&desk.actor, paused.id).await.unwrap();
    for _ in 0..3 {
        let stopped = desk.begin(all(), off("even")).await;
        desk.bulk.cancel(&desk.actor, stopped.id).await.unwrap();
    }
    let unfinished = async |organization, size| {
        let found = desk.store.bulk().unfinished(organization, size).await;
        let found = found.unwrap().into_iter().map(|entry| entry.id);
        found.collect::<Vec<_>>()
    };
    let two = PageSize::clamped(2);
    assert_eq!(
        unfinished(organization(1), two).await,
        [paused.id, waits.id]
    );
    let one = PageSize::clamped(1);
    assert_eq!(unfinished(organization(1), one).await, [paused.id]);
    assert_eq!(unfinished(organization(2), two).await, []);
    desk.finish(&waits).await;
    assert_eq!(unfinished(organization(1), two).await, [paused.id]);
}

/// Nobody is changed whom a person did not agree to; a list of changes says what each does, and by whom.
pub async fn no_more_are_changed_than_were_agreed_to(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.people(3).await;
    let command = |at_most| CreateBulkChange {
        whom: Whom::All(ContactFilter::default()),
        action: BulkAction::Delete,
        at_most,
    };
    let more = desk.bulk.create(&desk.actor, command(Some(2))).await;
    let more = more.unwrap_err();
    assert!(
        matches!(
            more,
            CrmError::MoreThanAgreed {
                agreed: 2,
                total: 3
            }
        ),
        "{more}"
    );
    let list = async || {
        let page = desk.bulk.list(&desk.actor, None, PageSize::default());
        page.await.unwrap().items
    };
    assert_eq!(list().await, []);
    let change = desk.bulk.create(&desk.actor, command(Some(3))).await;
    let change = change.unwrap();
    desk.finish(&change).await;
    assert_eq!(desk.all().await, []);
    let [entry]: [BulkEntry; 1] = list().await.try_into().unwrap();
    assert_eq!((entry.id, entry.action), (change.id, BulkAction::Delete));
    assert_eq!(entry.actor, desk.actor.principal());
    assert_eq!((entry.total, entry.done, entry.refused), (3, 3, 0));
    assert_eq!(entry.state, BulkState::Completed);
    assert!(entry.finished_at.is_some());
}

/// Fields, do-not-contact marks, segments and deleting, of chosen ones.
pub async fn chosen_contacts_are_changed_in_every_way(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let ids = desk.people(5).await;
    let chosen = || Whom::Chosen(ids[..3].iter().copied().collect());
    let field = CreateField::new("Plan", FieldType::Number);
    let field = desk.fields.create(&desk.actor, field).await.unwrap().alias;
    let set = |value: &str| BulkAction::SetField {
        field: field.clone(),
        value: value.to_owned(),
    };
    let wrong = desk
        .try_begin(&desk.actor, chosen(), set("many"))
        .await
        .unwrap_err();
    assert!(matches!(wrong, CrmError::InvalidFields(_)), "{wrong}");
    let change = desk.begin(chosen(), set("12")).await;
    desk.finish(&change).await;
    let mark = BulkAction::DoNotContact {
        channel: Channel::Email,
        comment: "asked".to_owned(),
    };
    let change = desk.begin(chosen(), mark).await;
    desk.finish(&change).await;
    let owner = |owner| BulkAction::SetOwner { owner };
    let stranger = owner(Some(UserId::from_uuid(Uuid::from_u128(77))));
    let wrong = desk.try_begin(&desk.actor, chosen(), stranger).await;
    let wrong = wrong.unwrap_err();
    assert!(matches!(wrong, CrmError::InvalidFields(_)), "{wrong}");
    let stage = |stage: &str| BulkAction::SetStage {
        stage: Some(stage.to_owned()),
    };
    let wrong = desk.try_begin(&desk.actor, chosen(), stage(&"x".repeat(192)));
    let wrong = wrong.await.unwrap_err();
    assert!(matches!(wrong, CrmError::InvalidFields(_)), "{wrong}");
    for action in [owner(Some(boss())), stage("lead")] {
        desk.finish(&desk.begin(chosen(), action).await).await;
    }
    let last = || Whom::Chosen(BTreeSet::from([ids[2]]));
    for action in [owner(None), BulkAction::SetStage { stage: None }] {
        desk.finish(&desk.begin(last(), action).await).await;
    }
    let all = desk.all().await;
    let given = all.iter().map(Contact::parts);
    let given = given.map(|parts| (parts.owner, parts.stage.as_deref()));
    let (ours, nobodys) = ((Some(boss()), Some("lead")), (None, None));
    assert_eq!(
        given.collect::<Vec<_>>(),
        [ours, ours, nobodys, nobodys, nobodys]
    );
    for (contact, is_chosen) in all.iter().zip([true, true, true, false, false]) {
        assert_eq!(contact.value(field.as_str()).is_some(), is_chosen);
        let mark = contact.parts().do_not_contact.get(&Channel::Email);
        assert_eq!(
            mark.map(|mark| mark.reason),
            is_chosen.then_some(Reason::Manual)
        );
    }
    let command = CreateSegment {
        name: "Fans".parse().unwrap(),
        description: String::new(),
        rule: None,
    };
    let segment = desk.segments.create(&desk.actor, command).await.unwrap().id;
    let change = desk
        .begin(chosen(), BulkAction::AddToSegment { segment })
        .await;
    desk.finish(&change).await;
    let one = Whom::Chosen(BTreeSet::from([ids[0]]));
    let change = desk
        .begin(one, BulkAction::RemoveFromSegment { segment })
        .await;
    desk.finish(&change).await;
    let members = desk
        .segments
        .members(&desk.actor, segment, None, PageSize::default());
    let members = members.await.unwrap().items;
    let inside = members
        .iter()
        .filter(|member| member.origin == Origin::Added);
    assert_eq!(inside.count(), 2);
    // Of those that are gone by now, it says so.
    let change = desk.begin(chosen(), off("even")).await;
    desk.contacts.delete(&desk.actor, ids[2]).await.unwrap();
    let done = desk.finish(&change).await;
    assert_eq!((done.done, done.refused), (3, 1));
    assert!(done.problem.is_some());
    let change = desk.begin(chosen(), BulkAction::Delete).await;
    assert_eq!(desk.finish(&change).await.state, BulkState::Completed);
    assert_eq!(desk.all().await.len(), 2);
}

/// What is another organisation's is out of reach, and what makes no sense is refused.
pub async fn changes_stay_within_their_organisation(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let ids = desk.people(3).await;
    let other = Actor::system(organization(2));
    let change = desk
        .begin(Whom::Chosen(ids.iter().copied().collect()), off("even"))
        .await;
    for unknown in [
        desk.bulk.find(&other, change.id).await.unwrap_err(),
        desk.bulk.cancel(&other, change.id).await.unwrap_err(),
    ] {
        assert!(
            matches!(unknown, CrmError::BulkChangeNotFound(_)),
            "{unknown}"
        );
    }
    let theirs = Whom::Chosen(ids.iter().copied().collect());
    let theirs = desk
        .try_begin(&other, theirs, BulkAction::Delete)
        .await
        .unwrap();
    desk.finish(&change).await;
    let theirs = desk.bulk.find(&other, theirs.id).await.unwrap();
    assert_eq!(theirs.state, BulkState::Completed);
    assert_eq!(desk.all().await.len(), 3, "not theirs to delete");
    let nobody = Whom::Chosen(BTreeSet::new());
    let nobody = desk
        .try_begin(&desk.actor, nobody, BulkAction::Delete)
        .await
        .unwrap_err();
    assert!(matches!(nobody, CrmError::Invalid(_)), "{nobody}");
    let everybody = Whom::All(ContactFilter::default());
    let member = Actor::user(
        organization(1),
        UserId::from_uuid(Uuid::from_u128(6)),
        Role::Viewer,
    );
    let refused = desk
        .try_begin(&member, everybody, BulkAction::Delete)
        .await
        .unwrap_err();
    assert!(matches!(refused, CrmError::Forbidden(_)), "{refused}");
}
