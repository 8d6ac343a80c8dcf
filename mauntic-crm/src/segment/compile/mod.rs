//! Checks a rule against the fields, and makes it ready for evaluation. Here a rule is walked and each of its tests is given
//! to the file for the kind of its values; dates are compared in `span`.

mod operand;
mod problem;
mod set;
mod text;
mod value;

use chrono::NaiveDate;
use mauntic_core::TimeZoneName;

use self::{
    operand::check_arity,
    set::tags,
    value::{boolean, number, owner},
};
use super::{
    condition::{
        Condition, Engagement, InstantColumn, InstantSource, Node, NumberSource, Test, TextSource,
    },
    property::Property,
    rule::{EngagementTest, FieldTest, Membership, Rule, SegmentTest},
    span,
    text::did_you_mean,
};
use crate::{Field, FieldSet, FieldType};

pub use self::problem::{InvalidRule, RuleProblem};
pub(super) use self::{
    problem::{Checked, Wrong, unsuited},
    value::is_order,
};

/// The first day that engagement is counted from in days: 1 January 1970.
const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// The day from which relative dates are counted, and the zone in which days begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Today {
    /// The organisation's zone.
    pub zone: TimeZoneName,
    /// The day.
    pub date: NaiveDate,
}

impl Today {
    /// The day in a zone at an instant.
    #[must_use]
    pub fn at(now: chrono::DateTime<chrono::Utc>, zone: TimeZoneName) -> Self {
        Self {
            date: zone.date_at(now),
            zone,
        }
    }

    /// When it ends.
    #[must_use]
    pub fn end(&self) -> chrono::DateTime<chrono::Utc> {
        self.zone
            .start_of(self.date.succ_opt().unwrap_or(self.date))
    }
}

impl Rule {
    /// Checks the rule against the fields of the organisation, and returns what is perhaps not meant.
    ///
    /// # Errors
    /// [`InvalidRule`] with everything that is wrong: unknown fields, operators that do not suit the
    /// type, values that are none, too many or too deeply nested tests.
    pub fn check(&self, fields: &FieldSet) -> Result<Vec<RuleProblem>, InvalidRule> {
        let today = Today {
            zone: TimeZoneName::utc(),
            date: EPOCH,
        };
        self.compile_noting(fields, &today)
            .map(|(_, warnings)| warnings)
    }

    /// Makes the rule ready for evaluation on one day.
    ///
    /// # Errors
    /// As [`Rule::check`].
    pub fn compile(&self, fields: &FieldSet, today: &Today) -> Result<Condition, InvalidRule> {
        self.compile_noting(fields, today)
            .map(|(condition, _)| condition)
    }

    fn compile_noting(
        &self,
        fields: &FieldSet,
        today: &Today,
    ) -> Result<(Condition, Vec<RuleProblem>), InvalidRule> {
        let mut compiler = Compiler {
            fields,
            today,
            test: 0,
            nodes: 0,
            values: 0,
            pointer: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let node = compiler.node(self, 0);
        if compiler.problems.is_empty() {
            Ok((Condition(node), compiler.warnings))
        } else {
            Err(InvalidRule {
                problems: compiler.problems,
            })
        }
    }
}

struct Compiler<'a> {
    fields: &'a FieldSet,
    today: &'a Today,
    test: usize,
    nodes: usize,
    values: usize,
    pointer: Vec<String>,
    problems: Vec<RuleProblem>,
    warnings: Vec<RuleProblem>,
}

