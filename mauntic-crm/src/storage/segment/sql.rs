//! The evaluator in SQL.
//!
//! Columns that may be null give null for a missing value, which a `WHERE` takes for no. Only under
//! a negation is that not enough: there, and nowhere else, the answer is made yes or no at once.

use mauntic_core::storage::{Dialect, SqlType};
use sea_orm::Value;
use uuid::Uuid;

use crate::{
    FieldAlias, FieldType,
    segment::condition::{
        Condition, Days, Engagement, InstantColumn, InstantSource, Instants, Node, NumberSource,
        NumberTest, SetSource, Source, Test, TextSource, TextTest,
    },
    segment::rule::{CountOperator, DoNotContactTest},
    storage::{expression::field_value, parameters::Parameters},
};

/// Turns conditions on the contact `c` into SQL.
pub(super) struct Compiler<'a> {
    pub(super) dialect: Dialect,
    pub(super) parameters: &'a mut Parameters,
    /// What stands for the organisation.
    pub(super) organization: String,
    /// Limits on `contact_id`, for tables that are looked into: ` AND contact_id > $3`, or nothing.
    pub(super) range: String,
}

impl Compiler<'_> {
    /// The condition as an expression.
    pub(super) fn condition(&mut self, condition: &Condition) -> String {
        self.node(&condition.0, false)
    }

    /// `strict` asks for an expression that is never null.
    fn node(&mut self, node: &Node, strict: bool) -> String {
        match node {
            Node::All(nodes) => self.joined(nodes, " AND ", "(1 = 1)", strict),
            Node::Any(nodes) => self.joined(nodes, " OR ", "(1 = 0)", strict),
            Node::Not(node) => format!("(NOT {})", self.node(node, true)),
            Node::Test {
                negated: true,
                test,
            } => format!("({} IS NOT TRUE)", self.test(test)),
            Node::Test { test, .. } if strict => format!("({} IS TRUE)", self.test(test)),
            Node::Test { test, .. } => self.test(test),
        }
    }

    fn joined(&mut self, nodes: &[Node], join: &str, none: &str, strict: bool) -> String {
        if nodes.is_empty() {
            return none.to_owned();
        }
        let parts: Vec<String> = nodes.iter().map(|node| self.node(node, strict)).collect();
        format!("({})", parts.join(join))
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.bind(value)
    }

    fn bind_all<T: Into<Value>>(&mut self, values: impl IntoIterator<Item = T>) -> String {
        let bound: Vec<String> = values.into_iter().map(|value| self.bind(value)).collect();
        bound.join(", ")
    }

    fn test(&mut self, test: &Test) -> String {
        match test {
            Test::IsSet(source) => self.is_set(source),
            Test::Text(source, test) => self.text(source, test),
            Test::Number(source, test) => self.number(source, test),
            Test::Boolean(alias, wanted) => {
                let value = self.field(alias, FieldType::Boolean);
                format!("({value} = {})", if *wanted { "TRUE" } else { "FALSE" })
            }
            Test::Days(alias, spans) => self.days(alias, spans),
            Test::MonthDays(alias, days) => {
                let wanted = self.bind_all(days.iter().map(String::as_str));
                format!(
                    "(substr(c.fields ->> '{}', 6, 5) IN ({wanted}))",
                    plain(alias)
                )
            }
            Test::Instants(source, spans) => self.instants(source, spans),
            Test::HasAny(source, wanted) => self.has(source, wanted, " OR "),
            Test::HasAll(source, wanted) => self.has(source, wanted, " AND "),
            Test::Owner(wanted) => format!(
                "(c.owner_id IN ({}))",
                self.bind_all(wanted.iter().copied())
            ),
            Test::DoNotContact(test) => self.do_not_contact(*test),
            Test::Segments(ids) => {
                let ids = self.bind_all(ids.iter().map(mauntic_core::Id::as_uuid));
                self.among(
                    "segment_member",
                    &format!("segment_id IN ({ids}) AND origin <> 2"),
                    "",
                )
            }
            Test::Engagement(test) => self.engagement(test),
        }
    }

    fn field(&self, alias: &str, field_type: FieldType) -> String {
        field_value(
            self.dialect,
            "c.fields",
            &FieldAlias::trusted(plain(alias)),
            field_type,
        )
    }

    fn is_set(&self, source: &Source) -> String {
        match source {
            Source::Field(alias) => self.dialect.json_has_key("c.fields", &plain(alias)),
            Source::Email => "(c.email_key IS NOT NULL)".to_owned(),
            Source::Points => "(1 = 1)".to_owned(),
            Source::Stage => "(c.stage IS NOT NULL)".to_owned(),
            Source::Owner => "(c.owner_id IS NOT NULL)".to_owned(),
            Source::Tags => format!("(c.tags <> {})", self.dialect.json_literal("[]")),
            Source::Instant(column) => format!("({} IS NOT NULL)", column_name(*column)),
        }
    }

    fn text(&mut self, source: &TextSource, test: &TextTest) -> String {
        let text = match source {
            TextSource::Field(alias) => self.field(alias, FieldType::Text),
            TextSource::Email => "c.email_key".to_owned(),
            TextSource::EmailDomain => self.dialect.after_last("c.email_key", '@'),
            TextSource::Stage => self.dialect.ascii_lower("c.stage"),
        };
        // The texts above are bytewise where they are compared; a plain column would go by its collation.
        let ordered = self.dialect.bytewise(&text);
        match test {
            TextTest::OneOf(wanted) => {
                format!(
                    "({text} IN ({}))",
                    self.bind_all(wanted.iter().map(String::as_str))
                )
            }
            TextTest::Less(limit) => format!("({ordered} < {})", self.bind(limit.as_str())),
            TextTest::AtMost(limit) => format!("({ordered} <= {})", self.bind(limit.as_str())),
            TextTest::More(limit) => format!("({ordered} > {})", self.bind(limit.as_str())),
            TextTest::AtLeast(limit) => format!("({ordered} >= {})", self.bind(limit.as_str())),
            TextTest::Between(from, to) => {
                let (from, to) = (self.bind(from.as_str()), self.bind(to.as_str()));
                format!("({ordered} >= {from} AND {ordered} <= {to})")
            }
            TextTest::Contains(part) => {
                let part = self.bind(part.as_str());
                format!("({} > 0)", self.dialect.position(&text, &part))
            }
            TextTest::StartsWith(part) => {
                let length = part.chars().count();
                format!(
                    "(substr({text}, 1, {length}) = {})",
                    self.bind(part.as_str())
                )
            }
            TextTest::EndsWith(part) => {
                let ending = self.dialect.ending(&text, part.chars().count());
                format!("({ending} = {})", self.bind(part.as_str()))
            }
            TextTest::Like(shape) => {
                format!("({text} LIKE {} ESCAPE '\\')", self.bind(shape.as_str()))
            }
            TextTest::Matches(pattern) => {
                let pattern = self.bind(pattern.as_str());
                self.dialect.matches(&text, &pattern)
            }
        }
    }

    fn number(&mut self, source: &NumberSource, test: &NumberTest) -> String {
        let number = match source {
            NumberSource::Field(alias) => self.field(alias, FieldType::Number),
            NumberSource::Points => "c.points".to_owned(),
        };
        let double = self.dialect.type_name(SqlType::Double);
        let mut bind = |number: f64| format!("CAST({} AS {double})", self.parameters.bind(number));
        match test {
            NumberTest::OneOf(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(|number| bind(*number)).collect();
                format!("({number} IN ({}))", wanted.join(", "))
            }
            NumberTest::Less(limit) => format!("({number} < {})", bind(*limit)),
            NumberTest::AtMost(limit) => format!("({number} <= {})", bind(*limit)),
            NumberTest::More(limit) => format!("({number} > {})", bind(*limit)),
            NumberTest::AtLeast(limit) => format!("({number} >= {})", bind(*limit)),
            NumberTest::Between(from, to) => {
                format!(
                    "({number} >= {} AND {number} <= {})",
                    bind(*from),
                    bind(*to)
                )
            }
        }
    }

    fn days(&mut self, alias: &str, spans: &[Days]) -> String {
        let day = self
            .dialect
            .bytewise(&format!("c.fields ->> '{}'", plain(alias)));
        let spans = spans
            .iter()
            .map(|span| (span.first.clone(), span.last.clone()));
        self.spans(&day, spans, "<=")
    }

    fn instants(&mut self, source: &InstantSource, spans: &[Instants]) -> String {
        match source {
            InstantSource::Column(column) => {
                let spans = spans.iter().map(|span| (span.from, span.to));
                self.spans(column_name(*column), spans, "<")
            }
            InstantSource::Field(alias) => {
                let at = self
                    .dialect
                    .bytewise(&format!("c.fields ->> '{}'", plain(alias)));
                let spans = spans
                    .iter()
                    .map(|span| (span.from.and_then(stored), span.to.and_then(stored)));
                self.spans(&at, spans, "<")
            }
        }
    }

    fn spans<T: Into<Value>>(
        &mut self,
        value: &str,
        spans: impl Iterator<Item = (Option<T>, Option<T>)>,
        before: &str,
    ) -> String {
        let spans: Vec<String> = spans
            .map(|(from, to)| {
                let from = from.map(|from| format!("{value} >= {}", self.bind(from)));
                let to = to.map(|to| format!("{value} {before} {}", self.bind(to)));
                let limits: Vec<String> = from.into_iter().chain(to).collect();
                if limits.is_empty() {
                    format!("{value} IS NOT NULL")
                } else {
                    limits.join(" AND ")
                }
            })
            .collect();
        format!("(({}))", spans.join(") OR ("))
    }

    fn has(&mut self, source: &SetSource, wanted: &[String], join: &str) -> String {
        let parts: Vec<String> = wanted
            .iter()
            .map(|wanted| {
                let wanted = self.bind(wanted.as_str());
                match source {
                    SetSource::Tags => self.dialect.json_array_has("c.tags", &wanted),
                    SetSource::Options(alias) => self.dialect.json_array_has_ignoring_case(
                        "c.fields",
                        &plain(alias),
                        &wanted,
                    ),
                }
            })
            .collect();
        format!("({})", parts.join(join))
    }

    fn do_not_contact(&mut self, test: DoNotContactTest) -> String {
        let mut filter = "1 = 1".to_owned();
        if let Some(channel) = test.channel {
            filter = format!("{filter} AND channel = {}", self.bind(channel.as_str()));
        }
        if let Some(reason) = test.reason {
            filter = format!("{filter} AND reason = {}", self.bind(reason.as_str()));
        }
        self.among("do_not_contact", &filter, "")
    }

    fn engagement(&mut self, test: &Engagement) -> String {
        let mut filter = format!("kind = {}", self.bind(test.kind.as_str()));
        if let Some(email) = test.email {
            filter = format!("{filter} AND subject_id = {}", self.bind(email));
        }
        if !test.including_machine {
            filter.push_str(" AND machine = FALSE");
        }
        if let Some(day) = test.since_day {
            filter = format!("{filter} AND day >= {}", self.bind(day));
        }
        // Who has no rows has a count of nought: if that suits, ask who has a count that does not.
        let suits_none = test.op.holds(0, test.times);
        let op = if suits_none {
            opposite(test.op)
        } else {
            test.op
        };
        let counted = if (op, test.times) == (CountOperator::AtLeast, 1)
            || (op, test.times) == (CountOperator::More, 0)
            || (op, test.times) == (CountOperator::NotEqual, 0)
        {
            String::new()
        } else {
            let times = self.bind(test.times);
            format!(" GROUP BY contact_id HAVING SUM(count) {op} {times}")
        };
        let among = self.among("engagement", &filter, &counted);
        if suits_none {
            format!("(NOT {among})")
        } else {
            among
        }
    }

    fn among(&self, table: &str, filter: &str, end: &str) -> String {
        format!(
            "(c.id IN (SELECT contact_id FROM {table} WHERE organization_id = {} AND {filter}{}{end}))",
            self.organization, self.range
        )
    }
}

