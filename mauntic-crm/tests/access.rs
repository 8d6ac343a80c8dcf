//! Every use case of the CRM, as every role, as tokens, and from another organisation.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::{collections::BTreeSet, sync::Arc};

use futures_util::TryStreamExt as _;
use mauntic_core::{
    Actor, ContactId, FixedZone, Forbidden, IdSource, ImportId, OrganizationId, PageSize,
    Permission, Relay, Role, SegmentId, UseCase, UserId, WorkerId,
    storage::{
        DbOptions, SeaOrmRelayStore,
        test_database::{FileWatch, TestDatabase},
    },
    testing::{
        AccessCase, CountingIds, ManualClock, Reach, Told, Trace, access_cases, assert_access,
        assert_audited, assert_complete, assert_none_elsewhere,
    },
};
use mauntic_crm::{
    BulkService, Change, Channel, Contact, ContactFilter, ContactListing, ContactPatch,
    ContactService, CreateBulkChange, CreateContact, CreateField, CrmError, CrmStore,
    DoNotContactCommand, FieldAlias, FieldService, FieldType, LiftDoNotContact, Reason, SaveView,
    Tag, TagService, UpdateContact, UpdateField, UpsertContact, ViewService,
    audit::{AUDITED, UNAUDITED},
    bulk::{BulkAction, Whom},
    engagement::EngagementRecorder,
    export::ExportService,
    import::{
        CreateImport, FormatHints, ImportError, ImportFile, ImportOptions, ImportService,
        ImportState, ProblemKind, Watch,
    },
    segment::{
        CreateSegment, NoEmailNames, RuleInput, SegmentFilter, SegmentService, UpdateSegment,
    },
    storage::SeaOrmCrmStore,
};
use serde_json::json;
use uuid::Uuid;

const OWN: OrganizationId = OrganizationId::from_uuid(Uuid::from_u128(1));
const OTHER: OrganizationId = OrganizationId::from_uuid(Uuid::from_u128(2));
const PERSON: UserId = UserId::from_uuid(Uuid::from_u128(4));
const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(3));

/// One organisation with a contact, a tag, a field, two segments and an import; and another one without anything.
struct Fixture {
    contacts: ContactService,
    fields: FieldService,
    tags: TagService,
    segments: SegmentService,
    imports: ImportService,
    exports: ExportService,
    bulk: BulkService,
    views: ViewService,
    ann: ContactId,
    tag: Tag,
    field: FieldAlias,
    fans: SegmentId,
    readers: SegmentId,
    import: ImportId,
    all: PageSize,
    relay: Relay,
    told: Arc<Told>,
    watch: FileWatch,
    _database: TestDatabase,
}

fn named(email: &str) -> ContactPatch {
    ContactPatch {
        email: Change::Set(email.parse().unwrap()),
        ..ContactPatch::default()
    }
}

fn segment(name: &str, rule: Option<&str>) -> CreateSegment {
    CreateSegment {
        name: name.parse().unwrap(),
        description: String::new(),
        rule: rule.map(|rule| RuleInput::Text(rule.to_owned())),
    }
}

