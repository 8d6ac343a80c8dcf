//! Rules as rows that people fill in: groups of conditions within groups.
//!
//! What stands in the rows may be unfinished or wrong, which a [`Rule`] cannot be. Every rule that has a text form
//! becomes rows and the same rule again; a condition that the fields of a row cannot hold stands there as text.

mod date;
mod form;
mod row;
mod step;
mod subject;
mod view;

use mauntic_crm::{
    FieldSet,
    segment::{NameTable, Rule},
};

pub(super) use self::{
    form::{Unreadable, read},
    row::Row,
    step::Step,
    view::{Choices, View},
};

/// How the items of a group are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    /// Every one holds.
    All,
    /// At least one holds.
    Any,
}

/// Conditions and groups that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Whether the whole must not hold.
    pub(super) not: bool,
    /// How they are joined.
    pub(super) join: Join,
    /// In order.
    pub(super) items: Vec<Item>,
}

/// What stands in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A group within.
    Group(Group),
    /// A condition.
    Row(Row),
}

/// What a row is read and shown with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The fields of the organisation.
    pub(super) fields: &'a FieldSet,
    /// Its emails and segments.
    pub(super) names: &'a NameTable,
}

/// What is wrong with a row or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowProblem {
    /// Which, counted from the outermost group, 0, as they stand.
    pub(super) place: usize,
    /// What.
    pub(super) text: String,
    /// Whether only something is missing yet.
    pub(super) unfinished: bool,
}

/// A rule made from rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    /// The rule.
    pub(super) rule: Rule,
    /// In which row each test stands.
    pub(super) places: Vec<usize>,
}

impl Group {
    /// Nothing yet.
    pub(super) fn empty() -> Self {
        Self {
            not: false,
            join: Join::All,
            items: Vec::new(),
        }
    }

    /// The rows of a rule.
    pub(super) fn of(rule: &Rule, known: Known<'_>) -> Self {
        match Item::of(rule, known) {
            Item::Group(group) => group,
            row @ Item::Row(_) => Self {
                items: vec![row],
                ..Self::empty()
            },
        }
    }

    /// Lets every row take up the subject that was chosen for it.
    pub(super) fn suit(&mut self, known: Known<'_>) {
        for item in &mut self.items {
            match item {
                Item::Group(group) => group.suit(known),
                Item::Row(row) => row.suit(known),
            }
        }
    }

    /// The rule that the rows say; `None` if there are none.
    ///
    /// # Errors
    /// Everything that is missing or wrong, by row.
    pub(super) fn rule(&self, known: Known<'_>) -> Result<Option<Made>, Vec<RowProblem>> {
        if self.items.is_empty() {
            return Ok(None);
        }
        let mut maker = Maker {
            known,
            place: 0,
            places: Vec::new(),
            problems: Vec::new(),
        };
        match maker.group(self) {
            Some(rule) if maker.problems.is_empty() => Ok(Some(Made {
                rule,
                places: maker.places,
            })),
            _ => Err(maker.problems),
        }
    }
}

impl Item {
    fn of(rule: &Rule, known: Known<'_>) -> Self {
        let group = |join, rules: &[Rule]| {
            let items = rules.iter().map(|rule| Self::of(rule, known)).collect();
            Self::Group(Group {
                not: false,
                join,
                items,
            })
        };
        match rule {
            Rule::All(rules) if !rules.is_empty() => group(Join::All, rules),
            Rule::Any(rules) if !rules.is_empty() => group(Join::Any, rules),
            Rule::Not(rule) => Self::not(Self::of(rule, known)),
            test => Self::Row(Row::of(test, known)),
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Row(row) if !row.not => Self::Row(row.negated()),
            Self::Group(group) if !group.not => Self::Group(Group { not: true, ..group }),
            twice => Self::Group(Group {
                not: true,
                join: Join::All,
                items: vec![twice],
            }),
        }
    }
}

struct Maker<'a> {
    known: Known<'a>,
    place: usize,
    places: Vec<usize>,
    problems: Vec<RowProblem>,
}

