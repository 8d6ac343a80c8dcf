//! `/api/messaging/list-exits`: who left which mailing lists.

use chrono::{DateTime, Utc};
use mauntic_core::SegmentId;
use mauntic_messaging::suppression::{ListExit, ListExitFilter, SuppressionService};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Done, Page, page_size, read_cursor},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct ListExitsApi {
    suppressions: SuppressionService,
}

impl ListExitsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            suppressions: app.suppressions.clone(),
        }
    }
}

/// That an address left the mailing list of a segment: nothing that is sent to the segment goes to it.
#[derive(Debug, Object)]
#[oai(rename = "ListExit", skip_serializing_if_is_none)]
struct ListExitBody {
    /// The address; absent once it was erased at its owner's request.
    address: Option<String>,
    /// The SHA-256 hash of the address in lower case, in hexadecimal digits.
    address_hash: String,
    /// The segment whose mailing list it left.
    segment_id: Uuid,
    at: DateTime<Utc>,
}

impl From<ListExit> for ListExitBody {
    fn from(exit: ListExit) -> Self {
        Self {
            address: exit.address_key,
            address_hash: exit.address_hash,
            segment_id: exit.segment_id.as_uuid(),
            at: exit.at,
        }
    }
}

#[OpenApi(prefix_path = "/messaging/list-exits", tag = "ApiTag::Sending")]
impl ListExitsApi {
    /// List who left which mailing lists
    ///
    /// The last one first.
    #[oai(path = "/", method = "get", operation_id = "listListExits")]
    async fn list(
        &self,
        Token(actor): Token,
        /// Part of the address.
        search: Query<Option<String>>,
        /// Only the list of this segment.
        segment_id: Query<Option<Uuid>>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ListExitBody>>, ApiError> {
        let filter = ListExitFilter {
            search: search.0,
            segment: segment_id.0.map(SegmentId::from_uuid),
        };
        let after = read_cursor(after.0)?;
        let page = self
            .suppressions
            .list_exits(&actor, &filter, after.as_ref(), page_size(limit.0))
            .await?;
        Ok(Json(Page::present_opaque(page, ListExitBody::from)))
    }

    /// Allow mail of a list to an address that left it
    ///
    /// Its contact is not put into the segment by this.
    #[oai(
        path = "/:segment_id/:address_hash",
        method = "delete",
        operation_id = "removeListExit"
    )]
    async fn remove(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        /// The hash of the address, as it is listed.
        address_hash: Path<String>,
    ) -> Result<Done, ApiError> {
        let segment = SegmentId::from_uuid(segment_id.0);
        self.suppressions
            .remove_exit(&actor, &address_hash.0, segment)
            .await?;
        Ok(Done::Done)
    }
}
