//! The rules of an organisation, ready for one day, and which of them a change concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mauntic_core::{ContactId, SegmentId};
use tracing::warn;

use super::{
    Condition, ContactFacts, Dirty, EngagementKind, Facets, MembershipChanges, Segment, Today,
    facet,
};
use crate::{Field, FieldSet};

/// The rules; those that others ask for come first.
pub(super) struct Ready {
    segments: Vec<(SegmentId, Condition)>,
    kinds: Vec<EngagementKind>,
    /// The places of the rules that read a facet, by its name.
    readers: HashMap<String, Vec<usize>>,
    made_of: MadeOf,
}

/// What must still be the same for the rules to be used again.
#[derive(PartialEq)]
pub(super) struct MadeOf {
    pub(super) versions: Vec<(SegmentId, i64)>,
    pub(super) fields: Vec<Field>,
    pub(super) today: Today,
}

impl Ready {
    /// Makes the rules of all segments of an organisation ready.
    pub(super) fn new(all: &[Segment], made_of: MadeOf) -> Self {
        let fields = FieldSet::with_custom(made_of.fields.clone());
        let mut segments = Vec::new();
        for segment in dependencies_first(all) {
            let compiled = segment
                .rule
                .as_ref()
                .map(|rule| rule.compile(&fields, &made_of.today));
            match compiled {
                Some(Ok(condition)) => segments.push((segment.id, condition)),
                Some(Err(error)) => {
                    warn!(segment.id = %segment.id, %error, "the rule of a segment does not suit the fields");
                }
                None => {}
            }
        }
        let kinds: BTreeSet<_> = segments
            .iter()
            .flat_map(|(_, condition)| condition.engagement_kinds())
            .collect();
        let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, (_, condition)) in segments.iter().enumerate() {
            for name in condition.reads() {
                readers.entry(name).or_default().push(place);
            }
        }
        Self {
            segments,
            kinds: kinds.into_iter().collect(),
            readers,
            made_of,
        }
    }

    pub(super) fn is_made_of(&self, made_of: &MadeOf) -> bool {
        self.made_of == *made_of
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    /// The segments with a rule.
    pub(super) fn ids(&self) -> Vec<SegmentId> {
        self.segments.iter().map(|(id, _)| *id).collect()
    }

    /// The kinds of engagement that rules read.
    pub(super) fn kinds(&self) -> &[EngagementKind] {
        &self.kinds
    }

    /// The contacts of which something changed that a rule reads.
    pub(super) fn concerned(&self, dirty: &Dirty) -> Vec<ContactId> {
        let concerned = dirty.contacts.iter().filter(|(_, facets)| match facets {
            Facets::All => !self.segments.is_empty(),
            Facets::Only(names) => names.iter().any(|name| self.readers.contains_key(name)),
        });
        concerned.map(|(id, _)| *id).collect()
    }

    /// What the rules that read what changed say of contacts, where that is not how it is. What is
    /// decided for one segment holds for those that ask for it.
    pub(super) fn changes(&self, dirty: &Dirty, contacts: Vec<ContactFacts>) -> MembershipChanges {
        let mut changes = MembershipChanges::default();
        let mut due = vec![false; self.segments.len()];
        for mut facts in contacts {
            let contact = facts.contact().id();
            self.find_due(dirty.contacts.get(&contact), &mut due);
            for (place, (segment, condition)) in self.segments.iter().enumerate() {
                if !due[place] || facts.by_hand.contains(segment) {
                    continue;
                }
                match (condition.holds(&facts), facts.segments.contains(segment)) {
                    (true, false) => {
                        changes.added.push((*segment, contact));
                        facts.segments.insert(*segment);
                    }
                    (false, true) => {
                        changes.removed.push((*segment, contact));
                        facts.segments.remove(segment);
                    }
                    _ => continue,
                }
                self.find_readers(&facet::membership(*segment), &mut due);
            }
        }
        changes
    }

    fn find_due(&self, facets: Option<&Facets>, due: &mut [bool]) {
        match facets {
            Some(Facets::Only(names)) => {
                due.fill(false);
                for name in names {
                    self.find_readers(name, due);
                }
            }
            Some(Facets::All) | None => due.fill(true),
        }
    }

    fn find_readers(&self, name: &str, due: &mut [bool]) {
        for place in self.readers.get(name).into_iter().flatten() {
            due[*place] = true;
        }
    }
}

