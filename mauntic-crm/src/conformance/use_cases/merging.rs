//! Two records of one person.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{Cause, ContactId, Envelope, IdSource, PageSize, Role, UserId, UuidV7Source};
use serde_json::json;

use super::{crm, tags};
use crate::conformance::{noon, organization};
use crate::{
    ContactDeleted, CrmError, CrmStore, FieldType, Likeness, Reason, service::CreateField,
};

/// The one who stays takes over what is known of the other, whose id leads to it.
pub async fn two_records_become_one(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let number = CreateField {
        unique: true,
        ..CreateField::new("number", FieldType::Text)
    };
    crm.fields.create(&crm.us, number).await.unwrap();
    let ann = json!({"email": "ann@example.com", "city": "Bonn", "points": 2});
    let ann = crm.create(ann).await.unwrap().id();
    let twin = json!({"email": "twin@example.com", "firstname": "Ann", "points": 3, "number": "7"});
    let twin = crm.create(twin).await.unwrap().id();
    let contacts = &crm.contacts;
    crm.tags
        .change(&crm.us, &[twin], &tags(["vip"]), &tags([]))
        .await
        .unwrap();

    let stranger = mauntic_core::Actor::user(
        organization(2),
        UserId::generate(&UuidV7Source),
        Role::Owner,
    );
    let refused = contacts.merge(&stranger, ann, twin).await;
    assert!(matches!(refused, Err(CrmError::ContactNotFound(_))));
    let refused = contacts.merge(&crm.us, ann, ann).await;
    assert!(matches!(refused, Err(CrmError::SameContact(id)) if id == ann));

    let merged = contacts.merge(&crm.us, ann, twin).await.unwrap();
    assert_eq!(merged.id(), ann);
    assert_eq!(merged.email().unwrap().as_str(), "ann@example.com");
    for (alias, value) in [("city", "Bonn"), ("firstname", "Ann"), ("number", "7")] {
        assert_eq!(
            merged.value(alias).unwrap().as_text(),
            Some(value),
            "{alias}"
        );
    }
    assert_eq!(
        (merged.parts().points, &merged.parts().tags),
        (5, &tags(["vip"]))
    );
    assert_eq!(contacts.get(&crm.us, ann).await.unwrap(), merged);
    assert_eq!(contacts.get(&crm.us, twin).await.unwrap(), merged);
    let gone = "twin@example.com".parse().unwrap();
    assert_eq!(contacts.find_by_email(&crm.us, &gone).await.unwrap(), None);
    let history = contacts.history(&crm.us, ann, None, PageSize::default());
    let history = history.await.unwrap().items;
    assert_eq!(
        history.len(),
        4,
        "two were made, one was tagged, then merged"
    );
    assert!(history[0].changes.has("merged"));

    // Whoever is merged in turn takes the earlier ones along.
    let third = json!({"email": "third@example.com"});
    let third = crm.create(third).await.unwrap().id();
    contacts.merge(&crm.us, third, ann).await.unwrap();
    assert_eq!(contacts.get(&crm.us, twin).await.unwrap().id(), third);
    contacts.delete(&crm.us, third).await.unwrap();
    let gone = contacts.get(&crm.us, twin).await;
    assert!(matches!(gone, Err(CrmError::ContactNotFound(id)) if id == twin));
}

/// An opt-out that was on its way while two became one is not lost.
pub async fn what_follows_later_is_the_ones_who_stayed(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let ann = crm.create(json!({"email": "ann@example.com"})).await;
    let twin = crm.create(json!({"email": "twin@example.com"})).await;
    let (ann, twin) = (ann.unwrap().id(), twin.unwrap().id());
    crm.contacts.merge(&crm.us, ann, twin).await.unwrap();
    let ids: &dyn IdSource = &UuidV7Source;
    let event = ContactDeleted { ids: Vec::new() };
    let event = Envelope::seal(organization(1), &event, noon(), ids, Cause::root(ids)).unwrap();
    let contacts: [ContactId; 2] = [twin, ann];
    crm.contacts
        .apply_unsubscribe("crm.test", &event, &contacts, "email:1")
        .await
        .unwrap();
    assert_eq!(crm.reason(ann).await, Some(Reason::Unsubscribed));
}

