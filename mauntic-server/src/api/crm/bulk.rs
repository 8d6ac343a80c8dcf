//! `/api/crm/bulk`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, SegmentId, UserId};
use mauntic_crm::{
    BulkService, ContactFilter, CreateBulkChange, Tag,
    bulk::{BulkAction, BulkChange, BulkChangeId, BulkEntry, BulkState, Whom},
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::contact_body::{ChannelName, parse_tags};
use crate::{
    App,
    api::{ApiTag, Created, Page, page_size, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct BulkApi {
    bulk: BulkService,
}

impl BulkApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            bulk: app.bulk.clone(),
        }
    }
}

/// How far a change of many is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "BulkState", rename_all = "lowercase")]
enum StateName {
    Pending,
    Running,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl From<BulkState> for StateName {
    fn from(state: BulkState) -> Self {
        match state {
            BulkState::Pending => Self::Pending,
            BulkState::Running => Self::Running,
            BulkState::Paused => Self::Paused,
            BulkState::Completed => Self::Completed,
            BulkState::Failed => Self::Failed,
            BulkState::Cancelled => Self::Cancelled,
        }
    }
}

/// What becomes of contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "BulkKind", rename_all = "snake_case")]
enum KindName {
    /// Tags are put on (`add`) and taken off (`remove`).
    Tags,
    /// They are put into the segment `segment_id` by hand.
    AddToSegment,
    /// They are taken out of the segment `segment_id` by hand.
    RemoveFromSegment,
    /// The field `field` gets the value `value`; an empty one clears it.
    SetField,
    /// The user `owner_id` is put in charge of them; nobody without it.
    SetOwner,
    /// They are moved to the stage `stage`; to none without it.
    SetStage,
    /// They must not be written to on `channel` any more; `comment` says why.
    DoNotContact,
    /// They are deleted, and all that is known of them.
    Delete,
}

/// What becomes of each contact. Which of the other properties count depends on `kind`.
#[derive(Debug, Object)]
#[oai(
    rename = "BulkAction",
    deny_unknown_fields,
    skip_serializing_if_is_none,
    skip_serializing_if_is_empty
)]
struct ActionBody {
    kind: KindName,
    /// Tags to put on; one that is in `remove` too ends up on.
    #[oai(default)]
    add: Vec<String>,
    /// Tags to take off.
    #[oai(default)]
    remove: Vec<String>,
    segment_id: Option<Uuid>,
    /// The alias of a field that is not unique.
    field: Option<String>,
    value: Option<String>,
    /// A member of the organisation.
    owner_id: Option<Uuid>,
    stage: Option<String>,
    channel: Option<ChannelName>,
    #[oai(validator(max_length = 1000))]
    comment: Option<String>,
}

impl ActionBody {
    fn of(kind: KindName) -> Self {
        Self {
            kind,
            add: Vec::new(),
            remove: Vec::new(),
            segment_id: None,
            field: None,
            value: None,
            owner_id: None,
            stage: None,
            channel: None,
            comment: None,
        }
    }

    fn read(self) -> Result<BulkAction, ApiError> {
        let segment = self.segment_id.map(SegmentId::from_uuid);
        let segment = || needed("/action/segment_id", segment);
        Ok(match self.kind {
            KindName::Tags => BulkAction::Tags {
                add: parse_tags("/action/add", &self.add)?,
                remove: parse_tags("/action/remove", &self.remove)?,
            },
            KindName::AddToSegment => BulkAction::AddToSegment {
                segment: segment()?,
            },
            KindName::RemoveFromSegment => BulkAction::RemoveFromSegment {
                segment: segment()?,
            },
            KindName::SetField => BulkAction::SetField {
                field: parse("/action/field", &needed("/action/field", self.field)?)?,
                value: self.value.unwrap_or_default(),
            },
            KindName::SetOwner => BulkAction::SetOwner {
                owner: self.owner_id.map(UserId::from_uuid),
            },
            KindName::SetStage => BulkAction::SetStage { stage: self.stage },
            KindName::DoNotContact => BulkAction::DoNotContact {
                channel: needed("/action/channel", self.channel)?.into(),
                comment: self.comment.unwrap_or_default(),
            },
            KindName::Delete => BulkAction::Delete,
        })
    }
}

