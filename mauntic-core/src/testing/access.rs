//! The test that every use case asks for its permission and stays in the actor's organisation.
//!
//! A context copies three things: the constant `USE_CASES` on its service, a test that calls
//! [`assert_complete`] with it, and a test that calls [`assert_access`] with [`access_cases`] and a
//! function that makes the call of each use case by name. A use case that is missing from the list
//! fails the first test; one that is missing from the function fails the second.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::{
    Access, Actor, ApiTokenId, IdSource, OrganizationId, Permission, Role, UseCase, UserId,
};

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The use case did what it does.
    Allowed,
    /// The actor lacks the permission.
    Forbidden,
    /// The records named are another organisation's: nothing of them was shown or changed.
    Unseen,
}

/// A call that a service has to be tried with.
#[derive(Debug, Clone)]
pub struct AccessCase {
    /// The name of the use case.
    pub use_case: &'static str,
    /// Who calls it, always with the ids of records of the first organisation.
    pub actor: Actor,
    /// How far the call has to get.
    pub expected: Reach,
    /// What the actor is, for the message.
    pub who: String,
}

/// Holds a service's list of use cases to its source: every `pub async fn` must be listed, once, and
/// nothing else. `places` are the files of the service, or folders of them:
/// `concat!(env!("CARGO_MANIFEST_DIR"), "/src/service")`.
///
/// # Panics
/// If they differ, or a place cannot be read.
pub fn assert_complete(declared: &[UseCase], places: &[&str]) {
    let listed: BTreeSet<_> = declared
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(listed.len(), declared.len(), "a use case is listed twice");
    let mut written = BTreeSet::new();
    for place in places {
        collect_use_cases(Path::new(place), &mut written);
    }
    assert_eq!(listed, written, "left: listed, right: in the source");
}

fn collect_use_cases(place: &Path, found: &mut BTreeSet<String>) {
    if place.is_dir() {
        let entries = place.read_dir().expect("the folder can be read");
        for entry in entries {
            collect_use_cases(&entry.expect("the folder can be read").path(), found);
        }
        return;
    }
    let source = std::fs::read_to_string(place).expect("the source can be read");
    let functions = source.split("pub async fn ").skip(1);
    found.extend(functions.filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned)));
}

/// Holds a crate to its lists of use cases: only the files that are held to a list, and their folders, may have a
/// `pub async fn` that takes an actor, but for those that are excused by name, each with its reason at the caller's.
/// `source` is the folder of the crate's source: `concat!(env!("CARGO_MANIFEST_DIR"), "/src")`. Conformance suites and
/// helpers of tests are no use cases.
///
/// # Panics
/// If there are others, which it names, if one that is excused is not there, or if a place cannot be read.
pub fn assert_none_elsewhere(source: &str, places: &[&str], excused: &[&str]) {
    let listed: Vec<_> = places.iter().map(|place| real(Path::new(place))).collect();
    let mut found = BTreeSet::new();
    collect_elsewhere(&real(Path::new(source)), &listed, &mut found);
    let excused: BTreeSet<_> = excused.iter().map(|name| (*name).to_owned()).collect();
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        names, excused,
        "left: use cases that no list knows, right: excused; they are in {found:?}"
    );
}

/// The path without `..`, so that places can be compared.
fn real(place: &Path) -> PathBuf {
    place
        .canonicalize()
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", place.display()))
}

fn collect_elsewhere(place: &Path, listed: &[PathBuf], found: &mut BTreeSet<(String, PathBuf)>) {
    if listed.iter().any(|known| known == place) {
        return;
    }
    if place.is_dir() {
        if place.ends_with("conformance") || place.ends_with("testing") {
            return;
        }
        let entries = place.read_dir().expect("the folder can be read");
        for entry in entries {
            let entry = entry.expect("the folder can be read");
            collect_elsewhere(&entry.path(), listed, found);
        }
        return;
    }
    if place.extension().is_none_or(|extension| extension != "rs") {
        return;
    }
    let source = std::fs::read_to_string(place).expect("the source can be read");
    for rest in source.split("pub async fn ").skip(1) {
        let head = rest.split(['{', ';']).next().unwrap_or_default();
        let name = head.split(['(', '<']).next().unwrap_or_default();
        if head.contains("&Actor") {
            found.insert((name.to_owned(), place.to_owned()));
        }
    }
}

