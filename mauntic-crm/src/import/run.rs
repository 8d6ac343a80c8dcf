use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    CLOSED, Clock, ContactId, IdSource, ImportId, OrganizationId, Standing, StoreError, WorkerId,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::{error, info, warn};

use super::{
    CsvError, Import, ImportError, ImportProgress, ImportSource, ImportState,
    apply::{Applied, Applier},
    batch::{Batch, BatchReader, Prepare},
    change::{Matching, Rules},
    owners::{RowOwners, find_members},
    row::RowParser,
    source,
    tell::{queue_rebuilds, tell_end},
};
use crate::{CrmStore, Field, FieldSet, OwnerName, Owners};

/// How long a worker may be silent before another takes its import.
const LEASE: TimeDelta = TimeDelta::seconds(15);
/// How often a worker that waits for its file says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How often a worker asks whether the organisation of its import is still at work.
const LOOK: Duration = Duration::from_secs(1);
/// How often a batch is tried before the import fails.
pub(super) const ATTEMPTS: u32 = 5;

/// How long to wait after so many attempts failed.
pub(super) fn pause_after(attempts: u32) -> Duration {
    Duration::from_millis(50 << attempts)
}

/// What a worker and whoever waits for an import say to each other.
pub struct Watch<'a> {
    /// Told after every batch.
    pub progress: &'a mut (dyn FnMut(&Import, ImportProgress) + Send),
    /// Asked before every batch: to leave the import for another worker.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// Works through imports.
pub(super) struct ImportRunner {
    pub(super) store: Arc<dyn CrmStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) standing: Arc<dyn Standing>,
    pub(super) owners: Arc<dyn Owners>,
    pub(super) batch: usize,
}

enum Step {
    /// The batch is in.
    Done(Box<Import>, u64),
    /// The import is another worker's, paused or cancelled.
    Lost,
}

impl ImportRunner {
    /// Takes the import, or any that waits, and works on it until it ends or is taken away.
    pub(super) async fn run(
        &self,
        only: Option<(OrganizationId, ImportId)>,
        worker: WorkerId,
        watch: &mut Watch<'_>,
    ) -> Result<Option<ImportId>, ImportError> {
        let now = self.clock.now();
        if !self.store.imports().has_waiting(now).await? {
            return Ok(None);
        }
        let mut uow = self.store.begin().await?;
        let claimed = uow.imports().claim(only, worker, now, now + LEASE).await?;
        uow.commit().await?;
        let Some(import) = claimed else {
            return Ok(None);
        };
        let id = import.id;
        info!(import.id = %id, position = import.place.position, "an import goes on");
        self.work(import, worker, watch).await?;
        Ok(Some(id))
    }

