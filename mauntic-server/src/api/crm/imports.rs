//! `/api/crm/imports`, and the export of contacts.

use mauntic_core::{Actor, ImportId, SegmentId, UserId};
use mauntic_crm::{
    ContactFilter, FieldAlias,
    import::{
        ColumnChoice, CreateImport, CsvError, Delimiter, EmptyCells, Existing, FormatHints,
        ImportError, ImportFile, ImportOptions, TextEncoding,
    },
};
use poem_openapi::{
    ApiResponse, Enum, OpenApi,
    param::{Path, Query},
    payload::{EventStream, Json},
};
use tracing::warn;
use uuid::Uuid;

use super::import_body::{ImportBody, ImportPreviewBody, ProgressBody};
use crate::{
    App,
    api::{
        ApiTag, Page, page_size, parse,
        stream::{CsvFile, CsvUpload, KEEP_ALIVE, progress},
    },
    http::{auth::Token, problem::ApiError},
};

pub(crate) struct ImportsApi(App);

impl ImportsApi {
    pub(crate) fn new(app: &App) -> Self {
        Self(app.clone())
    }

    /// Removes an upload of which no import is made. It is no failure of the request if that fails: what became of the
    /// import is what matters.
    async fn forget(&self, actor: &Actor, upload: ImportId) {
        if let Err(error) = self.0.imports.forget_upload(actor, upload).await {
            warn!(upload.id = %upload, error = &error as &dyn std::error::Error, "an upload could not be removed");
        }
    }
}

/// What an empty cell does to a contact that has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "EmptyCells", rename_all = "snake_case")]
enum EmptyName {
    /// The value stays.
    Keep,
    /// The value goes.
    Clear,
}

/// What happens to contacts that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ExistingContacts", rename_all = "snake_case")]
enum ExistingName {
    /// They take the values of the file.
    Update,
    /// They take values for fields in which they have none.
    FillBlanks,
    /// They stay as they are.
    Skip,
}

impl From<EmptyName> for EmptyCells {
    fn from(name: EmptyName) -> Self {
        match name {
            EmptyName::Keep => Self::Keep,
            EmptyName::Clear => Self::Clear,
        }
    }
}

impl From<ExistingName> for Existing {
    fn from(name: ExistingName) -> Self {
        match name {
            ExistingName::Update => Self::Update,
            ExistingName::FillBlanks => Self::FillBlanks,
            ExistingName::Skip => Self::Skip,
        }
    }
}

/// The import, or what it would do.
#[derive(ApiResponse)]
enum Imported {
    /// With `dry_run`: what the import would do. Nothing was changed.
    #[oai(status = 200)]
    Preview(Json<ImportPreviewBody>),
    /// The import waits for a worker.
    #[oai(status = 201)]
    Created(Json<ImportBody>),
}

fn parse_all<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    texts: &[String],
) -> Result<Vec<T>, ApiError> {
    texts.iter().map(|text| parse(name, text)).collect()
}

fn parse_one<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: Option<&String>,
) -> Result<Option<T>, ApiError> {
    text.map(|text| parse(name, text)).transpose()
}

