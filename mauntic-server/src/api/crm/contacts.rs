//! `/api/crm/contacts`.

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, EmailAddress};
use mauntic_crm::{
    ContactFilter, ContactListing, ContactService, ContactSort, CreateContact, DoNotContactCommand,
    LiftDoNotContact, Likeness, MergeCandidate, UpdateContact, UpsertContact,
};
use poem_openapi::{
    Enum, Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::contact_body::{BatchResult, ChannelName, ContactBody, ContactInput, DncReason};
use crate::{
    App,
    api::{ApiTag, Created, Done, Page, Versioned, expected_version, page_size, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct ContactsApi {
    contacts: ContactService,
}

impl ContactsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            contacts: app.contacts.clone(),
        }
    }
}

/// What a list of contacts is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ContactSort", rename_all = "snake_case")]
enum SortName {
    CreatedAt,
    UpdatedAt,
    /// The last name and then the first; those without a last name come last.
    Name,
    Email,
    LastActive,
}

impl From<SortName> for ContactSort {
    fn from(name: SortName) -> Self {
        match name {
            SortName::CreatedAt => Self::CreatedAt,
            SortName::UpdatedAt => Self::UpdatedAt,
            SortName::Name => Self::Name,
            SortName::Email => Self::Email,
            SortName::LastActive => Self::LastActive,
        }
    }
}

/// Why two records are probably of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ContactLikeness", rename_all = "snake_case")]
enum LikenessName {
    /// Their addresses lead to one mailbox: they differ in what stands behind a `+` or, at Gmail, in dots.
    Mailbox,
    /// They have the same number of a mobile phone.
    Mobile,
    /// They have the same first and last name, and work at the same company.
    NameAndCompany,
    /// They have the same first and last name, and a telephone number in common.
    NameAndPhone,
    /// They have the same first and last name, and live at the same postal code.
    NameAndPostcode,
}

impl From<Likeness> for LikenessName {
    fn from(likeness: Likeness) -> Self {
        match likeness {
            Likeness::Mailbox => Self::Mailbox,
            Likeness::Mobile => Self::Mobile,
            Likeness::NameAndCompany => Self::NameAndCompany,
            Likeness::NameAndPhone => Self::NameAndPhone,
            Likeness::NameAndPostcode => Self::NameAndPostcode,
        }
    }
}

/// Another record that is probably of the same person.
#[derive(Debug, Object)]
#[oai(rename = "MergeCandidate")]
struct CandidateBody {
    contact: ContactBody,
    because: Vec<LikenessName>,
}

/// Other records that are probably of the same person.
#[derive(Debug, Object)]
struct MergeCandidates {
    items: Vec<CandidateBody>,
}

/// The record that becomes part of another.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct MergeInput {
    /// The contact that is gone afterwards.
    contact_id: Uuid,
}

/// Up to 1,000 contacts to add, or to change where one has the address already.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ContactBatch {
    #[oai(validator(max_items = 1000))]
    contacts: Vec<ContactInput>,
    /// Change the contact that has the address instead of refusing the item.
    #[oai(default)]
    update_existing: bool,
}

/// A change of one contact of many.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ContactChangeItem {
    id: Uuid,
    /// Only if it still is at this version.
    version: MaybeUndefined<i64>,
    /// What is to become of it.
    changes: ContactInput,
}

/// Up to 1,000 changes.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ContactChangeBatch {
    #[oai(validator(max_items = 1000))]
    contacts: Vec<ContactChangeItem>,
}

/// Up to 1,000 contacts.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct ContactIds {
    #[oai(validator(max_items = 1000))]
    ids: Vec<Uuid>,
}

/// Where and why somebody must not be written to.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewDoNotContact {
    /// `manual` without it.
    reason: MaybeUndefined<DncReason>,
    /// Anything worth knowing about it.
    #[oai(default, validator(max_length = 1000))]
    comment: String,
}

/// Something that was done to a contact.
#[derive(Debug, Object)]
struct ContactChangeBody {
    id: Uuid,
    at: DateTime<Utc>,
    /// Who did it: `user:<id>`, `token:<id>` or `system`.
    actor: String,
    /// By which way, such as `api` or `import:<id>`.
    source: String,
    /// What was changed: `{"city": ["Bonn", "Berlin"]}`, old and new.
    changes: serde_json::Value,
}

