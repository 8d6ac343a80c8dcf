//! How an email looks to a recipient, and what is wrong with it.

use mauntic_core::{Actor, EmailId, OrganizationId, Permission, StoreError};

use super::EmailService;
use crate::{
    FieldProblem, MessagingError, Owner, Recipient,
    audience::look_up_owners,
    content::{CompiledEmail, EmailSource, Problem, Variables, compile},
    email::{Preview, PreviewRecipient, preview},
};

impl From<Problem> for FieldProblem {
    fn from(problem: Problem) -> Self {
        let message = match &problem.fix {
            Some(fix) => format!("{} (to mend it: {fix})", problem.message),
            None => problem.message,
        };
        let message = match problem.location.block {
            Some(block) => format!("block {block}: {message}"),
            None => message,
        };
        Self {
            field: problem.location.part.name().to_owned(),
            code: problem.code,
            message,
            line: problem.location.line,
        }
    }
}

/// Templates are bounded, but they may still take longer than a reactor should wait.
async fn on_a_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MessagingError> + Send + 'static,
) -> Result<T, MessagingError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| MessagingError::Store(StoreError::backend(error)))?
}

impl EmailService {
    /// Checks content without saving it: the warnings, or [`MessagingError::Invalid`] with all problems.
    pub async fn check(
        &self,
        actor: &Actor,
        source: &EmailSource,
    ) -> Result<Vec<Problem>, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let compiled = self.compile(organization, source).await?;
        Ok(compiled.warnings().to_vec())
    }

    /// Shows an email as a recipient would see it.
    ///
    /// # Errors
    /// [`MessagingError::NotFound`] if there is no such email or contact; [`MessagingError::Invalid`] if it
    /// cannot be rendered for the recipient.
    pub async fn preview(
        &self,
        actor: &Actor,
        id: EmailId,
        recipient: PreviewRecipient,
    ) -> Result<Preview, MessagingError> {
        let saved = self.get(actor, id).await?;
        self.render(actor, saved.current.compiled.clone(), recipient)
            .await
    }

    /// Shows content that is not saved as a recipient would see it.
    pub async fn preview_source(
        &self,
        actor: &Actor,
        source: &EmailSource,
        recipient: PreviewRecipient,
    ) -> Result<Preview, MessagingError> {
        let organization = actor.require(Permission::EmailsRead)?;
        let compiled = self.compile(organization, source).await?;
        self.render(actor, compiled, recipient).await
    }

    async fn render(
        &self,
        actor: &Actor,
        compiled: CompiledEmail,
        recipient: PreviewRecipient,
    ) -> Result<Preview, MessagingError> {
        let organization = actor.organization_id();
        let recipient = match recipient {
            PreviewRecipient::Contact(id) => {
                // It shows a contact's fields.
                actor.require(Permission::ContactsRead)?;
                let mut recipient = self.recipient(organization, id).await?;
                if compiled.shows_owner() {
                    let contacts = &*self.parts.contacts;
                    look_up_owners(contacts, organization, vec![&mut recipient]).await?;
                }
                Some(recipient)
            }
            PreviewRecipient::Sample => None,
        };
        let details = self.parts.organizations.details(organization).await?;
        let base_url = self.parts.base_url.clone();
        let now = self.parts.clock.now();
        on_a_blocking_thread(move || {
            let frame = preview::Frame {
                organization: &details,
                base_url: &base_url,
                now,
            };
            preview::render(&compiled, recipient.as_ref(), &frame)
        })
        .await
    }

    async fn recipient(
        &self,
        organization: OrganizationId,
        id: mauntic_core::ContactId,
    ) -> Result<Recipient, MessagingError> {
        let found = self.parts.contacts.recipients(organization, &[id]).await?;
        let found = found.into_iter().next();
        found.ok_or(MessagingError::NotFound { what: "contact" })
    }

    pub(super) async fn compile(
        &self,
        organization: OrganizationId,
        source: &EmailSource,
    ) -> Result<CompiledEmail, MessagingError> {
        let fields = self
            .parts
            .organizations
            .contact_fields(organization)
            .await?;
        let source = source.clone();
        on_a_blocking_thread(move || {
            let variables = Variables::new(fields.iter().map(String::as_str))
                .with_record("owner", Owner::FIELDS);
            compile(&source, &variables).map_err(|problems| MessagingError::Invalid {
                problems: problems.into_iter().map(FieldProblem::from).collect(),
            })
        })
        .await
    }
}
