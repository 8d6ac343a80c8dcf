use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    Envelope, EventId, Inbox, Outbox, StoreError,
    storage::{Dialect, Txn, append_to_outbox, first_time},
};

use crate::import::ImportRepository;
use crate::{
    BulkRepository, ContactRepository, CrmUnitOfWork, FieldRepository, TagRepository,
    ViewRepository, engagement::EngagementRepository, segment::SegmentRepository,
};

/// One transaction on either back end.
pub(super) struct SeaOrmCrmUnitOfWork {
    pub(super) txn: Txn,
    pub(super) dialect: Dialect,
}

#[async_trait]
impl CrmUnitOfWork for SeaOrmCrmUnitOfWork {
    fn contacts(&mut self) -> &mut dyn ContactRepository {
        self
    }

    fn fields(&mut self) -> &mut dyn FieldRepository {
        self
    }

    fn tags(&mut self) -> &mut dyn TagRepository {
        self
    }

    fn segments(&mut self) -> &mut dyn SegmentRepository {
        self
    }

    fn engagement(&mut self) -> &mut dyn EngagementRepository {
        self
    }

    fn imports(&mut self) -> &mut dyn ImportRepository {
        self
    }

    fn bulk(&mut self) -> &mut dyn BulkRepository {
        self
    }

    fn views(&mut self) -> &mut dyn ViewRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn Outbox {
        self
    }

    fn inbox(&mut self) -> &mut dyn Inbox {
        self
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.txn.commit().await
    }
}

#[async_trait]
impl Outbox for SeaOrmCrmUnitOfWork {
    async fn append(&mut self, envelopes: &[Envelope]) -> Result<(), StoreError> {
        append_to_outbox(&*self.txn, self.dialect, envelopes).await
    }
}

#[async_trait]
impl Inbox for SeaOrmCrmUnitOfWork {
    async fn first_time(
        &mut self,
        handler: &'static str,
        event: EventId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        first_time(&*self.txn, self.dialect, handler, event, now).await
    }
}
