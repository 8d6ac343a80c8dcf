//! Images of emails, kept in a folder and served to whoever reads the mail.

use std::{io, path::PathBuf, sync::Arc};

use mauntic_core::{
    Access, Actor, Change, Forbidden, OrganizationId, Permission, StoreError, Subject, UseCase,
    identity::AuditLog,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::fs;

/// The kinds of images that mail programs show. SVG is not among them: it may hold scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl ImageKind {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Gif, Self::Webp];

    /// The kind of a file by what it begins with, whatever it is called.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            _ => None,
        }
    }

    /// The ending of its file.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }
}

/// Why an image was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The actor may not do it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The file is none of the kinds.
    #[error("this is no image that mail programs show: expected PNG, JPEG, GIF or WebP")]
    NoImage,
    /// The file is too large.
    #[error("the image is larger than {} MiB", Images::MAX_BYTES >> 20)]
    TooLarge,
    /// The folder cannot be used.
    #[error("the folder of images cannot be used")]
    Folder(#[from] io::Error),
    /// The image is kept, but the audit log does not tell of it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An image as it is kept. Its name comes from its content, so that it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The name of its file.
    pub name: String,
}

impl Image {
    /// Where it is served, below the installation's address.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/i/{}/{}", self.organization_id, self.name)
    }
}

/// Keeps the images of all organisations in a folder, each organisation's in its own.
#[derive(Clone)]
pub struct Images {
    folder: PathBuf,
    log: Arc<dyn AuditLog>,
}

impl Images {
    /// The largest image, in bytes.
    pub const MAX_BYTES: usize = 5 << 20;
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("add", Access::Needs(Permission::EmailsWrite)),
        ("erase", Access::Itself),
        ("list", Access::Needs(Permission::EmailsRead)),
    ];

    /// Images in that folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf, log: Arc<dyn AuditLog>) -> Self {
        Self { folder, log }
    }

    /// Keeps an image. The same image again is the same file.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn add(&self, actor: &Actor, bytes: &[u8]) -> Result<Image, ImageError> {
        let organization_id = actor.require(Permission::EmailsWrite)?;
        if bytes.len() > Self::MAX_BYTES {
            return Err(ImageError::TooLarge);
        }
        let kind = ImageKind::of(bytes).ok_or(ImageError::NoImage)?;
        let hash = Sha256::digest(bytes);
        let mut name = String::with_capacity(40);
        for byte in &hash[..16] {
            use std::fmt::Write as _;
            let _ = write!(name, "{byte:02x}");
        }
        let part = format!("{name}.part");
        name = format!("{name}.{}", kind.ending());
        let folder = self.of(organization_id);
        fs::create_dir_all(&folder).await?;
        // Whole or not at all.
        fs::write(folder.join(&part), bytes).await?;
        fs::rename(folder.join(&part), folder.join(&name)).await?;
        let change = Change::new("image.added", Subject::nameless("image"));
        let change = change.to(json!({"name": name, "bytes": bytes.len()}));
        self.log.record(actor, change).await?;
        Ok(Image {
            organization_id,
            name,
        })
    }

    /// The organisation's images, the newest first.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn list(&self, actor: &Actor) -> Result<Vec<Image>, ImageError> {
        let organization_id = actor.require(Permission::EmailsRead)?;
        let mut entries = match fs::read_dir(self.of(organization_id)).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind_of_name(&name).is_some() {
                found.push((entry.metadata().await?.modified()?, name));
            }
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        let images = found.into_iter().map(|(_, name)| Image {
            organization_id,
            name,
        });
        Ok(images.collect())
    }

    /// Deletes all images of an organisation that is erased.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub async fn erase(&self, organization: OrganizationId) -> io::Result<()> {
        match fs::remove_dir_all(self.of(organization)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// An image for whoever reads a mail. There is none by a name that was not given here.
    pub(crate) async fn open(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Option<(ImageKind, Vec<u8>)> {
        let kind = kind_of_name(name)?;
        let bytes = fs::read(self.of(organization).join(name)).await.ok()?;
        Some((kind, bytes))
    }

    fn of(&self, organization: OrganizationId) -> PathBuf {
        self.folder.join(organization.to_string())
    }
}

/// The kind of an image of ours by its name; `None` for a name that none has.
fn kind_of_name(name: &str) -> Option<ImageKind> {
    let (stem, ending) = name.split_once('.')?;
    let plain = stem.len() == 32
        && stem
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut kinds = ImageKind::ALL.into_iter();
    kinds.find(|kind| plain && kind.ending() == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_what_a_file_is() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n..."[..], Some(ImageKind::Png)),
            (b"\xff\xd8\xff\xe0", Some(ImageKind::Jpeg)),
            (b"GIF89a", Some(ImageKind::Gif)),
            (b"RIFF1234WEBPVP8 ", Some(ImageKind::Webp)),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", None),
            (b"<html>", None),
            (b"", None),
        ] {
            assert_eq!(ImageKind::of(bytes), kind);
        }
    }

    #[test]
    fn only_names_of_ours_are_looked_for() {
        let stem = "0123456789abcdef0123456789abcdef";
        assert_eq!(kind_of_name(&format!("{stem}.png")), Some(ImageKind::Png));
        for name in [
            "../secret.png".to_owned(),
            format!("{stem}.svg"),
            format!("{stem}.part"),
            format!("{stem}.png.svg"),
            format!("{stem}/../{stem}.png"),
            stem.to_uppercase() + ".png",
        ] {
            assert_eq!(kind_of_name(&name), None, "{name}");
        }
    }
}
