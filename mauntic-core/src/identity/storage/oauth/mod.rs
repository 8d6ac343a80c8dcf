//! Apps that are let in by OAuth.

mod queries;
mod repository;

use std::collections::BTreeSet;

use sea_orm::QueryResult;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{instant, maybe_instant, parsed, tokens::scopes};
use crate::{
    OauthClientId, OauthGrantId, OrganizationId, Permission, Role, StoreError, UserId,
    identity::{
        CodeChallenge, MachineAccess, OauthClient, OauthCode, OauthGrant, OauthToken,
        OauthTokenKind, RedirectUri, TokenHash,
    },
};

const CLIENT: &str = "OAuth client";
const GRANT: &str = "OAuth grant";
const CODE: &str = "OAuth code";
const TOKEN: &str = "OAuth token";

/// The columns of a client, where the table is `c`, under names that no other table has.
const CLIENT_COLUMNS: &str = "c.organization_id AS client_organization_id, c.id AS client_id, c.name AS client_name,
    c.redirect_uris, c.redirects_at, c.secret_hash AS client_secret_hash, c.machine_role, c.machine_scopes,
    c.machine_given_by, c.created_by, c.created_at AS client_created_at, c.last_used_at AS client_last_used_at";
/// Those of a grant, where the table is `g`.
const GRANT_COLUMNS: &str = "g.organization_id AS grant_organization_id, g.id AS id_of_grant, g.client_id AS grant_client_id,
    g.user_id, g.scopes AS grant_scopes, g.given_at, g.created_at AS grant_created_at,
    g.last_used_at AS grant_last_used_at";
/// Those of a token, where the table is `t`.
const TOKEN_COLUMNS: &str =
    "t.organization_id, t.client_id AS token_client_id, t.kind, t.grant_id, t.family, t.scopes,
    t.created_at, t.expires_at, t.used_at";
const CODE_COLUMNS: &str = "organization_id, client_id, grant_id, family, redirect_uri, challenge, scopes, expires_at, used_at";

fn client(row: &QueryResult) -> Result<OauthClient, StoreError> {
    let uris: Json = row.try_get("", "redirect_uris")?;
    let uris: Vec<RedirectUri> =
        serde_json::from_value(uris).map_err(|_| StoreError::corrupt(CLIENT, "redirect_uris"))?;
    let created_by: Option<Uuid> = row.try_get("", "created_by")?;
    Ok(OauthClient {
        id: OauthClientId::from_uuid(row.try_get("", "client_id")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "client_organization_id")?),
        name: parsed(row, CLIENT, "client_name")?,
        redirect_uris: uris,
        redirects_at: instant(row, CLIENT, "redirects_at")?,
        secret_hash: secret_hash(row)?,
        machine: machine(row)?,
        created_by: created_by.map(UserId::from_uuid),
        created_at: instant(row, CLIENT, "client_created_at")?,
        last_used_at: maybe_instant(row, CLIENT, "client_last_used_at")?,
    })
}

fn secret_hash(row: &QueryResult) -> Result<Option<TokenHash>, StoreError> {
    let hash: Option<Vec<u8>> = row.try_get("", "client_secret_hash")?;
    let hash = hash.map(|hash| TokenHash::try_from(hash.as_slice()));
    hash.transpose()
        .map_err(|_| StoreError::corrupt(CLIENT, "secret_hash"))
}

fn machine(row: &QueryResult) -> Result<Option<MachineAccess>, StoreError> {
    let role: Option<String> = row.try_get("", "machine_role")?;
    let Some(role) = role else { return Ok(None) };
    let given_by: Option<Uuid> = row.try_get("", "machine_given_by")?;
    Ok(Some(MachineAccess {
        role: role
            .parse::<Role>()
            .map_err(|_| StoreError::corrupt(CLIENT, "machine_role"))?,
        scopes: permissions(row, "machine_scopes")?,
        given_by: given_by.map(UserId::from_uuid),
    }))
}

fn permissions(row: &QueryResult, column: &str) -> Result<BTreeSet<Permission>, StoreError> {
    scopes(row.try_get("", column)?)
}

fn grant(row: &QueryResult) -> Result<OauthGrant, StoreError> {
    Ok(OauthGrant {
        id: OauthGrantId::from_uuid(row.try_get("", "id_of_grant")?),
        organization_id: OrganizationId::from_uuid(row.try_get("", "grant_organization_id")?),
        client_id: OauthClientId::from_uuid(row.try_get("", "grant_client_id")?),
        user_id: UserId::from_uuid(row.try_get("", "user_id")?),
        scopes: permissions(row, "grant_scopes")?,
        given_at: instant(row, GRANT, "given_at")?,
        created_at: instant(row, GRANT, "grant_created_at")?,
        last_used_at: maybe_instant(row, GRANT, "grant_last_used_at")?,
    })
}

fn code(row: &QueryResult) -> Result<OauthCode, StoreError> {
    let challenge: Option<String> = row.try_get("", "challenge")?;
    let challenge = challenge.map(|text| text.parse::<CodeChallenge>());
    Ok(OauthCode {
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        client_id: OauthClientId::from_uuid(row.try_get("", "client_id")?),
        grant_id: OauthGrantId::from_uuid(row.try_get("", "grant_id")?),
        family: row.try_get("", "family")?,
        redirect_uri: row.try_get("", "redirect_uri")?,
        challenge: challenge
            .transpose()
            .map_err(|_| StoreError::corrupt(CODE, "challenge"))?,
        scopes: permissions(row, "scopes")?,
        expires_at: instant(row, CODE, "expires_at")?,
        used_at: maybe_instant(row, CODE, "used_at")?,
    })
}

fn token(row: &QueryResult) -> Result<OauthToken, StoreError> {
    let kind: String = row.try_get("", "kind")?;
    let kinds = [OauthTokenKind::Access, OauthTokenKind::Refresh].into_iter();
    let mut kinds = kinds.filter(|known| known.as_str() == kind);
    let grant: Option<Uuid> = row.try_get("", "grant_id")?;
    Ok(OauthToken {
        organization_id: OrganizationId::from_uuid(row.try_get("", "organization_id")?),
        client_id: OauthClientId::from_uuid(row.try_get("", "token_client_id")?),
        kind: kinds
            .next()
            .ok_or_else(|| StoreError::corrupt(TOKEN, "kind"))?,
        grant_id: grant.map(OauthGrantId::from_uuid),
        family: row.try_get("", "family")?,
        scopes: permissions(row, "scopes")?,
        created_at: instant(row, TOKEN, "created_at")?,
        expires_at: instant(row, TOKEN, "expires_at")?,
        used_at: maybe_instant(row, TOKEN, "used_at")?,
    })
}
