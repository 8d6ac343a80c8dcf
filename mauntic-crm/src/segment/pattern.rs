//! Text shapes (`like`) and regular expressions (`matches`) that mean the same in Rust, in SQLite and
//! in PostgreSQL.
//!
//! A regular expression is parsed and written anew with only what all three read alike: letters, `.`
//! and classes as explicit sets of characters, groups, alternatives, repetitions and the two
//! anchors. It is applied to texts in lower case (A to Z), so it is lowered too.

use std::fmt::Write as _;

use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassAsciiKind, ClassPerlKind, ClassSet, ClassSetItem,
    RepetitionKind, RepetitionRange,
};

/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 500;
/// Most that a repetition with a count may ask for, repetitions within repetitions multiplied.
const MAX_REPEAT: u32 = 200;

/// A regular expression in the form that all evaluators share.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    shared: String,
    regex: regex::Regex,
}

impl Pattern {
    /// Brings a regular expression into the shared form.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("the expression is longer than {MAX_PATTERN} bytes"));
        }
        let parsed = ast::parse::ParserBuilder::new()
            .nest_limit(50)
            .build()
            .parse(pattern);
        let ast = parsed.map_err(|error| {
            format!(
                "not a regular expression: {} (at character {})",
                error.kind(),
                error.span().start.offset + 1
            )
        })?;
        let mut shared = String::new();
        Writer {
            out: &mut shared,
            repeated: 1,
            in_repetition: false,
        }
        .write(&ast)?;
        let regex = regex::RegexBuilder::new(&shared)
            .size_limit(1 << 20)
            .build()
            .map_err(|_| "the expression is too large".to_owned())?;
        Ok(Self { shared, regex })
    }

    /// The expression, for a database.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(dead_code, reason = "only databases ask")
    )]
    pub(crate) fn as_str(&self) -> &str {
        &self.shared
    }

    /// Whether it is found in a text in lower case.
    pub(super) fn is_match(&self, lowered: &str) -> bool {
        self.regex.is_match(lowered)
    }
}

struct Writer<'a> {
    out: &'a mut String,
    repeated: u32,
    in_repetition: bool,
}

impl Writer<'_> {
    fn write(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Empty(_) => self.out.push_str("(?:)"),
            Ast::Literal(literal) => push_char(self.out, lower(literal.c))?,
            Ast::Dot(_) => self.out.push_str("[^\\u000A]"),
            Ast::Assertion(assertion) => self.anchor(&assertion.kind)?,
            Ast::ClassPerl(class) => {
                let set = perl(&class.kind);
                let not = if class.negated { "^" } else { "" };
                let _ = write!(self.out, "[{not}{set}]");
            }
            Ast::ClassBracketed(class) => self.bracketed(class)?,
            Ast::Group(group) => {
                if matches!(&group.kind, ast::GroupKind::NonCapturing(flags) if !flags.items.is_empty())
                {
                    return Err("flags in groups are not supported".to_owned());
                }
                self.grouped(&group.ast)?;
            }
            Ast::Alternation(alternation) => {
                for (index, branch) in alternation.asts.iter().enumerate() {
                    self.out.push_str(if index == 0 { "" } else { "|" });
                    self.write(branch)?;
                }
            }
            Ast::Concat(concat) => {
                for part in &concat.asts {
                    self.write(part)?;
                }
            }
            Ast::Repetition(repetition) => self.repetition(repetition)?,
            Ast::Flags(_) => {
                return Err(
                    "flags such as (?i) are not supported; capitals never matter".to_owned(),
                );
            }
            Ast::ClassUnicode(_) => return Err("\\p{…} is not supported".to_owned()),
        }
        Ok(())
    }

    fn grouped(&mut self, ast: &Ast) -> Result<(), String> {
        self.out.push_str("(?:");
        self.write(ast)?;
        self.out.push(')');
        Ok(())
    }

    fn anchor(&mut self, kind: &AssertionKind) -> Result<(), String> {
        if self.in_repetition {
            return Err("^ and $ cannot be repeated".to_owned());
        }
        match kind {
            AssertionKind::StartLine | AssertionKind::StartText => self.out.push('^'),
            AssertionKind::EndLine | AssertionKind::EndText => self.out.push('$'),
            _ => return Err("word boundaries are not supported".to_owned()),
        }
        Ok(())
    }

    fn repetition(&mut self, repetition: &ast::Repetition) -> Result<(), String> {
        let (suffix, most) = match &repetition.op.kind {
            RepetitionKind::ZeroOrOne => ("?".to_owned(), 1),
            RepetitionKind::ZeroOrMore => ("*".to_owned(), 1),
            RepetitionKind::OneOrMore => ("+".to_owned(), 1),
            RepetitionKind::Range(RepetitionRange::Exactly(n)) => (format!("{{{n}}}"), *n),
            RepetitionKind::Range(RepetitionRange::AtLeast(n)) => (format!("{{{n},}}"), *n),
            RepetitionKind::Range(RepetitionRange::Bounded(n, m)) => (format!("{{{n},{m}}}"), *m),
        };
        let outer = (self.repeated, self.in_repetition);
        self.repeated = self.repeated.saturating_mul(most.max(1));
        self.in_repetition = true;
        if self.repeated > MAX_REPEAT {
            return Err(format!(
                "repetitions of more than {MAX_REPEAT} times are not supported"
            ));
        }
        self.grouped(&repetition.ast)?;
        (self.repeated, self.in_repetition) = outer;
        self.out.push_str(&suffix);
        Ok(())
    }

    fn bracketed(&mut self, class: &ast::ClassBracketed) -> Result<(), String> {
        self.out.push_str(if class.negated { "[^" } else { "[" });
        match &class.kind {
            ClassSet::Item(item) => self.class_item(item)?,
            ClassSet::BinaryOp(_) => {
                return Err("set operations in [ ] are not supported".to_owned());
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn class_item(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Union(union) => {
                for item in &union.items {
                    self.class_item(item)?;
                }
            }
            ClassSetItem::Literal(literal) => push_char(self.out, lower(literal.c))?,
            ClassSetItem::Range(range) => {
                // Capitals do not occur in lowered texts: the letters are added in lower case.
                push_range(self.out, range.start.c, range.end.c)?;
                let (first, last) = (range.start.c.max('A'), range.end.c.min('Z'));
                if first <= last {
                    push_range(self.out, lower(first), lower(last))?;
                }
            }
            ClassSetItem::Perl(class) if !class.negated => self.out.push_str(perl(&class.kind)),
            ClassSetItem::Ascii(class) if !class.negated => self.out.push_str(ascii(&class.kind)?),
            ClassSetItem::Empty(_) => return Err("an empty [ ] is not supported".to_owned()),
            _ => {
                return Err(
                    "classes within [ ] are not supported unless they are like \\d".to_owned(),
                );
            }
        }
        Ok(())
    }
}

fn lower(c: char) -> char {
    c.to_ascii_lowercase()
}

fn perl(kind: &ClassPerlKind) -> &'static str {
    match kind {
        ClassPerlKind::Digit => "0-9",
        ClassPerlKind::Space => "\\u0009-\\u000D\\u0020",
        ClassPerlKind::Word => "0-9a-z_",
    }
}

