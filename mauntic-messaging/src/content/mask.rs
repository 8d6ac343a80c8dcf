//! Hides template code from the programs that read HTML, and brings it back.
//!
//! Parsers move, escape and drop what they do not understand. So every piece of code becomes a plain word first;
//! between table rows, where HTML allows no words, the word becomes a comment.

use super::{
    mautic::{self, Token},
    problem::{Location, Part, Problem},
    scan::{Event, Reader, Stack, Surroundings},
};

/// A piece of template code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The code with its braces.
    pub(super) code: String,
    /// Where it stood in the source.
    pub(super) offset: usize,
}

impl Piece {
    /// Whether the code only writes a value, as `{{ … }}` does.
    pub(super) fn is_expression(&self) -> bool {
        self.code.starts_with("{{")
    }
}

/// How a source is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// HTML or MJML.
    Html,
    /// Plain text.
    Text,
}

/// A source whose template code is hidden.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    /// The source with words for code.
    pub(super) text: String,
    /// The code, in the order of its numbers.
    pub(super) pieces: Vec<Piece>,
    /// What every word begins with; the source does not hold it.
    prefix: String,
    /// Where the text behind each word begins: in the masked text, in the source.
    places: Vec<(usize, usize)>,
}

impl Masked {
    /// Hides the code of a source and translates Mautic's tokens.
    pub(super) fn new(source: &str, syntax: Syntax, part: Part) -> (Self, Vec<Problem>) {
        let mut prefix = "mtk".to_owned();
        let lower = source.to_ascii_lowercase();
        while lower.contains(&prefix) {
            prefix.push('k');
        }
        let masked = Self {
            text: String::with_capacity(source.len()),
            pieces: Vec::new(),
            prefix,
            places: Vec::new(),
        };
        let mut reader = SourceReader {
            source,
            syntax,
            part,
            masked,
            problems: Vec::new(),
            style_until: 0,
        };
        reader.read();
        (reader.masked, reader.problems)
    }

    /// Hides one more piece and answers with its word.
    pub(super) fn add(&mut self, code: String, offset: usize) -> String {
        let word = self.numbered(self.pieces.len());
        self.pieces.push(Piece { code, offset });
        word
    }

    /// The word that the piece of this number has, or will have once it is added.
    pub(super) fn numbered(&self, number: usize) -> String {
        // The last letter ends the number, so that digits may follow.
        format!("{}{number}q", self.prefix)
    }

    /// The place in the source of a byte of the masked text.
    pub(super) fn source_offset(&self, masked: usize) -> usize {
        let before = self.places.partition_point(|(start, _)| *start <= masked);
        let (start, source) = before
            .checked_sub(1)
            .map_or((0, 0), |index| self.places[index]);
        // A word may be longer than its code.
        let limit = self
            .places
            .get(before)
            .or(self.places.last())
            .map_or(usize::MAX, |(_, source)| *source);
        (source + (masked - start)).min(limit)
    }

    /// The first word in the text: where it begins, where it ends, its number.
    pub(super) fn find_word(&self, text: &str) -> Option<(usize, usize, usize)> {
        let mut from = 0;
        while let Some(found) = text[from..].find(&self.prefix) {
            let start = from + found;
            let digits = start + self.prefix.len();
            let end = text[digits..]
                .find(|c: char| !c.is_ascii_digit())
                .map_or(text.len(), |end| digits + end);
            match text[digits..end].parse() {
                Ok(number) if text[end..].starts_with('q') && number < self.pieces.len() => {
                    return Some((start, end + 1, number));
                }
                _ => from = digits,
            }
        }
        None
    }

    /// Whether the whole text is one word, and of which piece.
    pub(super) fn only_word(&self, text: &str) -> Option<&Piece> {
        let (start, end, number) = self.find_word(text)?;
        (start == 0 && end == text.len()).then(|| &self.pieces[number])
    }

    /// Turns words into comments where HTML would move or refuse them: control code everywhere, all code between
    /// rows and cells.
    pub(super) fn protected(&self, html: &str) -> String {
        self.with_words_at(html, |word, number, surroundings| match surroundings {
            Surroundings::Raw => word.to_owned(),
            Surroundings::Flow if self.pieces[number].is_expression() => word.to_owned(),
            _ => format!("<!--{word}-->"),
        })
    }

    /// Turns those comments into text again, within cells of their own between rows and cells.
    pub(super) fn as_text(&self, html: &str) -> String {
        let mut output = String::with_capacity(html.len());
        let mut stack = Stack::default();
        let mut done = 0;
        for event in Reader::new(html) {
            stack.take(event);
            let Event::Comment(from, to) = event else {
                continue;
            };
            output.push_str(&html[done..from]);
            done = to;
            let inner = html[from..to]
                .trim_start_matches("<!--")
                .trim_end_matches("-->");
            if self.only_word(inner).is_none() {
                continue;
            }
            match stack.surroundings() {
                Surroundings::Table => output.extend(["<tr><td>", inner, "</td></tr>"]),
                Surroundings::Row => output.extend(["<td>", inner, "</td>"]),
                Surroundings::Flow | Surroundings::Raw => output.push_str(inner),
            }
        }
        output.push_str(&html[done..]);
        output
    }

