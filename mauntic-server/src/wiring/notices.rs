//! What members of an organisation wait for or must know, in words: from the events of all contexts to the bell.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use mauntic_core::{
    DomainEvent as _, Envelope, EventHandler, HandlerError, OrganizationId, Principal, StoreError,
    UserId,
    identity::{
        DeletionPlanned, DisplayName, IdentityService, IdentityStore, Notice, NotificationKind,
        UserInvited,
    },
};
use mauntic_crm::{
    bulk::{BulkChangeEnded, BulkState},
    import::{ImportCounts, ImportEnded, ImportState},
};
use mauntic_messaging::{
    MessagingStore,
    event::SendNoted,
    sending::{JobState, Tally},
};

use crate::ui::{change_words, words};

/// Of a mail server that comes and goes, people are told once in this time for each send.
const HELD_UP: TimeDelta = TimeDelta::days(1);

/// Members are told what became of what they began, and what concerns them.
pub(super) struct TellMembers {
    pub(super) identity: IdentityService,
    pub(super) members: Arc<dyn IdentityStore>,
    pub(super) messaging: Arc<dyn MessagingStore>,
}

#[async_trait]
impl EventHandler for TellMembers {
    fn name(&self) -> &'static str {
        "identity.tell_members"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[
            ImportEnded::TYPE,
            BulkChangeEnded::TYPE,
            SendNoted::TYPE,
            UserInvited::TYPE,
            DeletionPlanned::TYPE,
        ]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let notices = self.notices(envelope).await?;
        let told = self.identity.apply_notices(self.name(), envelope, notices);
        told.await.map_err(HandlerError::new)
    }
}

impl TellMembers {
    async fn notices(&self, envelope: &Envelope) -> Result<Vec<Notice>, HandlerError> {
        if let Some(event) = envelope.open::<ImportEnded>()? {
            let problem = event.state != ImportState::Completed;
            let told = self.concerned(envelope, event.actor, problem).await?;
            let told = told.map(|user| of_import(user, &event));
            return Ok(told.into_iter().collect());
        }
        if let Some(event) = envelope.open::<BulkChangeEnded>()? {
            let problem = event.state != BulkState::Completed;
            let told = self.concerned(envelope, event.actor, problem).await?;
            let told = told.map(|user| of_change(user, &event));
            return Ok(told.into_iter().collect());
        }
        if let Some(event) = envelope.open::<SendNoted>()? {
            let problem = event.state != JobState::Completed;
            return match self.concerned(envelope, event.made_by, problem).await? {
                Some(user) => Ok(vec![self.of_send(user, envelope, &event).await?]),
                None => Ok(Vec::new()),
            };
        }
        if let Some(event) = envelope.open::<UserInvited>()? {
            return Ok(of_member(&event).into_iter().collect());
        }
        if let Some(event) = envelope.open::<DeletionPlanned>()? {
            return Ok(self.of_deletion(envelope, &event).await?);
        }
        Ok(Vec::new())
    }

    /// The person who is told what became of something that they began. What a program of theirs began they are told if
    /// something went wrong: nobody waits for it.
    async fn concerned(
        &self,
        envelope: &Envelope,
        principal: Principal,
        problem: bool,
    ) -> Result<Option<UserId>, StoreError> {
        match principal {
            Principal::User { id } => Ok(Some(id)),
            Principal::Token { id } if problem => {
                let tokens = self.members.tokens();
                let token = tokens.find(envelope.organization_id, id).await?;
                Ok(token.and_then(|token| token.user_id))
            }
            Principal::App { user, .. } if problem => Ok(user),
            Principal::Token { .. } | Principal::App { .. } | Principal::System => Ok(None),
        }
    }

    async fn of_send(
        &self,
        user: UserId,
        envelope: &Envelope,
        event: &SendNoted,
    ) -> Result<Notice, StoreError> {
        let organization = envelope.organization_id;
        let emails = self.messaging.emails();
        let names = emails.names(organization, &[event.email_id]).await?;
        let name = names.into_iter().next();
        let name = name.map_or_else(|| "(deleted)".to_owned(), |(_, name)| name.to_string());
        let tally = self.messaging.sends();
        let tally = tally.tally(organization, event.send_job_id).await?;
        let note = event.note.as_deref().unwrap_or_default();
        let (heading, message) = match event.state {
            JobState::Completed => (format!("“{name}” was sent"), outcome(&tally, note)),
            JobState::Failed => (
                format!("Sending “{name}” failed"),
                format!("{}. {}", sentence(note), outcome(&tally, "")),
            ),
            JobState::Paused => (
                format!("Sending “{name}” was paused"),
                format!(
                    "{}. Once that is mended, let the send go on. {}",
                    sentence(note),
                    outcome(&tally, "")
                ),
            ),
            _ => (
                format!("Sending “{name}” is held up"),
                format!("{}.", sentence(note)),
            ),
        };
        let problem = event.state != JobState::Completed;
        let notice = Notice::new(user, NotificationKind::Send, &heading, &message)
            .about(event.send_job_id.as_uuid())
            .as_problem(problem);
        if event.state.is_running() {
            let key = format!("send:{}:held_up", event.send_job_id);
            return Ok(notice.once(&key, envelope.metadata.timestamp - HELD_UP));
        }
        Ok(notice)
    }

