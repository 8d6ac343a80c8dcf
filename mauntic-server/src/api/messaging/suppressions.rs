//! `/api/messaging/suppressions`: addresses that get no mail.

use chrono::{DateTime, Utc};
use mauntic_core::EmailAddress;
use mauntic_messaging::suppression::{
    NewSuppression, Suppression, SuppressionCursor, SuppressionFilter, SuppressionReason,
    SuppressionService,
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::MaybeUndefined,
};

use crate::{
    App,
    api::{ApiTag, Created, Done, Page, page_size, parse, read_cursor},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct SuppressionsApi {
    suppressions: SuppressionService,
}

impl SuppressionsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            suppressions: app.suppressions.clone(),
        }
    }
}

/// Why an address must not be mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "SuppressionReason", rename_all = "snake_case")]
enum ReasonName {
    Unsubscribed,
    HardBounce,
    Complaint,
    Manual,
    Import,
}

impl From<ReasonName> for SuppressionReason {
    fn from(name: ReasonName) -> Self {
        match name {
            ReasonName::Unsubscribed => Self::Unsubscribed,
            ReasonName::HardBounce => Self::HardBounce,
            ReasonName::Complaint => Self::Complaint,
            ReasonName::Manual => Self::Manual,
            ReasonName::Import => Self::Import,
        }
    }
}

impl From<SuppressionReason> for ReasonName {
    fn from(reason: SuppressionReason) -> Self {
        match reason {
            SuppressionReason::Unsubscribed => Self::Unsubscribed,
            SuppressionReason::HardBounce => Self::HardBounce,
            SuppressionReason::Complaint => Self::Complaint,
            SuppressionReason::Manual => Self::Manual,
            SuppressionReason::Import => Self::Import,
        }
    }
}

/// An address that must not be mailed.
#[derive(Debug, Object)]
#[oai(rename = "Suppression", skip_serializing_if_is_none)]
struct SuppressionBody {
    /// The address; absent once it was erased at its owner's request.
    address: Option<String>,
    /// The SHA-256 hash of the address in lower case, in hexadecimal digits.
    address_hash: String,
    reason: ReasonName,
    /// Where it came from, such as `one-click` or `api`.
    source: String,
    note: Option<String>,
    created_at: DateTime<Utc>,
    /// When its owner asked for no more mail, if they did, whatever the reason is now.
    unsubscribed_at: Option<DateTime<Utc>>,
}

impl From<Suppression> for SuppressionBody {
    fn from(entry: Suppression) -> Self {
        Self {
            address: entry.address_key,
            address_hash: entry.address_hash,
            reason: entry.reason.into(),
            source: entry.source,
            note: entry.note,
            created_at: entry.created_at,
            unsubscribed_at: entry.unsubscribed_at,
        }
    }
}

/// An address to suppress.
#[derive(Debug, Object)]
#[oai(rename = "NewSuppression", deny_unknown_fields)]
struct NewSuppressionBody {
    address: String,
    /// `manual` without it.
    reason: MaybeUndefined<ReasonName>,
    note: MaybeUndefined<String>,
}

impl NewSuppressionBody {
    fn parse(self, pointer: &str) -> Result<NewSuppression, ApiError> {
        Ok(NewSuppression {
            address: parse(&format!("{pointer}/address"), &self.address)?,
            reason: self
                .reason
                .take()
                .map_or(SuppressionReason::Manual, Into::into),
            source: "api".to_owned(),
            note: self.note.take(),
        })
    }
}

/// Many addresses to suppress, up to 10,000.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct SuppressionBatch {
    #[oai(validator(max_items = 10000))]
    addresses: Vec<NewSuppressionBody>,
}

/// What a batch did.
#[derive(Debug, Object)]
struct SuppressionBatchResult {
    /// Addresses that are suppressed now and were not before.
    added: u64,
    /// Addresses that were suppressed already.
    unchanged: u64,
}

#[OpenApi(prefix_path = "/messaging/suppressions", tag = "ApiTag::Sending")]
impl SuppressionsApi {
    /// List suppressed addresses
    ///
    /// The newest first.
    #[oai(path = "/", method = "get", operation_id = "listSuppressions")]
    async fn list(
        &self,
        Token(actor): Token,
        /// Part of the address.
        search: Query<Option<String>>,
        /// Only those with this reason.
        reason: Query<Option<ReasonName>>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<SuppressionBody>>, ApiError> {
        let filter = SuppressionFilter {
            search: search.0,
            reason: reason.0.map(Into::into),
        };
        let after: Option<SuppressionCursor> = read_cursor(after.0)?;
        let page = self
            .suppressions
            .list(&actor, &filter, after.as_ref(), page_size(limit.0))
            .await?;
        Ok(Json(Page::present_opaque(page, SuppressionBody::from)))
    }

    /// Suppress an address
    ///
    /// One that is suppressed already keeps its entry, unless the new reason is stronger: manual, import and complaint
    /// are stronger than a hard bounce, and that is stronger than an unsubscription. The entry is returned.
    #[oai(path = "/", method = "post", operation_id = "addSuppression")]
    async fn add(
        &self,
        Token(actor): Token,
        body: Json<NewSuppressionBody>,
    ) -> Result<Created<SuppressionBody>, ApiError> {
        let entry = self.suppressions.add(&actor, body.0.parse("")?).await?;
        Ok(Created::Created(Json(entry.into())))
    }

    /// Suppress many addresses
    #[oai(path = "/batch", method = "post", operation_id = "addSuppressions")]
    async fn batch(
        &self,
        Token(actor): Token,
        body: Json<SuppressionBatch>,
    ) -> Result<Json<SuppressionBatchResult>, ApiError> {
        let addresses = body.0.addresses.into_iter().enumerate();
        let list = addresses.map(|(index, address)| address.parse(&format!("/addresses/{index}")));
        let done = self
            .suppressions
            .import(&actor, list.collect::<Result<_, _>>()?)
            .await?;
        Ok(Json(SuppressionBatchResult {
            added: done.added,
            unchanged: done.unchanged,
        }))
    }

    /// Show the entry of an address
    #[oai(path = "/:address", method = "get", operation_id = "getSuppression")]
    async fn get(
        &self,
        Token(actor): Token,
        address: Path<String>,
    ) -> Result<Json<SuppressionBody>, ApiError> {
        let entry = self
            .suppressions
            .find(&actor, &parse::<EmailAddress>("address", &address.0)?)
            .await?;
        entry
            .map(|entry| Json(entry.into()))
            .ok_or_else(|| ApiError::not_found(&"this address is not suppressed"))
    }

    /// Allow mail to an address again
    ///
    /// If its owner unsubscribed and that is not the reason of the entry, the entry stays with that reason.
    #[oai(
        path = "/:address",
        method = "delete",
        operation_id = "removeSuppression"
    )]
    async fn remove(&self, Token(actor): Token, address: Path<String>) -> Result<Done, ApiError> {
        self.suppressions
            .remove(&actor, &parse::<EmailAddress>("address", &address.0)?)
            .await?;
        Ok(Done::Done)
    }

    /// Erase an address and still never mail it
    ///
    /// Only the hash of the address is kept.
    #[oai(
        path = "/:address/erase",
        method = "post",
        operation_id = "eraseSuppression"
    )]
    async fn erase(&self, Token(actor): Token, address: Path<String>) -> Result<Done, ApiError> {
        self.suppressions
            .erase(&actor, &parse::<EmailAddress>("address", &address.0)?)
            .await?;
        Ok(Done::Done)
    }
}
