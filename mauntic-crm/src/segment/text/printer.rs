use std::fmt::Write as _;

use super::Names;
use crate::segment::{
    moment::Moment,
    property::Property,
    rule::{
        CountOperator, DoNotContactTest, EngagementTest, FieldTest, Literal, Membership, Operand,
        Operator, Relative, Rule, SegmentTest,
    },
};

/// Words that begin something else than a field, or end a test: a field called so stands in backquotes.
const KEYWORDS: &[&str] = &[
    "and",
    "clicked",
    "dnc",
    "do_not_contact",
    "everyone",
    "nobody",
    "not",
    "opened",
    "or",
    "segment",
    "segments",
    "sent",
];

/// Writes a rule.
pub(super) fn print(rule: &Rule, names: &dyn Names) -> String {
    let mut text = String::new();
    write_rule(rule, names, &mut text);
    text
}

fn write_rule(rule: &Rule, names: &dyn Names, text: &mut String) {
    match rule {
        Rule::All(rules) => write_joined(rules, " and ", "everyone", names, text),
        Rule::Any(rules) => write_joined(rules, " or ", "nobody", names, text),
        Rule::Not(rule) => {
            text.push_str("not ");
            write_grouped(rule, names, text);
        }
        Rule::Field(test) => write_field(test, text),
        Rule::DoNotContact(test) => write_do_not_contact(*test, text),
        Rule::Segment(test) => write_segment(test, names, text),
        Rule::Engagement(test) => write_engagement(*test, names, text),
    }
}

fn write_joined(rules: &[Rule], join: &str, none: &str, names: &dyn Names, text: &mut String) {
    match rules {
        [] => text.push_str(none),
        [rule] => write_grouped(rule, names, text),
        _ => {
            for (index, rule) in rules.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { join });
                write_grouped(rule, names, text);
            }
        }
    }
}

/// Brackets stand around every group within another, needed or not, so that nobody has to know what
/// binds tighter.
fn write_grouped(rule: &Rule, names: &dyn Names, text: &mut String) {
    let group = matches!(rule, Rule::All(rules) | Rule::Any(rules) if !rules.is_empty());
    text.push_str(if group { "(" } else { "" });
    write_rule(rule, names, text);
    text.push_str(if group { ")" } else { "" });
}

fn write_field(test: &FieldTest, text: &mut String) {
    let plain = !KEYWORDS.contains(&test.name.as_str())
        && test
            .name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        && !test.name.starts_with(|c: char| c.is_ascii_digit());
    if plain || test.name == Property::EmailDomain.as_str() {
        text.push_str(&test.name);
    } else {
        let _ = write!(text, "`{}`", test.name.replace('`', ""));
    }
    if let Some((not, span)) = within_span(test) {
        let _ = write!(text, " {not}in {span}");
        return;
    }
    let _ = write!(text, " {}", test.op);
    match (&test.value, test.op) {
        (Operand::None, _) => {}
        (Operand::One(literal), _) => {
            text.push(' ');
            write_literal(literal, text);
        }
        (Operand::Many(literals), Operator::Between | Operator::NotBetween) => {
            text.push(' ');
            write_list(literals, " and ", text, |literal, text| {
                write_literal(literal, text);
            });
        }
        (Operand::Many(literals), _) => {
            text.push_str(" (");
            write_list(literals, ", ", text, |literal, text| {
                write_literal(literal, text);
            });
            text.push(')');
        }
    }
}

/// Equality with a span reads as `in the last 30 days`.
fn within_span(test: &FieldTest) -> Option<(&'static str, String)> {
    let not = match test.op {
        Operator::Equal => "",
        Operator::NotEqual => "not ",
        _ => return None,
    };
    match test.value {
        Operand::One(Literal::Relative(Relative { relative })) => match relative {
            Moment::Last { .. } | Moment::Next { .. } => Some((not, format!("the {relative}"))),
            Moment::Period { .. } => Some((not, relative.to_string())),
            Moment::Day { .. } | Moment::Anniversary { .. } => None,
        },
        _ => None,
    }
}

fn write_list<T>(items: &[T], join: &str, text: &mut String, write: impl Fn(&T, &mut String)) {
    for (index, item) in items.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { join });
        write(item, text);
    }
}

fn write_literal(literal: &Literal, text: &mut String) {
    match literal {
        Literal::Boolean(value) => {
            let _ = write!(text, "{value}");
        }
        Literal::Number(number) => {
            let _ = write!(text, "{number}");
        }
        Literal::Text(value) => write_quoted(value, text),
        Literal::Relative(Relative { relative }) => {
            let _ = write!(text, "{relative}");
        }
    }
}

fn write_quoted(value: &str, text: &mut String) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c => text.push(c),
        }
    }
    text.push('"');
}

fn write_do_not_contact(test: DoNotContactTest, text: &mut String) {
    text.push_str("do_not_contact");
    let _ = match (test.channel, test.reason) {
        (None, None) => Ok(()),
        (Some(channel), None) => write!(text, "({channel})"),
        (None, Some(reason)) => write!(text, "({reason})"),
        (Some(channel), Some(reason)) => write!(text, "({channel}, {reason})"),
    };
}

fn write_segment(test: &SegmentTest, names: &dyn Names, text: &mut String) {
    let write = |id: &_, text: &mut String| match names.segment_name(*id) {
        Some(name) if names.segment(name) == Some(*id) => write_quoted(name, text),
        _ => write_quoted(&id.to_string(), text),
    };
    text.push_str("segment ");
    if let [id] = &test.ids[..] {
        text.push_str(if test.op == Membership::In {
            "= "
        } else {
            "!= "
        });
        write(id, text);
        return;
    }
    text.push_str(if test.op == Membership::In {
        "in ("
    } else {
        "not in ("
    });
    write_list(&test.ids, ", ", text, write);
    text.push(')');
}

fn write_engagement(test: EngagementTest, names: &dyn Names, text: &mut String) {
    let _ = write!(text, "{}(", test.kind);
    match test.email {
        None => text.push_str("any"),
        Some(id) => match names.email_name(id) {
            Some(name) if names.email(name) == Some(id) => write_quoted(name, text),
            _ => write_quoted(&id.to_string(), text),
        },
    }
    if let Some(days) = test.last_days {
        let _ = write!(
            text,
            ", last {days} day{}",
            if days == 1 { "" } else { "s" }
        );
    }
    text.push_str(if test.including_machine {
        ", including machine)"
    } else {
        ")"
    });
    if (test.op, test.times) != (CountOperator::AtLeast, 1) {
        let _ = write!(text, " {} {}", test.op, test.times);
    }
}
