//! What events of one context do in another.

use std::sync::Arc;

use async_trait::async_trait;
use mauntic_core::{
    ChangeMade, ContactId, DomainEvent as _, Envelope, EventHandler, HandlerError,
    identity::{IdentityService, IdentityStore, MemberGone, TimezoneChanged},
};
use mauntic_crm::{
    BulkService, ContactDeleted, ContactMerged, ContactService,
    engagement::{Engaged, EngagementRecorder},
    segment::{EngagementKind, Origin, SegmentService},
};
use mauntic_messaging::{
    event::{
        EmailsBounced, EmailsClicked, EmailsOpened, EmailsSent, Engagement, ListsChosen,
        Resubscribed, Unsubscribed,
    },
    sending::SendService,
};

/// What people change in a context is in the audit log.
pub(super) struct KeepChanges(pub(super) IdentityService);

#[async_trait]
impl EventHandler for KeepChanges {
    fn name(&self) -> &'static str {
        "identity.keep_changes"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[ChangeMade::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if let Some(made) = envelope.open::<ChangeMade>()? {
            let kept = self.0.apply_change(envelope, made).await;
            kept.map_err(HandlerError::new)?;
        }
        Ok(())
    }
}

/// Somebody who unsubscribed is not to be written to; somebody who resubscribed is.
pub(super) struct FollowUnsubscribes(pub(super) ContactService);

#[async_trait]
impl EventHandler for FollowUnsubscribes {
    fn name(&self) -> &'static str {
        "crm.follow_unsubscribes"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[Unsubscribed::TYPE, Resubscribed::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if let Some(event) = envelope.open::<Unsubscribed>()? {
            let source = format!("email:{}", event.email_id);
            let contacts = [event.contact_id];
            self.0
                .apply_unsubscribe(self.name(), envelope, &contacts, &source)
                .await
                .map_err(HandlerError::new)?;
        }
        if let Some(event) = envelope.open::<Resubscribed>()? {
            let source = format!("email:{}", event.email_id);
            let contacts = [event.contact_id];
            self.0
                .apply_resubscribe(self.name(), envelope, &contacts, &source)
                .await
                .map_err(HandlerError::new)?;
        }
        Ok(())
    }
}

/// Who left a mailing list is out of its segment, who joined it is in.
pub(super) struct FollowListChoices(pub(super) SegmentService);

#[async_trait]
impl EventHandler for FollowListChoices {
    fn name(&self) -> &'static str {
        "crm.follow_list_choices"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[ListsChosen::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if let Some(event) = envelope.open::<ListsChosen>()? {
            let left = event.left.iter().map(|id| (*id, Origin::Removed));
            let joined = event.joined.iter().map(|id| (*id, Origin::Added));
            let choices: Vec<_> = left.chain(joined).collect();
            self.0
                .apply_list_choice(self.name(), envelope, event.contact_id, &choices)
                .await
                .map_err(HandlerError::new)?;
        }
        Ok(())
    }
}

/// Where days begin at another moment, other people are in segments.
pub(super) struct FollowTimezones(pub(super) SegmentService);

#[async_trait]
impl EventHandler for FollowTimezones {
    fn name(&self) -> &'static str {
        "crm.follow_timezones"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[TimezoneChanged::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if envelope.open::<TimezoneChanged>()?.is_some() {
            let applied = self.0.apply_timezone(self.name(), envelope).await;
            applied.map_err(HandlerError::new)?;
        }
        Ok(())
    }
}

/// Whoever is a member no more is in charge of no contacts any more.
pub(super) struct FollowDepartures {
    pub(super) bulk: BulkService,
    pub(super) identity: Arc<dyn IdentityStore>,
}

#[async_trait]
impl EventHandler for FollowDepartures {
    fn name(&self) -> &'static str {
        "crm.follow_departures"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[MemberGone::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let Some(event) = envelope.open::<MemberGone>()? else {
            return Ok(());
        };
        // Whoever is back by the time that an event comes again may have been given others.
        let members = self.identity.members();
        let back = members
            .find(envelope.organization_id, event.user_id)
            .await?;
        if back.is_some() {
            return Ok(());
        }
        let released = self
            .bulk
            .apply_owner_gone(self.name(), envelope, event.user_id);
        released.await.map_err(HandlerError::new)
    }
}

/// Nobody lives at an address that bounces for good.
pub(super) struct FollowBounces(pub(super) ContactService);

#[async_trait]
impl EventHandler for FollowBounces {
    fn name(&self) -> &'static str {
        "crm.follow_bounces"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[EmailsBounced::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let Some(event) = envelope.open::<EmailsBounced>()? else {
            return Ok(());
        };
        let hard = event.bounced.iter().filter(|bounce| bounce.hard);
        let contacts: Vec<ContactId> = hard.map(|bounce| bounce.contact_id).collect();
        if contacts.is_empty() {
            return Ok(());
        }
        let source = format!("email:{}", event.email_id);
        let applied = self
            .0
            .apply_hard_bounce(self.name(), envelope, &contacts, &source);
        applied.await.map_err(HandlerError::new)
    }
}

/// What somebody got before two records became one is the one's who stayed.
pub(super) struct FollowMerges(pub(super) SendService);

#[async_trait]
impl EventHandler for FollowMerges {
    fn name(&self) -> &'static str {
        "messaging.follow_merges"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[ContactMerged::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if let Some(event) = envelope.open::<ContactMerged>()? {
            self.0
                .apply_merge(self.name(), envelope, event.merged_id, event.id)
                .await?;
        }
        Ok(())
    }
}

/// What was sent to somebody who was deleted does not tell any more who it was.
pub(super) struct FollowDeletions(pub(super) SendService);

#[async_trait]
impl EventHandler for FollowDeletions {
    fn name(&self) -> &'static str {
        "messaging.follow_deletions"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[ContactDeleted::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        if let Some(event) = envelope.open::<ContactDeleted>()? {
            self.0
                .apply_deletion(self.name(), envelope, &event.ids)
                .await?;
        }
        Ok(())
    }
}

/// What people did with mail is what segments ask about.
pub(super) struct CountEngagement(pub(super) EngagementRecorder);

#[async_trait]
impl EventHandler for CountEngagement {
    fn name(&self) -> &'static str {
        "crm.count_engagement"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[EmailsSent::TYPE, EmailsOpened::TYPE, EmailsClicked::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let engaged = engagement(envelope)?;
        let organization = envelope.organization_id;
        self.0
            .record(organization, self.name(), envelope.id, &engaged)
            .await?;
        Ok(())
    }
}

/// What an event tells of engagement.
fn engagement(envelope: &Envelope) -> Result<Vec<Engaged>, HandlerError> {
    if let Some(event) = envelope.open::<EmailsSent>()? {
        let sent = event.sent.iter().map(|sent| Engaged {
            contact_id: sent.contact_id,
            kind: EngagementKind::Sent,
            email_id: event.email_id,
            machine: false,
            at: sent.at,
            count: 1,
        });
        return Ok(sent.collect());
    }
    let (email_id, kind, list) = if let Some(event) = envelope.open::<EmailsOpened>()? {
        (event.email_id, EngagementKind::Opened, event.opened)
    } else if let Some(event) = envelope.open::<EmailsClicked>()? {
        (event.email_id, EngagementKind::Clicked, event.clicked)
    } else {
        return Ok(Vec::new());
    };
    let engaged = list.iter().map(|one: &Engagement| Engaged {
        contact_id: one.contact_id,
        kind,
        email_id,
        machine: one.machine,
        at: one.at,
        count: i64::from(one.count),
    });
    Ok(engaged.collect())
}
