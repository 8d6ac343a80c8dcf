use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    Envelope, EventId, Inbox, Outbox, StoreError,
    storage::{Dialect, Txn, append_to_outbox, first_time},
};

use crate::{
    MessagingUnitOfWork,
    domain::SendingDomainRepository,
    email::EmailRepository,
    sending::{Ledger, RateRepository, SendRepository, WorkerRegistry},
    suppression::SuppressionRepository,
    tracking::TrackingRepository,
    transport::{TransportRepository, capture::CapturedMailRepository},
};

/// One transaction; it is every repository of its unit of work.
pub(crate) struct SeaOrmUnitOfWork {
    pub(crate) txn: Txn,
    pub(crate) dialect: Dialect,
}

#[async_trait]
impl MessagingUnitOfWork for SeaOrmUnitOfWork {
    fn emails(&mut self) -> &mut dyn EmailRepository {
        self
    }

    fn suppressions(&mut self) -> &mut dyn SuppressionRepository {
        self
    }

    fn sending_domains(&mut self) -> &mut dyn SendingDomainRepository {
        self
    }

    fn sends(&mut self) -> &mut dyn SendRepository {
        self
    }

    fn ledger(&mut self) -> &mut dyn Ledger {
        self
    }

    fn workers(&mut self) -> &mut dyn WorkerRegistry {
        self
    }

    fn rates(&mut self) -> &mut dyn RateRepository {
        self
    }

    fn tracking(&mut self) -> &mut dyn TrackingRepository {
        self
    }

    fn transports(&mut self) -> &mut dyn TransportRepository {
        self
    }

    fn captured(&mut self) -> &mut dyn CapturedMailRepository {
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
impl Outbox for SeaOrmUnitOfWork {
    async fn append(&mut self, envelopes: &[Envelope]) -> Result<(), StoreError> {
        append_to_outbox(&*self.txn, self.dialect, envelopes).await
    }
}

#[async_trait]
impl Inbox for SeaOrmUnitOfWork {
    async fn first_time(
        &mut self,
        handler: &'static str,
        event: EventId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        first_time(&*self.txn, self.dialect, handler, event, now).await
    }
}
