//! Images of emails, kept in a folder or a bucket and served to whoever reads the mail.

mod kind;
mod place;

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use mauntic_core::{
    Access, Actor, Change, Forbidden, OrganizationId, Permission, StoreError, Subject, UseCase,
    identity::AuditLog,
};
use object_store::{Error as StorageError, ObjectStoreExt as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{InvalidSettings, Settings};
pub use kind::ImageKind;
use kind::kind_of_name;
use place::Place;

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
    /// Where images are kept cannot be used.
    #[error("images cannot be kept or read ({place})")]
    Storage {
        /// Where they are kept.
        place: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
    /// Where it is served, below the installation's address, wherever it is kept.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/i/{}/{}", self.organization_id, self.name)
    }
}

/// Keeps the images of all organisations, each organisation's apart.
#[derive(Clone)]
pub struct Images {
    place: Place,
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
        ("probe", Access::Itself),
    ];

    /// Images where the settings say: in a bucket if one is named, else in the data folder.
    ///
    /// # Errors
    /// [`InvalidSettings::Images`].
    pub fn open(settings: &Settings, log: Arc<dyn AuditLog>) -> Result<Self, InvalidSettings> {
        Ok(Self {
            place: Place::of(settings)?,
            log,
        })
    }

    /// The folder that images are kept in; `None` if they are in a bucket.
    #[must_use]
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.place.folder()
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
        name = format!("{name}.{}", kind.ending());
        let image = Image {
            organization_id,
            name,
        };
        let key = self.place.key(organization_id, &image.name);
        let put = async {
            let store = self.place.store().await?;
            store.put(&key, bytes.to_vec().into()).await
        };
        put.await.map_err(|error| self.failed(error))?;
        let change = Change::new("image.added", Subject::nameless("image"));
        let change = change.to(json!({"name": image.name, "bytes": bytes.len()}));
        self.log.record(actor, change).await?;
        Ok(image)
    }

    /// The organisation's images, the newest first.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn list(&self, actor: &Actor) -> Result<Vec<Image>, ImageError> {
        let organization_id = actor.require(Permission::EmailsRead)?;
        let folder = self.place.folder_of(organization_id);
        let list = async {
            let store = self.place.store().await?;
            store.list(Some(&folder)).try_collect::<Vec<_>>().await
        };
        let found = list.await.map_err(|error| self.failed(error))?;
        let mut found: Vec<_> = found
            .into_iter()
            .filter_map(|file| Some((file.last_modified, file.location.filename()?.to_owned())))
            .filter(|(_, name)| kind_of_name(name).is_some())
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        let images = found.into_iter().map(|(_, name)| Image {
            organization_id,
            name,
        });
        Ok(images.collect())
    }

    /// Deletes all images of an organisation that is erased. One that is gone already is none to delete.
    ///
    /// # Errors
    /// [`ImageError::Storage`].
    pub async fn erase(&self, organization: OrganizationId) -> Result<(), ImageError> {
        let folder = self.place.folder_of(organization);
        let erase = async {
            let store = self.place.store().await?;
            let files: Vec<_> = store.list(Some(&folder)).try_collect().await?;
            for file in files {
                match store.delete(&file.location).await {
                    Ok(()) | Err(StorageError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        erase.await.map_err(|error| self.failed(error))
    }

    /// An image for whoever reads a mail. There is none by a name that was not given here.
    pub(crate) async fn read(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Option<(ImageKind, Vec<u8>)>, ImageError> {
        let Some(kind) = kind_of_name(name) else {
            return Ok(None);
        };
        let key = self.place.key(organization, name);
        let get = async {
            let store = self.place.store().await?;
            store.get(&key).await?.bytes().await
        };
        match get.await {
            Ok(bytes) => Ok(Some((kind, bytes.to_vec()))),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes, reads and removes a small file, and says where.
    ///
    /// # Errors
    /// [`ImageError::Storage`].
    pub async fn probe(&self) -> Result<String, ImageError> {
        const CONTENT: &[u8] = b"written by mauntic doctor";
        let key = self.place.probe_key();
        let probe = async {
            let store = self.place.store().await?;
            store.put(&key, CONTENT.into()).await?;
            let read = store.get(&key).await?.bytes().await?;
            store.delete(&key).await?;
            Ok(read)
        };
        let read = probe.await.map_err(|error| self.failed(error))?;
        if read.as_ref() != CONTENT {
            return Err(ImageError::Storage {
                place: self.place.to_string(),
                source: "what was written reads back as something else".into(),
            });
        }
        Ok(self.place.to_string())
    }

    fn failed(&self, error: StorageError) -> ImageError {
        ImageError::Storage {
            place: self.place.to_string(),
            source: Box::new(error),
        }
    }
}
