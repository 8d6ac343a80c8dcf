//! Random rules and contacts, for tests that compare the evaluators.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{ContactId, EmailId, SegmentId, UserId};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::select,
};
use uuid::Uuid;

use super::{
    CountOperator, DoNotContactTest, EngagementFact, EngagementKind, EngagementTest, FieldTest,
    Literal, Membership, Moment, Operand, Operator, Relative, Rule, SegmentTest, Unit,
};
use crate::{
    Channel, Contact, ContactParts, DoNotContact, Field, FieldOption, FieldSet, FieldType, Reason,
    Value,
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
const PARTS: &[&str] = &[
    "a", "nn", "ö", "%", "_", "\\", "B", "😀", "本", " ", "\n", "Anna", "'",
];
const SHAPES: &[&str] = &[
    "a%", "%n_", "_", "%", "%ö%", r"%\%", r"%\_%", r"a\\b", "%日_", "%N%",
];
const PATTERNS: &[&str] = &[
    "^a",
    "n+$",
    "[a-c]nn?",
    r"\d",
    "ö",
    "GR(ö|Ö)",
    "^.{3}$",
    r"[^\w ]",
    "a|",
    "(ab?)*n",
    "[X-Z]",
    r"\s",
    r"^\S+$",
    "😀",
    "[À-ü]",
    ".n.*b|bob",
    r"\\",
    "[%_]",
    r"%$",
    "a.b",
    "x.y",
    r"[\d\s]",
    "^$",
];
/// Values of the other kinds of texts, as they are stored; rules name them in other forms too.
const KINDS: &[(&str, &[&str])] = &[
    (
        "link",
        &["https://example.com/", "http://example.org/a?b=%20_c"],
    ),
    ("second_phone", &["+4930123456", "+16175550100"]),
    ("second_email", &["Ann@example.com", "bob.b@example.org"]),
    ("homeland", &["DE", "FR", "US"]),
    ("province", &["Bavaria", "bavaria", "Île-de-France"]),
    ("tongue", &["de", "de-DE", "en-US"]),
    ("zone", &["Europe/Berlin", "America/New_York"]),
    ("notes", &["one\ntwo", "größe\tx", "100% _sure_"]),
];
const KIND_LITERALS: &[&str] = &[
    "https://example.com/",
    "https://EXAMPLE.com",
    "+49 30 123456",
    "+16175550100",
    "ann@Example.COM",
    "bob.b@example.org",
    "Germany",
    "de",
    "FR",
    "United States",
    "Bavaria",
    "de_DE",
    "en-us",
    "europe/berlin",
    "Europe/Berlin",
    "one\ntwo",
    "100% _sure_",
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
const TIMES: &[&str] = &[
    "2026-11-23T00:00:00.000000Z",
    "2026-11-22T23:00:00.000000Z",
    "2026-11-22T22:59:59.999999Z",
    "2026-03-29T01:00:00.000000Z",
    "1970-01-01T00:00:00.000000Z",
    "2024-02-28T23:30:00.000000Z",
];
const TIME_LITERALS: &[&str] = &[
    "2026-11-23",
    "2026-11-23T00:00",
    "2026-11-23T00:00:00Z",
    "2026-11-22T22:59:59.999999Z",
    "2026-03-29",
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

/// A random rule that suits [`random_fields`].
pub fn random_rule() -> impl Strategy<Value = Rule> {
    random_test().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..4).prop_filter("one alone is not a group", |rules| rules.len() != 1).prop_map(Rule::All),
            3 => vec(inner.clone(), 0..4).prop_filter("one alone is not a group", |rules| rules.len() != 1).prop_map(Rule::Any),
            2 => inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

fn random_test() -> impl Strategy<Value = Rule> {
    prop_oneof![
        5 => text_test(),
        2 => number_test(),
        2 => date_test(),
        2 => set_test(),
        1 => other_test(),
        1 => do_not_contact_test(),
        1 => segment_test(),
        3 => engagement_test(),
    ]
}

fn field(name: &'static str, op: Operator, value: Operand) -> Rule {
    Rule::Field(FieldTest {
        name: name.to_owned(),
        op,
        value,
    })
}

fn texts(from: &'static [&'static str]) -> impl Strategy<Value = Literal> {
    select(from).prop_map(|text| Literal::Text(text.to_owned()))
}

fn text_test() -> impl Strategy<Value = Rule> {
    use Operator as O;
    let names = select(vec![
        "firstname",
        "city",
        "email",
        "email.domain",
        "stage",
        "colour",
        "link",
        "second_phone",
        "second_email",
        "homeland",
        "province",
        "tongue",
        "zone",
        "notes",
    ]);
    let one = |ops: Vec<Operator>, from: &'static [&'static str]| {
        (select(ops), texts(from)).prop_map(|(op, text)| (op, Operand::One(text)))
    };
    let compared = vec![
        O::Equal,
        O::NotEqual,
        O::Less,
        O::AtMost,
        O::More,
        O::AtLeast,
    ];
    let parts = vec![
        O::Contains,
        O::NotContains,
        O::StartsWith,
        O::NotStartsWith,
        O::EndsWith,
        O::NotEndsWith,
    ];
    let comparison = prop_oneof![
        one(compared.clone(), TEXTS),
        one(compared.clone(), KIND_LITERALS),
        one(compared, EMAILS),
        one(parts, PARTS),
        one(vec![O::Like, O::NotLike], SHAPES),
        one(vec![O::Matches, O::NotMatches], PATTERNS),
        (select(vec![O::In, O::NotIn]), vec(texts(TEXTS), 1..4))
            .prop_map(|(op, list)| (op, Operand::Many(list))),
        (
            select(vec![O::In, O::NotIn]),
            vec(texts(KIND_LITERALS), 1..4)
        )
            .prop_map(|(op, list)| (op, Operand::Many(list))),
        (
            select(vec![O::Between, O::NotBetween]),
            vec(texts(TEXTS), 2)
        )
            .prop_map(|(op, list)| (op, Operand::Many(list))),
        select(vec![O::IsSet, O::IsEmpty]).prop_map(|op| (op, Operand::None)),
    ];
    (names, comparison).prop_map(|(name, (op, value))| field(name, op, value))
}

fn ordered(
    literal: impl Strategy<Value = Literal> + Clone + 'static,
) -> impl Strategy<Value = (Operator, Operand)> {
    use Operator as O;
    let compared = vec![
        O::Equal,
        O::NotEqual,
        O::Less,
        O::AtMost,
        O::More,
        O::AtLeast,
    ];
    prop_oneof![
        4 => (select(compared), literal.clone()).prop_map(|(op, literal)| (op, Operand::One(literal))),
        1 => (select(vec![O::In, O::NotIn]), vec(literal.clone(), 1..3)).prop_map(|(op, list)| (op, Operand::Many(list))),
        1 => (select(vec![O::Between, O::NotBetween]), vec(literal, 2)).prop_map(|(op, list)| (op, Operand::Many(list))),
        1 => select(vec![O::IsSet, O::IsEmpty]).prop_map(|op| (op, Operand::None)),
    ]
}

fn number_test() -> impl Strategy<Value = Rule> {
    let names = select(vec!["points", "score", "attribution"]);
    let comparison = ordered(select(NUMBERS).prop_map(Literal::Number));
    (names, comparison).prop_map(|(name, (op, value))| field(name, op, value))
}

/// A random relative date.
pub fn random_moment() -> impl Strategy<Value = Moment> {
    let unit = select(&Unit::ALL[..]);
    let period = select(&Unit::ALL[1..]);
    let canonical = |offset, unit| {
        if offset == 0 {
            (0, Unit::Day)
        } else {
            (offset, unit)
        }
    };
    prop_oneof![
        (-40..40, unit.clone()).prop_map(move |(offset, unit)| {
            let (offset, unit) = canonical(offset, unit);
            Moment::Day { offset, unit }
        }),
        (-2..3, period).prop_map(|(offset, unit)| Moment::Period { offset, unit }),
        (0_u32..40, unit.clone()).prop_map(|(count, unit)| Moment::Last { count, unit }),
        (0_u32..40, unit).prop_map(|(count, unit)| Moment::Next { count, unit }),
    ]
}

fn relative() -> impl Strategy<Value = Literal> + Clone {
    // The strategies above are cheap to make anew, which is what `Clone` asks for.
    Just(())
        .prop_flat_map(|()| random_moment())
        .prop_map(|relative| Literal::Relative(Relative { relative }))
}

fn date_test() -> impl Strategy<Value = Rule> {
    let date_names = select(vec!["birthday"]);
    let time_names = select(vec![
        "seen",
        "created_at",
        "updated_at",
        "last_active",
        "identified_at",
    ]);
    let dates = ordered(prop_oneof![texts(DATES), relative()].boxed());
    let times = ordered(prop_oneof![texts(TIME_LITERALS), relative()].boxed());
    let anniversary =
        (-3..4, select(vec![Operator::Equal, Operator::NotEqual])).prop_map(|(offset, op)| {
            let relative = Moment::Anniversary {
                offset,
                unit: Unit::Day,
            };
            (op, Operand::One(Literal::Relative(Relative { relative })))
        });
    let anniversaries = (select(vec!["birthday", "seen", "created_at"]), anniversary);
    prop_oneof![
        3 => (date_names, dates).boxed(),
        3 => (time_names, times).boxed(),
        1 => anniversaries.boxed(),
    ]
    .prop_map(|(name, (op, value))| field(name, op, value))
}

fn set_test() -> impl Strategy<Value = Rule> {
    use Operator as O;
    let of = |name: &'static str, from: &'static [&'static str]| {
        let lists = vec![O::In, O::NotIn, O::HasAll, O::NotHasAll];
        let ones = vec![O::Equal, O::NotEqual, O::Contains, O::NotContains];
        prop_oneof![
            (select(lists), vec(texts(from), 1..3))
                .prop_map(|(op, list)| (op, Operand::Many(list))),
            (select(ones), texts(from)).prop_map(|(op, text)| (op, Operand::One(text))),
            select(vec![O::IsSet, O::IsEmpty]).prop_map(|op| (op, Operand::None)),
        ]
        .prop_map(move |(op, value)| field(name, op, value))
    };
    prop_oneof![of("tag", TAGS), of("colours", OPTIONS)]
}

fn other_test() -> impl Strategy<Value = Rule> {
    use Operator as O;
    let boolean = (select(vec![O::Equal, O::NotEqual]), any::<bool>())
        .prop_map(|(op, value)| field("newsletter", op, Operand::One(Literal::Boolean(value))));
    let owner = (
        select(vec![O::In, O::NotIn]),
        vec(select(random_owners()), 1..3),
    )
        .prop_map(|(op, owners)| {
            let owners = owners.iter().map(|owner| Literal::Text(owner.to_string()));
            field("owner", op, Operand::Many(owners.collect()))
        });
    let set = (
        select(vec!["newsletter", "owner"]),
        select(vec![O::IsSet, O::IsEmpty]),
    )
        .prop_map(|(name, op)| field(name, op, Operand::None));
    prop_oneof![boolean, owner, set]
}

fn do_not_contact_test() -> impl Strategy<Value = Rule> {
    let channel = proptest::option::of(select(Channel::ALL));
    let reason = proptest::option::of(select(Reason::ALL));
    (channel, reason)
        .prop_map(|(channel, reason)| Rule::DoNotContact(DoNotContactTest { channel, reason }))
}

fn segment_test() -> impl Strategy<Value = Rule> {
    let ids = vec(select(random_segments()), 1..3);
    (select(vec![Membership::In, Membership::NotIn]), ids)
        .prop_map(|(op, ids)| Rule::Segment(SegmentTest { op, ids }))
}

fn engagement_test() -> impl Strategy<Value = Rule> {
    let email = proptest::option::of(select(random_emails()));
    let last_days = proptest::option::of(0_u32..10);
    (
        select(EngagementKind::ALL),
        email,
        last_days,
        any::<bool>(),
        select(CountOperator::ALL),
        0_u32..5,
    )
        .prop_map(|(kind, email, last_days, including_machine, op, times)| {
            Rule::Engagement(EngagementTest {
                kind,
                email,
                last_days,
                including_machine,
                op,
                times,
            })
        })
}

/// A random contact with its memberships and engagement. Its id is made from its number, and the
/// address too.
pub fn random_contact(
    number: u128,
) -> impl Strategy<Value = (Contact, BTreeSet<SegmentId>, Vec<EngagementFact>)> {
    let who = (
        any::<bool>(),
        random_values(),
        btree_set(select(TAGS), 0..3),
        proptest::option::of(select(random_owners())),
    );
    let state = (
        proptest::option::of(select(vec!["Lead", "lead", "Kunde"])),
        -3_i64..5,
        proptest::option::of(instants()),
        proptest::option::of(instants()),
        instants(),
        instants(),
        proptest::collection::btree_map(select(Channel::ALL), select(Reason::ALL), 0..3),
    );
    let segments = btree_set(select(random_segments()), 0..3);
    let engagement = vec(random_fact(), 0..6);
    (who, state, segments, engagement).prop_map(move |(who, state, segments, engagement)| {
        let (with_email, fields, tags, owner) = who;
        let (stage, points, last_active_at, identified_at, created_at, updated_at, marks) = state;
        let address = EMAILS[usize::try_from(number % 4).unwrap_or_default()];
        let contact = Contact::from_parts(ContactParts {
            id: ContactId::from_uuid(id(number + 1)),
            email: with_email.then(|| {
                format!("{number}.{address}")
                    .parse()
                    .expect("a valid address")
            }),
            fields,
            tags: tags
                .into_iter()
                .map(|tag| tag.parse().expect("a valid tag"))
                .collect(),
            owner,
            stage: stage.map(str::to_owned),
            points,
            last_active_at,
            identified_at,
            created_at,
            updated_at,
            version: 1,
            origin: "test".to_owned(),
            do_not_contact: marks
                .into_iter()
                .map(|(channel, reason)| (channel, mark(channel, reason)))
                .collect(),
        });
        let mut once = BTreeMap::new();
        for fact in engagement {
            once.insert((fact.kind, fact.subject, fact.machine, fact.day), fact);
        }
        (contact, segments, once.into_values().collect())
    })
}

fn mark(channel: Channel, reason: Reason) -> DoNotContact {
    DoNotContact {
        channel,
        reason,
        source: "test".to_owned(),
        comment: String::new(),
        at: random_now(),
    }
}

fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    let near = (-40 * 24_i64..2 * 24).prop_map(|hours| random_now() + TimeDelta::hours(hours));
    let midnight =
        select(vec![-13_i64, -12]).prop_map(|hours| random_now() + TimeDelta::hours(hours));
    prop_oneof![3 => near, 1 => midnight]
}

