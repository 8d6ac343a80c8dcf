//! One entry of the audit log as people read it.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use maud::{Markup, html};
use mauntic_core::{
    Actor, ApiTokenId, ContactId, EmailId, ImportId, Permission, Principal, SegmentId, SendJobId,
    UserId,
    identity::{AuditEntry, IdentityError, IdentityService},
};
use mauntic_crm::import::ImportError;
use mauntic_messaging::MessagingError;
use poem::Result;
use serde_json::Value;
use uuid::Uuid;

use super::audit_words;
use crate::{
    App,
    ui::{contacts, failure, words},
};

/// Values that are shown without being asked for.
const OPEN: usize = 3;
/// Where the id of a segment stands among the values, and where that of an email.
const SEGMENTS: [&str; 3] = ["segment", "add_to_segment", "remove_from_segment"];
const EMAILS: [&str; 1] = ["email"];

/// What those are called who act, and those it is about. Of contacts the log holds ids alone: who is gone has no name.
#[derive(Default)]
pub(super) struct Known {
    actors: BTreeMap<String, Option<String>>,
    subjects: BTreeMap<Uuid, String>,
    sees_contacts: bool,
}

impl Known {
    /// Those of some entries, as far as the actor may see them.
    pub(super) async fn of(app: &App, actor: &Actor, entries: &[AuditEntry]) -> Result<Self> {
        let sees_contacts = actor.may(Permission::ContactsRead);
        let mut subjects = BTreeMap::new();
        if sees_contacts {
            let ids: Vec<_> = ids_of(entries, "contact")
                .into_iter()
                .map(ContactId::from_uuid)
                .collect();
            let found = app.contacts.find_many(actor, &ids).await;
            for contact in found.map_err(failure::crm)? {
                subjects.insert(contact.id().as_uuid(), contacts::called(&contact));
            }
            for id in ids_of(entries, "import") {
                match app.imports.find(actor, ImportId::from_uuid(id)).await {
                    Ok(import) => {
                        subjects.insert(id, import.plan.name);
                    }
                    Err(ImportError::NotFound(_)) => {}
                    Err(error) => return Err(failure::import(error)),
                }
            }
        }
        if actor.may(Permission::EmailsRead) {
            subjects.extend(mail(app, actor, entries).await?);
        }
        if actor.may(Permission::SegmentsRead) {
            let mut ids = ids_of(entries, "segment");
            ids.extend(ids_under(entries, &SEGMENTS));
            for id in ids {
                let id = SegmentId::from_uuid(id);
                let found = app.segments.find_by_name(actor, &id.to_string()).await;
                if let Some(segment) = found.map_err(failure::crm)? {
                    subjects.insert(segment.id.as_uuid(), segment.name.to_string());
                }
            }
        }
        let mut known = Self {
            subjects,
            sees_contacts,
            ..Self::default()
        };
        let learnt = known.learn(&app.identity, actor, entries).await;
        learnt.map_err(failure::identity)?;
        Ok(known)
    }

    /// What those are called who acted, and the members and tokens that it was done to.
    pub(super) async fn learn(
        &mut self,
        identity: &IdentityService,
        actor: &Actor,
        entries: &[AuditEntry],
    ) -> std::result::Result<(), IdentityError> {
        for entry in entries {
            let subject = &entry.change.subject;
            let done_to = subject.id.and_then(|id| match subject.kind.as_str() {
                "user" => Some(Principal::User {
                    id: UserId::from_uuid(id),
                }),
                "api_token" => Some(Principal::Token {
                    id: ApiTokenId::from_uuid(id),
                }),
                _ => None,
            });
            for one in [Some(entry.principal), done_to].into_iter().flatten() {
                if let Entry::Vacant(unknown) = self.actors.entry(one.to_string()) {
                    unknown.insert(called(identity, actor, one).await?);
                }
            }
        }
        Ok(())
    }

    fn actor(&self, id: &str) -> Option<&str> {
        self.actors.get(id)?.as_deref()
    }

