use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
    time::UNIX_EPOCH,
};

use mauntic_core::{ImportId, OrganizationId};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::ImportSource;
use crate::CrmStore;

/// Uploads are kept in pieces of this size.
pub(crate) const CHUNK: usize = 1024 * 1024;
/// How much of either end of a file goes into its fingerprint.
const ENDS: u64 = 64 * 1024;

/// Something to read a CSV file from.
pub(crate) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// Size and fingerprint of a file: where it is, its size, when it was changed, and both its ends.
pub(crate) fn inspect(path: &std::path::Path) -> io::Result<(u64, String)> {
    let path = path.canonicalize()?;
    let mut file = File::open(&path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let changed = about
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.update(about.len().to_le_bytes());
    hash.update(changed.as_micros().to_le_bytes());
    let mut end = Vec::new();
    (&mut file).take(ENDS).read_to_end(&mut end)?;
    hash.update(&end);
    file.seek(SeekFrom::Start(about.len().saturating_sub(ENDS)))?;
    end.clear();
    file.take(ENDS).read_to_end(&mut end)?;
    hash.update(&end);
    Ok((about.len(), format!("path:{}", hex(&hash.finalize()))))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Opens what an import reads. Blocking: only for threads that may block, within a Tokio runtime.
pub(crate) fn open(
    source: &ImportSource,
    store: &Arc<dyn CrmStore>,
    organization: OrganizationId,
    import: ImportId,
    bytes: u64,
) -> io::Result<Box<dyn ReadSeek>> {
    match source {
        ImportSource::Path { path } => Ok(Box::new(File::open(path)?)),
        ImportSource::Stored => Ok(Box::new(StoredFile {
            store: Arc::clone(store),
            runtime: Handle::current(),
            organization,
            import,
            bytes,
            position: 0,
            chunk: None,
        })),
    }
}

/// An upload, read piece by piece.
struct StoredFile {
    store: Arc<dyn CrmStore>,
    runtime: Handle,
    organization: OrganizationId,
    import: ImportId,
    bytes: u64,
    position: u64,
    chunk: Option<(u32, Vec<u8>)>,
}

impl Read for StoredFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.bytes {
            return Ok(0);
        }
        let number = u32::try_from(self.position / CHUNK as u64).map_err(io::Error::other)?;
        if self
            .chunk
            .as_ref()
            .is_none_or(|(present, _)| *present != number)
        {
            let chunk = self
                .store
                .imports()
                .chunk(self.organization, self.import, number);
            let chunk = self.runtime.block_on(chunk).map_err(io::Error::other)?;
            self.chunk = Some((number, chunk.ok_or(io::ErrorKind::UnexpectedEof)?));
        }
        let offset = usize::try_from(self.position % CHUNK as u64).unwrap_or_default();
        let rest = self
            .chunk
            .as_ref()
            .and_then(|(_, bytes)| bytes.get(offset..))
            .unwrap_or_default();
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for StoredFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
