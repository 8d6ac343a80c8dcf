//! Makes emails, changes them and lists them.

mod looks;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use mauntic_core::{
    Access, Actor, Clock, EmailId, EmailVersionId, IdSource, OrganizationId, Page, PageSize,
    Permission, StoreError, UseCase,
};
use serde_json::json;

use super::{
    Email, EmailCursor, EmailFilter, EmailName, EmailVersion, EmailVersions, VersionEntry,
};
use crate::{
    ContactDirectory, MessagingError, MessagingStore, OrganizationDirectory, audit,
    content::EmailSource,
};

/// An email to make.
#[derive(Debug, Clone)]
pub struct CreateEmail {
    /// What to call it.
    pub name: EmailName,
    /// What it says.
    pub source: EmailSource,
}

/// What to change of an email; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateEmail {
    /// The new name.
    pub name: Option<EmailName>,
    /// What it says from now on.
    pub source: Option<EmailSource>,
    /// The version that the change is based on; a later one is [`MessagingError::Outdated`].
    pub expected_version: Option<i64>,
}

/// An email with what it says now.
#[derive(Debug, Clone)]
pub struct SavedEmail {
    /// The email.
    pub email: Email,
    /// Its current version.
    pub current: Arc<EmailVersion>,
}

/// What an [`EmailService`] is made of.
#[derive(Clone)]
pub struct EmailParts {
    /// Keeps the emails.
    pub store: Arc<dyn MessagingStore>,
    /// Keeps versions ready.
    pub versions: EmailVersions,
    /// Knows the contacts.
    pub contacts: Arc<dyn ContactDirectory>,
    /// Knows the organisations.
    pub organizations: Arc<dyn OrganizationDirectory>,
    /// The public address of the installation.
    pub base_url: String,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn IdSource>,
}

/// The use cases of emails.
#[derive(Clone)]
pub struct EmailService {
    parts: EmailParts,
}

