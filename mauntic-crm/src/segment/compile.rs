//! Checks a rule against the fields, and makes it ready for evaluation.

use chrono::NaiveDate;
use mauntic_core::TimeZoneName;
use uuid::Uuid;

use super::{
    condition::{
        Condition, Engagement, InstantColumn, InstantSource, Node, NumberSource, NumberTest,
        SetSource, Source, Test, TextSource, TextTest,
    },
    pattern::{Pattern, is_well_escaped},
    property::Property,
    rule::{EngagementTest, FieldTest, Literal, Membership, Operand, Operator, Rule, SegmentTest},
    span,
    text::did_you_mean,
};
use crate::{Field, FieldSet, FieldType, ParseContext, Tag};

/// Longest text that a rule compares with, in bytes.
const MAX_TEXT: usize = 2_000;
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

/// What is wrong, or perhaps not meant, with one test of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// Which test, counted from 0 in the order in which they stand in the rule.
    pub test: usize,
    /// Where it is in the JSON form, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl std::fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.help
            .as_deref()
            .map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// The rule does not suit the fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct InvalidRule {
    /// What is wrong with it; at least one thing.
    pub problems: Vec<RuleProblem>,
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

/// What is wrong with one test, and what would be right.
pub(super) struct Wrong(pub(super) String, pub(super) Option<String>);

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into(), None)
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.1 = Some(help.into());
        self
    }
}

