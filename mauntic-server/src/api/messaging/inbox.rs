//! `/api/messaging/inbox`: mail that was captured instead of being sent.

use chrono::{DateTime, Utc};
use mauntic_core::CapturedMailId;
use mauntic_messaging::transport::capture::{CapturedMail, MailContent, OpenedMail};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::{Binary, Json},
};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Done, Page, page_size},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct InboxApi(App);

impl InboxApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }
}

/// A captured mail without its content.
#[derive(Debug, Object)]
#[oai(rename = "CapturedMail", skip_serializing_if_is_none)]
struct MailBody {
    id: Uuid,
    /// The message of a send that it is; absent for a test.
    delivery_id: Option<Uuid>,
    /// Where bounces would go.
    envelope_from: String,
    /// Where it would go.
    envelope_to: String,
    /// The address in the `From` header.
    from: String,
    subject: String,
    /// Bytes of the message.
    size: u64,
    captured_at: DateTime<Utc>,
}

impl From<CapturedMail> for MailBody {
    fn from(mail: CapturedMail) -> Self {
        Self {
            id: mail.id.as_uuid(),
            delivery_id: mail.delivery_id.map(|id| id.as_uuid()),
            envelope_from: mail.envelope_from,
            envelope_to: mail.envelope_to,
            from: mail.sender,
            subject: mail.subject,
            size: mail.size,
            captured_at: mail.captured_at,
        }
    }
}

/// One header of a mail.
#[derive(Debug, Object)]
#[oai(rename = "MailHeader")]
struct HeaderBody {
    name: String,
    /// Unfolded, not decoded.
    value: String,
}

/// A captured mail taken apart.
#[derive(Debug, Object)]
#[oai(rename = "OpenedMail", skip_serializing_if_is_none)]
struct OpenedBody {
    mail: MailBody,
    headers: Vec<HeaderBody>,
    html: Option<String>,
    text: Option<String>,
    /// Where the links of the HTML part lead, in order.
    links: Vec<String>,
    /// What the images of the HTML part are loaded from, in order.
    images: Vec<String>,
}

impl From<OpenedMail> for OpenedBody {
    fn from(opened: OpenedMail) -> Self {
        let MailContent {
            headers,
            html,
            text,
            links,
            images,
        } = opened.content;
        Self {
            mail: opened.mail.into(),
            headers: headers
                .into_iter()
                .map(|header| HeaderBody {
                    name: header.name,
                    value: header.value,
                })
                .collect(),
            html,
            text,
            links,
            images,
        }
    }
}

/// How many mails were deleted.
#[derive(Debug, Object)]
struct MailsDeleted {
    mails: u64,
}

/// A message as it would have been sent.
#[derive(ApiResponse)]
enum Source {
    /// The message.
    #[oai(status = 200, content_type = "message/rfc822")]
    Message(Binary<Vec<u8>>),
}

#[OpenApi(prefix_path = "/messaging/inbox", tag = "ApiTag::Sending")]
impl InboxApi {
    /// List captured mail
    ///
    /// The newest first.
    #[oai(path = "/", method = "get", operation_id = "listCapturedMail")]
    async fn list(
        &self,
        Token(actor): Token,
        /// Only mail to this address.
        to: Query<Option<String>>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<MailBody>>, ApiError> {
        let after = after.0.map(CapturedMailId::from_uuid);
        let page = self
            .0
            .inbox
            .list(&actor, to.0.as_deref(), after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, MailBody::from)))
    }

    /// Delete all captured mail
    #[oai(path = "/", method = "delete", operation_id = "deleteAllCapturedMail")]
    async fn delete_all(&self, Token(actor): Token) -> Result<Json<MailsDeleted>, ApiError> {
        let mails = self.0.inbox.delete_all(&actor).await?;
        Ok(Json(MailsDeleted { mails }))
    }

    /// Show a captured mail
    #[oai(path = "/:mail_id", method = "get", operation_id = "getCapturedMail")]
    async fn get(
        &self,
        Token(actor): Token,
        mail_id: Path<Uuid>,
    ) -> Result<Json<OpenedBody>, ApiError> {
        let id = CapturedMailId::from_uuid(mail_id.0);
        Ok(Json(self.0.inbox.open(&actor, id).await?.into()))
    }

    /// Download a captured mail as it would have been sent
    #[oai(
        path = "/:mail_id/source",
        method = "get",
        operation_id = "getCapturedMailSource"
    )]
    async fn source(&self, Token(actor): Token, mail_id: Path<Uuid>) -> Result<Source, ApiError> {
        let id = CapturedMailId::from_uuid(mail_id.0);
        let opened = self.0.inbox.open(&actor, id).await?;
        Ok(Source::Message(Binary(opened.source)))
    }

    /// Delete a captured mail
    #[oai(
        path = "/:mail_id",
        method = "delete",
        operation_id = "deleteCapturedMail"
    )]
    async fn delete(&self, Token(actor): Token, mail_id: Path<Uuid>) -> Result<Done, ApiError> {
        let id = CapturedMailId::from_uuid(mail_id.0);
        self.0.inbox.delete(&actor, id).await?;
        Ok(Done::Done)
    }
}
