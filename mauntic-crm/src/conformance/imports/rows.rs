//! What rows become.

use std::{fmt::Write as _, sync::Arc};

use chrono::TimeDelta;
use mauntic_core::{Clock as _, ContactId, FixedZone, PageSize, SegmentId, UserId, UuidV7Source};
use uuid::Uuid;

use super::{Desk, counts, text, unique};
use crate::{
    Channel, ContactService, CrmStore, Field, FieldType, Reason, Tag,
    conformance::{boss, organization},
    import::{EmptyCells, Existing, ImportError, ImportOptions, ImportService, ProblemKind},
    segment::{Origin, Segment},
};

/// Columns become what their headings say, and what all rows get is on all contacts.
pub async fn rows_become_contacts(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.add_field(Field::custom(
        "shoe_size".parse().unwrap(),
        "Shoe size",
        FieldType::Number,
    ))
    .await;
    let options = ImportOptions {
        tags: vec!["fair".parse().unwrap()],
        owner: Some(UserId::from_uuid(Uuid::from_u128(9))),
        ..ImportOptions::default()
    };
    let file = "Email Address;First Name;Country;Shoe size;TAGS;Email Opt Out;Points;Stage;Colour\r\n\
                Ann@Example.com;Ann;Germany;38.5;vip|new;no;12;lead;red\r\n\
                bob@example.com;\"Bob; the\r\nsecond\";US;;;yes;;;\r\n\
                carol@example.com;Carol\r\n";
    let import = desk.import(file, options).await;
    assert_eq!(counts(&import), [3, 3, 0, 0, 0, 0]);
    let ann = desk.contact("ann@example.com").await;
    assert_eq!(ann.email().unwrap().as_str(), "Ann@example.com");
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "country")],
        [Some("Ann"), Some("DE")]
    );
    assert_eq!(ann.value("shoe_size").unwrap().as_number(), Some(38.5));
    assert_eq!(
        ann.parts().tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        ["fair", "new", "vip"]
    );
    assert_eq!(
        (ann.parts().points, ann.parts().stage.as_deref()),
        (12, Some("lead"))
    );
    assert_eq!(
        ann.parts().owner,
        Some(UserId::from_uuid(Uuid::from_u128(9)))
    );
    assert_eq!(ann.parts().origin, import.origin());
    assert!(ann.is_contactable(Channel::Email));
    let bob = desk.contact("bob@example.com").await;
    assert_eq!(text(&bob, "firstname"), Some("Bob; the  second"));
    assert_eq!(
        bob.parts().do_not_contact[&Channel::Email].reason,
        Reason::Manual
    );
    let tags = desk
        .store
        .tags()
        .list(organization(1), None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(tags.items.len(), 3);
    let ended = desk.service.find(&desk.actor, import.id).await.unwrap();
    assert!(ended.progress().fraction >= 1.0);
}

/// The same file again changes nothing, other values change what is different and leave a history.
pub async fn the_same_file_again_changes_nothing(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "email,firstname,lastname,tags\na@example.com,Ann,Lee,x\nb@example.com,Bob,Orr,\nc@example.com,Cy,,\n";
    desk.import(file, ImportOptions::default()).await;
    let before = desk.all().await;
    desk.clock.advance(TimeDelta::hours(1));
    let again = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&again), [3, 0, 0, 3, 0, 0]);
    assert_eq!(desk.all().await, before);
    let changed = desk
        .import(
            "email,lastname,tags\nA@EXAMPLE.com,Moor,y\nb@example.com,,\nd@example.com,Dee,\n",
            ImportOptions::default(),
        )
        .await;
    assert_eq!(counts(&changed), [3, 1, 1, 1, 0, 0]);
    let ann = desk.contact("a@example.com").await;
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "lastname")],
        [Some("Ann"), Some("Moor")]
    );
    assert_eq!(ann.parts().tags.len(), 2);
    assert_eq!(ann.version(), 2);
    let history = desk
        .store
        .contacts()
        .history(organization(1), ann.id(), None, PageSize::default())
        .await
        .unwrap();
    assert_eq!(history.items[0].source, changed.origin());
    assert_eq!(
        history.items[0].changes.names().collect::<Vec<_>>(),
        ["lastname", "tags"]
    );
    assert_eq!(history.items[0].actor, desk.actor.principal());
    let bob = desk.contact("b@example.com").await;
    assert_eq!(
        text(&bob, "lastname"),
        Some("Orr"),
        "an empty cell keeps what is there"
    );
}