    async fn work(
        &self,
        mut import: Import,
        worker: WorkerId,
        watch: &mut Watch<'_>,
    ) -> Result<(), ImportError> {
        if let Some(owner) = import.plan.options.owner {
            let named = [OwnerName::Id(owner)];
            let found = find_members(&*self.owners, import.organization_id, &named).await?;
            // Since the import was made, they may have left.
            if found.into_iter().flatten().next().is_none() {
                let reason = ImportError::NotAMember(owner).to_string();
                return self.fail(import, worker, &reason, None).await;
            }
        }
        let custom = self
            .store
            .fields()
            .list_custom(import.organization_id)
            .await?;
        let parser = RowParser::new(
            &import.plan.mapping,
            &FieldSet::with_custom(custom),
            &import.plan.options,
        )?;
        let fields = parser.fields().to_vec();
        let mostly_new = Arc::new(AtomicBool::new(true));
        let (mut batches, reader) = self.read(import.clone(), parser, &mostly_new);
        let mut looked: Option<Instant> = None;
        let outcome = loop {
            if (watch.stop)() {
                break self.release(import, worker).await;
            }
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                if !self.standing.is_active(import.organization_id).await? {
                    break self.stand_still(import, worker).await;
                }
                looked = Some(Instant::now());
            }
            let batch = match tokio::time::timeout(HEARTBEAT, batches.recv()).await {
                Err(_) => {
                    if self.heartbeat(&mut import, worker).await? {
                        continue;
                    }
                    break Ok(());
                }
                Ok(Some(Ok(batch))) => batch,
                Ok(Some(Err(error))) => {
                    break self
                        .fail(import, worker, &error.to_string(), Some(&error))
                        .await;
                }
                Ok(None) => {
                    break Err(ImportError::Store(StoreError::backend(
                        "the reader of an import stopped",
                    )));
                }
            };
            match self
                .apply(
                    &import,
                    &fields,
                    worker,
                    &batch,
                    !mostly_new.load(Ordering::Relaxed),
                )
                .await
            {
                Ok(Step::Done(next, existing)) => {
                    mostly_new.store(existing * 2 <= batch.rows.len() as u64, Ordering::Relaxed);
                    import = *next;
                }
                Ok(Step::Lost) => break Ok(()),
                Err(error) => {
                    let told = self
                        .fail(import, worker, "the database refused a batch", None)
                        .await;
                    break told.and(Err(error.into()));
                }
            }
            (watch.progress)(&import, import.progress());
            if import.state.is_final() {
                info!(import.id = %import.id, rows = import.counts.rows, failed = import.counts.failed, "an import is complete");
                break Ok(());
            }
        };
        drop(batches);
        reader.await.map_err(StoreError::backend)?;
        outcome
    }

    /// What the reading thread can do for the writing one: make contacts of rows, as long as most are new.
    fn prepare(&self, import: &Import, fields: &[Field], wanted: &Arc<AtomicBool>) -> Prepare {
        let (import, fields, wanted) = (import.clone(), fields.to_vec(), Arc::clone(wanted));
        let (store, ids) = (Arc::clone(&self.store), Arc::clone(&self.ids));
        let clock = Arc::clone(&self.clock);
        Box::new(move |batch| {
            if !wanted.load(Ordering::Relaxed) {
                return None;
            }
            let rules = Rules {
                import: &import,
                fields: &fields,
                ids: &*ids,
                now: clock.now(),
            };
            let rows = batch.rows.iter().map(|row| rules.new_contact(&row.row));
            let contacts = rows.collect::<Result<Vec<_>, _>>().ok()?;
            store
                .contacts()
                .prepare_insert(import.organization_id, contacts)
                .ok()
        })
    }

    /// Reads ahead on a thread of its own: one batch is parsed while another is written.
    fn read(
        &self,
        import: Import,
        parser: RowParser,
        wanted: &Arc<AtomicBool>,
    ) -> (mpsc::Receiver<Result<Batch, CsvError>>, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(1);
        let (store, size) = (Arc::clone(&self.store), self.batch);
        let owners = Arc::clone(&self.owners);
        let prepare = self.prepare(&import, parser.fields(), wanted);
        let task = tokio::task::spawn_blocking(move || {
            let owners = RowOwners::of(import.organization_id, owners);
            let mut reader = match open(&store, &import, parser, owners, size) {
                Ok(reader) => reader,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            loop {
                let batch = reader.next().map(|mut batch| {
                    batch.prepared = prepare(&batch);
                    batch
                });
                let last = batch.as_ref().map_or(true, |batch| batch.last);
                if sender.blocking_send(batch).is_err() || last {
                    return;
                }
            }
        });
        (receiver, task)
    }

    async fn apply(
        &self,
        import: &Import,
        fields: &[Field],
        worker: WorkerId,
        batch: &Batch,
        expect_existing: bool,
    ) -> Result<Step, StoreError> {
        let mut attempt = 1;
        loop {
            let error = match self
                .try_apply(import, fields, worker, batch, expect_existing)
                .await
            {
                Ok(step) => return Ok(step),
                Err(error) => error,
            };
            if attempt == ATTEMPTS {
                error!(import.id = %import.id, line = import.place.line, error = &error as &dyn std::error::Error, "a batch of an import failed for good");
                return Err(error);
            }
            // Another transaction was in the way, or the database was away for a moment.
            warn!(import.id = %import.id, attempt, error = &error as &dyn std::error::Error, "a batch of an import failed, to be tried again");
            tokio::time::sleep(pause_after(attempt)).await;
            attempt += 1;
        }
    }

    async fn try_apply(
        &self,
        import: &Import,
        fields: &[Field],
        worker: WorkerId,
        batch: &Batch,
        expect_existing: bool,
    ) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let merged = self.merged(import, batch).await?;
        let mut uow = self.store.begin().await?;
        let applier = Applier {
            merged,
            rules: Rules {
                import,
                fields,
                ids: &*self.ids,
                now,
            },
            expect_existing: batch.prepared.is_none() && expect_existing,
        };
        let Applied {
            counts,
            problems,
            existing,
            ..
        } = applier.apply(&mut *uow, batch).await?;
        let (organization, id) = (import.organization_id, import.id);
        uow.imports()
            .add_problems(organization, id, &batch.problems)
            .await?;
        uow.imports()
            .add_problems(organization, id, &problems)
            .await?;
        let mut next = import.clone();
        next.counts += counts;
        next.place = batch.place;
        let ended = self.clock.now();
        next.spend(worker, ended);
        if batch.last {
            next.state = ImportState::Completed;
            next.finished_at = Some(ended);
            next.lease = None;
            self.finish(&mut *uow, &next).await?;
        }
        if !uow.imports().save_progress(&next, worker).await? {
            return Ok(Step::Lost);
        }
        uow.commit().await?;
        Ok(Step::Done(Box::new(next), existing))
    }

    /// Which contacts those that the rows name by id, but that were merged into others, are now.
    async fn merged(
        &self,
        import: &Import,
        batch: &Batch,
    ) -> Result<BTreeMap<ContactId, ContactId>, StoreError> {
        if import.plan.matching() != Matching::Id {
            return Ok(BTreeMap::new());
        }
        let ids: Vec<_> = batch.rows.iter().filter_map(|row| row.row.id).collect();
        let contacts = self.store.contacts();
        contacts.merged_into(import.organization_id, &ids).await
    }

    async fn finish(
        &self,
        uow: &mut dyn crate::CrmUnitOfWork,
        import: &Import,
    ) -> Result<(), StoreError> {
        if import.plan.source == ImportSource::Stored {
            uow.imports()
                .delete_chunks(import.organization_id, import.id)
                .await?;
        }
        let now = self.clock.now();
        queue_rebuilds(uow, import, now).await?;
        tell_end(uow, import, now, &*self.ids).await
    }

    async fn heartbeat(&self, import: &mut Import, worker: WorkerId) -> Result<bool, StoreError> {
        import.spend(worker, self.clock.now());
        self.save(import, worker).await
    }

    async fn release(&self, mut import: Import, worker: WorkerId) -> Result<(), ImportError> {
        import.state = ImportState::Pending;
        import.lease = None;
        self.save(&import, worker).await?;
        Ok(())
    }

    async fn stand_still(&self, mut import: Import, worker: WorkerId) -> Result<(), ImportError> {
        info!(import.id = %import.id, "an import is paused: its organisation is blocked or to be deleted");
        import.state = ImportState::Paused;
        import.error = Some(CLOSED.to_owned());
        import.lease = None;
        self.save(&import, worker).await?;
        Ok(())
    }

    async fn fail(
        &self,
        mut import: Import,
        worker: WorkerId,
        message: &str,
        cause: Option<&CsvError>,
    ) -> Result<(), ImportError> {
        warn!(import.id = %import.id, error = cause.map(|cause| cause as &dyn std::error::Error), "an import cannot go on");
        import.state = ImportState::Failed;
        import.error = Some(message.to_owned());
        import.lease = None;
        self.save(&import, worker).await?;
        Ok(())
    }

    async fn save(&self, import: &Import, worker: WorkerId) -> Result<bool, StoreError> {
        let mut uow = self.store.begin().await?;
        let held = uow.imports().save_progress(import, worker).await?;
        let stands = matches!(import.state, ImportState::Paused | ImportState::Failed);
        if held && stands && import.counts.rows > 0 {
            queue_rebuilds(&mut *uow, import, self.clock.now()).await?;
        }
        if held && stands {
            tell_end(&mut *uow, import, self.clock.now(), &*self.ids).await?;
        }
        uow.commit().await?;
        Ok(held)
    }
}

impl Import {
    /// Counts the time since the last sign of life, and gives another.
    fn spend(&mut self, worker: WorkerId, now: DateTime<Utc>) {
        if let Some((_, until)) = self.lease {
            let spent = now - (until - LEASE);
            self.busy_micros += spent.num_microseconds().unwrap_or_default().max(0);
        }
        self.lease = Some((worker, now + LEASE));
    }
}

fn open(
    store: &Arc<dyn CrmStore>,
    import: &Import,
    parser: RowParser,
    owners: RowOwners,
    size: usize,
) -> Result<BatchReader, CsvError> {
    let plan = &import.plan;
    if let ImportSource::Path { path } = &plan.source {
        let (_, fingerprint) = source::inspect(path)?;
        if fingerprint != plan.fingerprint {
            return Err(CsvError::Changed);
        }
    }
    let file = source::open(
        &plan.source,
        store,
        import.organization_id,
        import.id,
        plan.bytes,
    )?;
    BatchReader::open(file, import, parser, owners, Arc::clone(store), size)
}
