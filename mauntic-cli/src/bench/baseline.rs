//! The same work written by hand in SQL, to compare with: what a specialist would do with `psql`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mauntic_core::OrganizationId;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::io::AsyncReadExt as _;

/// An id that nothing has.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// The columns of the generated file, in order, as names for SQL.
const COLUMNS: &str = "email text, first text, last text, company text, city text, country text, locale text, \
    zone text, phone text, plan text, value text, signup text, subscribed text, tags text";

/// `COPY` of the file into a staging table, then `INSERT … ON CONFLICT` into a table like the contacts',
/// indexes included.
///
/// # Errors
/// If the database or the file fails.
pub(super) async fn import(url: &str, file: &Path) -> anyhow::Result<Duration> {
    let mut connection = connect(url).await?;
    run(&mut connection, "DROP TABLE IF EXISTS bench_contact").await?;
    run(
        &mut connection,
        "CREATE TABLE bench_contact (LIKE contact INCLUDING ALL)",
    )
    .await?;
    let started = Instant::now();
    let mut transaction = connection.begin().await?;
    run(
        &mut transaction,
        &format!("CREATE TEMP TABLE staging ({COLUMNS}) ON COMMIT DROP"),
    )
    .await?;
    let mut copy = transaction
        .copy_in_raw("COPY staging FROM STDIN WITH (FORMAT csv, HEADER)")
        .await?;
    let mut input = tokio::fs::File::open(file).await?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = input.read(&mut chunk).await?;
        if read == 0 {
            break;
        }
        copy.send(&chunk[..read]).await?;
    }
    copy.finish().await?;
    let merge = format!(
        "INSERT INTO bench_contact AS c (organization_id, id, email, email_key, fields, tags, points,
             created_at, updated_at, version, origin)
         SELECT '{NOBODY}', lpad(to_hex(row_number() OVER ()), 32, '0')::uuid, email, lower(email),
             jsonb_strip_nulls(jsonb_build_object('firstname', nullif(first, ''), 'lastname', nullif(last, ''),
                 'company', nullif(company, ''), 'city', nullif(city, ''), 'country', nullif(country, ''),
                 'preferred_locale', nullif(locale, ''), 'timezone', nullif(zone, ''), 'phone', nullif(phone, ''),
                 'plan', nullif(plan, ''), 'lifetime_value', nullif(value, '')::float8,
                 'signup_date', nullif(signup, ''), 'subscribed', subscribed = 'yes')),
             coalesce(to_jsonb(string_to_array(tags, ', ')), '[]'), 0, 1, 1, 1, 'import'
         FROM staging
         ON CONFLICT (organization_id, email_key) DO UPDATE SET
             fields = c.fields || excluded.fields, tags = excluded.tags, updated_at = excluded.updated_at,
             version = c.version + 1"
    );
    run(&mut transaction, &merge).await?;
    transaction.commit().await?;
    Ok(started.elapsed())
}

/// The membership of a rule written by hand: delete who left, insert who came. Returns how long the
/// first time took, and the times after it.
///
/// # Errors
/// If the database fails.
pub(super) async fn rebuild(
    url: &str,
    organization: OrganizationId,
    condition: &str,
    rounds: usize,
) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let mut connection = connect(url).await?;
    run(&mut connection, "DROP TABLE IF EXISTS bench_member").await?;
    run(
        &mut connection,
        "CREATE TABLE bench_member (LIKE segment_member INCLUDING ALL)",
    )
    .await?;
    let segment = NOBODY;
    let leave = format!(
        "DELETE FROM bench_member m WHERE m.organization_id = '{organization}' AND m.segment_id = '{segment}'
         AND m.origin = 0 AND NOT EXISTS (SELECT 1 FROM contact c WHERE c.organization_id = m.organization_id
             AND c.id = m.contact_id AND {condition})"
    );
    let join = format!(
        "INSERT INTO bench_member (organization_id, segment_id, contact_id, origin, added_at)
         SELECT c.organization_id, '{segment}', c.id, 0, 1 FROM contact c
         WHERE c.organization_id = '{organization}' AND {condition} ON CONFLICT DO NOTHING"
    );
    let mut times = Vec::new();
    for _ in 0..=rounds {
        let started = Instant::now();
        let mut transaction = connection.begin().await?;
        run(&mut transaction, &leave).await?;
        run(&mut transaction, &join).await?;
        transaction.commit().await?;
        times.push(started.elapsed());
    }
    run(&mut connection, "DROP TABLE bench_member").await?;
    Ok((times.remove(0), times))
}

/// Takes away what the comparison left.
///
/// # Errors
/// If the database fails.
pub(super) async fn tidy(url: &str) -> anyhow::Result<()> {
    run(
        &mut connect(url).await?,
        "DROP TABLE IF EXISTS bench_contact",
    )
    .await
}

async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    let mut connection = PgConnection::connect(url).await?;
    run(&mut connection, "SET search_path TO crm").await?;
    Ok(connection)
}

async fn run(connection: &mut PgConnection, sql: &str) -> anyhow::Result<()> {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await?;
    Ok(())
}
