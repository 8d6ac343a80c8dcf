use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{EmailId, EmailVersionId, OrganizationId, Page, PageSize, StoreError};
use serde::{Deserialize, Serialize};

use super::{Email, EmailName, EmailVersion, VersionEntry};

/// In which order emails are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailSort {
    /// The one that was made last first.
    #[default]
    Created,
    /// The one that was changed last first.
    Updated,
    /// By name.
    Name,
}

/// Which emails to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmailFilter {
    /// Part of the name, whatever the case of A to Z.
    pub search: Option<String>,
    /// In which order.
    pub sort: EmailSort,
}

/// Where the next page of emails starts: the last email seen, by what the list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sort", rename_all = "snake_case")]
pub enum EmailCursor {
    /// Of a list by creation.
    Created {
        /// The email.
        id: EmailId,
    },
    /// Of a list by change.
    Updated {
        /// When it was changed.
        at: DateTime<Utc>,
        /// The email.
        id: EmailId,
    },
    /// Of a list by name.
    Name {
        /// The key of its name.
        key: String,
    },
}

impl EmailCursor {
    /// The cursor behind an email.
    #[must_use]
    pub fn behind(email: &Email, sort: EmailSort) -> Self {
        match sort {
            EmailSort::Created => Self::Created { id: email.id },
            EmailSort::Updated => Self::Updated {
                at: email.updated_at,
                id: email.id,
            },
            EmailSort::Name => Self::Name {
                key: email.name.key(),
            },
        }
    }

    /// The order that it belongs to.
    #[must_use]
    pub fn sort(&self) -> EmailSort {
        match self {
            Self::Created { .. } => EmailSort::Created,
            Self::Updated { .. } => EmailSort::Updated,
            Self::Name { .. } => EmailSort::Name,
        }
    }
}

/// Reads emails.
#[async_trait]
pub trait EmailQueries: Send + Sync {
    /// The email with that id, unless it was deleted.
    async fn find(
        &self,
        organization: OrganizationId,
        id: EmailId,
    ) -> Result<Option<Email>, StoreError>;

    /// The names of those of the emails that were not deleted.
    async fn names(
        &self,
        organization: OrganizationId,
        ids: &[EmailId],
    ) -> Result<Vec<(EmailId, EmailName)>, StoreError>;

    /// Emails with a text in what people wrote into any of their versions, letter by letter as JSON has it, the newest
    /// first; those that were deleted without their names.
    async fn mentioning(
        &self,
        organization: OrganizationId,
        text: &str,
        limit: u16,
    ) -> Result<Vec<(EmailId, Option<EmailName>)>, StoreError>;

    /// The email of that name.
    async fn find_named(
        &self,
        organization: OrganizationId,
        name: &EmailName,
    ) -> Result<Option<Email>, StoreError>;

    /// A version, also of a deleted email.
    async fn find_version(
        &self,
        organization: OrganizationId,
        id: EmailVersionId,
    ) -> Result<Option<EmailVersion>, StoreError>;

    /// The version of an email with that number.
    async fn find_numbered(
        &self,
        organization: OrganizationId,
        email: EmailId,
        number: i64,
    ) -> Result<Option<EmailVersion>, StoreError>;

    /// The versions of an email, the newest first, from below that number on.
    async fn list_versions(
        &self,
        organization: OrganizationId,
        email: EmailId,
        below: Option<i64>,
        size: PageSize,
    ) -> Result<Page<VersionEntry, i64>, StoreError>;

    /// The subjects of versions. One query, however many they are, and without the rest of their content.
    async fn subjects(
        &self,
        organization: OrganizationId,
        versions: &[EmailVersionId],
    ) -> Result<HashMap<EmailVersionId, String>, StoreError>;

    /// Emails that were not deleted. A cursor of another order is an error of the caller's.
    async fn list(
        &self,
        organization: OrganizationId,
        filter: &EmailFilter,
        after: Option<&EmailCursor>,
        size: PageSize,
    ) -> Result<Page<Email, EmailCursor>, StoreError>;
}

/// Changes emails.
#[async_trait]
pub trait EmailRepository: Send {
    /// The email with that id, unless it was deleted; nobody else changes it until the transaction ends.
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: EmailId,
    ) -> Result<Option<Email>, StoreError>;

    /// The number of the email's newest version; 0 if there is none.
    async fn last_number(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<i64, StoreError>;

    /// Adds an email. A taken name is [`StoreError::Conflict`]; the transaction stays usable.
    async fn insert(
        &mut self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<(), StoreError>;

    /// Adds a version.
    async fn insert_version(
        &mut self,
        organization: OrganizationId,
        version: &EmailVersion,
    ) -> Result<(), StoreError>;

    /// Replaces a stored email; a taken name is [`StoreError::Conflict`], an unknown email
    /// [`StoreError::Missing`].
    async fn update(
        &mut self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<(), StoreError>;

    /// Whether a send of the email is not over.
    async fn has_open_sends(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
    ) -> Result<bool, StoreError>;

    /// Marks an email as deleted: its name is free again, its versions stay for what was sent.
    async fn delete(
        &mut self,
        organization: OrganizationId,
        email: EmailId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}