/// Empty cells keep or clear, `NULL` clears, and contacts that are there can be spared.
pub async fn empty_cells_and_existing_contacts_are_treated_as_asked(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.import(
        "email,firstname,lastname,city\na@example.com,Ann,Lee,Oslo\n",
        ImportOptions::default(),
    )
    .await;
    let skip = ImportOptions {
        existing: Existing::Skip,
        ..ImportOptions::default()
    };
    let import = desk
        .import(
            "email,firstname\na@example.com,Eve\nb@example.com,Bob\n",
            skip,
        )
        .await;
    assert_eq!(counts(&import), [2, 1, 0, 1, 0, 0]);
    let blanks = ImportOptions {
        existing: Existing::FillBlanks,
        ..ImportOptions::default()
    };
    let import = desk
        .import("email,firstname,company\na@example.com,Eve,Acme\n", blanks)
        .await;
    assert_eq!(counts(&import), [1, 0, 1, 0, 0, 0]);
    let import = desk
        .import(
            "email,lastname\na@example.com,NULL\n",
            ImportOptions::default(),
        )
        .await;
    assert_eq!(counts(&import), [1, 0, 1, 0, 0, 0]);
    let clear = ImportOptions {
        empty: EmptyCells::Clear,
        ..ImportOptions::default()
    };
    desk.import("email,city,position\na@example.com,,Boss\n", clear)
        .await;
    let ann = desk.contact("a@example.com").await;
    let values: Vec<_> = ann
        .parts()
        .fields
        .iter()
        .map(|(alias, value)| format!("{alias}={value}"))
        .collect();
    assert_eq!(values, ["company=Acme", "firstname=Ann", "position=Boss"]);
}

/// The last row about a contact wins, within a batch and across batches; each row counts once.
pub async fn the_last_row_about_a_contact_wins(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "email,firstname,lastname\n\
                a@example.com,One,First\nA@example.com,Two,\n\
                b@example.com,Bob,\nc@example.com,Cy,\n\
                a@EXAMPLE.com,Three,\nb@example.com,Bob,\n\
                d@example.com,Dee,\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [7, 4, 0, 0, 0, 3]);
    let ann = desk.contact("a@example.com").await;
    assert_eq!(
        [text(&ann, "firstname"), text(&ann, "lastname")],
        [Some("Three"), Some("First")]
    );
    let problems = desk.problems(import.id, ProblemKind::Duplicate).await;
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| (problem.line, problem.other_line))
        .collect();
    assert_eq!(lines, [(2, Some(3)), (3, Some(6)), (4, Some(7))]);
    let whole = ImportService::with_batch(desk.service.clone(), 100);
    let desk = Desk {
        service: whole,
        ..desk
    };
    let again = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&again)[0], 7);
    assert_eq!(counts(&again)[5], 3);
    assert_eq!(
        desk.problems(again.id, ProblemKind::Duplicate).await,
        problems
    );
}

/// All contacts of a file come into the static segment, also those that were there and those taken
/// out before.
pub async fn rows_come_into_a_static_segment(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.import(
        "email\na@example.com\nb@example.com\n",
        ImportOptions::default(),
    )
    .await;
    let id = SegmentId::from_uuid(Uuid::from_u128(77));
    let name = "Fair".parse().unwrap();
    let segment = Segment::new(id, name, String::new(), None, desk.clock.now());
    let ann = desk.contact("a@example.com").await.id();
    let mut uow = desk.store.begin().await.unwrap();
    let now = desk.clock.now();
    uow.segments()
        .insert(organization(1), &segment)
        .await
        .unwrap();
    uow.segments()
        .set_by_hand(organization(1), id, &[ann], Origin::Removed, now)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let options = ImportOptions {
        segment: Some(id),
        ..ImportOptions::default()
    };
    let file = "email\na@example.com\nb@example.com\nc@example.com\nnobody\n";
    let import = desk.import(file, options).await;
    assert_eq!(counts(&import), [4, 1, 0, 2, 1, 0]);
    let found = desk
        .store
        .segments()
        .find(organization(1), id)
        .await
        .unwrap();
    assert_eq!(found.unwrap().member_count, 3);
}

