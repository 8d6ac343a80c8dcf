//! Random rules and contacts, for tests that compare the evaluators. Both draw from the same few values, so that rules hold.

mod contacts;
mod rules;

use chrono::{DateTime, Utc};
use mauntic_core::{EmailId, SegmentId, UserId};
use uuid::Uuid;

use crate::{Field, FieldOption, FieldSet, FieldType};

pub use self::{
    contacts::random_contact,
    rules::{random_moment, random_rule},
};

/// Noon on 23 November 2026, when all random facts are looked at.
#[must_use]
pub fn random_now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_435_200, 0).unwrap_or_default()
}

/// The custom fields of random contacts, one of each type that the core fields do not have.
#[must_use]
pub fn random_fields() -> FieldSet {
    let field = |alias: &str, field_type| {
        let alias = alias.parse().expect("a valid alias");
        let mut field = Field::custom(alias, "", field_type);
        if field_type.has_options() {
            field.options = ["Red", "green", "Größe"].map(FieldOption::plain).to_vec();
        }
        field
    };
    FieldSet::with_custom(vec![
        field("birthday", FieldType::Date),
        field("seen", FieldType::Datetime),
        field("score", FieldType::Number),
        field("newsletter", FieldType::Boolean),
        field("colour", FieldType::Select),
        field("colours", FieldType::Multiselect),
        field("link", FieldType::Url),
        field("second_phone", FieldType::Phone),
        field("second_email", FieldType::Email),
        field("homeland", FieldType::Country),
        field("province", FieldType::Region),
        field("tongue", FieldType::Locale),
        field("zone", FieldType::Timezone),
        field("notes", FieldType::Textarea),
    ])
}

const TEXTS: &[&str] = &[
    "Ann",
    "ann",
    "ANNA",
    "Bob",
    "größe",
    "GRÖSSE",
    "Ünal",
    "O'Brien",
    "100%",
    "a_b",
    "a\\b",
    "x\ny",
    "日本",
    "😀 smile",
    " spaced ",
    "Zoë",
    "-",
    "\"quoted\"",
];

const TAGS: &[&str] = &["vip", "VIP", "press", "größe", "it's"];
const OPTIONS: &[&str] = &["Red", "red", "green", "Größe", "none"];
const EMAILS: &[&str] = &[
    "Ann@Example.com",
    "bob.b@mail.example.org",
    "zoë@example.com",
    "x@test.de",
];
const NUMBERS: &[f64] = &[-2.5, -1.0, 0.0, 0.1, 0.25, 1.0, 3.0, 1e9];
const DATES: &[&str] = &[
    "2026-11-23",
    "2026-11-22",
    "2026-11-24",
    "2026-10-31",
    "2025-02-28",
    "2024-02-29",
    "1999-12-31",
    "2026-11-01",
    "2027-01-01",
    "0001-01-01",
    "9999-12-31",
];

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The emails that random facts are about.
#[must_use]
pub fn random_emails() -> Vec<EmailId> {
    (1..=3)
        .map(|number| EmailId::from_uuid(id(0xE000 + number)))
        .collect()
}

/// The segments that random contacts are in.
#[must_use]
pub fn random_segments() -> Vec<SegmentId> {
    (1..=3)
        .map(|number| SegmentId::from_uuid(id(0x5000 + number)))
        .collect()
}

fn random_owners() -> Vec<UserId> {
    (1..=2)
        .map(|number| UserId::from_uuid(id(0x0A00 + number)))
        .collect()
}
