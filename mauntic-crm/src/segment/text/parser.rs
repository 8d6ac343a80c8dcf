use std::ops::Range;

use super::{
    MAX_RULE_TEXT, Names, Parsed, ParsedRule,
    error::{Problem, RuleTextError},
    leaf::leaf,
    lexer::{Token, lex},
    tokens::Tokens,
};
use crate::{FieldSet, segment::rule::Rule};

/// What can begin a test or a group.
const BEGINNING: &str = "a field, `tag`, `segment`, `opened(…)`, `not` or `(`";

/// Reads rules from tokens.
pub(super) struct Parser<'a> {
    pub(super) tokens: Tokens<'a>,
    pub(super) fields: &'a FieldSet,
    pub(super) names: &'a dyn Names,
    places: Vec<Range<usize>>,
    depth: usize,
}

/// Reads a whole text.
pub(super) fn parse(text: &str, fields: &FieldSet, names: &dyn Names) -> Parsed<ParsedRule> {
    if text.len() > MAX_RULE_TEXT {
        let problem = Problem::Other(format!("the rule is longer than {MAX_RULE_TEXT} bytes"));
        return Err(RuleTextError::new(text, 0..0, problem, None));
    }
    let tokens = Tokens::new(text, lex(text)?);
    let mut parser = Parser {
        tokens,
        fields,
        names,
        places: Vec::new(),
        depth: 0,
    };
    let rule = parser.any()?;
    if *parser.tokens.peek() == Token::End {
        return Ok(ParsedRule {
            rule,
            places: parser.places,
        });
    }
    Err(parser.tokens.unexpected("`and`, `or` or the end"))
}

impl Parser<'_> {
    /// Reads tests and groups joined by `or`.
    fn any(&mut self) -> Parsed<Rule> {
        let mut rules = vec![self.all()?];
        while self.tokens.take_word("or") {
            rules.push(self.all()?);
        }
        Ok(single_or(rules, Rule::Any))
    }

    /// Reads tests and groups joined by `and`, which binds tighter.
    fn all(&mut self) -> Parsed<Rule> {
        let mut rules = vec![self.unary()?];
        while self.tokens.take_word("and") {
            rules.push(self.unary()?);
        }
        Ok(single_or(rules, Rule::All))
    }

    /// Reads a group, a negation or a test.
    fn unary(&mut self) -> Parsed<Rule> {
        if self.depth >= Rule::MAX_DEPTH {
            let problem = format!(
                "the rule is nested more than {} levels deep",
                Rule::MAX_DEPTH
            );
            return Err(self.tokens.wrong(self.tokens.span(), problem, None));
        }
        self.depth += 1;
        let rule = if self.tokens.take_word("not") {
            Rule::Not(Box::new(self.unary()?))
        } else if self.tokens.take_symbol("(") {
            let rule = self.any()?;
            self.tokens
                .expect_symbol(")")
                .map_err(|error| self.unclosed(error))?;
            rule
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(rule)
    }

    fn unclosed(&self, error: RuleTextError) -> RuleTextError {
        match self.tokens.peek() {
            Token::End => error,
            _ => self.tokens.unexpected("`and`, `or` or `)`"),
        }
    }

    fn test(&mut self) -> Parsed<Rule> {
        if self.tokens.take_word("everyone") {
            return Ok(Rule::All(Vec::new()));
        }
        if self.tokens.take_word("nobody") {
            return Ok(Rule::Any(Vec::new()));
        }
        if !matches!(self.tokens.peek(), Token::Word(_) | Token::Name(_)) {
            return Err(self.tokens.unexpected(BEGINNING));
        }
        let start = self.tokens.span().start;
        let place = self.places.len();
        if place >= Rule::MAX_NODES {
            let problem = format!("the rule has more than {} tests", Rule::MAX_NODES);
            return Err(self.tokens.wrong(self.tokens.span(), problem, None));
        }
        let rule = leaf(self)?;
        self.places.push(start..self.tokens.end_of_last());
        Ok(rule)
    }
}

fn single_or(mut rules: Vec<Rule>, join: fn(Vec<Rule>) -> Rule) -> Rule {
    match rules.len() {
        1 => rules.remove(0),
        _ => join(rules),
    }
}
