//! What rules can speak of in an organisation, for choosing it in rows.

use mauntic_core::{PageSize, Permission};
use mauntic_crm::{
    FieldSet,
    segment::{NameTable, Segment, SegmentFilter},
};
use mauntic_messaging::email::EmailFilter;
use poem::Result;

use super::builder::{Choices, Known};
use crate::{
    App,
    ui::{failure, visitor::Visitor},
};

/// Most segments, and most emails, that can be chosen by name; others can be written by id.
const MOST: usize = 2_000;
/// Most tags that are offered while somebody types, and most users.
const FEW: usize = 500;

/// Fields, segments, emails, tags and users.
pub(super) struct Stock {
    pub(super) fields: FieldSet,
    pub(super) names: NameTable,
    pub(super) choices: Choices,
}

impl Stock {
    /// What the visitor may see of it, but the segment itself.
    pub(super) async fn of(app: &App, visitor: &Visitor, itself: Option<&Segment>) -> Result<Self> {
        let fields = app.fields.list(&visitor.actor).await;
        let mut names = NameTable::default();
        segments(app, visitor, &mut names).await?;
        if let Some(itself) = itself {
            names.segments.retain(|(id, _)| *id != itself.id);
        }
        emails(app, visitor, &mut names).await?;
        Ok(Self {
            fields: fields.map_err(failure::crm)?,
            names,
            choices: choices(app, visitor).await?,
        })
    }

    /// What rows are read and shown with.
    pub(super) fn known(&self) -> Known<'_> {
        Known {
            fields: &self.fields,
            names: &self.names,
        }
    }
}

async fn segments(app: &App, visitor: &Visitor, names: &mut NameTable) -> Result<()> {
    let mut after: Option<String> = None;
    loop {
        let size = PageSize::clamped(FEW);
        let any = SegmentFilter::default();
        let page = app
            .segments
            .list(&visitor.actor, &any, after.as_deref(), size);
        let page = page.await.map_err(failure::crm)?;
        let named = page
            .items
            .into_iter()
            .map(|segment| (segment.id, segment.name.into()));
        names.segments.extend(named);
        after = page.next;
        if after.is_none() || names.segments.len() >= MOST {
            return Ok(());
        }
    }
}

async fn emails(app: &App, visitor: &Visitor, names: &mut NameTable) -> Result<()> {
    if !visitor.may(Permission::EmailsRead) {
        return Ok(());
    }
    let mut after = None;
    loop {
        let filter = EmailFilter::default();
        let page = app.emails.list(
            &visitor.actor,
            &filter,
            after.as_ref(),
            PageSize::clamped(FEW),
        );
        let page = page.await.map_err(failure::messaging)?;
        let named = page
            .items
            .into_iter()
            .map(|email| (email.id, email.name.to_string()));
        names.emails.extend(named);
        after = page.next;
        if after.is_none() || names.emails.len() >= MOST {
            return Ok(());
        }
    }
}

async fn choices(app: &App, visitor: &Visitor) -> Result<Choices> {
    let mut choices = Choices::default();
    if visitor.may(Permission::ContactsRead) {
        let tags = app
            .tags
            .list(&visitor.actor, None, PageSize::clamped(FEW))
            .await;
        let tags = tags.map_err(failure::crm)?.items;
        choices.tags = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    }
    if visitor.may(Permission::MembersRead) {
        let members = app
            .identity
            .members(&visitor.actor, None, PageSize::clamped(FEW))
            .await;
        let members = members.map_err(failure::identity)?.items;
        choices.owners = members
            .iter()
            .map(|member| (member.user_id.to_string(), member.name.to_string()))
            .collect();
    }
    Ok(choices)
}
