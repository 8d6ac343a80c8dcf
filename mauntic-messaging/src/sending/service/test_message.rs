//! Test messages: at once, past the ledger, to addresses that somebody gives.

use std::sync::Arc;

use mauntic_core::{
    Actor, ContactId, DeliveryId, EmailAddress, EmailId, EmailVersionId, OrganizationId,
    Permission, SendJobId, StoreError,
};
use serde_json::json;

use super::{SendService, cannot_send};
use crate::{
    MessagingError, Recipient,
    audience::look_up_owners,
    audit,
    email::sample_recipient,
    sending::{Delivery, DeliveryState, HandOver, Lane},
    suppression::address_hash,
};

/// What became of one test message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Where it went.
    pub address: EmailAddress,
    /// Whether the next host took it.
    pub accepted: bool,
    /// What the next host said.
    pub reply: String,
}

/// Most addresses of one test.
const MAX_TEST_ADDRESSES: usize = 20;

fn result(address: &EmailAddress, hand_over: HandOver) -> TestResult {
    let (accepted, reply) = match hand_over {
        HandOver::Accepted(reply) => (true, reply.to_string()),
        HandOver::Refused(_, reply) | HandOver::Deferred(reply) => (false, reply.to_string()),
        HandOver::NotSent(text) | HandOver::Broken(text) | HandOver::Unknown(text) => (false, text),
    };
    TestResult {
        address: address.clone(),
        accepted,
        reply,
    }
}

impl SendService {
    /// Sends the current version to the given addresses at once, past the ledger, with the values of
    /// a contact if one is given.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsSend`], and [`Permission::ContactsRead`] for the values of a contact;
    /// [`MessagingError::NotFound`]; [`MessagingError::Invalid`] if the email cannot be sent or there are too many addresses.
    pub async fn send_test(
        &self,
        actor: &Actor,
        email: EmailId,
        contact: Option<ContactId>,
        addresses: &[EmailAddress],
    ) -> Result<Vec<TestResult>, MessagingError> {
        let organization = actor.require(Permission::EmailsSend)?;
        if contact.is_some() {
            actor.require(Permission::ContactsRead)?;
        }
        if addresses.is_empty() || addresses.len() > MAX_TEST_ADDRESSES {
            let problem = format!("expected 1 to {MAX_TEST_ADDRESSES} addresses");
            return Err(MessagingError::invalid("to", "out_of_range", problem));
        }
        let version = self.current_version(organization, email).await?;
        self.refuse_unsigned(organization, version).await?;
        let mut sample = self.sample(organization, contact).await?;
        let prepared = self.ports.builder.prepare(organization, version).await;
        let prepared = prepared.map_err(cannot_send)?;
        if prepared.shows_owner() {
            let directory = &*self.ports.directory;
            look_up_owners(directory, organization, vec![&mut sample]).await?;
        }
        let channel = self.ports.transports.of(organization).await?.channel;
        self.tell_of_test(actor, email, contact, addresses.len())
            .await?;
        let mut results = Vec::with_capacity(addresses.len());
        for address in addresses {
            let delivery = self.test_delivery(organization, email, version, &sample, address);
            let recipient = Recipient {
                address: Some(address.clone()),
                ..sample.clone()
            };
            let prepared = Arc::clone(&prepared);
            let built = tokio::task::spawn_blocking(move || prepared.build(&delivery, &recipient));
            let built = built.await.map_err(mauntic_core::StoreError::backend)?;
            let mut message = built.map_err(cannot_send)?;
            message.delivery_id = None;
            results.push(result(address, channel.hand_over(&message).await));
        }
        Ok(results)
    }

    /// Before it goes: who stands behind a test that goes is known.
    async fn tell_of_test(
        &self,
        actor: &Actor,
        email: EmailId,
        contact: Option<ContactId>,
        addresses: usize,
    ) -> Result<(), StoreError> {
        let change = audit::Change::new("email.test_sent", audit::Subject::new("email", email))
            .to(json!({"count": addresses, "contact": contact}));
        let mut uow = self.ports.store.begin().await?;
        let now = self.ports.clock.now();
        audit::tell(uow.outbox(), actor, change, now, &*self.ports.ids).await?;
        uow.commit().await
    }

    async fn sample(
        &self,
        organization: OrganizationId,
        contact: Option<ContactId>,
    ) -> Result<Recipient, MessagingError> {
        let Some(contact) = contact else {
            return Ok(sample_recipient(ContactId::generate(&*self.ports.ids)));
        };
        let directory = &self.ports.directory;
        let found = directory.recipients(organization, &[contact]).await?;
        let found = found.into_iter().next();
        found.ok_or(MessagingError::NotFound { what: "contact" })
    }

    fn test_delivery(
        &self,
        organization: OrganizationId,
        email: EmailId,
        version: EmailVersionId,
        sample: &Recipient,
        address: &EmailAddress,
    ) -> Delivery {
        let now = self.ports.clock.now();
        Delivery {
            id: DeliveryId::generate(&*self.ports.ids),
            organization_id: organization,
            job_id: SendJobId::generate(&*self.ports.ids),
            email_id: email,
            email_version_id: version,
            contact_id: sample.contact_id,
            address: Some(address.clone()),
            address_hash: Some(address_hash(&address.key())),
            lane: Lane::Bulk,
            state: DeliveryState::HandedOver,
            skip_reason: None,
            deferrals: 0,
            first_attempt_at: Some(now),
            next_attempt_at: now,
            reply: None,
            updated_at: now,
        }
    }
}
