//! One condition, as it stands in the form.

use mauntic_core::{EmailId, SegmentId};
use mauntic_crm::{
    Channel, Reason,
    segment::{
        CountOperator, DoNotContactTest, EngagementTest, FieldTest, Literal, Membership, Operand,
        Operator, Rule, SegmentTest,
    },
};

use super::{
    Known, date,
    subject::{self, DO_NOT_CONTACT, EVERYONE, Kind, NOBODY, SEGMENT, Subject, WRITTEN},
};

/// A condition: what it is about, how it compares, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ui::segments) struct Row {
    /// What it was about when the page was made.
    pub(super) before: String,
    /// Whether it must not hold.
    pub(super) not: bool,
    /// What it is about; empty if that is not chosen yet.
    pub(super) subject: String,
    /// How it compares.
    pub(super) op: String,
    /// With what.
    pub(super) cells: Vec<Cell>,
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::ui::segments) struct Cell {
    /// How a date is given.
    pub(super) way: String,
    /// The text.
    pub(super) text: String,
    /// The unit of a date.
    pub(super) unit: String,
}

impl Cell {
    /// A plain text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Whether it needs a text, and has none.
    pub(super) fn is_empty(&self) -> bool {
        date::has_text(&self.way) && self.text.is_empty()
    }
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) text: String,
    pub(super) unfinished: bool,
}

impl Wrong {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            unfinished: false,
        }
    }

    pub(super) fn missing(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            unfinished: true,
        }
    }
}

impl Row {
    /// The row of a test; of one that the fields of a row cannot hold, its text.
    pub(super) fn of(test: &Rule, known: Known<'_>) -> Self {
        let row = match test {
            Rule::Field(test) => Self::of_field(test, known),
            Rule::DoNotContact(test) => Self::of_marks(*test),
            Rule::Segment(test) => Self::of_segments(test),
            Rule::Engagement(test) => Self::of_engagement(*test),
            Rule::Any(_) => Self::about(NOBODY),
            Rule::All(_) | Rule::Not(_) => Self::about(EVERYONE),
        };
        let plain = row
            .cells
            .iter()
            .all(|cell| !cell.text.contains(char::is_control));
        if plain && row.rule(known).is_ok_and(|rule| rule == *test) {
            return row;
        }
        Self {
            cells: vec![Cell::text(test.to_text(known.names))],
            ..Self::about(WRITTEN)
        }
    }

