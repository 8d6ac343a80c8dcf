use proptest::prelude::*;

use super::*;
use crate::{Field, FieldAlias, FieldOption, FieldSet, FieldType};

fn field(field_type: FieldType) -> Field {
    let alias: FieldAlias = "x".parse().unwrap();
    let mut field = Field::custom(alias, "X", field_type);
    if field_type.has_options() {
        field.options = ["a", "B", "c, d", "e;f", "42"]
            .map(FieldOption::plain)
            .to_vec();
    }
    field
}

/// Texts that some type may well read.
fn plausible() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}",
        "[12][0-9]{3}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?(Z|[+-][01][0-9]:?[0-5][0-9]| UTC| Europe/Berlin)?",
        "1?[0-9]/[0-9]{1,2}/20[0-9]{2} 1?[0-9]:[0-5][0-9] ?[AaPp][Mm]",
        "[+-]?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?",
        "(\\+|00|tel:)?[0-9 ()/.-]{2,20}( ?(ext|x)[0-9]{1,4})?",
        "(https?://)?[a-z0-9.-]{1,20}\\.[a-z]{2,4}(:[0-9]{1,5})?(/[ -~]{0,20})?",
        "[A-Za-z0-9.+]{1,12}@[A-Za-z0-9]{1,12}\\.[A-Za-z]{2,4}",
        "[a-zA-Z]{2,3}([-_][a-zA-Z]{2,4}){0,2}",
        "(a|B|b|c, d|e;f|42)([|;,](a|B|b|c, d|e;f|42)){0,3}",
        "(true|YES|no|0|1|on|off|t|F)",
        "(Germany|de|DEU|United States|Europe/Berlin|utc|america/new_york)",
    ]
}

fn contexts() -> [ParseContext; 2] {
    let german = ParseContext {
        country: "DE".parse().ok(),
        zone: "Europe/Berlin".parse().unwrap(),
        date_order: Some(DateOrder::DayFirst),
    };
    [ParseContext::default(), german]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_read_prints_and_reads_the_same(text in plausible()) {
        for context in contexts() {
            for field in FieldType::ALL.iter().map(|field_type| field(*field_type)) {
                let Ok(Some(value)) = field.parse(&text, &context) else { continue };
                let read = Ok(Some(value.clone()));
                prop_assert_eq!(&field.parse(&value.to_string(), &context), &read, "{}", field.field_type);
                let json = serde_json::to_value(&value).unwrap();
                prop_assert_eq!(&field.parse_json(&json, &context), &read, "{}", field.field_type);
                let stored: Value = serde_json::from_value(json).unwrap();
                prop_assert_eq!(&stored, &value, "{}", field.field_type);
            }
        }
    }

    #[test]
    fn later_instants_are_greater_texts(a in -62_135_596_800_000_000_i64..253_402_300_799_999_999, b in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
        let [one, other] = [a, b].map(|micros| DateTime::from_timestamp_micros(micros).unwrap());
        prop_assert_eq!(one.cmp(&other), Value::datetime(one).cmp(&Value::datetime(other)));
        prop_assert_eq!(Value::datetime(one).as_datetime(), Some(one));
        prop_assert_eq!(Value::date(one.date_naive()).as_date(), Some(one.date_naive()));
    }
}

fn read(field_type: FieldType, text: &str) -> Result<Option<String>, InvalidValue> {
    let value = field(field_type).parse(text, &ParseContext::default())?;
    Ok(value.map(|value| value.to_string()))
}