/// The calls that a service has to be tried with: each use case that needs a permission, as each
/// role, as a token with and without the scope, as a token of each role, and as the owner of another organisation.
pub fn access_cases(
    use_cases: &[UseCase],
    own: OrganizationId,
    other: OrganizationId,
    ids: &dyn IdSource,
) -> Vec<AccessCase> {
    let needing = use_cases.iter().filter_map(|(name, access)| match access {
        Access::Needs(permission) => Some((*name, std::slice::from_ref(permission))),
        Access::NeedsAll(permissions) => Some((*name, *permissions)),
        Access::Operator | Access::Oneself | Access::Anybody | Access::Itself => None,
    });
    needing
        .flat_map(|(name, permissions)| cases_of(name, permissions, own, other, ids))
        .collect()
}

fn cases_of(
    use_case: &'static str,
    permissions: &[Permission],
    own: OrganizationId,
    other: OrganizationId,
    ids: &dyn IdSource,
) -> Vec<AccessCase> {
    let case = |actor, expected, who: &str| AccessCase {
        use_case,
        actor,
        expected,
        who: who.to_owned(),
    };
    let reach = |allowed| {
        if allowed {
            Reach::Allowed
        } else {
            Reach::Forbidden
        }
    };
    let user = UserId::generate(ids);
    let mut cases: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| {
            let actor = Actor::user(own, user, role);
            let allowed = permissions
                .iter()
                .all(|permission| role.allows(*permission));
            case(actor, reach(allowed), role.as_str())
        })
        .collect();
    let token = |scopes| Actor::token(own, ApiTokenId::generate(ids), Role::Owner, scopes);
    let with = token(permissions.iter().copied().collect());
    cases.push(case(with, Reach::Allowed, "a token with the scope"));
    // A token of a lesser role may no more than that, whatever its scopes.
    let lesser = Role::ALL.into_iter().filter(|role| *role < Role::Owner);
    cases.extend(lesser.map(|role| {
        let all = Permission::ALL.into_iter().map(|(scope, _)| scope);
        let actor = Actor::token(own, ApiTokenId::generate(ids), role, all.collect());
        let allowed = permissions.iter().all(|needed| role.allows(*needed));
        let who = format!("a token of the role {role} with every scope");
        case(actor, reach(allowed), &who)
    }));
    for permission in permissions {
        let all = Permission::ALL.into_iter().map(|(other, _)| other);
        let rest: BTreeSet<_> = all.filter(|other| other != permission).collect();
        let who = format!("a token without the scope {}", permission.as_str());
        cases.push(case(token(rest), Reach::Forbidden, &who));
    }
    let foreign = Actor::user(other, user, Role::Owner);
    cases.push(case(
        foreign,
        Reach::Unseen,
        "the owner of another organisation",
    ));
    cases
}

/// Tries all cases and shows together which went wrong. `attempt` makes a fresh service with records
/// of the first organisation, calls the use case that the case names, with their ids, and says how far
/// it got; it panics at a name that it does not know, so that none is left out.
///
/// # Panics
/// If a call got further, or less far, than it should.
pub async fn assert_access(cases: &[AccessCase], attempt: impl AsyncFn(&AccessCase) -> Reach) {
    let mut wrong = Vec::new();
    for case in cases {
        let reached = attempt(case).await;
        if reached != case.expected {
            wrong.push(format!(
                "{} by {}: expected {:?}, found {reached:?}",
                case.use_case, case.who, case.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::assert_none_elsewhere;

    #[test]
    #[should_panic(expected = "audit")]
    fn what_no_list_knows_is_named() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let known = concat!(env!("CARGO_MANIFEST_DIR"), "/src/identity/service");
        assert_none_elsewhere(source, &[known], &[]);
    }
}
