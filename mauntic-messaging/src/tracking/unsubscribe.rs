//! Leaving: one mailing list, several, or all mail.
//!
//! A message that went to a mailing list (a segment with a name for recipients) is about that list, and unsubscribing from
//! it leaves that list alone. Any other message is about all mail of the organisation, and so is the link `dnc_url` in any
//! message.

use mauntic_core::{DeliveryId, EmailAddress, OrganizationId, SegmentId, StoreError, hour_of};
use serde::Serialize;

use super::{
    Addressee, EmailCount, Engaged, HitContext, HitKind, Metric, TrackingService, service::GONE,
};
use crate::{
    MailingList, MessagingError, MessagingUnitOfWork,
    event::{ListsChosen, Resubscribed, Unsubscribed},
    suppression::{Suppression, SuppressionReason},
    token::{Purpose, TrackingToken},
};

/// What the page behind an unsubscribe link shows. Looking at it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnsubscribePage {
    /// The organisation's name.
    pub organization: String,
    /// The address, shortened so that a forwarded link does not tell it; in words once its contact was deleted.
    pub address: String,
    /// Whether the address gets no mail already.
    pub unsubscribed: bool,
    /// Whether the link is the one that leaves all mail, also where the message went to a mailing list.
    pub all: bool,
    /// The mailing list that the link is about, if it is about one.
    pub list: Option<SegmentId>,
    /// All mailing lists, by name, and whether mail to them goes to the address.
    pub lists: Vec<MailingList>,
}

impl UnsubscribePage {
    /// The mailing list that the link is about.
    #[must_use]
    pub fn this_list(&self) -> Option<&MailingList> {
        self.lists.iter().find(|list| Some(list.id) == self.list)
    }
}

impl TrackingService {
    /// Somebody wants no more mail of this kind: a one-click `POST` (RFC 8058) or the button of the page. They leave the
    /// mailing list that the message went to or, if it went to none, all mail. It acts at once, also for mail that is
    /// queued, and may be repeated.
    ///
    /// # Errors
    /// [`MessagingError::InvalidToken`] for a link that was not made here; [`MessagingError::NotFound`] if the
    /// message is no longer known.
    pub async fn unsubscribe(
        &self,
        token: &str,
        context: &HitContext,
    ) -> Result<(), MessagingError> {
        let token = self.verify_unsubscribe(token)?;
        let (list, lists) = self.lists(&token).await?;
        match list.filter(|list| lists.iter().any(|found| found.id == *list)) {
            Some(list) => self.change_lists(&token, context, &[list], &[], true).await,
            None => self.leave_all(&token, context).await,
        }
    }

    /// Somebody wants no more mail of the organisation at all; otherwise as [`unsubscribe`](Self::unsubscribe).
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn unsubscribe_from_all(
        &self,
        token: &str,
        context: &HitContext,
    ) -> Result<(), MessagingError> {
        let token = self.verify_unsubscribe(token)?;
        self.leave_all(&token, context).await
    }