    fn about(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            ..Self::default()
        }
    }

    fn of_field(test: &FieldTest, known: Known<'_>) -> Self {
        let is_date = matches!(
            Subject::named(&test.name, known.fields),
            Some(Subject::Field(Kind::Date))
        );
        let cell = |literal: &Literal| match literal {
            literal if is_date => date::cell(literal),
            Literal::Text(text) => Some(Cell::text(text)),
            Literal::Number(number) => Some(Cell::text(number.to_string())),
            Literal::Boolean(value) => Some(Cell::text(value.to_string())),
            Literal::Relative(_) => None,
        };
        Self {
            subject: test.name.clone(),
            op: test.op.as_str().to_owned(),
            cells: test.value.literals().iter().filter_map(cell).collect(),
            ..Self::default()
        }
    }

    fn of_marks(test: DoNotContactTest) -> Self {
        let channel = test.channel.map_or("", |channel| channel.as_str());
        let reason = test.reason.map_or("", |reason| reason.as_str());
        Self {
            op: "is".to_owned(),
            cells: vec![Cell::text(channel), Cell::text(reason)],
            ..Self::about(DO_NOT_CONTACT)
        }
    }

    fn of_segments(test: &SegmentTest) -> Self {
        let op = if test.op == Membership::In {
            "in"
        } else {
            "not in"
        };
        let ids = test.ids.iter().map(|id| Cell::text(id.to_string()));
        Self {
            op: op.to_owned(),
            cells: ids.collect(),
            ..Self::about(SEGMENT)
        }
    }

    fn of_engagement(test: EngagementTest) -> Self {
        let email = test.email.map(|email| email.to_string());
        let days = test.last_days.map(|days| days.to_string());
        let cells = [
            test.times.to_string(),
            email.unwrap_or_default(),
            days.unwrap_or_default(),
            if test.including_machine {
                "machine"
            } else {
                ""
            }
            .to_owned(),
        ];
        Self {
            op: test.op.as_str().to_owned(),
            cells: cells.map(Cell::text).into(),
            ..Self::about(&subject::engagement(test.kind))
        }
    }

    /// The opposite of a row without `not`.
    pub(super) fn negated(mut self) -> Self {
        if self.subject == DO_NOT_CONTACT && self.op == "is" {
            "is not".clone_into(&mut self.op);
        } else {
            self.not = true;
        }
        self
    }

    /// Takes up the subject that was chosen: what was compared with the one before is gone, but for an operator that
    /// suits it.
    pub(super) fn suit(&mut self, known: Known<'_>) {
        let Some(subject) = Subject::named(&self.subject, known.fields) else {
            return;
        };
        let operators = subject.operators();
        let changed = self.before != self.subject;
        if changed {
            self.cells.clear();
            self.not = false;
        }
        let suits = operators.iter().any(|(op, _)| *op == self.op);
        if self.op.is_empty() || (changed && !suits) {
            let usual = operators.first().map_or("", |(op, _)| *op);
            usual.clone_into(&mut self.op);
        }
        if matches!(subject, Subject::Engagement(_)) && self.cells.is_empty() {
            self.cells = vec![Cell::text("1")];
        }
    }

    /// The rule that it says.
    pub(super) fn rule(&self, known: Known<'_>) -> Result<Rule, Wrong> {
        if self.subject.is_empty() {
            return Err(Wrong::missing("Choose what to ask."));
        }
        let subject = Subject::named(&self.subject, known.fields);
        let subject = subject.ok_or_else(|| {
            Wrong::new(format!(
                "There is no field called “{}” any more.",
                self.subject
            ))
        })?;
        let rule = match subject {
            Subject::Field(kind) => Rule::Field(self.field(kind)?),
            Subject::Segment => Rule::Segment(self.segments()?),
            Subject::DoNotContact => self.marks()?,
            Subject::Engagement(kind) => Rule::Engagement(self.engagement(EngagementTest {
                kind,
                email: None,
                last_days: None,
                including_machine: false,
                op: CountOperator::AtLeast,
                times: 1,
            })?),
            Subject::Everyone => Rule::everyone(),
            Subject::Nobody => Rule::Any(Vec::new()),
            Subject::Written => self.written(known)?,
        };
        Ok(if self.not {
            Rule::Not(Box::new(rule))
        } else {
            rule
        })
    }

    fn field(&self, kind: Kind<'_>) -> Result<FieldTest, Wrong> {
        let op = Operator::ALL.iter().find(|op| op.as_str() == self.op);
        let op = *op.ok_or_else(|| Wrong::missing("Choose how to compare."))?;
        let one = || {
            self.cells.first().map_or_else(
                || literal(kind, &Cell::default()),
                |cell| literal(kind, cell),
            )
        };
        let value = match op.split().0 {
            Operator::IsSet => Operand::None,
            Operator::In | Operator::HasAll => {
                let given = self.cells.iter().filter(|cell| !cell.is_empty());
                let many: Vec<_> = given
                    .map(|cell| literal(kind, cell))
                    .collect::<Result<_, _>>()?;
                if many.is_empty() {
                    return Err(missing(kind));
                }
                Operand::Many(many)
            }
            Operator::Between => {
                let second = self.cells.get(1).cloned().unwrap_or_default();
                Operand::Many(vec![one()?, literal(kind, &second)?])
            }
            _ => Operand::One(one()?),
        };
        Ok(FieldTest {
            name: self.subject.clone(),
            op,
            value,
        })
    }

    fn segments(&self) -> Result<SegmentTest, Wrong> {
        let given = self.cells.iter().map(|cell| cell.text.trim());
        let ids = given.filter(|id| !id.is_empty()).map(|id| {
            id.parse::<SegmentId>()
                .map_err(|_| Wrong::new("Choose a segment of the list."))
        });
        let ids: Vec<_> = ids.collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Err(Wrong::missing("Choose a segment."));
        }
        let op = if self.op == "not in" {
            Membership::NotIn
        } else {
            Membership::In
        };
        Ok(SegmentTest { op, ids })
    }

    fn marks(&self) -> Result<Rule, Wrong> {
        let wrong = || Wrong::new("Choose a channel and a reason of the lists.");
        let [channel, reason] = [self.cell(0), self.cell(1)];
        let channel = match channel {
            "" => None,
            text => Some(text.parse::<Channel>().map_err(|_| wrong())?),
        };
        let reason = match reason {
            "" => None,
            text => Some(text.parse::<Reason>().map_err(|_| wrong())?),
        };
        let marked = Rule::DoNotContact(DoNotContactTest { channel, reason });
        Ok(if self.op == "is not" {
            Rule::Not(Box::new(marked))
        } else {
            marked
        })
    }

    fn engagement(&self, mut test: EngagementTest) -> Result<EngagementTest, Wrong> {
        let op = CountOperator::ALL.iter().find(|op| op.as_str() == self.op);
        test.op = *op.ok_or_else(|| Wrong::missing("Choose how to compare."))?;
        let number = |text: &str, what: &str, most: u32| {
            let number = text.parse::<u32>().ok().filter(|number| *number <= most);
            number.ok_or_else(|| {
                Wrong::new(format!(
                    "The number of {what} is a whole number up to {most}."
                ))
            })
        };
        test.times = match self.cell(0) {
            "" => return Err(Wrong::missing("Fill in how many times.")),
            text => number(text, "times", 1_000_000)?,
        };
        let email = self.cell(1);
        if !email.is_empty() {
            let id = email.parse::<EmailId>();
            test.email = Some(id.map_err(|_| Wrong::new("Choose an email of the list."))?);
        }
        let days = self.cell(2);
        if !days.is_empty() {
            test.last_days = Some(number(days, "days", 36_500)?);
        }
        test.including_machine = self.cell(3) == "machine";
        Ok(test)
    }

    fn written(&self, known: Known<'_>) -> Result<Rule, Wrong> {
        let text = self.cell(0);
        if text.is_empty() {
            return Err(Wrong::missing("Write a condition."));
        }
        Rule::parse(text, known.fields, known.names).map_err(|error| Wrong::new(error.to_string()))
    }

    /// The text of a value, without space around; empty if there is none.
    pub(super) fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", |cell| cell.text.trim())
    }
}

fn missing(kind: Kind<'_>) -> Wrong {
    Wrong::missing(match kind {
        Kind::Select(_) | Kind::Multiselect(_) => "Choose an option.",
        Kind::Boolean => "Choose yes or no.",
        Kind::Owner => "Choose a user.",
        Kind::Tags => "Fill in a tag.",
        Kind::Date => "Choose a date.",
        Kind::Text | Kind::Number => "Fill in a value.",
    })
}

fn literal(kind: Kind<'_>, cell: &Cell) -> Result<Literal, Wrong> {
    if kind == Kind::Date {
        return date::literal(cell);
    }
    if cell.text.is_empty() {
        return Err(missing(kind));
    }
    let text = &cell.text;
    match kind {
        Kind::Number => {
            let number = text
                .trim()
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite());
            number.map(Literal::Number).ok_or_else(|| {
                Wrong::new(format!(
                    "“{}” is not a number: write such as 10 or -2.5.",
                    text.trim()
                ))
            })
        }
        Kind::Boolean => Ok(Literal::Boolean(text == "true")),
        _ => Ok(Literal::Text(text.clone())),
    }
}
