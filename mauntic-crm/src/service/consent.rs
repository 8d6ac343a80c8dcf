use std::collections::BTreeSet;

use mauntic_core::{Actor, ContactId, Envelope, Permission};
use serde_json::json;

use super::{
    ContactService,
    batch::{Audited, MAX_BATCH, Writing},
    contacts::only,
};
use crate::{ChangeSet, Channel, Contact, CrmError, DoNotContact, Reason};

/// Marks contacts as not to be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoNotContactCommand {
    /// Where.
    pub channel: Channel,
    /// Why.
    pub reason: Reason,
    /// Anything worth knowing about it; may be empty.
    pub comment: String,
}

/// Takes such marks away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftDoNotContact {
    /// Where.
    pub channel: Channel,
    /// Only marks for this reason, if one is given.
    pub only: Option<Reason>,
}

impl ContactService {
    /// Marks a contact as not to be written to, if it still is at a version. A person's own opt-out stays what it is.
    ///
    /// # Errors
    /// [`CrmError::VersionMismatch`] if it is not.
    pub async fn set_do_not_contact(
        &self,
        actor: &Actor,
        id: ContactId,
        command: &DoNotContactCommand,
        version: Option<i64>,
    ) -> Result<Contact, CrmError> {
        only(self.forbid(actor, &[id], command, version).await?)
    }

    /// Marks up to [`MAX_BATCH`] contacts as not to be written to. Own opt-outs stay what they are.
    pub async fn set_do_not_contact_many(
        &self,
        actor: &Actor,
        ids: &[ContactId],
        command: &DoNotContactCommand,
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        self.forbid(actor, ids, command, None).await
    }

    async fn forbid(
        &self,
        actor: &Actor,
        ids: &[ContactId],
        command: &DoNotContactCommand,
        version: Option<i64>,
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        plain_text(&command.comment, 1_000)?;
        let fields = self.fields(organization).await?;
        let writing = Writing {
            audited: Some(Audited {
                actor,
                action: "contact.do_not_contact_set",
                more: json!({"channel": command.channel, "reason": command.reason}),
            }),
            ..self.writing(actor, &fields)
        };
        let mark = DoNotContact {
            channel: command.channel,
            reason: command.reason,
            source: writing.source.clone(),
            comment: command.comment.clone(),
            at: writing.now,
        };
        self.edit(&writing, ids, |_, contact, changes| {
            at_version(contact, version)?;
            contact.forbid(mark.clone(), changes);
            Ok(())
        })
        .await
    }

    /// Lets a contact be written to again, if it still is at a version.
    ///
    /// # Errors
    /// [`CrmError::VersionMismatch`] if it is not.
    pub async fn lift_do_not_contact(
        &self,
        actor: &Actor,
        id: ContactId,
        command: &LiftDoNotContact,
        version: Option<i64>,
    ) -> Result<Contact, CrmError> {
        only(self.allow(actor, &[id], command, version).await?)
    }

    /// Lets up to [`MAX_BATCH`] contacts be written to again.
    pub async fn lift_do_not_contact_many(
        &self,
        actor: &Actor,
        ids: &[ContactId],
        command: &LiftDoNotContact,
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        self.allow(actor, ids, command, None).await
    }

    async fn allow(
        &self,
        actor: &Actor,
        ids: &[ContactId],
        command: &LiftDoNotContact,
        version: Option<i64>,
    ) -> Result<Vec<Result<Contact, CrmError>>, CrmError> {
        let organization = actor.require(Permission::ContactsWrite)?;
        let fields = self.fields(organization).await?;
        let writing = Writing {
            audited: Some(Audited {
                actor,
                action: "contact.do_not_contact_lifted",
                more: json!({"channel": command.channel, "only": command.only}),
            }),
            ..self.writing(actor, &fields)
        };
        self.edit(&writing, ids, |_, contact, changes| {
            at_version(contact, version)?;
            contact.allow(command.channel, command.only, changes);
            Ok(())
        })
        .await
    }

