//! `/api/messaging/sends`, and test messages.

use chrono::{DateTime, Utc};
use mauntic_core::{Actor, ContactId, DeliveryId, EmailAddress, EmailId, SegmentId, SendJobId};
use mauntic_messaging::{
    MessagingError,
    sending::{CreateSend, LocalTime, SendTime, parse_local_time},
};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::{EventStream, Json},
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::send_body::{
    DeliveryBody, DeliveryStateName, PreflightBody, SendBody, StatusBody, TestResultBody,
};
use crate::{
    App,
    api::{
        ApiTag, Created, Page, page_size, parse,
        stream::{KEEP_ALIVE, progress},
    },
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct SendsApi(App);

impl SendsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }
}

/// An email to send to a segment.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSend {
    /// The email; its current version is sent.
    email_id: Uuid,
    /// The `version` of the email that was looked at; if it is another by now, nothing is sent.
    email_version: MaybeUndefined<i64>,
    /// Who gets it: the members at the time it starts.
    segment_id: Uuid,
    /// When it starts; at once without it.
    at: MaybeUndefined<DateTime<Utc>>,
    /// Instead of `at`: the time that each recipient's own clock shows when they get it, such as `2027-01-31T09:00`.
    ///
    /// For contacts without a time zone the organisation's counts. Whose time is over when the send starts gets it at
    /// once.
    local_time: MaybeUndefined<String>,
}

/// When a send goes, by one of the two ways to say it.
async fn send_time(
    app: &App,
    actor: &Actor,
    at: Option<DateTime<Utc>>,
    local: Option<String>,
) -> Result<Option<SendTime>, ApiError> {
    const POINTER: &str = "/local_time";
    let Some(local) = local else {
        return Ok(at.map(SendTime::At));
    };
    if at.is_some() {
        let problem = "give either `at` or `local_time`";
        return Err(ApiError::invalid(POINTER, &problem));
    }
    let time = parse_local_time(&local);
    let time = time.map_err(|error| ApiError::invalid(POINTER, &error))?;
    let fallback = app.zones.zone_of(actor.organization_id()).await?;
    Ok(Some(SendTime::Local(LocalTime { time, fallback })))
}

/// Where test messages go.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct TestRequest {
    #[oai(validator(min_items = 1, max_items = 20))]
    addresses: Vec<String>,
    /// The contact whose values are filled in; made-up ones without it.
    contact_id: MaybeUndefined<Uuid>,
}

/// How many messages are sent again.
#[derive(Debug, Object)]
struct Retried {
    messages: u64,
}

