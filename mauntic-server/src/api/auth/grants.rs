use chrono::{DateTime, Utc};
use mauntic_core::{OauthGrantId, identity::OwnGrant};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json};
use uuid::Uuid;

use crate::{
    App,
    api::{ApiTag, Done},
    http::{auth::InSession, problem::ApiError},
};

pub(crate) struct GrantsApi {
    app: App,
}

impl GrantsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self { app: app.clone() }
    }
}

/// That an app may act for the user.
#[derive(Debug, Object)]
#[oai(rename = "OauthGrant", skip_serializing_if_is_none)]
struct GrantBody {
    id: Uuid,
    /// The id that the app calls itself.
    client_id: Uuid,
    client_name: String,
    organization_id: Uuid,
    organization_name: String,
    /// What the user lets it do, as far as the user may do it.
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<OwnGrant> for GrantBody {
    fn from(own: OwnGrant) -> Self {
        let grant = own.grant;
        Self {
            id: grant.id.as_uuid(),
            client_id: grant.client_id.as_uuid(),
            client_name: own.client.to_string(),
            organization_id: grant.organization_id.as_uuid(),
            organization_name: own.organization.to_string(),
            scopes: grant.scopes.iter().map(ToString::to_string).collect(),
            created_at: grant.created_at,
            last_used_at: grant.last_used_at,
        }
    }
}

#[OpenApi(prefix_path = "/auth", tag = "ApiTag::Account")]
impl GrantsApi {
    /// List the apps that may act for the user
    #[oai(path = "/grants", method = "get", operation_id = "listOauthGrants")]
    async fn grants(&self, InSession(who): InSession) -> Result<Json<Vec<GrantBody>>, ApiError> {
        let grants = self.app.identity.own_oauth_grants(&who).await?;
        Ok(Json(grants.into_iter().map(GrantBody::from).collect()))
    }

    /// Let an app act for the user no more
    ///
    /// From its next call on.
    #[oai(
        path = "/grants/:grant_id",
        method = "delete",
        operation_id = "revokeOauthGrant"
    )]
    async fn revoke(
        &self,
        InSession(who): InSession,
        grant_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = OauthGrantId::from_uuid(grant_id.0);
        self.app.identity.revoke_oauth_grant(&who, id).await?;
        Ok(Done::Done)
    }
}
