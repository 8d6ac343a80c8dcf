//! Tests of sets of texts: tags, and the options of a field.

use super::{
    Compiler,
    operand::text_literal,
    problem::{Checked, Wrong, unsuited},
};
use crate::{
    Field, Tag,
    segment::{
        condition::{SetSource, Source, Test},
        rule::{FieldTest, Operator},
    },
};

const SET_OPERATORS: &str = "=, !=, in, not in, has all, contains, is set or is empty";

pub(super) fn tags(op: Operator, test: &FieldTest) -> Checked<Test> {
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

impl Compiler<'_> {
    pub(super) fn options(
        &mut self,
        field: &Field,
        op: Operator,
        test: &FieldTest,
    ) -> Checked<Test> {
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
