use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mauntic_core::{
    OauthClientId, Permission,
    identity::{
        CreateOauthClient, IdentityError, IdentityService, MachineAccess, MachineWish, OauthClient,
        RedirectUri, UpdateOauthClient,
    },
};
use poem_openapi::{
    Object, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
    types::MaybeUndefined,
};
use uuid::Uuid;

use super::{RoleName, given, parse};
use crate::{
    App,
    api::{ApiTag, Created, Done, Page, Versioned, expected_version, page_size},
    http::{
        auth::Token,
        problem::{ApiError, FieldProblem},
    },
};

pub(crate) struct AppsApi {
    identity: IdentityService,
}

impl AppsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self {
            identity: app.identity.clone(),
        }
    }
}

/// What an app may do for itself, within what whoever allowed it may do at that time.
#[derive(Debug, Object)]
#[oai(rename = "ActsForItself")]
struct MachineBody {
    role: RoleName,
    /// Permissions such as `contacts:read`.
    scopes: Vec<String>,
}

impl From<MachineAccess> for MachineBody {
    fn from(machine: MachineAccess) -> Self {
        Self {
            role: machine.role.into(),
            scopes: machine.scopes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An app that is let in by OAuth 2, without its secret.
#[derive(Debug, Object)]
#[oai(rename = "OauthClient", skip_serializing_if_is_none)]
struct ClientBody {
    /// What the app calls itself (`client_id`).
    id: Uuid,
    name: String,
    redirect_uris: Vec<String>,
    /// Whether it has a secret; without one, it proves itself with PKCE alone.
    confidential: bool,
    /// What it may do for itself (`client_credentials`); absent if nothing.
    acts_for_itself: Option<MachineBody>,
    /// Who registered it; absent after the command line.
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<OauthClient> for ClientBody {
    fn from(client: OauthClient) -> Self {
        Self {
            id: client.id.as_uuid(),
            name: client.name.to_string(),
            confidential: client.is_confidential(),
            redirect_uris: client.redirect_uris.into_iter().map(String::from).collect(),
            acts_for_itself: client.machine.map(MachineBody::from),
            created_by: client.created_by.map(|user| user.as_uuid()),
            created_at: client.created_at,
            last_used_at: client.last_used_at,
        }
    }
}

/// An app to register.
#[derive(Debug, Object)]
struct NewClientBody {
    #[oai(validator(min_length = 1, max_length = 191))]
    name: String,
    /// 1 to 10, with https, or with http on `localhost`; compared letter by letter. An app that acts for itself can do
    /// without.
    redirect_uris: Vec<String>,
    /// Whether it can keep a secret; yes without it. What runs in a browser or on the machines of people cannot.
    confidential: Option<bool>,
    /// What it may do for itself. Only people can give that, in a session.
    acts_for_itself: Option<MachineBody>,
}

/// What to change of an app.
#[derive(Debug, Object)]
struct ClientPatch {
    name: MaybeUndefined<String>,
    /// All of them. Users are asked again whether they let the app in.
    redirect_uris: Option<Vec<String>>,
    /// `null` for nothing. Only people can give it, in a session.
    acts_for_itself: MaybeUndefined<MachineBody>,
}

/// A new app with its secret, which is shown this once.
#[derive(Debug, Object)]
#[oai(rename = "OauthClientWithSecret", skip_serializing_if_is_none)]
struct ClientWithSecret {
    client: ClientBody,
    /// Keep it: it cannot be shown again. A public app has none.
    secret: Option<String>,
}

/// The secret of an app, which is shown this once.
#[derive(Debug, Object)]
#[oai(rename = "OauthClientSecret")]
struct ClientSecret {
    /// Keep it: it cannot be shown again.
    secret: String,
}

/// All that is wrong with the addresses at once, each at its place.
fn redirect_uris(texts: &[String]) -> Result<Vec<RedirectUri>, ApiError> {
    let (mut uris, mut problems) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        match text.parse::<RedirectUri>() {
            Ok(uri) => uris.push(uri),
            Err(error) => problems.push(FieldProblem {
                pointer: format!("/redirect_uris/{index}"),
                detail: error.to_string(),
            }),
        }
    }
    if problems.is_empty() {
        Ok(uris)
    } else {
        Err(ApiError::fields(problems))
    }
}

/// Names the field of what was refused: scopes stand deeper here than in the body of a token.
fn refused(error: IdentityError) -> ApiError {
    match error {
        IdentityError::BeyondOwnScope(_) | IdentityError::BeyondRole(..) => {
            ApiError::invalid("/acts_for_itself/scopes", &error)
        }
        error => error.into(),
    }
}

fn machine(body: &MachineBody) -> Result<MachineWish, ApiError> {
    let scopes = body.scopes.iter().enumerate().map(|(index, scope)| {
        parse::<Permission>(&format!("/acts_for_itself/scopes/{index}"), scope)
    });
    Ok(MachineWish {
        role: body.role.into(),
        scopes: Some(scopes.collect::<Result<BTreeSet<_>, _>>()?),
    })
}

#[OpenApi(prefix_path = "/identity", tag = "ApiTag::Identity")]
impl AppsApi {
    /// List the apps that the organisation registered
    #[oai(
        path = "/oauth-clients",
        method = "get",
        operation_id = "listOauthClients"
    )]
    async fn clients(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ClientBody>>, ApiError> {
        let after = after.0.map(OauthClientId::from_uuid);
        let page = self
            .identity
            .oauth_clients(&actor, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, ClientBody::from)))
    }

