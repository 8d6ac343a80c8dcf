mod bulk;
mod contact_hours;
mod contacts;
mod filters;
mod growth;
mod import_bytes;
mod imports;
mod lists;
mod merges;
mod mobile;
mod names;
mod segments;
mod unfinished;
mod view_names;
mod views;

use mauntic_core::storage::OutboxMigration;
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

/// Brings the schema of the CRM up to date.
pub struct CrmMigrator;

impl MigratorTrait for CrmMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(OutboxMigration),
            Box::new(contacts::ContactsMigration),
            Box::new(segments::SegmentsMigration),
            Box::new(imports::ImportsMigration),
            Box::new(merges::MergesMigration),
            Box::new(lists::ListsMigration),
            Box::new(growth::GrowthMigration),
            Box::new(bulk::BulkMigration),
            Box::new(views::ViewsMigration),
            Box::new(contact_hours::ContactHoursMigration),
            Box::new(view_names::ViewNamesMigration),
            Box::new(mobile::MobileMigration),
            Box::new(names::NamesMigration),
            Box::new(import_bytes::ImportBytesMigration),
            Box::new(filters::FiltersMigration),
            Box::new(unfinished::UnfinishedMigration),
        ]
    }

    fn migration_table_name() -> sea_orm::DynIden {
        sea_orm::sea_query::IntoIden::into_iden("migrations")
    }
}

async fn execute(manager: &SchemaManager<'_>, statements: &[String]) -> Result<(), sea_orm::DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