/// Segments in an order in which those that a rule asks for come before it.
fn dependencies_first(segments: &[Segment]) -> Vec<&Segment> {
    let by_id: BTreeMap<SegmentId, &Segment> = segments
        .iter()
        .map(|segment| (segment.id, segment))
        .collect();
    let mut ordered = Vec::with_capacity(segments.len());
    let mut seen = BTreeSet::new();
    for segment in segments {
        // Each is put on the stack twice: to look for what it asks for, and to come after that.
        let mut stack = vec![(segment, false)];
        while let Some((segment, asked)) = stack.pop() {
            if asked {
                ordered.push(segment);
                continue;
            }
            if !seen.insert(segment.id) {
                continue;
            }
            stack.push((segment, true));
            let needs = segment
                .rule
                .as_ref()
                .map(super::Rule::segments)
                .unwrap_or_default();
            stack.extend(
                needs
                    .iter()
                    .filter_map(|id| by_id.get(id))
                    .map(|segment| (*segment, false)),
            );
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use mauntic_core::EmailId;
    use proptest::{
        collection::btree_set, prelude::*, sample::select, strategy::ValueTree as _,
        test_runner::TestRunner,
    };
    use uuid::Uuid;

    use super::*;
    use crate::{
        ChangeSet, Channel, Contact,
        segment::{EngagementFact, Rule, testing::*},
    };

    const WORLDS: usize = 300;
    const CHANGES: usize = 10;
    const RULES: usize = 12;
    const FIELDS: &[&str] = &[
        "firstname",
        "city",
        "colour",
        "birthday",
        "seen",
        "score",
        "attribution",
        "newsletter",
        "colours",
    ];
    /// What else can be a part of a change.
    const PARTS: &[&str] = &[
        "email",
        "tags",
        "owner",
        "stage",
        "points",
        "last_active",
        "marks",
        "segments",
        "engagement",
    ];

    type Person = (Contact, BTreeSet<SegmentId>, Vec<EngagementFact>);

    /// After any change, checking only the rules that read what changed gives the memberships that
    /// checking all of them gives.
    #[test]
    fn rules_that_do_not_read_what_changed_say_what_they_said() {
        let mut runner = TestRunner::deterministic();
        let (mut moved, mut skipped) = (0, 0);
        for _ in 0..WORLDS {
            let ready = random_ready(&mut runner);
            let statics: BTreeSet<_> = random_segments()
                .into_iter()
                .filter(|id| !ready.ids().contains(id))
                .collect();
            let mut person: Person = draw(&mut runner, &random_contact(1));
            person.1 = person.1.intersection(&statics).copied().collect();
            let mut members = checked(&ready, &person, Facets::All);
            for _ in 0..CHANGES {
                let target = draw(&mut runner, &random_contact(2));
                let any = select(FIELDS).boxed().prop_union(select(PARTS).boxed());
                let parts = draw(&mut runner, &btree_set(any, 1..3));
                person.1 = members.clone();
                let facets = change(&mut person, &target, &parts, &statics);
                skipped += ready.len() - due(&ready, &facets);
                let incremental = checked(&ready, &person, facets.clone());
                let whole = checked(&ready, &person, Facets::All);
                assert_eq!(incremental, whole, "{parts:?} changed: {facets:?}");
                moved += usize::from(whole != members);
                members = whole;
            }
        }
        assert!(moved > WORLDS, "changes should move people: {moved}");
        assert!(
            skipped > WORLDS * CHANGES,
            "rules should be skipped: {skipped}"
        );
    }

    /// What no rule reads needs no look at the contact.
    #[test]
    fn a_change_that_no_rule_reads_concerns_nobody() {
        let ready = ready_of(vec![(
            SegmentId::from_uuid(Uuid::from_u128(1)),
            Rule::parse(
                "city = 'Bonn'",
                &random_fields(),
                &super::super::NameTable::default(),
            )
            .unwrap(),
        )]);
        let contact = ContactId::from_uuid(Uuid::from_u128(1));
        let concerned = |facets| {
            let contacts = BTreeMap::from([(contact, facets)]);
            ready.concerned(&Dirty {
                contacts,
                changes: 1,
            })
        };
        assert_eq!(concerned(Facets::changed(["firstname"])), []);
        assert_eq!(concerned(Facets::changed(["city"])), [contact]);
        assert_eq!(concerned(Facets::All), [contact]);
    }

    #[test]
    fn facets_survive_storage() {
        let mut facets = Facets::changed(["tags", "do_not_contact.email"]);
        facets.add(Facets::membership(random_segments()[0]));
        facets.add(Facets::engagement(
            EngagementKind::Opened,
            random_emails()[0],
        ));
        assert_eq!(Facets::from_stored(facets.to_stored().as_deref()), facets);
        facets.add(Facets::All);
        assert_eq!(facets.to_stored(), None);
        assert_eq!(Facets::from_stored(None), Facets::All);
    }

    fn draw<S: Strategy>(runner: &mut TestRunner, strategy: &S) -> S::Value {
        strategy.new_tree(runner).unwrap().current()
    }

    /// Rules of which some are those of segments that others ask for.
    fn random_ready(runner: &mut TestRunner) -> Ready {
        let mut rules = Vec::new();
        let mut asked: Vec<SegmentId> = Vec::new();
        for id in random_segments() {
            let rule = draw(runner, &random_rule());
            if rule.segments().iter().all(|id| asked.contains(id)) {
                rules.push((id, rule));
                asked.push(id);
            }
        }
        for number in 0..RULES {
            let id = SegmentId::from_uuid(Uuid::from_u128(0x7000 + number as u128));
            rules.push((id, draw(runner, &random_rule())));
        }
        // Who is asked for may come behind.
        rules.reverse();
        ready_of(rules)
    }

    fn ready_of(rules: Vec<(SegmentId, Rule)>) -> Ready {
        let segments = rules.into_iter().map(|(id, rule)| {
            let name = format!("Segment {}", id.as_uuid().simple());
            Segment::new(
                id,
                name.parse().unwrap(),
                String::new(),
                Some(rule),
                random_now(),
            )
        });
        let segments: Vec<_> = segments.collect();
        let made_of = MadeOf {
            versions: Vec::new(),
            fields: random_fields().custom().cloned().collect(),
            today: Today::at(random_now(), "Europe/Berlin".parse().unwrap()),
        };
        Ready::new(&segments, made_of)
    }

    /// The segments that somebody is in after a check.
    fn checked(ready: &Ready, person: &Person, facets: Facets) -> BTreeSet<SegmentId> {
        let (contact, mut segments, engagement) = person.clone();
        let dirty = Dirty {
            contacts: BTreeMap::from([(contact.id(), facets)]),
            changes: 1,
        };
        let facts = ContactFacts::new(contact, segments.clone(), engagement);
        let changes = if ready.concerned(&dirty).is_empty() {
            MembershipChanges::default()
        } else {
            ready.changes(&dirty, vec![facts])
        };
        segments.extend(changes.added.iter().map(|(segment, _)| *segment));
        for (segment, _) in &changes.removed {
            segments.remove(segment);
        }
        segments
    }

    fn due(ready: &Ready, facets: &Facets) -> usize {
        let mut due = vec![false; ready.len()];
        ready.find_due(Some(facets), &mut due);
        due.iter().filter(|due| **due).count()
    }

    /// Makes parts of somebody like those of another, the way use cases do, and says what they note.
    fn change(
        person: &mut Person,
        target: &Person,
        parts: &BTreeSet<&str>,
        statics: &BTreeSet<SegmentId>,
    ) -> Facets {
        let mut changes = ChangeSet::default();
        for part in parts {
            change_contact(&mut person.0, target.0.parts(), part, &mut changes);
        }
        let mut facets = Facets::Only(BTreeSet::new());
        if !changes.is_empty() {
            person.0.touch(random_now());
            facets.add(Facets::from(&changes));
        }
        if parts.contains("segments") {
            for id in statics {
                let there = target.1.contains(id);
                if there != person.1.contains(id) {
                    facets.add(Facets::membership(*id));
                    if there {
                        person.1.insert(*id);
                    } else {
                        person.1.remove(id);
                    }
                }
            }
        }
        if parts.contains("engagement") {
            for fact in &target.2 {
                let email = EmailId::from_uuid(fact.subject);
                facets.add(Facets::engagement(fact.kind, email));
                person.2.push(*fact);
            }
        }
        facets
    }

    fn change_contact(
        contact: &mut Contact,
        target: &crate::ContactParts,
        part: &str,
        changes: &mut ChangeSet,
    ) {
        match part {
            "email" => contact.set_email(target.email.clone(), changes),
            "tags" => contact.set_tags(target.tags.clone(), changes),
            "owner" => contact.set_owner(target.owner, changes),
            "stage" => contact.set_stage(target.stage.clone(), changes),
            "points" => contact.set_points(target.points, changes),
            "last_active" => contact.set_last_active(target.last_active_at, changes),
            "marks" => {
                for channel in Channel::ALL {
                    match target.do_not_contact.get(channel) {
                        Some(mark) => drop(contact.forbid(mark.clone(), changes)),
                        None => drop(contact.allow(*channel, None, changes)),
                    }
                }
            }
            "segments" | "engagement" => {}
            field => {
                let alias = field.parse().unwrap();
                contact.set_value(&alias, target.fields.get(&alias).cloned(), changes);
            }
        }
    }
}
