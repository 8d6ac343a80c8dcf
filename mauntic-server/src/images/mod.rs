//! Images of emails, kept in a folder or a bucket and served to whoever reads the mail.

mod kind;
mod place;

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mauntic_core::{
    Access, Actor, Change, Forbidden, OrganizationId, Page, PageSize, Permission, StoreError,
    Subject, UseCase, identity::AuditLog,
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
    /// What it was called where it came from; empty if that is not known.
    pub called: String,
}

impl Image {
    /// Where it is served, below the installation's address, wherever it is kept.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/i/{}/{}", self.organization_id, self.name)
    }
}

/// How many of these files are read at the same time for a list.
const READ_AT_ONCE: usize = 8;

/// The file beside an image that holds what it was called.
fn beside(name: &str) -> String {
    format!("{name}.name")
}

/// The name of a file as it can be shown: its last part, on one line, and not long.
fn cleaned(called: &str) -> String {
    let last = called.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = last.chars().filter(|letter| !letter.is_control());
    shown.take(100).collect::<String>().trim().to_owned()
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
        ("delete", Access::Needs(Permission::EmailsWrite)),
        ("erase", Access::Itself),
        ("find", Access::Needs(Permission::EmailsRead)),
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

    /// Keeps an image, with what it was called where it comes from. The same image again is the same file.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn add(
        &self,
        actor: &Actor,
        called: &str,
        bytes: &[u8],
    ) -> Result<Image, ImageError> {
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
            called: cleaned(called),
        };
        let key = self.place.key(organization_id, &image.name);
        let beside = self.place.key(organization_id, &beside(&image.name));
        let put = async {
            let store = self.place.store().await?;
            if !image.called.is_empty() {
                store.put(&beside, image.called.clone().into()).await?;
            }
            store.put(&key, bytes.to_vec().into()).await
        };
        put.await.map_err(|error| self.failed(error))?;
        let change = Change::new("image.added", Subject::nameless("image"));
        let change = change.to(json!({"name": image.name, "bytes": bytes.len()}));
        self.log.record(actor, change).await?;
        Ok(image)
    }

    /// The organisation's images, the newest first, page by page: `after` names the last one of the page before.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn list(
        &self,
        actor: &Actor,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<Image, String>, ImageError> {
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
        // One that is gone meanwhile leads back to the first page.
        let behind = after.and_then(|after| found.iter().position(|(_, name)| name == after));
        let names = found.into_iter().map(|(_, name)| name);
        let names = names.skip(behind.map_or(0, |place| place + 1));
        let names = names.take(size.get() + 1).collect();
        let page = Page::from_overfetched(names, size, String::clone);
        let items = stream::iter(page.items)
            .map(|name| self.named(organization_id, name))
            .buffered(READ_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let next = page.next;
        Ok(Page { items, next })
    }

    /// The organisation's image of that name, if there is one.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn find(&self, actor: &Actor, name: &str) -> Result<Option<Image>, ImageError> {
        let organization_id = actor.require(Permission::EmailsRead)?;
        if !self.has(organization_id, name).await? {
            return Ok(None);
        }
        let found = self.named(organization_id, name.to_owned()).await;
        found.map(Some)
    }

    /// Whether there is an image of that name.
    async fn has(&self, organization: OrganizationId, name: &str) -> Result<bool, ImageError> {
        if kind_of_name(name).is_none() {
            return Ok(false);
        }
        let key = self.place.key(organization, name);
        let head = async { self.place.store().await?.head(&key).await };
        match head.await {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Deletes an image; one that is gone already is none to delete. Whether mails show it is for the caller to know.
    ///
    /// # Errors
    /// [`ImageError`].
    pub async fn delete(&self, actor: &Actor, name: &str) -> Result<(), ImageError> {
        let organization_id = actor.require(Permission::EmailsWrite)?;
        if !self.has(organization_id, name).await? {
            return Ok(());
        }
        let names = [beside(name), name.to_owned()];
        let delete = async {
            let store = self.place.store().await?;
            for name in names {
                match store.delete(&self.place.key(organization_id, &name)).await {
                    Ok(()) | Err(StorageError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        delete.await.map_err(|error| self.failed(error))?;
        let change = Change::new("image.deleted", Subject::nameless("image"));
        let change = change.from(json!({"name": name}));
        self.log.record(actor, change).await?;
        Ok(())
    }

    /// An image with what it was called.
    async fn named(
        &self,
        organization_id: OrganizationId,
        name: String,
    ) -> Result<Image, ImageError> {
        let key = self.place.key(organization_id, &beside(&name));
        let get = async {
            let store = self.place.store().await?;
            store.get(&key).await?.bytes().await
        };
        let called = match get.await {
            Ok(bytes) => cleaned(&String::from_utf8_lossy(&bytes)),
            Err(StorageError::NotFound { .. }) => String::new(),
            Err(error) => return Err(self.failed(error)),
        };
        Ok(Image {
            organization_id,
            name,
            called,
        })
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
