//! `/api/crm/segments`, and the segments of a contact.

use mauntic_core::{Actor, ContactId, SegmentId};
use mauntic_crm::segment::{CreateSegment, Segment, SegmentFilter, UpdateSegment};
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::segment_body::{
    ExplanationBody, NewSegment, PreviewRule, RulePreviewBody, SegmentBody, SegmentMemberBody,
    SegmentMembershipBody, SegmentPatch, SegmentRef, read_rule,
};
use crate::{
    App,
    api::{
        ApiTag, Created, Done, Page, Versioned, expected_version, given, page_size, parse,
        read_cursor,
    },
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct SegmentsApi(App);

impl SegmentsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }

    async fn present(&self, actor: &Actor, segment: Segment) -> Result<SegmentBody, ApiError> {
        let text = self.0.segments.rule_text(actor, &segment).await?;
        Ok(SegmentBody::new(segment, text))
    }
}

/// Up to 10,000 contacts.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct SegmentContacts {
    #[oai(validator(max_items = 10000))]
    ids: Vec<Uuid>,
}

impl SegmentContacts {
    fn read(self) -> Vec<ContactId> {
        self.ids.into_iter().map(ContactId::from_uuid).collect()
    }
}

/// Whose membership changed.
#[derive(Debug, Object)]
struct MembershipChange {
    /// How many.
    count: u64,
    ids: Vec<Uuid>,
}

impl From<Vec<ContactId>> for MembershipChange {
    fn from(changed: Vec<ContactId>) -> Self {
        Self {
            count: changed.len() as u64,
            ids: changed.into_iter().map(|id| id.as_uuid()).collect(),
        }
    }
}

/// Something will be done soon.
#[derive(ApiResponse)]
enum Queued {
    /// The rebuild waits for a worker.
    #[oai(status = 202)]
    Queued(Json<SegmentBody>),
}

#[OpenApi(prefix_path = "/crm", tag = "ApiTag::Segments")]
impl SegmentsApi {
    /// List segments
    ///
    /// By name.
    #[oai(path = "/segments", method = "get", operation_id = "listSegments")]
    async fn list(
        &self,
        Token(actor): Token,
        /// A part of the name; capitals do not matter.
        #[oai(validator(max_length = 200))]
        search: Query<Option<String>>,
        /// Only those that are being rebuilt.
        building: Query<Option<bool>>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<SegmentBody>>, ApiError> {
        let after: Option<String> = read_cursor(after.0)?;
        let filter = SegmentFilter {
            search: search.0,
            building: building.0.unwrap_or_default(),
        };
        let page = self
            .0
            .segments
            .list(&actor, &filter, after.as_deref(), page_size(limit.0))
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for segment in page.items {
            items.push(self.present(&actor, segment).await?);
        }
        let next = page.next;
        Ok(Json(Page::present_opaque(
            mauntic_core::Page { items, next },
            |body| body,
        )))
    }

    /// Make a segment
    #[oai(path = "/segments", method = "post", operation_id = "createSegment")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewSegment>,
    ) -> Result<Created<SegmentBody>, ApiError> {
        let command = CreateSegment {
            name: parse("/name", &body.0.name)?,
            description: body.0.description,
            rule: read_rule(body.0.text, body.0.rule)?.flatten(),
        };
        let segment = self.0.segments.create(&actor, command).await?;
        Ok(Created::Created(Json(self.present(&actor, segment).await?)))
    }

