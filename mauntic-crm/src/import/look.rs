use std::sync::Arc;

use mauntic_core::{ImportId, OrganizationId, StoreError};
use sha2::{Digest as _, Sha256};

use super::{
    CsvError, FormatHints, ImportError, ImportSource, Sniffed,
    source::{self, CHUNK},
};
use crate::CrmStore;

type Looked = (ImportSource, u64, String, Sniffed);

/// Size, fingerprint and start of a file; `None` if there is no such upload.
pub(super) fn look(
    source: ImportSource,
    store: &Arc<dyn CrmStore>,
    organization: OrganizationId,
    id: ImportId,
    hints: FormatHints,
) -> Result<Option<Looked>, CsvError> {
    let (source, bytes, fingerprint) = match source {
        ImportSource::Path { path } => {
            let (bytes, fingerprint) = source::inspect(&path)?;
            (
                ImportSource::Path {
                    path: path.canonicalize()?,
                },
                bytes,
                fingerprint,
            )
        }
        ImportSource::Stored => {
            let (bytes, fingerprint) =
                measure(store, organization, id).map_err(std::io::Error::other)?;
            if bytes == 0 {
                return Ok(None);
            }
            (ImportSource::Stored, bytes, fingerprint)
        }
    };
    let file = source::open(&source, store, organization, id, bytes)?;
    let sniffed = Sniffed::read(file, hints)?;
    Ok(Some((source, bytes, fingerprint, sniffed)))
}

fn measure(
    store: &Arc<dyn CrmStore>,
    organization: OrganizationId,
    id: ImportId,
) -> Result<(u64, String), StoreError> {
    let runtime = tokio::runtime::Handle::current();
    let (mut bytes, mut hash) = (0, Sha256::new());
    for number in 0.. {
        let chunk = runtime.block_on(store.imports().chunk(organization, id, number))?;
        let Some(chunk) = chunk else { break };
        bytes += chunk.len() as u64;
        hash.update(&chunk);
        if chunk.len() < CHUNK {
            break;
        }
    }
    Ok((bytes, format!("stored:{}", source::hex(&hash.finalize()))))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CsvError> + Send + 'static,
) -> Result<T, ImportError> {
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(StoreError::backend)?;
    Ok(done?)
}
