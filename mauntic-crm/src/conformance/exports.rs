//! Exports: what is exported imports back to the same contacts.

use std::sync::Arc;

use futures_util::StreamExt as _;
use mauntic_core::{Actor, ContactId, UserId, UuidV7Source, WorkerId, testing::ManualClock};
use uuid::Uuid;

use super::{Staff, boss, organization};
use crate::{
    ChangeSet, Channel, Contact, ContactFilter, ContactListing, CrmStore, DoNotContact, Field,
    FieldOption, FieldSet, FieldType, ParseContext, Reason, Value,
    export::ExportService,
    import::{CreateImport, Existing, ImportFile, ImportOptions, ImportService, Watch},
};

fn service(store: &Arc<dyn CrmStore>) -> ExportService {
    let clock = Arc::new(ManualClock::at(super::noon()));
    ExportService::new(Arc::clone(store), clock, Arc::new(UuidV7Source))
        .with_owners(Arc::new(Staff))
}

async fn export(store: &Arc<dyn CrmStore>) -> Vec<u8> {
    let actor = Actor::system(organization(1));
    let pieces = service(store)
        .contacts(&actor, ContactFilter::default())
        .await
        .unwrap();
    let pieces: Vec<_> = pieces.collect().await;
    pieces.into_iter().flat_map(Result::unwrap).collect()
}

async fn import(store: &Arc<dyn CrmStore>, file: &[u8], organization: u128) -> [u64; 4] {
    let service = ImportService::new(
        Arc::clone(store),
        Arc::new(ManualClock::at(super::noon())),
        // Imports of two organisations tell of themselves in one outbox.
        Arc::new(UuidV7Source),
    )
    .with_owners(Arc::new(Staff));
    let actor = Actor::system(super::organization(organization));
    let upload = service.upload(&actor, &mut &*file, 1 << 30).await.unwrap();
    let options = ImportOptions {
        existing: Existing::Update,
        ..ImportOptions::default()
    };
    let command = CreateImport {
        name: "export.csv".to_owned(),
        file: ImportFile::Upload(upload.id),
        options,
    };
    let import = service.create(&actor, command).await.unwrap();
    let watch = Watch {
        progress: &mut |_, _| {},
        stop: &|| false,
    };
    let done = service
        .run_to_end(
            &actor,
            import.id,
            WorkerId::from_uuid(Uuid::from_u128(1)),
            watch,
        )
        .await
        .unwrap();
    let counts = done.counts;
    [counts.rows, counts.created, counts.unchanged, counts.failed]
}

async fn all(store: &Arc<dyn CrmStore>, organization: u128) -> Vec<Contact> {
    let listing = ContactListing::default();
    let listed = store
        .contacts()
        .list(super::organization(organization), &listing);
    listed.await.unwrap().items
}

/// Contacts whose values are all that spreadsheets and CSV readers trip over.
fn awkward(fields: &FieldSet) -> Vec<Contact> {
    let texts = [
        "=1+1",
        "+49 30 123456",
        "-5",
        "@x",
        "'=x",
        "O'Hara",
        "a\"b",
        "x;y,z|w",
        "NULL",
        "  in  ",
        "Zoë 😀",
        "'",
    ];
    let mut contacts = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let mut contact = super::contact(number as u128 + 1);
        let mut changes = ChangeSet::default();
        for (alias, text) in [
            ("firstname", *text),
            ("phone", "+49 30 123456"),
            ("score", "-1.5"),
            ("likes", "a,b|c"),
            ("born", "1970-02-03"),
            ("notes", "two\nlines"),
        ] {
            let field = fields.get(alias).unwrap();
            let value = field.parse(text, &ParseContext::default()).unwrap();
            contact.set_value(&field.alias, value, &mut changes);
        }
        contact.set_points(-i64::try_from(number).unwrap(), &mut changes);
        contact.set_stage(Some((*text).trim().to_owned()), &mut changes);
        contact.set_tags(
            [text.replace('|', " ").parse().unwrap()].into(),
            &mut changes,
        );
        contacts.push(contact);
    }
    contacts
}

