use std::sync::Arc;

use mauntic_core::{Actor, ImportId, Permission};

use super::{
    CsvFormat, FormatHints, ImportError, ImportService, ImportSource, Mapping, Sniffed, Target,
    look::blocking, source,
};
use crate::FieldSet;

/// How many values of a column are shown.
const SHOWN: usize = 3;

/// What the start of an upload tells about it, before anybody has decided anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// How many bytes there are.
    pub bytes: u64,
    /// How it is written, as far as nobody said otherwise.
    pub format: CsvFormat,
    /// Its columns, in order.
    pub columns: Vec<GlancedColumn>,
}

/// A column of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlancedColumn {
    /// The name that the file gives it.
    pub name: String,
    /// Some of its values, as the file has them.
    pub sample: Vec<String>,
    /// What it would become by its name.
    pub target: Option<Target>,
}

impl ImportService {
    /// Looks at the start of an upload. However large it is, no more of it is read.
    ///
    /// # Errors
    /// [`ImportError::UploadNotFound`] if there is none, or an import was made of it already;
    /// [`ImportError::Csv`] if it cannot be read as CSV.
    pub async fn glance(
        &self,
        actor: &Actor,
        upload: ImportId,
        hints: FormatHints,
    ) -> Result<Glance, ImportError> {
        let organization = actor.require(Permission::ContactsImport)?;
        let imports = self.store.imports();
        let bytes = imports.stored_bytes(organization, upload).await?;
        if bytes == 0 || imports.find(organization, upload).await?.is_some() {
            return Err(ImportError::UploadNotFound(upload));
        }
        let store = Arc::clone(&self.store);
        let sniffed = blocking(move || {
            let stored = &ImportSource::Stored;
            let file = source::open(stored, &store, organization, upload, bytes)?;
            Sniffed::read(file, hints)
        })
        .await?;
        let fields = self.fields(organization).await?;
        Ok(Glance {
            bytes,
            format: sniffed.format,
            columns: columns(&sniffed, &fields)?,
        })
    }
}

fn columns(sniffed: &Sniffed, fields: &FieldSet) -> Result<Vec<GlancedColumn>, ImportError> {
    let mut mapping = Mapping::of(&sniffed.columns, fields, &[])?;
    if !sniffed.format.header
        && mapping.column_of(&Target::Email).is_none()
        && let Some(column) = sniffed.address_column()
    {
        mapping.set_email(column);
    }
    let columns = sniffed.columns.iter().zip(mapping.targets()).enumerate();
    let glanced = columns.map(|(index, (name, target))| {
        let values = sniffed.sample.iter().filter_map(|row| row.get(index));
        let values = values.filter(|value| !value.trim().is_empty());
        GlancedColumn {
            name: name.clone(),
            sample: values.take(SHOWN).cloned().collect(),
            target: target.cloned(),
        }
    });
    Ok(glanced.collect())
}
