use std::fmt::Write as _;

use mauntic_core::{ContactId, OrganizationId, StoreError, storage::Dialect};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::row::{COLUMNS, contact_id, id_rows};
use crate::{
    ContactCursor, ContactFilter, ContactListing, ContactSort, storage::parameters::Parameters,
    store::NAME_ORDER,
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

/// How many contacts may fit a search for them to be looked up before they are sorted. Of more of them, a page is full
/// soon enough on the way along what the list is sorted by.
const FOUND: usize = 1_000;
/// The same of the members of a segment, and others whose ids stand together in an index.
const MEMBERS: usize = 3_000;

/// Those that a part of a filter lets through, and the rest of the filter. A planner would have to guess how many they are,
/// and where it guesses wrong the list is read from end to end.
pub(super) struct Few {
    ids: Vec<ContactId>,
    rest: ContactFilter,
}

/// Looks up whom the search of a list finds, or else another part of its filter, unless there are many.
pub(super) async fn few<C: ConnectionTrait>(
    connection: &C,
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
) -> Result<Option<Few>, StoreError> {
    let filter = &listing.filter;
    let search = searched(filter).map(|search| lookups(dialect, organization, search));
    if let Some(ids) = looked_up(connection, search.unwrap_or_default(), FOUND).await? {
        let rest = ContactFilter {
            search: None,
            ..filter.clone()
        };
        return Ok(Some(Few { ids, rest }));
    }
    // All of these come by id: only another order, or a search, has to look for them.
    if listing.sort == ContactSort::CreatedAt && searched(filter).is_none() {
        return Ok(None);
    }
    for (sql, value, rest) in narrowed(filter) {
        let parameters = [organization.as_uuid().into(), value];
        let sql = format!("{sql} LIMIT {}", MEMBERS + 1);
        let lookup = vec![dialect.statement(sql, parameters)];
        if let Some(ids) = looked_up(connection, lookup, MEMBERS).await? {
            return Ok(Some(Few { ids, rest }));
        }
    }
    Ok(None)
}

/// The parts of a filter that each have an index: what finds whom it lets through, its second parameter, and the rest of
/// the filter.
fn narrowed(filter: &ContactFilter) -> Vec<(&'static str, Value, ContactFilter)> {
    let mut parts = Vec::new();
    let mut part = |sql, value: Option<Value>, clear: fn(&mut ContactFilter)| {
        if let Some(value) = value {
            let mut rest = filter.clone();
            clear(&mut rest);
            parts.push((sql, value, rest));
        }
    };
    part(
        "SELECT contact_id AS id FROM segment_member
         WHERE organization_id = $1 AND segment_id = $2 AND origin <> 2
         ORDER BY organization_id, segment_id, contact_id",
        filter.segment.map(|segment| segment.as_uuid().into()),
        |rest| rest.segment = None,
    );
    part(
        "SELECT id FROM contact WHERE organization_id = $1 AND owner_id = $2
         ORDER BY organization_id, owner_id, id",
        filter.owner.map(|owner| owner.as_uuid().into()),
        |rest| rest.owner = None,
    );
    part(
        "SELECT id FROM contact WHERE organization_id = $1 AND stage = $2
         ORDER BY organization_id, stage, id",
        filter.stage.as_deref().map(Value::from),
        |rest| rest.stage = None,
    );
    part(
        "SELECT contact_id AS id FROM do_not_contact WHERE organization_id = $1 AND channel = $2
         ORDER BY organization_id, channel, contact_id",
        filter.do_not_contact.map(|channel| channel.as_str().into()),
        |rest| rest.do_not_contact = None,
    );
    parts
}

/// The ids that statements find; none if there are no statements, or many ids.
async fn looked_up<C: ConnectionTrait>(
    connection: &C,
    lookups: Vec<Statement>,
    most: usize,
) -> Result<Option<Vec<ContactId>>, StoreError> {
    if lookups.is_empty() {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for lookup in lookups {
        for row in connection.query_all_raw(lookup).await? {
            ids.push(contact_id(&row, "id")?);
        }
        if ids.len() > most {
            return Ok(None);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// What finds the contacts of a search text, each statement along an index; nothing if there is no such way.
fn lookups(dialect: Dialect, organization: OrganizationId, search: &str) -> Vec<Statement> {
    if search.starts_with('*') {
        return Vec::new();
    }
    let lookup = |prefixes: Vec<Prefix>| {
        let mut parameters = Parameters::default();
        let organization = parameters.bind(organization.as_uuid());
        // In the order of its index, so that it is read, however many the planner expects.
        let order = match prefixes.as_slice() {
            [prefix] => format!("ORDER BY c.organization_id, {}", prefix.of),
            _ => String::new(),
        };
        let sql = format!(
            "SELECT c.id FROM contact c WHERE c.organization_id = {organization} AND {} {order} LIMIT {}",
            all_start(&prefixes, &mut parameters),
            FOUND + 1
        );
        dialect.statement(sql, parameters)
    };
    ways(dialect, search).into_iter().map(lookup).collect()
}

/// What to run, one after the other, until the page is full. Those without a value of what the list
/// is sorted by come last, from a statement of their own, so that each can use its index.
pub(super) fn statements(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
    few: Option<&Few>,
) -> Vec<Unlimited> {
    // A cursor of another order says nothing in this one.
    let after = listing
        .after
        .as_ref()
        .filter(|after| after.sort == listing.sort);
    let by_id =
        |condition: &str, after| by_id(dialect, organization, listing, few, condition, after);
    let ordered = |order: &Order| ordered(dialect, organization, listing, few, order);
    let micros = |after: &ContactCursor| after.micros.map(|micros| vec![Value::from(micros)]);
    let texts = |after: &ContactCursor| {
        let texts = after.texts.iter().map(|text| Value::from(text.as_str()));
        (!after.texts.is_empty()).then(|| texts.collect::<Vec<_>>())
    };
    let (column, values) = match listing.sort {
        ContactSort::CreatedAt => return vec![by_id("", after)],
        ContactSort::UpdatedAt => ("c.updated_at", after.and_then(micros)),
        ContactSort::Email => ("c.email_key", after.and_then(texts)),
        ContactSort::LastActive => ("c.last_active_at", after.and_then(micros)),
        ContactSort::Name => {
            let [last, first] = name_order(dialect);
            let texts = after.and_then(texts);
            let (nameless, named) = match &texts {
                Some(texts) if texts.len() == 1 => (texts.clone(), None),
                texts => (Vec::new(), Some(texts.clone().unwrap_or_default())),
            };
            let behind = |values: Vec<Value>| {
                after
                    .filter(|_| !values.is_empty())
                    .map(|after| (values, after.id))
            };
            let without = ordered(&Order {
                condition: format!("{last} IS NULL"),
                // It is always NULL here, which the planner needs to be told to use the index.
                constant: Some(&last),
                columns: vec![&first],
                after: behind(nameless),
            });
            let with = named.map(|named| {
                ordered(&Order {
                    condition: format!("{last} IS NOT NULL"),
                    constant: None,
                    columns: vec![&last, &first],
                    after: behind(named),
                })
            });
            return with.into_iter().chain([without]).collect();
        }
    };
    let among_those_without = after.is_some() && values.is_none();
    let with = Order {
        condition: format!("{column} IS NOT NULL"),
        constant: None,
        columns: vec![column],
        after: values.zip(after).map(|(values, after)| (values, after.id)),
    };
    let without = || {
        let condition = format!(" AND {column} IS NULL");
        by_id(&condition, after.filter(|_| among_those_without))
    };
    match listing.sort {
        _ if among_those_without => vec![without()],
        ContactSort::UpdatedAt => vec![ordered(&with)],
        _ => vec![ordered(&with), without()],
    }
}

fn by_id(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
    few: Option<&Few>,
    condition: &str,
    after: Option<&ContactCursor>,
) -> Unlimited {
    let mut parameters = Parameters::default();
    let mut sql = select(dialect, organization, &listing.filter, few, &mut parameters);
    sql.push_str(condition);
    let (beyond, order) = direction(listing);
    if let Some(after) = after {
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

/// An order by something else than the id, which decides between equals.
struct Order<'a> {
    /// Who is listed at all.
    condition: String,
    /// What an index has before the columns, and what is the same for all who are listed.
    constant: Option<&'a str>,
    columns: Vec<&'a str>,
    /// A value for each column and the id, behind which the page starts.
    after: Option<(Vec<Value>, ContactId)>,
}

fn ordered(
    dialect: Dialect,
    organization: OrganizationId,
    listing: &ContactListing,
    few: Option<&Few>,
    order: &Order<'_>,
) -> Unlimited {
    let mut parameters = Parameters::default();
    let mut sql = select(dialect, organization, &listing.filter, few, &mut parameters);
    let _ = write!(sql, " AND {}", order.condition);
    let (beyond, direction) = direction(listing);
    if let Some((values, id)) = &order.after {
        let values = values.iter().map(|value| parameters.bind(value.clone()));
        let values: Vec<_> = values.collect();
        let id = parameters.bind(id.as_uuid());
        let (columns, values) = (order.columns.join(", "), values.join(", "));
        let _ = write!(sql, " AND ({columns}, c.id) {beyond} ({values}, {id})");
    }
    let by = order.constant.iter().chain(&order.columns);
    let by = by.map(|column| format!("{column} {direction}, "));
    let _ = write!(sql, " ORDER BY {}c.id {direction}", by.collect::<String>());
    Unlimited {
        dialect,
        sql,
        parameters: parameters.into_iter().collect(),
    }
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
    let organization = parameters.bind(organization.as_uuid());
    let filtered = filtered(dialect, &organization, filter, &mut parameters);
    dialect.statement(
        format!("SELECT COUNT(*) AS contacts {filtered}"),
        parameters.into_iter().collect::<Vec<_>>(),
    )
}

fn select(
    dialect: Dialect,
    organization: OrganizationId,
    filter: &ContactFilter,
    few: Option<&Few>,
    parameters: &mut Parameters,
) -> String {
    let organization = parameters.bind(organization.as_uuid());
    let Some(few) = few else {
        let filtered = filtered(dialect, &organization, filter, parameters);
        return format!("SELECT {COLUMNS} {filtered}");
    };
    let organization = dialect.unseen(&organization);
    let filtered = filtered(dialect, &organization, &few.rest, parameters);
    let ids = parameters.place(id_rows(&few.ids));
    let few = dialect.ids(ids, "few");
    let few = dialect.among("c.id", &format!("SELECT id FROM {few}"));
    format!("SELECT {COLUMNS} {filtered} AND {few}")
}

fn filtered(
    dialect: Dialect,
    organization: &str,
    filter: &ContactFilter,
    parameters: &mut Parameters,
) -> String {
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
    if let Some(owner) = filter.owner {
        let owner = parameters.bind(owner.as_uuid());
        let _ = write!(sql, " AND c.owner_id = {owner}");
    }
    if let Some(stage) = &filter.stage {
        let stage = parameters.bind(stage.as_str());
        let _ = write!(sql, " AND c.stage = {stage}");
    }
    if let Some(channel) = filter.do_not_contact {
        let channel = parameters.bind(channel.as_str());
        let _ = write!(
            sql,
            " AND c.id IN (SELECT d.contact_id FROM do_not_contact d
                WHERE d.organization_id = {organization} AND d.channel = {channel})"
        );
    }
    if let Some(channel) = filter.may_contact {
        let channel = parameters.bind(channel.as_str());
        let _ = write!(
            sql,
            " AND NOT EXISTS (SELECT 1 FROM do_not_contact d
                WHERE d.organization_id = {organization} AND d.contact_id = c.id AND d.channel = {channel})"
        );
    }
    if let Some(search) = searched(filter) {
        let _ = write!(sql, " AND ({})", matching(dialect, search, parameters));
    }
    sql
}

/// The text that a filter searches for, if it does.
fn searched(filter: &ContactFilter) -> Option<&str> {
    let search = filter.search.as_deref().map(str::trim);
    search.filter(|text| !text.is_empty())
}

/// What a text in SQL is to start with.
struct Prefix {
    of: String,
    text: String,
}

/// The condition of a search text.
fn matching(dialect: Dialect, search: &str, parameters: &mut Parameters) -> String {
    let Some(part) = search.strip_prefix('*') else {
        let ways = ways(dialect, search);
        let ways: Vec<_> = ways
            .iter()
            .map(|prefixes| format!("({})", all_start(prefixes, parameters)))
            .collect();
        return ways.join(" OR ");
    };
    let address = parameters.bind(part.to_lowercase());
    let name = parameters.bind(part.to_ascii_lowercase());
    let [firstname, lastname] = names(dialect);
    [
        ("c.email_key", &address),
        (&*firstname, &name),
        (&*lastname, &name),
    ]
    .map(|(text, part)| format!("{} > 0", dialect.position(text, part)))
    .join(" OR ")
}

fn names(dialect: Dialect) -> [String; 2] {
    ["firstname", "lastname"].map(|alias| dialect.ascii_lower(&format!("c.fields ->> '{alias}'")))
}

/// The last and the first name as the indexes have them: the [beginning](NAME_ORDER), and an empty text for a missing first
/// name.
pub(super) fn name_order(dialect: Dialect) -> [String; 2] {
    let [first, last] = names(dialect).map(|name| format!("substr({name}, 1, {NAME_ORDER})"));
    [last, format!("COALESCE({first}, '')")]
}

/// The ways in which a contact fits a search text: one of them is enough.
fn ways(dialect: Dialect, search: &str) -> Vec<Vec<Prefix>> {
    let prefix = |of: &str, text: &str| Prefix {
        of: of.to_owned(),
        text: text.to_owned(),
    };
    // Addresses have letters of other scripts in lower case too, names only A to Z.
    let (address, name) = (search.to_lowercase(), search.to_ascii_lowercase());
    let mut ways = Vec::new();
    if !search.contains('@') {
        let name: String = name.chars().take(NAME_ORDER).collect();
        let [last, first] = name_order(dialect);
        ways.extend([&first, &last].map(|of| vec![prefix(of, &name)]));
        if let Some((one, other)) = name.split_once(' ') {
            for (before, behind) in [(one, other.trim()), (other.trim(), one)] {
                // Both stand in one index, so that of a common last name only those with the first name are read.
                ways.push(vec![prefix(&first, before), prefix(&last, behind)]);
            }
        }
    }
    // Last, because addresses that stand together in the index belong to contacts from everywhere.
    ways.push(vec![prefix("c.email_key", &address)]);
    ways
}

fn all_start(prefixes: &[Prefix], parameters: &mut Parameters) -> String {
    let starts = prefixes.iter().map(|prefix| {
        // A range that an index on the text serves on both back ends.
        let from = parameters.bind(prefix.text.as_str());
        let to = parameters.bind(format!("{}\u{10ffff}", prefix.text));
        format!("({0} >= {from} AND {0} < {to})", prefix.of)
    });
    starts.collect::<Vec<_>>().join(" AND ")
}