#[OpenApi(prefix_path = "/crm", tag = "ApiTag::Contacts")]
impl ImportsApi {
    /// Import contacts from a CSV file
    ///
    /// The body is the file itself, as `text/csv` or `application/octet-stream`. What the file does not
    /// say by itself can be said with parameters. If the same content is being imported already, that
    /// import is returned.
    #[oai(path = "/imports", method = "post", operation_id = "createImport")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the endpoint"
    )]
    async fn create(
        &self,
        Token(actor): Token,
        /// What to call the import; `upload.csv` without it.
        #[oai(validator(max_length = 191))]
        name: Query<Option<String>>,
        /// `comma`, `semicolon`, `tab` or `pipe`; found out from the file without it.
        delimiter: Query<Option<String>>,
        /// Such as `utf-8` or `windows-1252`; found out from the file without it.
        encoding: Query<Option<String>>,
        /// Whether the first row names the columns; found out from the file without it.
        header: Query<Option<bool>>,
        /// What a column becomes: `COLUMN=FIELD`, or `COLUMN=` to leave it out. Repeatable.
        #[oai(default)]
        map: Query<Vec<String>>,
        /// A tag for every contact of the file. Repeatable.
        #[oai(default)]
        tag: Query<Vec<String>>,
        /// The static segment that every contact of the file is put into.
        segment_id: Query<Option<Uuid>>,
        /// The user in charge of every contact of the file, unless a column says otherwise.
        owner_id: Query<Option<Uuid>>,
        /// The unique field that tells which contact a row is about; `email` without it.
        match_on: Query<Option<String>>,
        /// What an empty cell does; `keep` without it.
        empty: Query<Option<EmptyName>>,
        /// What happens to contacts that are there already; `update` without it.
        existing: Query<Option<ExistingName>>,
        /// Only say what the import would do.
        dry_run: Query<Option<bool>>,
        file: CsvUpload,
    ) -> Result<Imported, ApiError> {
        let options = ImportOptions {
            format: FormatHints {
                encoding: parse_one::<TextEncoding>("encoding", encoding.0.as_ref())?,
                delimiter: parse_one::<Delimiter>("delimiter", delimiter.0.as_ref())?,
                header: header.0,
            },
            columns: parse_all::<ColumnChoice>("map", &map.0)?,
            match_on: parse_one::<FieldAlias>("match_on", match_on.0.as_ref())?,
            empty: empty.0.map_or_else(EmptyCells::default, Into::into),
            existing: existing.0.map_or_else(Existing::default, Into::into),
            tags: parse_all("tag", &tag.0)?,
            owner: owner_id.0.map(UserId::from_uuid),
            segment: segment_id.0.map(SegmentId::from_uuid),
            date_order: None,
            zone: self.0.zones.zone_of(actor.organization_id()).await?,
        };
        let mut bytes = file.0.into_async_read();
        let max = self.0.settings.max_upload_bytes;
        let upload = self.0.imports.upload(&actor, &mut bytes, max).await?;
        if upload.bytes == 0 {
            return Err(ImportError::from(CsvError::Empty).into());
        }
        let command = CreateImport {
            name: name.0.unwrap_or_else(|| "upload.csv".to_owned()),
            file: ImportFile::Upload(upload.id),
            options,
        };
        let imports = &self.0.imports;
        if dry_run.0.unwrap_or_default() {
            let preview = imports.preview(&actor, command).await;
            self.forget(&actor, upload.id).await;
            return Ok(Imported::Preview(Json(preview?.into())));
        }
        match imports.create(&actor, command).await {
            Ok(import) => Ok(Imported::Created(Json(import.into()))),
            Err(error) => {
                self.forget(&actor, upload.id).await;
                Err(error.into())
            }
        }
    }

    /// List imports
    ///
    /// The latest first.
    #[oai(path = "/imports", method = "get", operation_id = "listImports")]
    async fn list(
        &self,
        Token(actor): Token,
        /// The `next` of the page before.
        after: Query<Option<Uuid>>,
        /// Rows per page.
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
        limit: Query<Option<u16>>,
    ) -> Result<Json<Page<ImportBody>>, ApiError> {
        let after = after.0.map(ImportId::from_uuid);
        let page = self
            .0
            .imports
            .list(&actor, after, page_size(limit.0))
            .await?;
        Ok(Json(Page::present(page, ImportBody::from)))
    }

    /// Show an import
    #[oai(
        path = "/imports/:import_id",
        method = "get",
        operation_id = "getImport"
    )]
    async fn get(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<Json<ImportBody>, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        Ok(Json(self.0.imports.find(&actor, id).await?.into()))
    }

    /// Watch an import
    ///
    /// Server-sent events with its progress until it ends.
    #[oai(
        path = "/imports/:import_id/events",
        method = "get",
        operation_id = "watchImport"
    )]
    async fn events(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<EventStream<futures_util::stream::BoxStream<'static, ProgressBody>>, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        self.0.imports.find(&actor, id).await?;
        let imports = self.0.imports.clone();
        let stream = progress(move || {
            let (imports, actor) = (imports.clone(), actor.clone());
            async move {
                let now = imports.find(&actor, id).await?.progress();
                let more = !now.state.is_final();
                Ok::<_, ImportError>((ProgressBody::from(now), more))
            }
        });
        Ok(EventStream::new(Box::pin(stream) as _).keep_alive(KEEP_ALIVE))
    }

    /// Stop an import until it is resumed
    ///
    /// What is imported stays.
    #[oai(
        path = "/imports/:import_id/pause",
        method = "post",
        operation_id = "pauseImport"
    )]
    async fn pause(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<Json<ImportBody>, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        Ok(Json(self.0.imports.pause(&actor, id).await?.into()))
    }

    /// Let a paused or failed import go on
    #[oai(
        path = "/imports/:import_id/resume",
        method = "post",
        operation_id = "resumeImport"
    )]
    async fn resume(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<Json<ImportBody>, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        Ok(Json(self.0.imports.resume(&actor, id).await?.into()))
    }

    /// Stop an import for good
    ///
    /// What is imported stays.
    #[oai(
        path = "/imports/:import_id/cancel",
        method = "post",
        operation_id = "cancelImport"
    )]
    async fn cancel(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<Json<ImportBody>, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        Ok(Json(self.0.imports.cancel(&actor, id).await?.into()))
    }

    /// Download the rows that could not be imported
    ///
    /// As they were in the file, with line, column, value and reason behind. Once repaired, the file
    /// can be imported as it is.
    #[oai(
        path = "/imports/:import_id/report",
        method = "get",
        operation_id = "getImportReport"
    )]
    async fn report(
        &self,
        Token(actor): Token,
        import_id: Path<Uuid>,
    ) -> Result<CsvFile, ApiError> {
        let id = ImportId::from_uuid(import_id.0);
        let pieces = self.0.imports.report(&actor, id).await?;
        Ok(CsvFile::named(&format!("import-{id}-report.csv"), pieces))
    }

    /// Export contacts as CSV
    ///
    /// All of them, or the members of a segment, in a form that imports back to the same contacts.
    #[oai(
        path = "/contacts/export",
        method = "get",
        operation_id = "exportContacts"
    )]
    async fn export(
        &self,
        Token(actor): Token,
        /// Only the members of this segment.
        segment_id: Query<Option<Uuid>>,
    ) -> Result<CsvFile, ApiError> {
        let segment = segment_id.0.map(SegmentId::from_uuid);
        if let Some(segment) = segment {
            self.0.segments.find(&actor, segment).await?;
        }
        let filter = ContactFilter {
            segment,
            ..ContactFilter::default()
        };
        let pieces = self.0.exports.contacts(&actor, filter).await?;
        Ok(CsvFile::named("contacts.csv", pieces))
    }
}