fn random_values() -> impl Strategy<Value = crate::FieldValues> {
    let text = |alias: &'static str, from: &'static [&'static str]| {
        proptest::option::of(select(from)).prop_map(move |text| (alias, text.and_then(Value::text)))
    };
    let number = |alias: &'static str| {
        proptest::option::of(select(NUMBERS)).prop_map(move |number| {
            (
                alias,
                number.and_then(crate::Number::new).map(Value::Number),
            )
        })
    };
    let newsletter = proptest::option::of(any::<bool>())
        .prop_map(|value| ("newsletter", value.map(Value::Boolean)));
    let colours = btree_set(select(OPTIONS), 0..3).prop_map(|options| {
        let set: BTreeSet<String> = options.into_iter().map(str::to_owned).collect();
        ("colours", (!set.is_empty()).then_some(Value::Set(set)))
    });
    let values = (
        text("firstname", TEXTS),
        text("city", TEXTS),
        text("colour", OPTIONS),
        text("birthday", DATES),
        text("seen", TIMES),
        number("score"),
        number("attribution"),
        newsletter,
        colours,
    );
    let kinds: Vec<_> = KINDS
        .iter()
        .map(|(alias, from)| text(alias, from))
        .collect();
    (values, kinds).prop_map(|((a, b, c, d, e, f, g, h, i), kinds)| {
        let present = [a, b, c, d, e, f, g, h, i].into_iter().chain(kinds);
        present
            .filter_map(|(alias, value)| Some((alias.parse().expect("a valid alias"), value?)))
            .collect()
    })
}

fn random_fact() -> impl Strategy<Value = EngagementFact> {
    let today = super::compile::day_number(random_now().date_naive());
    (
        select(EngagementKind::ALL),
        select(random_emails()),
        any::<bool>(),
        0..12_i32,
        1_i64..4,
    )
        .prop_map(move |(kind, email, machine, ago, count)| EngagementFact {
            kind,
            subject: email.as_uuid(),
            machine,
            day: today - ago,
            count,
        })
}
