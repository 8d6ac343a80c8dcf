use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    Cause, Clock, DomainEvent, EmailId, Envelope, IdSource, OrganizationId, StoreError,
};

use super::{Projection, VerdictRules, projection::project};
use crate::{
    MessagingError, MessagingStore,
    event::{EmailsClicked, EmailsOpened, Engagement, MAX_EVENT_ITEMS},
};

/// Most hits that one transaction counts.
const BATCH: u64 = 1_000;
/// How long a hit waits to be counted, so that a burst is seen as a whole.
const SETTLE: TimeDelta = TimeDelta::seconds(3);

/// Counts hits in the background: settles their verdicts, keeps flags and counters, and tells other
/// contexts.
///
/// Any number may run on one database. All that a batch changes is one transaction, so a batch is
/// counted once, whenever a process dies.
#[derive(Clone)]
pub struct Projector {
    store: Arc<dyn MessagingStore>,
    rules: Arc<VerdictRules>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Projector {
    /// A projector over a store.
    #[must_use]
    pub fn new(
        store: Arc<dyn MessagingStore>,
        rules: VerdictRules,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self {
            store,
            rules: Arc::new(rules),
            clock,
            ids,
        }
    }

    /// Counts a batch of hits that are a few seconds old; `false` if there is none.
    pub async fn project_once(&self) -> Result<bool, MessagingError> {
        self.project_before(self.clock.now() - SETTLE).await
    }

    /// Counts a batch of hits from before an instant; `false` if there is none. A burst that goes on
    /// beyond it may be taken for a person's clicks.
    pub async fn project_before(&self, before: DateTime<Utc>) -> Result<bool, MessagingError> {
        if !self.store.tracking().has_uncounted(before).await? {
            return Ok(false);
        }
        let mut uow = self.store.begin().await?;
        let hits = uow.tracking().take_uncounted(before, BATCH).await?;
        if hits.is_empty() {
            return Ok(false);
        }
        let deliveries: BTreeSet<_> = hits
            .iter()
            .map(|hit| (hit.organization_id, hit.delivery_id))
            .collect();
        let deliveries: Vec<_> = deliveries.into_iter().collect();
        let engaged = uow.tracking().engaged(&deliveries).await?;
        let earlier = uow.tracking().earlier_clicks(&deliveries).await?;
        let projection = project(hits, engaged, &earlier, &self.rules);
        uow.tracking().settle(&projection.settled).await?;
        uow.tracking().update_firsts(&projection.engaged).await?;
        uow.tracking().count(&projection.counts).await?;
        uow.tracking().count_links(&projection.links).await?;
        uow.tracking().keep_followed(&projection.followed).await?;
        uow.tracking().count_at_domains(&projection.domains).await?;
        uow.outbox().append(&self.events(projection)?).await?;
        uow.commit().await?;
        Ok(true)
    }

    /// Deletes counted hits from before an instant, a batch at a time; `false` if there is none.
    /// Counters and flags stay.
    pub async fn forget_before(&self, before: DateTime<Utc>) -> Result<bool, MessagingError> {
        Ok(self.store.tracking().forget_hits(before, BATCH).await? > 0)
    }

    fn events(&self, projection: Projection) -> Result<Vec<Envelope>, StoreError> {
        let cause = Cause::root(&*self.ids);
        let mut envelopes = Vec::new();
        for ((organization, email_id), opened) in projection.opened {
            self.seal(
                organization,
                email_id,
                &opened,
                cause,
                &mut envelopes,
                |email_id, opened| EmailsOpened { email_id, opened },
            )?;
        }
        for ((organization, email_id), clicked) in projection.clicked {
            self.seal(
                organization,
                email_id,
                &clicked,
                cause,
                &mut envelopes,
                |email_id, clicked| EmailsClicked { email_id, clicked },
            )?;
        }
        Ok(envelopes)
    }

    fn seal<E: DomainEvent>(
        &self,
        organization: OrganizationId,
        email: EmailId,
        items: &[Engagement],
        cause: Cause,
        envelopes: &mut Vec<Envelope>,
        event: impl Fn(EmailId, Vec<Engagement>) -> E,
    ) -> Result<(), StoreError> {
        for chunk in items.chunks(MAX_EVENT_ITEMS) {
            let event = event(email, chunk.to_vec());
            let now = self.clock.now();
            envelopes.push(Envelope::seal(
                organization,
                &event,
                now,
                &*self.ids,
                cause,
            )?);
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "sqlite", feature = "testing"))]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use async_trait::async_trait;
    use mauntic_core::{
        EventHandler, HandlerError, Relay,
        storage::{DbOptions, test_database::TestDatabase},
    };

    use super::*;
    use crate::{
        conformance::fixture::World, event::Unsubscribed, storage::SeaOrmMessagingStore,
        token::Purpose,
    };

    #[derive(Default)]
    struct Heard(Mutex<Vec<Envelope>>);

    #[async_trait]
    impl EventHandler for Heard {
        fn name(&self) -> &'static str {
            "test.heard"
        }

        fn handles(&self) -> &'static [&'static str] {
            &[EmailsOpened::TYPE, EmailsClicked::TYPE, Unsubscribed::TYPE]
        }

        async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push(envelope.clone());
            Ok(())
        }
    }

    impl Heard {
        fn of<E: DomainEvent>(&self) -> Vec<E> {
            let heard = self.0.lock().unwrap();
            heard
                .iter()
                .filter_map(|envelope| envelope.open().unwrap())
                .collect()
        }
    }

    #[tokio::test]
    async fn what_people_do_reaches_the_outbox_once() {
        let database = TestDatabase::sqlite();
        let store = SeaOrmMessagingStore::connect(&database.target, DbOptions::default())
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let world = World::new(store.clone());
        let email = world.email("Welcome").await;
        let deliveries = world.deliver(&email, 2).await;
        world.advance(60);
        let click = Purpose::Click {
            link: 0,
            target: None,
        };
        for _ in 0..2 {
            let token = world.token(deliveries[0], email.current.id, click.clone());
            world.tracking.click(&token, &world.person()).await.unwrap();
        }
        let token = world.token(deliveries[1], email.current.id, Purpose::Unsubscribe);
        for _ in 0..2 {
            world
                .tracking
                .unsubscribe(&token, &world.person())
                .await
                .unwrap();
        }
        world.advance(60);
        world.project().await;
        world.project().await;
        let heard = Arc::new(Heard::default());
        let relay = Relay::new(store.relay(), vec![heard.clone()], world.clock.clone());
        while relay.run_once().await.unwrap().did_work() {}
        let clicked = heard.of::<EmailsClicked>();
        assert_eq!(clicked.len(), 1);
        assert_eq!(
            (clicked[0].email_id, clicked[0].clicked.len()),
            (email.email.id, 1)
        );
        let entry = &clicked[0].clicked[0];
        assert_eq!((entry.delivery_id, entry.count), (deliveries[0], 2));
        assert!(entry.first && !entry.machine);
        let opened = heard.of::<EmailsOpened>();
        assert_eq!(
            (opened.len(), opened[0].opened[0].count),
            (1, 1),
            "a click opens"
        );
        let left = heard.of::<Unsubscribed>();
        assert_eq!((left.len(), left[0].delivery_id), (1, deliveries[1]));
    }
}
