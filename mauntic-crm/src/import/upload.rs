use std::sync::Arc;

use chrono::TimeDelta;
use mauntic_core::{Actor, ImportId, OrganizationId, Permission, StoreError};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    runtime::Handle,
};
use tracing::warn;

use super::{CsvError, ImportError, ImportService, source::CHUNK};
use crate::CrmStore;

/// Uploads that no import is made of are kept this long.
const ORPHANED: TimeDelta = TimeDelta::days(1);

/// Bytes that were sent to be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Names the upload, and the import once there is one.
    pub id: ImportId,
    /// How many bytes.
    pub bytes: u64,
}

impl ImportService {
    /// Keeps the bytes of a file until they are imported, or for a day.
    ///
    /// # Errors
    /// [`ImportError::TooLarge`] beyond `max` bytes. Nothing is kept then, nor if the bytes cannot be read to their end,
    /// nor if whoever sends them goes away.
    pub async fn upload(
        &self,
        actor: &Actor,
        bytes: &mut (dyn AsyncRead + Send + Unpin),
        max: u64,
    ) -> Result<Upload, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        self.forget_orphans().await?;
        let id = ImportId::generate(&*self.ids);
        let mut unfinished = Unfinished {
            store: Arc::clone(&self.store),
            organization,
            id,
            over: false,
        };
        let kept = self.keep(organization, id, bytes, max).await;
        unfinished.over = true;
        match kept {
            Ok(bytes) => Ok(Upload { id, bytes }),
            Err(error) => {
                forget(&*self.store, organization, id).await?;
                Err(error)
            }
        }
    }

    /// Forgets an upload that nothing is to be made of.
    ///
    /// # Errors
    /// [`ImportError::UploadNotFound`] if there is none, or an import was made of it already.
    pub async fn forget_upload(&self, actor: &Actor, upload: ImportId) -> Result<(), ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let imports = self.store.imports();
        let bytes = imports.stored_bytes(organization, upload).await?;
        if bytes == 0 || imports.find(organization, upload).await?.is_some() {
            return Err(ImportError::UploadNotFound(upload));
        }
        Ok(forget(&*self.store, organization, upload).await?)
    }

    /// Forgets the uploads of all organisations that nothing was made of for a day.
    pub async fn forget_orphans(&self) -> Result<(), ImportError> {
        let mut uow = self.store.begin().await?;
        let before = self.clock.now() - ORPHANED;
        uow.imports().delete_orphans(before).await?;
        Ok(uow.commit().await?)
    }

    /// Keeps what is read, and says how many bytes it was.
    async fn keep(
        &self,
        organization: OrganizationId,
        id: ImportId,
        bytes: &mut (dyn AsyncRead + Send + Unpin),
        max: u64,
    ) -> Result<u64, ImportError> {
        let mut kept = 0;
        for number in 0.. {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = bytes
                .take(CHUNK as u64)
                .read_to_end(&mut chunk)
                .await
                .map_err(CsvError::Io)?;
            kept += read as u64;
            if kept > max {
                return Err(ImportError::TooLarge { max });
            }
            if read > 0 {
                let mut uow = self.store.begin().await?;
                uow.imports()
                    .add_chunk(organization, id, number, chunk, self.clock.now())
                    .await?;
                uow.commit().await?;
            }
            if read < CHUNK {
                break;
            }
        }
        Ok(kept)
    }
}

async fn forget(
    store: &dyn CrmStore,
    organization: OrganizationId,
    id: ImportId,
) -> Result<(), StoreError> {
    let mut uow = store.begin().await?;
    uow.imports().delete_chunks(organization, id).await?;
    uow.commit().await
}

/// An upload in the middle, which is forgotten if it does not come to an end: a server drops what it does for somebody
/// who is gone.
struct Unfinished {
    store: Arc<dyn CrmStore>,
    organization: OrganizationId,
    id: ImportId,
    over: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.over {
            return;
        }
        let (store, organization, id) = (Arc::clone(&self.store), self.organization, self.id);
        runtime.spawn(async move {
            if let Err(error) = forget(&*store, organization, id).await {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "an upload that broke off could not be forgotten, which is tried again in a day"
                );
            }
        });
    }
}