    /// Who made an entry's change.
    pub(super) fn who<'a>(&'a self, entry: &AuditEntry) -> &'a str {
        if entry.principal == Principal::System && entry.address.is_some() {
            return "somebody who is not logged in";
        }
        let known = self.actor(&entry.principal.to_string());
        known.unwrap_or(match entry.principal {
            Principal::User { .. } => "a former member",
            Principal::Token { .. } => "a token",
            Principal::App { .. } => "an app",
            Principal::System => "the operator",
        })
    }

    /// What the change was made to, in words.
    pub(super) fn subject(&self, entry: &AuditEntry) -> Option<String> {
        let change = &entry.change;
        let (kind, values) = (
            change.subject.kind.as_str(),
            [&change.after, &change.before],
        );
        let by_id = change.subject.id.and_then(|id| match kind {
            "user" => self.actor(&format!("user:{id}")).map(str::to_owned),
            "api_token" => {
                let token = self.actor(&format!("token:{id}"));
                token.map(|name| name.trim_start_matches("token ").to_owned())
            }
            _ => self.subjects.get(&id).cloned(),
        });
        let named = || {
            // Of a send it is the id of the email.
            let address = (kind != "send").then_some("email");
            let keys = ["name", "label", "domain", "alias"].into_iter();
            let keys = keys.chain(address);
            let mut found = keys.flat_map(|key| values.map(|values| values.get(key)));
            found.find_map(|value| value?.as_str()).map(str::to_owned)
        };
        let counted = || {
            let count = change.after.get("count")?.as_u64()?;
            (kind == "contact").then(|| format!("{} contacts", words::count(count)))
        };
        let gone = || {
            let gone = kind == "contact" && change.subject.id.is_some() && self.sees_contacts;
            gone.then(|| "a contact who is gone".to_owned())
        };
        let whatever = || {
            // Contacts whose number is not known were not counted either.
            let many = kind == "contact" && change.subject.id.is_none();
            let nameless = audit_words::nameless(kind).filter(|_| !many);
            nameless.map(str::to_owned)
        };
        by_id
            .or_else(named)
            .or_else(counted)
            .or_else(gone)
            .or_else(whatever)
    }

    /// A row of the table.
    pub(super) fn row(&self, entry: &AuditEntry) -> Markup {
        let change = &entry.change;
        let done = crate::audit_words(&change.action);
        let is_gone = change.subject.kind == "contact"
            && change
                .subject
                .id
                .is_some_and(|id| !self.subjects.contains_key(&id));
        let place = audit_words::place(&change.action, &change.subject).filter(|_| !is_gone);
        html! { tr class="stacks" {
            td { (words::time(entry.at)) }
            td { (self.who(entry)) }
            td {
                @match (self.subject(entry), place) {
                    (Some(name), Some(place)) => { (done) " " a href=(place) { (name) } },
                    (Some(name), None) => { (done) " " strong { (name) } },
                    (None, Some(place)) => a href=(place) { (done) },
                    (None, None) => (done),
                }
            }
            td { (self.differences(&change.before, &change.after)) }
            td data-label="From" { @if let Some(address) = entry.address { (address) } @else { span class="soft" { (from_nowhere(entry)) } } }
        } }
    }

    /// What is different: the values that changed, or all if there is one side alone.
    fn differences(&self, before: &Value, after: &Value) -> Markup {
        let keys = |value: &Value| {
            let map = value.as_object();
            map.map(|map| map.keys().cloned().collect::<Vec<_>>())
                .unwrap_or_default()
        };
        let mut all = keys(before);
        all.extend(keys(after));
        all.sort();
        all.dedup();
        all.retain(|key| before.get(key) != after.get(key));
        let values = html! {
            dl class="values" { @for key in &all {
                dt { (audit_words::value(key)) }
                dd {
                    @match (before.get(key), after.get(key)) {
                        (Some(old), Some(new)) => { del { (self.shown(old)) } " " ins { (self.shown(new)) } },
                        (Some(only), None) | (None, Some(only)) => (self.shown(only)),
                        (None, None) => {},
                    }
                }
            } }
        };
        match all.len() {
            0 => html! {},
            1..=OPEN => values,
            many => html! { details { summary { (many) " values" } (values) } },
        }
    }

    fn shown(&self, value: &Value) -> String {
        match value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => {
                let id = text.parse::<Uuid>().ok();
                let named = id.and_then(|id| self.subjects.get(&id));
                named.unwrap_or(text).clone()
            }
            Value::Array(list) if list.is_empty() => "none".to_owned(),
            Value::Array(list) => {
                let list = list.iter().map(|value| self.shown(value));
                list.collect::<Vec<_>>().join(", ")
            }
            Value::Object(map) => {
                let values = map.iter().filter(|(_, value)| !value.is_null());
                let values = values.map(|(key, value)| {
                    format!("{}: {}", audit_words::value(key), self.shown(value))
                });
                values.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The ids of those of a kind that something was done to.
fn ids_of(entries: &[AuditEntry], kind: &str) -> BTreeSet<Uuid> {
    let subjects = entries.iter().map(|entry| &entry.change.subject);
    let of_kind = subjects.filter(|subject| subject.kind == kind);
    of_kind.filter_map(|subject| subject.id).collect()
}

/// The ids that stand under some keys among the values.
fn ids_under(entries: &[AuditEntry], keys: &[&str]) -> BTreeSet<Uuid> {
    fn look(value: &Value, keys: &[&str], found: &mut BTreeSet<Uuid>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::String(text) if keys.contains(&key.as_str()) => {
                    found.extend(text.parse::<Uuid>().ok());
                }
                value => look(value, keys, found),
            }
        }
    }
    let mut found = BTreeSet::new();
    for entry in entries {
        look(&entry.change.before, keys, &mut found);
        look(&entry.change.after, keys, &mut found);
    }
    found
}

