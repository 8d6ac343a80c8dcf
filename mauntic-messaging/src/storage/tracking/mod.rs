//! Hits, what they add up to, and what is told of them.

mod counting;
mod people;
mod queries;
mod summaries;

use std::net::IpAddr;

use mauntic_core::{
    DeliveryId, EmailVersionId, HitId, OrganizationId, StoreError,
    storage::{Column, Dialect, SqlType, to_micros},
};
use sea_orm::{QueryResult, Statement};
use serde::Serialize;
use serde_json::{Value, json};

use super::sql::Row as _;
use crate::tracking::{Hit, HitKind, Reason};

const HIT: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("delivery_id", SqlType::Uuid),
    ("id", SqlType::Uuid),
    ("version_id", SqlType::Uuid),
    ("kind", SqlType::BigInt),
    ("link", SqlType::BigInt),
    ("at", SqlType::BigInt),
    ("network", SqlType::Text),
    ("user_agent", SqlType::Text),
    ("machine", SqlType::Boolean),
    ("reasons", SqlType::Json),
];
const HIT_COLUMNS: &str = "organization_id, delivery_id, id, version_id, kind, link, at, network, \
                           user_agent, machine, reasons";
const DELIVERIES: &[Column] = &[
    ("organization_id", SqlType::Uuid),
    ("delivery_id", SqlType::Uuid),
];

/// Stores hits, whatever their organisations.
fn insert_hits(dialect: Dialect, hits: &[Hit], counted: bool) -> Statement {
    let rows: Vec<_> = hits.iter().map(HitRow::from).collect();
    let rows = serde_json::to_string(&rows).expect("a hit is numbers, ids and text");
    let counted = if counted { "TRUE" } else { "FALSE" };
    let sql = format!(
        "INSERT INTO hit ({HIT_COLUMNS}, counted) SELECT {HIT_COLUMNS}, {counted} FROM {}",
        dialect.rows(1, "r", HIT)
    );
    dialect.statement(sql, [rows.into()])
}

/// A hit in the set of rows; written without a tree of values in between, since every click passes here.
#[derive(Serialize)]
struct HitRow<'a> {
    organization_id: OrganizationId,
    delivery_id: DeliveryId,
    id: HitId,
    version_id: EmailVersionId,
    kind: i32,
    link: Option<u16>,
    at: i64,
    network: Option<IpAddr>,
    user_agent: Option<&'a str>,
    machine: bool,
    reasons: &'a [Reason],
}

impl<'a> From<&'a Hit> for HitRow<'a> {
    fn from(hit: &'a Hit) -> Self {
        Self {
            organization_id: hit.organization_id,
            delivery_id: hit.delivery_id,
            id: hit.id,
            version_id: hit.version_id,
            kind: hit.kind.code(),
            link: hit.link,
            at: to_micros(hit.at),
            network: hit.network,
            user_agent: hit.user_agent.as_deref(),
            machine: hit.is_machine(),
            reasons: &hit.reasons,
        }
    }
}

/// Deliveries as a parameter for [`DELIVERIES`].
fn delivery_rows(deliveries: &[(OrganizationId, DeliveryId)]) -> sea_orm::Value {
    let rows: Vec<_> = deliveries
        .iter()
        .map(|(organization, delivery)| {
            json!({"organization_id": organization, "delivery_id": delivery})
        })
        .collect();
    Value::from(rows).to_string().into()
}

fn hit(row: &QueryResult) -> Result<Hit, StoreError> {
    let network = row.find_text("network")?;
    Ok(Hit {
        organization_id: row.id("organization_id")?,
        id: row.id("id")?,
        delivery_id: row.id("delivery_id")?,
        version_id: row.id("version_id")?,
        kind: kind(row)?,
        link: link(row)?,
        at: row.instant("at")?,
        network: network
            .map(|network| network.parse())
            .transpose()
            .map_err(|error| StoreError::corrupt("hit", error))?,
        user_agent: row.find_text("user_agent")?,
        reasons: row.json("hit", "reasons")?,
    })
}

fn kind(row: &QueryResult) -> Result<HitKind, StoreError> {
    HitKind::from_code(row.try_get("", "kind")?)
        .ok_or_else(|| StoreError::corrupt("hit", "an unknown kind"))
}

fn link(row: &QueryResult) -> Result<Option<u16>, StoreError> {
    row.try_get::<Option<i32>>("", "link")?
        .map(u16::try_from)
        .transpose()
        .map_err(|error| StoreError::corrupt("hit", error))
}
