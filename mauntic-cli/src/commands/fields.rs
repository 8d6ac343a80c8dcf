//! `mauntic fields` and `mauntic tags`.

use clap::Subcommand;
use mauntic_crm::{CreateField, FieldAlias, FieldOption, FieldType, Tag};
use serde_json::json;

use crate::{
    context::Context,
    output::{count, table},
    paging::Paging,
};

/// `mauntic fields …`
#[derive(Debug, Subcommand)]
pub(crate) enum FieldsCommand {
    /// Define a field
    Create {
        /// What people read
        label: String,
        /// text, textarea, number, boolean, date, datetime, select, multiselect, email, url, phone, country,
        /// region, locale or timezone
        #[arg(long = "type", default_value = "text")]
        field_type: FieldType,
        /// Its name in rules, templates and imports [default: made from the label]
        #[arg(long)]
        alias: Option<FieldAlias>,
        /// A choice of a select or multiselect, VALUE or VALUE=LABEL; repeat for each
        #[arg(long = "option", value_name = "CHOICE")]
        options: Vec<String>,
        /// A contact cannot be saved without it
        #[arg(long)]
        required: bool,
        /// No two contacts have the same value
        #[arg(long)]
        unique: bool,
        /// Keep an index, so that rules on it are fast
        #[arg(long)]
        indexed: bool,
    },
    /// List the fields
    List,
    /// Delete a field, and its value on every contact
    Delete {
        /// Its alias
        alias: FieldAlias,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl FieldsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let fields = &context.app.fields;
        let actor = context.actor().await?;
        match self {
            Self::Create {
                label,
                field_type,
                alias,
                options,
                required,
                unique,
                indexed,
            } => {
                let options = options.iter().map(|text| choice(text)).collect();
                let command = CreateField {
                    alias,
                    options,
                    required,
                    unique,
                    indexed,
                    ..CreateField::new(&label, field_type)
                };
                let field = fields.create(&actor, command).await?;
                context.output.result(&field, |field| {
                    format!("{} ({})", field.alias, field.field_type)
                })
            }
            Self::List => {
                let fields = fields.list(&actor).await?;
                let fields: Vec<_> = fields.iter().collect();
                context.output.result(&json!({"fields": fields}), |_| {
                    table(
                        ["Alias", "Label", "Type", "Group", ""],
                        fields.iter().map(|field| {
                            [
                                field.alias.to_string(),
                                field.label.clone(),
                                field.field_type.to_string(),
                                field.group.to_string(),
                                if field.core {
                                    "core".to_owned()
                                } else {
                                    String::new()
                                },
                            ]
                        }),
                    )
                })
            }
            Self::Delete { alias, yes } => {
                context.confirm(
                    yes,
                    &format!("Delete the field {alias} and its value on every contact?"),
                )?;
                fields.delete(&actor, &alias).await?;
                context
                    .output
                    .result(&json!({"alias": alias, "deleted": true}), |_| {
                        format!("{alias} is deleted")
                    })
            }
        }
    }
}

fn choice(text: &str) -> FieldOption {
    let (value, label) = text.split_once('=').unwrap_or((text, text));
    FieldOption {
        value: value.trim().to_owned(),
        label: label.trim().to_owned(),
    }
}

/// `mauntic tags …`
#[derive(Debug, Subcommand)]
pub(crate) enum TagsCommand {
    /// List the tags and how many contacts have each
    List(Paging),
    /// Rename a tag; if the new name is a tag already, the two become one
    Rename {
        /// The tag
        tag: Tag,
        /// What it is called from now on
        to: Tag,
    },
    /// Take a tag off all contacts and forget it
    Delete {
        /// The tag
        tag: Tag,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl TagsCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let tags = &context.app.tags;
        let actor = context.actor().await?;
        match self {
            Self::List(paging) => {
                let part = paging
                    .gather(async |after: Option<Tag>, size| {
                        Ok(tags.list(&actor, after.as_ref(), size).await?)
                    })
                    .await?;
                let mut counted = Vec::with_capacity(part.items.len());
                for tag in &part.items {
                    let contacts = tags.count(&actor, tag).await?;
                    counted.push(json!({"name": tag, "contacts": contacts}));
                }
                let result = json!({"tags": counted, "next": part.next});
                context.output.result(&result, |_| {
                    let rows = counted.iter().map(|tag| {
                        [
                            tag["name"].as_str().unwrap_or_default().to_owned(),
                            count(tag["contacts"].as_u64().unwrap_or(0)),
                        ]
                    });
                    table(["Tag", "Contacts"], rows)
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::Rename { tag, to } => {
                let contacts = tags.rename(&actor, &tag, &to).await?;
                context.output.result(&json!({"contacts": contacts}), |_| {
                    format!("{} contacts changed", count(contacts))
                })
            }
            Self::Delete { tag, yes } => {
                let contacts = tags.count(&actor, &tag).await?;
                context.confirm(
                    yes,
                    &format!("Take the tag {tag} off {} contacts?", count(contacts)),
                )?;
                let contacts = tags.delete(&actor, &tag).await?;
                context.output.result(&json!({"contacts": contacts}), |_| {
                    format!("{} contacts changed", count(contacts))
                })
            }
        }
    }
}
