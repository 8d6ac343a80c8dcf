//! Imports: every row is dealt with once, whatever happens in between.

pub mod files;
pub mod interruptions;
pub mod reports;
pub mod rows;
pub mod uploads;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use mauntic_core::{
    Actor, ImportId, PageSize, Role, UserId, WorkerId,
    testing::{CountingIds, ManualClock, ManualStanding},
};
use uuid::Uuid;

use super::{Staff, organization};
use crate::{
    Contact, ContactListing, CrmStore, Field, FieldType,
    import::{
        CreateImport, Import, ImportCounts, ImportError, ImportFile, ImportOptions, ImportProblem,
        ImportService, ImportState, ProblemKind, Watch,
    },
};

struct Desk {
    store: Arc<dyn CrmStore>,
    clock: Arc<ManualClock>,
    standing: Arc<ManualStanding>,
    service: ImportService,
    actor: Actor,
}

const WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(7));
const OTHER_WORKER: WorkerId = WorkerId::from_uuid(Uuid::from_u128(8));

impl Desk {
    fn new(store: Arc<dyn CrmStore>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let standing = Arc::new(ManualStanding::default());
        let service = ImportService::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::new(CountingIds::default()),
        );
        let actor = Actor::user(
            organization(1),
            UserId::from_uuid(Uuid::from_u128(5)),
            Role::Owner,
        );
        Self {
            store,
            clock,
            service: service
                .with_batch(2)
                .with_standing(standing.clone())
                .with_owners(Arc::new(Staff)),
            standing,
            actor,
        }
    }

    async fn create(
        &self,
        text: impl AsRef<[u8]>,
        options: ImportOptions,
    ) -> Result<Import, ImportError> {
        let mut bytes = text.as_ref();
        let upload = self
            .service
            .upload(&self.actor, &mut bytes, 1 << 30)
            .await?;
        let file = ImportFile::Upload(upload.id);
        let command = CreateImport {
            name: "people.csv".to_owned(),
            file,
            options,
        };
        self.service.create(&self.actor, command).await
    }

    async fn finish(&self, id: ImportId) -> Import {
        let watch = Watch {
            progress: &mut |_, _| {},
            stop: &|| false,
        };
        self.service
            .run_to_end(&self.actor, id, WORKER, watch)
            .await
            .unwrap()
    }

    /// Works on an import for so many batches, and leaves it.
    async fn batches(&self, id: ImportId, wanted: usize) -> Import {
        let done = AtomicUsize::new(0);
        let mut progress = |_: &Import, _| {
            done.fetch_add(1, Ordering::SeqCst);
        };
        let watch = Watch {
            progress: &mut progress,
            stop: &|| done.load(Ordering::SeqCst) >= wanted,
        };
        let left = self.service.run_to_end(&self.actor, id, WORKER, watch);
        let left = left.await.unwrap();
        assert_eq!(left.state, ImportState::Pending);
        left
    }

    async fn import(&self, text: impl AsRef<[u8]>, options: ImportOptions) -> Import {
        let import = self.create(text, options).await.unwrap();
        let import = self.finish(import.id).await;
        assert_eq!(import.state, ImportState::Completed, "{:?}", import.error);
        import
    }

    async fn contact(&self, email: &str) -> Contact {
        let keys = [email.to_lowercase()];
        let mut found = self
            .store
            .contacts()
            .find_by_emails(organization(1), &keys)
            .await
            .unwrap();
        found.pop().unwrap_or_else(|| panic!("{email} is there"))
    }

    async fn all(&self) -> Vec<Contact> {
        let listing = ContactListing {
            size: PageSize::clamped(1_000),
            ..ContactListing::default()
        };
        self.store
            .contacts()
            .list(organization(1), &listing)
            .await
            .unwrap()
            .items
    }

    async fn problems(&self, id: ImportId, kind: ProblemKind) -> Vec<ImportProblem> {
        let page = self
            .service
            .problems(&self.actor, id, kind, None, PageSize::clamped(100))
            .await;
        page.unwrap().items
    }

    async fn report(&self, id: ImportId) -> String {
        let pieces = self.service.report(&self.actor, id).await.unwrap();
        let pieces: Vec<_> = futures_util::StreamExt::collect(pieces).await;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
        String::from_utf8(bytes).unwrap()
    }

    async fn add_field(&self, field: Field) {
        let mut uow = self.store.begin().await.unwrap();
        uow.fields().insert(organization(1), &field).await.unwrap();
        uow.commit().await.unwrap();
    }
}

fn counts(import: &Import) -> [u64; 6] {
    let ImportCounts {
        rows,
        created,
        updated,
        unchanged,
        failed,
        duplicates,
    } = import.counts;
    [rows, created, updated, unchanged, failed, duplicates]
}

fn text<'a>(contact: &'a Contact, alias: &str) -> Option<&'a str> {
    contact.value(alias).and_then(crate::Value::as_text)
}

fn unique(alias: &str) -> Field {
    Field {
        unique: true,
        ..Field::custom(alias.parse().unwrap(), alias, FieldType::Text)
    }
}