impl EmailService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("check", Access::Needs(Permission::EmailsRead)),
        (
            "copy",
            Access::NeedsAll(&[Permission::EmailsRead, Permission::EmailsWrite]),
        ),
        ("create", Access::Needs(Permission::EmailsWrite)),
        ("delete", Access::Needs(Permission::EmailsWrite)),
        ("get", Access::Needs(Permission::EmailsRead)),
        ("get_named", Access::Needs(Permission::EmailsRead)),
        ("list", Access::Needs(Permission::EmailsRead)),
        ("mentioning", Access::Needs(Permission::EmailsRead)),
        ("names", Access::Needs(Permission::EmailsRead)),
        ("preview", Access::Needs(Permission::EmailsRead)),
        ("preview_source", Access::Needs(Permission::EmailsRead)),
        ("subjects", Access::Needs(Permission::EmailsRead)),
        ("update", Access::Needs(Permission::EmailsWrite)),
        ("version", Access::Needs(Permission::EmailsRead)),
        ("versions", Access::Needs(Permission::EmailsRead)),
    ];

    /// The use cases over these parts.
    #[must_use]
    pub fn new(parts: EmailParts) -> Self {
        Self { parts }
    }

    /// Makes an email with its first version.
    ///
    /// # Errors
    /// [`MessagingError::Invalid`] if the content cannot be sent; [`MessagingError::Taken`] if another email
    /// has the name.
    pub async fn create(
        &self,
        actor: &Actor,
        command: CreateEmail,
    ) -> Result<SavedEmail, MessagingError> {
        let organization = actor.require(Permission::EmailsWrite)?;
        let action = |id| told("email.created", id);
        self.make(actor, organization, command, action).await
    }

    /// Makes an email that says what another one says now. Nobody gets the same email twice, so what is sent to the same
    /// people again and again, such as a newsletter, begins as a copy.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`MessagingError::NotFound`].
    pub async fn copy(
        &self,
        actor: &Actor,
        id: EmailId,
        name: EmailName,
    ) -> Result<SavedEmail, MessagingError> {
        actor.require(Permission::EmailsWrite)?;
        let organization = actor.require(Permission::EmailsRead)?;
        let source = self.current(organization, id).await?.source.clone();
        let command = CreateEmail { name, source };
        let action = |copy| told("email.copied", copy).from(json!({"email": id}));
        self.make(actor, organization, command, action).await
    }

    async fn make(
        &self,
        actor: &Actor,
        organization: OrganizationId,
        command: CreateEmail,
        action: impl FnOnce(EmailId) -> audit::Change + Send,
    ) -> Result<SavedEmail, MessagingError> {
        let compiled = self.compile(organization, &command.source).await?;
        let now = self.parts.clock.now();
        let id = EmailId::generate(&*self.parts.ids);
        let version = EmailVersion {
            id: EmailVersionId::generate(&*self.parts.ids),
            email_id: id,
            number: 1,
            source: command.source,
            compiled,
            created_at: now,
        };
        let email = Email {
            id,
            name: command.name,
            version: 1,
            current_version_id: version.id,
            created_at: now,
            updated_at: now,
        };
        let mut uow = self.parts.store.begin().await?;
        uow.emails()
            .insert(organization, &email)
            .await
            .map_err(taken)?;
        uow.emails().insert_version(organization, &version).await?;
        let change = action(id).to(audit::email(&email, &version));
        audit::tell(uow.outbox(), actor, change, now, &*self.parts.ids).await?;
        uow.commit().await?;
        Ok(SavedEmail {
            email,
            current: Arc::new(version),
        })
    }

    /// Changes an email. New content becomes a new version; running sends keep theirs.
    ///
    /// # Errors
    /// As [`create`](Self::create), and [`MessagingError::Outdated`] if it was changed in the meantime.
    pub async fn update(
        &self,
        actor: &Actor,
        id: EmailId,
        command: UpdateEmail,
    ) -> Result<SavedEmail, MessagingError> {
        let organization = actor.require(Permission::EmailsWrite)?;
        let content = match command.source {
            Some(source) => Some((self.compile(organization, &source).await?, source)),
            None => None,
        };
        let now = self.parts.clock.now();
        let mut current = self.current(organization, id).await?;
        let mut uow = self.parts.store.begin().await?;
        let found = uow.emails().find_for_update(organization, id).await?;
        let mut email = found.ok_or(NOT_FOUND)?;
        if command
            .expected_version
            .is_some_and(|expected| expected != email.version)
        {
            return Err(MessagingError::Outdated {
                what: "email",
                current: email.version,
            });
        }
        let before = if email.current_version_id == current.id {
            audit::email(&email, &current)
        } else {
            // Somebody was faster, and told of it.
            json!({})
        };
        if let Some((compiled, source)) = content {
            let version = EmailVersion {
                id: EmailVersionId::generate(&*self.parts.ids),
                email_id: id,
                number: uow.emails().last_number(organization, id).await? + 1,
                source,
                compiled,
                created_at: now,
            };
            uow.emails().insert_version(organization, &version).await?;
            email.current_version_id = version.id;
            current = Arc::new(version);
        }
        if let Some(name) = command.name {
            email.name = name;
        }
        email.version += 1;
        email.updated_at = now;
        uow.emails()
            .update(organization, &email)
            .await
            .map_err(taken)?;
        let change = told("email.updated", id).between(before, audit::email(&email, &current));
        audit::tell(uow.outbox(), actor, change, now, &*self.parts.ids).await?;
        uow.commit().await?;
        self.with_content(organization, email).await
    }

    /// Deletes an email. What was sent of it keeps its results and its web view.
    ///
    /// # Errors
    /// [`MessagingError::WrongState`] while a send of it is not over.
    pub async fn delete(&self, actor: &Actor, id: EmailId) -> Result<(), MessagingError> {
        let organization = actor.require(Permission::EmailsWrite)?;
        let mut uow = self.parts.store.begin().await?;
        let found = uow.emails().find_for_update(organization, id).await?;
        let email = found.ok_or(NOT_FOUND)?;
        if uow.emails().has_open_sends(organization, id).await? {
            return Err(MessagingError::WrongState {
                what: "email",
                problem: "is being sent; cancel the send or wait for its end",
            });
        }
        let now = self.parts.clock.now();
        uow.emails().delete(organization, id, now).await?;
        let change = told("email.deleted", id).from(json!({"name": email.name}));
        audit::tell(uow.outbox(), actor, change, now, &*self.parts.ids).await?;
        uow.commit().await?;
        Ok(())
    }

    /// What an email says now.
    async fn current(
        &self,
        organization: OrganizationId,
        id: EmailId,
    ) -> Result<Arc<EmailVersion>, MessagingError> {
        let email = self.parts.store.emails().find(organization, id).await?;
        let saved = self.with_content(organization, email.ok_or(NOT_FOUND)?);
        Ok(saved.await?.current)
    }

    /// An email with its content.
    pub async fn get(&self, actor: &Actor, id: EmailId) -> Result<SavedEmail, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let email = self.parts.store.emails().find(organization, id).await?;
        self.with_content(organization, email.ok_or(NOT_FOUND)?)
            .await
    }

    /// What emails are called; those that there are not, or no more, are left out.
    pub async fn names(
        &self,
        actor: &Actor,
        ids: &BTreeSet<EmailId>,
    ) -> Result<BTreeMap<EmailId, EmailName>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let ids: Vec<_> = ids.iter().copied().collect();
        let names = self.parts.store.emails().names(organization, &ids).await?;
        Ok(names.into_iter().collect())
    }

    /// Emails that have a text in any of their versions, such as the address of an image, the newest first, up to a limit; of
    /// one that was deleted, which may have been sent, without its name.
    pub async fn mentioning(
        &self,
        actor: &Actor,
        text: &str,
        limit: u16,
    ) -> Result<Vec<(EmailId, Option<EmailName>)>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let emails = self.parts.store.emails();
        Ok(emails.mentioning(organization, text, limit).await?)
    }

    /// What an email said in the version of that number. To bring it back, save its content with
    /// [`update`](Self::update), which makes it the newest.
    pub async fn version(
        &self,
        actor: &Actor,
        id: EmailId,
        number: i64,
    ) -> Result<EmailVersion, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let emails = self.parts.store.emails();
        // Of a deleted email, only what was sent can still be seen.
        emails.find(organization, id).await?.ok_or(NOT_FOUND)?;
        let found = emails.find_numbered(organization, id, number).await?;
        found.ok_or(MessagingError::NotFound { what: "version" })
    }

    /// The versions of an email, the newest first, from below a number on.
    pub async fn versions(
        &self,
        actor: &Actor,
        id: EmailId,
        below: Option<i64>,
        size: PageSize,
    ) -> Result<Page<VersionEntry, i64>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let emails = self.parts.store.emails();
        emails.find(organization, id).await?.ok_or(NOT_FOUND)?;
        Ok(emails.list_versions(organization, id, below, size).await?)
    }

    /// The email that a text names: by its id or its name.
    pub async fn get_named(&self, actor: &Actor, text: &str) -> Result<SavedEmail, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let emails = self.parts.store.emails();
        if let Ok(id) = text.parse()
            && let Some(email) = emails.find(organization, id).await?
        {
            return self.with_content(organization, email).await;
        }
        let name = text.parse().map_err(|_| NOT_FOUND)?;
        let email = emails.find_named(organization, &name).await?;
        self.with_content(organization, email.ok_or(NOT_FOUND)?)
            .await
    }

    /// The present subjects of emails, as a list shows them.
    ///
    /// # Errors
    /// Needs [`Permission::EmailsRead`].
    pub async fn subjects(
        &self,
        actor: &Actor,
        emails: &[Email],
    ) -> Result<HashMap<EmailId, String>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let versions: Vec<_> = emails
            .iter()
            .map(|email| email.current_version_id)
            .collect();
        let stored = self.parts.store.emails();
        let mut subjects = stored.subjects(organization, &versions).await?;
        let named = emails.iter().filter_map(|email| {
            let subject = subjects.remove(&email.current_version_id)?;
            Some((email.id, subject))
        });
        Ok(named.collect())
    }

    /// Emails without their content.
    ///
    /// # Errors
    /// [`MessagingError::Invalid`] if the cursor is of another order.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: &EmailFilter,
        after: Option<&EmailCursor>,
        size: PageSize,
    ) -> Result<Page<Email, EmailCursor>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        if after.is_some_and(|cursor| cursor.sort() != filter.sort) {
            return Err(MessagingError::invalid(
                "after",
                "wrong_order",
                "the cursor belongs to a list in another order",
            ));
        }
        let page = self
            .parts
            .store
            .emails()
            .list(organization, filter, after, size);
        Ok(page.await?)
    }

    async fn with_content(
        &self,
        organization: OrganizationId,
        email: Email,
    ) -> Result<SavedEmail, MessagingError> {
        let version = email.current_version_id;
        let current = self.parts.versions.get(organization, version).await?;
        let current = current.ok_or_else(|| StoreError::corrupt("email", "it has no content"))?;
        Ok(SavedEmail { email, current })
    }
}

fn told(action: &str, id: EmailId) -> audit::Change {
    audit::Change::new(action, audit::Subject::new("email", id))
}

const NOT_FOUND: MessagingError = MessagingError::NotFound { what: "email" };

fn taken(error: StoreError) -> MessagingError {
    match error {
        StoreError::Conflict { .. } => MessagingError::Taken {
            what: "email",
            field: "name",
        },
        other => other.into(),
    }
}
