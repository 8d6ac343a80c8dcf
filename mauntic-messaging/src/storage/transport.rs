use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError, storage::to_micros};
use sea_orm::{ConnectionTrait as _, QueryResult};
use serde::{Deserialize, Serialize};

use super::{SeaOrmMessagingStore, SeaOrmUnitOfWork, sql::Row as _};
use crate::transport::{
    SendingLimits, Transport, TransportKind, TransportQueries, TransportRepository,
};

/// The settings column.
#[derive(Serialize, Deserialize)]
struct Settings {
    transport: TransportKind,
    limits: SendingLimits,
}

#[async_trait]
impl TransportQueries for SeaOrmMessagingStore {
    async fn find_transport(
        &self,
        organization: OrganizationId,
    ) -> Result<Option<Transport>, StoreError> {
        let statement = self
            .db
            .dialect()
            .statement(FIND, [organization.as_uuid().into()]);
        let row = self.db.reader().query_one_raw(statement).await?;
        row.map(|row| transport(organization, &row)).transpose()
    }
}

const FIND: &str = "SELECT id, settings, sealed_password, version, updated_at FROM transport
     WHERE organization_id = $1";

fn transport(organization: OrganizationId, row: &QueryResult) -> Result<Transport, StoreError> {
    let settings: Settings = row.json("transport", "settings")?;
    Ok(Transport {
        id: row.id("id")?,
        organization_id: organization,
        kind: settings.transport,
        sealed_password: row.try_get("", "sealed_password")?,
        limits: settings.limits,
        version: row.try_get("", "version")?,
        updated_at: row.instant("updated_at")?,
    })
}

#[async_trait]
impl TransportRepository for SeaOrmUnitOfWork {
    async fn find_transport_for_update(
        &mut self,
        organization: OrganizationId,
    ) -> Result<Option<Transport>, StoreError> {
        let sql = format!("{FIND}{}", self.dialect.for_update());
        let statement = self.dialect.statement(sql, [organization.as_uuid().into()]);
        let row = self.txn.query_one_raw(statement).await?;
        row.map(|row| transport(organization, &row)).transpose()
    }

    async fn save_transport(&mut self, transport: &Transport) -> Result<(), StoreError> {
        let settings = Settings {
            transport: transport.kind.clone(),
            limits: transport.limits.clone(),
        };
        let settings = serde_json::to_value(settings)
            .map_err(|error| StoreError::corrupt("transport", error))?;
        let statement = self.dialect.statement(
            "INSERT INTO transport (organization_id, id, settings, sealed_password, version, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (organization_id) DO UPDATE SET settings = excluded.settings,
                 sealed_password = excluded.sealed_password, version = excluded.version,
                 updated_at = excluded.updated_at
             WHERE transport.version = excluded.version - 1",
            [
                transport.organization_id.as_uuid().into(),
                transport.id.as_uuid().into(),
                settings.into(),
                transport.sealed_password.clone().into(),
                transport.version.into(),
                to_micros(transport.updated_at).into(),
            ],
        );
        match self.txn.execute_raw(statement).await?.rows_affected() {
            0 => Err(StoreError::Conflict {
                field: "transport.version",
            }),
            _ => Ok(()),
        }
    }
}
