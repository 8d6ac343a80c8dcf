//! Exporting contacts as CSV, in a form that imports back to the same contacts.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use mauntic_core::{
    Access, Actor, Clock, EmailAddress, IdSource, PageSize, Permission, StoreError, UseCase,
};

use crate::{
    Channel, Contact, ContactCursor, ContactFilter, ContactListing, CrmError, CrmStore, Field,
    FieldSet, Tag, Value, audit, import::guard::guarded,
};

/// Columns that are no fields, as the import knows them.
const SPECIAL: [&str; 6] = [
    "tags",
    "stage",
    "owner",
    "do_not_email",
    "last_active",
    "created_at",
];

/// Exports contacts.
#[derive(Clone)]
pub struct ExportService {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl ExportService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[("contacts", Access::Needs(Permission::ContactsExport))];

    /// Exports from that store.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids }
    }

    /// The contacts that a filter lets through, as pieces of a CSV file in UTF-8, in the order in
    /// which they were added. However many there are, only a page of them is in memory.
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
        let pages = stream::try_unfold(Some(None), move |after: Option<Option<ContactCursor>>| {
            let (store, columns) = (Arc::clone(&store), Arc::clone(&columns));
            let filter = filter.clone();
            async move {
                let Some(after) = after else { return Ok(None) };
                let listing = ContactListing {
                    filter,
                    after,
                    size: PageSize::clamped(usize::from(PageSize::MAX)),
                    ..ContactListing::default()
                };
                let page = store.contacts().list(organization, &listing).await?;
                Ok(Some((rows(&columns, &page.items), page.next.map(Some))))
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

fn rows(columns: &[Field], contacts: &[Contact]) -> Vec<u8> {
    let mut writer = writer();
    for contact in contacts {
        let values = columns.iter().map(|field| cell(contact, field));
        write(&mut writer, values.chain(special(contact)));
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

fn special(contact: &Contact) -> [String; 6] {
    let parts = contact.parts();
    let tags: Vec<_> = parts.tags.iter().map(Tag::as_str).collect();
    let instant = |at| Value::datetime(at).to_string();
    [
        // With a bar behind it a single tag keeps its commas.
        match tags[..] {
            [only] if only.contains([';', ',']) => guarded(&format!("{only}|")).into_owned(),
            _ => guarded(&tags.join("|")).into_owned(),
        },
        guarded(parts.stage.as_deref().unwrap_or_default()).into_owned(),
        parts.owner.map_or(String::new(), |owner| owner.to_string()),
        (!contact.is_contactable(Channel::Email)).to_string(),
        parts.last_active_at.map_or(String::new(), instant),
        instant(parts.created_at),
    ]
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
