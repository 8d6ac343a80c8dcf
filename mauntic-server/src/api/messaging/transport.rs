//! `/api/messaging/transport`: how an organisation's mail leaves.

use std::collections::HashMap;

use mauntic_messaging::transport::{SendingLimits, TransportKind, TransportView};
use poem_openapi::{Enum, Object, OpenApi, param::Header, payload::Json, types::MaybeUndefined};

use crate::{
    App,
    api::{ApiTag, Versioned, expected_version},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct TransportApi(App);

impl TransportApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }
}

/// Where mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TransportKind", rename_all = "snake_case")]
enum KindName {
    /// Into the inbox of captured mail.
    Capture,
    /// To a mail server.
    Smtp,
}

/// How fast mail may go.
#[derive(Debug, Object)]
#[oai(
    rename = "SendingLimits",
    deny_unknown_fields,
    skip_serializing_if_is_none
)]
struct LimitsBody {
    /// Most connections at once, for each process; 16 without it.
    #[oai(validator(minimum(value = "1"), maximum(value = "256")))]
    connections: Option<u16>,
    /// Messages after which a connection is closed; 100 without it.
    #[oai(validator(minimum(value = "1")))]
    messages_per_connection: Option<u32>,
    /// Seconds after which a connection is closed; 300 without it.
    #[oai(validator(minimum(value = "1")))]
    connection_seconds: Option<u32>,
    /// Most messages each second, over all processes.
    per_second: Option<f64>,
    /// Most messages each second to one recipient domain, over all processes.
    domain_per_second: Option<f64>,
    /// The same for single domains, in lower case.
    #[oai(default)]
    domains: HashMap<String, f64>,
}

impl From<LimitsBody> for SendingLimits {
    fn from(body: LimitsBody) -> Self {
        let usual = Self::default();
        Self {
            connections: body.connections.unwrap_or(usual.connections),
            messages_per_connection: body
                .messages_per_connection
                .unwrap_or(usual.messages_per_connection),
            connection_seconds: body.connection_seconds.unwrap_or(usual.connection_seconds),
            per_second: body.per_second,
            domain_per_second: body.domain_per_second,
            domains: body.domains.into_iter().collect(),
        }
    }
}

impl From<SendingLimits> for LimitsBody {
    fn from(limits: SendingLimits) -> Self {
        Self {
            connections: Some(limits.connections),
            messages_per_connection: Some(limits.messages_per_connection),
            connection_seconds: Some(limits.connection_seconds),
            per_second: limits.per_second,
            domain_per_second: limits.domain_per_second,
            domains: limits.domains.into_iter().collect(),
        }
    }
}

/// How the organisation's mail leaves.
#[derive(Debug, Object)]
#[oai(rename = "Transport")]
struct TransportBody {
    kind: KindName,
    /// The server's URL without the password; `capture` without a server.
    url: String,
    /// Whether a password is stored.
    has_password: bool,
    limits: LimitsBody,
    /// Counts the changes; zero if it was never configured.
    version: i64,
}

impl From<TransportView> for TransportBody {
    fn from(view: TransportView) -> Self {
        Self {
            kind: match view.kind {
                TransportKind::Capture => KindName::Capture,
                TransportKind::Smtp(_) => KindName::Smtp,
            },
            url: view.url,
            has_password: view.has_password,
            limits: view.limits.into(),
            version: view.version,
        }
    }
}

/// How mail is to leave.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewTransport {
    /// `smtp://user:password@host:port?tls=required` (or `none`, `opportunistic`) or `smtps://…`. Without
    /// it, mail is captured.
    url: MaybeUndefined<String>,
    /// The usual ones without them.
    limits: MaybeUndefined<LimitsBody>,
}

/// Whether the mail server answers.
#[derive(Debug, Object)]
struct TransportTest {
    works: bool,
    /// What it offers, or what went wrong.
    detail: String,
}

#[OpenApi(prefix_path = "/messaging/transport", tag = "ApiTag::Sending")]
impl TransportApi {
    /// Show how mail leaves
    #[oai(path = "/", method = "get", operation_id = "getTransport")]
    async fn get(&self, Token(actor): Token) -> Result<Versioned<TransportBody>, ApiError> {
        let view = self.0.transports.show(&actor).await?;
        Ok(Versioned::at(view.version, view.into()))
    }

    /// Send mail through a server, or capture it
    #[oai(path = "/", method = "put", operation_id = "setTransport")]
    async fn set(
        &self,
        Token(actor): Token,
        /// Only if it still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<NewTransport>,
    ) -> Result<Versioned<TransportBody>, ApiError> {
        let version = expected_version(if_match.0.as_ref())?;
        let url = body.0.url.take();
        let limits = body
            .0
            .limits
            .take()
            .map_or_else(SendingLimits::default, Into::into);
        let view = self
            .0
            .transports
            .configure(&actor, url.as_deref(), limits, version)
            .await?;
        Ok(Versioned::at(view.version, view.into()))
    }

    /// Capture mail from now on
    ///
    /// It goes into the inbox instead of to its recipients.
    #[oai(path = "/", method = "delete", operation_id = "captureMail")]
    async fn capture(
        &self,
        Token(actor): Token,
        /// Only if it still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Versioned<TransportBody>, ApiError> {
        let version = expected_version(if_match.0.as_ref())?;
        let limits = SendingLimits::default();
        let captured = self.0.transports.configure(&actor, None, limits, version);
        let view = captured.await?;
        Ok(Versioned::at(view.version, view.into()))
    }

    /// Try whether the mail server answers
    ///
    /// Connects and logs in, and sends nothing.
    #[oai(path = "/test", method = "post", operation_id = "testTransport")]
    async fn test(&self, Token(actor): Token) -> Result<Json<TransportTest>, ApiError> {
        let answer = self.0.transports.test(&actor).await?;
        let works = answer.is_ok();
        let detail = answer.unwrap_or_else(|problem| problem);
        Ok(Json(TransportTest { works, detail }))
    }
}
