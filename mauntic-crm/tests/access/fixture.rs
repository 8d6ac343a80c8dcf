//! What the calls work on: the services over a database of their own, and what they did.

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{
    Actor, ContactId, FixedZone, ImportId, OrganizationId, PageSize, Relay, Role, SegmentId,
    UserId, WorkerId,
    storage::{
        DbOptions, SeaOrmRelayStore,
        test_database::{FileWatch, TestDatabase},
    },
    testing::{CountingIds, ManualClock, Reach, Told, Trace},
};
use mauntic_crm::{
    BulkService, Change, Contact, ContactPatch, ContactService, CreateContact, CreateField,
    CrmStore, FieldAlias, FieldService, FieldType, Tag, TagService, ViewService,
    export::ExportService,
    import::{CreateImport, ImportError, ImportFile, ImportOptions, ImportService},
    segment::{CreateSegment, NoEmailNames, RuleInput, SegmentService},
    storage::SeaOrmCrmStore,
};
use uuid::Uuid;

use crate::calls::seen;

pub(crate) const OWN: OrganizationId = OrganizationId::from_uuid(Uuid::from_u128(1));
pub(crate) const OTHER: OrganizationId = OrganizationId::from_uuid(Uuid::from_u128(2));
const PERSON: UserId = UserId::from_uuid(Uuid::from_u128(4));
pub(crate) const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(3));

/// One organisation with a contact, a tag, a field, two segments and an import; and another one without anything.
pub(crate) struct Fixture {
    pub(crate) contacts: ContactService,
    pub(crate) fields: FieldService,
    pub(crate) tags: TagService,
    pub(crate) segments: SegmentService,
    pub(crate) imports: ImportService,
    pub(crate) exports: ExportService,
    pub(crate) bulk: BulkService,
    pub(crate) views: ViewService,
    pub(crate) ann: ContactId,
    pub(crate) tag: Tag,
    pub(crate) field: FieldAlias,
    pub(crate) fans: SegmentId,
    pub(crate) readers: SegmentId,
    pub(crate) import: ImportId,
    pub(crate) all: PageSize,
    relay: Relay,
    told: Arc<Told>,
    watch: FileWatch,
    _database: TestDatabase,
}

pub(crate) fn named(email: &str) -> ContactPatch {
    ContactPatch {
        email: Change::Set(email.parse().unwrap()),
        ..ContactPatch::default()
    }
}

pub(crate) fn segment(name: &str, rule: Option<&str>) -> CreateSegment {
    CreateSegment {
        name: name.parse().unwrap(),
        description: String::new(),
        rule: rule.map(|rule| RuleInput::Text(rule.to_owned())),
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::sqlite();
        let store = SeaOrmCrmStore::connect(&database.target, DbOptions::default());
        let store = store.await.unwrap();
        store.migrate().await.unwrap();
        let outbox = SeaOrmRelayStore::new(store.db().clone());
        let store: Arc<dyn CrmStore> = store;
        let clock = Arc::<ManualClock>::default();
        let told = Arc::<Told>::default();
        let ids = Arc::<CountingIds>::default();
        let zones = Arc::new(FixedZone::default());
        let contacts =
            ContactService::new(store.clone(), clock.clone(), ids.clone(), zones.clone());
        let fields = FieldService::new(store.clone(), clock.clone(), ids.clone());
        let segments = SegmentService::new(
            store.clone(),
            clock.clone(),
            ids.clone(),
            zones,
            Arc::new(NoEmailNames),
        );
        let imports = ImportService::new(store.clone(), clock.clone(), ids.clone());
        let us = Actor::system(OWN);
        let field = CreateField::new("Plan", FieldType::Text);
        let field = fields.create(&us, field).await.unwrap().alias;
        let tag: Tag = "vip".parse().unwrap();
        let patch = ContactPatch {
            add_tags: BTreeSet::from([tag.clone()]),
            ..named("ann@example.com")
        };
        let command = CreateContact {
            patch,
            origin: None,
        };
        let ann = contacts.create(&us, command).await.unwrap().id();
        let fans = segments.create(&us, segment("Fans", None)).await.unwrap();
        let rule = Some("tag in (\"vip\")");
        let readers = segments.create(&us, segment("Readers", rule)).await;
        let fixture = Self {
            tags: TagService::new(contacts.clone()),
            exports: ExportService::new(store.clone(), clock.clone(), ids.clone()),
            bulk: BulkService::new(contacts.clone(), segments.clone()),
            views: ViewService::new(store, clock.clone(), ids),
            fans: fans.id,
            readers: readers.unwrap().id,
            import: ImportId::from_uuid(Uuid::nil()),
            contacts,
            fields,
            segments,
            imports,
            ann,
            tag,
            field,
            all: PageSize::default(),
            relay: Relay::new(outbox, vec![told.clone()], clock),
            told,
            watch: FileWatch::of(&database.target, "crm").await,
            _database: database,
        };
        let import = fixture.new_import(&us).await.unwrap();
        Self { import, ..fixture }
    }

    async fn new_import(&self, actor: &Actor) -> Result<ImportId, ImportError> {
        let mut text: &[u8] = b"email\nbob@example.com\n";
        let upload = self.imports.upload(actor, &mut text, 1_000).await?;
        let command = Self::create_import(upload.id);
        Ok(self.imports.create(actor, command).await?.id)
    }

    pub(crate) fn create_import(upload: ImportId) -> CreateImport {
        CreateImport {
            name: "people.csv".to_owned(),
            file: ImportFile::Upload(upload),
            options: ImportOptions::default(),
        }
    }

    /// An upload of the first organisation that nothing is made of yet.
    pub(crate) async fn upload(&self) -> ImportId {
        let mut text: &[u8] = b"email\ncarol@example.com\n";
        let us = Actor::system(OWN);
        self.imports.upload(&us, &mut text, 1_000).await.unwrap().id
    }

    /// What a call by a person did.
    pub(crate) async fn traced(self, call: impl AsyncFnOnce(&Self, &Actor) -> Reach) -> Trace {
        let person = Actor::user(OWN, PERSON, Role::Owner);
        let before = self.watch.version().await;
        assert_eq!(call(&self, &person).await, Reach::Allowed);
        let wrote = self.watch.version().await != before;
        while self.relay.run_once().await.unwrap().did_work() {}
        let told = self.told.take().into_iter();
        let by_person = told.filter(|made| made.principal == person.principal());
        let actions = by_person.map(|made| made.change.action).collect();
        Trace { wrote, actions }
    }

    /// Whether Ann can be seen among these.
    pub(crate) fn shows(&self, contacts: &[Contact]) -> Reach {
        seen(contacts.iter().any(|contact| contact.id() == self.ann))
    }

    /// Whether what a call made belongs to its caller's organisation and not to the first one, for others.
    pub(crate) async fn kept_apart(&self, actor: &Actor, made: ContactId) -> Reach {
        let ours = Actor::system(OWN);
        let here = self.contacts.get(&ours, made).await.is_ok();
        let maker = Actor::system(actor.organization_id());
        let there = self.contacts.get(&maker, made).await;
        assert!(there.is_ok(), "it is its maker's");
        seen(here)
    }
}
