//! What stands behind an operator: how many values, and texts among them.

use super::problem::{Checked, Wrong};
use crate::segment::rule::{FieldTest, Literal, Operand, Operator};

/// Longest text that a rule compares with, in bytes.
const MAX_TEXT: usize = 2_000;

pub(super) fn check_arity(test: &FieldTest) -> Checked<()> {
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

pub(super) fn text_literal<'a>(name: &str, literal: &'a Literal) -> Checked<&'a str> {
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
