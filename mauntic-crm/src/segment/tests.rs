use std::collections::BTreeSet;

use mauntic_core::{EmailId, SegmentId};
use proptest::prelude::*;
use uuid::Uuid;

use super::{testing::*, *};
use crate::{Contact, FieldSet, Value};

fn names() -> NameTable {
    NameTable {
        emails: vec![
            (
                EmailId::from_uuid(Uuid::from_u128(0xE001)),
                "Welcome".to_owned(),
            ),
            (
                EmailId::from_uuid(Uuid::from_u128(0xE002)),
                "It's \"odd\" \\ name".to_owned(),
            ),
        ],
        segments: vec![(
            SegmentId::from_uuid(Uuid::from_u128(0x5001)),
            "Customers".to_owned(),
        )],
    }
}

fn parse(text: &str) -> Result<Rule, RuleTextError> {
    Rule::parse(text, &random_fields(), &names())
}

fn canonical(text: &str) -> String {
    parse(text)
        .unwrap_or_else(|error| panic!("{error}\n{}", error.excerpt))
        .to_text(&names())
}

proptest! {
    #[test]
    fn every_rule_survives_its_text_and_its_json(rule in random_rule()) {
        let text = rule.to_text(&names());
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &rule, "{}", text);
        let json = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Rule>(&json).unwrap(), &rule, "{}", json);
    }

    #[test]
    fn every_relative_date_survives_its_text(moment in random_moment()) {
        prop_assert_eq!(moment.to_string().parse(), Ok(moment));
    }

    #[test]
    fn every_random_rule_suits_the_fields(rule in random_rule()) {
        prop_assert!(rule.check(&random_fields()).is_ok(), "{:?}", rule.check(&random_fields()));
    }

    #[test]
    fn no_text_makes_the_parser_fall(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_mix_of_words_makes_the_parser_fall(words in proptest::collection::vec(proptest::sample::select(vec![
        "not", "and", "or", "(", ")", "country", "=", "\"DE\"", "in", "last", "3", "days", "opened", ",", "-",
        "today", "is", "set", "between", "segment", "email", ".", "domain", "dnc", "`", "'", "2026-01-01",
    ]), 0..20)) {
        let text = words.join(" ");
        if let Err(error) = parse(&text) {
            prop_assert!(error.offset <= text.len());
        }
    }
}

#[test]
fn people_may_write_a_rule_in_several_ways() {
    for (written, read) in [
        ("country = 'DE'", "country = \"DE\""),
        (
            "COUNTRY == \"DE\" AND Tags IN ('vip')",
            "country = \"DE\" and tag in (\"vip\")",
        ),
        ("created in the last 1 days", "created_at in the last 1 day"),
        ("created_at > 2026-01-31", "created_at > \"2026-01-31\""),
        ("birthday = birthday", "birthday = anniversary"),
        (
            "birthday is not set or seen <> today-3 days",
            "birthday is empty or seen != today - 3 days",
        ),
        (
            "not (points = -1.50 or points between 1 and 2) and points=3",
            "not (points = -1.5 or points between 1 and 2) and points = 3",
        ),
        (
            "points=1 and points=2 or points=3",
            "(points = 1 and points = 2) or points = 3",
        ),
        ("opened()", "opened(any)"),
        (
            "opened(\"welcome\", last 2 weeks, including machine) < 3",
            "opened(\"Welcome\", last 14 days, including machine) < 3",
        ),
        ("segment = \"customers\"", "segment = \"Customers\""),
        (
            "dnc(bounced) and do_not_contact(email, any)",
            "do_not_contact(bounced) and do_not_contact(email)",
        ),
        ("((everyone)) and not nobody", "everyone and not nobody"),
        (
            "firstname matches \"^\\d+\\.\"",
            "firstname matches \"^\\\\d+\\\\.\"",
        ),
        ("email.domain = “gmail.com”", "email.domain = \"gmail.com\""),
    ] {
        assert_eq!(canonical(written), read, "{written}");
        assert_eq!(canonical(read), read);
    }
}

