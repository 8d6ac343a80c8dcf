use mauntic_core::{EmailId, SegmentId};

use super::{
    Parsed, did_you_mean,
    lexer::Token,
    moment::{moment, starts_moment},
    parser::Parser,
};
use crate::{
    Channel, Reason,
    segment::{
        moment::{Moment, Unit},
        property::Property,
        rule::{
            CountOperator, DoNotContactTest, EngagementKind, EngagementTest, FieldTest, Literal,
            Membership, Operand, Operator, Relative, Rule, SegmentTest,
        },
    },
};

const OPERATORS: &str =
    "an operator such as `=`, `!=`, `<`, `in`, `contains`, `is set` or `is empty`";
const VALUE: &str = "a text in quotes, a number, a date, `true` or `false`";

/// Reads one test.
pub(super) fn leaf(parser: &mut Parser<'_>) -> Parsed<Rule> {
    let word = match parser.tokens.peek() {
        Token::Word(word) => word.to_ascii_lowercase(),
        _ => return field_test(parser),
    };
    let called = *parser.tokens.peek_at(1) == Token::Symbol("(");
    match word.as_str() {
        "segment" | "segments" => segment_test(parser),
        "do_not_contact" | "dnc" => do_not_contact(parser),
        _ => match word.parse::<EngagementKind>() {
            Ok(kind) if called => engagement(parser, kind),
            Ok(kind) if parser.fields.get(&word).is_none() => {
                parser.tokens.advance();
                let expected = format!("`(`, such as `{}(any)`", kind.as_str());
                Err(parser.tokens.unexpected(&expected))
            }
            _ => field_test(parser),
        },
    }
}

fn field_test(parser: &mut Parser<'_>) -> Parsed<Rule> {
    let name = subject(parser)?;
    let (op, value) = comparison(parser)?;
    Ok(Rule::Field(FieldTest { name, op, value }))
}

/// Reads the name of a field or property.
fn subject(parser: &mut Parser<'_>) -> Parsed<String> {
    let place = parser.tokens.span();
    let (written, quoted) = match parser.tokens.peek() {
        Token::Word(word) => (word.clone(), false),
        Token::Name(name) => (name.clone(), true),
        _ => return Err(parser.tokens.unexpected("a field")),
    };
    parser.tokens.advance();
    let mut name = written.to_ascii_lowercase();
    if !quoted && *parser.tokens.peek() == Token::Symbol(".") {
        parser.tokens.advance();
        if !parser.tokens.take_word("domain") || name != "email" {
            return Err(parser.tokens.wrong(
                place,
                "only `email` has a part: `email.domain`".to_owned(),
                None,
            ));
        }
        return Ok(Property::EmailDomain.as_str().to_owned());
    }
    if parser.fields.get(&name).is_none()
        && let Some(property) = Property::from_written(&name)
    {
        property.as_str().clone_into(&mut name);
    }
    if parser.fields.get(&name).is_some() || Property::from_name(&name).is_some() {
        return Ok(name);
    }
    let known = parser.fields.iter().map(|field| field.alias.as_str());
    let words = [
        "segment",
        "do_not_contact",
        "opened",
        "clicked",
        "sent",
        "everyone",
        "nobody",
    ];
    let all = known
        .chain(Property::ALL.iter().map(|property| property.as_str()))
        .chain(words);
    let help = did_you_mean(&name, all).map(|name| format!("did you mean `{name}`?"));
    let shown: String = written.chars().take(60).collect();
    Err(parser
        .tokens
        .wrong(place, format!("no field is called `{shown}`"), help))
}

fn comparison(parser: &mut Parser<'_>) -> Parsed<(Operator, Operand)> {
    let op = operator(parser)?;
    let operand = match op {
        Operator::IsSet | Operator::IsEmpty => Operand::None,
        Operator::In | Operator::NotIn if *parser.tokens.peek() != Token::Symbol("(") => {
            return in_moment(parser, op);
        }
        Operator::In | Operator::NotIn | Operator::HasAll | Operator::NotHasAll => {
            Operand::Many(list(parser, literal)?)
        }
        Operator::Between | Operator::NotBetween => {
            let from = literal(parser)?;
            if !parser.tokens.take_word("and") {
                return Err(parser.tokens.unexpected("`and`"));
            }
            Operand::Many(vec![from, literal(parser)?])
        }
        _ => Operand::One(literal(parser)?),
    };
    Ok((op, operand))
}

