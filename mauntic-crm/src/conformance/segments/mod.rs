//! Who is in which segment, whatever happens.

pub mod definitions;
pub mod membership;
pub mod rebuilds;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mauntic_core::{
    Actor, ContactId, OrganizationId, PageSize, Role, SegmentId, StoreError, TimeZoneName, UserId,
    UuidV7Source, WorkerId, Zones, testing::ManualClock,
};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Staff, organization};
use crate::{
    ContactService, CreateContact, CrmError, CrmStore, UpdateContact,
    engagement::EngagementRecorder,
    segment::{
        CreateSegment, NoEmailNames, RuleInput, Segment, SegmentFilter, SegmentService,
        SegmentWorker, UpdateSegment,
    },
};

struct Crm {
    store: Arc<dyn CrmStore>,
    contacts: ContactService,
    segments: SegmentService,
    engagement: EngagementRecorder,
    worker: Arc<SegmentWorker>,
    clock: Arc<ManualClock>,
    zone: Arc<MovingZone>,
    us: Actor,
}

/// A zone that the organisations may change.
struct MovingZone(Mutex<TimeZoneName>);

#[async_trait]
impl Zones for MovingZone {
    async fn zone_of(&self, _: OrganizationId) -> Result<TimeZoneName, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

fn crm(store: &Arc<dyn CrmStore>) -> Crm {
    let clock = Arc::new(ManualClock::default());
    let ids = Arc::new(UuidV7Source);
    let zones = Arc::new(MovingZone(Mutex::new("Europe/Berlin".parse().unwrap())));
    let user = UserId::generate(&*ids);
    Crm {
        store: Arc::clone(store),
        contacts: ContactService::new(Arc::clone(store), clock.clone(), ids.clone(), zones.clone()),
        segments: SegmentService::new(
            Arc::clone(store),
            clock.clone(),
            ids.clone(),
            zones.clone(),
            Arc::new(NoEmailNames),
        )
        .with_owners(Arc::new(Staff)),
        engagement: EngagementRecorder::new(Arc::clone(store), zones.clone(), clock.clone()),
        worker: Arc::new(
            SegmentWorker::new(Arc::clone(store), clock.clone(), ids, zones.clone()).with_chunk(3),
        ),
        clock,
        zone: zones,
        us: Actor::user(organization(1), user, Role::Owner),
    }
}

fn worker(number: u128) -> WorkerId {
    WorkerId::from_uuid(Uuid::from_u128(number))
}

impl Crm {
    async fn contact(&self, values: Json) -> ContactId {
        let values = values.as_object().unwrap().clone();
        let patch = self.contacts.parse(&self.us, &values).await.unwrap();
        let command = CreateContact {
            patch,
            origin: None,
        };
        self.contacts.create(&self.us, command).await.unwrap().id()
    }

    async fn change(&self, id: ContactId, values: Json) {
        let values = values.as_object().unwrap().clone();
        let patch = self.contacts.parse(&self.us, &values).await.unwrap();
        self.contacts
            .update(
                &self.us,
                UpdateContact {
                    id,
                    version: None,
                    patch,
                },
            )
            .await
            .unwrap();
    }

    async fn try_segment(&self, name: &str, rule: &str) -> Result<Segment, CrmError> {
        let command = CreateSegment {
            name: name.parse().unwrap(),
            description: String::new(),
            rule: (!rule.is_empty()).then(|| RuleInput::Text(rule.to_owned())),
        };
        self.segments.create(&self.us, command).await
    }

    async fn segment(&self, name: &str, rule: &str) -> SegmentId {
        self.try_segment(name, rule).await.unwrap().id
    }

    async fn set_rule(&self, id: SegmentId, rule: &str) -> Result<Segment, CrmError> {
        let rule = Some(Some(RuleInput::Text(rule.to_owned())));
        self.segments
            .update(
                &self.us,
                id,
                UpdateSegment {
                    rule,
                    ..UpdateSegment::default()
                },
            )
            .await
    }

    async fn list(&self, filter: &SegmentFilter) -> Vec<Segment> {
        let size = PageSize::default();
        let page = self.segments.list(&self.us, filter, None, size).await;
        page.unwrap().items
    }

    async fn follow(&self) {
        while self.worker.run_incremental(worker(1)).await.unwrap() {}
    }

    async fn rebuild_all(&self) {
        while self.worker.run_due_rebuilds(worker(1)).await.unwrap() {}
    }

    async fn members(&self, id: SegmentId) -> Vec<ContactId> {
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .segments
                .members(&self.us, id, after, PageSize::clamped(4))
                .await
                .unwrap();
            members.extend(page.items.iter().map(|member| member.contact_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(members.is_sorted(), "members come by contact");
        let segment = self.segments.find(&self.us, id).await.unwrap();
        assert_eq!(
            segment.member_count,
            i64::try_from(members.len()).unwrap(),
            "the count is kept"
        );
        members
    }
}