    /// Somebody chose which mailing lists they get: these, and no others. What is no mailing list is passed over.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn choose_lists(
        &self,
        token: &str,
        context: &HitContext,
        kept: &[SegmentId],
    ) -> Result<(), MessagingError> {
        let token = self.verify_unsubscribe(token)?;
        let (list, lists) = self.lists(&token).await?;
        let ids = |member: bool| {
            let changed = lists
                .iter()
                .filter(move |list| list.member == member && kept.contains(&list.id) != member);
            changed.map(|list| list.id).collect::<Vec<_>>()
        };
        let (left, joined) = (ids(true), ids(false));
        let leaves_this = list.is_some_and(|list| left.contains(&list));
        self.change_lists(&token, context, &left, &joined, leaves_this)
            .await
    }

    /// Somebody who unsubscribed wants mail again: the button of the page. Only an unsubscription is
    /// taken back, not what the organisation or a bounce decided; if there is none, they join the list that they left.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn resubscribe(
        &self,
        token: &str,
        context: &HitContext,
    ) -> Result<(), MessagingError> {
        let token = self.verify_unsubscribe(token)?;
        let mut uow = self.parts.store.begin().await?;
        let (engaged, to) = delivery(&mut *uow, &token).await?;
        let organization = token.organization_id;
        let removed = uow
            .suppressions()
            .take_back_unsubscription(organization, &to.hash)
            .await?;
        if removed {
            let event = Resubscribed {
                contact_id: engaged.contact_id,
                delivery_id: engaged.delivery_id,
                email_id: engaged.email_id,
                at: self.parts.clock.now(),
            };
            self.publish(&mut *uow, organization, &event).await?;
            uow.commit().await?;
            return Ok(());
        }
        drop(uow);
        let (list, lists) = self.lists(&token).await?;
        let left = lists
            .iter()
            .find(|found| Some(found.id) == list && !found.member);
        match left {
            Some(list) => {
                self.change_lists(&token, context, &[], &[list.id], false)
                    .await
            }
            None => Ok(()),
        }
    }

    /// What the page behind an unsubscribe link shows. It changes nothing, as a `GET` must not.
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub async fn unsubscribe_page(&self, token: &str) -> Result<UnsubscribePage, MessagingError> {
        let token = self.verify_unsubscribe(token)?;
        let organization = token.organization_id;
        let delivery = self.find_delivery(organization, token.delivery_id).await?;
        let hash = delivery.address_hash.ok_or(GONE)?;
        let suppressions = self.parts.store.suppressions();
        let entry = suppressions.find_by_hash(organization, &hash);
        let details = self.parts.organizations.details(organization).await?;
        let unsubscribed = entry.await?.is_some();
        let (list, lists) = self.lists(&token).await?;
        Ok(UnsubscribePage {
            organization: details.name,
            address: delivery.address.map_or_else(
                || "your address".to_owned(),
                |address| mask(address.local_part(), address.domain()),
            ),
            unsubscribed,
            all: token.purpose == Purpose::UnsubscribeAll,
            list,
            lists,
        })
    }

    fn verify_unsubscribe(&self, token: &str) -> Result<TrackingToken, MessagingError> {
        let token = self.verify(token)?;
        match token.purpose {
            Purpose::Unsubscribe | Purpose::UnsubscribeAll => Ok(token),
            _ => Err(MessagingError::InvalidToken),
        }
    }

    /// The segment that the link is about, which is the one that the message went to, and all mailing lists. Who left a list is not on it, though whoever keeps
    /// the segments may not have heard of it yet.
    async fn lists(
        &self,
        token: &TrackingToken,
    ) -> Result<(Option<SegmentId>, Vec<MailingList>), MessagingError> {
        let organization = token.organization_id;
        let delivery = self.find_delivery(organization, token.delivery_id).await?;
        let contacts = &self.parts.contacts;
        let lists = contacts.mailing_lists(organization, delivery.contact_id);
        let mut lists = lists.await?;
        if lists.is_empty() {
            return Ok((None, lists));
        }
        if let Some(hash) = &delivery.address_hash {
            let left = self
                .parts
                .store
                .suppressions()
                .left_lists(organization, hash);
            let left = left.await?;
            for list in &mut lists {
                list.member &= !left.contains(&list.id);
            }
        }
        if token.purpose == Purpose::UnsubscribeAll {
            return Ok((None, lists));
        }
        let sends = self.parts.store.sends();
        let job = sends.find_job(organization, delivery.job_id).await?;
        Ok((job.map(|job| job.segment_id), lists))
    }

    async fn change_lists(
        &self,
        token: &TrackingToken,
        context: &HitContext,
        left: &[SegmentId],
        joined: &[SegmentId],
        counts: bool,
    ) -> Result<(), MessagingError> {
        let mut uow = self.parts.store.begin().await?;
        let (engaged, to) = delivery(&mut *uow, token).await?;
        let (organization, now) = (token.organization_id, self.parts.clock.now());
        let key = to.address.as_ref().map(EmailAddress::key);
        uow.suppressions()
            .choose_lists(organization, &to.hash, key.as_deref(), left, joined, now)
            .await?;
        let event = ListsChosen {
            contact_id: engaged.contact_id,
            delivery_id: engaged.delivery_id,
            email_id: engaged.email_id,
            left: left.to_vec(),
            joined: joined.to_vec(),
            at: now,
        };
        if counts {
            self.count_leaving(&mut *uow, token, context, engaged)
                .await?;
        }
        if !(left.is_empty() && joined.is_empty()) {
            self.publish(&mut *uow, organization, &event).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    async fn leave_all(
        &self,
        token: &TrackingToken,
        context: &HitContext,
    ) -> Result<(), MessagingError> {
        let mut uow = self.parts.store.begin().await?;
        let (engaged, to) = delivery(&mut *uow, token).await?;
        let now = self.parts.clock.now();
        let entry = Suppression {
            address_key: to.address.map(|address| address.key()),
            ..Suppression::of_hash(to.hash, SuppressionReason::Unsubscribed, "link", now)
        };
        let organization = token.organization_id;
        let added = uow.suppressions().add(organization, &[entry]).await?;
        let event = Unsubscribed {
            contact_id: engaged.contact_id,
            delivery_id: engaged.delivery_id,
            email_id: engaged.email_id,
            at: now,
        };
        let first = self
            .count_leaving(&mut *uow, token, context, engaged)
            .await?;
        if first || !added.is_empty() {
            self.publish(&mut *uow, organization, &event).await?;
        }
        uow.commit().await?;
        Ok(())
    }

    /// Stores and counts the first hit of a delivery, and no other; whether this was it.
    async fn count_leaving(
        &self,
        uow: &mut dyn MessagingUnitOfWork,
        token: &TrackingToken,
        context: &HitContext,
        mut engaged: Engaged,
    ) -> Result<bool, StoreError> {
        if engaged.firsts.unsubscribe.is_some() {
            return Ok(false);
        }
        let hit = self.hit(token, HitKind::Unsubscribe, None, context);
        uow.tracking()
            .append_counted(std::slice::from_ref(&hit))
            .await?;
        let now = self.parts.clock.now();
        engaged.firsts.unsubscribe = Some(now);
        let count = EmailCount {
            organization_id: token.organization_id,
            email_id: engaged.email_id,
            metric: Metric::Unsubscribed,
            machine: hit.is_machine(),
            hour: hour_of(now),
            n: 1,
        };
        uow.tracking()
            .update_firsts(std::slice::from_ref(&engaged))
            .await?;
        uow.tracking().count(&[count]).await?;
        Ok(true)
    }
}

/// The delivery, held until the transaction ends, and the address that it went to.
async fn delivery(
    uow: &mut dyn MessagingUnitOfWork,
    token: &TrackingToken,
) -> Result<(Engaged, Addressee), MessagingError> {
    let key: (OrganizationId, DeliveryId) = (token.organization_id, token.delivery_id);
    let engaged = uow.tracking().engaged(&[key]).await?.pop().ok_or(GONE)?;
    let to = uow.tracking().addressee_of(key.0, key.1).await?;
    Ok((engaged, to.ok_or(GONE)?))
}

/// The first letter and the domain.
fn mask(local_part: &str, domain: &str) -> String {
    let first: String = local_part.chars().take(1).collect();
    format!("{first}…@{domain}")
}
