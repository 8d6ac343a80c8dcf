use std::ops::Range;

use super::{
    error::{Problem, RuleTextError},
    lexer::Token,
};

/// The tokens of a text, read from front to back.
pub(super) struct Tokens<'a> {
    text: &'a str,
    all: Vec<(Token, Range<usize>)>,
    next: usize,
}

impl<'a> Tokens<'a> {
    /// Tokens that end with [`Token::End`].
    pub(super) fn new(text: &'a str, tokens: Vec<(Token, Range<usize>)>) -> Self {
        Self {
            text,
            all: tokens,
            next: 0,
        }
    }

    /// The next token.
    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// The token so many behind the next.
    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.all
            .get(self.next + ahead)
            .map_or(&Token::End, |(token, _)| token)
    }

    /// The place of the next token.
    pub(super) fn span(&self) -> Range<usize> {
        let end = self.text.len()..self.text.len();
        self.all
            .get(self.next)
            .map_or(end, |(_, span)| span.clone())
    }

    /// Where the last token that was read ends.
    pub(super) fn end_of_last(&self) -> usize {
        let last = self.next.checked_sub(1).and_then(|last| self.all.get(last));
        last.map_or(0, |(_, span)| span.end)
    }

    /// Goes on to the token behind the next.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Reads a keyword if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is(word);
        self.next += usize::from(found);
        found
    }

    /// Reads a symbol if it is next.
    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        self.next += usize::from(found);
        found
    }

    /// Reads a symbol that must be next.
    pub(super) fn expect_symbol(&mut self, symbol: &str) -> super::Parsed<()> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{symbol}`")))
    }

    /// Reads a number without fraction from 0 to the most.
    pub(super) fn whole_number(&mut self, most: u32) -> super::Parsed<u32> {
        if let Token::Number(number) = *self.peek()
            && number.fract() == 0.0
            && number <= f64::from(most)
        {
            self.advance();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole, and within 0 and the most"
            )]
            return Ok(number as u32);
        }
        Err(self.unexpected(&format!("a whole number up to {most}")))
    }

    /// The next token is not what it should be.
    pub(super) fn unexpected(&self, expected: &str) -> RuleTextError {
        let found = self.peek().to_string();
        self.unexpected_at(self.span(), expected, &found)
    }

    /// What stands at a place is not what it should be.
    pub(super) fn unexpected_at(
        &self,
        span: Range<usize>,
        expected: &str,
        found: &str,
    ) -> RuleTextError {
        let problem = Problem::Unexpected {
            found: found.to_owned(),
            expected: expected.to_owned(),
        };
        RuleTextError::new(self.text, span, problem, None)
    }

    /// Something else is wrong at a place.
    pub(super) fn wrong(
        &self,
        span: Range<usize>,
        problem: String,
        help: Option<String>,
    ) -> RuleTextError {
        RuleTextError::new(self.text, span, Problem::Other(problem), help)
    }
}
