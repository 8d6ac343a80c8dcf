//! Tests of single values: numbers, yes and no, and owners.

use uuid::Uuid;

use super::{
    operand::text_literal,
    problem::{Checked, Wrong, unsuited},
};
use crate::segment::{
    condition::{NumberSource, NumberTest, Source, Test},
    rule::{FieldTest, Literal, Operand, Operator},
};

const NUMBER_OPERATORS: &str = "=, !=, <, <=, >, >=, in, between, is set or is empty";

/// Whether an operator asks for equality or order, which numbers and dates have.
pub(in crate::segment) fn is_order(op: Operator) -> bool {
    use Operator::{AtLeast, AtMost, Between, Equal, In, Less, More};
    matches!(op, Equal | In | Less | AtMost | More | AtLeast | Between)
}

pub(super) fn number(source: NumberSource, op: Operator, test: &FieldTest) -> Checked<Test> {
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

pub(super) fn boolean(alias: String, op: Operator, test: &FieldTest) -> Checked<Test> {
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

pub(super) fn owner(op: Operator, test: &FieldTest) -> Checked<Test> {
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
