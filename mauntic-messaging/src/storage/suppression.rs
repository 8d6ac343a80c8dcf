use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    fmt::Write as _,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    OrganizationId, Page, PageSize, SegmentId, StoreError,
    storage::{Column, SqlType, to_micros},
};
use sea_orm::{ConnectionTrait as _, QueryResult};
use serde_json::{Value, json};

use super::{
    SeaOrmMessagingStore, SeaOrmUnitOfWork,
    sql::{Parameters, Row as _, like_literal},
};
use crate::suppression::{
    ListExit, ListExitCursor, ListExitFilter, Suppression, SuppressionCursor, SuppressionFilter,
    SuppressionQueries, SuppressionReason, SuppressionRepository, address_hash,
};

const ENTRY: &[Column] = &[
    ("address_hash", SqlType::Text),
    ("address_key", SqlType::Text),
    ("reason", SqlType::Text),
    ("source", SqlType::Text),
    ("note", SqlType::Text),
    ("created_at", SqlType::BigInt),
    ("unsubscribed_at", SqlType::BigInt),
];

const COLUMNS: &str =
    "address_hash, address_key, reason, source, note, created_at, unsubscribed_at";

/// [`SuppressionReason::strength`] of a column.
fn strength(column: &str) -> String {
    let cases = SuppressionReason::ALL.map(|reason| {
        let (name, strength) = (reason.as_str(), reason.strength());
        format!("WHEN '{name}' THEN {strength}")
    });
    format!("CASE {column} {} END", cases.join(" "))
}

/// One entry for each address, with the strongest of its reasons, in the order of the hashes.
fn merged(entries: &[Suppression]) -> Vec<Suppression> {
    let mut by_hash: BTreeMap<&str, Suppression> = BTreeMap::new();
    for entry in entries {
        match by_hash.entry(&entry.address_hash) {
            Entry::Vacant(place) => {
                place.insert(entry.clone());
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let unsubscribed_at = known.unsubscribed_at.or(entry.unsubscribed_at);
                if entry.reason.strength() > known.reason.strength() {
                    *known = entry.clone();
                }
                known.unsubscribed_at = unsubscribed_at;
            }
        }
    }
    by_hash.into_values().collect()
}