/// An export imports back without a change, and into an empty organisation as the same contacts.
pub async fn an_export_imports_back_to_the_same_contacts(store: Arc<dyn CrmStore>) {
    let likes = Field {
        options: ["a,b", "c", "=d"].map(FieldOption::plain).to_vec(),
        ..Field::custom("likes".parse().unwrap(), "Likes", FieldType::Multiselect)
    };
    let custom = vec![
        likes,
        Field::custom("score".parse().unwrap(), "Score", FieldType::Number),
        Field::custom("born".parse().unwrap(), "Born", FieldType::Date),
        Field::custom("notes".parse().unwrap(), "Notes", FieldType::Textarea),
    ];
    let mut uow = store.begin().await.unwrap();
    for field in &custom {
        for number in [1, 2] {
            uow.fields()
                .insert(organization(number), field)
                .await
                .unwrap();
        }
    }
    let contacts = awkward(&FieldSet::with_custom(custom));
    uow.contacts()
        .insert_many(organization(1), &contacts)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let file = export(&store).await;
    let count = contacts.len() as u64;
    assert_eq!(
        import(&store, &file, 1).await,
        [count, 0, count, 0],
        "{}",
        String::from_utf8_lossy(&file)
    );
    assert_eq!(import(&store, &file, 2).await, [count, count, 0, 0]);
    let copies = all(&store, 2).await;
    assert_eq!(copies.len(), contacts.len());
    for copy in copies {
        let original = contacts
            .iter()
            .find(|contact| contact.email() == copy.email())
            .unwrap();
        let (copy, original) = (copy.parts(), original.parts());
        assert_eq!(
            (&copy.fields, &copy.tags),
            (&original.fields, &original.tags)
        );
        assert_eq!(
            (&copy.stage, copy.points),
            (&original.stage, original.points)
        );
        assert_eq!(copy.created_at, original.created_at);
    }
}

/// Contacts of whom no two are known by an address alone: one is in charge of by each kind of user, and each mark there
/// is stands on one.
fn marked() -> Vec<Contact> {
    let mut contacts = Vec::new();
    let marks = Channel::ALL
        .iter()
        .flat_map(|channel| Reason::ALL.iter().map(move |reason| (*channel, *reason)));
    for ((channel, reason), number) in marks.zip(1_u128..) {
        let mut changes = ChangeSet::default();
        let mut contact = super::contact(number);
        if number.is_multiple_of(2) {
            contact.set_email(None, &mut changes);
        }
        let name = Value::text(format!("N{number}"));
        contact.set_value(&"firstname".parse().unwrap(), name, &mut changes);
        let mark = |channel, reason| DoNotContact {
            channel,
            reason,
            source: "test".to_owned(),
            comment: String::new(),
            at: super::noon(),
        };
        contact.forbid(mark(channel, reason), &mut changes);
        if number == 1 {
            contact.forbid(mark(Channel::Push, Reason::Bounced), &mut changes);
        }
        let former = UserId::from_uuid(Uuid::from_u128(88));
        let owner = [None, Some(boss()), Some(former)][usize::try_from(number % 3).unwrap()];
        contact.set_owner(owner, &mut changes);
        contact.set_stage(Some("lead".to_owned()), &mut changes);
        contact.set_points(7, &mut changes);
        contact.set_tags(["\"quoted\", tag".parse().unwrap()].into(), &mut changes);
        contact.set_last_active(Some(super::noon()), &mut changes);
        contacts.push(contact);
    }
    contacts.push({
        let mut free = super::contact(100);
        let name = Value::text("Free");
        free.set_value(
            &"firstname".parse().unwrap(),
            name,
            &mut ChangeSet::default(),
        );
        free
    });
    contacts
}

/// What an export is to keep of a contact, beside its id, by its first name.
fn kept(contact: &Contact) -> (String, impl PartialEq + std::fmt::Debug + use<>) {
    let name = contact.value("firstname").unwrap().to_string();
    let parts = contact.parts();
    let marks: Vec<_> = parts
        .do_not_contact
        .values()
        .map(|mark| (mark.channel, mark.reason))
        .collect();
    let what = (
        parts.email.clone(),
        parts.owner.filter(|owner| *owner == boss()),
        parts.stage.clone(),
        parts.points,
        parts.tags.clone(),
        marks,
        (parts.last_active_at, parts.created_at),
    );
    (name, what)
}

