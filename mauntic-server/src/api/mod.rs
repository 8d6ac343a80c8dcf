//! The JSON API. A handler parses, calls a use case and presents; it has no rule of its own.

mod auth;
pub(crate) mod crm;
mod document;
mod identity;
pub(crate) mod messaging;
mod stored;
mod stream;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mauntic_core::PageSize;
use poem::{Endpoint, EndpointExt as _, Route};
use poem_openapi::{
    ApiResponse, Object, OpenApiService, Tags,
    payload::Json,
    types::{ParseFromJSON, ToJSON, Type},
};
use serde_json::Value;

use crate::{
    App,
    http::{
        allow::Allow, auth::Authentication, explain::Explain, idempotency::Idempotency, nul::NoNul,
        problem::ApiError,
    },
};

pub(crate) use identity::{given, parse};

/// Where the endpoints of the API stand in the document.
#[derive(Tags)]
pub(crate) enum ApiTag {
    /// Logging in, and one's own account. None of these calls takes an `Idempotency-Key`; one that is sent is refused.
    Account,
    /// The organisation, its members, its API tokens and the apps that it registered.
    Identity,
    /// Contacts, their fields and tags, changes of many, saved views, imports and exports.
    Contacts,
    /// Segments and who is in them.
    Segments,
    /// Emails, sends and results.
    Emails,
    /// Suppression, transports, sending domains, captured mail.
    Sending,
}

/// Some rows, and where the next ones start.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct Page<T: ParseFromJSON + ToJSON + Type + Send + Sync> {
    /// The rows, in the order asked for.
    items: Vec<T>,
    /// What to pass as `after` for the next page; absent on the last.
    next: Option<String>,
}

impl<T: ParseFromJSON + ToJSON + Type + Send + Sync> Page<T> {
    /// Presents a page of records.
    pub(crate) fn present<R, C: ToString>(
        page: mauntic_core::Page<R, C>,
        present: impl FnMut(R) -> T,
    ) -> Self {
        let next = page.next.as_ref().map(C::to_string);
        Self {
            items: page.items.into_iter().map(present).collect(),
            next,
        }
    }

    /// Presents a page whose cursor is not text by itself.
    pub(crate) fn present_opaque<R, C: serde::Serialize>(
        page: mauntic_core::Page<R, C>,
        present: impl FnMut(R) -> T,
    ) -> Self {
        let next = page.next.as_ref().map(cursor_text);
        let page = mauntic_core::Page {
            items: page.items,
            next,
        };
        Self::present(page, present)
    }
}

/// Writes where the next page starts as opaque text.
pub(crate) fn cursor_text(cursor: &impl serde::Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

/// Reads what [`cursor_text`] wrote.
///
/// # Errors
/// If it is anything else.
pub(crate) fn read_cursor<C: serde::de::DeserializeOwned>(
    text: Option<String>,
) -> Result<Option<C>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let read = URL_SAFE_NO_PAD
        .decode(&text)
        .ok()
        // PostgreSQL keeps no NUL characters, so no cursor of ours has one.
        .filter(|json| !json.windows(6).any(|part| part == br"\u0000"))
        .and_then(|json| serde_json::from_slice(&json).ok());
    let problem = "not a cursor: pass what the page before gave as its next";
    read.map(Some)
        .ok_or_else(|| ApiError::invalid("after", &problem))
}

/// The size of a page, from the parameter `limit`.
pub(crate) fn page_size(limit: Option<u16>) -> PageSize {
    limit.map_or_else(PageSize::default, |limit| {
        PageSize::clamped(usize::from(limit))
    })
}

/// Something was made.
#[derive(ApiResponse)]
pub(crate) enum Created<T: ParseFromJSON + ToJSON + Type + Send + Sync> {
    /// It was made.
    #[oai(status = 201)]
    Created(Json<T>),
}

/// It is done, and there is nothing to say about it.
#[derive(ApiResponse)]
pub(crate) enum Done {
    /// It is done.
    #[oai(status = 204)]
    Done,
}

