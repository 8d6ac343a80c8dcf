//! What a change touches, and what a rule reads: a changed contact is checked against those segments
//! only whose rules read what changed.

use std::collections::BTreeSet;

use mauntic_core::{EmailId, SegmentId};
use uuid::Uuid;

use super::{
    condition::{
        Condition, InstantColumn, InstantSource, NumberSource, SetSource, Source, Test, TextSource,
    },
    rule::EngagementKind,
};
use crate::{ChangeSet, Channel};

/// What may be different about a contact.
///
/// Parts of it have names: those of a [`ChangeSet`] (`city`, `tags`, `do_not_contact.email`), and
/// `segment.<id>`, `engagement.opened` and `engagement.opened.<email>` for what is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facets {
    /// Anything: the contact is new, or nobody knows.
    All,
    /// Only these.
    Only(BTreeSet<String>),
}

impl Facets {
    /// What a change of the contact itself touches.
    pub fn changed<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        // Each change notes when it was, and may be the one that says who the contact is.
        let always = ["updated_at", "identified_at"];
        Self::Only(names.into_iter().chain(always).map(str::to_owned).collect())
    }

    /// What came into a segment by hand, or went out, touches.
    #[must_use]
    pub fn membership(segment: SegmentId) -> Self {
        Self::Only(BTreeSet::from([membership(segment)]))
    }

    /// What something that happened between the contact and an email touches.
    #[must_use]
    pub fn engagement(kind: EngagementKind, email: EmailId) -> Self {
        let email = Some(email.as_uuid());
        Self::Only(BTreeSet::from([
            engagement(kind, None),
            engagement(kind, email),
        ]))
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Only(names), Self::Only(more)) => names.extend(more),
            (all, _) => *all = Self::All,
        }
    }

    /// The text in storage; none is anything.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        match self {
            Self::All => None,
            // No name has a space in it.
            Self::Only(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Some(names.join(" "))
            }
        }
    }

    /// The facets of a text in storage.
    #[must_use]
    pub fn from_stored(text: Option<&str>) -> Self {
        text.map_or(Self::All, |text| {
            Self::Only(text.split_whitespace().map(str::to_owned).collect())
        })
    }
}

impl From<&ChangeSet> for Facets {
    fn from(changes: &ChangeSet) -> Self {
        Self::changed(changes.names())
    }
}

/// The name of being in a segment.
pub(super) fn membership(segment: SegmentId) -> String {
    format!("segment.{segment}")
}

fn engagement(kind: EngagementKind, email: Option<Uuid>) -> String {
    match email {
        None => format!("engagement.{kind}"),
        Some(email) => format!("engagement.{kind}.{email}"),
    }
}

impl Condition {
    /// The names of what it reads.
    pub(super) fn reads(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.0.visit(&mut |test| names.extend(read_by(test)));
        names
    }
}

fn read_by(test: &Test) -> Vec<String> {
    let one = |name: &str| vec![name.to_owned()];
    match test {
        Test::IsSet(source) => match source {
            Source::Field(alias) => one(alias),
            Source::Email => one("email"),
            Source::Points => one("points"),
            Source::Stage => one("stage"),
            Source::Owner => one("owner"),
            Source::Tags => one("tags"),
            Source::Instant(column) => one(column_name(*column)),
        },
        Test::Text(source, _) => match source {
            TextSource::Field(alias) => one(alias),
            TextSource::Email | TextSource::EmailDomain => one("email"),
            TextSource::Stage => one("stage"),
        },
        Test::Number(NumberSource::Field(alias), _)
        | Test::Boolean(alias, _)
        | Test::Days(alias, _)
        | Test::MonthDays(alias, _)
        | Test::Instants(InstantSource::Field(alias), _) => one(alias),
        Test::Number(NumberSource::Points, _) => one("points"),
        Test::Instants(InstantSource::Column(column), _) => one(column_name(*column)),
        Test::HasAny(source, _) | Test::HasAll(source, _) => match source {
            SetSource::Tags => one("tags"),
            SetSource::Options(alias) => one(alias),
        },
        Test::Owner(_) => one("owner"),
        Test::DoNotContact(test) => match test.channel {
            Some(channel) => vec![channel.change_key()],
            None => Channel::ALL.iter().map(|it| it.change_key()).collect(),
        },
        Test::Segments(ids) => ids.iter().map(|id| membership(*id)).collect(),
        Test::Engagement(test) => vec![engagement(test.kind, test.email)],
    }
}

fn column_name(column: InstantColumn) -> &'static str {
    match column {
        InstantColumn::CreatedAt => "created_at",
        InstantColumn::UpdatedAt => "updated_at",
        InstantColumn::LastActive => "last_active",
        InstantColumn::IdentifiedAt => "identified_at",
    }
}
