//! Exports: what is exported imports back to the same contacts.

use std::sync::Arc;

use futures_util::StreamExt as _;
use mauntic_core::{Actor, UuidV7Source, WorkerId, testing::ManualClock};
use uuid::Uuid;

use super::organization;
use crate::{
    ChangeSet, Contact, ContactFilter, ContactListing, CrmStore, Field, FieldOption, FieldSet,
    FieldType, ParseContext,
    export::ExportService,
    import::{CreateImport, Existing, ImportFile, ImportOptions, ImportService, Watch},
};

fn service(store: &Arc<dyn CrmStore>) -> ExportService {
    let clock = Arc::new(ManualClock::at(super::noon()));
    ExportService::new(Arc::clone(store), clock, Arc::new(UuidV7Source))
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
    );
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
    let all = contacts.len() as u64;
    assert_eq!(
        import(&store, &file, 1).await,
        [all, 0, all, 0],
        "{}",
        String::from_utf8_lossy(&file)
    );
    assert_eq!(import(&store, &file, 2).await, [all, all, 0, 0]);
    let copies = store
        .contacts()
        .list(organization(2), &ContactListing::default())
        .await
        .unwrap()
        .items;
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
