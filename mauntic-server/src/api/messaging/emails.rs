//! `/api/messaging/emails`.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, EmailId};
use mauntic_messaging::{
    MessagingError,
    content::{Body, EmailSource, Problem as ContentProblem, blocks::BlockDocument},
    email::{
        CreateEmail, Email, EmailCursor, EmailFilter, EmailService, EmailSort, Preview,
        PreviewRecipient, SavedEmail, UpdateEmail,
    },
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use crate::{
    App,
    api::{
        ApiTag, Created, Done, Page, Versioned, expected_version, page_size, parse, read_cursor,
        stored::Doc,
    },
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct EmailsApi {
    emails: EmailService,
}

impl EmailsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            emails: app.emails.clone(),
        }
    }
}

/// The order of a list of emails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "EmailSort", rename_all = "snake_case")]
enum SortName {
    /// The one that was made last first.
    Created,
    /// The one that was changed last first.
    Updated,
    Name,
}

impl From<SortName> for EmailSort {
    fn from(name: SortName) -> Self {
        match name {
            SortName::Created => Self::Created,
            SortName::Updated => Self::Updated,
            SortName::Name => Self::Name,
        }
    }
}

/// What an email says. Every part may hold template code (`{{ contact.firstname }}`) and tokens known
/// from Mautic (`{contactfield=firstname|friend}`).
#[derive(Debug, Clone, Object)]
#[oai(
    rename = "EmailContent",
    skip_serializing_if_is_none,
    deny_unknown_fields
)]
pub(crate) struct ContentBody {
    #[oai(validator(max_length = 998))]
    subject: String,
    /// The preview text that mail programs show beside the subject.
    preheader: Option<String>,
    /// The body as HTML; one of this, `mjml` and `blocks`.
    html: Option<String>,
    /// The body as MJML.
    mjml: Option<String>,
    /// The body as blocks.
    blocks: Option<Doc<BlockDocument>>,
    /// The text part; without it, one is made from the body.
    text: Option<String>,
    from_name: Option<String>,
    from_address: Option<String>,
    reply_to: Option<String>,
}

impl ContentBody {
    pub(crate) fn read(self) -> Result<EmailSource, ApiError> {
        let blocks = self.blocks.map(|blocks| blocks.read("/content/blocks"));
        let bodies = [
            self.html.map(|html| ("html", Body::Html(html))),
            self.mjml.map(|mjml| ("mjml", Body::Mjml(mjml))),
            blocks
                .transpose()?
                .map(|blocks| ("blocks", Body::Blocks(blocks))),
        ];
        let mut bodies = bodies.into_iter().flatten();
        let (_, body) = bodies.next().ok_or_else(|| {
            ApiError::invalid("/content/html", &"give one of html, mjml and blocks")
        })?;
        if let Some((second, _)) = bodies.next() {
            let pointer = format!("/content/{second}");
            return Err(ApiError::invalid(
                &pointer,
                &"give only one of html, mjml and blocks",
            ));
        }
        Ok(EmailSource {
            subject: self.subject,
            preheader: self.preheader,
            body,
            text: self.text,
            from_name: self.from_name,
            from_address: self.from_address,
            reply_to: self.reply_to,
        })
    }
}

/// Says of what is wrong with the content of an email where it stands in the request: `/content/subject`, and for the body
/// the property that it was given as.
fn in_content(error: MessagingError, body: &'static str) -> ApiError {
    let MessagingError::Invalid { mut problems } = error else {
        return error.into();
    };
    for problem in &mut problems {
        problem.field = match problem.field.as_str() {
            "email" => "content".to_owned(),
            "body" => format!("content.{body}"),
            part => format!("content.{part}"),
        };
    }
    MessagingError::Invalid { problems }.into()
}

/// The property of the request that a body is given as.
const fn property(body: &Body) -> &'static str {
    match body {
        Body::Html(_) => "html",
        Body::Mjml(_) => "mjml",
        Body::Blocks(_) => "blocks",
    }
}

