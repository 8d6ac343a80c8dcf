//! An organisation for one benchmark, with made-up people in it.

use std::{io::BufWriter, path::Path};

use anyhow::{Context as _, bail};
use mauntic_core::{
    Actor, Operator, OrganizationId, SegmentId, WorkerId, identity::CreateOrganization,
};
use mauntic_crm::{
    CreateField, FieldOption, FieldType,
    import::{CreateImport, Import, ImportFile, ImportOptions, ImportState, Watch},
    segment::CreateSegment,
};
use tempfile::NamedTempFile;

use super::database;
use crate::{context::Context, people::People, progress::Progress};

/// The organisation.
pub(super) struct World<'a> {
    pub(super) context: &'a Context,
    pub(super) actor: Actor,
    pub(super) organization: OrganizationId,
}

impl<'a> World<'a> {
    /// Makes the organisation and its fields.
    pub(super) async fn create(context: &'a Context, name: &str) -> anyhow::Result<Self> {
        let command = CreateOrganization::named(name.parse()?);
        let made = context
            .app
            .identity
            .create_organization(&Operator::local(), command)
            .await?;
        let actor = Actor::system(made.id);
        let plans = ["free", "starter", "pro", "enterprise"]
            .map(FieldOption::plain)
            .to_vec();
        for (label, field_type, options) in [
            ("Plan", FieldType::Select, plans),
            ("Lifetime Value", FieldType::Number, Vec::new()),
            ("Signup Date", FieldType::Date, Vec::new()),
            ("Subscribed", FieldType::Boolean, Vec::new()),
        ] {
            let field = CreateField {
                options,
                ..CreateField::new(label, field_type)
            };
            context.app.fields.create(&actor, field).await?;
        }
        Ok(Self {
            context,
            actor,
            organization: made.id,
        })
    }

    /// Imports a file, into a static segment if one is given.
    pub(super) async fn import(
        &self,
        file: &Path,
        segment: Option<SegmentId>,
    ) -> anyhow::Result<Import> {
        let imports = &self.context.app.imports;
        let command = CreateImport {
            name: "people.csv".to_owned(),
            file: ImportFile::Path(file.to_owned()),
            options: ImportOptions {
                segment,
                ..ImportOptions::default()
            },
        };
        let import = imports.create(&self.actor, command).await?;
        let mut bar = Progress::start(self.context.output, "Importing", 0);
        let mut show = |import: &Import, _| bar.update(import.counts.rows, 0, "");
        let watch = Watch {
            progress: &mut show,
            stop: &|| false,
        };
        let worker = WorkerId::generate(&*self.context.app.ids);
        let import = imports
            .run_to_end(&self.actor, import.id, worker, watch)
            .await?;
        bar.finish();
        if import.state != ImportState::Completed || import.counts.failed > 0 {
            bail!(
                "the import is {}, with {} bad rows",
                import.state,
                import.counts.failed
            );
        }
        Ok(import)
    }

    /// Imports so many people into a new static segment.
    pub(super) async fn people(&self, count: u64) -> anyhow::Result<SegmentId> {
        let command = CreateSegment {
            name: "Everybody".parse()?,
            description: String::new(),
            rule: None,
        };
        let segment = self
            .context
            .app
            .segments
            .create(&self.actor, command)
            .await?
            .id;
        self.import(write_people(count)?.path(), Some(segment))
            .await?;
        Ok(segment)
    }

    /// Deletes the organisation and all that is in it.
    pub(super) async fn forget(self) -> anyhow::Result<()> {
        self.context
            .output
            .note("Deleting what the benchmark made …");
        database::forget(&self.context.app.settings.target()?, self.organization).await
    }
}

/// A CSV file of so many made-up people, deleted with the value.
pub(super) fn write_people(rows: u64) -> anyhow::Result<NamedTempFile> {
    let file = NamedTempFile::with_suffix(".csv").context("cannot make a temporary file")?;
    let people = People {
        rows,
        bad_every: 0,
        repeated_every: 0,
        bounce_every: 0,
        seed: 1,
    };
    people.write_csv(BufWriter::new(file.as_file()))?;
    Ok(file)
}
