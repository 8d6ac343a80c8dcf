use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use mauntic_core::{
    Access, Actor, AlwaysActive, Clock, IdSource, ImportId, OrganizationId, Page, PageSize,
    Permission, Standing, StoreError, UseCase, WorkerId,
};

use super::{
    Import, ImportError, ImportOptions, ImportPlan, ImportPreview, ImportProblem, ImportSource,
    ImportState, Mapping, ProblemKind, Watch,
    batch::BatchReader,
    look::{blocking, look},
    owners::RowOwners,
    preview::{existing, next_batch},
    report,
    row::RowParser,
    run::ImportRunner,
    source,
    tell::queue_rebuilds,
};
use crate::{AnyOwner, CrmStore, FieldSet, OwnerName, Owners, audit};

/// Rows in a batch: the larger, the fewer commits; the smaller, the less memory. What PostgreSQL works
/// on at once must fit its `work_mem`, 4 MB unless configured: else it writes it to disk first.
const BATCH: usize = 4_000;
/// How often somebody who waits for another's import looks.
const LOOK: Duration = Duration::from_millis(500);

/// Where a file to import is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportFile {
    /// On this host.
    Path(PathBuf),
    /// In an [`Upload`](super::Upload).
    Upload(ImportId),
}

/// What to import and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateImport {
    /// What people call it: the name of the file.
    pub name: String,
    /// Where the bytes are.
    pub file: ImportFile,
    /// What else is asked for.
    pub options: ImportOptions,
}

/// Imports contacts from CSV files.
#[derive(Clone)]
pub struct ImportService {
    pub(super) store: Arc<dyn CrmStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    standing: Arc<dyn Standing>,
    owners: Arc<dyn Owners>,
    batch: usize,
}