/// Rows can be matched by another unique field; a value that another contact has makes a bad row.
pub async fn rows_match_by_a_unique_field(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    desk.add_field(unique("customer")).await;
    let by_customer = ImportOptions {
        match_on: Some("customer".parse().unwrap()),
        ..ImportOptions::default()
    };
    let file =
        "customer,email,firstname\nC1,one@example.com,One\nC2,,Two\nC3,three@example.com,Three\n";
    let import = desk.import(file, by_customer.clone()).await;
    assert_eq!(counts(&import), [3, 3, 0, 0, 0, 0]);
    let file = "customer,email,firstname\nc1,uno@example.com,Uno\nC2,three@example.com,Dos\nC4,three@example.com,Four\n,x@example.com,\n";
    let import = desk.import(file, by_customer).await;
    assert_eq!(counts(&import), [4, 0, 1, 0, 3, 0]);
    assert_eq!(
        text(&desk.contact("uno@example.com").await, "firstname"),
        Some("Uno")
    );
    let by_email =
        "email,customer\nnew@example.com,C3\nthree@example.com,C2\nfresh@example.com,C9\n";
    let import = desk.import(by_email, ImportOptions::default()).await;
    assert_eq!(counts(&import), [3, 1, 0, 0, 2, 0]);
    assert_eq!(
        desk.problems(import.id, ProblemKind::Bad).await[0].reason,
        "another contact has this value of customer"
    );
    let keys = ["new@example.com".to_owned()];
    assert!(
        desk.store
            .contacts()
            .find_by_emails(organization(1), &keys)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Owners are named by address or id. Of somebody who is no member, the row is reported.
pub async fn owners_are_members(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let stranger = UserId::from_uuid(Uuid::from_u128(77));
    let file = format!(
        "email,owner\na@example.com,Boss@Example.com\nb@example.com,{}\n\
         c@example.com,nobody@example.com\nd@example.com,{stranger}\ne@example.com,Ann\n",
        boss()
    );
    let import = desk.import(&file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [5, 2, 0, 0, 3, 0]);
    for email in ["a@example.com", "b@example.com"] {
        assert_eq!(desk.contact(email).await.parts().owner, Some(boss()));
    }
    let problems = desk.problems(import.id, ProblemKind::Bad).await;
    let told: Vec<_> = problems
        .iter()
        .map(|problem| {
            assert_eq!(problem.column.as_deref(), Some("owner"));
            (
                problem.line,
                problem.value.as_deref().unwrap(),
                &*problem.reason,
            )
        })
        .collect();
    let stranger = stranger.to_string();
    assert_eq!(
        told,
        [
            (4, "nobody@example.com", "not a member of the organisation"),
            (5, &*stranger, "not a member of the organisation"),
            (6, "Ann", "neither the address nor the id of a user"),
        ]
    );
    assert_eq!(problems[0].raw, "c@example.com,nobody@example.com");
    let of_all = ImportOptions {
        owner: stranger.parse().ok(),
        ..ImportOptions::default()
    };
    let refused = desk.create("email\na@example.com\n", of_all).await;
    assert!(matches!(refused, Err(ImportError::NotAMember(_))));
}

/// A file can say why somebody is not to be written to, and on which channel; it can say more than is known, but
/// neither takes back what somebody said themselves nor forgets that a mailbox is gone.
pub async fn marks_never_say_less(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let reasons = async |email: &str| {
        let contact = desk.contact(email).await;
        let marks = contact.parts().do_not_contact.values();
        let marks = marks.map(|mark| format!("{}:{}", mark.channel, mark.reason));
        marks.collect::<Vec<_>>().join("|")
    };
    let all = [
        "u@example.com",
        "b@example.com",
        "m@example.com",
        "n@example.com",
    ];
    let [u, b, m, n] = all;
    let first = format!(
        "email,do_not_contact\n{u},email:unsubscribed\n{b},email:bounced|sms:manual\n{m},yes\n{n},\n"
    );
    let import = desk.import(&first, ImportOptions::default()).await;
    assert_eq!(counts(&import), [4, 4, 0, 0, 0, 0]);
    assert_eq!(reasons(u).await, "email:unsubscribed");
    assert_eq!(reasons(b).await, "email:bounced|sms:manual");
    assert_eq!([reasons(m).await, reasons(n).await], ["email:manual", ""]);
    let less = format!("email,do_not_email\n{u},yes\n{b},yes\n{u},no\n{b},no\n{m},no\n");
    let import = desk.import(&less, ImportOptions::default()).await;
    assert_eq!(counts(&import), [5, 0, 1, 2, 0, 2]);
    assert_eq!(reasons(u).await, "email:unsubscribed");
    assert_eq!(reasons(b).await, "email:bounced|sms:manual");
    assert_eq!(reasons(m).await, "");
    let more =
        format!("email,do_not_contact\n{b},email:unsubscribed\n{n},fax:manual\n{m},email:ill\n");
    let import = desk.import(&more, ImportOptions::default()).await;
    assert_eq!(counts(&import), [3, 0, 1, 0, 2, 0]);
    assert_eq!(reasons(b).await, "email:unsubscribed|sms:manual");
}

/// What somebody said themselves stays, whether two rows about them come in one batch or in two.
pub async fn consent_is_kept_in_batches_of_any_size(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let says = [
        ("unsubscribed", "subscribed", Some(Reason::Unsubscribed)),
        ("unsubscribed", "bounced", Some(Reason::Unsubscribed)),
        ("unsubscribed", "blocklisted", Some(Reason::Unsubscribed)),
        ("bounced", "subscribed", Some(Reason::Bounced)),
        ("bounced", "blocklisted", Some(Reason::Bounced)),
        ("bounced", "unsubscribed", Some(Reason::Unsubscribed)),
        ("blocklisted", "subscribed", None),
        ("blocklisted", "bounced", Some(Reason::Bounced)),
        ("subscribed", "blocklisted", Some(Reason::Manual)),
        ("subscribed", "subscribed", None),
    ];
    for size in [1, 100] {
        let desk = Desk {
            service: desk.service.clone().with_batch(size),
            store: Arc::clone(&desk.store),
            clock: Arc::clone(&desk.clock),
            standing: Arc::clone(&desk.standing),
            actor: desk.actor.clone(),
        };
        let address = |index: usize| format!("{index}in{size}@example.com");
        let mut file = "email,do_not_email\n".to_owned();
        for (index, (first, second, _)) in says.iter().enumerate() {
            let email = address(index);
            writeln!(file, "{email},{first}\n{email},{second}").unwrap();
        }
        let import = desk.import(&file, ImportOptions::default()).await;
        assert_eq!(counts(&import), [20, 10, 0, 0, 0, 10]);
        for (index, (first, second, expected)) in says.iter().enumerate() {
            let contact = desk.contact(&address(index)).await;
            let mark = contact.parts().do_not_contact.get(&Channel::Email);
            let reason = mark.map(|mark| mark.reason);
            assert_eq!(reason, *expected, "{first}, then {second}, by {size}");
        }
    }
}

/// Whoever was merged does not come back with a file that has the old ids, and of two rows of a batch that turn out to
/// be about one contact, one counts.
pub async fn ids_of_merged_contacts_lead_to_those_who_stayed(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let elsewhere = ContactId::from_uuid(Uuid::from_u128(0xfeed_0000_0001));
    let file = format!("mauntic_id,email\n{elsewhere},bea@example.com\n");
    desk.import(file, ImportOptions::default()).await;
    desk.import("email\nann@example.com\n", ImportOptions::default())
        .await;
    let bea = desk.contact("bea@example.com").await.id();
    let ann = desk.contact("ann@example.com").await.id();
    let same = "another row near this one is about the same contact";
    let by_id = async |rows: String, expected: [u64; 6]| {
        let file = format!("mauntic_id,email,firstname\n{rows}");
        let import = desk.import(file, ImportOptions::default()).await;
        assert_eq!(counts(&import), expected, "{rows}");
        let problems = desk.problems(import.id, ProblemKind::Bad).await;
        let told: Vec<_> = problems
            .iter()
            .map(|bad| (bad.line, &*bad.reason))
            .collect();
        let late = (expected[4] > 0).then_some((3, same));
        assert_eq!(told, Vec::from_iter(late));
    };
    let twice = format!("{bea},bea@example.com,One\n{elsewhere},bea@example.com,Two\n");
    by_id(twice, [2, 0, 1, 0, 1, 0]).await;
    let kept = desk.contact("bea@example.com").await;
    assert_eq!((kept.id(), text(&kept, "firstname")), (bea, Some("One")));

    let contacts = ContactService::new(
        Arc::clone(&desk.store),
        desk.clock.clone(),
        Arc::new(UuidV7Source),
        Arc::new(FixedZone::default()),
    );
    contacts.merge(&desk.actor, ann, bea).await.unwrap();
    let name = async |expected: &str| {
        let all = desk.all().await;
        assert_eq!(all.len(), 1, "{expected}");
        assert_eq!(all[0].id(), ann);
        assert_eq!(all[0].email().unwrap().as_str(), "ann@example.com");
        assert_eq!(text(&all[0], "firstname"), Some(expected));
    };
    name("One").await;
    by_id(format!("{bea},bea@example.com,Three\n"), [1, 0, 1, 0, 0, 0]).await;
    name("Three").await;
    by_id(format!("{elsewhere},,Four\n"), [1, 0, 1, 0, 0, 0]).await;
    name("Four").await;
    let both = format!("{ann},ann@example.com,Five\n{bea},bea@example.com,Six\n");
    by_id(both, [2, 0, 1, 0, 1, 0]).await;
    name("Five").await;
}
