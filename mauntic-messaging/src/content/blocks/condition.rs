use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who sees a conditional block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
#[schemars(rename = "BlockCondition")]
pub enum Condition {
    /// A field of the contact decides.
    Field {
        /// The alias of the field.
        field: String,
        /// What it must be.
        test: Test,
    },
    /// An expression of the template language decides: `contact.points > 10 and contact.country == "Norway"`.
    Expression {
        /// The expression, without braces.
        expression: String,
    },
}

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "is", content = "value", rename_all = "snake_case")]
#[schemars(rename = "BlockTest")]
pub enum Test {
    /// It has a value.
    Set,
    /// It has none.
    Empty,
    /// It is this text, whatever the case of its letters.
    Equals(String),
    /// It is anything but this text.
    Differs(String),
    /// This text is part of it, whatever the case of its letters.
    Contains(String),
}

impl Condition {
    /// The condition in the template language.
    #[must_use]
    pub fn expression(&self) -> String {
        match self {
            Self::Expression { expression } => expression.trim().to_owned(),
            Self::Field { field, test } => {
                let value = format!("contact.{}", field.trim());
                let lower = format!("({value} | default(\"\", true) | string | lower)");
                let quoted = |text: &str| quote(&text.to_lowercase());
                match test {
                    Test::Set => value,
                    Test::Empty => format!("not {value}"),
                    Test::Equals(text) => format!("{lower} == {}", quoted(text)),
                    Test::Differs(text) => format!("{lower} != {}", quoted(text)),
                    Test::Contains(text) => format!("{} in {lower}", quoted(text)),
                }
            }
        }
    }

    pub(super) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Field { field, .. } if field.trim().is_empty() => {
                Some("choose the field that decides")
            }
            Self::Field { field, .. } if !is_alias(field.trim()) => {
                Some("this is no alias of a field: it may hold letters, digits and _")
            }
            Self::Expression { expression } if expression.trim().is_empty() => {
                Some("the condition is empty")
            }
            // It would end the tag that it stands in.
            Self::Expression { expression } if expression.contains("%}") => {
                Some("a condition cannot hold %}")
            }
            _ => None,
        }
    }
}

fn is_alias(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A string of the template language.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