    /// Does what follows when people unsubscribe from mail; `handler` has not dealt with the event
    /// before, or nothing happens. Unknown contacts are passed over. `source` says through what,
    /// such as `email:<id>`.
    pub async fn apply_unsubscribe(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contacts: &[ContactId],
        source: &str,
    ) -> Result<(), CrmError> {
        self.apply_mark(handler, envelope, contacts, source, Reason::Unsubscribed)
            .await
    }

    /// Does what follows when mail to people cannot ever be delivered; as
    /// [`apply_unsubscribe`](Self::apply_unsubscribe), but own opt-outs stay what they are.
    pub async fn apply_hard_bounce(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contacts: &[ContactId],
        source: &str,
    ) -> Result<(), CrmError> {
        self.apply_mark(handler, envelope, contacts, source, Reason::Bounced)
            .await
    }

    /// Does what follows when people who unsubscribed want mail again; as
    /// [`apply_unsubscribe`](Self::apply_unsubscribe). Marks for other reasons stay.
    pub async fn apply_resubscribe(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contacts: &[ContactId],
        source: &str,
    ) -> Result<(), CrmError> {
        self.apply(
            handler,
            envelope,
            contacts,
            source,
            &|_, contact, changes| {
                contact.allow(Channel::Email, Some(Reason::Unsubscribed), changes);
                Ok(())
            },
        )
        .await
    }

    async fn apply_mark(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contacts: &[ContactId],
        source: &str,
        reason: Reason,
    ) -> Result<(), CrmError> {
        let mark = DoNotContact {
            channel: Channel::Email,
            reason,
            source: source.to_owned(),
            comment: String::new(),
            at: envelope.metadata.timestamp,
        };
        self.apply(
            handler,
            envelope,
            contacts,
            source,
            &|_, contact, changes| {
                contact.forbid(mark.clone(), changes);
                Ok(())
            },
        )
        .await
    }

    /// Changes contacts because of an event, once.
    async fn apply(
        &self,
        handler: &'static str,
        envelope: &Envelope,
        contacts: &[ContactId],
        source: &str,
        change: &(impl Fn(usize, &mut Contact, &mut ChangeSet) -> Result<(), CrmError> + Sync),
    ) -> Result<(), CrmError> {
        let fields = self.fields(envelope.organization_id).await?;
        let writing = self.writing_because(envelope, source, &fields);
        let mut uow = self.store.begin().await?;
        if !uow
            .inbox()
            .first_time(handler, envelope.id, writing.now)
            .await?
        {
            return Ok(());
        }
        // In one order, so that two events about the same people do not wait for each other.
        let contacts: BTreeSet<_> = contacts.iter().copied().collect();
        let contacts: Vec<_> = contacts.into_iter().collect();
        for ids in contacts.chunks(MAX_BATCH) {
            let done = writing.edit_within(&mut *uow, ids, change).await?;
            let gone = ids.iter().zip(&done).filter(|(_, done)| done.is_err());
            let gone: Vec<_> = gone.map(|(id, _)| *id).collect();
            // Asked only now that nobody can merge the others any more: who was merged while we waited is known by now.
            let stayed = self.as_merged(envelope.organization_id, &gone).await?;
            writing.edit_within(&mut *uow, &stayed, change).await?;
        }
        uow.commit().await?;
        Ok(())
    }
}

fn at_version(contact: &Contact, expected: Option<i64>) -> Result<(), CrmError> {
    let current = contact.version();
    match expected {
        Some(expected) if expected != current => Err(CrmError::VersionMismatch { current }),
        _ => Ok(()),
    }
}

/// A text that every back end can keep.
pub(super) fn plain_text(text: &str, max: usize) -> Result<(), CrmError> {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() > max || text.contains(odd) {
        return Err(CrmError::Invalid(format!(
            "a text may have at most {max} characters and no control characters"
        )));
    }
    Ok(())
}
