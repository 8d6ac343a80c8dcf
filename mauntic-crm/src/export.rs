//! Exporting contacts as CSV, in a form that imports back to the same contacts.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use futures_util::{Stream, StreamExt as _, stream};
use mauntic_core::{
    Access, Actor, Clock, EmailAddress, IdSource, OrganizationId, PageSize, Permission, StoreError,
    UseCase, UserId,
};

use crate::{
    AnyOwner, Contact, ContactCursor, ContactFilter, ContactListing, CrmError, CrmStore, Field,
    FieldSet, OwnerName, Owners, Tag, Value, audit,
    import::{ID, guard::guarded},
};

/// Columns that are no fields, as the import knows them.
const SPECIAL: [&str; 7] = [
    "tags",
    "stage",
    "owner",
    "do_not_contact",
    "last_active",
    "created_at",
    ID,
];

/// Exports contacts.
#[derive(Clone)]
pub struct ExportService {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    owners: Arc<dyn Owners>,
}

impl ExportService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[("contacts", Access::Needs(Permission::ContactsExport))];

    /// Exports from that store.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            store,
            clock,
            ids,
            owners: Arc::new(AnyOwner),
        }
    }

    /// The same, but owners that are none of these any more are left out, since they could not be imported.
    #[must_use]
    pub fn with_owners(self, owners: Arc<dyn Owners>) -> Self {
        Self { owners, ..self }
    }

    /// The contacts that a filter lets through, as pieces of a CSV file in UTF-8, in the order in
    /// which they were added. However many there are, only a page of them is in memory.
    ///
    /// The column `mauntic_id` has the ids of the contacts, by which an import knows them again, with or without an
    /// address. Into another organisation they are imported under ids of its own; it remembers those of the file for
    /// the contacts that it adds, so that the same file, or a later one, changes them instead of adding them again.
    ///
    /// Values that a spreadsheet would run as formulas have an apostrophe in front, which an import
    /// takes off.
    ///
    /// # Errors
    /// [`CrmError::Forbidden`]; a failing storage also ends the stream with an error.
    pub async fn contacts(
        &self,
        actor: &Actor,
        filter: ContactFilter,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + use<>, CrmError> {
        let organization = actor.require(Permission::ContactsExport)?;
        let mut uow = self.store.begin().await?;
        let change = audit::Change::new("contact.exported", audit::Subject::nameless("contact"));
        let change = change.to(audit::filter(&filter));
        audit::tell(uow.outbox(), actor, change, self.clock.now(), &*self.ids).await?;
        uow.commit().await?;
        let fields = FieldSet::with_custom(self.store.fields().list_custom(organization).await?);
        let columns: Vec<Field> = fields
            .iter()
            .filter(|field| field.alias.as_str() != "last_active")
            .cloned()
            .collect();
        let header = header(&columns);
        let (store, columns) = (Arc::clone(&self.store), Arc::new(columns));
        let owners = Arc::clone(&self.owners);
        let pages = stream::try_unfold(Some(None), move |after: Option<Option<ContactCursor>>| {
            let (store, columns) = (Arc::clone(&store), Arc::clone(&columns));
            let (owners, filter) = (Arc::clone(&owners), filter.clone());
            async move {
                let Some(after) = after else { return Ok(None) };
                let listing = ContactListing {
                    filter,
                    after,
                    size: PageSize::clamped(usize::from(PageSize::MAX)),
                    ..ContactListing::default()
                };
                let page = store.contacts().list(organization, &listing).await?;
                let members = members(&*owners, organization, &page.items).await?;
                let rows = rows(&columns, &page.items, &members);
                Ok(Some((rows, page.next.map(Some))))
            }
        });
        Ok(stream::iter([Ok(header)]).chain(pages))
    }
}

fn header(columns: &[Field]) -> Vec<u8> {
    let mut writer = writer();
    let names = columns
        .iter()
        .map(|field| field.alias.as_str())
        .chain(SPECIAL);
    write(&mut writer, names.map(str::to_owned));
    finish(writer)
}

/// Those of the contacts' owners that can be owners.
async fn members(
    owners: &dyn Owners,
    organization: OrganizationId,
    contacts: &[Contact],
) -> Result<BTreeSet<UserId>, StoreError> {
    let named = contacts.iter().filter_map(|contact| contact.parts().owner);
    let named: BTreeSet<_> = named.collect();
    if named.is_empty() {
        return Ok(named);
    }
    let names: Vec<_> = named.into_iter().map(OwnerName::Id).collect();
    let found = owners.find(organization, &names).await?;
    Ok(found.into_iter().flatten().collect())
}

fn rows(columns: &[Field], contacts: &[Contact], members: &BTreeSet<UserId>) -> Vec<u8> {
    let mut writer = writer();
    for contact in contacts {
        let values = columns.iter().map(|field| cell(contact, field));
        write(&mut writer, values.chain(special(contact, members)));
    }
    finish(writer)
}

fn cell(contact: &Contact, field: &Field) -> String {
    match field.alias.as_str() {
        "email" => contact.email().map_or(String::new(), |email| {
            guarded(EmailAddress::as_str(email)).into_owned()
        }),
        "points" => contact.parts().points.to_string(),
        alias => match contact.value(alias) {
            None => String::new(),
            // A number is no formula, even below zero.
            Some(value @ (Value::Number(_) | Value::Boolean(_))) => value.to_string(),
            Some(value) => guarded(&value.to_string()).into_owned(),
        },
    }
}

fn special(contact: &Contact, members: &BTreeSet<UserId>) -> [String; 7] {
    let parts = contact.parts();
    let tags: Vec<_> = parts.tags.iter().map(tag).collect();
    let instant = |at| Value::datetime(at).to_string();
    let marks = parts.do_not_contact.values();
    let marks: Vec<_> = marks
        .map(|mark| format!("{}:{}", mark.channel, mark.reason))
        .collect();
    [
        // With a bar behind it a single tag keeps its commas and quotes.
        match &tags[..] {
            [only] if only.contains([';', ',', '"']) => guarded(&format!("{only}|")).into_owned(),
            _ => guarded(&tags.join("|")).into_owned(),
        },
        guarded(parts.stage.as_deref().unwrap_or_default()).into_owned(),
        parts
            .owner
            .filter(|owner| members.contains(owner))
            .map_or(String::new(), |owner| owner.to_string()),
        marks.join("|"),
        parts.last_active_at.map_or(String::new(), instant),
        instant(parts.created_at),
        parts.id.to_string(),
    ]
}

/// A tag that is all in quotes is put into others, since an import takes one pair off.
fn tag(tag: &Tag) -> Cow<'_, str> {
    let tag = tag.as_str();
    if tag.starts_with('"') && tag.ends_with('"') {
        Cow::Owned(format!("\"{tag}\""))
    } else {
        Cow::Borrowed(tag)
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

fn write(writer: &mut csv::Writer<Vec<u8>>, values: impl Iterator<Item = String>) {
    let written = writer.write_record(values);
    debug_assert!(written.is_ok(), "memory takes any record");
}

fn finish(writer: csv::Writer<Vec<u8>>) -> Vec<u8> {
    writer.into_inner().unwrap_or_default()
}
