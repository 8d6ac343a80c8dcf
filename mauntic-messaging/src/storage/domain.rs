use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mauntic_core::{
    OrganizationId, SendingDomainId, StoreError,
    storage::{from_micros, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SeaOrmMessagingStore, SeaOrmUnitOfWork, sql::Row as _};
use crate::{
    dkim::{KeyAlgorithm, Selector},
    domain::{DkimKey, KeyState, SendingDomain, SendingDomainQueries, SendingDomainRepository},
};

const COLUMNS: &str = "id, domain, return_path, keys, created_at, updated_at";

/// A key as it stands in the column `keys`.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    selector: Selector,
    algorithm: KeyAlgorithm,
    state: KeyState,
    dns_value: String,
    created_at: i64,
    sealed: String,
}

#[async_trait]
impl SendingDomainQueries for SeaOrmMessagingStore {
    async fn find(
        &self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<Option<SendingDomain>, StoreError> {
        let statement = self.db.dialect().statement(
            format!("SELECT {COLUMNS} FROM sending_domain WHERE organization_id = $1 AND id = $2"),
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(domain).transpose()
    }

    async fn list(&self, organization: OrganizationId) -> Result<Vec<SendingDomain>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {COLUMNS} FROM sending_domain WHERE organization_id = $1 ORDER BY domain"
            ),
            [organization.as_uuid().into()],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(domain).collect()
    }

    async fn find_named(
        &self,
        organization: OrganizationId,
        names: &[&str],
    ) -> Result<Vec<SendingDomain>, StoreError> {
        let dialect = self.db.dialect();
        let sql = format!(
            "SELECT {COLUMNS} FROM sending_domain WHERE {}",
            dialect.own_texts("domain", 2)
        );
        let asked = json!(names).to_string();
        let statement = dialect.statement(sql, [organization.as_uuid().into(), asked.into()]);
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(domain).collect()
    }
}

#[async_trait]
impl SendingDomainRepository for SeaOrmUnitOfWork {
    async fn find_for_update(
        &mut self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<Option<SendingDomain>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sending_domain WHERE organization_id = $1 AND id = $2{}",
            self.dialect.for_update()
        );
        let parameters = [organization.as_uuid().into(), id.as_uuid().into()];
        let statement = self.dialect.statement(sql, parameters);
        let row = self.txn.query_one_raw(statement).await?;
        row.as_ref().map(domain).transpose()
    }

    async fn insert(
        &mut self,
        organization: OrganizationId,
        domain: &SendingDomain,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            format!(
                "INSERT INTO sending_domain (organization_id, {COLUMNS})
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
            ),
            [
                organization.as_uuid().into(),
                domain.id.as_uuid().into(),
                domain.domain.as_str().into(),
                domain.return_path.as_str().into(),
                keys(domain)?,
                to_micros(domain.created_at).into(),
                to_micros(domain.updated_at).into(),
            ],
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(StoreError::Conflict {
                field: "sending_domain.domain",
            }),
            _ => Ok(()),
        }
    }

    async fn update(
        &mut self,
        organization: OrganizationId,
        domain: &SendingDomain,
    ) -> Result<(), StoreError> {
        let statement = self.dialect.statement(
            "UPDATE sending_domain SET return_path = $3, keys = $4, updated_at = $5
             WHERE organization_id = $1 AND id = $2",
            [
                organization.as_uuid().into(),
                domain.id.as_uuid().into(),
                domain.return_path.as_str().into(),
                keys(domain)?,
                to_micros(domain.updated_at).into(),
            ],
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(StoreError::Missing {
                what: "sending domain",
            }),
            _ => Ok(()),
        }
    }

    async fn delete(
        &mut self,
        organization: OrganizationId,
        id: SendingDomainId,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM sending_domain WHERE organization_id = $1 AND id = $2",
            [organization.as_uuid().into(), id.as_uuid().into()],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() > 0)
    }
}

fn keys(domain: &SendingDomain) -> Result<Value, StoreError> {
    let keys: Vec<_> = domain
        .keys
        .iter()
        .map(|key| StoredKey {
            selector: key.selector.clone(),
            algorithm: key.algorithm,
            state: key.state,
            dns_value: key.dns_value.clone(),
            created_at: to_micros(key.created_at),
            sealed: STANDARD.encode(&key.sealed),
        })
        .collect();
    let keys =
        serde_json::to_value(keys).map_err(|error| StoreError::corrupt("DKIM key", error))?;
    Ok(keys.into())
}

fn domain(row: &QueryResult) -> Result<SendingDomain, StoreError> {
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("sending domain", error);
    let stored: Vec<StoredKey> = row.json("sending domain", "keys")?;
    let keys = stored
        .into_iter()
        .map(|key| {
            Ok(DkimKey {
                selector: key.selector,
                algorithm: key.algorithm,
                state: key.state,
                dns_value: key.dns_value,
                created_at: from_micros("DKIM key", key.created_at)?,
                sealed: STANDARD
                    .decode(key.sealed)
                    .map_err(|error| corrupt(&error))?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(SendingDomain {
        id: row.id("id")?,
        domain: row
            .text("domain")?
            .parse()
            .map_err(|error| corrupt(&error))?,
        return_path: row
            .text("return_path")?
            .parse()
            .map_err(|error| corrupt(&error))?,
        keys,
        created_at: row.instant("created_at")?,
        updated_at: row.instant("updated_at")?,
    })
}