impl From<&EmailSource> for ContentBody {
    fn from(source: &EmailSource) -> Self {
        let (html, mjml, blocks) = match source.body.clone() {
            Body::Html(html) => (Some(html), None, None),
            Body::Mjml(mjml) => (None, Some(mjml), None),
            Body::Blocks(blocks) => (None, None, Some(Doc::of(blocks))),
        };
        Self {
            subject: source.subject.clone(),
            preheader: source.preheader.clone(),
            html,
            mjml,
            blocks,
            text: source.text.clone(),
            from_name: source.from_name.clone(),
            from_address: source.from_address.clone(),
            reply_to: source.reply_to.clone(),
        }
    }
}

/// Something that somebody should look at before sending.
#[derive(Debug, Object)]
#[oai(rename = "ContentWarning")]
struct WarningBody {
    code: String,
    message: String,
}

impl From<&ContentProblem> for WarningBody {
    fn from(problem: &ContentProblem) -> Self {
        Self {
            code: problem.code.clone(),
            message: problem.message.clone(),
        }
    }
}

/// An email in a list, without its content.
#[derive(Debug, Object)]
#[oai(rename = "EmailSummary")]
struct SummaryBody {
    id: Uuid,
    name: String,
    /// Counts the changes, from 1.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Email> for SummaryBody {
    fn from(email: Email) -> Self {
        Self {
            id: email.id.as_uuid(),
            name: email.name.to_string(),
            version: email.version,
            created_at: email.created_at,
            updated_at: email.updated_at,
        }
    }
}

/// An email.
#[derive(Debug, Object)]
#[oai(rename = "Email")]
struct EmailBody {
    id: Uuid,
    name: String,
    content: ContentBody,
    /// What somebody should look at before sending.
    warnings: Vec<WarningBody>,
    /// Counts the changes, from 1.
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<&SavedEmail> for EmailBody {
    fn from(saved: &SavedEmail) -> Self {
        Self {
            id: saved.email.id.as_uuid(),
            name: saved.email.name.to_string(),
            content: (&saved.current.source).into(),
            warnings: saved
                .current
                .compiled
                .warnings()
                .iter()
                .map(WarningBody::from)
                .collect(),
            version: saved.email.version,
            created_at: saved.email.created_at,
            updated_at: saved.email.updated_at,
        }
    }
}

/// An email to make.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewEmail {
    #[oai(validator(min_length = 1, max_length = 191))]
    name: String,
    content: ContentBody,
}

/// What a copy of an email is to be called.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct EmailCopy {
    #[oai(validator(min_length = 1, max_length = 191))]
    name: String,
}

/// What to change of an email; what is absent stays.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct EmailPatch {
    name: MaybeUndefined<String>,
    /// The whole content.
    content: MaybeUndefined<ContentBody>,
}

/// For whom to show an email.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct PreviewRequest {
    /// A contact; somebody made up without it.
    contact_id: MaybeUndefined<Uuid>,
    /// Content that is not saved; the email's without it.
    content: MaybeUndefined<ContentBody>,
}

/// An email as one recipient would see it. Nothing in it is tracked.
#[derive(Debug, Object)]
#[oai(rename = "EmailPreview", skip_serializing_if_is_none)]
struct PreviewBody {
    subject: String,
    preheader: Option<String>,
    html: String,
    text: String,
    from_name: Option<String>,
    from_address: Option<String>,
    reply_to: Option<String>,
    warnings: Vec<WarningBody>,
}

impl From<Preview> for PreviewBody {
    fn from(preview: Preview) -> Self {
        Self {
            warnings: preview.warnings.iter().map(WarningBody::from).collect(),
            subject: preview.subject,
            preheader: preview.preheader,
            html: preview.html,
            text: preview.text,
            from_name: preview.from_name,
            from_address: preview.from_address,
            reply_to: preview.reply_to,
        }
    }
}

