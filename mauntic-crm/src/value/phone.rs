use rlibphonenumber::{PhoneNumber, PhoneNumberFormat};

use super::{Country, InvalidValue};

/// A number in its international form (`+4930123456`) if it can be told, else as it was written, as
/// long as it can be dialled at all.
pub(super) fn parse(text: &str, country: Option<Country>) -> Result<String, InvalidValue> {
    let text = text.strip_prefix("tel:").unwrap_or(text).trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if text.len() > 64 || digits < 3 || !text.chars().all(is_dialling) {
        return Err(InvalidValue::NotAPhone);
    }
    Ok(international(text, country).unwrap_or_else(|| text.to_owned()))
}

fn international(text: &str, country: Option<Country>) -> Option<String> {
    let region = country.and_then(|country| country.code().parse().ok());
    let number = PhoneNumber::parse(text, region).ok()?;
    // A number with an extension cannot be said in this form.
    let dialled = number.is_valid() && number.extension().is_empty();
    dialled.then(|| number.format_as(PhoneNumberFormat::E164).into_owned())
}

fn is_dialling(c: char) -> bool {
    c.is_ascii_digit() || " +-–./()#*,;extEXT".contains(c) || c == '\u{a0}'
}