type Checked<T> = Result<T, Wrong>;

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

    fn text(
        &mut self,
        source: TextSource,
        field: Option<&Field>,
        op: Operator,
        test: &FieldTest,
    ) -> Checked<Test> {
        let name = &test.name;
        if op == Operator::IsSet {
            return Ok(Test::IsSet(match source {
                TextSource::Field(alias) => Source::Field(alias),
                TextSource::Email | TextSource::EmailDomain => Source::Email,
                TextSource::Stage => Source::Stage,
            }));
        }
        let mut texts = Vec::new();
        for literal in test.value.literals() {
            let text = text_literal(name, literal)?;
            let exact = matches!(op, Operator::Equal | Operator::In);
            texts.push(match field {
                Some(field) if exact => self.stored_form(field, text),
                _ if source == TextSource::Email => text.to_lowercase(),
                _ if source == TextSource::EmailDomain => {
                    text.strip_prefix('@').unwrap_or(text).to_lowercase()
                }
                _ => text.to_ascii_lowercase(),
            });
        }
        if op == Operator::In || op == Operator::Equal {
            return Ok(Test::Text(source, TextTest::OneOf(texts)));
        }
        let mut texts = texts.into_iter();
        let first = texts.next().unwrap_or_default();
        let asked = match op {
            Operator::Less => TextTest::Less(first),
            Operator::AtMost => TextTest::AtMost(first),
            Operator::More => TextTest::More(first),
            Operator::AtLeast => TextTest::AtLeast(first),
            Operator::Between => TextTest::Between(first, texts.next().unwrap_or_default()),
            Operator::Contains => TextTest::Contains(first),
            Operator::StartsWith => TextTest::StartsWith(first),
            Operator::EndsWith => TextTest::EndsWith(first),
            Operator::Like if is_well_escaped(&first) => TextTest::Like(first),
            Operator::Like => {
                return Err(Wrong::new("in a shape, \\ stands before %, _ or \\ only"));
            }
            Operator::Matches => {
                let written = text_literal(name, &test.value.literals()[0])?;
                TextTest::Matches(Pattern::new(written).map_err(Wrong::new)?)
            }
            _ => return Err(unsuited(name, "a text", test.op, TEXT_OPERATORS)),
        };
        Ok(Test::Text(source, asked))
    }

    /// The text as contacts have it: `DE` for Germany, the option for its label.
    fn stored_form(&mut self, field: &Field, text: &str) -> String {
        let context = ParseContext {
            zone: self.today.zone.clone(),
            ..ParseContext::default()
        };
        match field.parse(text, &context) {
            Ok(Some(value)) => value.key(),
            Ok(None) => text.to_ascii_lowercase(),
            Err(_) => {
                use FieldType::{Country, Locale, Select, Timezone};
                if matches!(field.field_type, Select | Country | Locale | Timezone) {
                    let shown: String = text.chars().take(60).collect();
                    self.warn(format!(
                        "{shown:?} is no possible value of {}: nobody has it",
                        field.alias
                    ));
                }
                text.to_ascii_lowercase()
            }
        }
    }

    fn options(&mut self, field: &Field, op: Operator, test: &FieldTest) -> Checked<Test> {
        let alias = field.alias.as_str();
        if op == Operator::IsSet {
            return Ok(Test::IsSet(Source::Field(alias.to_owned())));
        }
        let mut wanted = Vec::new();
        for literal in test.value.literals() {
            let text = text_literal(alias, literal)?;
            let option = field.option(text);
            if option.is_none() {
                let shown: String = text.chars().take(60).collect();
                self.warn(format!("{shown:?} is no option of {alias}: nobody has it"));
            }
            wanted.push(
                option
                    .map_or(text, |option| &option.value)
                    .to_ascii_lowercase(),
            );
        }
        set_test(
            SetSource::Options(alias.to_owned()),
            alias,
            op,
            test,
            wanted,
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

const TEXT_OPERATORS: &str = "=, !=, <, <=, >, >=, in, between, contains, starts with, ends with, like, matches, is set or is empty";
const NUMBER_OPERATORS: &str = "=, !=, <, <=, >, >=, in, between, is set or is empty";
const SET_OPERATORS: &str = "=, !=, in, not in, has all, contains, is set or is empty";

/// Whether an operator asks for equality or order, which numbers and dates have.
pub(super) fn is_order(op: Operator) -> bool {
    use Operator::{AtLeast, AtMost, Between, Equal, In, Less, More};
    matches!(op, Equal | In | Less | AtMost | More | AtLeast | Between)
}

pub(super) fn unsuited(name: &str, what: &str, op: Operator, suited: &str) -> Wrong {
    Wrong::new(format!(
        "{name} is {what}, which cannot be compared with `{op}`"
    ))
    .help(format!("use {suited}"))
}

fn check_arity(test: &FieldTest) -> Checked<()> {
    let (op, _) = test.op.split();
    let given = match &test.value {
        Operand::None => "none",
        Operand::One(_) => "one",
        Operand::Many(_) => "a list",
    };
    let (right, needed) = match op {
        Operator::IsSet => (test.value == Operand::None, "no value"),
        Operator::In | Operator::HasAll => {
            let listed = matches!(&test.value, Operand::Many(literals) if !literals.is_empty());
            (listed, "a list of at least one value")
        }
        Operator::Between => {
            let two = matches!(&test.value, Operand::Many(literals) if literals.len() == 2);
            (two, "a list of two values")
        }
        _ => (matches!(test.value, Operand::One(_)), "one value"),
    };
    if right {
        return Ok(());
    }
    Err(Wrong::new(format!(
        "`{}` needs {needed}, and has {given}",
        test.op
    )))
}

fn text_literal<'a>(name: &str, literal: &'a Literal) -> Checked<&'a str> {
    let wrong = |what: String| {
        Err(Wrong::new(format!(
            "{name} is compared with texts, not with {what}"
        )))
    };
    match literal {
        Literal::Text(text) if text.is_empty() => {
            Err(Wrong::new("no contact has an empty text").help("use `is empty` or `is set`"))
        }
        Literal::Text(text) if text.len() > MAX_TEXT => Err(Wrong::new(format!(
            "a text in the rule is longer than {MAX_TEXT} bytes"
        ))),
        Literal::Text(text) if text.contains('\0') => Err(Wrong::new(
            "a text in the rule has the character U+0000, which no contact has",
        )),
        Literal::Text(text) => Ok(text),
        Literal::Number(number) => Err(Wrong::new(format!(
            "{name} is compared with texts, not with the number {number}"
        ))
        .help(format!("put it in quotes: \"{number}\""))),
        Literal::Boolean(value) => wrong(value.to_string()),
        Literal::Relative(relative) => wrong(format!("the date `{}`", relative.relative)),
    }
}