#[OpenApi(prefix_path = "/messaging/emails", tag = "ApiTag::Emails")]
impl EmailsApi {
    /// List emails
    #[oai(path = "/", method = "get", operation_id = "listEmails")]
    async fn list(
        &self,
        Token(actor): Token,
        /// Part of the name.
        search: Query<Option<String>>,
        /// `created` without it.
        sort: Query<Option<SortName>>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<SummaryBody>>, ApiError> {
        let filter = EmailFilter {
            search: search.0,
            sort: sort.0.map_or_else(EmailSort::default, Into::into),
        };
        let after: Option<EmailCursor> = read_cursor(after.0)?;
        let page = self
            .emails
            .list(&actor, &filter, after.as_ref(), page_size(limit.0))
            .await?;
        Ok(Json(Page::present_opaque(page, SummaryBody::from)))
    }

    /// Make an email
    #[oai(path = "/", method = "post", operation_id = "createEmail")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewEmail>,
    ) -> Result<Created<EmailBody>, ApiError> {
        let command = CreateEmail {
            name: parse("/name", &body.0.name)?,
            source: body.0.content.read()?,
        };
        let body = property(&command.source.body);
        let saved = self.emails.create(&actor, command).await;
        let saved = saved.map_err(|error| in_content(error, body))?;
        Ok(Created::Created(Json((&saved).into())))
    }

    /// Show an email
    #[oai(path = "/:email_id", method = "get", operation_id = "getEmail")]
    async fn get(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
    ) -> Result<Versioned<EmailBody>, ApiError> {
        let saved = self
            .emails
            .get(&actor, EmailId::from_uuid(email_id.0))
            .await?;
        Ok(Versioned::at(saved.email.version, (&saved).into()))
    }

    /// Change an email
    ///
    /// Sends that run keep the content they started with.
    #[oai(path = "/:email_id", method = "patch", operation_id = "updateEmail")]
    async fn update(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        /// The `ETag` of the email as it was read: the change is refused if it was changed since.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<EmailPatch>,
    ) -> Result<Versioned<EmailBody>, ApiError> {
        let command = UpdateEmail {
            name: crate::api::given("/name", body.0.name)?,
            source: body.0.content.take().map(ContentBody::read).transpose()?,
            expected_version: expected_version(if_match.0.as_ref())?,
        };
        let body = command
            .source
            .as_ref()
            .map_or("html", |source| property(&source.body));
        let saved = self
            .emails
            .update(&actor, EmailId::from_uuid(email_id.0), command)
            .await
            .map_err(|error| in_content(error, body))?;
        Ok(Versioned::at(saved.email.version, (&saved).into()))
    }

    /// Copy an email
    ///
    /// The copy says what the email says now. Nobody gets the same email twice, so what the same people get again and
    /// again begins as a copy.
    #[oai(path = "/:email_id/copy", method = "post", operation_id = "copyEmail")]
    async fn copy(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        body: Json<EmailCopy>,
    ) -> Result<Created<EmailBody>, ApiError> {
        let name = parse("/name", &body.0.name)?;
        let id = EmailId::from_uuid(email_id.0);
        let saved = self.emails.copy(&actor, id, name).await?;
        Ok(Created::Created(Json((&saved).into())))
    }

    /// Delete an email
    ///
    /// Refused while it is being sent.
    #[oai(path = "/:email_id", method = "delete", operation_id = "deleteEmail")]
    async fn delete(&self, Token(actor): Token, email_id: Path<Uuid>) -> Result<Done, ApiError> {
        self.emails
            .delete(&actor, EmailId::from_uuid(email_id.0))
            .await?;
        Ok(Done::Done)
    }

    /// Show an email as a recipient would see it
    #[oai(
        path = "/:email_id/preview",
        method = "post",
        operation_id = "previewEmail"
    )]
    async fn preview(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        body: Json<PreviewRequest>,
    ) -> Result<Json<PreviewBody>, ApiError> {
        let recipient = match body.0.contact_id.take() {
            Some(id) => PreviewRecipient::Contact(ContactId::from_uuid(id)),
            None => PreviewRecipient::Sample,
        };
        let preview = match body.0.content.take() {
            Some(content) => {
                let source = content.read()?;
                self.emails
                    .preview_source(&actor, &source, recipient)
                    .await
                    .map_err(|error| in_content(error, property(&source.body)))?
            }
            None => {
                self.emails
                    .preview(&actor, EmailId::from_uuid(email_id.0), recipient)
                    .await?
            }
        };
        Ok(Json(preview.into()))
    }
}