fn ascii(kind: &ClassAsciiKind) -> Result<&'static str, String> {
    Ok(match kind {
        ClassAsciiKind::Alnum => "0-9a-z",
        ClassAsciiKind::Alpha | ClassAsciiKind::Lower | ClassAsciiKind::Upper => "a-z",
        ClassAsciiKind::Digit => "0-9",
        ClassAsciiKind::Space => "\\u0009-\\u000D\\u0020",
        ClassAsciiKind::Word => "0-9a-z_",
        ClassAsciiKind::Xdigit => "0-9a-f",
        _ => return Err("this class of characters is not supported".to_owned()),
    })
}

fn push_range(out: &mut String, first: char, last: char) -> Result<(), String> {
    push_char(out, first)?;
    out.push('-');
    push_char(out, last)
}

/// Letters and digits stand for themselves; everything else by its code point, which every engine
/// reads alike.
fn push_char(out: &mut String, c: char) -> Result<(), String> {
    let _ = match u32::from(c) {
        0 => return Err("the character U+0000 is not supported".to_owned()),
        _ if c.is_ascii_alphanumeric() => write!(out, "{c}"),
        code @ 1..=0xFFFF => write!(out, "\\u{code:04X}"),
        code => write!(out, "\\U{code:08X}"),
    };
    Ok(())
}

/// Whether a text has a shape: `%` stands for any characters, `_` for one, `\` before them for
/// themselves.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Any) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(Piece::One) => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match retry {
                Some((any, from)) => {
                    retry = Some((any, from + 1));
                    (p, t) = (any + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}

#[derive(Debug, PartialEq)]
enum Piece {
    Any,
    One,
    Char(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            c => Piece::Char(c),
        });
    }
    pieces
}

/// Whether every `\` in a shape stands before `%`, `_` or `\`, which is all that databases agree on.
pub(super) fn is_well_escaped(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && !matches!(chars.next(), Some('%' | '_' | '\\')) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern)
            .unwrap()
            .is_match(&text.to_ascii_lowercase())
    }

    #[test]
    fn expressions_ignore_capitals_and_find_parts() {
        assert!(matches("^B[aeiou]+r", "Baaar Foo"));
        assert!(matches(r"\d{2,3}-[A-F]x", "abc 12-Fx"));
        assert!(matches(r"(?:gmail|GMX)\.(com|de)$", "ann@gmx.de"));
        assert!(matches("größe", "GRößE"));
        assert!(!matches("größe", "GRÖßE"));
        assert!(!matches(r"^\D+$", "a1"));
        assert!(!matches("a.b", "a\nb"));
    }

    #[test]
    fn what_engines_read_differently_is_refused() {
        for pattern in [
            r"(?i)a",
            r"\bword",
            r"\p{L}",
            "a{9999}",
            "(a{100}){100}",
            "[a&&b]",
            "(^)*",
            "(",
            "[]",
            "\0",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::new(&"(".repeat(499)).is_err());
    }

    #[test]
    fn shapes_cover_the_whole_text() {
        assert!(like("a%c", "abbc") && like("%", "") && like("_b_", "abc") && like("%ab%", "xaby"));
        assert!(like(r"100\%", "100%") && !like(r"100\%", "1000"));
        assert!(!like("a%c", "abcd") && !like("_", "") && !like("", "a"));
        assert!(like(&"%a".repeat(50), &"a".repeat(5_000)));
        assert!(is_well_escaped(r"a\%") && !is_well_escaped(r"a\b") && !is_well_escaped(r"a\"));
    }
}
