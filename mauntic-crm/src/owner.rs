//! Who can be in charge of contacts.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use mauntic_core::{EmailAddress, OrganizationId, StoreError, UserId};

/// What people call the user in charge of a contact by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerName {
    /// The id.
    Id(UserId),
    /// The address to log in with; capitals do not matter.
    Address(EmailAddress),
}

impl OwnerName {
    /// What tells users apart: the same for names that mean the same user by id, or by address.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Address(address) => address.key(),
        }
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The text names no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither the address nor the id of a user")]
pub struct InvalidOwnerName;

impl FromStr for OwnerName {
    type Err = InvalidOwnerName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse()
            .map(Self::Address)
            .map_err(|_| InvalidOwnerName)
    }
}

/// Knows who can be in charge of contacts: the members of the organisation. Another context answers.
#[async_trait]
pub trait Owners: Send + Sync {
    /// The member that each name stands for, in the order given; `None` where it is no member.
    async fn find(
        &self,
        organization: OrganizationId,
        names: &[OwnerName],
    ) -> Result<Vec<Option<UserId>>, StoreError>;
}

/// For programs without users of their own: anybody can be in charge, by id.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyOwner;

#[async_trait]
impl Owners for AnyOwner {
    async fn find(
        &self,
        _: OrganizationId,
        names: &[OwnerName],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let id = |name: &OwnerName| match name {
            OwnerName::Id(id) => Some(*id),
            OwnerName::Address(_) => None,
        };
        Ok(names.iter().map(id).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_by_id_or_address() {
        let id = "018f2b6a-0000-7000-8000-000000000001";
        assert!(matches!(id.parse(), Ok(OwnerName::Id(_))));
        let ann: OwnerName = " Ann@Example.com ".parse().unwrap();
        assert_eq!(ann.key(), "ann@example.com");
        assert_eq!("Ann".parse::<OwnerName>(), Err(InvalidOwnerName));
    }
}
