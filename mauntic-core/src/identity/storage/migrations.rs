use sea_orm::{ConnectionTrait as _, DbErr};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
    prelude::async_trait as migration_async_trait,
};

use crate::storage::{Dialect, OutboxMigration, SqlType};

/// The tables of Identity.
pub struct IdentityMigrator;

#[migration_async_trait::async_trait]
impl MigratorTrait for IdentityMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(OutboxMigration),
            Box::new(Statements {
                name: "m0002_identity",
                of: tables,
            }),
            Box::new(Statements {
                name: "m0003_sessions",
                of: sessions,
            }),
            Box::new(Statements {
                name: "m0004_second_factor",
                of: second_factor,
            }),
            Box::new(Statements {
                name: "m0005_letters",
                of: letters,
            }),
            Box::new(Statements {
                name: "m0006_members",
                of: members,
            }),
            Box::new(Statements {
                name: "m0007_linked_logins",
                of: linked_logins,
            }),
            Box::new(Statements {
                name: "m0008_deletion",
                of: deletion,
            }),
            Box::new(Statements {
                name: "m0009_audit_subjects",
                of: audit_subjects,
            }),
            Box::new(Statements {
                name: "m0010_made_by",
                of: made_by,
            }),
            Box::new(Statements {
                name: "m0011_signatures",
                of: signatures,
            }),
            Box::new(Apart(Statements {
                name: "m0012_audit_actions",
                of: audit_actions,
            })),
            Box::new(Statements {
                name: "m0013_oauth",
                of: oauth,
            }),
            Box::new(Statements {
                name: "m0014_notifications",
                of: notifications,
            }),
            Box::new(Statements {
                name: "m0015_last_active",
                of: last_active,
            }),
        ]
    }

    fn migration_table_name() -> sea_orm::DynIden {
        "migrations".into()
    }
}

/// Statements that run in one transaction.
struct Statements {
    name: &'static str,
    of: fn(Dialect) -> Vec<String>,
}

impl MigrationName for Statements {
    fn name(&self) -> &str {
        self.name
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Statements {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in (self.of)(Dialect::of(manager)) {
            manager
                .get_connection()
                .execute_unprepared(&statement)
                .await?;
        }
        Ok(())
    }
}

/// Statements that run one by one, and may run again if they are cut off: some that make indexes while others write
/// cannot do so in a transaction.
struct Apart(Statements);

impl MigrationName for Apart {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[migration_async_trait::async_trait]
impl MigrationTrait for Apart {
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }
}

/// Proving with an authenticator app, or a code on paper, who logs in. A person's, so it leads with no organisation.
fn second_factor(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        "ALTER TABLE session ADD COLUMN awaits_second_factor BOOLEAN NOT NULL DEFAULT FALSE"
            .to_owned(),
        format!(
            "CREATE TABLE second_factor (
                user_id {uuid} NOT NULL PRIMARY KEY REFERENCES account (id),
                sealed_secret {bytes} NOT NULL, last_step BIGINT NOT NULL,
                created_at BIGINT NOT NULL, confirmed_at BIGINT)"
        ),
        format!(
            "CREATE TABLE recovery_code (
                user_id {uuid} NOT NULL REFERENCES account (id), code_hash {bytes} NOT NULL,
                PRIMARY KEY (user_id, code_hash))"
        ),
    ]
}

/// Entries about many records, or about what has no id, and a fast look at what somebody did. SQLite cannot let a column
/// be empty later on.
fn audit_subjects(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    let columns = "organization_id, id, principal, address, at, action, subject_kind, subject_id, before, after";
    vec![
        format!(
            "CREATE TABLE audit_entry_next (
                organization_id {uuid} NOT NULL, id {uuid} NOT NULL, principal TEXT NOT NULL,
                address TEXT, at BIGINT NOT NULL, action TEXT NOT NULL, subject_kind TEXT NOT NULL,
                subject_id {uuid}, before {json} NOT NULL, after {json} NOT NULL,
                PRIMARY KEY (organization_id, id))"
        ),
        format!("INSERT INTO audit_entry_next ({columns}) SELECT {columns} FROM audit_entry"),
        "DROP TABLE audit_entry".to_owned(),
        "ALTER TABLE audit_entry_next RENAME TO audit_entry".to_owned(),
        "CREATE INDEX audit_entry_by ON audit_entry (organization_id, principal, id)".to_owned(),
    ]
}

