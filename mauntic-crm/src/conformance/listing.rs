//! Lists: every contact once, in order, however the pages fall.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use mauntic_core::{ContactId, EmailAddress, PageSize, SegmentId, UserId};
use uuid::Uuid;

use super::{contact, noon, organization};
use crate::{
    ChangeSet, Channel, Contact, ContactCursor, ContactFilter, ContactListing, ContactSort,
    CrmStore, DoNotContact, Reason, Value,
    segment::{Origin, Segment},
};

const SORTS: [ContactSort; 5] = [
    ContactSort::CreatedAt,
    ContactSort::UpdatedAt,
    ContactSort::Name,
    ContactSort::Email,
    ContactSort::LastActive,
];

/// Contacts with equal and missing values of everything that lists are sorted by.
fn crowd() -> Vec<Contact> {
    (1..=23_u8)
        .map(|number| {
            let (mut contact, changes) = (contact(number.into()), &mut ChangeSet::default());
            if number % 4 == 0 {
                contact.set_email(None, changes);
            }
            for (alias, name, chosen) in [
                (
                    "lastname",
                    ["Zoe", "abel", "Åse"][usize::from(number % 3)],
                    number % 5 != 0,
                ),
                (
                    "firstname",
                    ["Bo", "ann"][usize::from(number % 2)],
                    number % 4 != 1,
                ),
            ] {
                if chosen {
                    contact.set_value(&alias.parse().unwrap(), Value::text(name), changes);
                }
            }
            if number % 3 != 0 {
                let at = noon() - TimeDelta::minutes(i64::from(number % 5));
                contact.set_last_active(Some(at), changes);
            }
            let mut parts = contact.into_parts();
            parts.updated_at = noon() + TimeDelta::seconds(i64::from(number * 7 % 6));
            Contact::from_parts(parts)
        })
        .collect()
}

async fn add(store: &dyn CrmStore, contacts: &[Contact]) {
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), contacts)
        .await
        .unwrap();
    uow.commit().await.unwrap();
}

async fn pages(store: &dyn CrmStore, listing: &ContactListing) -> Vec<ContactId> {
    let (mut listing, mut ids) = (listing.clone(), Vec::new());
    loop {
        let page = store
            .contacts()
            .list(organization(1), &listing)
            .await
            .unwrap();
        assert!(page.items.len() <= listing.size.get());
        ids.extend(page.items.iter().map(Contact::id));
        let Some(next) = page.next else { return ids };
        // Cursors travel as text.
        listing.after = Some(next.to_string().parse::<ContactCursor>().unwrap());
    }
}

/// The order that the port promises, told by the contacts themselves.
fn expected(contacts: &[Contact], sort: ContactSort, descending: bool) -> Vec<ContactId> {
    let name = |contact: &Contact, alias: &str| {
        let name = contact.value(alias)?.to_string();
        Some(name.to_ascii_lowercase())
    };
    // Among those without a value another one may decide.
    let rest = |contact: &Contact| match sort {
        ContactSort::Name => name(contact, "firstname").unwrap_or_default(),
        _ => String::new(),
    };
    let value = |contact: &Contact| {
        let parts = contact.parts();
        match sort {
            ContactSort::Name => name(contact, "lastname"),
            ContactSort::CreatedAt => Some(String::new()),
            ContactSort::UpdatedAt => Some(Value::datetime(parts.updated_at).to_string()),
            ContactSort::Email => parts.email.as_ref().map(EmailAddress::key),
            ContactSort::LastActive => parts
                .last_active_at
                .map(|at| Value::datetime(at).to_string()),
        }
    };
    let (mut with, mut without): (Vec<_>, Vec<_>) = contacts
        .iter()
        .map(|contact| (value(contact), rest(contact), contact.id()))
        .partition(|(value, ..)| value.is_some());
    with.sort();
    without.sort();
    if descending {
        with.reverse();
        without.reverse();
    }
    with.into_iter().chain(without).map(|(.., id)| id).collect()
}

/// Every sort, both ways, in pages of any size.
pub async fn pages_have_every_contact_once_and_in_order(store: Arc<dyn CrmStore>) {
    let contacts = crowd();
    add(&*store, &contacts).await;
    for sort in SORTS {
        for descending in [false, true] {
            let wanted = expected(&contacts, sort, descending);
            for size in [1, 4, 22, 23, 24] {
                let size = PageSize::clamped(size);
                let listing = ContactListing {
                    sort,
                    descending,
                    size,
                    ..ContactListing::default()
                };
                let listed = pages(&*store, &listing).await;
                assert_eq!(listed, wanted, "{sort:?} {descending} {size:?}");
            }
        }
    }
}

