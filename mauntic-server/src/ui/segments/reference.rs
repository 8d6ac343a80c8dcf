//! What a rule can ask, beside the field it is written in.

use maud::{Markup, html};
use mauntic_crm::{
    Field, FieldSet, FieldType,
    segment::{FieldTest, Literal, Moment, NameTable, Operand, Operator, Relative, Rule, Unit},
};

use crate::ui::component::table::{Column, table};

/// What can be asked besides fields: a name, what it is, and an example.
const OTHERS: &[(&str, &str, &str)] = &[
    ("tag", "tags", r#"tag in ("vip", "press")"#),
    ("tag", "tags", r#"tag has all ("vip", "press")"#),
    ("email.domain", "text", r#"email.domain ends with ".edu""#),
    ("stage", "text", r#"stage = "customer""#),
    ("owner", "user", "owner is set"),
    ("created_at", "datetime", "created_at in the last 12 months"),
    ("updated_at", "datetime", "updated_at < 2026-06-01"),
    ("identified_at", "datetime", "identified_at is empty"),
    (
        "opened",
        "engagement",
        r#"opened("Welcome", last 30 days) >= 2"#,
    ),
    ("clicked", "engagement", "clicked(any, last 90 days) = 0"),
    ("sent", "engagement", "sent(any) >= 1"),
    ("do_not_contact", "marks", "not do_not_contact(email)"),
    (
        "do_not_contact",
        "marks",
        "do_not_contact(email, unsubscribed)",
    ),
    ("segment", "segments", r#"segment = "Customers""#),
];

/// Dates, in any test of a date or datetime.
const DATES: &str = "2026-06-01, today, yesterday, today - 30 days, this month, the last 30 days, the next 2 weeks, anniversary + 2 days";

/// Every field with its type and an example, and what else there is.
pub(super) fn card(fields: &FieldSet) -> Markup {
    let row = |name: &str, label: &str, kind: &str, example: &str| {
        html! { tr {
            td { code { (name) } @if !label.is_empty() { div class="soft" { (label) } } }
            td { (kind) }
            td { code { (example) } }
        } }
    };
    let columns = [
        Column::plain("Name"),
        Column::plain("Type"),
        Column::plain("Example"),
    ];
    let rows: Vec<_> = fields
        .iter()
        .map(|field| {
            let alias = field.alias.as_str();
            row(
                alias,
                &field.label,
                field.field_type.as_str(),
                &example(field),
            )
        })
        .collect();
    let others: Vec<_> = OTHERS
        .iter()
        .map(|(name, kind, example)| row(name, "", kind, example))
        .collect();
    html! {
        details class="card" {
            summary { "How to write a rule as text" }
            p { "Join tests with " code { "and" } ", " code { "or" } " and " code { "not" } ", and group them with brackets. Texts stand in quotes; capitals do not matter. " code { "everyone" } " is everybody." }
            p { "Texts: " code { "=  !=  in  contains  starts with  ends with  like  matches" } ". Numbers and dates: " code { "=  !=  <  <=  >  >=  between" } ". Any: " code { "is set  is empty" } "." }
            p { "Dates: " code { (DATES) } }
            (table("What else can be asked", &columns, &others, None))
            (table("Fields", &columns, &rows, None))
        }
    }
}

/// A test of the field that is right, as text.
fn example(field: &Field) -> String {
    use Operator::{AtLeast, Contains, EndsWith, Equal, HasAll, In, IsSet, StartsWith};
    let text = |text: &str| Literal::Text(text.to_owned());
    let one = |op, literal| (op, Operand::One(literal));
    let option = |op| match field.options.first() {
        Some(option) => one(op, text(&option.value)),
        None => (IsSet, Operand::None),
    };
    let (op, value) = match field.field_type {
        FieldType::Text | FieldType::Textarea | FieldType::Url => one(Contains, text("example")),
        FieldType::Email => one(EndsWith, text("@example.com")),
        FieldType::Phone => one(StartsWith, text("+47")),
        FieldType::Number => one(AtLeast, Literal::Number(10.0)),
        FieldType::Boolean => one(Equal, Literal::Boolean(true)),
        FieldType::Date | FieldType::Datetime => {
            let relative = Moment::Last {
                count: 30,
                unit: Unit::Day,
            };
            one(Equal, Literal::Relative(Relative { relative }))
        }
        FieldType::Select => option(Equal),
        FieldType::Multiselect => match &field.options[..] {
            [first, second, ..] => {
                let both = vec![text(&first.value), text(&second.value)];
                (HasAll, Operand::Many(both))
            }
            _ => option(Contains),
        },
        FieldType::Country => (In, Operand::Many(vec![text("DE"), text("NO")])),
        FieldType::Region => one(Equal, text("Bavaria")),
        FieldType::Locale => one(StartsWith, text("de")),
        FieldType::Timezone => one(Equal, text("Europe/Oslo")),
    };
    let name = field.alias.to_string();
    Rule::Field(FieldTest { name, op, value }).to_text(&NameTable::default())
}

#[cfg(test)]
mod tests {
    use mauntic_core::{EmailId, SegmentId};
    use mauntic_crm::FieldOption;
    use uuid::Uuid;

    use super::*;

    fn assert_right(example: &str, fields: &FieldSet) {
        let names = NameTable {
            emails: vec![(EmailId::from_uuid(Uuid::nil()), "Welcome".to_owned())],
            segments: vec![(SegmentId::from_uuid(Uuid::nil()), "Customers".to_owned())],
        };
        let rule = Rule::parse(example, fields, &names).unwrap();
        assert_eq!(rule.check(fields), Ok(Vec::new()), "{example}");
    }

    #[test]
    fn every_example_is_right() {
        let custom = FieldType::ALL.iter().enumerate().map(|(index, kind)| {
            let mut field = Field::custom(format!("own_{index}").parse().unwrap(), "Own", *kind);
            if kind.has_options() {
                field.options = ["it's \"a\"", "b"].map(FieldOption::plain).to_vec();
            }
            field
        });
        let fields = FieldSet::with_custom(custom.collect());
        for field in fields.iter() {
            assert_right(&example(field), &fields);
        }
        for (.., example) in OTHERS {
            assert_right(example, &fields);
        }
        for date in DATES.split(", ") {
            assert_right(&format!("created_at = {date}"), &fields);
        }
    }
}
