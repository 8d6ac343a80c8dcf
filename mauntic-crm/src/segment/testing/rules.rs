//! Random rules.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    DATES, EMAILS, NUMBERS, OPTIONS, TAGS, TEXTS, random_emails, random_owners, random_segments,
};
use crate::{
    Channel, Reason,
    segment::{
        CountOperator, DoNotContactTest, EngagementKind, EngagementTest, FieldTest, Literal,
        Membership, Moment, Operand, Operator, Relative, Rule, SegmentTest, Unit,
    },
};

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

const TIME_LITERALS: &[&str] = &[
    "2026-11-23",
    "2026-11-23T00:00",
    "2026-11-23T00:00:00Z",
    "2026-11-22T22:59:59.999999Z",
    "2026-03-29",
];

/// A random rule that suits [`random_fields`](super::random_fields).
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