/// Contacts without an address, owners, and why and where nobody is to be written to come through an export; importing
/// it again adds nobody, in whatever organisation.
pub async fn an_export_keeps_who_and_why(store: Arc<dyn CrmStore>) {
    let originals = marked();
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .insert_many(organization(1), &originals)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let file = export(&store).await;
    let count = originals.len() as u64;
    let text = String::from_utf8_lossy(&file);
    assert_eq!(
        import(&store, &file, 1).await,
        [count, 0, count, 0],
        "{text}"
    );
    assert_eq!(all(&store, 1).await, originals, "nothing is different");
    assert_eq!(
        import(&store, &file, 2).await,
        [count, count, 0, 0],
        "{text}"
    );
    let sorted = |contacts: &[Contact]| {
        let mut kept: Vec<_> = contacts.iter().map(kept).collect();
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        kept
    };
    let copies = all(&store, 2).await;
    assert_eq!(sorted(&copies), sorted(&originals));
    assert_eq!(import(&store, &file, 2).await, [count, 0, count, 0]);
    // Who has another address, or one at last, is still the same.
    let mut uow = store.begin().await.unwrap();
    let mut changed = originals[..2].to_vec();
    for (contact, number) in changed.iter_mut().zip(0..) {
        let email = format!("new{number}@example.com").parse().unwrap();
        contact.set_email(Some(email), &mut ChangeSet::default());
    }
    uow.contacts()
        .update_many(organization(1), &changed)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let later = export(&store).await;
    assert_eq!(import(&store, &later, 2).await, [count, 0, count - 2, 0]);
    assert_eq!(sorted(&all(&store, 2).await), sorted(&all(&store, 1).await));
    // Who was deleted is added again, once.
    let gone: Vec<ContactId> = originals[1..3].iter().map(Contact::id).collect();
    let mut uow = store.begin().await.unwrap();
    uow.contacts()
        .delete_many(organization(1), &gone)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(import(&store, &later, 1).await, [count, 2, count - 2, 0]);
    assert_eq!(import(&store, &later, 1).await, [count, 0, count, 0]);
}

/// What contacts have from before something else changed comes back without a change: a telephone number from before
/// its country was known, options that were taken off their fields, tags in quotes. Nobody new can have such an option.
pub async fn what_could_not_be_read_anew_imports_back_unchanged(store: Arc<dyn CrmStore>) {
    let options = ["new", "newer"].map(FieldOption::plain).to_vec();
    let custom = vec![
        Field {
            options: options.clone(),
            ..Field::custom("plan".parse().unwrap(), "Plan", FieldType::Select)
        },
        Field {
            options,
            ..Field::custom("plans".parse().unwrap(), "Plans", FieldType::Multiselect)
        },
    ];
    let mut uow = store.begin().await.unwrap();
    for field in &custom {
        for number in [1, 2] {
            let organization = organization(number);
            uow.fields().insert(organization, field).await.unwrap();
        }
    }
    let mut contacts = [1, 2, 3].map(super::contact);
    let mut set = |number: usize, alias: &str, value: Value| {
        let alias = alias.parse().unwrap();
        contacts[number].set_value(&alias, Some(value), &mut ChangeSet::default());
    };
    let text = |text: &str| Value::Text(text.to_owned());
    set(0, "phone", text("030 901820"));
    set(0, "country", text("DE"));
    set(1, "plan", text("old"));
    let plans = ["new", "old"].map(str::to_owned);
    set(1, "plans", Value::Set(plans.into()));
    set(1, "firstname", text("Bob"));
    for (contact, tags) in contacts.iter_mut().zip([
        &["\"a\""][..],
        &["\"", "\"\"", "\"a\"", "\"a\", \"b\"", "a"],
        &["\"a\", b"],
    ]) {
        let tags = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        contact.set_tags(tags, &mut ChangeSet::default());
    }
    uow.contacts()
        .insert_many(organization(1), &contacts)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    let file = export(&store).await;
    let shown = String::from_utf8_lossy(&file).into_owned();
    assert_eq!(import(&store, &file, 1).await, [3, 0, 3, 0], "{shown}");
    assert_eq!(all(&store, 1).await, contacts);
    // The rest of a row counts all the same, and what is neither stored nor an option does not.
    let renamed = shown.replace("Bob", "Bo");
    assert_eq!(
        import(&store, renamed.as_bytes(), 1).await,
        [3, 0, 2, 0],
        "{renamed}"
    );
    let wrong = renamed.replace("new|old", "new|older");
    assert_eq!(
        import(&store, wrong.as_bytes(), 1).await,
        [3, 0, 2, 1],
        "{wrong}"
    );
    let there = all(&store, 1).await;
    assert_eq!(there[1].value("firstname"), Some(&text("Bo")));
    assert_eq!(there[1].value("plan"), Some(&text("old")));
    // Elsewhere nobody has the option.
    assert_eq!(import(&store, &file, 2).await, [3, 2, 0, 1], "{shown}");
    for copy in all(&store, 2).await {
        let same = |contact: &&Contact| contact.email() == copy.email();
        let original = contacts.iter().find(same).unwrap();
        assert_eq!(copy.parts().tags, original.parts().tags);
    }
}