/// Contacts added meanwhile move nothing that is listed already.
pub async fn pages_are_stable_while_contacts_are_added(store: Arc<dyn CrmStore>) {
    let contacts = crowd();
    add(&*store, &contacts[..12]).await;
    for sort in [ContactSort::CreatedAt, ContactSort::Email] {
        let size = PageSize::clamped(5);
        let mut listing = ContactListing {
            sort,
            size,
            ..ContactListing::default()
        };
        let first = store
            .contacts()
            .list(organization(1), &listing)
            .await
            .unwrap();
        add(&*store, &contacts[12..]).await;
        listing.after = first.next;
        let mut seen: Vec<_> = first.items.iter().map(Contact::id).collect();
        seen.extend(pages(&*store, &listing).await);
        let once: BTreeSet<_> = seen.iter().collect();
        assert_eq!(once.len(), seen.len(), "{sort:?}: nobody twice");
        assert!(
            contacts[..12]
                .iter()
                .all(|contact| once.contains(&contact.id())),
            "{sort:?}"
        );
    }
}

fn named(number: u128, first: &str, last: &str, email: &str) -> Contact {
    let (mut contact, changes) = (contact(number), &mut ChangeSet::default());
    contact.set_email(email.parse().ok(), changes);
    contact.set_value(&"firstname".parse().unwrap(), Value::text(first), changes);
    contact.set_value(&"lastname".parse().unwrap(), Value::text(last), changes);
    contact
}

/// Names and addresses are found by how they start, or by any part.
pub async fn a_search_finds_names_and_addresses(store: Arc<dyn CrmStore>) {
    let contacts = [
        named(1, "Ann", "Lee", "a.lee@example.com"),
        named(2, "Bob", "Annison", "bob@example.org"),
        named(3, "Çelik", "Öz", "annika@example.net"),
        named(4, "100%", "_x", "d@example.net"),
        named(5, "", "", ""),
    ];
    add(&*store, &contacts).await;
    for (search, found) in [
        ("ann", &[1, 2, 3][..]),
        ("ANN", &[1, 2, 3]),
        ("Ann Lee", &[1]),
        ("lee  ann", &[1]),
        ("annika@", &[3]),
        ("BOB@EXAMPLE.ORG", &[2]),
        ("Çel", &[3]),
        ("nn", &[]),
        ("*nn", &[1, 2, 3]),
        ("*EXAMPLE.NET", &[3, 4]),
        ("*ison", &[2]),
        ("%", &[]),
        ("_", &[4]),
        ("100%", &[4]),
        ("' OR 1=1 --", &[]),
        ("  ", &[1, 2, 3, 4, 5]),
    ] {
        for sort in SORTS {
            let filter = ContactFilter {
                search: Some(search.to_owned()),
                ..ContactFilter::default()
            };
            let size = PageSize::clamped(2);
            let listing = ContactListing {
                filter,
                sort,
                size,
                ..ContactListing::default()
            };
            let mut ids: Vec<_> = pages(&*store, &listing)
                .await
                .iter()
                .map(|id| id.as_uuid().as_u128())
                .collect();
            ids.sort_unstable();
            assert_eq!(ids, found, "{search} by {sort:?}");
        }
    }
}

/// Those whom a search finds, or who are in a segment, are all there and in order, be they few or thousands.
pub async fn many_are_found_like_few(store: Arc<dyn CrmStore>) {
    let mut contacts: Vec<_> = (1..=3_100)
        .map(|number| named(number, "Ann", "Lee", &format!("p{number}@example.com")))
        .collect();
    contacts.push(named(4_000, "Annika", "Öz", "oz@example.com"));
    contacts.push(named(4_001, "Bob", "Fox", "fox@example.com"));
    for part in contacts.chunks(1_000) {
        add(&*store, part).await;
    }
    let segment = Segment::new(
        SegmentId::from_uuid(Uuid::from_u128(1)),
        "Fans".parse().unwrap(),
        String::new(),
        None,
        noon(),
    );
    let few: Vec<_> = contacts[3_099..].iter().map(Contact::id).collect();
    let mut uow = store.begin().await.unwrap();
    let segments = uow.segments();
    segments.insert(organization(1), &segment).await.unwrap();
    segments
        .set_by_hand(organization(1), segment.id, &few, Origin::Added, noon())
        .await
        .unwrap();
    uow.commit().await.unwrap();
    for (search, of_segment, found) in [
        (Some("ann"), false, &contacts[..3_101]),
        (Some("ann lee"), false, &contacts[..3_100]),
        (Some("annik"), false, &contacts[3_100..3_101]),
        (None, true, &contacts[3_099..]),
        (Some("ann"), true, &contacts[3_099..3_101]),
        (Some("fox"), true, &contacts[3_101..]),
    ] {
        for sort in SORTS {
            let listing = ContactListing {
                filter: ContactFilter {
                    search: search.map(str::to_owned),
                    segment: of_segment.then_some(segment.id),
                    ..ContactFilter::default()
                },
                sort,
                descending: true,
                size: PageSize::clamped(1_000),
                after: None,
            };
            let ids = pages(&*store, &listing).await;
            let expected = expected(found, sort, true);
            assert_eq!(ids, expected, "{search:?} {of_segment} {sort:?}");
        }
    }
}