/// Logging in with a provider. Of persons, and of browsers that are on their way over one.
fn linked_logins(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    let json = dialect.type_name(SqlType::Json);
    vec![
        format!(
            "CREATE TABLE linked_login (
                issuer TEXT NOT NULL, subject TEXT NOT NULL,
                user_id {uuid} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
                provider TEXT NOT NULL,
                email TEXT NOT NULL, created_at BIGINT NOT NULL, last_used_at BIGINT,
                PRIMARY KEY (issuer, subject))"
        ),
        "CREATE UNIQUE INDEX linked_login_of_user ON linked_login (user_id, provider)".to_owned(),
        format!(
            "CREATE TABLE detour (
                secret_hash {bytes} NOT NULL PRIMARY KEY, provider TEXT NOT NULL,
                aim {json} NOT NULL, expires_at BIGINT NOT NULL)"
        ),
        "CREATE INDEX detour_old ON detour (expires_at)".to_owned(),
    ]
}

/// Tokens that end with the one that made them. Answers that were kept in plain text are emptied, for some hold secrets;
/// that there were such requests stays known.
fn made_by(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    vec![
        format!("ALTER TABLE api_token ADD COLUMN made_by {uuid}"),
        "CREATE INDEX api_token_made_by ON api_token (organization_id, made_by)".to_owned(),
        "UPDATE idempotency SET body = NULL".to_owned(),
    ]
}

/// What stands under mail that somebody signs.
fn signatures(_: Dialect) -> Vec<String> {
    vec!["ALTER TABLE account ADD COLUMN signature TEXT".to_owned()]
}

/// When a member was last at work in an organisation: sessions go, and with them when they were used.
fn last_active(_: Dialect) -> Vec<String> {
    vec!["ALTER TABLE membership ADD COLUMN active_at BIGINT".to_owned()]
}

/// A fast look at one kind of entry. Actions begin with their kind, so they have to sort byte by byte, which they do on
/// SQLite by themselves.
fn audit_actions(dialect: Dialect) -> Vec<String> {
    let sorting = dialect.collate_bytewise("audit_entry", "action");
    let on = "audit_entry (organization_id, action, id)";
    let index = dialect.index_anew("audit_entry_action", on);
    sorting.into_iter().chain(index).collect()
}

/// Letting programs of others in. Codes and tokens refer to nothing: what is gone lets nobody in, in whatever order it
/// goes.
fn oauth(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        format!(
            "CREATE TABLE oauth_client (
                organization_id {uuid} NOT NULL REFERENCES organization (id), id {uuid} NOT NULL,
                name TEXT NOT NULL, redirect_uris {json} NOT NULL, redirects_at BIGINT NOT NULL,
                secret_hash {bytes}, machine_role TEXT, machine_scopes {json}, machine_given_by {uuid},
                created_by {uuid}, created_at BIGINT NOT NULL, last_used_at BIGINT,
                PRIMARY KEY (organization_id, id))"
        ),
        // A client says who it is before anybody knows of which organisation.
        "CREATE UNIQUE INDEX oauth_client_id ON oauth_client (id)".to_owned(),
        format!(
            "CREATE TABLE oauth_grant (
                organization_id {uuid} NOT NULL REFERENCES organization (id), id {uuid} NOT NULL,
                client_id {uuid} NOT NULL, user_id {uuid} NOT NULL, scopes {json} NOT NULL,
                given_at BIGINT NOT NULL, created_at BIGINT NOT NULL, last_used_at BIGINT,
                PRIMARY KEY (organization_id, id))"
        ),
        "CREATE UNIQUE INDEX oauth_grant_of ON oauth_grant (organization_id, client_id, user_id)"
            .to_owned(),
        "CREATE INDEX oauth_grant_of_user ON oauth_grant (user_id)".to_owned(),
        format!(
            "CREATE TABLE oauth_code (
                organization_id {uuid} NOT NULL, secret_hash {bytes} NOT NULL, client_id {uuid} NOT NULL,
                grant_id {uuid} NOT NULL, family {uuid} NOT NULL, redirect_uri TEXT NOT NULL,
                challenge TEXT, scopes {json} NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT,
                PRIMARY KEY (organization_id, secret_hash))"
        ),
        "CREATE UNIQUE INDEX oauth_code_secret ON oauth_code (secret_hash)".to_owned(),
        "CREATE INDEX oauth_code_of ON oauth_code (organization_id, client_id)".to_owned(),
        "CREATE INDEX oauth_code_grant ON oauth_code (organization_id, grant_id)".to_owned(),
        "CREATE INDEX oauth_code_old ON oauth_code (expires_at)".to_owned(),
        format!(
            "CREATE TABLE oauth_token (
                organization_id {uuid} NOT NULL, secret_hash {bytes} NOT NULL, client_id {uuid} NOT NULL,
                kind TEXT NOT NULL, grant_id {uuid}, family {uuid} NOT NULL, scopes {json} NOT NULL,
                created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT,
                PRIMARY KEY (organization_id, secret_hash))"
        ),
        "CREATE UNIQUE INDEX oauth_token_secret ON oauth_token (secret_hash)".to_owned(),
        "CREATE INDEX oauth_token_of ON oauth_token (organization_id, client_id)".to_owned(),
        "CREATE INDEX oauth_token_grant ON oauth_token (organization_id, grant_id)".to_owned(),
        "CREATE INDEX oauth_token_family ON oauth_token (organization_id, family)".to_owned(),
        "CREATE INDEX oauth_token_old ON oauth_token (expires_at)".to_owned(),
    ]
}