/// A record that people edit, with the version for `If-Match`.
#[derive(ApiResponse)]
pub(crate) enum Versioned<T: ParseFromJSON + ToJSON + Type + Send + Sync> {
    /// The record. Send the `ETag` back as `If-Match` with a change, so that nobody else's is overwritten.
    #[oai(status = 200)]
    Ok(Json<T>, #[oai(header = "ETag")] String),
}

impl<T: ParseFromJSON + ToJSON + Type + Send + Sync> Versioned<T> {
    /// A record at a version.
    pub(crate) fn at(version: i64, record: T) -> Self {
        Self::Ok(Json(record), format!("\"{version}\""))
    }
}

/// The version that an `If-Match` header asks for; `None` for any.
///
/// # Errors
/// If it is not an `ETag` that Mauntic gave.
pub(crate) fn expected_version(if_match: Option<&String>) -> Result<Option<i64>, ApiError> {
    let Some(text) = if_match.map(|text| text.trim()).filter(|text| *text != "*") else {
        return Ok(None);
    };
    let version = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    version
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| {
            ApiError::invalid(
                "If-Match",
                &"expected an ETag of this record, such as \"3\"",
            )
        })
}

type Identity = (
    auth::AuthApi,
    auth::GrantsApi,
    identity::IdentityApi,
    identity::AppsApi,
);

type Crm = (
    crm::contacts::ContactsApi,
    crm::fields::FieldsApi,
    crm::tags::TagsApi,
    crm::segments::SegmentsApi,
    crm::imports::ImportsApi,
    crm::bulk::BulkApi,
    crm::views::ViewsApi,
);

type Messaging = (
    messaging::emails::EmailsApi,
    messaging::results::ResultsApi,
    messaging::suppressions::SuppressionsApi,
    messaging::list_exits::ListExitsApi,
    messaging::sends::SendsApi,
    messaging::timeline::TimelineApi,
    messaging::inbox::InboxApi,
    messaging::transport::TransportApi,
    messaging::domains::DomainsApi,
);

fn service(app: &App) -> OpenApiService<(Identity, Crm, Messaging), ()> {
    let identity = (
        auth::AuthApi::new(app),
        auth::GrantsApi::new(app),
        identity::IdentityApi::new(app),
        identity::AppsApi::new(app),
    );
    let crm = (
        crm::contacts::ContactsApi::new(app),
        crm::fields::FieldsApi::new(app),
        crm::tags::TagsApi::new(app),
        crm::segments::SegmentsApi::new(app),
        crm::imports::ImportsApi::new(app),
        crm::bulk::BulkApi::new(app),
        crm::views::ViewsApi::new(app),
    );
    let messaging = (
        messaging::emails::EmailsApi::new(app),
        messaging::results::ResultsApi::new(app),
        messaging::suppressions::SuppressionsApi::new(app),
        messaging::list_exits::ListExitsApi::new(app),
        messaging::sends::SendsApi::new(app),
        messaging::timeline::TimelineApi::new(app),
        messaging::inbox::InboxApi::new(app),
        messaging::transport::TransportApi::new(app),
        messaging::domains::DomainsApi::new(app),
    );
    let endpoints = (identity, crm, messaging);
    OpenApiService::new(endpoints, "Mauntic", env!("CARGO_PKG_VERSION"))
        .description("Marketing automation: contacts, segments, email, tracking.")
        .url_prefix("/api")
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi(app: &App) -> Value {
    let derived = serde_json::from_str(&service(app).spec()).unwrap_or_default();
    let mut schemas = stored::schemas_of::<mauntic_crm::segment::Rule>();
    schemas.extend(stored::schemas_of::<
        mauntic_messaging::content::blocks::BlockDocument,
    >());
    document::complete(derived, schemas)
}

/// The OpenAPI document, without an installation at hand: it depends on the code alone.
///
/// # Errors
/// If no temporary folder can be had.
pub async fn openapi_document() -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    let settings = crate::Settings {
        data: folder.path().to_owned(),
        ..crate::Settings::default()
    };
    Ok(openapi(&App::open(settings).await?))
}

/// Everything under `/api`.
pub(crate) fn routes(app: &App) -> impl Endpoint + use<> {
    let document = openapi(app);
    let allow = Allow::of(&document);
    let explain = Explain::of(&document);
    let document = document.to_string();
    let service = service(app);
    let swagger = service.swagger_ui();
    let api = service
        .with(explain)
        .with(NoNul)
        .with(Idempotency(app.clone()))
        .with(Authentication(app.clone()))
        .with(allow);
    Route::new()
        .at(
            "/openapi.json",
            poem::endpoint::make_sync(move |_| {
                poem::Response::builder()
                    .content_type("application/json")
                    .body(document.clone())
            }),
        )
        .nest("/docs", swagger)
        .nest("/", api)
}