    fn with_words_at(
        &self,
        html: &str,
        write: impl Fn(&str, usize, Surroundings) -> String,
    ) -> String {
        let mut output = String::with_capacity(html.len() + self.pieces.len() * 8);
        let mut stack = Stack::default();
        let mut done = 0;
        for event in Reader::new(html) {
            stack.take(event);
            let Event::Text(from, to) = event else {
                continue;
            };
            output.push_str(&html[done..from]);
            done = to;
            let mut text = &html[from..to];
            while let Some((start, end, number)) = self.find_word(text) {
                output.push_str(&text[..start]);
                output.push_str(&write(&text[start..end], number, stack.surroundings()));
                text = &text[end..];
            }
            output.push_str(text);
        }
        output.push_str(&html[done..]);
        output
    }

    /// Brings the code back. Braces that were no code are written so that they stay none.
    pub(super) fn reveal(&self, text: &str) -> String {
        let mut output = String::with_capacity(text.len() + self.pieces.len() * 24);
        let mut rest = text;
        while let Some((start, end, number)) = self.find_word(rest) {
            let (mut before, mut after) = (&rest[..start], &rest[end..]);
            if let (Some(shorter), Some(longer)) =
                (before.strip_suffix("<!--"), after.strip_prefix("-->"))
            {
                (before, after) = (shorter, longer);
            } else if let Some(longer) = after.strip_prefix("=\"\"") {
                // Code among attributes became an attribute.
                after = longer;
            }
            push_literal(&mut output, before, true);
            output.push_str(&self.pieces[number].code);
            rest = after;
        }
        push_literal(&mut output, rest, false);
        output
    }

    /// The code alone, each piece in its line: what the template engine can check and name lines of.
    pub(super) fn code_only(&self, source: &str) -> String {
        let mut output = String::new();
        let mut lines = 0;
        for piece in &self.pieces {
            let line = source[..piece.offset.min(source.len())]
                .matches('\n')
                .count();
            (lines..line).for_each(|_| output.push('\n'));
            lines = lines.max(line) + piece.code.matches('\n').count();
            output.push_str(&piece.code);
        }
        output
    }
}

/// Writes text that is no code, even if it has braces like code.
fn push_literal(output: &mut String, text: &str, code_follows: bool) {
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let next = rest.as_bytes().get(at + 1);
        output.push_str(&rest[..at]);
        if matches!(next, Some(b'{' | b'%' | b'#')) || (next.is_none() && code_follows) {
            output.push_str("{{ '{' }}");
        } else {
            output.push('{');
        }
        rest = &rest[at + 1..];
    }
    output.push_str(rest);
}

struct SourceReader<'a> {
    source: &'a str,
    syntax: Syntax,
    part: Part,
    masked: Masked,
    problems: Vec<Problem>,
    /// The end of the style sheet that the reader is in.
    style_until: usize,
}

impl SourceReader<'_> {
    fn read(&mut self) {
        let mut at = 0;
        while let Some(found) = self.source[at..].find(['{', '%', '<']) {
            let start = at + found;
            self.masked.text.push_str(&self.source[at..start]);
            at = start;
            match self.take(start) {
                Some(length) => at += length,
                None => break,
            }
        }
        self.masked.text.push_str(&self.source[at..]);
        self.follow(self.source.len());
    }

    /// Takes what begins here and says how long it was; `None` if code begins here and never ends.
    fn take(&mut self, start: usize) -> Option<usize> {
        let rest = &self.source[start..];
        let in_style = start < self.style_until;
        let closed = match rest.as_bytes() {
            [b'{', b'{', ..] => code_end(rest, "}}"),
            [b'{', b'%', ..] => code_end(rest, "%}"),
            // Minified CSS is full of `{#id`; nobody writes template comments there.
            [b'{', b'#', ..] if !in_style => rest.find("#}").map(|end| end + 2),
            _ => return Some(self.take_other(rest, start, in_style)),
        };
        let Some(end) = closed else {
            let location = Location::at(self.part, self.source, start);
            let message = format!("`{}` is never closed", &rest[..2]);
            self.problems
                .push(Problem::error("template_syntax", location, message));
            return None;
        };
        let code = &rest[..end];
        let code = if self.syntax == Syntax::Html {
            decode_entities(code)
        } else {
            code.to_owned()
        };
        self.push(code, start);
        self.follow(start + end);
        Some(end)
    }

    fn take_other(&mut self, rest: &str, start: usize, in_style: bool) -> usize {
        if rest.starts_with('<') {
            let is_style = rest
                .get(..6)
                .is_some_and(|tag| tag.eq_ignore_ascii_case("<style"));
            if is_style && !in_style && self.syntax == Syntax::Html {
                self.style_until = rest.find("</").map_or(self.source.len(), |end| start + end);
            }
        } else {
            match mautic::read(rest, self.syntax == Syntax::Html) {
                Some((length, Token::Code(code))) => {
                    self.push_translated(&code, start);
                    self.follow(start + length);
                    return length;
                }
                Some((length, Token::Unsupported)) => {
                    let location = Location::at(self.part, self.source, start);
                    let message = format!("the token {} is not known here", &rest[..length]);
                    self.problems
                        .push(Problem::error("unsupported_token", location, message));
                }
                None => {}
            }
        }
        self.masked.text.push_str(&rest[..1]);
        1
    }

    /// A translated token may have text around its code.
    fn push_translated(&mut self, code: &str, offset: usize) {
        let mut rest = code;
        while let Some(start) = rest.find("{{") {
            let end = code_end(&rest[start..], "}}").map_or(rest.len(), |end| start + end);
            self.masked.text.push_str(&rest[..start]);
            self.push(rest[start..end].to_owned(), offset);
            rest = &rest[end..];
        }
        self.masked.text.push_str(rest);
    }

    fn push(&mut self, code: String, offset: usize) {
        let word = self.masked.add(code, offset);
        self.masked.text.push_str(&word);
    }

    fn follow(&mut self, source: usize) {
        self.masked.places.push((self.masked.text.len(), source));
    }
}