/// What the emails are called, and those that were sent.
async fn mail(app: &App, actor: &Actor, entries: &[AuditEntry]) -> Result<BTreeMap<Uuid, String>> {
    let mut sends = BTreeMap::new();
    for id in ids_of(entries, "send") {
        match app.sends.status(actor, SendJobId::from_uuid(id)).await {
            Ok(status) => {
                sends.insert(id, status.job.email_id);
            }
            Err(MessagingError::NotFound { .. }) => {}
            Err(error) => return Err(failure::messaging(error)),
        }
    }
    let mut emails = ids_of(entries, "email");
    emails.extend(ids_under(entries, &EMAILS));
    let mut emails: BTreeSet<_> = emails.into_iter().map(EmailId::from_uuid).collect();
    emails.extend(sends.values());
    let names = app.emails.names(actor, &emails).await;
    let names = names.map_err(failure::messaging)?;
    let of_sends = sends
        .iter()
        .filter_map(|(id, email)| Some((*id, names.get(email)?.to_string())));
    let mut known: BTreeMap<_, _> = of_sends.collect();
    known.extend(
        names
            .iter()
            .map(|(id, name)| (id.as_uuid(), name.to_string())),
    );
    Ok(known)
}

/// Where a change came from whose address is not known.
fn from_nowhere(entry: &AuditEntry) -> &'static str {
    match entry.principal {
        Principal::System => "command line",
        Principal::User { .. } | Principal::Token { .. } | Principal::App { .. } => "unknown",
    }
}

/// What somebody is called, if that is to be known: a member by name, a token by its own.
async fn called(
    identity: &IdentityService,
    actor: &Actor,
    one: Principal,
) -> std::result::Result<Option<String>, IdentityError> {
    let name = match one {
        Principal::User { id } => identity
            .member(actor, id)
            .await
            .map(|one| one.name.to_string()),
        Principal::Token { id } => {
            let token = identity.token(actor, id).await;
            token.map(|one| format!("token {}", one.name))
        }
        Principal::App { client, user } => {
            let app = match identity.oauth_client(actor, client).await {
                Ok(found) => format!("app {}", found.name),
                // Who is no admin sees whom it acts for.
                Err(IdentityError::OauthClientNotFound | IdentityError::Forbidden(_)) => {
                    "an app".to_owned()
                }
                Err(error) => return Err(error),
            };
            match user {
                None => return Ok(Some(app)),
                Some(id) => {
                    let member = identity.member(actor, id).await;
                    member.map(|member| format!("{app} for {}", member.name))
                }
            }
        }
        Principal::System => return Ok(None),
    };
    match name {
        Ok(name) => Ok(Some(name)),
        // Whoever is gone has no name.
        Err(
            IdentityError::UserNotFound(_)
            | IdentityError::TokenNotFound(_)
            | IdentityError::Forbidden(_),
        ) => Ok(None),
        Err(error) => Err(error),
    }
}