impl From<BulkAction> for ActionBody {
    fn from(action: BulkAction) -> Self {
        let texts = |tags: BTreeSet<Tag>| tags.iter().map(Tag::to_string).collect();
        match action {
            BulkAction::Tags { add, remove } => Self {
                add: texts(add),
                remove: texts(remove),
                ..Self::of(KindName::Tags)
            },
            BulkAction::AddToSegment { segment } => Self {
                segment_id: Some(segment.as_uuid()),
                ..Self::of(KindName::AddToSegment)
            },
            BulkAction::RemoveFromSegment { segment } => Self {
                segment_id: Some(segment.as_uuid()),
                ..Self::of(KindName::RemoveFromSegment)
            },
            BulkAction::SetField { field, value } => Self {
                field: Some(field.to_string()),
                value: Some(value),
                ..Self::of(KindName::SetField)
            },
            BulkAction::SetOwner { owner } => Self {
                owner_id: owner.map(|owner| owner.as_uuid()),
                ..Self::of(KindName::SetOwner)
            },
            BulkAction::SetStage { stage } => Self {
                stage,
                ..Self::of(KindName::SetStage)
            },
            BulkAction::DoNotContact { channel, comment } => Self {
                channel: Some(channel.into()),
                comment: Some(comment),
                ..Self::of(KindName::DoNotContact)
            },
            BulkAction::Delete => Self::of(KindName::Delete),
        }
    }
}

fn needed<T>(pointer: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid(pointer, &"this kind of change needs it"))
}

/// All contacts that fit everything that is said here; all there are if nothing is.
#[derive(Debug, Object)]
#[oai(
    rename = "ContactFilter",
    deny_unknown_fields,
    skip_serializing_if_is_none
)]
struct FilterBody {
    /// What the address, the first name or the last name starts with.
    #[oai(validator(max_length = 200))]
    search: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only the members of this segment.
    segment_id: Option<Uuid>,
    /// Only those whom this user is in charge of.
    owner_id: Option<Uuid>,
    /// Only those in this stage.
    stage: Option<String>,
    /// Only those who may not be contacted by this channel.
    do_not_contact: Option<ChannelName>,
    /// Only those of whom nothing says that they may not be contacted by this channel.
    may_contact: Option<ChannelName>,
}

impl FilterBody {
    fn read(self) -> Result<ContactFilter, ApiError> {
        let tag = self.tag.map(|tag| parse("/filter/tag", &tag));
        Ok(ContactFilter {
            search: self.search.filter(|text| !text.trim().is_empty()),
            tag: tag.transpose()?,
            segment: self.segment_id.map(SegmentId::from_uuid),
            owner: self.owner_id.map(UserId::from_uuid),
            stage: self.stage,
            do_not_contact: self.do_not_contact.map(Into::into),
            may_contact: self.may_contact.map(Into::into),
        })
    }
}

impl From<ContactFilter> for FilterBody {
    fn from(filter: ContactFilter) -> Self {
        Self {
            search: filter.search,
            tag: filter.tag.map(|tag| tag.to_string()),
            segment_id: filter.segment.map(|id| id.as_uuid()),
            owner_id: filter.owner.map(|id| id.as_uuid()),
            stage: filter.stage,
            do_not_contact: filter.do_not_contact.map(Into::into),
            may_contact: filter.may_contact.map(Into::into),
        }
    }
}

/// A change of many contacts to begin: of those with some ids, or of all that a filter lets through.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewBulkChange {
    /// Up to 1,000 contacts.
    #[oai(validator(max_items = 1000))]
    contact_ids: MaybeUndefined<Vec<Uuid>>,
    /// All that it lets through when their turn comes, but nobody who is added later; `{}` for all contacts.
    filter: MaybeUndefined<FilterBody>,
    action: ActionBody,
    /// Refuse to begin if there are more contacts than this.
    at_most: MaybeUndefined<u64>,
}

