//! The test that whatever use cases change for somebody is in the audit log.
//!
//! A context copies two things: the lists of what its use cases leave in the log, and why some leave nothing; and a test
//! that calls [`assert_audited`] with them and a function that calls each use case by name. A use case that writes to the
//! database and leaves no entry fails the test, and so does one that leaves another entry than is said.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::{
    Access, Audited, ChangeMade, DomainEvent as _, Envelope, EventHandler, HandlerError, UseCase,
};

/// What a use case did that somebody called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Whether anything was written to the context's database.
    pub wrote: bool,
    /// The actions of the entries that the call left.
    pub actions: Vec<String>,
}

/// Takes what the audit log is told.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<ChangeMade>>);

impl Told {
    /// What it was told since it was asked last.
    #[must_use = "it is forgotten here"]
    pub fn take(&self) -> Vec<ChangeMade> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl EventHandler for Told {
    fn name(&self) -> &'static str {
        "test.told"
    }

    fn handles(&self) -> &'static [&'static str] {
        &[ChangeMade::TYPE]
    }

    async fn handle(&self, envelope: &Envelope) -> Result<(), HandlerError> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend(envelope.open::<ChangeMade>()?);
        Ok(())
    }
}

/// Has each use case of a service called that somebody may call, and compares what it left in the audit log with the
/// lists. `attempt` calls one on a fresh service, so that it succeeds.
///
/// # Panics
/// If a use case changes something without an entry and without a reason, leaves another entry than is listed, or is
/// listed and not there.
pub async fn assert_audited(
    service: &str,
    use_cases: &[UseCase],
    audited: &[Audited],
    unaudited: &[(&str, &str)],
    attempt: impl AsyncFn(&'static str) -> Trace,
) {
    let wrong = what_is_wrong(service, use_cases, audited, unaudited, attempt).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn what_is_wrong(
    service: &str,
    use_cases: &[UseCase],
    audited: &[Audited],
    unaudited: &[(&str, &str)],
    attempt: impl AsyncFn(&'static str) -> Trace,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let called = use_cases.iter().filter(|(_, access)| {
        matches!(
            access,
            Access::Needs(_) | Access::NeedsAll(_) | Access::Oneself
        )
    });
    let called: Vec<_> = called.map(|(name, _)| *name).collect();
    let full = |name: &str| format!("{service}.{name}");
    for name in &called {
        let name: &'static str = name;
        let is = |listed: &str| listed == full(name);
        let expected = audited.iter().find(|(listed, _)| is(listed));
        let excused = unaudited.iter().any(|(listed, _)| is(listed));
        let Trace { wrote, actions } = attempt(name).await;
        let name = full(name);
        match expected {
            // Others may come before: of what the call needs to be there.
            Some((_, action)) if ends_once(&actions, action) => {}
            Some((_, action)) => wrong.push(format!("{name} was to leave {action}: {actions:?}")),
            None if !actions.is_empty() => {
                wrong.push(format!("{name} leaves what is not listed: {actions:?}"));
            }
            None if wrote && !excused => wrong.push(format!(
                "{name} changes something that is not in the audit log: tell of it, or list the reason why not"
            )),
            None if excused && !wrote => wrong.push(format!("{name} needs no excuse")),
            None => {}
        }
    }
    let listed = audited.iter().chain(unaudited).map(|(listed, _)| *listed);
    for listed in
        listed.filter(|listed| listed.split_once('.').is_some_and(|(of, _)| of == service))
    {
        if !called.iter().any(|name| full(name) == listed) {
            wrong.push(format!("{listed} is listed and nobody can call it"));
        }
    }
    wrong
}

fn ends_once(actions: &[String], action: &str) -> bool {
    let same = |found: &&String| *found == action;
    actions.last().is_some_and(|last| same(&last)) && actions.iter().filter(same).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Permission;

    const USE_CASES: &[UseCase] = &[
        ("list", Access::Needs(Permission::ContactsRead)),
        ("save", Access::Needs(Permission::ContactsWrite)),
        ("work", Access::Itself),
    ];

    async fn passes(audited: &[Audited], unaudited: &[(&str, &str)], saved: Trace) -> bool {
        let wrong = what_is_wrong("notes", USE_CASES, audited, unaudited, async |name| {
            if name == "save" {
                saved.clone()
            } else {
                Trace::default()
            }
        });
        wrong.await.is_empty()
    }

    #[tokio::test]
    async fn what_is_changed_in_silence_is_found() {
        let told = |actions: &[&str]| Trace {
            wrote: true,
            actions: actions.iter().map(ToString::to_string).collect(),
        };
        let listed: &[Audited] = &[("notes.save", "note.saved")];
        assert!(passes(listed, &[], told(&["note.saved"])).await);
        assert!(!passes(listed, &[], told(&[])).await, "silent");
        assert!(
            !passes(listed, &[], told(&["note.saved"; 2])).await,
            "twice"
        );
        assert!(!passes(&[], &[], told(&[])).await, "not listed");
        assert!(!passes(&[], &[], told(&["note.saved"])).await, "not listed");
        let excused: &[(&str, &str)] = &[("notes.save", "a reason")];
        assert!(passes(&[], excused, told(&[])).await);
        assert!(!passes(&[], excused, Trace::default()).await, "no excuse");
        let stale: &[Audited] = &[("notes.save", "note.saved"), ("notes.gone", "x.y")];
        assert!(!passes(stale, &[], told(&["note.saved"])).await, "stale");
        let other: &[Audited] = &[("notes.save", "note.saved"), ("others.gone", "x.y")];
        assert!(passes(other, &[], told(&["note.saved"])).await);
    }
}