#[test]
fn errors_say_where_and_what_is_expected() {
    for (text, column, problem, help) in [
        (
            "",
            1,
            "expected a field, `tag`, `segment`, `opened(…)`, `not` or `(`, found the end",
            None,
        ),
        (
            "contry = \"DE\"",
            1,
            "no field is called `contry`",
            Some("did you mean `country`?"),
        ),
        (
            "country \"DE\"",
            9,
            "expected an operator such as `=`, `!=`, `<`, `in`, `contains`, `is set` or `is empty`, found the text \"DE\"",
            None,
        ),
        (
            "country = DE",
            11,
            "expected a text in quotes, a number, a date, `true` or `false`, found `DE`",
            Some("if `DE` is a text, put it in quotes"),
        ),
        (
            "country = \"DE",
            11,
            "the text that begins here does not end",
            Some("close it with the same quotation mark"),
        ),
        (
            "country = \"DE\" && tag = \"x\"",
            16,
            "the character '&' has no meaning here",
            Some("write `and`"),
        ),
        (
            "country in (\"DE\" \"FR\")",
            18,
            "expected `,` or `)`, found the text \"FR\"",
            None,
        ),
        ("(country = \"DE\"", 16, "expected `)`, found the end", None),
        (
            "opened(\"Welcom\")",
            8,
            "no email is called \"Welcom\"",
            Some("did you mean \"Welcome\"?"),
        ),
        (
            "opened(any, last 3 months)",
            13,
            "expected days or weeks, such as `last 30 days`, found `last 3 months`",
            None,
        ),
        (
            "Clicked any email",
            9,
            "expected `(`, such as `clicked(any)`, found `any`",
            None,
        ),
        (
            "country = \"DE\" and sent",
            24,
            "expected `(`, such as `sent(any)`, found the end",
            None,
        ),
        ("points > 1e999", 10, "the number is too large", None),
        (
            "country = \"DE\" tag = \"x\"",
            16,
            "expected `and`, `or` or the end, found `tag`",
            None,
        ),
        (
            "created_at in last 3",
            21,
            "expected `days`, `weeks`, `months` or `years`, found the end",
            None,
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (1, column), "{text}: {error}");
        assert_eq!(error.problem.to_string(), problem, "{text}");
        assert_eq!(error.help.as_deref(), help, "{text}");
    }
}

#[test]
fn deep_and_long_texts_are_refused_quickly() {
    let too_deep = ["(".repeat(50_000), "not ".repeat(20_000)];
    for text in too_deep {
        assert!(
            parse(&text)
                .unwrap_err()
                .to_string()
                .contains("nested more than")
        );
    }
    assert!(
        parse(&" ".repeat(200_000))
            .unwrap_err()
            .to_string()
            .contains("longer than")
    );
    let wide = vec!["points = 1"; 5_000].join(" or ");
    assert!(
        parse(&wide)
            .unwrap_err()
            .to_string()
            .contains("more than 2000 tests")
    );
    let deep_json = format!(
        "{}{{\"all\":[]}}{}",
        "{\"not\":".repeat(100),
        "}".repeat(100)
    );
    let rule: Rule = serde_json::from_str(&deep_json).unwrap();
    assert!(rule.check(&FieldSet::core()).is_err());
}

#[test]
fn the_json_form_is_as_documented() {
    let rule =
        parse("country = \"DE\" and not (tag in (\"vip\") or opened(any, last 30 days) >= 2)")
            .unwrap();
    let json = serde_json::json!({"all": [
        {"field": {"name": "country", "op": "=", "value": "DE"}},
        {"not": {"any": [
            {"field": {"name": "tag", "op": "in", "value": ["vip"]}},
            {"engagement": {"kind": "opened", "last_days": 30, "op": ">=", "times": 2}},
        ]}},
    ]});
    assert_eq!(serde_json::to_value(&rule).unwrap(), json);
    let schema = serde_json::to_value(schemars::schema_for!(Rule)).unwrap();
    assert!(schema["$defs"]["FieldTest"].is_object(), "{schema}");
    let unknown = serde_json::from_str::<Rule>("{\"every\": []}").unwrap_err();
    assert!(unknown.to_string().contains("expected one of"), "{unknown}");
}

