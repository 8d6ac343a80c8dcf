use std::fmt::Write as _;

use mauntic_core::{OrganizationId, storage::Dialect};
use sea_orm::{Statement, Value};

use super::row::COLUMNS;
use crate::{
    ContactCursor, ContactFilter, ContactListing, ContactSort, storage::parameters::Parameters,
};

/// A statement that only lacks how many rows it is to return.
pub(super) struct Unlimited {
    dialect: Dialect,
    sql: String,
    parameters: Vec<Value>,
}

impl Unlimited {
    pub(super) fn limited(self, rows: u64) -> Statement {
        self.dialect
            .statement(format!("{} LIMIT {rows}", self.sql), self.parameters)
    }
}

/// What to run, one after the other, until the page is full. Those without a value of what the list
/// is sorted by come last, by id, from a statement of their own, so that each can use its index.
pub(super) fn statements(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
) -> Vec<Unlimited> {
    let column = match listing.sort {
        ContactSort::CreatedAt => return vec![by_id(dialect, organization, listing, "")],
        ContactSort::UpdatedAt => {
            return vec![by_column(dialect, organization, listing, "updated_at")];
        }
        ContactSort::Email => "email_key",
        ContactSort::LastActive => "last_active_at",
    };
    let without = format!(" AND c.{column} IS NULL");
    let among_those_without = listing
        .after
        .as_ref()
        .is_some_and(|after| after.micros.is_none() && after.email_key.is_none());
    let last = by_id(
        dialect,
        organization,
        &ContactListing {
            after: listing.after.clone().filter(|_| among_those_without),
            ..listing.clone()
        },
        &without,
    );
    if among_those_without {
        return vec![last];
    }
    vec![by_column(dialect, organization, listing, column), last]
}

fn by_id(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
    condition: &str,
) -> Unlimited {
    let mut parameters = Parameters::default();
    let mut sql = select(dialect, organization, &listing.filter, &mut parameters);
    sql.push_str(condition);
    let (beyond, order) = direction(listing);
    if let Some(after) = &listing.after {
        let id = parameters.bind(after.id.as_uuid());
        let _ = write!(sql, " AND c.id {beyond} {id}");
    }
    let _ = write!(sql, " ORDER BY c.organization_id {order}, c.id {order}");
    Unlimited {
        dialect,
        sql,
        parameters: parameters.into_iter().collect(),
    }
}

fn by_column(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
    column: &str,
) -> Unlimited {
    let mut parameters = Parameters::default();
    let mut sql = select(dialect, organization, &listing.filter, &mut parameters);
    let _ = write!(sql, " AND c.{column} IS NOT NULL");
    let (beyond, order) = direction(listing);
    if let Some((value, id)) = listing.after.as_ref().and_then(sort_value) {
        let value = parameters.bind(value);
        let id = parameters.bind(id.as_uuid());
        let _ = write!(sql, " AND (c.{column}, c.id) {beyond} ({value}, {id})");
    }
    let _ = write!(sql, " ORDER BY c.{column} {order}, c.id {order}");
    Unlimited {
        dialect,
        sql,
        parameters: parameters.into_iter().collect(),
    }
}

fn sort_value(after: &ContactCursor) -> Option<(Value, mauntic_core::ContactId)> {
    let value = after
        .micros
        .map(Value::from)
        .or_else(|| after.email_key.clone().map(Value::from))?;
    Some((value, after.id))
}

fn direction(listing: &ContactListing) -> (&'static str, &'static str) {
    if listing.descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    }
}

/// Counts whom a filter lets through.
pub(super) fn count(
    dialect: Dialect,
    organization: OrganizationId,
    filter: &ContactFilter,
) -> Statement {
    let mut parameters = Parameters::default();
    let filtered = filtered(dialect, organization, filter, &mut parameters);
    dialect.statement(
        format!("SELECT COUNT(*) AS contacts {filtered}"),
        parameters.into_iter().collect::<Vec<_>>(),
    )
}

fn select(
    dialect: Dialect,
    organization: OrganizationId,
    filter: &ContactFilter,
    parameters: &mut Parameters,
) -> String {
    let filtered = filtered(dialect, organization, filter, parameters);
    format!("SELECT {COLUMNS} {filtered}")
}

fn filtered(
    dialect: Dialect,
    organization: OrganizationId,
    filter: &ContactFilter,
    parameters: &mut Parameters,
) -> String {
    let organization = parameters.bind(organization.as_uuid());
    let mut sql = format!("FROM contact c WHERE c.organization_id = {organization}");
    if let Some(tag) = &filter.tag {
        let tag = parameters.bind(tag.as_str());
        let _ = write!(sql, " AND {}", dialect.json_array_has("c.tags", &tag));
    }
    if let Some(segment) = filter.segment {
        let segment = parameters.bind(segment.as_uuid());
        let _ = write!(sql, " AND c.id IN (SELECT m.contact_id FROM segment_member m
                WHERE m.organization_id = {organization} AND m.segment_id = {segment} AND m.origin <> 2)");
    }
    if let Some(search) = filter
        .search
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        let _ = write!(sql, " AND ({})", matching(dialect, search, parameters));
    }
    sql
}

/// The condition of a search text.
fn matching(dialect: Dialect, search: &str, parameters: &mut Parameters) -> String {
    let firstname = dialect.ascii_lower("c.fields ->> 'firstname'");
    let lastname = dialect.ascii_lower("c.fields ->> 'lastname'");
    // Addresses have letters of other scripts in lower case too, names only A to Z.
    let (address, name) = (search.to_lowercase(), search.to_ascii_lowercase());
    if let (Some(address), Some(name)) = (address.strip_prefix('*'), name.strip_prefix('*')) {
        let (address, name) = (parameters.bind(address), parameters.bind(name));
        return [
            ("c.email_key", &address),
            (&*firstname, &name),
            (&*lastname, &name),
        ]
        .map(|(text, part)| format!("{} > 0", dialect.position(text, part)))
        .join(" OR ");
    }
    let mut any = vec![starts_with("c.email_key", &address, parameters)];
    if !search.contains('@') {
        any.push(starts_with(&firstname, &name, parameters));
        any.push(starts_with(&lastname, &name, parameters));
        if let Some((one, other)) = name.split_once(' ') {
            for (first, last) in [(one, other.trim()), (other.trim(), one)] {
                let first = starts_with(&firstname, first, parameters);
                let last = starts_with(&lastname, last, parameters);
                any.push(format!("({first} AND {last})"));
            }
        }
    }
    any.join(" OR ")
}

/// A range that an index on the text serves on both back ends.
fn starts_with(text: &str, prefix: &str, parameters: &mut Parameters) -> String {
    let from = parameters.bind(prefix);
    let to = parameters.bind(format!("{prefix}\u{10ffff}"));
    format!("({text} >= {from} AND {text} < {to})")
}
