//! One entry of the audit log as people read it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mauntic_core::{
    Actor, ContactId, PageSize, Permission, Principal, SegmentId,
    identity::{AuditEntry, IdentityError, IdentityService},
};
use poem::Result;
use serde_json::Value;
use uuid::Uuid;

use super::audit_words;
use crate::{
    App,
    ui::{contacts, failure, words},
};

/// Members and tokens that are known by name at once.
const NAMED: usize = 1_000;
/// Values that are shown without being asked for.
const OPEN: usize = 3;

/// What those are called who act, and those it is about. Of contacts the log holds ids alone: who is gone has no name.
pub(super) struct Known {
    actors: BTreeMap<String, String>,
    subjects: BTreeMap<Uuid, String>,
    sees_contacts: bool,
}

impl Known {
    /// Those of some entries, as far as the actor may see them.
    pub(super) async fn of(app: &App, actor: &Actor, entries: &[AuditEntry]) -> Result<Self> {
        let sees_contacts = actor.may(Permission::ContactsRead);
        let mut subjects = BTreeMap::new();
        let ids = |kind: &str| {
            let of_kind = entries.iter().map(|entry| &entry.change.subject);
            let of_kind = of_kind.filter(|subject| subject.kind == kind);
            let mut ids: Vec<_> = of_kind.filter_map(|subject| subject.id).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        if sees_contacts {
            let ids: Vec<_> = ids("contact")
                .into_iter()
                .map(ContactId::from_uuid)
                .collect();
            let found = app.contacts.find_many(actor, &ids).await;
            for contact in found.map_err(failure::crm)? {
                subjects.insert(contact.id().as_uuid(), contacts::called(&contact));
            }
        }
        if actor.may(Permission::SegmentsRead) {
            for id in ids("segment") {
                let id = SegmentId::from_uuid(id);
                let found = app.segments.find_by_name(actor, &id.to_string()).await;
                if let Some(segment) = found.map_err(failure::crm)? {
                    subjects.insert(segment.id.as_uuid(), segment.name.to_string());
                }
            }
        }
        let mut known = Self {
            actors: actors(&app.identity, actor).await?,
            subjects,
            sees_contacts,
        };
        let learnt = known.learn(&app.identity, actor, entries).await;
        learnt.map_err(failure::identity)?;
        Ok(known)
    }

    /// Those who act alone, for what leaves the installation.
    pub(super) async fn acting(app: &App, actor: &Actor) -> Result<Self> {
        Ok(Self {
            sees_contacts: false,
            ..Self::of(app, actor, &[]).await?
        })
    }

    /// What those who acted are called, as far as they are not among the first.
    pub(super) async fn learn(
        &mut self,
        identity: &IdentityService,
        actor: &Actor,
        entries: &[AuditEntry],
    ) -> std::result::Result<(), IdentityError> {
        for entry in entries {
            let id = entry.principal.to_string();
            if self.actors.contains_key(&id) {
                continue;
            }
            let name = match entry.principal {
                Principal::User { id } => identity
                    .member(actor, id)
                    .await
                    .map(|one| one.name.to_string()),
                Principal::Token { id } => {
                    let token = identity.token(actor, id).await;
                    token.map(|one| format!("token {}", one.name))
                }
                Principal::System => continue,
            };
            match name {
                Ok(name) => {
                    self.actors.insert(id, name);
                }
                // Whoever is gone has no name.
                Err(
                    IdentityError::UserNotFound(_)
                    | IdentityError::TokenNotFound(_)
                    | IdentityError::Forbidden(_),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Those who may have acted: their principals and names.
    pub(super) fn actors(&self) -> impl Iterator<Item = (&str, &str)> {
        let actors = self.actors.iter();
        actors.map(|(id, name)| (id.as_str(), name.as_str()))
    }

    /// Who made an entry's change.
    pub(super) fn who<'a>(&'a self, entry: &AuditEntry) -> &'a str {
        if entry.principal == Principal::System && entry.address.is_some() {
            return "somebody who is not logged in";
        }
        let known = self.actors.get(&entry.principal.to_string());
        known.map_or_else(
            || match entry.principal {
                Principal::User { .. } => "a former member",
                Principal::Token { .. } => "a token",
                Principal::System => "the operator",
            },
            String::as_str,
        )
    }

    /// What the change was made to, in words.
    pub(super) fn subject(&self, entry: &AuditEntry) -> Option<String> {
        let change = &entry.change;
        let (kind, values) = (
            change.subject.kind.as_str(),
            [&change.after, &change.before],
        );
        let by_id = change.subject.id.and_then(|id| match kind {
            "user" => self.actors.get(&format!("user:{id}")).cloned(),
            "api_token" => {
                let token = self.actors.get(&format!("token:{id}"));
                token.map(|name| name.trim_start_matches("token ").to_owned())
            }
            _ => self.subjects.get(&id).cloned(),
        });
        let named = || {
            let keys = ["name", "label", "domain", "alias", "email"].into_iter();
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
        let whatever = || audit_words::nameless(kind).map(str::to_owned);
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
        html! { tr {
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
            td { (differences(&change.before, &change.after)) }
            td { @if let Some(address) = entry.address { (address) } @else { span class="soft" { (from_nowhere(entry)) } } }
        } }
    }
}

/// Where a change came from whose address is not known.
fn from_nowhere(entry: &AuditEntry) -> &'static str {
    match entry.principal {
        Principal::System => "command line",
        Principal::User { .. } | Principal::Token { .. } => "unknown",
    }
}

/// What whoever acts is called: members and tokens by name.
async fn actors(identity: &IdentityService, actor: &Actor) -> Result<BTreeMap<String, String>> {
    let size = PageSize::clamped(NAMED);
    let mut names = BTreeMap::from([(Principal::System.to_string(), "the operator".to_owned())]);
    if actor.may(Permission::MembersRead) {
        let members = identity.members(actor, None, size).await;
        for member in members.map_err(failure::identity)?.items {
            let id = Principal::User { id: member.user_id };
            names.insert(id.to_string(), member.name.to_string());
        }
    }
    if actor.may(Permission::TokensManage) {
        let tokens = identity.tokens(actor, None, size).await;
        for token in tokens.map_err(failure::identity)?.items {
            let id = Principal::Token { id: token.id };
            names.insert(id.to_string(), format!("token {}", token.name));
        }
    }
    Ok(names)
}

/// What is different: the values that changed, or all if there is one side alone.
fn differences(before: &Value, after: &Value) -> Markup {
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
                    (Some(old), Some(new)) => { del { (shown(old)) } " " ins { (shown(new)) } },
                    (Some(only), None) | (None, Some(only)) => (shown(only)),
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

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let values = map.iter().filter(|(_, value)| !value.is_null());
            let values =
                values.map(|(key, value)| format!("{}: {}", audit_words::value(key), shown(value)));
            values.collect::<Vec<_>>().join(", ")
        }
    }
}