/// A list of those with a tag has those and no others.
pub async fn a_list_can_be_of_one_tag(store: Arc<dyn CrmStore>) {
    let (mut contacts, changes) = (crowd(), &mut ChangeSet::default());
    let (vip, quoted) = ("VIP".parse().unwrap(), "\"[VIP]\"".parse().unwrap());
    contacts[3].set_tags([vip].into(), changes);
    contacts[4].set_tags(["vip".parse().unwrap(), quoted].into(), changes);
    contacts[7].set_tags(
        ["a".parse().unwrap(), "VIP".parse().unwrap()].into(),
        changes,
    );
    add(&*store, &contacts).await;
    for (tag, found) in [
        ("VIP", vec![4, 8]),
        ("vip", vec![5]),
        ("\"[VIP]\"", vec![5]),
        ("VI", vec![]),
    ] {
        let filter = ContactFilter {
            tag: tag.parse().ok(),
            ..ContactFilter::default()
        };
        let listing = ContactListing {
            filter,
            ..ContactListing::default()
        };
        let ids = pages(&*store, &listing).await;
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid().as_u128()).collect();
        assert_eq!(ids, found, "{tag}");
        let counted = store
            .tags()
            .count(organization(1), &tag.parse().unwrap())
            .await
            .unwrap();
        assert_eq!(counted, found.len() as u64, "{tag}");
    }
}

/// A list of those whom somebody is in charge of, who are in a stage, or who may or may not be contacted.
pub async fn a_list_can_be_of_an_owner_a_stage_and_a_consent(store: Arc<dyn CrmStore>) {
    let (mut contacts, changes) = (crowd(), &mut ChangeSet::default());
    let [ann, bob] = [1, 2].map(|number| UserId::from_uuid(Uuid::from_u128(number)));
    for (place, owner, stage) in [
        (0, Some(ann), Some("lead")),
        (1, Some(ann), Some("customer")),
        (2, Some(bob), None),
        (3, None, Some("lead")),
    ] {
        contacts[place].set_owner(owner, changes);
        contacts[place].set_stage(stage.map(str::to_owned), changes);
    }
    let mark = |channel| DoNotContact {
        channel,
        reason: Reason::Manual,
        source: "test".to_owned(),
        comment: String::new(),
        at: noon(),
    };
    assert!(contacts[0].forbid(mark(Channel::Email), changes));
    assert!(contacts[1].forbid(mark(Channel::Sms), changes));
    assert!(contacts[4].forbid(mark(Channel::Email), changes));
    add(&*store, &contacts[..6]).await;
    let (email, sms) = (Some(Channel::Email), Some(Channel::Sms));
    let filter =
        |owner: Option<UserId>, stage: Option<&str>, not: Option<Channel>, may| ContactFilter {
            owner,
            stage: stage.map(str::to_owned),
            do_not_contact: not,
            may_contact: may,
            ..ContactFilter::default()
        };
    let cases = [
        (filter(Some(ann), None, None, None), vec![1, 2]),
        (filter(Some(bob), None, None, None), vec![3]),
        (filter(None, Some("lead"), None, None), vec![1, 4]),
        (filter(None, Some("Lead"), None, None), vec![]),
        (filter(None, None, email, None), vec![1, 5]),
        (filter(None, None, None, email), vec![2, 3, 4, 6]),
        (filter(None, None, email, sms), vec![1, 5]),
        (filter(Some(ann), Some("lead"), email, None), vec![1]),
        (filter(Some(ann), None, None, sms), vec![1]),
    ];
    for (filter, found) in cases {
        let counted = store.contacts().count(organization(1), &filter).await;
        assert_eq!(counted.unwrap(), found.len() as u64, "{filter:?}");
        let others = store.contacts().count(organization(2), &filter).await;
        assert_eq!(others.unwrap(), 0, "{filter:?}");
        for sort in SORTS {
            let listing = ContactListing {
                filter: filter.clone(),
                sort,
                size: PageSize::clamped(2),
                ..ContactListing::default()
            };
            let ids = pages(&*store, &listing).await;
            let mut ids: Vec<_> = ids.iter().map(|id| id.as_uuid().as_u128()).collect();
            ids.sort_unstable();
            assert_eq!(ids, found, "{filter:?} by {sort:?}");
        }
    }
}