/// Other records of the same person are found, the likeliest first, and nobody else's.
pub async fn records_of_one_person_are_found(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let create = async |values| crm.create(values).await.unwrap().id();
    let person = |more: serde_json::Value| {
        let mut values = json!({"firstname": "Ann", "lastname": "Lee"});
        let more = more.as_object().unwrap().clone();
        values.as_object_mut().unwrap().extend(more);
        values
    };
    let ann = create(person(json!({
        "email": "Ann.Lee+shop@gmail.com", "company": "Acme", "zipcode": "10115",
        "mobile": "+491701234567", "phone": "+4930123456",
    })))
    .await;
    let why = |list: &[Likeness]| list.iter().copied().collect::<BTreeSet<_>>();
    let mut expected = Vec::new();
    for email in [
        "annlee@gmail.com",
        "a.n.n.l.e.e@googlemail.com",
        "ann.lee@gmail.com",
        "annlee+x+y@gmail.com",
    ] {
        let id = create(json!({"email": email})).await;
        expected.push((id, why(&[Likeness::Mailbox])));
    }
    for email in [
        "annle.e@example.com",
        "annlee@g.mail.com",
        "ann.leed@gmail.com",
        "an.nlee.d+x@gmail.com",
        "ann@gmail.com",
    ] {
        create(json!({"email": email})).await;
    }
    let mobile = create(json!({"mobile": "0170 1234567", "country": "DE"})).await;
    expected.push((mobile, why(&[Likeness::Mobile])));
    let id = create(json!({"firstname": "ANN", "lastname": "lee", "company": "ACME"})).await;
    expected.push((id, why(&[Likeness::NameAndCompany])));
    let id = create(person(json!({"zipcode": "10115"}))).await;
    expected.push((id, why(&[Likeness::NameAndPostcode])));
    let both = person(json!({"mobile": "+4930123456", "email": "ann.lee@example.com"}));
    let id = create(both).await;
    expected.push((id, why(&[Likeness::NameAndPhone])));
    let all = json!({"mobile": "+491701234567", "company": "Acme", "zipcode": "10115"});
    let all = create(person(all)).await;
    // Nobody else's: the same name alone, the same switchboard alone.
    create(person(json!({"city": "Bonn"}))).await;
    create(json!({"phone": "+4930123456", "company": "Acme", "zipcode": "10115"})).await;
    let found = crm.contacts.merge_candidates(&crm.us, ann).await.unwrap();
    assert_eq!(found[0].contact.id(), all, "the likeliest");
    assert_eq!(found[0].because.len(), 4);
    let mut found: Vec<_> = found[1..]
        .iter()
        .map(|one| (one.contact.id(), one.because.clone()))
        .collect();
    found.sort();
    assert_eq!(found, expected);

    // Elsewhere a dot is a letter like others.
    let plain = create(json!({"email": "bob.fox@example.com"})).await;
    let tagged = create(json!({"email": "BOB.fox+news@example.com"})).await;
    create(json!({"email": "bobfox@example.com"})).await;
    create(json!({"email": "bob.fox+news@example.org"})).await;
    create(json!({"email": "bob.fox+news@not.example.com"})).await;
    for (of, other) in [(plain, tagged), (tagged, plain)] {
        let found = crm.contacts.merge_candidates(&crm.us, of).await.unwrap();
        let ids: Vec<_> = found.iter().map(|one| one.contact.id()).collect();
        assert_eq!(ids, [other]);
    }
    let nameless = create(json!({})).await;
    let found = crm.contacts.merge_candidates(&crm.us, nameless).await;
    assert_eq!(found.unwrap(), []);
    let stranger = mauntic_core::Actor::system(organization(2));
    let refused = crm.contacts.merge_candidates(&stranger, ann).await;
    assert!(matches!(refused, Err(CrmError::ContactNotFound(_))));
}