/// `in the last 30 days`, `not in this month`.
fn in_moment(parser: &mut Parser<'_>, op: Operator) -> Parsed<(Operator, Operand)> {
    if !starts_moment(parser.tokens.peek()) {
        return Err(parser
            .tokens
            .unexpected("a list in brackets, or a span such as `the last 30 days`"));
    }
    let relative = moment(&mut parser.tokens)?;
    let op = if op == Operator::In {
        Operator::Equal
    } else {
        Operator::NotEqual
    };
    Ok((op, Operand::One(Literal::Relative(Relative { relative }))))
}

fn operator(parser: &mut Parser<'_>) -> Parsed<Operator> {
    let tokens = &mut parser.tokens;
    for op in Operator::ALL {
        let written = op.as_str();
        if !written.starts_with(char::is_alphabetic) {
            if tokens.take_symbol(written) {
                return Ok(*op);
            }
            continue;
        }
        let words: Vec<&str> = written.split(' ').collect();
        if words
            .iter()
            .enumerate()
            .all(|(ahead, word)| tokens.peek_at(ahead).is(word))
        {
            for _ in words {
                tokens.advance();
            }
            return Ok(*op);
        }
    }
    if tokens.take_word("is") {
        let not = tokens.take_word("not");
        if not && tokens.take_word("set") {
            return Ok(Operator::IsEmpty);
        }
        if not && tokens.take_word("empty") {
            return Ok(Operator::IsSet);
        }
        return Err(tokens.unexpected("`set` or `empty`"));
    }
    Err(tokens.unexpected(OPERATORS))
}

fn list<T>(parser: &mut Parser<'_>, item: fn(&mut Parser<'_>) -> Parsed<T>) -> Parsed<Vec<T>> {
    parser.tokens.expect_symbol("(")?;
    let mut items = vec![item(parser)?];
    while parser.tokens.take_symbol(",") {
        if items.len() >= Rule::MAX_VALUES {
            return Err(parser
                .tokens
                .unexpected(&format!("at most {} values", Rule::MAX_VALUES)));
        }
        items.push(item(parser)?);
    }
    if !parser.tokens.take_symbol(")") {
        return Err(parser.tokens.unexpected("`,` or `)`"));
    }
    Ok(items)
}

fn literal(parser: &mut Parser<'_>) -> Parsed<Literal> {
    if starts_moment(parser.tokens.peek()) {
        let relative = moment(&mut parser.tokens)?;
        return Ok(Literal::Relative(Relative { relative }));
    }
    let negative = parser.tokens.take_symbol("-");
    let literal = match parser.tokens.peek() {
        Token::Number(number) => Literal::Number(if negative { -number } else { *number }),
        _ if negative => return Err(parser.tokens.unexpected("a number")),
        Token::Text(text) | Token::Date(text) => Literal::Text(text.clone()),
        word if word.is("true") => Literal::Boolean(true),
        word if word.is("false") => Literal::Boolean(false),
        Token::Word(word) => {
            let help = format!("if `{word}` is a text, put it in quotes");
            let mut error = parser.tokens.unexpected(VALUE);
            error.help = Some(help);
            return Err(error);
        }
        _ => return Err(parser.tokens.unexpected(VALUE)),
    };
    parser.tokens.advance();
    Ok(literal)
}

fn segment_test(parser: &mut Parser<'_>) -> Parsed<Rule> {
    parser.tokens.advance();
    let one = |op| move |ids: SegmentId| SegmentTest { op, ids: vec![ids] };
    let test = if parser.tokens.take_symbol("=") {
        one(Membership::In)(segment(parser)?)
    } else if parser.tokens.take_symbol("!=") {
        one(Membership::NotIn)(segment(parser)?)
    } else if parser.tokens.take_word("in") {
        SegmentTest {
            op: Membership::In,
            ids: list(parser, segment)?,
        }
    } else if parser.tokens.peek().is("not") && parser.tokens.peek_at(1).is("in") {
        parser.tokens.advance();
        parser.tokens.advance();
        SegmentTest {
            op: Membership::NotIn,
            ids: list(parser, segment)?,
        }
    } else {
        return Err(parser.tokens.unexpected("`=`, `!=`, `in` or `not in`"));
    };
    Ok(Rule::Segment(test))
}