impl Fixture {
    async fn new() -> Self {
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

    fn create_import(upload: ImportId) -> CreateImport {
        CreateImport {
            name: "people.csv".to_owned(),
            file: ImportFile::Upload(upload),
            options: ImportOptions::default(),
        }
    }

    /// An upload of the first organisation that nothing is made of yet.
    async fn upload(&self) -> ImportId {
        let mut text: &[u8] = b"email\ncarol@example.com\n";
        let us = Actor::system(OWN);
        self.imports.upload(&us, &mut text, 1_000).await.unwrap().id
    }

    /// What a call by a person did.
    async fn traced(self, call: impl AsyncFnOnce(&Self, &Actor) -> Reach) -> Trace {
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
    fn shows(&self, contacts: &[Contact]) -> Reach {
        seen(contacts.iter().any(|contact| contact.id() == self.ann))
    }

    /// Whether what a call made belongs to its caller's organisation and not to the first one, for others.
    async fn kept_apart(&self, actor: &Actor, made: ContactId) -> Reach {
        let ours = Actor::system(OWN);
        let here = self.contacts.get(&ours, made).await.is_ok();
        let maker = Actor::system(actor.organization_id());
        let there = self.contacts.get(&maker, made).await;
        assert!(there.is_ok(), "it is its maker's");
        seen(here)
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each use case")]
    async fn contacts(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (contacts, ann) = (&self.contacts, self.ann);
        let values = json!({"plan": "gold"});
        let values = values.as_object().unwrap();
        let update = |patch| UpdateContact {
            id: ann,
            version: None,
            patch,
        };
        let create = |email| CreateContact {
            patch: named(email),
            origin: None,
        };
        let mark = DoNotContactCommand {
            channel: Channel::Email,
            reason: Reason::Manual,
            comment: String::new(),
        };
        let lift = LiftDoNotContact {
            channel: Channel::Email,
            only: None,
        };
        match use_case {
            // What is parsed depends on the caller's own fields.
            "parse" => known(contacts.parse(actor, values).await.map(drop)),
            "parse_many" => {
                let items = [values.clone()];
                known(
                    contacts
                        .parse_many(actor, &items)
                        .await?
                        .remove(0)
                        .map(drop),
                )
            }
            "create" => {
                let made = contacts.create(actor, create("new@example.com")).await?;
                Ok(self.kept_apart(actor, made.id()).await)
            }
            "create_many" => {
                let commands = [create("new@example.com")];
                let made = contacts.create_many(actor, &commands).await?.remove(0)?;
                Ok(self.kept_apart(actor, made.id()).await)
            }
            "update" => allowed(contacts.update(actor, update(named("a@example.com"))).await),
            "update_many" => {
                let commands = [update(named("a@example.com"))];
                allowed(contacts.update_many(actor, &commands).await?.remove(0))
            }
            "upsert_batch" => {
                let command = UpsertContact {
                    email: "ann@example.com".parse().unwrap(),
                    patch: ContactPatch {
                        add_tags: BTreeSet::from(["known".parse().unwrap()]),
                        ..ContactPatch::default()
                    },
                };
                let made = contacts.upsert_batch(actor, "test", &[command]).await?;
                Ok(seen(!made.into_iter().next().unwrap()?.created))
            }
            "get" => allowed(contacts.get(actor, ann).await),
            "find_many" => Ok(self.shows(&contacts.find_many(actor, &[ann]).await?)),
            "find_by_email" => {
                let email = "ann@example.com".parse().unwrap();
                Ok(seen(contacts.find_by_email(actor, &email).await?.is_some()))
            }
            "list" => {
                let page = contacts.list(actor, &ContactListing::default()).await?;
                Ok(self.shows(&page.items))
            }
            "growth" => Ok(seen(contacts.growth(actor, 7).await?.total > 0)),
            "count" => {
                let count = contacts.count(actor, &ContactFilter::default()).await?;
                Ok(seen(count > 0))
            }
            "history" => allowed(contacts.history(actor, ann, None, self.all).await),
            "merge_candidates" => {
                let ours = Actor::system(OWN);
                contacts.create(&ours, create("ann+x@example.com")).await?;
                let found = contacts.merge_candidates(actor, ann).await?;
                Ok(seen(found.len() == 1))
            }
            "merge" => {
                let ours = Actor::system(OWN);
                let twin = contacts.create(&ours, create("twin@example.com")).await?;
                allowed(contacts.merge(actor, twin.id(), ann).await)
            }
            "delete" => allowed(contacts.delete(actor, ann).await),
            "delete_many" => allowed(contacts.delete_many(actor, &[ann]).await?.remove(0)),
            "set_do_not_contact" => {
                allowed(contacts.set_do_not_contact(actor, ann, &mark, None).await)
            }
            "set_do_not_contact_many" => {
                let marked = contacts.set_do_not_contact_many(actor, &[ann], &mark).await;
                allowed(marked?.remove(0))
            }
            "lift_do_not_contact" => {
                let ours = Actor::system(OWN);
                contacts.set_do_not_contact(&ours, ann, &mark, None).await?;
                allowed(contacts.lift_do_not_contact(actor, ann, &lift, None).await)
            }
            "lift_do_not_contact_many" => {
                let ours = Actor::system(OWN);
                contacts.set_do_not_contact(&ours, ann, &mark, None).await?;
                let lifted = contacts
                    .lift_do_not_contact_many(actor, &[ann], &lift)
                    .await;
                allowed(lifted?.remove(0))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn fields(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (fields, alias) = (&self.fields, &self.field);
        match use_case {
            "list" => Ok(seen(fields.list(actor).await?.get("plan").is_some())),
            "create" => {
                let field = CreateField::new("Colour", FieldType::Text);
                fields.create(actor, field).await?;
                let ours = fields.list(&Actor::system(OWN)).await?;
                Ok(seen(ours.get("colour").is_some()))
            }
            "update" => {
                let command = UpdateField {
                    label: Some("Tariff".to_owned()),
                    ..UpdateField::default()
                };
                allowed(fields.update(actor, alias, command).await)
            }
            "delete" => allowed(fields.delete(actor, alias).await),
            "uses" => allowed(fields.uses(actor, alias).await),
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn tags(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (tags, tag) = (&self.tags, &self.tag);
        match use_case {
            "list" => {
                let page = tags.list(actor, None, self.all).await?;
                Ok(seen(page.items.contains(tag)))
            }
            "count" => Ok(seen(tags.count(actor, tag).await? == 1)),
            "change" => {
                let add = BTreeSet::from(["new".parse().unwrap()]);
                let changed = tags
                    .change(actor, &[self.ann], &add, &BTreeSet::new())
                    .await;
                allowed(changed?.remove(0))
            }
            "rename" => allowed(tags.rename(actor, tag, &"other".parse().unwrap()).await),
            "delete" => allowed(tags.delete(actor, tag).await),
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn segments(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (segments, fans, all) = (&self.segments, self.fans, self.all);
        match use_case {
            "create" => {
                let made = segments.create(actor, segment("New", None)).await?;
                let ours = segments.find(&Actor::system(OWN), made.id).await;
                Ok(seen(ours.is_ok()))
            }
            "update" => {
                let command = UpdateSegment {
                    name: Some("Friends".parse().unwrap()),
                    ..UpdateSegment::default()
                };
                allowed(segments.update(actor, fans, command).await)
            }
            "delete" => allowed(segments.delete(actor, fans).await),
            "find" => allowed(segments.find(actor, fans).await),
            "find_by_name" => {
                let found = segments.find_by_name(actor, "Fans").await?;
                Ok(seen(found.is_some()))
            }
            "list" => {
                let page = segments
                    .list(actor, &SegmentFilter::default(), None, all)
                    .await?;
                Ok(seen(page.items.iter().any(|segment| segment.id == fans)))
            }
            "growth" => allowed(segments.growth(actor, fans, 30).await),
            "used_by" => allowed(segments.used_by(actor, fans).await),
            "queue_rebuild" => allowed(segments.queue_rebuild(actor, self.readers).await),
            "members" => allowed(segments.members(actor, fans, None, all).await),
            "of_contact" => allowed(segments.of_contact(actor, self.ann).await),
            "add" => allowed(segments.add(actor, fans, &[self.ann]).await),
            "remove" => allowed(segments.remove(actor, fans, &[self.ann]).await),
            "preview" => {
                let rule = RuleInput::Text("email is set".to_owned());
                let preview = segments.preview(actor, rule).await?;
                Ok(self.shows(&preview.sample))
            }
            "explain" => allowed(segments.explain(actor, self.readers, self.ann).await),
            "rule_text" => {
                let ours = segments.find(&Actor::system(OWN), self.readers).await?;
                // The rule comes with the call; what it names is looked up in the caller's organisation.
                let text = segments.rule_text(actor, &ours).await?;
                assert_eq!(text.as_deref(), Some("tag in (\"vip\")"));
                Ok(seen(actor.organization_id() == OWN))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn imports(&self, use_case: &str, actor: &Actor) -> Result<Reach, ImportError> {
        let (imports, import, all) = (&self.imports, self.import, self.all);
        let mine = seen(actor.organization_id() == OWN);
        match use_case {
            "upload" => {
                let mut text: &[u8] = b"email\n";
                imports.upload(actor, &mut text, 1_000).await?;
                Ok(mine)
            }
            "preview" => {
                let command = Self::create_import(self.upload().await);
                imports.preview(actor, command).await?;
                Ok(Reach::Allowed)
            }
            "create" => {
                let command = Self::create_import(self.upload().await);
                imports.create(actor, command).await?;
                Ok(Reach::Allowed)
            }
            "glance" => {
                let upload = self.upload().await;
                imports
                    .glance(actor, upload, FormatHints::default())
                    .await?;
                Ok(Reach::Allowed)
            }
            "find" => imports.find(actor, import).await.map(|_| Reach::Allowed),
            "list" => {
                let page = imports.list(actor, None, all).await?;
                Ok(seen(page.items.iter().any(|found| found.id == import)))
            }
            "problems" => {
                let kind = ProblemKind::Duplicate;
                imports.problems(actor, import, kind, None, all).await?;
                Ok(Reach::Allowed)
            }
            "report" => {
                let pieces = imports.report(actor, import).await?;
                let pieces: Vec<Vec<u8>> = pieces.try_collect().await?;
                assert!(pieces.concat().len() < 1_000);
                Ok(Reach::Allowed)
            }
            "pause" => imports.pause(actor, import).await.map(|_| Reach::Allowed),
            "cancel" => imports.cancel(actor, import).await.map(|_| Reach::Allowed),
            "resume" => {
                let paused = imports.pause(&Actor::system(OWN), import).await?;
                assert_eq!(paused.state, ImportState::Paused);
                imports.resume(actor, import).await.map(|_| Reach::Allowed)
            }
            "run_to_end" => {
                let watch = Watch {
                    progress: &mut |_, _| {},
                    stop: &|| false,
                };
                let ended = imports.run_to_end(actor, import, WORKER, watch).await?;
                assert_eq!(ended.state, ImportState::Completed);
                Ok(Reach::Allowed)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn bulk(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let bulk = &self.bulk;
        let tagging = || CreateBulkChange {
            whom: Whom::Chosen(BTreeSet::from([self.ann])),
            action: BulkAction::Tags {
                add: BTreeSet::from([self.tag.clone()]),
                remove: BTreeSet::new(),
            },
            at_most: None,
        };
        let ours = Actor::system(OWN);
        match use_case {
            "create" => {
                let made = bulk.create(actor, tagging()).await?;
                Ok(seen(bulk.find(&ours, made.id).await.is_ok()))
            }
            "find" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.find(actor, made.id).await)
            }
            "cancel" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.cancel(actor, made.id).await)
            }
            "pause" => {
                let made = bulk.create(&ours, tagging()).await?;
                allowed(bulk.pause(actor, made.id).await)
            }
            "resume" => {
                let made = bulk.create(&ours, tagging()).await?;
                bulk.pause(&ours, made.id).await?;
                allowed(bulk.resume(actor, made.id).await)
            }
            "list" => {
                bulk.create(&ours, tagging()).await?;
                let page = bulk.list(actor, None, self.all).await?;
                Ok(seen(!page.items.is_empty()))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn views(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let views = &self.views;
        let save = |shared| SaveView {
            name: "Ours".to_owned(),
            query: "tag=vip".to_owned(),
            shared,
        };
        let ours = Actor::system(OWN);
        match use_case {
            // Tokens are no persons, who alone have views of their own.
            "save" => match views.save(actor, save(false)).await {
                Ok(made) => Ok(seen(made.organization_id == OWN)),
                Err(CrmError::Invalid(_)) => Ok(seen(actor.organization_id() == OWN)),
                Err(error) => Err(error),
            },
            "list" => {
                views.save(&ours, save(true)).await?;
                Ok(seen(!views.list(actor).await?.is_empty()))
            }
            // Who may only look deletes a view of their own.
            "delete" => {
                let own = views.save(actor, save(false)).await;
                match own {
                    Ok(own) if own.organization_id == OWN => {
                        allowed(views.delete(actor, own.id).await)
                    }
                    Err(CrmError::Forbidden(refused)) => Err(refused.into()),
                    _ => {
                        let shared = views.save(&ours, save(true)).await?;
                        match views.delete(actor, shared.id).await {
                            // A token that may look, but not change what is everybody's.
                            Err(CrmError::Forbidden(Forbidden::Lacking(
                                Permission::ContactsWrite,
                            ))) => Ok(seen(actor.organization_id() == OWN)),
                            other => allowed(other),
                        }
                    }
                }
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn exports(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        assert_eq!(use_case, "contacts", "no call is written for it");
        let pieces: Vec<Vec<u8>> = self
            .exports
            .contacts(actor, ContactFilter::default())
            .await?
            .try_collect()
            .await?;
        let text = String::from_utf8(pieces.concat()).unwrap();
        Ok(seen(text.contains("ann@example.com")))
    }
}

fn seen(seen: bool) -> Reach {
    if seen { Reach::Allowed } else { Reach::Unseen }
}

fn allowed<T>(result: Result<T, CrmError>) -> Result<Reach, CrmError> {
    result.map(|_| Reach::Allowed)
}

/// The field of the first organisation is unknown in others.
fn known(parsed: Result<(), CrmError>) -> Result<Reach, CrmError> {
    match parsed {
        Err(CrmError::InvalidFields(_)) => Ok(Reach::Unseen),
        parsed => allowed(parsed),
    }
}

fn reach(case: &AccessCase, result: Result<Reach, CrmError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(CrmError::Forbidden(_)) => Reach::Forbidden,
        Err(
            CrmError::ContactNotFound(_)
            | CrmError::SegmentNotFound(_)
            | CrmError::FieldNotFound(_)
            | CrmError::BulkChangeNotFound(_)
            | CrmError::ViewNotFound(_)
            | CrmError::TagNotFound,
        ) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

fn reach_of_import(case: &AccessCase, result: Result<Reach, ImportError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(ImportError::Forbidden(_)) => Reach::Forbidden,
        Err(ImportError::NotFound(_) | ImportError::UploadNotFound(_)) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

fn cases(use_cases: &[UseCase]) -> Vec<AccessCase> {
    let ids = CountingIds::default();
    // Beyond the ids that the fixtures use.
    for _ in 0..1_000 {
        ids.next();
    }
    access_cases(use_cases, OWN, OTHER, &ids)
}

/// Those whose calls make what they look at first.
const LOOKING: &[(&str, &str)] = &[
    ("bulk.find", "reads"),
    ("bulk.list", "reads"),
    ("contacts.merge_candidates", "reads"),
    ("imports.glance", "reads"),
    ("imports.preview", "reads"),
    ("views.list", "reads"),
];

fn a_case(use_case: &'static str) -> AccessCase {
    AccessCase {
        use_case,
        actor: Actor::system(OWN),
        expected: Reach::Allowed,
        who: "a person".to_owned(),
    }
}

macro_rules! access_tests {
    ($($name:ident: $service:ty, $reach:ident, [$($place:literal),+];)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test]
            async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
                assert_access(&cases(<$service>::USE_CASES), async |case: &AccessCase| {
                    let fixture = Fixture::new().await;
                    let result = fixture.$name(case.use_case, &case.actor).await;
                    $reach(case, result)
                })
                .await;
            }

            #[tokio::test]
            async fn what_somebody_changes_is_in_the_audit_log() {
                let (service, excused) = (stringify!($name), [UNAUDITED, LOOKING].concat());
                assert_audited(service, <$service>::USE_CASES, AUDITED, &excused, async |name| {
                    let fixture = Fixture::new().await;
                    fixture
                        .traced(async |fixture: &Fixture, person: &Actor| {
                            $reach(&a_case(name), fixture.$name(name, person).await)
                        })
                        .await
                })
                .await;
            }

            #[test]
            fn every_use_case_is_listed() {
                let places = [$(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $place)),+];
                assert_complete(<$service>::USE_CASES, &places);
            }
        })*

        #[test]
        fn no_use_case_stands_elsewhere() {
            let places = [$($(concat!(env!("CARGO_MANIFEST_DIR"), "/src/", $place)),+),*];
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
            assert_none_elsewhere(source, &places, &[]);
        }
    };
}

access_tests! {
    contacts: ContactService, reach, ["service/candidates.rs", "service/change.rs", "service/consent.rs", "service/contacts.rs", "service/merge.rs"];
    fields: FieldService, reach, ["service/fields.rs"];
    tags: TagService, reach, ["service/tags.rs"];
    segments: SegmentService, reach, ["segment/service"];
    imports: ImportService, reach_of_import, ["import/glance.rs", "import/service.rs"];
    exports: ExportService, reach, ["export.rs"];
    bulk: BulkService, reach, ["service/bulk.rs"];
    views: ViewService, reach, ["service/views.rs"];
}

#[test]
fn what_is_said_of_the_audit_log_is_of_these_services() {
    let services = [
        "contacts", "fields", "tags", "segments", "imports", "exports", "bulk", "views",
    ];
    for (use_case, _) in AUDITED.iter().chain(UNAUDITED) {
        let service = use_case.split('.').next().unwrap();
        assert!(services.contains(&service), "{use_case}");
    }
}

/// It takes no actor: only handlers of events call it.
#[test]
fn every_use_case_of_engagement_is_listed() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engagement.rs");
    assert_complete(EngagementRecorder::USE_CASES, &[place]);
}
