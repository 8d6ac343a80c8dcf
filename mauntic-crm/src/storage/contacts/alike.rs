//! Finds contacts that are perhaps of the same person as another, each way through an index.

use std::collections::BTreeSet;

use mauntic_core::{ContactId, EmailAddress, OrganizationId, StoreError, storage::Dialect};
use sea_orm::{ConnectionTrait as _, Statement};

use super::{
    list::name_order,
    read::{by_emails, by_ids},
    row::contact_id,
};
use crate::{
    Contact,
    contact::{Marks, is_gmail, mailbox},
    storage::{SeaOrmCrmStore, parameters::Parameters},
    store::NAME_ORDER,
};

/// Behind how many letters of a Gmail address the first dot is looked for.
const DOTS: usize = 30;

impl SeaOrmCrmStore {
    pub(super) async fn contacts_alike(
        &self,
        organization: OrganizationId,
        contact: &Contact,
        limit: u64,
    ) -> Result<Vec<Contact>, StoreError> {
        let (connection, dialect) = (self.db.reader(), self.db.dialect());
        let mut found = Vec::new();
        if let Some(email) = contact.email() {
            let statement = same_mailbox(dialect, organization, email, limit);
            let rows = connection.query_all_raw(statement).await?;
            let keys = rows.iter().map(|row| row.try_get("", "email_key"));
            let keys: Vec<String> = keys.collect::<Result<_, _>>()?;
            found = by_emails(connection, dialect, organization, &keys, "").await?;
        }
        let marks = contact.marks();
        let searches = [
            same_mobile(dialect, organization, &marks, limit),
            same_name(dialect, organization, &marks, limit),
        ];
        let mut ids = BTreeSet::new();
        for statement in searches.into_iter().flatten() {
            for row in connection.query_all_raw(statement).await? {
                ids.insert(contact_id(&row, "id")?);
            }
        }
        for known in &found {
            ids.remove(&known.id());
        }
        let ids: Vec<ContactId> = ids.into_iter().collect();
        found.extend(by_ids(connection, dialect, organization, &ids, "").await?);
        found.retain(|other| other.id() != contact.id());
        Ok(found)
    }
}

/// The keys of the addresses that lead to the mailbox of one. Only the index is read: at Gmail, where a dot may stand
/// behind any letter, much of what begins alike is something else.
fn same_mailbox(
    dialect: Dialect,
    organization: OrganizationId,
    email: &EmailAddress,
    limit: u64,
) -> Statement {
    let mailbox = mailbox(email);
    let (local, domain) = mailbox.rsplit_once('@').unwrap_or((&mailbox, ""));
    let mut starts = vec![format!("{local}@"), format!("{local}+")];
    if is_gmail(domain) {
        let letters = local.char_indices().skip(1).take(DOTS);
        starts.extend(letters.map(|(end, _)| format!("{}.", &local[..end])));
    }
    let mut parameters = Parameters::default();
    let organization = parameters.bind(organization.as_uuid());
    let own = parameters.bind(email.key());
    let suits = if is_gmail(domain) {
        let (dotless, domains) = (
            "replace(c.email_key, '.', '')",
            ["@gmailcom", "@googlemailcom"],
        );
        any_of(dialect, dotless, local, &domains, &mut parameters)
    } else {
        let domain = format!("@{domain}");
        any_of(dialect, "c.email_key", local, &[&domain], &mut parameters)
    };
    // One statement each, in the order of the index, so that each reads no more of it than it must.
    let ranges = starts.iter().map(|start| {
        let low = parameters.bind(start.as_str());
        let high = parameters.bind(format!("{start}\u{10ffff}"));
        format!(
            "SELECT email_key FROM (SELECT c.email_key FROM contact c
             WHERE c.organization_id = {organization} AND c.email_key >= {low} AND c.email_key <= {high}
               AND c.email_key <> {own} AND {suits}
             ORDER BY c.organization_id, c.email_key LIMIT {limit}) AS found"
        )
    });
    let ranges: Vec<_> = ranges.collect();
    dialect.statement(ranges.join(" UNION "), parameters)
}

/// Whether a text is a local part, with or without what stands behind a `+`, at one of these domains.
fn any_of(
    dialect: Dialect,
    text: &str,
    local: &str,
    domains: &[&str],
    parameters: &mut Parameters,
) -> String {
    let tagged = parameters.bind(format!("{local}+"));
    let tagged = format!("{} = 1", dialect.position(text, &tagged));
    let mut any = Vec::new();
    for domain in domains {
        let whole = parameters.bind(format!("{local}{domain}"));
        let ending = dialect.ending(text, domain.chars().count());
        let at = parameters.bind(*domain);
        any.push(format!(
            "{text} = {whole} OR ({tagged} AND {ending} = {at})"
        ));
    }
    format!("({})", any.join(" OR "))
}

fn same_mobile(
    dialect: Dialect,
    organization: OrganizationId,
    marks: &Marks,
    limit: u64,
) -> Option<Statement> {
    let mut parameters = Parameters::default();
    let organization = parameters.bind(organization.as_uuid());
    let mobile = parameters.bind(marks.mobile.as_deref()?);
    let sql = format!(
        "SELECT c.id FROM contact c
         WHERE c.organization_id = {organization} AND {} = {mobile} LIMIT {limit}",
        dialect.ascii_lower("c.fields ->> 'mobile'")
    );
    Some(dialect.statement(sql, parameters))
}

fn same_name(
    dialect: Dialect,
    organization: OrganizationId,
    marks: &Marks,
    limit: u64,
) -> Option<Statement> {
    let (first, last) = marks.name.as_ref()?;
    let field = |alias: &str| dialect.ascii_lower(&format!("c.fields ->> '{alias}'"));
    let [by_last, by_first] = name_order(dialect);
    let mut parameters = Parameters::default();
    let organization = parameters.bind(organization.as_uuid());
    let mut same = Vec::new();
    // The beginnings stand in an index.
    for (name, by, alias) in [
        (last, &by_last, "lastname"),
        (first, &by_first, "firstname"),
    ] {
        let beginning: String = name.chars().take(NAME_ORDER).collect();
        let (beginning, name) = (parameters.bind(beginning), parameters.bind(name.as_str()));
        same.push(format!("{by} = {beginning} AND {} = {name}", field(alias)));
    }
    let mut common = Vec::new();
    for (alias, text) in [("company", &marks.company), ("zipcode", &marks.postcode)] {
        if let Some(text) = text {
            common.push(format!(
                "{} = {}",
                field(alias),
                parameters.bind(text.as_str())
            ));
        }
    }
    for number in &marks.phones {
        let number = parameters.bind(number.as_str());
        common.push(format!("{} = {number}", field("phone")));
        common.push(format!("{} = {number}", field("mobile")));
    }
    if common.is_empty() {
        return None;
    }
    let sql = format!(
        "SELECT c.id FROM contact c
         WHERE c.organization_id = {organization} AND {} AND ({}) LIMIT {limit}",
        same.join(" AND "),
        common.join(" OR ")
    );
    Some(dialect.statement(sql, parameters))
}