    /// Register an app
    ///
    /// Members can let it act for them by OAuth 2. The answer holds the secret, which is never shown again.
    #[oai(
        path = "/oauth-clients",
        method = "post",
        operation_id = "createOauthClient"
    )]
    async fn create(
        &self,
        Token(actor): Token,
        body: Json<NewClientBody>,
    ) -> Result<Created<ClientWithSecret>, ApiError> {
        let body = body.0;
        let command = CreateOauthClient {
            name: parse("/name", &body.name)?,
            redirect_uris: redirect_uris(&body.redirect_uris)?,
            confidential: body.confidential.unwrap_or(true),
            machine: body.acts_for_itself.as_ref().map(machine).transpose()?,
        };
        let made = self.identity.create_oauth_client(&actor, command);
        let made = made.await.map_err(refused)?;
        Ok(Created::Created(Json(ClientWithSecret {
            client: made.client.into(),
            secret: made.secret.map(|secret| secret.reveal().to_owned()),
        })))
    }

    /// Show an app
    #[oai(
        path = "/oauth-clients/:client_id",
        method = "get",
        operation_id = "getOauthClient"
    )]
    async fn client(
        &self,
        Token(actor): Token,
        client_id: Path<Uuid>,
    ) -> Result<Versioned<ClientBody>, ApiError> {
        let id = OauthClientId::from_uuid(client_id.0);
        let client = self.identity.oauth_client(&actor, id).await?;
        Ok(Versioned::at(client.version(), client.into()))
    }

    /// Change an app
    #[oai(
        path = "/oauth-clients/:client_id",
        method = "patch",
        operation_id = "updateOauthClient"
    )]
    async fn update(
        &self,
        Token(actor): Token,
        client_id: Path<Uuid>,
        /// Only if the app still is at this version.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<ClientPatch>,
    ) -> Result<Versioned<ClientBody>, ApiError> {
        let id = OauthClientId::from_uuid(client_id.0);
        let body = body.0;
        let uris = body.redirect_uris.as_deref().map(redirect_uris);
        let command = UpdateOauthClient {
            name: given("/name", body.name)?,
            redirect_uris: uris.transpose()?,
            machine: match body.acts_for_itself {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(body) => Some(Some(machine(&body)?)),
            },
            version: expected_version(if_match.0.as_ref())?,
        };
        let changed = self.identity.update_oauth_client(&actor, id, command);
        let changed = changed.await.map_err(refused)?;
        Ok(Versioned::at(changed.version(), changed.into()))
    }

    /// Make another secret for an app
    ///
    /// The one before stops working at once; the tokens of the app stay.
    #[oai(
        path = "/oauth-clients/:client_id/secret",
        method = "post",
        operation_id = "rotateOauthClientSecret"
    )]
    async fn rotate(
        &self,
        Token(actor): Token,
        client_id: Path<Uuid>,
    ) -> Result<Json<ClientSecret>, ApiError> {
        let id = OauthClientId::from_uuid(client_id.0);
        let secret = self.identity.rotate_oauth_secret(&actor, id).await?;
        Ok(Json(ClientSecret {
            secret: secret.reveal().to_owned(),
        }))
    }

    /// Delete an app
    ///
    /// All that it may do ends at once.
    #[oai(
        path = "/oauth-clients/:client_id",
        method = "delete",
        operation_id = "deleteOauthClient"
    )]
    async fn delete(&self, Token(actor): Token, client_id: Path<Uuid>) -> Result<Done, ApiError> {
        let id = OauthClientId::from_uuid(client_id.0);
        self.identity.delete_oauth_client(&actor, id).await?;
        Ok(Done::Done)
    }
}