impl Compiler<'_> {
    fn node(&mut self, rule: &Rule, depth: usize) -> Node {
        self.nodes += 1;
        if depth > Rule::MAX_DEPTH || self.nodes > Rule::MAX_NODES {
            if self.problems.len() < 10 {
                self.wrong(Wrong::new(format!(
                    "the rule is too large: at most {} levels and {} parts",
                    Rule::MAX_DEPTH,
                    Rule::MAX_NODES
                )));
            }
            return Node::Any(Vec::new());
        }
        match rule {
            Rule::All(rules) => Node::All(self.children("all", rules, depth)),
            Rule::Any(rules) => Node::Any(self.children("any", rules, depth)),
            Rule::Not(rule) => {
                self.pointer.push("not".to_owned());
                let node = self.node(rule, depth + 1);
                self.pointer.pop();
                Node::Not(Box::new(node))
            }
            test => {
                let node = self.test(test).unwrap_or_else(|wrong| {
                    self.wrong(wrong);
                    Node::Any(Vec::new())
                });
                self.test += 1;
                node
            }
        }
    }

    fn children(&mut self, name: &str, rules: &[Rule], depth: usize) -> Vec<Node> {
        if rules.is_empty() {
            return Vec::new();
        }
        self.pointer.push(name.to_owned());
        let mut nodes = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            self.pointer.push(index.to_string());
            nodes.push(self.node(rule, depth + 1));
            self.pointer.pop();
        }
        self.pointer.pop();
        nodes
    }

    fn problem(&self, Wrong(message, help): Wrong) -> RuleProblem {
        let pointer = self
            .pointer
            .iter()
            .fold(String::new(), |path, part| path + "/" + part);
        RuleProblem {
            test: self.test,
            pointer,
            message,
            help,
        }
    }

    fn wrong(&mut self, wrong: Wrong) {
        let problem = self.problem(wrong);
        self.problems.push(problem);
    }

    fn warn(&mut self, message: String) {
        let warning = self.problem(Wrong::new(message));
        self.warnings.push(warning);
    }

    fn test(&mut self, rule: &Rule) -> Checked<Node> {
        let (negated, test) = match rule {
            Rule::Field(test) => return self.field(test),
            Rule::DoNotContact(test) => (false, Test::DoNotContact(*test)),
            Rule::Segment(test) => segment(test)?,
            Rule::Engagement(test) => (false, Test::Engagement(self.engagement(*test)?)),
            Rule::All(_) | Rule::Any(_) | Rule::Not(_) => (false, Test::Segments(Vec::new())),
        };
        Ok(Node::Test { negated, test })
    }

    fn engagement(&self, test: EngagementTest) -> Checked<Engagement> {
        let since = match test.last_days {
            None => None,
            Some(days) if days > 36_500 => {
                return Err(Wrong::new(
                    "the last 36500 days are as far as one can look back",
                ));
            }
            Some(days) => Some(self.today.date - chrono::TimeDelta::days(days.into())),
        };
        Ok(Engagement {
            kind: test.kind,
            email: test.email.map(|email| email.as_uuid()),
            since_day: since.map(day_number),
            including_machine: test.including_machine,
            op: test.op,
            times: i64::from(test.times),
        })
    }

    fn field(&mut self, test: &FieldTest) -> Checked<Node> {
        self.values += test.value.literals().len();
        if self.values > Rule::MAX_VALUES {
            return Err(Wrong::new(format!(
                "the rule names more than {} values",
                Rule::MAX_VALUES
            )));
        }
        check_arity(test)?;
        let (op, negated) = test.op.split();
        let test = match self.subject(&test.name)? {
            Subject::Text(source, field) => self.text(source, field.as_ref(), op, test)?,
            Subject::Number(source) => number(source, op, test)?,
            Subject::Boolean(alias) => boolean(alias, op, test)?,
            Subject::Date(alias) => span::date(alias, op, test, self.today)?,
            Subject::Instant(source) => span::instant(source, op, test, self.today)?,
            Subject::Options(field) => self.options(&field, op, test)?,
            Subject::Tags => tags(op, test)?,
            Subject::Owner => owner(op, test)?,
        };
        Ok(Node::Test { negated, test })
    }

    fn subject(&self, name: &str) -> Checked<Subject> {
        let Some(field) = self.fields.get(name) else {
            return property(name).ok_or_else(|| self.unknown(name));
        };
        let alias = field.alias.as_str().to_owned();
        Ok(match (name, field.field_type) {
            ("email", _) => Subject::Text(TextSource::Email, None),
            ("points", _) => Subject::Number(NumberSource::Points),
            ("last_active", _) => {
                Subject::Instant(InstantSource::Column(InstantColumn::LastActive))
            }
            (_, FieldType::Number) => Subject::Number(NumberSource::Field(alias)),
            (_, FieldType::Boolean) => Subject::Boolean(alias),
            (_, FieldType::Date) => Subject::Date(alias),
            (_, FieldType::Datetime) => Subject::Instant(InstantSource::Field(alias)),
            (_, FieldType::Multiselect) => Subject::Options(field.clone()),
            _ => Subject::Text(TextSource::Field(alias), Some(field.clone())),
        })
    }

    fn unknown(&self, name: &str) -> Wrong {
        let fields = self.fields.iter().map(|field| field.alias.as_str());
        let known = fields.chain(Property::ALL.iter().map(|property| property.as_str()));
        let shown: String = name.chars().take(60).collect();
        Wrong(
            format!("no field is called {shown:?}"),
            did_you_mean(name, known).map(|name| format!("did you mean {name:?}?")),
        )
    }
}

/// What a test is about, by the kind of its values.
enum Subject {
    Text(TextSource, Option<Field>),
    Number(NumberSource),
    Boolean(String),
    Date(String),
    Instant(InstantSource),
    Options(Field),
    Tags,
    Owner,
}

fn property(name: &str) -> Option<Subject> {
    let column = |column| Subject::Instant(InstantSource::Column(column));
    Some(match Property::from_name(name)? {
        Property::EmailDomain => Subject::Text(TextSource::EmailDomain, None),
        Property::Tag => Subject::Tags,
        Property::Owner => Subject::Owner,
        Property::Stage => Subject::Text(TextSource::Stage, None),
        Property::CreatedAt => column(InstantColumn::CreatedAt),
        Property::UpdatedAt => column(InstantColumn::UpdatedAt),
        Property::IdentifiedAt => column(InstantColumn::IdentifiedAt),
    })
}

/// Days since 1970.
#[must_use]
pub(crate) fn day_number(date: NaiveDate) -> i32 {
    i32::try_from((date - EPOCH).num_days()).unwrap_or_default()
}

fn segment(test: &SegmentTest) -> Checked<(bool, Test)> {
    if test.ids.is_empty() || test.ids.len() > 500 {
        return Err(Wrong::new("name 1 to 500 segments"));
    }
    Ok((
        test.op == Membership::NotIn,
        Test::Segments(test.ids.clone()),
    ))
}