impl ImportService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        (
            "cancel",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        ("create", Access::Needs(Permission::ContactsImport)),
        ("find", Access::Needs(Permission::ContactsRead)),
        ("forget_orphans", Access::Itself),
        ("forget_upload", Access::Needs(Permission::ContactsImport)),
        ("glance", Access::Needs(Permission::ContactsImport)),
        ("list", Access::Needs(Permission::ContactsRead)),
        (
            "pause",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        ("preview", Access::Needs(Permission::ContactsImport)),
        (
            "problems",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        (
            "report",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        (
            "resume",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        ("run_once", Access::Itself),
        (
            "run_to_end",
            Access::NeedsAll(&[Permission::ContactsImport, Permission::ContactsRead]),
        ),
        ("unfinished", Access::Needs(Permission::ContactsRead)),
        ("upload", Access::Needs(Permission::ContactsImport)),
    ];

    /// Imports into that store.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            store,
            clock,
            ids,
            standing: Arc::new(AlwaysActive),
            owners: Arc::new(AnyOwner),
            batch: BATCH,
        }
    }

    /// The same, but the imports of organisations that are not at work are paused.
    #[must_use]
    pub fn with_standing(self, standing: Arc<dyn Standing>) -> Self {
        Self { standing, ..self }
    }

    /// The same, but only these can be in charge of contacts.
    #[must_use]
    pub fn with_owners(self, owners: Arc<dyn Owners>) -> Self {
        Self { owners, ..self }
    }

    /// The same with so many rows in a transaction.
    #[must_use]
    pub fn with_batch(self, rows: usize) -> Self {
        Self {
            batch: rows.max(1),
            ..self
        }
    }

    /// Reads the whole file, writes nothing, and says what an import would do.
    pub async fn preview(
        &self,
        actor: &Actor,
        command: CreateImport,
    ) -> Result<ImportPreview, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let import = self.plan(actor, organization, command).await?;
        let (plan, store) = (import.plan.clone(), Arc::clone(&self.store));
        let parser = RowParser::new(
            &plan.mapping,
            &self.fields(organization).await?,
            &plan.options,
        )?;
        let fields = parser.fields().to_vec();
        let mut preview = ImportPreview::new(plan.format, &plan.columns, &plan.mapping);
        let size = self.batch;
        let owners = Arc::clone(&self.owners);
        let mut reader = blocking(move || {
            let file = source::open(
                &import.plan.source,
                &store,
                organization,
                import.id,
                import.plan.bytes,
            )?;
            let owners = RowOwners::of(organization, owners);
            BatchReader::open(file, &import, parser, owners, store, size)
        })
        .await?;
        loop {
            let (next, batch) = blocking(move || next_batch(reader)).await?;
            reader = next;
            let there = existing(&*self.store, organization, &plan, &batch).await?;
            preview.add(&batch, &fields, there as u64);
            if batch.last {
                return Ok(preview);
            }
        }
    }

    /// Looks at the start of a file and makes an import of it, to be worked on by
    /// [`run_once`](Self::run_once) or [`run_to_end`](Self::run_to_end). If the same content is being
    /// imported already, that is the import.
    ///
    /// # Errors
    /// If the file, the mapping or the options cannot be: then nothing is written.
    pub async fn create(
        &self,
        actor: &Actor,
        command: CreateImport,
    ) -> Result<Import, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let import = self.plan(actor, organization, command).await?;
        let same = self
            .store
            .imports()
            .find_unfinished(organization, &import.plan.fingerprint)
            .await?;
        if let Some(same) = same.filter(|same| same.plan.options == import.plan.options) {
            if import.plan.source == ImportSource::Stored && import.id != same.id {
                let mut uow = self.store.begin().await?;
                uow.imports().delete_chunks(organization, import.id).await?;
                uow.commit().await?;
            }
            return Ok(same);
        }
        let mut uow = self.store.begin().await?;
        uow.imports().insert(&import).await?;
        let change = told("import.created", import.id).to(audit::import(&import.plan));
        audit::tell(uow.outbox(), actor, change, import.created_at, &*self.ids).await?;
        uow.commit().await?;
        Ok(import)
    }

    /// One import.
    pub async fn find(&self, actor: &Actor, id: ImportId) -> Result<Import, ImportError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let import = self.store.imports().find(organization, id).await?;
        import.ok_or(ImportError::NotFound(id))
    }

    /// One page of the imports, the latest first.
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<ImportId>,
        size: PageSize,
    ) -> Result<Page<Import, ImportId>, ImportError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.store.imports().list(organization, after, size).await?)
    }

    /// Up to a page of the imports that have not ended, the latest first.
    pub async fn unfinished(
        &self,
        actor: &Actor,
        size: PageSize,
    ) -> Result<Vec<Import>, ImportError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.store.imports().unfinished(organization, size).await?)
    }

    /// One page of the rows with problems of that kind, by line.
    pub async fn problems(
        &self,
        actor: &Actor,
        id: ImportId,
        kind: ProblemKind,
        after: Option<u64>,
        size: PageSize,
    ) -> Result<Page<ImportProblem, u64>, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        self.find(actor, id).await?;
        Ok(self
            .store
            .imports()
            .problems(organization, id, kind, after, size)
            .await?)
    }

    /// The bad rows as a CSV file, piece by piece: as they were, with line, column, value and reason
    /// behind. Once repaired, it can be imported as it is.
    pub async fn report(
        &self,
        actor: &Actor,
        id: ImportId,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + use<>, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let import = self.find(actor, id).await?;
        let mut uow = self.store.begin().await?;
        let change = told("import.report_exported", id);
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        let store = Arc::clone(&self.store);
        let header = report::header(&import.plan);
        let rows = stream::try_unfold(Some(None), move |after| {
            let (store, plan) = (Arc::clone(&store), import.plan.clone());
            async move {
                let Some(after) = after else { return Ok(None) };
                let size = PageSize::clamped(500);
                let page = store
                    .imports()
                    .problems(organization, id, ProblemKind::Bad, after, size)
                    .await?;
                Ok(Some((
                    report::rows(&plan, &page.items),
                    page.next.map(Some),
                )))
            }
        });
        Ok(futures_util::StreamExt::chain(
            stream::iter([Ok(header)]),
            rows,
        ))
    }

    /// Stops an import until it is resumed. What is imported stays.
    pub async fn pause(&self, actor: &Actor, id: ImportId) -> Result<Import, ImportError> {
        let from = [ImportState::Pending, ImportState::Running];
        self.change(actor, id, &from, ImportState::Paused, "import.paused")
            .await
    }

    /// Lets a paused or failed import go on where it was.
    pub async fn resume(&self, actor: &Actor, id: ImportId) -> Result<Import, ImportError> {
        let from = [ImportState::Paused, ImportState::Failed];
        self.change(actor, id, &from, ImportState::Pending, "import.resumed")
            .await
    }

    /// Stops an import for good. What is imported stays.
    pub async fn cancel(&self, actor: &Actor, id: ImportId) -> Result<Import, ImportError> {
        let from = [
            ImportState::Pending,
            ImportState::Running,
            ImportState::Paused,
            ImportState::Failed,
        ];
        self.change(actor, id, &from, ImportState::Cancelled, "import.cancelled")
            .await
    }

    /// Works on one import that waits, of any organisation, until it ends; `false` if none does.
    pub async fn run_once(
        &self,
        worker: WorkerId,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, ImportError> {
        let mut watch = Watch {
            progress: &mut |_, _| {},
            stop,
        };
        Ok(self.runner().run(None, worker, &mut watch).await?.is_some())
    }

    /// Works on an import until it ends, or waits for whoever does; returns what became of it.
    pub async fn run_to_end(
        &self,
        actor: &Actor,
        id: ImportId,
        worker: WorkerId,
        mut watch: Watch<'_>,
    ) -> Result<Import, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        loop {
            self.runner()
                .run(Some((organization, id)), worker, &mut watch)
                .await?;
            let import = self.find(actor, id).await?;
            (watch.progress)(&import, import.progress());
            let waits = matches!(import.state, ImportState::Pending | ImportState::Running);
            if !waits || (watch.stop)() {
                return Ok(import);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn runner(&self) -> ImportRunner {
        ImportRunner {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            standing: Arc::clone(&self.standing),
            owners: Arc::clone(&self.owners),
            batch: self.batch,
        }
    }

    pub(super) async fn fields(
        &self,
        organization: OrganizationId,
    ) -> Result<FieldSet, StoreError> {
        Ok(FieldSet::with_custom(
            self.store.fields().list_custom(organization).await?,
        ))
    }

    async fn change(
        &self,
        actor: &Actor,
        id: ImportId,
        from: &[ImportState],
        to: ImportState,
        action: &str,
    ) -> Result<Import, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let import = self.find(actor, id).await?;
        let mut uow = self.store.begin().await?;
        let changed = uow
            .imports()
            .change_state(organization, id, from, to, self.clock.now())
            .await?;
        if changed && to == ImportState::Cancelled {
            uow.imports().delete_chunks(organization, id).await?;
        }
        if changed && to != ImportState::Pending {
            queue_rebuilds(&mut *uow, &import, self.clock.now()).await?;
        }
        if changed {
            let now = self.clock.now();
            audit::tell(uow.outbox(), actor, told(action, id), now, &*self.ids).await?;
        }
        uow.commit().await?;
        let import = self.find(actor, id).await?;
        if changed {
            Ok(import)
        } else {
            Err(ImportError::WrongState(import.state))
        }
    }

    async fn plan(
        &self,
        actor: &Actor,
        organization: OrganizationId,
        command: CreateImport,
    ) -> Result<Import, ImportError> {
        let CreateImport {
            name,
            file,
            options,
        } = command;
        if let Some(segment) = options.segment {
            let found = self.store.segments().find(organization, segment).await?;
            if found.is_none_or(|segment| segment.rule.is_some()) {
                return Err(ImportError::SegmentNotFound(segment));
            }
        }
        if let Some(owner) = options.owner {
            let named = [OwnerName::Id(owner)];
            let found = self.owners.find(organization, &named).await?;
            if found.into_iter().flatten().next().is_none() {
                return Err(ImportError::NotAMember(owner));
            }
        }
        let fields = self.fields(organization).await?;
        let store = Arc::clone(&self.store);
        let (id, source, hints) = match file {
            ImportFile::Path(path) => (
                ImportId::generate(&*self.ids),
                ImportSource::Path { path },
                options.format,
            ),
            ImportFile::Upload(id) => (id, ImportSource::Stored, options.format),
        };
        if source == ImportSource::Stored
            && self.store.imports().find(organization, id).await?.is_some()
        {
            return Err(ImportError::UploadNotFound(id));
        }
        let looked = blocking(move || look(source, &store, organization, id, hints)).await?;
        let Some((source, bytes, fingerprint, sniffed)) = looked else {
            return Err(ImportError::UploadNotFound(id));
        };
        let mut mapping = Mapping::of(&sniffed.columns, &fields, &options.columns)?;
        if !sniffed.format.header
            && mapping.column_of(&super::Target::Email).is_none()
            && options.columns.is_empty()
            && let Some(column) = sniffed.address_column()
        {
            mapping.set_email(column);
        }
        RowParser::new(&mapping, &fields, &options)?;
        let plan = ImportPlan {
            name,
            source,
            fingerprint,
            bytes,
            format: sniffed.format,
            columns: sniffed.columns,
            mapping,
            options,
            actor: actor.principal(),
            rows_at: sniffed.rows_at,
        };
        Ok(Import::new(id, organization, plan, self.clock.now()))
    }
}

fn told(action: &str, id: ImportId) -> audit::Change {
    audit::Change::new(action, audit::Subject::new("import", id))
}
