//! The database past the contexts: to count what they stored, and to take away what a benchmark made.

use std::path::Path;

use mauntic_core::{OrganizationId, storage::DbTarget};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};

/// The contexts, in the order in which an organisation can be forgotten.
const CONTEXTS: [&str; 3] = ["messaging", "crm", "identity"];

/// How many rows of a table are an organisation's.
pub(super) async fn count(
    target: &DbTarget,
    context: &str,
    table: &str,
    organization: OrganizationId,
) -> anyhow::Result<u64> {
    let counted: i64 = match target {
        DbTarget::Postgres(url) => {
            let sql = format!(
                "SELECT count(*) FROM {context}.{table} WHERE organization_id = '{organization}'"
            );
            sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut PgConnection::connect(url).await?)
                .await?
        }
        DbTarget::Sqlite(folder) => {
            let id = organization.as_uuid().simple();
            let sql = format!("SELECT count(*) FROM {table} WHERE organization_id = x'{id}'");
            sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut open(folder, context).await?)
                .await?
        }
    };
    Ok(u64::try_from(counted)?)
}

/// Brings up to date what the database knows about the contacts it keeps. SQLite does without.
pub(super) async fn analyze(target: &DbTarget) -> anyhow::Result<()> {
    if let DbTarget::Postgres(url) = target {
        let sql = "ANALYZE crm.contact, crm.segment_member";
        sqlx::query(sql)
            .execute(&mut PgConnection::connect(url).await?)
            .await?;
    }
    Ok(())
}

/// Deletes everything of an organisation, and itself.
pub(super) async fn forget(target: &DbTarget, organization: OrganizationId) -> anyhow::Result<()> {
    for context in CONTEXTS {
        match target {
            DbTarget::Postgres(url) => forget_postgres(url, context, organization).await?,
            DbTarget::Sqlite(folder) => forget_sqlite(folder, context, organization).await?,
        }
    }
    Ok(())
}

async fn forget_postgres(
    url: &str,
    context: &str,
    organization: OrganizationId,
) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE column_name = 'organization_id' AND table_schema = $1",
    )
    .bind(context)
    .fetch_all(&mut connection)
    .await?;
    for table in tables {
        let sql =
            format!("DELETE FROM {context}.\"{table}\" WHERE organization_id = '{organization}'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    if context == "identity" {
        let sql = format!("DELETE FROM identity.organization WHERE id = '{organization}'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    Ok(())
}

async fn forget_sqlite(
    folder: &Path,
    context: &str,
    organization: OrganizationId,
) -> anyhow::Result<()> {
    let mut connection = open(folder, context).await?;
    let id = organization.as_uuid().simple();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND c.name = 'organization_id'",
    )
    .fetch_all(&mut connection)
    .await?;
    for table in tables {
        let sql = format!("DELETE FROM \"{table}\" WHERE organization_id = x'{id}'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    if context == "identity" {
        let sql = format!("DELETE FROM organization WHERE id = x'{id}'");
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
    }
    Ok(connection.close().await?)
}

async fn open(folder: &Path, context: &str) -> anyhow::Result<SqliteConnection> {
    let file = folder.join(format!("{context}.sqlite"));
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(std::time::Duration::from_secs(30));
    Ok(SqliteConnection::connect_with(&options).await?)
}