    async fn of_deletion(
        &self,
        envelope: &Envelope,
        event: &DeletionPlanned,
    ) -> Result<Vec<Notice>, StoreError> {
        let organization = envelope.organization_id;
        let found = self.members.organizations().find(organization).await?;
        let Some(name) = found.map(|found| found.name) else {
            return Ok(Vec::new());
        };
        let by = self.called(organization, event.by).await?;
        let (heading, message) = match event.due_at {
            Some(due_at) => (
                format!("{name} is going to be deleted"),
                format!(
                    "{by} asked for it. Nothing is sent or changed any more, and on {} UTC all data is erased for good. \
                     Until then any owner can keep the organisation.",
                    due_at.format("%-d %b %Y, %H:%M")
                ),
            ),
            None => (
                format!("{name} is kept"),
                format!("{by} took the deletion back. Sends that were paused have to be resumed."),
            ),
        };
        let notices = event.owners.iter().map(|owner| {
            Notice::new(*owner, NotificationKind::Organization, &heading, &message)
                .about(organization.as_uuid())
                .as_problem(event.due_at.is_some())
        });
        Ok(notices.collect())
    }

    /// Who did something, as others call them.
    async fn called(
        &self,
        organization: OrganizationId,
        principal: Principal,
    ) -> Result<String, StoreError> {
        let name = match principal {
            Principal::User { id } => {
                let user = self.members.members().find_user(id).await?;
                user.map(|user| user.name.to_string())
            }
            Principal::Token { id } => {
                let token = self.members.tokens().find(organization, id).await?;
                token.map(|token| format!("The API token {}", token.name))
            }
            Principal::App { client, .. } => {
                let app = self.members.oauth().find_client(client).await?;
                app.map(|app| format!("The app {}", app.name))
            }
            Principal::System => Some("Whoever runs this installation".to_owned()),
        };
        Ok(name.unwrap_or_else(|| "Somebody".to_owned()))
    }
}

fn of_import(user: UserId, event: &ImportEnded) -> Notice {
    let name = &event.name;
    let counts = counted(&event.counts);
    let why = sentence(event.error.as_deref().unwrap_or_default());
    let (heading, message) = match event.state {
        ImportState::Completed => (format!("The import of {name} is done"), counts),
        ImportState::Paused => (
            format!("The import of {name} was paused"),
            format!("{why}. So far: {counts}"),
        ),
        _ => (
            format!("The import of {name} failed"),
            format!("{why}. So far: {counts}"),
        ),
    };
    Notice::new(user, NotificationKind::Import, &heading, &message)
        .about(event.import_id.as_uuid())
        .as_problem(event.state != ImportState::Completed)
}

fn counted(counts: &ImportCounts) -> String {
    let all = [
        (counts.created, "added"),
        (counts.updated, "changed"),
        (counts.unchanged, "as they were"),
        (counts.duplicates, "repeated in the file"),
        (counts.failed, "could not be used"),
    ];
    let some = all.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = some
        .map(|(number, what)| format!("{} {what}", words::count(*number)))
        .collect();
    if parts.is_empty() {
        return "no rows.".to_owned();
    }
    let rows = if counts.rows == 1 { "row" } else { "rows" };
    format!(
        "{} {rows}: {}.",
        words::count(counts.rows),
        parts.join(", ")
    )
}

fn of_change(user: UserId, event: &BulkChangeEnded) -> Notice {
    let what = change_words(&event.action);
    let changed = words::count(event.done.saturating_sub(event.refused));
    let mut message = format!("{what}. Done for {changed} of {}", words::count(event.done));
    if event.refused > 0 {
        let refused = words::count(event.refused);
        message = format!("{message}; {refused} could not be changed");
    }
    if let Some(problem) = &event.problem {
        message = format!("{message}: {problem}");
    }
    let heading = match event.state {
        BulkState::Completed => "The change of many contacts is done",
        BulkState::Paused => "The change of many contacts was paused",
        _ => "The change of many contacts failed",
    };
    let message = format!("{message}.");
    Notice::new(user, NotificationKind::BulkChange, heading, &message)
        .about(event.bulk_change_id.as_uuid())
        .as_problem(event.state != BulkState::Completed)
}

fn of_member(event: &UserInvited) -> Option<Notice> {
    let inviter = event.invited_by.filter(|by| *by != event.user_id)?;
    let name = event.name.as_ref();
    let name = name.map_or("Somebody", DisplayName::as_str);
    let heading = format!("{name} accepted your invitation");
    let message = format!("{name} works with you now, as {}.", event.role);
    let notice = Notice::new(inviter, NotificationKind::Member, &heading, &message);
    Some(notice.about(event.user_id.as_uuid()))
}

/// What became of the mails of a send.
fn outcome(tally: &Tally, note: &str) -> String {
    let mut text = format!("{} accepted", words::counted(tally.accepted));
    for (count, what) in [
        (tally.refused, "refused"),
        (tally.unknown, "not known to have arrived"),
        (tally.skipped_total(), "left out"),
    ] {
        if count > 0 {
            text = format!("{text}, {} {what}", words::counted(count));
        }
    }
    if note.is_empty() {
        format!("{text}.")
    } else {
        format!("{text}. {}.", sentence(note))
    }
}

/// A reason that begins a sentence.
fn sentence(reason: &str) -> String {
    let mut letters = reason.trim().trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "It does not say why".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_without_what_did_not_happen() {
        let counts = ImportCounts {
            rows: 1_200,
            created: 1_000,
            failed: 200,
            ..ImportCounts::default()
        };
        assert_eq!(
            counted(&counts),
            "1,200 rows: 1,000 added, 200 could not be used."
        );
        assert_eq!(counted(&ImportCounts::default()), "no rows.");
    }

    #[test]
    fn outcomes_are_sentences() {
        let tally = Tally {
            planned: 5,
            accepted: 4,
            unknown: 1,
            ..Tally::default()
        };
        assert_eq!(
            outcome(&tally, "its segment was deleted."),
            "4 accepted, 1 not known to have arrived. Its segment was deleted."
        );
        assert_eq!(outcome(&Tally::default(), ""), "0 accepted.");
        assert_eq!(sentence(""), "It does not say why");
    }
}