#[test]
fn a_rule_that_does_not_suit_the_fields_is_refused_with_reasons() {
    for (text, reason) in [
        (
            "points contains \"a\"",
            "points is a number, which cannot be compared with `contains`",
        ),
        (
            "points = \"a\"",
            "points is a number and is compared with numbers only",
        ),
        ("birthday = \"a\"", "birthday is compared with dates"),
        (
            "birthday contains today",
            "birthday is a date, which cannot be compared with `contains`",
        ),
        (
            "newsletter = \"yes\"",
            "newsletter is compared with true or false only",
        ),
        (
            "zipcode = 10115",
            "zipcode is compared with texts, not with the number 10115; put it in quotes: \"10115\"",
        ),
        (
            "city = \"\"",
            "no contact has an empty text; use `is empty` or `is set`",
        ),
        ("city matches \"(\"", "not a regular expression"),
        ("tag starts with \"a\"", "tag is a set of texts"),
        (
            "owner = \"ann\"",
            "owner is compared with the addresses or ids of members",
        ),
        (
            "seen < anniversary",
            "an anniversary is compared with = or !=",
        ),
        ("birthday = 2026-02-30", "birthday is compared with dates"),
    ] {
        let rule = parse(text).unwrap();
        let error = rule.check(&random_fields()).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let rule: Rule = serde_json::from_str(
        r#"{"any": [{"field": {"name": "city", "op": "=", "value": "a"}}, {"not": {"field": {"name": "cty", "op": "=", "value": "a"}}}]}"#,
    )
    .unwrap();
    let error = rule.check(&random_fields()).unwrap_err();
    assert_eq!(error.problems[0].pointer, "/any/1/not");
    assert_eq!(error.problems[0].test, 1);
    assert_eq!(
        error.problems[0].help.as_deref(),
        Some("did you mean \"city\"?")
    );
}

#[test]
fn values_that_nobody_has_are_pointed_out() {
    let warnings = |text: &str| parse(text).unwrap().check(&random_fields()).unwrap();
    assert_eq!(
        warnings("country in (\"Germany\", \"de\", \"Österreich\")").len(),
        0
    );
    assert_eq!(
        warnings("country = \"Atlantis\"")[0].message,
        "\"Atlantis\" is no possible value of country: nobody has it"
    );
    assert_eq!(
        warnings("colour = \"blue\" or colours has all (\"RED\", \"blue\")").len(),
        2
    );
}

fn facts(values: &[(&str, &str)]) -> ContactFacts {
    let id = mauntic_core::ContactId::from_uuid(Uuid::from_u128(1));
    let mut parts = Contact::new(id, "test", random_now()).into_parts();
    for (alias, text) in values {
        parts
            .fields
            .insert(alias.parse().unwrap(), Value::text(*text).unwrap());
    }
    parts.tags.insert("vip".parse().unwrap());
    let fact = |day_ago, machine, count| EngagementFact {
        kind: EngagementKind::Opened,
        subject: Uuid::from_u128(0xE001),
        machine,
        day: compile::day_number(random_now().date_naive()) - day_ago,
        count,
    };
    ContactFacts::new(
        Contact::from_parts(parts),
        BTreeSet::from([SegmentId::from_uuid(Uuid::from_u128(0x5001))]),
        vec![
            fact(3, false, 2),
            fact(30, false, 1),
            fact(31, false, 1),
            fact(0, true, 9),
        ],
    )
}

fn holds(text: &str, facts: &ContactFacts) -> bool {
    let today = Today::at(random_now(), "Europe/Berlin".parse().unwrap());
    parse(text)
        .unwrap()
        .compile(&random_fields(), &today)
        .unwrap()
        .holds(facts)
}

#[test]
fn rules_mean_what_they_say() {
    let ann = facts(&[
        ("country", "DE"),
        ("firstname", "Ann"),
        ("birthday", "1990-11-23"),
        ("seen", "2026-11-22T23:00:00.000000Z"),
    ]);
    for yes in [
        "country = \"Germany\"",
        "firstname = \"aNN\"",
        "lastname != \"Lee\"",
        "lastname is empty",
        "not lastname = \"Lee\"",
        "lastname not in (\"Lee\")",
        "not lastname contains \"e\"",
        "birthday = anniversary",
        "birthday < 2000-01-01",
        "seen = today",
        "seen >= today",
        "seen in this week",
        "seen in the last 0 days",
        "seen = 2026-11-23T00:00",
        "seen not in last week",
        "opened(any) = 4",
        "opened(\"Welcome\", last 30 days) = 3",
        "opened(any, including machine) = 13",
        "clicked(any) = 0",
        "not clicked(any)",
        "segment = \"Customers\"",
        "tag = \"vip\"",
        "tag != \"VIP\"",
        "not do_not_contact",
        "everyone",
        "created_at = today",
        "identified_at is empty",
        "points between 0 and 0",
    ] {
        assert!(holds(yes, &ann), "{yes}");
    }
    for no in [
        "lastname = \"Lee\"",
        "lastname < \"z\"",
        "birthday = anniversary + 1 day",
        "seen = yesterday",
        "seen < today",
        "nobody",
        "segment != \"Customers\"",
        "sent(any)",
        "opened(any) > 4",
        "birthday is empty",
    ] {
        assert!(!holds(no, &ann), "{no}");
    }
}

#[test]
fn a_proof_shows_each_part_and_what_was_found() {
    let ann = facts(&[("country", "DE")]);
    let rule = parse("country = \"FR\" or (not points > 3 and opened(\"Welcome\") > 9)").unwrap();
    let today = Today::at(random_now(), mauntic_core::TimeZoneName::utc());
    let proof = rule
        .compile(&random_fields(), &today)
        .unwrap()
        .explain(&rule, &ann, &names());
    assert!(!proof.holds);
    assert_eq!(proof.parts[0].rule, "country = \"FR\"");
    assert_eq!(
        (proof.parts[0].holds, proof.parts[0].observed.as_deref()),
        (false, Some("DE"))
    );
    let group = &proof.parts[1];
    assert_eq!(
        (
            group.kind,
            group.parts[0].holds,
            group.parts[0].parts[0].observed.as_deref()
        ),
        (ProofKind::All, true, Some("0"))
    );
    assert_eq!(
        (group.parts[1].holds, group.parts[1].observed.as_deref()),
        (false, Some("4 times"))
    );
}

#[test]
fn what_a_rule_depends_on_is_known() {
    let rule =
        parse("segment = \"Customers\" and opened(\"Welcome\") and created_at < today").unwrap();
    assert!(rule.uses_time());
    assert_eq!((rule.segments().len(), rule.emails().len()), (1, 1));
    assert!(
        !parse("created_at < 2026-01-01 and opened(any)")
            .unwrap()
            .uses_time()
    );
    let mentioned =
        MentionedNames::in_text("segment in (\"A\", \"b\") or sent(\"C\")", &random_fields())
            .unwrap();
    assert_eq!(
        mentioned,
        MentionedNames {
            emails: vec!["C".to_owned()],
            segments: vec!["A".to_owned(), "b".to_owned()]
        }
    );
}