/// Inviting people, and blocking members of one organisation.
fn members(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        "ALTER TABLE membership ADD COLUMN blocked_at BIGINT".to_owned(),
        format!(
            "CREATE TABLE invitation (
                organization_id {uuid} NOT NULL REFERENCES organization (id), id {uuid} NOT NULL,
                email TEXT NOT NULL, email_key TEXT NOT NULL, role TEXT NOT NULL, invited_by {uuid},
                created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, secret_hash {bytes},
                PRIMARY KEY (organization_id, id))"
        ),
        "CREATE UNIQUE INDEX invitation_email ON invitation (organization_id, email_key)"
            .to_owned(),
        // Whoever follows a link has not said yet to which organisation.
        "CREATE UNIQUE INDEX invitation_secret ON invitation (secret_hash)".to_owned(),
    ]
}

/// Deleting organisations. What was erased is noted for the installation: its ids name nothing any more.
fn deletion(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let mut statements: Vec<_> = [
        "deletion_requested_by TEXT",
        "deletion_requested_at BIGINT",
        "deletion_due_at BIGINT",
        "erasing_since BIGINT",
        "erasing_until BIGINT",
    ]
    .map(|column| format!("ALTER TABLE organization ADD COLUMN {column}"))
    .into();
    statements.extend([
        format!("ALTER TABLE organization ADD COLUMN erasing_worker {uuid}"),
        "CREATE INDEX organization_deletion ON organization (deletion_due_at) WHERE deletion_due_at IS NOT NULL"
            .to_owned(),
        format!(
            "CREATE TABLE erasure (
                organization_id {uuid} NOT NULL PRIMARY KEY, requested_by TEXT NOT NULL,
                requested_at BIGINT NOT NULL, erased_at BIGINT NOT NULL)"
        ),
    ]);
    statements
}

/// What members are told. It goes with the membership.
fn notifications(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        format!(
            "CREATE TABLE notification (
                organization_id {uuid} NOT NULL, user_id {uuid} NOT NULL, id {uuid} NOT NULL,
                kind TEXT NOT NULL, problem BOOLEAN NOT NULL, heading TEXT NOT NULL,
                message TEXT NOT NULL, about {uuid}, at BIGINT NOT NULL, read_at BIGINT,
                once_hash {bytes},
                PRIMARY KEY (organization_id, user_id, id),
                FOREIGN KEY (organization_id, user_id)
                    REFERENCES membership (organization_id, user_id) ON DELETE CASCADE)"
        ),
        "CREATE INDEX notification_unread ON notification (organization_id, user_id, id) WHERE read_at IS NULL"
            .to_owned(),
        "CREATE INDEX notification_once ON notification (organization_id, user_id, once_hash, at) WHERE once_hash IS NOT NULL"
            .to_owned(),
        "CREATE INDEX notification_old ON notification (at)".to_owned(),
    ]
}

/// Letters to users, and the links in them. Of persons, and of the installation.
fn letters(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    let json = dialect.type_name(SqlType::Json);
    vec![
        format!(
            "CREATE TABLE user_link (
                user_id {uuid} NOT NULL REFERENCES account (id), purpose TEXT NOT NULL,
                secret_hash {bytes}, email TEXT, expires_at BIGINT NOT NULL,
                PRIMARY KEY (user_id, purpose))"
        ),
        "CREATE UNIQUE INDEX user_link_secret ON user_link (secret_hash)".to_owned(),
        format!(
            "CREATE TABLE letter (
                id {uuid} NOT NULL PRIMARY KEY, errand {json} NOT NULL, attempts BIGINT NOT NULL,
                due_at BIGINT NOT NULL)"
        ),
        "CREATE INDEX letter_due ON letter (due_at)".to_owned(),
    ]
}