fn number(source: NumberSource, op: Operator, test: &FieldTest) -> Checked<Test> {
    let name = &test.name;
    if op == Operator::IsSet {
        return Ok(Test::IsSet(match source {
            NumberSource::Field(alias) => Source::Field(alias),
            NumberSource::Points => Source::Points,
        }));
    }
    if !is_order(op) {
        return Err(unsuited(name, "a number", test.op, NUMBER_OPERATORS));
    }
    let mut numbers = Vec::new();
    for literal in test.value.literals() {
        match literal {
            Literal::Number(number) if number.is_finite() => numbers.push(number + 0.0),
            _ => {
                return Err(Wrong::new(format!(
                    "{name} is a number and is compared with numbers only"
                )));
            }
        }
    }
    let first = numbers.first().copied().unwrap_or_default();
    let asked = match op {
        Operator::Equal | Operator::In => NumberTest::OneOf(numbers),
        Operator::Less => NumberTest::Less(first),
        Operator::AtMost => NumberTest::AtMost(first),
        Operator::More => NumberTest::More(first),
        Operator::AtLeast => NumberTest::AtLeast(first),
        _ => NumberTest::Between(first, numbers.get(1).copied().unwrap_or_default()),
    };
    Ok(Test::Number(source, asked))
}

fn boolean(alias: String, op: Operator, test: &FieldTest) -> Checked<Test> {
    match (op, &test.value) {
        (Operator::IsSet, _) => Ok(Test::IsSet(Source::Field(alias))),
        (Operator::Equal, Operand::One(Literal::Boolean(value))) => {
            Ok(Test::Boolean(alias, *value))
        }
        (Operator::Equal, _) => Err(Wrong::new(format!(
            "{alias} is compared with true or false only"
        ))),
        _ => Err(unsuited(
            &alias,
            "true or false",
            test.op,
            "=, !=, is set or is empty",
        )),
    }
}

fn tags(op: Operator, test: &FieldTest) -> Checked<Test> {
    if op == Operator::IsSet {
        return Ok(Test::IsSet(Source::Tags));
    }
    let mut wanted = Vec::new();
    for literal in test.value.literals() {
        let tag: Tag = text_literal("tag", literal)?
            .parse()
            .map_err(|error: crate::InvalidTag| Wrong::new(error.to_string()))?;
        wanted.push(tag.into());
    }
    set_test(SetSource::Tags, "tag", op, test, wanted)
}

fn set_test(
    source: SetSource,
    name: &str,
    op: Operator,
    test: &FieldTest,
    wanted: Vec<String>,
) -> Checked<Test> {
    match op {
        Operator::Equal | Operator::Contains | Operator::In => Ok(Test::HasAny(source, wanted)),
        Operator::HasAll => Ok(Test::HasAll(source, wanted)),
        _ => Err(unsuited(name, "a set of texts", test.op, SET_OPERATORS)),
    }
}

fn owner(op: Operator, test: &FieldTest) -> Checked<Test> {
    if op == Operator::IsSet {
        return Ok(Test::IsSet(Source::Owner));
    }
    if !matches!(op, Operator::Equal | Operator::In) {
        return Err(unsuited(
            "owner",
            "a user",
            test.op,
            "=, !=, in, not in, is set or is empty",
        ));
    }
    let mut wanted = Vec::new();
    for literal in test.value.literals() {
        let id = Uuid::try_parse(text_literal("owner", literal)?);
        wanted.push(
            id.map_err(|_| Wrong::new("owner is compared with the addresses or ids of members"))?,
        );
    }
    Ok(Test::Owner(wanted))
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