fn segment(parser: &mut Parser<'_>) -> Parsed<SegmentId> {
    let Token::Text(name) = parser.tokens.peek() else {
        return Err(parser
            .tokens
            .unexpected("the name or id of a segment in quotes"));
    };
    let found = name
        .parse()
        .ok()
        .or_else(|| parser.names.segment(name.trim()));
    let Some(id) = found else {
        return Err(unknown_name(parser, "segment", name));
    };
    parser.tokens.advance();
    Ok(id)
}

fn email(parser: &mut Parser<'_>) -> Parsed<Option<EmailId>> {
    if parser.tokens.take_word("any") {
        return Ok(None);
    }
    let Token::Text(name) = parser.tokens.peek() else {
        return Err(parser
            .tokens
            .unexpected("the name or id of an email in quotes, or `any`"));
    };
    let found = name
        .parse()
        .ok()
        .or_else(|| parser.names.email(name.trim()));
    let Some(id) = found else {
        return Err(unknown_name(parser, "email", name));
    };
    parser.tokens.advance();
    Ok(Some(id))
}

fn unknown_name(parser: &Parser<'_>, what: &str, name: &str) -> super::RuleTextError {
    let help = parser
        .names
        .similar(name)
        .map(|name| format!("did you mean \"{name}\"?"));
    let shown: String = name.chars().take(60).collect();
    parser.tokens.wrong(
        parser.tokens.span(),
        format!("no {what} is called \"{shown}\""),
        help,
    )
}

fn do_not_contact(parser: &mut Parser<'_>) -> Parsed<Rule> {
    parser.tokens.advance();
    let mut test = DoNotContactTest::default();
    if !parser.tokens.take_symbol("(") {
        return Ok(Rule::DoNotContact(test));
    }
    loop {
        let word = match parser.tokens.peek() {
            Token::Word(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        if let Ok(channel) = word.parse::<Channel>()
            && test.channel.is_none()
        {
            test.channel = Some(channel);
        } else if let Ok(reason) = word.parse::<Reason>()
            && test.reason.is_none()
        {
            test.reason = Some(reason);
        } else if word != "any" {
            let expected = "`email`, `sms`, `push`, `unsubscribed`, `bounced`, `manual` or `any`";
            return Err(parser.tokens.unexpected(expected));
        }
        parser.tokens.advance();
        if parser.tokens.take_symbol(")") {
            return Ok(Rule::DoNotContact(test));
        }
        if !parser.tokens.take_symbol(",") {
            return Err(parser.tokens.unexpected("`,` or `)`"));
        }
    }
}

fn engagement(parser: &mut Parser<'_>, kind: EngagementKind) -> Parsed<Rule> {
    parser.tokens.advance();
    parser.tokens.expect_symbol("(")?;
    let mut test = EngagementTest {
        kind,
        email: None,
        last_days: None,
        including_machine: false,
        op: CountOperator::default(),
        times: 1,
    };
    let mut first = true;
    while !parser.tokens.take_symbol(")") {
        if !first && !parser.tokens.take_symbol(",") {
            return Err(parser.tokens.unexpected("`,` or `)`"));
        }
        engagement_argument(parser, &mut test, first)?;
        first = false;
    }
    for op in CountOperator::ALL {
        if parser.tokens.take_symbol(op.as_str()) {
            test.op = *op;
            test.times = parser.tokens.whole_number(1_000_000)?;
            break;
        }
    }
    Ok(Rule::Engagement(test))
}

fn engagement_argument(
    parser: &mut Parser<'_>,
    test: &mut EngagementTest,
    first: bool,
) -> Parsed<()> {
    if parser.tokens.take_word("including") {
        if !parser.tokens.take_word("machine") && !parser.tokens.take_word("machines") {
            return Err(parser.tokens.unexpected("`machine`"));
        }
        test.including_machine = true;
        return Ok(());
    }
    if starts_moment(parser.tokens.peek()) && test.last_days.is_none() {
        let place = parser.tokens.span();
        test.last_days = match moment(&mut parser.tokens)? {
            Moment::Last {
                count,
                unit: Unit::Day,
            } => Some(count),
            Moment::Last {
                count,
                unit: Unit::Week,
            } => Some(count.saturating_mul(7)),
            other => {
                let expected = "days or weeks, such as `last 30 days`";
                return Err(parser
                    .tokens
                    .unexpected_at(place, expected, &format!("`{other}`")));
            }
        };
        return Ok(());
    }
    if first {
        test.email = email(parser)?;
        return Ok(());
    }
    Err(parser
        .tokens
        .unexpected("`last … days` or `including machine`"))
}