/// Logging in with a browser. A session is a person's, who may work in several organisations; so it leads with none.
fn sessions(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        format!(
            "CREATE TABLE session (
                id {uuid} NOT NULL PRIMARY KEY, secret_hash {bytes} NOT NULL,
                user_id {uuid} NOT NULL REFERENCES account (id), organization_id {uuid},
                remembered BOOLEAN NOT NULL, created_at BIGINT NOT NULL, seen_at BIGINT NOT NULL,
                network TEXT, user_agent TEXT)"
        ),
        "CREATE UNIQUE INDEX session_secret ON session (secret_hash)".to_owned(),
        "CREATE INDEX session_of_user ON session (user_id, id)".to_owned(),
        "CREATE INDEX session_unseen ON session (seen_at)".to_owned(),
        "CREATE TABLE login_attempt (key TEXT NOT NULL PRIMARY KEY, failures BIGINT NOT NULL,
            failed_at BIGINT NOT NULL)"
            .to_owned(),
        "CREATE INDEX login_attempt_old ON login_attempt (failed_at)".to_owned(),
        "CREATE TABLE set_up (only_row BIGINT NOT NULL PRIMARY KEY, at BIGINT NOT NULL)".to_owned(),
    ]
}

fn tables(dialect: Dialect) -> Vec<String> {
    let uuid = dialect.type_name(SqlType::Uuid);
    let json = dialect.type_name(SqlType::Json);
    let bytes = dialect.type_name(SqlType::Bytes);
    vec![
        "CREATE TABLE instance (only_row BIGINT NOT NULL PRIMARY KEY, secret_fingerprint TEXT NOT NULL, created_at BIGINT NOT NULL)".to_owned(),
        format!(
            "CREATE TABLE organization (
                id {uuid} NOT NULL PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL,
                slug TEXT NOT NULL, timezone TEXT NOT NULL, postal_address TEXT,
                created_at BIGINT NOT NULL, blocked_at BIGINT)"
        ),
        "CREATE UNIQUE INDEX organization_slug ON organization (slug)".to_owned(),
        "CREATE INDEX organization_name ON organization (name_key)".to_owned(),
        // Not `user`, which PostgreSQL reserves. Users belong to the installation: one person, one login.
        format!(
            "CREATE TABLE account (
                id {uuid} NOT NULL PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL,
                name TEXT NOT NULL, password TEXT, created_at BIGINT NOT NULL, blocked_at BIGINT)"
        ),
        "CREATE UNIQUE INDEX account_email ON account (email_key)".to_owned(),
        format!(
            "CREATE TABLE membership (
                organization_id {uuid} NOT NULL REFERENCES organization (id),
                user_id {uuid} NOT NULL REFERENCES account (id),
                role TEXT NOT NULL, created_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, user_id))"
        ),
        "CREATE INDEX membership_of_user ON membership (user_id, organization_id)".to_owned(),
        format!(
            "CREATE TABLE api_token (
                organization_id {uuid} NOT NULL REFERENCES organization (id), id {uuid} NOT NULL,
                user_id {uuid}, name TEXT NOT NULL, role TEXT NOT NULL, scopes {json} NOT NULL,
                secret_hash {bytes} NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT,
                last_used_at BIGINT, revoked_at BIGINT,
                PRIMARY KEY (organization_id, id))"
        ),
        // Whoever shows a token has not said yet in which organisation.
        "CREATE UNIQUE INDEX api_token_secret ON api_token (secret_hash)".to_owned(),
        format!(
            "CREATE TABLE audit_entry (
                organization_id {uuid} NOT NULL, id {uuid} NOT NULL, principal TEXT NOT NULL,
                address TEXT, at BIGINT NOT NULL, action TEXT NOT NULL, subject_kind TEXT NOT NULL,
                subject_id {uuid} NOT NULL, before {json} NOT NULL, after {json} NOT NULL,
                PRIMARY KEY (organization_id, id))"
        ),
        format!(
            "CREATE TABLE idempotency (
                organization_id {uuid} NOT NULL, principal TEXT NOT NULL, key TEXT NOT NULL,
                request_hash {bytes} NOT NULL, lease_until BIGINT NOT NULL, status INTEGER,
                content_type TEXT, body {bytes}, created_at BIGINT NOT NULL,
                PRIMARY KEY (organization_id, principal, key))"
        ),
        "CREATE INDEX idempotency_old ON idempotency (created_at)".to_owned(),
    ]
}