/// The end of code, strings in it respected.
fn code_end(code: &str, end: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in code.bytes().enumerate().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some(open) if open == byte => quote = None,
            None if code.as_bytes()[at..].starts_with(end.as_bytes()) => {
                return Some(at + end.len());
            }
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            _ => {}
        }
    }
    None
}

/// Editors write `&quot;` and `&amp;` inside code when it stands in HTML.
pub(super) fn decode_entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let pairs = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&nbsp;", " "),
        ("&#160;", " "),
        ("&amp;", "&"),
        ("&#38;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| {
            text.replace(entity, character)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(source: &str) -> Masked {
        let (masked, problems) = Masked::new(source, Syntax::Html, Part::Body);
        assert_eq!(problems, []);
        masked
    }

    #[test]
    fn code_comes_back_where_it_was() {
        let source = "<table>{% for x in y %}<tr class=\"{{ a | default(\"}}\") }}\">{{ x }}</tr>{% endfor %}</table>{# note #}";
        let masked = masked(source);
        assert_eq!(masked.pieces.len(), 5);
        assert!(!masked.text.contains('{'));
        assert_eq!(masked.reveal(&masked.text), source);
        let protected = masked.protected(&masked.text);
        assert!(protected.contains("<table><!--mtk0q--><tr class=\"mtk1q\"><!--mtk2q--></tr>"));
        assert_eq!(masked.reveal(&protected), source);
        assert!(
            masked
                .as_text(&protected)
                .starts_with("<table><tr><td>mtk0q</td></tr><tr class=\"mtk1q\"><td>mtk2q</td>")
        );
    }

    #[test]
    fn css_is_no_code() {
        let source = "<style>@media x{#a{color:red}}</style>";
        let masked = masked(source);
        assert_eq!(masked.text, source);
        assert_eq!(
            masked.reveal(&masked.text),
            "<style>@media x{{ '{' }}#a{color:red}}</style>"
        );
    }

    #[test]
    fn entities_in_code_are_decoded_and_others_kept() {
        let masked = masked("a &amp; {{ x | default(&quot;b&quot;) }}");
        assert_eq!(
            masked.reveal(&masked.text),
            "a &amp; {{ x | default(\"b\") }}"
        );
    }

    #[test]
    fn unclosed_code_is_named_with_its_place() {
        let (_, problems) = Masked::new("a\n b {{ x", Syntax::Html, Part::Body);
        assert_eq!(
            problems[0].to_string(),
            "body, line 2, column 4: `{{` is never closed"
        );
        let (_, problems) = Masked::new("{assetlink=3}", Syntax::Html, Part::Body);
        assert_eq!(problems[0].code, "unsupported_token");
    }

    #[test]
    fn code_keeps_its_line() {
        let masked = masked("a\n\n{{ x }} b\n{% if y %}\n{% endif %}");
        assert_eq!(
            masked.code_only("a\n\n{{ x }} b\n{% if y %}\n{% endif %}"),
            "\n\n{{ x }}\n{% if y %}\n{% endif %}"
        );
    }

    proptest! {
        #[test]
        fn any_source_is_hidden_and_revealed(source in any::<String>(), more in "[{}%#mtkq0-9<>=a\" -]{0,60}") {
            for source in [&source, &more] {
                let (masked, _) = Masked::new(source, Syntax::Html, Part::Body);
                masked.reveal(&masked.protected(&masked.text));
                masked.as_text(&masked.text);
                for at in 0..masked.text.len() {
                    prop_assert!(masked.source_offset(at) <= source.len());
                }
            }
        }
    }
}
