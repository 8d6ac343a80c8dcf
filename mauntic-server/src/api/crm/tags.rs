//! `/api/crm/tags`.

use mauntic_crm::{Tag, TagService};
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};

use crate::{
    App,
    api::{ApiTag, Page, page_size, parse},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct TagsApi {
    tags: TagService,
}

impl TagsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            tags: app.tags.clone(),
        }
    }
}

/// A tag and how many contacts have it.
#[derive(Debug, Object)]
struct TagWithCount {
    name: String,
    contacts: u64,
}

/// What a tag is called from now on.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewTagName {
    name: String,
}

/// How many contacts changed.
#[derive(Debug, Object)]
struct ContactsChanged {
    contacts: u64,
}

#[OpenApi(prefix_path = "/crm/tags", tag = "ApiTag::Contacts")]
impl TagsApi {
    /// List the tags
    #[oai(path = "/", method = "get", operation_id = "listTags")]
    async fn list(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<String>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<String>>, ApiError> {
        let after: Option<Tag> = after.0.map(|tag| parse("after", &tag)).transpose()?;
        let page = self
            .tags
            .list(&actor, after.as_ref(), page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, |tag| tag.to_string())))
    }

    /// Show a tag
    #[oai(path = "/:tag", method = "get", operation_id = "getTag")]
    async fn get(
        &self,
        Token(actor): Token,
        tag: Path<String>,
    ) -> Result<Json<TagWithCount>, ApiError> {
        let tag: Tag = parse("tag", &tag.0)?;
        let contacts = self.tags.count(&actor, &tag).await?;
        Ok(Json(TagWithCount {
            name: tag.to_string(),
            contacts,
        }))
    }

    /// Rename a tag
    ///
    /// If the new name is a tag already, the two become one.
    #[oai(path = "/:tag", method = "patch", operation_id = "renameTag")]
    async fn rename(
        &self,
        Token(actor): Token,
        tag: Path<String>,
        body: Json<NewTagName>,
    ) -> Result<Json<ContactsChanged>, ApiError> {
        let (tag, to) = (
            parse::<Tag>("tag", &tag.0)?,
            parse::<Tag>("/name", &body.0.name)?,
        );
        Ok(Json(ContactsChanged {
            contacts: self.tags.rename(&actor, &tag, &to).await?,
        }))
    }

    /// Delete a tag
    ///
    /// It is taken off all contacts.
    #[oai(path = "/:tag", method = "delete", operation_id = "deleteTag")]
    async fn delete(
        &self,
        Token(actor): Token,
        tag: Path<String>,
    ) -> Result<Json<ContactsChanged>, ApiError> {
        let tag: Tag = parse("tag", &tag.0)?;
        Ok(Json(ContactsChanged {
            contacts: self.tags.delete(&actor, &tag).await?,
        }))
    }
}
