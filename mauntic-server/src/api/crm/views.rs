//! `/api/crm/views`.

use chrono::{DateTime, Utc};
use mauntic_crm::{
    SaveView, ViewService,
    view::{SavedView, SavedViewId},
};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Created, Done},
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct ViewsApi {
    views: ViewService,
}

impl ViewsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            views: app.views.clone(),
        }
    }
}

/// A view of the list of contacts that somebody keeps.
#[derive(Debug, Object)]
#[oai(rename = "SavedView", skip_serializing_if_is_none)]
struct ViewBody {
    id: Uuid,
    name: String,
    /// What the list shows, as the query of its address in the browser.
    query: String,
    /// Whose it is; absent if it is everybody's.
    owner_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl From<SavedView> for ViewBody {
    fn from(view: SavedView) -> Self {
        Self {
            id: view.id.as_uuid(),
            name: view.name,
            query: view.query,
            owner_id: view.owner.map(|user| user.as_uuid()),
            created_at: view.created_at,
        }
    }
}

/// The saved views, by name.
#[derive(Debug, Object)]
struct SavedViews {
    items: Vec<ViewBody>,
}

/// A view to keep.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
struct NewSavedView {
    /// If there is one of that name and owner, it shows this from now on.
    #[oai(validator(max_length = 191))]
    name: String,
    /// What the list is to show, as the query of its address in the browser: `search`, `tag`, `segment`, `sort`
    /// (such as `-created_at`) and any number of `column`.
    #[oai(validator(max_length = 4000))]
    query: String,
    /// Whether it is everybody's. An API token is no person and has no views of its own.
    #[oai(default)]
    shared: bool,
}

#[OpenApi(prefix_path = "/crm/views", tag = "ApiTag::Contacts")]
impl ViewsApi {
    /// List the saved views
    ///
    /// Those of everybody, and the caller's own; by name.
    #[oai(path = "/", method = "get", operation_id = "listSavedViews")]
    async fn list(&self, Token(actor): Token) -> Result<Json<SavedViews>, ApiError> {
        let views = self.views.list(&actor).await?.into_iter();
        Ok(Json(SavedViews {
            items: views.map(ViewBody::from).collect(),
        }))
    }

    /// Save a view
    #[oai(path = "/", method = "post", operation_id = "saveView")]
    async fn save(
        &self,
        Token(actor): Token,
        body: Json<NewSavedView>,
    ) -> Result<Created<ViewBody>, ApiError> {
        let NewSavedView {
            name,
            query,
            shared,
        } = body.0;
        let command = SaveView {
            name,
            query,
            shared,
        };
        let view = self.views.save(&actor, command).await?;
        Ok(Created::Created(Json(view.into())))
    }

    /// Delete a saved view
    #[oai(
        path = "/:view_id",
        method = "delete",
        operation_id = "deleteSavedView"
    )]
    async fn delete(&self, Token(actor): Token, view_id: Path<Uuid>) -> Result<Done, ApiError> {
        let id = SavedViewId::from_uuid(view_id.0);
        self.views.delete(&actor, id).await?;
        Ok(Done::Done)
    }
}