#[OpenApi(prefix_path = "/messaging", tag = "ApiTag::Emails")]
impl SendsApi {
    /// Send an email to a segment, now or later
    ///
    /// Nobody gets the same email twice by this.
    #[oai(path = "/sends", method = "post", operation_id = "createSend")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewSend>,
    ) -> Result<Created<SendBody>, ApiError> {
        let at = send_time(&self.0, &actor, body.0.at.take(), body.0.local_time.take());
        let at = at.await?;
        let command = CreateSend {
            email: EmailId::from_uuid(body.0.email_id),
            version: body.0.email_version.take(),
            segment: SegmentId::from_uuid(body.0.segment_id),
            at,
        };
        let job = self.0.sends.create(&actor, command).await?;
        Ok(Created::Created(Json(job.into())))
    }

    /// Look at a send before it is made
    ///
    /// Whom it would reach, who would be left out, and whether anything signs its messages.
    #[oai(
        path = "/emails/:email_id/preflight",
        method = "get",
        operation_id = "lookAtSend"
    )]
    async fn preflight(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        /// Who is to get it.
        segment_id: Query<Uuid>,
    ) -> Result<Json<PreflightBody>, ApiError> {
        let email = EmailId::from_uuid(email_id.0);
        let segment = SegmentId::from_uuid(segment_id.0);
        let flight = self.0.sends.preflight(&actor, email, segment).await?;
        Ok(Json(flight.into()))
    }

    /// List sends
    ///
    /// The newest first.
    #[oai(path = "/sends", method = "get", operation_id = "listSends")]
    async fn list(
        &self,
        Token(actor): Token,
        /// Only those of this email.
        email_id: Query<Option<Uuid>>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<StatusBody>>, ApiError> {
        let email = email_id.0.map(EmailId::from_uuid);
        let after = after.0.map(SendJobId::from_uuid);
        let page = self
            .0
            .sends
            .list(&actor, email, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, StatusBody::from)))
    }

    /// Show how a send goes
    #[oai(path = "/sends/:send_id", method = "get", operation_id = "getSend")]
    async fn get(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<Json<StatusBody>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        Ok(Json(self.0.sends.status(&actor, id).await?.into()))
    }

    /// Watch a send
    ///
    /// Server-sent events with its status until it is over.
    #[oai(
        path = "/sends/:send_id/events",
        method = "get",
        operation_id = "watchSend"
    )]
    async fn events(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<EventStream<futures_util::stream::BoxStream<'static, StatusBody>>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        self.0.sends.status(&actor, id).await?;
        let app = self.0.clone();
        let stream = progress(move || {
            let (app, actor) = (app.clone(), actor.clone());
            async move {
                let status = app.sends.status(&actor, id).await?;
                let more = !status.job.state.is_over();
                Ok::<_, MessagingError>((StatusBody::from(status), more))
            }
        });
        Ok(EventStream::new(Box::pin(stream) as _).keep_alive(KEEP_ALIVE))
    }

    /// List the messages of a send
    #[oai(
        path = "/sends/:send_id/deliveries",
        method = "get",
        operation_id = "listDeliveries"
    )]
    async fn deliveries(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
        /// Only those in this state.
        state: Query<Option<DeliveryStateName>>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<DeliveryBody>>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        let after = after.0.map(DeliveryId::from_uuid);
        let state = state.0.map(Into::into);
        let page = self
            .0
            .sends
            .deliveries(&actor, id, state, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, DeliveryBody::from)))
    }

    /// Stop a send until it is resumed
    ///
    /// What is being handed over at the moment still goes.
    #[oai(
        path = "/sends/:send_id/pause",
        method = "post",
        operation_id = "pauseSend"
    )]
    async fn pause(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<Json<SendBody>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        Ok(Json(self.0.sends.pause(&actor, id).await?.into()))
    }

    /// Let a paused or failed send go on
    #[oai(
        path = "/sends/:send_id/resume",
        method = "post",
        operation_id = "resumeSend"
    )]
    async fn resume(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<Json<SendBody>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        Ok(Json(self.0.sends.resume(&actor, id).await?.into()))
    }

    /// Stop a send for good
    ///
    /// Who waits is left out, and may get the email by another send.
    #[oai(
        path = "/sends/:send_id/cancel",
        method = "post",
        operation_id = "cancelSend"
    )]
    async fn cancel(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<Json<SendBody>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        Ok(Json(self.0.sends.cancel(&actor, id).await?.into()))
    }

    /// Send again what nobody knows the fate of
    ///
    /// Some may get the message twice: it is for somebody to decide who knows what the mail server did.
    #[oai(
        path = "/sends/:send_id/retry-unknown",
        method = "post",
        operation_id = "retryUnknownDeliveries"
    )]
    async fn retry_unknown(
        &self,
        Token(actor): Token,
        send_id: Path<Uuid>,
    ) -> Result<Json<Retried>, ApiError> {
        let id = SendJobId::from_uuid(send_id.0);
        let messages = self.0.sends.retry_unknown(&actor, id).await?;
        Ok(Json(Retried { messages }))
    }

    /// Send test messages
    ///
    /// At once, to the given addresses alone; they count nowhere.
    #[oai(
        path = "/emails/:email_id/test",
        method = "post",
        operation_id = "sendTest"
    )]
    async fn test(
        &self,
        Token(actor): Token,
        email_id: Path<Uuid>,
        body: Json<TestRequest>,
    ) -> Result<Json<Vec<TestResultBody>>, ApiError> {
        let addresses = body.0.addresses.iter().enumerate();
        let addresses = addresses
            .map(|(index, address)| parse(&format!("/addresses/{index}"), address))
            .collect::<Result<Vec<EmailAddress>, _>>()?;
        let contact = body.0.contact_id.take().map(ContactId::from_uuid);
        let email = EmailId::from_uuid(email_id.0);
        let results = self
            .0
            .sends
            .send_test(&actor, email, contact, &addresses)
            .await?;
        Ok(Json(
            results.into_iter().map(TestResultBody::from).collect(),
        ))
    }
}
