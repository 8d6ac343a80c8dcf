//! Where images are kept: a folder of this machine, or a bucket of S3-compatible storage, behind one interface.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mauntic_core::OrganizationId;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, RetryConfig, aws::AmazonS3Builder,
    local::LocalFileSystem, path::Path as Key,
};

use crate::{InvalidSettings, Settings};

/// The folder of the data folder, and of the bucket, which may hold other things.
const FOLDER: &str = "images";
/// How long the storage may take to answer: whoever waits is a person.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A folder, which need not be there yet.
    Folder(PathBuf),
    /// A bucket.
    Bucket {
        /// Its name, with the address of the storage if that is not Amazon's.
        name: String,
        store: Arc<dyn ObjectStore>,
    },
}

impl Place {
    pub(super) fn of(settings: &Settings) -> Result<Self, InvalidSettings> {
        let Some(bucket) = &settings.images_bucket else {
            return Ok(Self::Folder(settings.data.join(FOLDER)));
        };
        let client = ClientOptions::new()
            .with_timeout(PATIENCE)
            .with_connect_timeout(PATIENCE / 2)
            .with_allow_http(true);
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 2,
            retry_timeout: PATIENCE,
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(region) = &settings.images_region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &settings.images_endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        if let Some(key) = &settings.images_access_key {
            builder = builder.with_access_key_id(key);
        }
        if let Some(key) = &settings.images_secret_key {
            builder = builder.with_secret_access_key(key);
        }
        let store = builder
            .build()
            .map_err(|source| InvalidSettings::Images(Box::new(source)))?;
        let name = match &settings.images_endpoint {
            Some(endpoint) => format!("the bucket {bucket} at {endpoint}"),
            None => format!("the bucket {bucket}"),
        };
        Ok(Self::Bucket {
            name,
            store: Arc::new(store),
        })
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket { .. } => None,
        }
    }

    /// The storage, ready for use.
    pub(super) async fn store(&self) -> Result<Arc<dyn ObjectStore>, Error> {
        match self {
            Self::Bucket { store, .. } => Ok(Arc::clone(store)),
            Self::Folder(folder) => {
                let made = tokio::fs::create_dir_all(folder).await;
                made.map_err(|source| Error::Generic {
                    store: "folder",
                    source: Box::new(source),
                })?;
                Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?))
            }
        }
    }

    /// Where an organisation's images are.
    pub(super) fn folder_of(&self, organization: OrganizationId) -> Key {
        match self {
            Self::Folder(_) => Key::from(organization.to_string()),
            Self::Bucket { .. } => Key::from(format!("{FOLDER}/{organization}")),
        }
    }

    pub(super) fn key(&self, organization: OrganizationId, name: &str) -> Key {
        Key::from(format!("{}/{name}", self.folder_of(organization)))
    }

    /// Where a file is written to see whether that can be done.
    pub(super) fn probe_key(&self) -> Key {
        match self {
            Self::Folder(_) => Key::from("probe"),
            Self::Bucket { .. } => Key::from(format!("{FOLDER}/probe")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "the folder {}", folder.display()),
            Self::Bucket { name, .. } => f.write_str(name),
        }
    }
}