impl Maker<'_> {
    fn group(&mut self, group: &Group) -> Option<Rule> {
        let place = self.place;
        self.place += 1;
        if group.items.is_empty() {
            let text = "This group is empty: add a condition, or remove the group.".to_owned();
            self.problems.push(RowProblem {
                place,
                text,
                unfinished: true,
            });
            return None;
        }
        let rules: Vec<_> = group.items.iter().map(|item| self.item(item)).collect();
        let mut rules = rules.into_iter().collect::<Option<Vec<_>>>()?;
        let rule = match (rules.len(), group.join) {
            // One alone needs no group, and has none in the text.
            (1, _) => rules.remove(0),
            (_, Join::All) => Rule::All(rules),
            (_, Join::Any) => Rule::Any(rules),
        };
        Some(if group.not {
            Rule::Not(Box::new(rule))
        } else {
            rule
        })
    }

    fn item(&mut self, item: &Item) -> Option<Rule> {
        let row = match item {
            Item::Group(group) => return self.group(group),
            Item::Row(row) => row,
        };
        let place = self.place;
        self.place += 1;
        match row.rule(self.known) {
            Ok(rule) => {
                rule.visit(&mut |part| {
                    if !matches!(part, Rule::All(_) | Rule::Any(_) | Rule::Not(_)) {
                        self.places.push(place);
                    }
                });
                Some(rule)
            }
            Err(wrong) => {
                self.problems.push(RowProblem {
                    place,
                    text: wrong.text,
                    unfinished: wrong.unfinished,
                });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mauntic_crm::segment::testing::{
        random_emails, random_fields, random_rule, random_segments,
    };
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn names() -> NameTable {
        let emails = random_emails()
            .into_iter()
            .zip(["Welcome", "News", "Say \"hi\""]);
        let segments = random_segments()
            .into_iter()
            .zip(["Customers", "Fans, all", "x"]);
        NameTable {
            emails: emails.map(|(id, name)| (id, name.to_owned())).collect(),
            segments: segments.map(|(id, name)| (id, name.to_owned())).collect(),
        }
    }

    proptest! {
        #[test]
        fn every_text_becomes_rows_and_the_same_text_again(rule in random_rule()) {
            let (fields, names) = (random_fields(), names());
            let known = Known { fields: &fields, names: &names };
            let text = rule.to_text(&names);
            let rule = Rule::parse(&text, &fields, &names).unwrap();
            let rows = Group::of(&rule, known);
            let made = rows.rule(known).unwrap().unwrap();
            prop_assert_eq!(&made.rule, &rule);
            prop_assert_eq!(made.rule.to_text(&names), text);

            // And through the form, as a browser sends it.
            let page = View::new(known, &Choices::default(), &[]).shown(&rows).into_string();
            let sent = form::testing::sent(&page);
            let read = read(form::testing::lent(&sent)).unwrap();
            prop_assert_eq!(read.rule(known).unwrap().unwrap().rule, rule);
        }

        #[test]
        fn moving_loses_no_row(rule in random_rule(), steps in proptest::collection::vec((0..4_usize, 0..20_usize), 0..8)) {
            let (fields, names) = (random_fields(), names());
            let known = Known { fields: &fields, names: &names };
            let mut rows = Group::of(&rule, known);
            let before = sorted(&rows);
            for (verb, place) in steps {
                let verb = ["up", "down", "in", "out"][verb];
                let step: Step = format!("{verb}:{place}").parse().unwrap();
                step.on(&mut rows);
                prop_assert_eq!(sorted(&rows), before.clone());
            }
        }
    }

    fn sorted(group: &Group) -> Vec<String> {
        fn collect(group: &Group, rows: &mut Vec<String>) {
            for item in &group.items {
                match item {
                    Item::Group(group) => collect(group, rows),
                    Item::Row(row) => rows.push(format!("{row:?}")),
                }
            }
        }
        let mut rows = Vec::new();
        collect(group, &mut rows);
        rows.sort();
        rows
    }

    #[test]
    fn what_is_missing_is_said_of_its_row() {
        let fields = FieldSet::core();
        let names = NameTable::default();
        let known = Known {
            fields: &fields,
            names: &names,
        };
        let rule = Rule::parse(
            "country = \"DE\" or (points > 1 and city is set)",
            &fields,
            &names,
        )
        .unwrap();
        let mut rows = Group::of(&rule, known);
        for step in ["row:0", "group:2", "row:2"] {
            step.parse::<Step>().unwrap().on(&mut rows);
        }
        let problems = rows.rule(known).unwrap_err();
        let places: Vec<_> = problems
            .iter()
            .map(|problem| (problem.place, problem.unfinished))
            .collect();
        assert_eq!(places, [(6, true), (7, true), (8, true)], "{problems:?}");
    }

    #[test]
    fn a_problem_of_a_test_is_found_in_its_row() {
        let fields = FieldSet::core();
        let names = NameTable::default();
        let known = Known {
            fields: &fields,
            names: &names,
        };
        let text = "everyone and (city = \"a\" or nobody) and not opened(any)";
        let rule = Rule::parse(text, &fields, &names).unwrap();
        let made = Group::of(&rule, known).rule(known).unwrap().unwrap();
        assert_eq!(made.places, [3, 5]);
    }
}
