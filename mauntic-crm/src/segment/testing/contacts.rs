//! Random contacts, and what they did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{ContactId, SegmentId};
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    sample::select,
};

use super::{
    DATES, EMAILS, NUMBERS, OPTIONS, TAGS, TEXTS, id, random_emails, random_now, random_owners,
    random_segments,
};
use crate::{
    Channel, Contact, ContactParts, DoNotContact, Reason, Value,
    segment::{EngagementFact, EngagementKind},
};

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

const TIMES: &[&str] = &[
    "2026-11-23T00:00:00.000000Z",
    "2026-11-22T23:00:00.000000Z",
    "2026-11-22T22:59:59.999999Z",
    "2026-03-29T01:00:00.000000Z",
    "1970-01-01T00:00:00.000000Z",
    "2024-02-28T23:30:00.000000Z",
];

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
    let today = crate::segment::compile::day_number(random_now().date_naive());
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
