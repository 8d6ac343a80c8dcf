//! `/api/crm/contacts/…/timeline`: what became of mail to a contact.

use chrono::{DateTime, Utc};
use mauntic_core::ContactId;
use mauntic_messaging::tracking::{HitKind, TimelineCursor, TimelineEntry, TimelineEvent};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Page, page_size, read_cursor},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct TimelineApi(App);

impl TimelineApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "TimelineKind", rename_all = "snake_case")]
enum KindName {
    /// The message was sent, or is to be.
    Delivery,
    /// The pixel was loaded.
    Open,
    /// A link was followed.
    Click,
    /// No more mail was asked for.
    Unsubscribe,
    /// The message was read in a browser.
    WebView,
}

/// One thing in the history of a contact.
#[derive(Debug, Object)]
#[oai(rename = "TimelineEntry", skip_serializing_if_is_none)]
struct EntryBody {
    at: DateTime<Utc>,
    /// The message.
    delivery_id: Uuid,
    email_id: Uuid,
    kind: KindName,
    /// Where the message stands, such as `accepted`; only of deliveries.
    state: Option<String>,
    /// The number of the link; only of clicks.
    link: Option<u16>,
    /// Whether a program did it; not of deliveries.
    machine: Option<bool>,
    /// Why a program is thought to have done it.
    #[oai(skip_serializing_if_is_empty, default)]
    reasons: Vec<String>,
}

impl From<TimelineEntry> for EntryBody {
    fn from(entry: TimelineEntry) -> Self {
        let body = Self {
            at: entry.at,
            delivery_id: entry.delivery_id.as_uuid(),
            email_id: entry.email_id.as_uuid(),
            kind: KindName::Delivery,
            state: None,
            link: None,
            machine: None,
            reasons: Vec::new(),
        };
        match entry.event {
            TimelineEvent::Delivery { state } => Self {
                state: Some(state),
                ..body
            },
            TimelineEvent::Hit {
                hit,
                link,
                machine,
                reasons,
            } => Self {
                kind: match hit {
                    HitKind::Open => KindName::Open,
                    HitKind::Click => KindName::Click,
                    HitKind::Unsubscribe => KindName::Unsubscribe,
                    HitKind::WebView => KindName::WebView,
                },
                link,
                machine: Some(machine),
                reasons: reasons.iter().filter_map(name).collect(),
                ..body
            },
        }
    }
}

/// The name of a reason, as it is stored.
fn name(reason: &impl serde::Serialize) -> Option<String> {
    let name = serde_json::to_value(reason).ok()?;
    name.as_str().map(str::to_owned)
}

#[OpenApi(prefix_path = "/crm", tag = "ApiTag::Contacts")]
impl TimelineApi {
    /// Show what became of mail to a contact
    ///
    /// The latest first.
    #[oai(
        path = "/contacts/:contact_id/timeline",
        method = "get",
        operation_id = "getContactTimeline"
    )]
    async fn timeline(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<EntryBody>>, ApiError> {
        let id = ContactId::from_uuid(contact_id.0);
        let after: Option<TimelineCursor> = read_cursor(after.0)?;
        self.0.contacts.get(&actor, id).await?;
        let page = self
            .0
            .tracking
            .timeline(&actor, id, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present_opaque(page, EntryBody::from)))
    }
}