#[OpenApi(prefix_path = "/crm/contacts", tag = "ApiTag::Contacts")]
impl ContactsApi {
    /// List contacts
    #[oai(path = "/", method = "get", operation_id = "listContacts")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the endpoint"
    )]
    async fn list(
        &self,
        Token(actor): Token,
        /// What the address, the first name or the last name starts with. With `*` in front, what any
        /// of them contains, which is slow on large lists.
        #[oai(validator(max_length = 200))]
        search: Query<Option<String>>,
        /// Only those with this tag.
        tag: Query<Option<String>>,
        /// Only the members of this segment.
        segment_id: Query<Option<Uuid>>,
        /// Only those whom this user is in charge of.
        owner_id: Query<Option<Uuid>>,
        /// Only those in this stage.
        stage: Query<Option<String>>,
        /// Only those who may not be contacted by this channel.
        do_not_contact: Query<Option<ChannelName>>,
        /// Only those of whom nothing says that they may not be contacted by this channel.
        may_contact: Query<Option<ChannelName>>,
        /// What to sort by; `created_at` without it.
        sort: Query<Option<SortName>>,
        /// The other way round.
        descending: Query<Option<bool>>,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ContactBody>>, ApiError> {
        let listing = ContactListing {
            filter: ContactFilter {
                search: search.0.filter(|text| !text.trim().is_empty()),
                tag: tag.0.map(|tag| parse("tag", &tag)).transpose()?,
                segment: segment_id.0.map(mauntic_core::SegmentId::from_uuid),
                owner: owner_id.0.map(mauntic_core::UserId::from_uuid),
                stage: stage.0,
                do_not_contact: do_not_contact.0.map(Into::into),
                may_contact: may_contact.0.map(Into::into),
            },
            sort: sort.0.map_or_else(ContactSort::default, Into::into),
            descending: descending.0.unwrap_or_default(),
            after: after.0.map(|cursor| parse("after", &cursor)).transpose()?,
            size: page_size(limit.0),
        };
        Ok(Json(Page::present(
            self.contacts.list(&actor, &listing).await?,
            ContactBody::from,
        )))
    }

    /// Add a contact
    #[oai(path = "/", method = "post", operation_id = "createContact")]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<ContactInput>,
    ) -> Result<Created<ContactBody>, ApiError> {
        let patch = body.0.parse(&self.contacts, &actor).await?;
        let command = CreateContact {
            patch,
            origin: Some("api".to_owned()),
        };
        Ok(Created::Created(Json(
            self.contacts.create(&actor, command).await?.into(),
        )))
    }

    /// Show a contact
    #[oai(path = "/:contact_id", method = "get", operation_id = "getContact")]
    async fn get(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
    ) -> Result<Versioned<ContactBody>, ApiError> {
        let contact = self
            .contacts
            .get(&actor, ContactId::from_uuid(contact_id.0))
            .await?;
        Ok(Versioned::at(contact.version(), contact.into()))
    }

    /// Find a contact by its email address
    #[oai(
        path = "/by-email/:email",
        method = "get",
        operation_id = "findContactByEmail"
    )]
    async fn find(
        &self,
        Token(actor): Token,
        email: Path<String>,
    ) -> Result<Versioned<ContactBody>, ApiError> {
        let email: EmailAddress = parse("email", &email.0)?;
        let contact = self.contacts.find_by_email(&actor, &email).await?;
        let contact =
            contact.ok_or_else(|| ApiError::not_found(&"no contact has this email address"))?;
        Ok(Versioned::at(contact.version(), contact.into()))
    }

    /// Change a contact
    #[oai(
        path = "/:contact_id",
        method = "patch",
        operation_id = "updateContact"
    )]
    async fn update(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        /// The `ETag` of the contact as it was read: the change is refused if it was changed since.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<ContactInput>,
    ) -> Result<Versioned<ContactBody>, ApiError> {
        let version = expected_version(if_match.0.as_ref())?;
        let patch = body.0.parse(&self.contacts, &actor).await?;
        let command = UpdateContact {
            id: ContactId::from_uuid(contact_id.0),
            version,
            patch,
        };
        let contact = self.contacts.update(&actor, command).await?;
        Ok(Versioned::at(contact.version(), contact.into()))
    }

    /// Delete a contact
    ///
    /// All that is known of it goes with it.
    #[oai(
        path = "/:contact_id",
        method = "delete",
        operation_id = "deleteContact"
    )]
    async fn delete(&self, Token(actor): Token, contact_id: Path<Uuid>) -> Result<Done, ApiError> {
        self.contacts
            .delete(&actor, ContactId::from_uuid(contact_id.0))
            .await?;
        Ok(Done::Done)
    }

    /// List records that are probably of the same person
    ///
    /// The likeliest first, up to 20. Nothing is merged by itself.
    #[oai(
        path = "/:contact_id/merge-candidates",
        method = "get",
        operation_id = "listMergeCandidates"
    )]
    async fn merge_candidates(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
    ) -> Result<Json<MergeCandidates>, ApiError> {
        let id = ContactId::from_uuid(contact_id.0);
        let found = self.contacts.merge_candidates(&actor, id).await?;
        let present = |found: MergeCandidate| CandidateBody {
            contact: found.contact.into(),
            because: found.because.into_iter().map(LikenessName::from).collect(),
        };
        Ok(Json(MergeCandidates {
            items: found.into_iter().map(present).collect(),
        }))
    }

    /// Merge a contact with another record of the same person
    ///
    /// The contact of the path stays and takes over what is known of the other: of two values of a field, that of the
    /// record changed last; the address, owner and stage only if it has none; all tags, points, bans on channels,
    /// history, engagement, and memberships by hand. The other is gone; its id leads to the one that stays.
    #[oai(
        path = "/:contact_id/merge",
        method = "post",
        operation_id = "mergeContact"
    )]
    async fn merge(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        body: Json<MergeInput>,
    ) -> Result<Versioned<ContactBody>, ApiError> {
        let id = ContactId::from_uuid(contact_id.0);
        let other = ContactId::from_uuid(body.0.contact_id);
        let contact = self.contacts.merge(&actor, id, other).await?;
        Ok(Versioned::at(contact.version(), contact.into()))
    }

    /// Add many contacts
    #[oai(
        path = "/batch/create",
        method = "post",
        operation_id = "createContacts"
    )]
    async fn create_many(
        &self,
        Token(actor): Token,
        body: Json<ContactBatch>,
    ) -> Result<Json<BatchResult>, ApiError> {
        let body = body.0;
        let values = body
            .contacts
            .iter()
            .map(ContactInput::values)
            .collect::<Result<Vec<_>, _>>()?;
        let parsed = self.contacts.parse_many(&actor, &values).await?;
        let (mut slots, mut accepted) = (Vec::new(), Vec::new());
        for (input, patch) in body.contacts.into_iter().zip(parsed) {
            match patch {
                Ok(patch) => {
                    accepted.push(input.complete(patch)?);
                    slots.push(None);
                }
                Err(error) => slots.push(Some(error)),
            }
        }
        let done = if body.update_existing {
            self.upsert(&actor, accepted).await?
        } else {
            let origin = Some("api".to_owned());
            let commands: Vec<_> = accepted
                .into_iter()
                .map(|patch| CreateContact {
                    patch,
                    origin: origin.clone(),
                })
                .collect();
            let made = self.contacts.create_many(&actor, &commands).await?;
            made.into_iter()
                .map(|result| result.map(|contact| (contact.id(), 201)))
                .collect()
        };
        let mut done = done.into_iter();
        let results = slots
            .into_iter()
            .filter_map(|slot| slot.map_or_else(|| done.next(), |error| Some(Err(error))));
        Ok(Json(BatchResult::present(results.collect())))
    }

    /// Change many contacts
    #[oai(
        path = "/batch/update",
        method = "post",
        operation_id = "updateContacts"
    )]
    async fn update_many(
        &self,
        Token(actor): Token,
        body: Json<ContactChangeBatch>,
    ) -> Result<Json<BatchResult>, ApiError> {
        let items = body.0.contacts;
        let values = items
            .iter()
            .map(|item| item.changes.values())
            .collect::<Result<Vec<_>, _>>()?;
        let parsed = self.contacts.parse_many(&actor, &values).await?;
        let (mut slots, mut commands) = (Vec::new(), Vec::new());
        for (item, patch) in items.into_iter().zip(parsed) {
            match patch {
                Ok(patch) => {
                    let (id, version) = (ContactId::from_uuid(item.id), item.version.take());
                    commands.push(UpdateContact {
                        id,
                        version,
                        patch: item.changes.complete(patch)?,
                    });
                    slots.push(None);
                }
                Err(error) => slots.push(Some(error)),
            }
        }
        let mut done = self
            .contacts
            .update_many(&actor, &commands)
            .await?
            .into_iter();
        let results = slots.into_iter().filter_map(|slot| match slot {
            None => done
                .next()
                .map(|result| result.map(|contact| (contact.id(), 200))),
            Some(error) => Some(Err(error)),
        });
        Ok(Json(BatchResult::present(results.collect())))
    }

    /// Delete many contacts
    #[oai(
        path = "/batch/delete",
        method = "post",
        operation_id = "deleteContacts"
    )]
    async fn delete_many(
        &self,
        Token(actor): Token,
        body: Json<ContactIds>,
    ) -> Result<Json<BatchResult>, ApiError> {
        let ids: Vec<_> = body.0.ids.into_iter().map(ContactId::from_uuid).collect();
        let done = self.contacts.delete_many(&actor, &ids).await?;
        let results = done
            .into_iter()
            .zip(ids)
            .map(|(result, id)| result.map(|()| (id, 204)));
        Ok(Json(BatchResult::present(results.collect())))
    }

    /// Stop writing to a contact
    ///
    /// Somebody's own opt-out stays what it is.
    #[oai(
        path = "/:contact_id/do-not-contact/:channel",
        method = "put",
        operation_id = "setDoNotContact"
    )]
    async fn set_do_not_contact(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        channel: Path<ChannelName>,
        /// Only if the contact still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<NewDoNotContact>,
    ) -> Result<Versioned<ContactBody>, ApiError> {
        let command = DoNotContactCommand {
            channel: channel.0.into(),
            reason: body.0.reason.take().unwrap_or(DncReason::Manual).into(),
            comment: body.0.comment,
        };
        let id = ContactId::from_uuid(contact_id.0);
        let version = expected_version(if_match.0.as_ref())?;
        let contact = self
            .contacts
            .set_do_not_contact(&actor, id, &command, version)
            .await?;
        Ok(Versioned::at(contact.version(), contact.into()))
    }

    /// Let a contact be written to again
    #[oai(
        path = "/:contact_id/do-not-contact/:channel",
        method = "delete",
        operation_id = "liftDoNotContact"
    )]
    async fn lift_do_not_contact(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        channel: Path<ChannelName>,
        /// Only if the contact still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<Done, ApiError> {
        let command = LiftDoNotContact {
            channel: channel.0.into(),
            only: None,
        };
        let id = ContactId::from_uuid(contact_id.0);
        let version = expected_version(if_match.0.as_ref())?;
        self.contacts
            .lift_do_not_contact(&actor, id, &command, version)
            .await?;
        Ok(Done::Done)
    }

    /// Show what was done to a contact
    ///
    /// The latest change first.
    #[oai(
        path = "/:contact_id/history",
        method = "get",
        operation_id = "getContactHistory"
    )]
    async fn history(
        &self,
        Token(actor): Token,
        contact_id: Path<Uuid>,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ContactChangeBody>>, ApiError> {
        let id = ContactId::from_uuid(contact_id.0);
        let page = self
            .contacts
            .history(&actor, id, after.0, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, |change| ContactChangeBody {
            id: change.id,
            at: change.at,
            actor: change.actor.to_string(),
            source: change.source,
            changes: serde_json::to_value(&change.changes).unwrap_or_default(),
        })))
    }
}

impl ContactsApi {
    /// Adds contacts, or changes those that have the addresses.
    async fn upsert(
        &self,
        actor: &mauntic_core::Actor,
        patches: Vec<mauntic_crm::ContactPatch>,
    ) -> Result<Vec<Result<(ContactId, u16), mauntic_crm::CrmError>>, ApiError> {
        let mut commands = Vec::with_capacity(patches.len());
        for (index, patch) in patches.into_iter().enumerate() {
            let mauntic_crm::Change::Set(email) = patch.email.clone() else {
                let detail = "needs an email address to find the contact by";
                return Err(ApiError::invalid(
                    &format!("/contacts/{index}/email"),
                    &detail,
                ));
            };
            commands.push(UpsertContact { email, patch });
        }
        let done = self.contacts.upsert_batch(actor, "api", &commands).await?;
        let present =
            |done: mauntic_crm::Upserted| (done.contact.id(), if done.created { 201 } else { 200 });
        Ok(done.into_iter().map(|result| result.map(present)).collect())
    }
}