#[test]
fn each_type_reads_what_people_write() {
    for (field_type, text, value) in [
        (FieldType::Text, " two\nlines ", "two lines"),
        (FieldType::Textarea, "two\nlines", "two\nlines"),
        (FieldType::Number, "1e3", "1000"),
        (FieldType::Number, "-0", "0"),
        (FieldType::Boolean, "Yes", "true"),
        (FieldType::Boolean, "off", "false"),
        (FieldType::Date, "31.12.2026", "2026-12-31"),
        (
            FieldType::Datetime,
            "2026-12-31 18:00 +01:00",
            "2026-12-31T17:00:00.000000Z",
        ),
        (FieldType::Select, "b", "B"),
        (FieldType::Select, "c, d", "c, d"),
        (FieldType::Multiselect, "b|a|a", "B|a"),
        (FieldType::Multiselect, "a;b", "B|a"),
        (FieldType::Multiselect, "c, d", "c, d"),
        (FieldType::Email, "Ann@EXAMPLE.com", "Ann@example.com"),
        (FieldType::Url, "example.com/a", "https://example.com/a"),
        (FieldType::Phone, "+49 (30) 901820", "+4930901820"),
        (FieldType::Phone, "030/901820", "030/901820"),
        (FieldType::Country, "Germany", "DE"),
        (FieldType::Region, "Bavaria", "Bavaria"),
        (FieldType::Locale, "de_de", "de-DE"),
        (FieldType::Locale, "zh_hant_tw", "zh-Hant-TW"),
        (FieldType::Locale, "en_US.UTF-8", "en-US"),
        (FieldType::Timezone, "europe/berlin", "Europe/Berlin"),
    ] {
        assert_eq!(
            read(field_type, text),
            Ok(Some(value.to_owned())),
            "{field_type}: {text}"
        );
        assert_eq!(read(field_type, "  "), Ok(None), "{field_type}");
    }
}

#[test]
fn each_type_says_why_it_refuses() {
    for (field_type, text, reason) in [
        (FieldType::Text, "nul \0", InvalidValue::ControlCharacter),
        (
            FieldType::Text,
            &"x".repeat(1_001),
            InvalidValue::TooLong { max: 1_000 },
        ),
        (FieldType::Number, "3,5", InvalidValue::NotANumber),
        (FieldType::Number, "inf", InvalidValue::NotANumber),
        (FieldType::Number, "1e999", InvalidValue::NotANumber),
        (FieldType::Boolean, "perhaps", InvalidValue::NotABoolean),
        (FieldType::Date, "1/2/2026", InvalidValue::AmbiguousDate),
        (FieldType::Date, "soon", InvalidValue::NotADate),
        (
            FieldType::Datetime,
            "2026-12-31 25:00",
            InvalidValue::NotADatetime,
        ),
        (FieldType::Select, "d", InvalidValue::NotAnOption),
        (FieldType::Multiselect, "a|d", InvalidValue::NotAnOption),
        (FieldType::Email, "ann", InvalidValue::NotAnEmail),
        (FieldType::Url, "javascript:alert(1)", InvalidValue::NotAUrl),
        (FieldType::Url, "ftp://example.com", InvalidValue::NotAUrl),
        (FieldType::Url, "nowhere", InvalidValue::NotAUrl),
        (FieldType::Phone, "call me", InvalidValue::NotAPhone),
        (FieldType::Phone, "12", InvalidValue::NotAPhone),
        (FieldType::Country, "Atlantis", InvalidValue::NotACountry),
        (FieldType::Locale, "german", InvalidValue::NotALocale),
        (
            FieldType::Timezone,
            "Mars/Olympus",
            InvalidValue::NotATimezone,
        ),
    ] {
        assert_eq!(read(field_type, text), Err(reason), "{field_type}: {text}");
    }
}

#[test]
fn a_number_without_a_country_code_is_of_the_country() {
    let [_, german] = contexts();
    let phone = field(FieldType::Phone).parse("030 901820", &german);
    assert_eq!(phone, Ok(Value::text("+4930901820")));
}

#[test]
fn debug_hides_the_value() {
    let text = format!(
        "{:?}",
        [Value::text("Ann"), Number::new(4711.0).map(Value::Number)]
    );
    assert!(!text.contains("Ann") && !text.contains("4711"));
}

#[test]
fn an_attribution_has_two_places_and_other_numbers_all() {
    let fields = FieldSet::core();
    let attribution = fields.get("attribution").unwrap();
    let context = ParseContext::default();
    let number = |number| Ok(Some(Value::Number(Number::new(number).unwrap())));
    for (written, kept) in [
        ("1.239", 1.24),
        ("-1.239", -1.24),
        ("0.125", 0.12),
        ("0.375", 0.38),
        ("-0.001", 0.0),
        ("12", 12.0),
        ("1e300", 1e300),
    ] {
        assert_eq!(attribution.parse(written, &context), number(kept));
        let json = serde_json::from_str(written).unwrap();
        assert_eq!(attribution.parse_json(&json, &context), number(kept));
    }
    let of_their_own = Field {
        alias: attribution.alias.clone(),
        ..field(FieldType::Number)
    };
    assert_eq!(of_their_own.parse("1.239", &context), number(1.239));
}
