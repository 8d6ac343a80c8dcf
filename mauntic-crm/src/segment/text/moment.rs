use std::str::FromStr;

use super::{
    lexer::{Token, lex},
    tokens::Tokens,
};
use crate::segment::moment::{InvalidMoment, Moment, Unit};

/// What the parser of rules says is expected where a date should stand.
const MOMENTS: &str = "`today`, `yesterday`, `tomorrow`, `anniversary`, `this`, `last` or `next`";

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 100 {
            return Err(InvalidMoment);
        }
        let tokens = lex(text).map_err(|_| InvalidMoment)?;
        let mut tokens = Tokens::new(text, tokens);
        let moment = moment(&mut tokens).map_err(|_| InvalidMoment)?;
        if *tokens.peek() == Token::End {
            Ok(moment)
        } else {
            Err(InvalidMoment)
        }
    }
}

/// Whether a relative date begins here.
pub(super) fn starts_moment(token: &Token) -> bool {
    [
        "today",
        "yesterday",
        "tomorrow",
        "anniversary",
        "birthday",
        "this",
        "last",
        "next",
        "the",
    ]
    .iter()
    .any(|word| token.is(word))
}

/// Reads a relative date.
pub(super) fn moment(tokens: &mut Tokens<'_>) -> super::Parsed<Moment> {
    let day = Unit::Day;
    tokens.take_word("the");
    if tokens.take_word("yesterday") {
        return Ok(Moment::Day {
            offset: -1,
            unit: day,
        });
    }
    if tokens.take_word("tomorrow") {
        return Ok(Moment::Day {
            offset: 1,
            unit: day,
        });
    }
    if tokens.take_word("today") {
        let (offset, unit) = offset(tokens)?;
        return Ok(Moment::Day { offset, unit });
    }
    if tokens.take_word("anniversary") || tokens.take_word("birthday") {
        let (offset, unit) = offset(tokens)?;
        return Ok(Moment::Anniversary { offset, unit });
    }
    if tokens.take_word("this") {
        return this_period(tokens);
    }
    let step = if tokens.take_word("last") {
        -1
    } else if tokens.take_word("next") {
        1
    } else {
        return Err(tokens.unexpected(MOMENTS));
    };
    if let Token::Number(_) = tokens.peek() {
        let count = tokens.whole_number(Moment::MAX_OFFSET.unsigned_abs())?;
        let unit = any_unit(tokens)?;
        return Ok(if step < 0 {
            Moment::Last { count, unit }
        } else {
            Moment::Next { count, unit }
        });
    }
    Ok(Moment::Period {
        offset: step,
        unit: period_unit(tokens)?,
    })
}

fn this_period(tokens: &mut Tokens<'_>) -> super::Parsed<Moment> {
    let unit = period_unit(tokens)?;
    let place = tokens.span();
    let (offset, of) = offset(tokens)?;
    if offset != 0 && of != unit {
        let expected = format!("{}s, as the period is one", unit.as_str());
        return Err(tokens.unexpected_at(place, &expected, of.as_str()));
    }
    Ok(Moment::Period { offset, unit })
}

/// Reads `+ 2 weeks` or `- 1 day`, or nothing.
fn offset(tokens: &mut Tokens<'_>) -> super::Parsed<(i32, Unit)> {
    let sign = match tokens.peek() {
        Token::Symbol("+") => 1,
        Token::Symbol("-") => -1,
        _ => return Ok((0, Unit::Day)),
    };
    tokens.advance();
    let count = tokens.whole_number(Moment::MAX_OFFSET.unsigned_abs())?;
    let unit = any_unit(tokens)?;
    let count = i32::try_from(count).unwrap_or(Moment::MAX_OFFSET);
    // Today moved by nothing is today, whatever the unit.
    Ok(if count == 0 {
        (0, Unit::Day)
    } else {
        (sign * count, unit)
    })
}

fn any_unit(tokens: &mut Tokens<'_>) -> super::Parsed<Unit> {
    unit(tokens, &Unit::ALL, "`days`, `weeks`, `months` or `years`")
}

fn period_unit(tokens: &mut Tokens<'_>) -> super::Parsed<Unit> {
    unit(
        tokens,
        &Unit::ALL[1..],
        "a number, `week`, `month` or `year`",
    )
}

fn unit(tokens: &mut Tokens<'_>, units: &[Unit], expected: &str) -> super::Parsed<Unit> {
    let named = |unit: &&Unit| {
        tokens.peek().is(unit.as_str()) || tokens.peek().is(&format!("{}s", unit.as_str()))
    };
    let Some(unit) = units.iter().find(named).copied() else {
        return Err(tokens.unexpected(expected));
    };
    tokens.advance();
    Ok(unit)
}
