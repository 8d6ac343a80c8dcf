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
    // They could nest lists in themselves again and again, see `refused`.
    for name in ["namespace", "dict", "debug"] {
        environment.remove_global(name);
    }
    for name in [
        "batch", "chain", "groupby", "pprint", "slice", "tojson", "zip",
    ] {
        environment.remove_filter(name);
    }
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

/// Checks a piece of code for filters that do not exist, for products that are not clearly of numbers, and for lists
/// of anything but constants.
///
/// A list times a number is a longer list, which the engine makes without counting it as work, and a sum of lists, made again
/// and again, is no better. A list that holds another twice, thirty times over, is short in memory and endless as text, which the engine does not count either.
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
    let mut refused = nested(&tokens);
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
            (Token::Sign('+'), _) if !is_harmless_sum(&tokens[..at], &tokens[at + 1..]) => {
                refused.push(Refused {
                    code: "unsafe_sum",
                    message: "only numbers and text can be added".to_owned(),
                    fix: Some("write `(a | float) + b` for numbers, `a ~ b` for text".to_owned()),
                });
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

/// Whether one side is clearly a number or text, so that a list on the other side is a mistake and no longer list.
fn is_harmless_sum(before: &[Token<'_>], after: &[Token<'_>]) -> bool {
    let is_sign = matches!(
        before.last(),
        None | Some(Token::Sign('(' | ',' | '=' | '~' | '['))
    );
    is_sign
        || is_number(before)
        || starts_number(after)
        || before.last() == Some(&Token::Text)
        || after.first() == Some(&Token::Text)
}

/// Finds lists, maps and tuples that hold something else than constants.
fn nested(tokens: &[Token<'_>]) -> Vec<Refused> {
    // For each open bracket, whether it makes a list or map.
    let mut open: Vec<bool> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let follows_value = matches!(before, Some(Token::Name(name)) if !KEYWORDS.contains(&name))
            || matches!(before, Some(Token::Text | Token::Sign(')' | ']')));
        match token {
            Token::Sign('[') => open.push(!follows_value),
            Token::Sign('{') => open.push(true),
            Token::Sign('(') => open.push(!follows_value && is_tuple(&tokens[at + 1..])),
            Token::Sign(')' | ']' | '}') => {
                open.pop();
            }
            Token::Name(name) if open.contains(&true) && !CONSTANTS.contains(name) => {
                return vec![Refused {
                    code: "list_of_variables",
                    message: "lists in templates can only hold constants".to_owned(),
                    fix: Some("write the values one by one".to_owned()),
                }];
            }
            _ => {}
        }
    }
    Vec::new()
}

const KEYWORDS: [&str; 8] = ["in", "and", "or", "not", "if", "else", "is", "elif"];
const CONSTANTS: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

/// Whether the parenthesis that was opened holds a comma of its own.
fn is_tuple(tokens: &[Token<'_>]) -> bool {
    let mut depth = 1;
    for token in tokens {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            Token::Sign(',') if depth == 1 => return true,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    false
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

/// Filters whose result is a number.
const NUMERIC: [&str; 6] = ["int", "float", "round", "abs", "length", "count"];

fn is_numeric_filter(tokens: &[Token<'_>]) -> bool {
    matches!(tokens, [.., Token::Sign('|'), Token::Name(name)] if NUMERIC.contains(name))
}

/// Whether what ends here is clearly a number: a literal, or something turned into one by a filter.
fn is_number(tokens: &[Token<'_>]) -> bool {
    match tokens {
        // `list.0` is an item of a list, and may be a list itself.
        [.., Token::Sign('.'), Token::Number] => false,
        [.., Token::Number] => true,
        [before @ .., Token::Sign(')')] => {
            let mut depth = 1;
            let start = before.iter().rposition(|token| {
                match token {
                    Token::Sign(')') => depth += 1,
                    Token::Sign('(') => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            let Some(start) = start else { return false };
            match before[..start].last() {
                // The arguments of a filter or function say nothing of its result.
                Some(Token::Name(_) | Token::Text | Token::Sign(')' | ']')) => {
                    is_numeric_filter(&before[..start])
                }
                _ => is_number_inside(&before[start + 1..]),
            }
        }
        other => is_numeric_filter(other),
    }
}

/// Whether what stands in parentheses is clearly a number: no list, and no choice between values.
fn is_number_inside(tokens: &[Token<'_>]) -> bool {
    let open = |token: &Token<'_>| {
        matches!(
            token,
            Token::Sign(',' | '[' | '{') | Token::Name("or" | "and" | "if" | "else")
        )
    };
    !tokens.iter().any(open) && is_number(tokens)
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
            end.is_some_and(|end| is_number_inside(&rest[..end]))
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
            "{{ (x | round(2)) * 1.5 }}",
            "{{ (2 + 3) * 4 }}",
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
            "{{ ([0], 1) * 9 }}",
            "{{ range(9) * 9 }}",
            "{{ (xs or 3) * 9 }}",
            "{{ (xs if y else 3) * 9 }}",
            "{{ xs.0 * 9 }}",
            "{{ (xs | batch(3)) * 9 }}",
            "{{ 9 * (xs or 3 | int) }}",
        ] {
            assert!(codes(bad).contains(&"unsafe_multiplication"), "{bad}");
        }
        for unknown in [
            "{{ x | dat }}",
            "{% set l = l | chain(l) %}",
            "{% set l = l | zip(l) %}",
        ] {
            assert_eq!(codes(unknown), ["unknown_filter"], "{unknown}");
        }
        for bad in [
            "{% set l = [l, l] %}",
            "{% set l = (l, l) %}",
            "{% set l = {'a': l} %}",
            "{{ m([l]) }}",
            "{% for x in [l, l] %}",
        ] {
            assert_eq!(codes(bad), ["list_of_variables"], "{bad}");
        }
        for bad in [
            "{% set l = l + l %}",
            "{{ [1] + [2] }}",
            "{{ (a or 1) + b }}",
        ] {
            assert_eq!(codes(bad), ["unsafe_sum"], "{bad}");
        }
        for fine in [
            "{{ x + 1 }}",
            "{{ (x | float) + y }}",
            "{{ 'a' + x }}",
            "{{ +x }}",
            "{{ x[y] }}",
            "{% if x in ['a', 'b'] %}",
            "{{ m(x, y) }}",
            "{% if x in (1, 2) %}",
            "{{ x.y(z)[a] }}",
        ] {
            assert!(codes(fine).is_empty(), "{fine}");
        }
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
            &format!(
                "{{% set s = 'x' %}}{}{{{{ s }}}}",
                "{% set s = s ~ s %}".repeat(99)
            ),
            "{{ range(100000) | list | string }}{{ range(100000) | list | join }}",
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
