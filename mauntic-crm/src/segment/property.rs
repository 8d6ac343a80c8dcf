/// What rules can test of a contact besides its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// What stands behind the `@` of the address.
    EmailDomain,
    /// The tags.
    Tag,
    /// The user in charge, by address or id.
    Owner,
    /// The stage, by name.
    Stage,
    /// When the contact was added.
    CreatedAt,
    /// When the contact was last changed.
    UpdatedAt,
    /// When it became known who the contact is.
    IdentifiedAt,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::EmailDomain,
        Self::Tag,
        Self::Owner,
        Self::Stage,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::IdentifiedAt,
    ];

    /// The name in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EmailDomain => "email.domain",
            Self::Tag => "tag",
            Self::Owner => "owner",
            Self::Stage => "stage",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::IdentifiedAt => "identified_at",
        }
    }

    /// The property of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.as_str() == name)
    }

    /// The property that somebody means who writes this.
    #[must_use]
    pub(super) fn from_written(name: &str) -> Option<Self> {
        match name {
            "tags" => Some(Self::Tag),
            "owner_id" => Some(Self::Owner),
            "created" => Some(Self::CreatedAt),
            "updated" => Some(Self::UpdatedAt),
            "identified" => Some(Self::IdentifiedAt),
            _ => Self::from_name(name),
        }
    }
}
