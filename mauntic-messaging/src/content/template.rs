//! The template language: Jinja, within limits.

use std::fmt::Write as _;

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter,
    value::{Value, ValueKind},
};

use super::dates;

/// What one rendering may cost: about so many steps, and 64 bytes of data for each.
const FUEL: u64 = 50_000;
const RECURSION: usize = 50;
/// The longest list that is written out.
const MAX_LIST: usize = 200;

/// The name of the template whose values are escaped for HTML.
pub(super) const HTML: &str = "html";

/// The environment of every template: no files, no network, bounded work.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    // `{{ contact.company.name }}` is empty if there is no company.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|name| {
        if name == HTML {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.set_formatter(format_value);
    environment.add_filter("date", dates::date);
    environment.add_filter("time", dates::time);
    environment.add_filter("datetime", dates::datetime);
    environment.add_filter("shift", dates::shift);
    environment
}

/// Writes text, numbers and short lists of them; everything else is a mistake, and perhaps an endless one.
fn format_value(
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Seq => {
            for (index, item) in value.try_iter()?.take(MAX_LIST).enumerate() {
                if matches!(
                    item.kind(),
                    ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain
                ) {
                    return Err(unprintable());
                }
                if index > 0 {
                    output
                        .write_str(", ")
                        .map_err(|_| Error::from(ErrorKind::WriteFailure))?;
                }
                escape_formatter(output, state, &item)?;
            }
            Ok(())
        }
        ValueKind::Map | ValueKind::Iterable | ValueKind::Bytes | ValueKind::Plain => {
            Err(unprintable())
        }
        _ => escape_formatter(output, state, value),
    }
}

fn unprintable() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        "only text, numbers, dates and lists of them can be printed",
    )
}

/// Escapes a URL for an attribute in HTML; elsewhere it stays as it is.
pub(super) fn url_value(state: &State<'_, '_>, url: &str) -> Value {
    if !matches!(state.auto_escape(), AutoEscape::Html) {
        return Value::from(url);
    }
    let mut escaped = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    Value::from_safe_string(escaped)
}

/// What the template engine says of its error, in one line.
pub(super) fn message(error: &Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        return "the template does too much work; does a loop repeat too often?".to_owned();
    }
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        let _ = write!(message, ": {detail}");
    }
    message
}

/// What a template may not contain although the engine would take it: the code and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) fix: Option<String>,
}

/// Checks a piece of code for filters that do not exist and for products that are not clearly of numbers.
///
/// A list times a number is a longer list, which the engine makes without counting it as work.
pub(super) fn refused(environment: &Environment<'_>, code: &str) -> Vec<Refused> {
    let inner = code
        .get(2..code.len().saturating_sub(2))
        .unwrap_or_default();
    if code.starts_with("{#") {
        return Vec::new();
    }
    let tokens = tokens(
        inner
            .trim_start_matches(['-', '+'])
            .trim_end_matches(['-', '+']),
    );
    let mut refused = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (Token::Sign('*'), _) => {
                let splat = at == 0 || matches!(tokens[at - 1], Token::Sign('(' | ','));
                if splat || !(is_number(&tokens[..at]) && starts_number(&tokens[at + 1..])) {
                    refused.push(Refused {
                        code: "unsafe_multiplication",
                        message: "only numbers can be multiplied".to_owned(),
                        fix: Some("write `(value | float) * 2`".to_owned()),
                    });
                }
            }
            (Token::Sign('|'), Some(Token::Name(name))) if !knows_filter(environment, name) => {
                refused.push(Refused {
                    code: "unknown_filter",
                    message: format!("there is no filter `{name}`"),
                    fix: None,
                });
            }
            _ => {}
        }
    }
    refused
}

fn knows_filter(environment: &Environment<'_>, name: &str) -> bool {
    let result = environment.empty_state().apply_filter(name, &[]);
    !matches!(result, Err(error) if error.kind() == ErrorKind::UnknownFilter)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Number,
    Text,
    Sign(char),
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(Token::Name(&rest[..end]));
            end
        } else if first.is_ascii_digit() {
            tokens.push(Token::Number);
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                .unwrap_or(rest.len())
        } else if matches!(first, '"' | '\'') {
            tokens.push(Token::Text);
            string_length(rest, first)
        } else {
            tokens.push(Token::Sign(first));
            first.len_utf8()
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

fn string_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Whether what ends here is clearly a number: a literal, or something turned into one by a filter.
fn is_number(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [.., Token::Number]
        | [
            ..,
            Token::Sign('|'),
            Token::Name("int" | "float" | "round" | "abs" | "length" | "count"),
        ] => true,
        [inner @ .., Token::Sign(')')] => is_number(inner),
        _ => false,
    }
}

/// Whether what begins here is clearly a number: a literal, or parentheses around one.
fn starts_number(tokens: &[Token<'_>]) -> bool {
    match tokens {
        [Token::Number, ..] => true,
        [Token::Sign('('), rest @ ..] => {
            let mut depth = 1;
            let end = rest.iter().position(|token| {
                match token {
                    Token::Sign('(') => depth += 1,
                    Token::Sign(')') => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            end.is_some_and(|end| is_number(&rest[..end]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_multiplied() {
        let environment = environment();
        let codes = |code: &str| {
            refused(&environment, code)
                .into_iter()
                .map(|refused| refused.code)
                .collect::<Vec<_>>()
        };
        for fine in [
            "{{ 2 * 3 }}",
            "{{ (contact.points | int) * 2 }}",
            "{{ 2 * (a | float) }}",
            "{{ \"a * b\" }}",
            "{# [0] * 9 #}",
        ] {
            assert!(codes(fine).is_empty(), "{fine}");
        }
        for bad in [
            "{{ [0] * 100000000 ~ '' }}",
            "{{ 100000000 * [0] }}",
            "{% set x = y * 9 %}",
            "{{ 9 * y }}",
            "{{ 'a' * 9 }}",
            "{{ 2 ** y }}",
        ] {
            assert!(codes(bad).contains(&"unsafe_multiplication"), "{bad}");
        }
        assert_eq!(codes("{{ x | dat }}"), ["unknown_filter"]);
    }

    fn render(source: &str) -> Result<String, String> {
        let mut environment = environment();
        environment
            .add_template_owned("html", source.to_owned())
            .map_err(|error| message(&error))?;
        let context =
            minijinja::context! { tags => ["a", "<b>"], map => minijinja::context! { a => 1 } };
        environment
            .get_template("html")
            .unwrap()
            .render(context)
            .map_err(|error| message(&error))
    }

    #[test]
    fn lists_are_joined_and_maps_are_refused() {
        assert_eq!(
            render("{{ tags }}{{ none }}{{ a.b.c }}").unwrap(),
            "a, &lt;b&gt;"
        );
        assert!(render("{{ map }}").unwrap_err().contains("can be printed"));
    }

    #[test]
    fn endless_and_exploding_templates_end_soon() {
        let start = std::time::Instant::now();
        for source in [
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ 'x' | replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') | indent(9999999) }}",
            "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
            "{{ range(100000) | list | tojson }}{{ range(100000) | list | string }}",
        ] {
            let result = render(source);
            assert!(
                result.is_err() || result.is_ok_and(|text| text.len() < 4_000_000),
                "{source}"
            );
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(5));
    }
}
