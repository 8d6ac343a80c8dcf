//! Tests of texts, which are compared in the form in which contacts have them.

use super::{
    Compiler,
    operand::text_literal,
    problem::{Checked, Wrong, unsuited},
};
use crate::{
    Field, FieldType, ParseContext,
    segment::{
        condition::{Source, Test, TextSource, TextTest},
        pattern::{Pattern, is_well_escaped},
        rule::{FieldTest, Operator},
    },
};

const TEXT_OPERATORS: &str = "=, !=, <, <=, >, >=, in, between, contains, starts with, ends with, like, matches, is set or is empty";

impl Compiler<'_> {
    pub(super) fn text(
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
}
