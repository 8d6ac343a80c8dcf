use std::{fmt, ops::Range};

use super::error::{Problem, RuleTextError};

/// A piece of the text of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or keyword, as it is written.
    Word(String),
    /// A name in backquotes.
    Name(String),
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// A date or instant without quotes.
    Date(String),
    /// An operator, bracket or comma.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl Token {
    /// Whether it is this keyword; capitals do not matter.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) | Self::Date(word) => write!(f, "`{}`", shortened(word)),
            Self::Name(name) => write!(f, "the name `{}`", shortened(name)),
            Self::Text(text) => write!(f, "the text \"{}\"", shortened(text)),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

const SYMBOLS: &[(&str, &str)] = &[
    ("<=", "<="),
    (">=", ">="),
    ("!=", "!="),
    ("<>", "!="),
    ("==", "="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("+", "+"),
    ("-", "-"),
    (".", "."),
];

/// Cuts a text into tokens with their places; the last is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Range<usize>)>, RuleTextError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = next(text, at, c)?;
        tokens.push((token, at..at + length));
        at += length;
    }
    tokens.push((Token::End, text.len()..text.len()));
    Ok(tokens)
}

fn next(text: &str, at: usize, c: char) -> Result<(Token, usize), RuleTextError> {
    let rest = &text[at..];
    match c {
        '"' | '\'' | '“' | '„' => {
            quoted(text, at, c).map(|(value, length)| (Token::Text(value), length))
        }
        '`' => quoted(text, at, c).map(|(value, length)| (Token::Name(value), length)),
        '0'..='9' => number(text, at),
        c if c.is_alphabetic() || c == '_' => {
            let in_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            Ok((Token::Word(rest[..length].to_owned()), length))
        }
        _ => match SYMBOLS
            .iter()
            .find(|(written, _)| rest.starts_with(written))
        {
            Some((written, symbol)) => Ok((Token::Symbol(symbol), written.len())),
            None => Err(unknown(text, at, c)),
        },
    }
}

fn unknown(text: &str, at: usize, c: char) -> RuleTextError {
    let help = match c {
        '&' => Some("write `and`".to_owned()),
        '|' => Some("write `or`".to_owned()),
        '!' => Some("write `not`".to_owned()),
        '~' => Some("write `matches`".to_owned()),
        '[' | '{' => Some("write lists in round brackets".to_owned()),
        _ => None,
    };
    let problem = Problem::Other(format!("the character {c:?} has no meaning here"));
    RuleTextError::new(text, at..at + c.len_utf8(), problem, help)
}

fn quoted(text: &str, at: usize, open: char) -> Result<(String, usize), RuleTextError> {
    let closes = |c: char| match open {
        '“' | '„' => matches!(c, '”' | '“'),
        _ => c == open,
    };
    let mut value = String::new();
    let mut chars = text[at..].char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if closes(c) {
            return Ok((value, index + c.len_utf8()));
        }
        if c != '\\' || open == '`' {
            value.push(c);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => value.push('\n'),
            Some((_, 'r')) => value.push('\r'),
            Some((_, 't')) => value.push('\t'),
            Some((_, c)) if c == '\\' || c == '"' || c == '\'' || closes(c) => value.push(c),
            // Patterns are full of backslashes: they need not be doubled.
            Some((_, c)) => value.extend(['\\', c]),
            None => break,
        }
    }
    let problem = Problem::Other("the text that begins here does not end".to_owned());
    let help = Some("close it with the same quotation mark".to_owned());
    Err(RuleTextError::new(
        text,
        at..at + open.len_utf8(),
        problem,
        help,
    ))
}

/// Reads a number; or, if it goes on like one, a date such as `2026-06-01` or `2026-06-01T12:00Z`.
fn number(text: &str, at: usize) -> Result<(Token, usize), RuleTextError> {
    let rest = &text.as_bytes()[at..];
    let digits = |from: usize| {
        rest[from..]
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .count()
    };
    if digits(0) == 4 && rest.get(4) == Some(&b'-') && digits(5) > 0 {
        let in_date = |c: &&u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b':' | b'.' | b'+');
        let length = rest.iter().take_while(in_date).count();
        return Ok((Token::Date(text[at..at + length].to_owned()), length));
    }
    let mut length = digits(0);
    if rest.get(length) == Some(&b'.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if matches!(rest.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(rest.len()));
        length += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    match text[at..at + length].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((Token::Number(number), length)),
        _ => {
            let problem = Problem::Other("the number is too large".to_owned());
            Err(RuleTextError::new(text, at..at + length, problem, None))
        }
    }
}