impl SeaOrmMessagingStore {
    /// Which of the keys have a row in a table of address hashes, of one segment if one is given.
    async fn filter(
        &self,
        organization: OrganizationId,
        table: &str,
        segment: Option<SegmentId>,
        address_keys: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        if address_keys.is_empty() {
            return Ok(HashSet::new());
        }
        let keys: HashMap<String, &String> = address_keys
            .iter()
            .map(|key| (address_hash(key), key))
            .collect();
        let hashes: Vec<_> = keys
            .keys()
            .map(|hash| json!({"address_hash": hash}))
            .collect();
        let dialect = self.db.dialect();
        let mut parameters = Parameters::default();
        let organization = parameters.bind(organization.as_uuid());
        parameters.bind(Value::from(hashes).to_string());
        let of_segment = segment.map_or_else(String::new, |segment| {
            format!(" AND s.segment_id = {}", parameters.bind(segment.as_uuid()))
        });
        let sql = format!(
            "SELECT s.address_hash FROM {} JOIN {table} s
             ON s.organization_id = {} AND s.address_hash = asked.address_hash{of_segment}",
            dialect.rows(2, "asked", &ENTRY[..1]),
            dialect.unseen(&organization)
        );
        let statement = parameters.statement(dialect, sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let mut found = HashSet::with_capacity(rows.len());
        for row in &rows {
            if let Some(key) = keys.get(&row.text("address_hash")?) {
                found.insert((*key).clone());
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl SuppressionQueries for SeaOrmMessagingStore {
    async fn filter_suppressed(
        &self,
        organization: OrganizationId,
        address_keys: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        self.filter(organization, "suppression", None, address_keys)
            .await
    }

    async fn filter_left(
        &self,
        organization: OrganizationId,
        segment: SegmentId,
        address_keys: &[String],
    ) -> Result<HashSet<String>, StoreError> {
        self.filter(organization, "list_exit", Some(segment), address_keys)
            .await
    }

    async fn find_by_hash(
        &self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<Option<Suppression>, StoreError> {
        let statement = self.db.dialect().statement(
            format!(
                "SELECT {COLUMNS} FROM suppression WHERE organization_id = $1 AND address_hash = $2"
            ),
            [organization.as_uuid().into(), address_hash.into()],
        );
        let row = self.db.reader().query_one_raw(statement).await?;
        row.as_ref().map(suppression).transpose()
    }

    async fn left_lists(
        &self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<Vec<SegmentId>, StoreError> {
        let statement = self.db.dialect().statement(
            "SELECT segment_id FROM list_exit WHERE organization_id = $1 AND address_hash = $2",
            [organization.as_uuid().into(), address_hash.into()],
        );
        let rows = self.db.reader().query_all_raw(statement).await?;
        rows.iter().map(|row| row.id("segment_id")).collect()
    }

    async fn list_exits(
        &self,
        organization: OrganizationId,
        filter: &ListExitFilter,
        after: Option<&ListExitCursor>,
        size: PageSize,
    ) -> Result<Page<ListExit, ListExitCursor>, StoreError> {
        let mut parameters = Parameters::default();
        let mut conditions = format!(
            "organization_id = {}",
            parameters.bind(organization.as_uuid())
        );
        if let Some(segment) = filter.segment {
            let segment = parameters.bind(segment.as_uuid());
            let _ = write!(conditions, " AND segment_id = {segment}");
        }
        if let Some(pattern) = pattern(filter.search.as_deref()) {
            let pattern = parameters.bind(pattern);
            let _ = write!(conditions, " AND address_key LIKE {pattern} ESCAPE '\\'");
        }
        if let Some(cursor) = after {
            let _ = write!(
                conditions,
                " AND (at, address_hash, segment_id) < ({}, {}, {})",
                parameters.bind(to_micros(cursor.at)),
                parameters.bind(cursor.address_hash.clone()),
                parameters.bind(cursor.segment_id.as_uuid()),
            );
        }
        let sql = format!(
            "SELECT address_key, address_hash, segment_id, at FROM list_exit WHERE {conditions}
             ORDER BY at DESC, address_hash DESC, segment_id DESC LIMIT {}",
            size.overfetched()
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let exits = rows.iter().map(list_exit).collect::<Result<_, _>>()?;
        Ok(Page::from_overfetched(exits, size, |exit: &ListExit| {
            ListExitCursor {
                at: exit.at,
                address_hash: exit.address_hash.clone(),
                segment_id: exit.segment_id,
            }
        }))
    }

    async fn list(
        &self,
        organization: OrganizationId,
        filter: &SuppressionFilter,
        after: Option<&SuppressionCursor>,
        size: PageSize,
    ) -> Result<Page<Suppression, SuppressionCursor>, StoreError> {
        let mut parameters = Parameters::default();
        let mut conditions = format!(
            "organization_id = {}",
            parameters.bind(organization.as_uuid())
        );
        if let Some(reason) = filter.reason {
            let _ = write!(
                conditions,
                " AND reason = {}",
                parameters.bind(reason.as_str())
            );
        }
        if let Some(pattern) = pattern(filter.search.as_deref()) {
            let _ = write!(
                conditions,
                " AND address_key LIKE {} ESCAPE '\\'",
                parameters.bind(pattern)
            );
        }
        if let Some(cursor) = after {
            let _ = write!(
                conditions,
                " AND (created_at, address_hash) < ({}, {})",
                parameters.bind(to_micros(cursor.created_at)),
                parameters.bind(cursor.address_hash.clone()),
            );
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM suppression WHERE {conditions}
             ORDER BY created_at DESC, address_hash DESC LIMIT {}",
            size.overfetched()
        );
        let statement = parameters.statement(self.db.dialect(), sql);
        let rows = self.db.reader().query_all_raw(statement).await?;
        let entries = rows.iter().map(suppression).collect::<Result<_, _>>()?;
        Ok(Page::from_overfetched(
            entries,
            size,
            |entry: &Suppression| SuppressionCursor {
                created_at: entry.created_at,
                address_hash: entry.address_hash.clone(),
            },
        ))
    }
}

impl SeaOrmUnitOfWork {
    /// Runs the first of two statements on the entry of an address and, if that finds none, the second; whether one did.
    async fn first_that_changes(
        &self,
        organization: OrganizationId,
        address_hash: &str,
        statements: [&str; 2],
    ) -> Result<bool, StoreError> {
        for sql in statements {
            let values = [organization.as_uuid().into(), address_hash.into()];
            let statement = self.dialect.statement(sql, values);
            if self.txn.execute_raw(statement).await?.rows_affected() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl SuppressionRepository for SeaOrmUnitOfWork {
    async fn add(
        &mut self,
        organization: OrganizationId,
        suppressions: &[Suppression],
    ) -> Result<HashSet<String>, StoreError> {
        if suppressions.is_empty() {
            return Ok(HashSet::new());
        }
        let rows: Vec<_> = merged(suppressions)
            .iter()
            .map(|entry| {
                json!({
                    "address_hash": entry.address_hash,
                    "address_key": entry.address_key,
                    "reason": entry.reason,
                    "source": entry.source,
                    "note": entry.note,
                    "created_at": to_micros(entry.created_at),
                    "unsubscribed_at": entry.unsubscribed_at.map(to_micros),
                })
            })
            .collect();
        let parameters = [
            organization.as_uuid().into(),
            Value::from(rows).to_string().into(),
        ];
        // In the order of the hashes, so that two such statements never wait for each other in a circle.
        let sql = format!(
            "INSERT INTO suppression (organization_id, {COLUMNS})
             SELECT $1, {COLUMNS} FROM {} WHERE TRUE ORDER BY address_hash
             ON CONFLICT DO NOTHING RETURNING address_hash",
            self.dialect.rows(2, "r", ENTRY)
        );
        let statement = self.dialect.statement(sql, parameters.clone());
        let added = self.txn.query_all_raw(statement).await?;
        let hold = format!(
            "SELECT s.address_hash FROM suppression s WHERE s.organization_id = {}
             AND s.address_hash IN (SELECT r.address_hash FROM {}) ORDER BY s.address_hash{}",
            self.dialect.unseen("$1"),
            self.dialect.rows(2, "r", ENTRY),
            self.dialect.for_update()
        );
        let statement = self.dialect.statement(hold, parameters.clone());
        self.txn.query_all_raw(statement).await?;
        let stronger = format!(
            "{} > {}",
            strength("r.reason"),
            strength("suppression.reason")
        );
        let stronger_one = |column: &str, new: &str| {
            format!("{column} = CASE WHEN {stronger} THEN {new} ELSE suppression.{column} END")
        };
        let sql = format!(
            "UPDATE suppression SET {}, {}, {}, {},
                 unsubscribed_at = COALESCE(suppression.unsubscribed_at, r.unsubscribed_at)
             FROM {} WHERE suppression.organization_id = {}
             AND suppression.address_hash = r.address_hash
             AND ({stronger} OR (suppression.unsubscribed_at IS NULL AND r.unsubscribed_at IS NOT NULL))",
            stronger_one("reason", "r.reason"),
            stronger_one("source", "r.source"),
            // What was erased at its owner's request does not come back.
            stronger_one(
                "note",
                "CASE WHEN suppression.address_key IS NULL THEN NULL ELSE r.note END"
            ),
            stronger_one("created_at", "r.created_at"),
            self.dialect.rows(2, "r", ENTRY),
            self.dialect.unseen("$1")
        );
        let statement = self.dialect.statement(sql, parameters);
        self.txn.execute_raw(statement).await?;
        added.iter().map(|row| row.text("address_hash")).collect()
    }

    async fn choose_lists(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
        address_key: Option<&str>,
        left: &[SegmentId],
        joined: &[SegmentId],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let keys = || [organization.as_uuid().into(), address_hash.into()];
        let ids = |lists: &[SegmentId]| json!(lists).to_string();
        let sql = format!(
            "DELETE FROM list_exit WHERE address_hash = $2 AND {}",
            self.dialect.own_ids("segment_id", 3)
        );
        let values = keys().into_iter().chain([ids(joined).into()]);
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        let sql = format!(
            "INSERT INTO list_exit (organization_id, address_hash, segment_id, at, address_key)
             SELECT $1, $2, id, $4, $5 FROM {} WHERE TRUE ON CONFLICT DO NOTHING",
            self.dialect.ids(3, "gone")
        );
        let values = keys().into_iter().chain([
            ids(left).into(),
            to_micros(now).into(),
            address_key.map(str::to_owned).into(),
        ]);
        let statement = self.dialect.statement(sql, values);
        self.txn.execute_raw(statement).await?;
        Ok(())
    }

    async fn remove_exit(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
        segment: SegmentId,
    ) -> Result<bool, StoreError> {
        let statement = self.dialect.statement(
            "DELETE FROM list_exit
             WHERE organization_id = $1 AND address_hash = $2 AND segment_id = $3",
            [
                organization.as_uuid().into(),
                address_hash.into(),
                segment.as_uuid().into(),
            ],
        );
        Ok(self.txn.execute_raw(statement).await?.rows_affected() > 0)
    }

    async fn remove(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError> {
        let fall_back = "UPDATE suppression SET reason = 'unsubscribed', source = 'earlier',
                 note = NULL, created_at = unsubscribed_at
             WHERE organization_id = $1 AND address_hash = $2 AND reason <> 'unsubscribed'
             AND unsubscribed_at IS NOT NULL";
        let delete = "DELETE FROM suppression WHERE organization_id = $1 AND address_hash = $2";
        self.first_that_changes(organization, address_hash, [fall_back, delete])
            .await
    }

    async fn take_back_unsubscription(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError> {
        let delete = "DELETE FROM suppression WHERE organization_id = $1 AND address_hash = $2
             AND reason = 'unsubscribed'";
        let forget = "UPDATE suppression SET unsubscribed_at = NULL
             WHERE organization_id = $1 AND address_hash = $2 AND unsubscribed_at IS NOT NULL";
        self.first_that_changes(organization, address_hash, [delete, forget])
            .await
    }

    async fn erase(
        &mut self,
        organization: OrganizationId,
        address_hash: &str,
    ) -> Result<bool, StoreError> {
        let mut known = 0;
        for sql in [
            "UPDATE suppression SET address_key = NULL, note = NULL
             WHERE organization_id = $1 AND address_hash = $2",
            "UPDATE list_exit SET address_key = NULL
             WHERE organization_id = $1 AND address_hash = $2",
        ] {
            let values = [organization.as_uuid().into(), address_hash.into()];
            let statement = self.dialect.statement(sql, values);
            known += self.txn.execute_raw(statement).await?.rows_affected();
        }
        Ok(known > 0)
    }
}

/// What finds addresses with that part in them; `None` if nothing is asked for.
fn pattern(search: Option<&str>) -> Option<String> {
    let search = search.map(str::trim).filter(|text| !text.is_empty())?;
    Some(format!("%{}%", like_literal(&search.to_lowercase())))
}

fn list_exit(row: &QueryResult) -> Result<ListExit, StoreError> {
    Ok(ListExit {
        address_key: row.find_text("address_key")?,
        address_hash: row.text("address_hash")?,
        segment_id: row.id("segment_id")?,
        at: row.instant("at")?,
    })
}

fn suppression(row: &QueryResult) -> Result<Suppression, StoreError> {
    Ok(Suppression {
        address_key: row.find_text("address_key")?,
        address_hash: row.text("address_hash")?,
        reason: row
            .text("reason")?
            .parse()
            .map_err(|error| StoreError::corrupt("suppression", error))?,
        source: row.text("source")?,
        note: row.find_text("note")?,
        created_at: row.instant("created_at")?,
        unsubscribed_at: row.find_instant("unsubscribed_at")?,
    })
}