fn opposite(op: CountOperator) -> CountOperator {
    match op {
        CountOperator::Equal => CountOperator::NotEqual,
        CountOperator::NotEqual => CountOperator::Equal,
        CountOperator::Less => CountOperator::AtLeast,
        CountOperator::AtMost => CountOperator::More,
        CountOperator::More => CountOperator::AtMost,
        CountOperator::AtLeast => CountOperator::Less,
    }
}

fn column_name(column: InstantColumn) -> &'static str {
    match column {
        InstantColumn::CreatedAt => "c.created_at",
        InstantColumn::UpdatedAt => "c.updated_at",
        InstantColumn::LastActive => "c.last_active_at",
        InstantColumn::IdentifiedAt => "c.identified_at",
    }
}

/// The instant as field values have it; beyond the years that they have, there is no limit.
fn stored(micros: i64) -> Option<String> {
    use chrono::Datelike as _;
    let at = chrono::DateTime::from_timestamp_micros(micros)?;
    (0..=9999)
        .contains(&at.year())
        .then(|| crate::Value::datetime(at).to_string())
}

/// Aliases are spliced into the statement: whatever is no letter, digit or `_` stays out.
fn plain(alias: &str) -> String {
    alias
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

/// A condition with what it needs around it: the contacts of an organisation, in a range of ids.
pub(super) struct Matching {
    pub(super) sql: String,
    pub(super) parameters: Parameters,
}

/// Selects from the contacts (`c`) of an organisation for which a condition holds, perhaps only from
/// those with an id behind one and up to another.
pub(super) fn matching(
    dialect: Dialect,
    select: &str,
    organization: Uuid,
    condition: &Condition,
    (after, up_to): (Option<Uuid>, Option<Uuid>),
) -> Matching {
    let mut parameters = Parameters::default();
    let organization = parameters.bind(organization);
    let mut limits = Vec::new();
    if let Some(after) = after {
        limits.push(format!("> {}", parameters.bind(after)));
    }
    if let Some(up_to) = up_to {
        limits.push(format!("<= {}", parameters.bind(up_to)));
    }
    let on = |column: &str| {
        limits.iter().fold(String::new(), |sql, limit| {
            format!("{sql} AND {column} {limit}")
        })
    };
    let (ids, range) = (on("c.id"), on("contact_id"));
    let mut compiler = Compiler {
        dialect,
        parameters: &mut parameters,
        organization: organization.clone(),
        range,
    };
    let condition = compiler.condition(condition);
    let sql = format!(
        "SELECT {select} FROM contact c WHERE c.organization_id = {organization}{ids} AND {condition}"
    );
    Matching { sql, parameters }
}