    /// Try a rule
    ///
    /// Counts whom it fits and shows some of them; nothing is stored.
    #[oai(
        path = "/segments/preview",
        method = "post",
        operation_id = "previewSegment"
    )]
    async fn preview(
        &self,
        Token(actor): Token,
        body: Json<PreviewRule>,
    ) -> Result<Json<RulePreviewBody>, ApiError> {
        let rule = read_rule(body.0.text, body.0.rule)?.flatten();
        let rule = rule.ok_or_else(|| ApiError::invalid("/where", &"give a rule to try"))?;
        Ok(Json(self.0.segments.preview(&actor, rule).await?.into()))
    }

    /// Show a segment
    #[oai(
        path = "/segments/:segment_id",
        method = "get",
        operation_id = "getSegment"
    )]
    async fn get(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
    ) -> Result<Versioned<SegmentBody>, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let segment = self.0.segments.find(&actor, id).await?;
        let version = segment.version;
        Ok(Versioned::at(version, self.present(&actor, segment).await?))
    }

    /// Change a segment
    ///
    /// Members by the old rule stay until the rebuild, which is due at once.
    #[oai(
        path = "/segments/:segment_id",
        method = "patch",
        operation_id = "updateSegment"
    )]
    async fn update(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        /// The `ETag` of the segment as it was read: the change is refused if it was changed since.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<SegmentPatch>,
    ) -> Result<Versioned<SegmentBody>, ApiError> {
        let command = UpdateSegment {
            name: given("/name", body.0.name)?,
            description: match body.0.description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(String::new()),
                MaybeUndefined::Value(text) => Some(text),
            },
            list_name: match body.0.list_name {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(name) => Some(Some(parse("/list_name", &name)?)),
            },
            rule: read_rule(body.0.text, body.0.rule)?,
            version: expected_version(if_match.0.as_ref())?,
        };
        let id = SegmentId::from_uuid(segment_id.0);
        let segment = self.0.segments.update(&actor, id, command).await?;
        let version = segment.version;
        Ok(Versioned::at(version, self.present(&actor, segment).await?))
    }

    /// Delete a segment
    ///
    /// Its contacts stay. Refused while the rules of other segments ask for it.
    #[oai(
        path = "/segments/:segment_id",
        method = "delete",
        operation_id = "deleteSegment"
    )]
    async fn delete(&self, Token(actor): Token, segment_id: Path<Uuid>) -> Result<Done, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        self.0.segments.delete(&actor, id).await?;
        Ok(Done::Done)
    }

    /// Apply a segment's rule to everybody again
    #[oai(
        path = "/segments/:segment_id/rebuild",
        method = "post",
        operation_id = "rebuildSegment"
    )]
    async fn rebuild(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
    ) -> Result<Queued, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let segment = self.0.segments.queue_rebuild(&actor, id).await?;
        Ok(Queued::Queued(Json(self.present(&actor, segment).await?)))
    }

    /// Show which segments ask for a segment in their rules
    #[oai(
        path = "/segments/:segment_id/used-by",
        method = "get",
        operation_id = "getSegmentUsers"
    )]
    async fn used_by(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
    ) -> Result<Json<Vec<SegmentRef>>, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let users = self.0.segments.used_by(&actor, id).await?;
        Ok(Json(users.into_iter().map(SegmentRef::from).collect()))
    }

    /// Explain why a contact is in a segment, or is not
    #[oai(
        path = "/segments/:segment_id/explain/:contact_id",
        method = "get",
        operation_id = "explainMembership"
    )]
    async fn explain(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        contact_id: Path<Uuid>,
    ) -> Result<Json<ExplanationBody>, ApiError> {
        let (segment, contact) = (
            SegmentId::from_uuid(segment_id.0),
            ContactId::from_uuid(contact_id.0),
        );
        let explanation = self.0.segments.explain(&actor, segment, contact).await?;
        Ok(Json(explanation.into()))
    }

    /// List the members of a segment
    #[oai(
        path = "/segments/:segment_id/members",
        method = "get",
        operation_id = "listSegmentMembers"
    )]
    async fn members(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<SegmentMemberBody>>, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let after = after.0.map(ContactId::from_uuid);
        let page = self
            .0
            .segments
            .members(&actor, id, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, SegmentMemberBody::from)))
    }

    /// Put contacts into a segment
    ///
    /// They stay in whatever the rule says. Contacts that do not exist are left out.
    #[oai(
        path = "/segments/:segment_id/members/add",
        method = "post",
        operation_id = "addSegmentMembers"
    )]
    async fn add(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        body: Json<SegmentContacts>,
    ) -> Result<Json<MembershipChange>, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let changed = self.0.segments.add(&actor, id, &body.0.read()).await?;
        Ok(Json(changed.into()))
    }

    /// Take contacts out of a segment
    ///
    /// They stay out whatever the rule says.
    #[oai(
        path = "/segments/:segment_id/members/remove",
        method = "post",
        operation_id = "removeSegmentMembers"
    )]
    async fn remove(
        &self,
        Token(actor): Token,
        segment_id: Path<Uuid>,
        body: Json<SegmentContacts>,
    ) -> Result<Json<MembershipChange>, ApiError> {
        let id = SegmentId::from_uuid(segment_id.0);
        let changed = self.0.segments.remove(&actor, id, &body.0.read()).await?;
        Ok(Json(changed.into()))
    }

    /// List the segments of a contact
    ///
    /// Also those that it was taken out of by hand, with why.
    #[oai(
        path = "/contacts/:contact_id/segments",
        method = "get",
        operation_id = "listContactSegments"
    )]
    async fn of_contact(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
    ) -> Result<Json<Vec<SegmentMembershipBody>>, ApiError> {
        let id = ContactId::from_uuid(contact_id.0);
        let memberships = self.0.segments.of_contact(&actor, id).await?;
        let present = |membership: mauntic_crm::segment::SegmentMembership| SegmentMembershipBody {
            segment_id: membership.segment.id.as_uuid(),
            name: membership.segment.name.to_string(),
            origin: membership.member.origin.into(),
            since: membership.member.added_at,
        };
        Ok(Json(memberships.into_iter().map(present).collect()))
    }
}
