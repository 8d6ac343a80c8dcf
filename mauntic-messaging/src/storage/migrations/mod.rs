//! The tables of messaging, one file for each part of it.

mod domains;
mod emails;
mod engaged;
mod erasure;
mod exits;
mod followed;
mod hours;
mod lists;
mod local_time;
mod makers;
mod retention;
mod sending;
mod tracking;
mod turns;
mod wishes;

use mauntic_core::storage::{Dialect, OutboxMigration, SqlType};
use sea_orm_migration::{
    DbErr, MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::ConnectionTrait as _,
    sea_query::{DynIden, IntoIden as _},
};

/// Makes and changes the tables of messaging.
pub struct MessagingMigrator;

impl MigratorTrait for MessagingMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(OutboxMigration),
            Box::new(emails::Emails),
            Box::new(sending::Sending),
            Box::new(tracking::Tracking),
            Box::new(retention::Retention),
            Box::new(lists::Lists),
            Box::new(hours::Hours),
            Box::new(engaged::Engaged),
            Box::new(turns::Turns),
            Box::new(wishes::Wishes),
            Box::new(erasure::Erasure),
            Box::new(exits::Exits),
            Box::new(local_time::LocalTime),
            Box::new(followed::Followed),
            Box::new(domains::Domains),
            Box::new(makers::Makers),
        ]
    }

    fn migration_table_name() -> DynIden {
        "migrations".into_iden()
    }
}

/// The column types of a back end, by the name that a statement gives them.
struct Types {
    uuid: &'static str,
    json: &'static str,
    bytes: &'static str,
}

fn types(manager: &SchemaManager<'_>) -> Types {
    let dialect = Dialect::of(manager);
    Types {
        uuid: dialect.type_name(SqlType::Uuid),
        json: dialect.type_name(SqlType::Json),
        bytes: dialect.type_name(SqlType::Bytes),
    }
}

async fn run(manager: &SchemaManager<'_>, statements: &[String]) -> Result<(), DbErr> {
    for statement in statements {
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
    }
    Ok(())
}