/// A change of many contacts and how far it is.
#[derive(Debug, Object)]
#[oai(rename = "BulkChange", skip_serializing_if_is_none)]
struct ChangeBody {
    id: Uuid,
    action: ActionBody,
    /// Whom it changes, if not contacts that were chosen one by one; absent in lists.
    filter: Option<FilterBody>,
    /// Who began it: `user:<id>`, `token:<id>` or `system`.
    actor: String,
    state: StateName,
    /// How many contacts there were to be, when it was asked for.
    total: u64,
    /// How many had their turn.
    done: u64,
    /// How many of those could not be changed.
    refused: u64,
    /// Why the first of them could not be, or why the change failed; absent in lists.
    problem: Option<String>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<BulkEntry> for ChangeBody {
    fn from(entry: BulkEntry) -> Self {
        Self {
            id: entry.id.as_uuid(),
            action: entry.action.into(),
            filter: None,
            actor: entry.actor.to_string(),
            state: entry.state.into(),
            total: entry.total,
            done: entry.done,
            refused: entry.refused,
            problem: None,
            created_at: entry.created_at,
            finished_at: entry.finished_at,
        }
    }
}

impl From<BulkChange> for ChangeBody {
    fn from(change: BulkChange) -> Self {
        let filter = match change.plan.whom {
            Whom::Chosen(_) => None,
            Whom::All(filter) => Some(filter.into()),
        };
        Self {
            id: change.id.as_uuid(),
            action: change.plan.action.into(),
            filter,
            actor: change.plan.actor.to_string(),
            state: change.state.into(),
            total: change.total,
            done: change.done,
            refused: change.refused,
            problem: change.problem,
            created_at: change.created_at,
            finished_at: change.finished_at,
        }
    }
}

#[OpenApi(prefix_path = "/crm/bulk", tag = "ApiTag::Contacts")]
impl BulkApi {
    /// Change many contacts
    ///
    /// Workers do it, batch by batch; ask for the change to see how far they are.
    #[oai(path = "/", method = "post", operation_id = "createBulkChange")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewBulkChange>,
    ) -> Result<Created<ChangeBody>, ApiError> {
        let NewBulkChange {
            contact_ids,
            filter,
            action,
            at_most,
        } = body.0;
        let whom = match (contact_ids.take(), filter.take()) {
            (Some(ids), None) => Whom::Chosen(ids.into_iter().map(ContactId::from_uuid).collect()),
            (None, Some(filter)) => Whom::All(filter.read()?),
            (Some(_), Some(_)) | (None, None) => {
                let detail = "give either this or a filter, which is {} for all contacts";
                return Err(ApiError::invalid("/contact_ids", &detail));
            }
        };
        let command = CreateBulkChange {
            whom,
            action: action.read()?,
            at_most: at_most.take(),
        };
        let change = self.bulk.create(&actor, command).await?;
        Ok(Created::Created(Json(change.into())))
    }

    /// List changes of many contacts
    ///
    /// The latest first.
    #[oai(path = "/", method = "get", operation_id = "listBulkChanges")]
    async fn list(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ChangeBody>>, ApiError> {
        let after = after.0.map(BulkChangeId::from_uuid);
        let page = self.bulk.list(&actor, after, page_size(limit.0)).await?;
        Ok(Json(Page::present(page, ChangeBody::from)))
    }

    /// Show how far a change of many contacts is
    #[oai(path = "/:change_id", method = "get", operation_id = "getBulkChange")]
    async fn get(
        &self,
        Token(actor): Token,
        change_id: Path<Uuid>,
    ) -> Result<Json<ChangeBody>, ApiError> {
        let id = BulkChangeId::from_uuid(change_id.0);
        Ok(Json(self.bulk.find(&actor, id).await?.into()))
    }

    /// Stop a change of many contacts until it is resumed
    ///
    /// What is changed stays so.
    #[oai(
        path = "/:change_id/pause",
        method = "post",
        operation_id = "pauseBulkChange"
    )]
    async fn pause(
        &self,
        Token(actor): Token,
        change_id: Path<Uuid>,
    ) -> Result<Json<ChangeBody>, ApiError> {
        let id = BulkChangeId::from_uuid(change_id.0);
        Ok(Json(self.bulk.pause(&actor, id).await?.into()))
    }

    /// Let a paused change of many contacts go on
    #[oai(
        path = "/:change_id/resume",
        method = "post",
        operation_id = "resumeBulkChange"
    )]
    async fn resume(
        &self,
        Token(actor): Token,
        change_id: Path<Uuid>,
    ) -> Result<Json<ChangeBody>, ApiError> {
        let id = BulkChangeId::from_uuid(change_id.0);
        Ok(Json(self.bulk.resume(&actor, id).await?.into()))
    }

    /// Stop a change of many contacts for good
    ///
    /// What is changed stays so.
    #[oai(
        path = "/:change_id/cancel",
        method = "post",
        operation_id = "cancelBulkChange"
    )]
    async fn cancel(
        &self,
        Token(actor): Token,
        change_id: Path<Uuid>,
    ) -> Result<Json<ChangeBody>, ApiError> {
        let id = BulkChangeId::from_uuid(change_id.0);
        Ok(Json(self.bulk.cancel(&actor, id).await?.into()))
    }
}
