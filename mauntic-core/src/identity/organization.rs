use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Deletion, DisplayName, Slug, name::several_lines};
use crate::{DomainEvent, OrganizationId, TimeZoneName, fingerprint};

/// A tenant of the installation: whatever Mauntic stores belongs to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Names the organisation.
    pub id: OrganizationId,
    /// What people call it.
    pub name: DisplayName,
    /// Its short name, unique in the installation.
    pub slug: Slug,
    /// The zone in which it counts its days.
    pub timezone: TimeZoneName,
    /// Where it can be reached by post, which the law of many countries wants in every mailing.
    pub postal_address: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Since when nobody may act in it; `None` if it is in use.
    pub blocked_at: Option<DateTime<Utc>>,
    /// Whether it is to be deleted, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

impl Organization {
    /// What the organisation is called that an installation begins with.
    pub(super) const DEFAULT_NAME: &str = "My organization";

    /// Whether it is the one that an installation begins with, as it was made.
    pub(super) fn is_default(&self) -> bool {
        self.name.as_str() == Self::DEFAULT_NAME && self.postal_address.is_none()
    }

    /// A new organisation.
    #[must_use]
    pub fn new(
        id: OrganizationId,
        name: DisplayName,
        slug: Slug,
        timezone: TimeZoneName,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            name,
            slug,
            timezone,
            postal_address: None,
            created_at: now,
            blocked_at: None,
            deletion: None,
        }
    }

    /// The event that tells of its creation.
    #[must_use = "the event must go to the outbox"]
    pub fn created(&self) -> OrganizationCreated {
        OrganizationCreated {
            organization_id: self.id,
            name: self.name.clone(),
        }
    }

    /// Tells whether somebody else changed it since it was read.
    #[must_use]
    pub fn version(&self) -> i64 {
        fingerprint(&(&self.name, &self.timezone, &self.postal_address))
    }

    /// Applies a change; returns whether anything is different now.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn update(&mut self, change: UpdateOrganization) -> bool {
        let before = self.clone();
        if let Some(name) = change.name {
            self.name = name;
        }
        if let Some(timezone) = change.timezone {
            self.timezone = timezone;
        }
        if let Some(address) = change.postal_address {
            self.postal_address = address.map(String::from);
        }
        *self != before
    }
}

/// Who may make organisations in an installation, beside its operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Founders {
    /// Everybody who has an account, whoever was invited to look at something included.
    Anyone,
    /// Whoever owns an organisation already.
    #[default]
    Owners,
    /// Nobody else.
    Operator,
}

/// What to change in an organisation; `None` leaves a value as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateOrganization {
    /// The new name.
    pub name: Option<DisplayName>,
    /// The new zone.
    pub timezone: Option<TimeZoneName>,
    /// The new postal address; `Some(None)` removes it.
    pub postal_address: Option<Option<PostalAddress>>,
    /// Only if it still is at this [version](Organization::version).
    pub version: Option<i64>,
}

/// A postal address as it is printed: up to 1,000 characters on some lines, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostalAddress(String);

/// The text cannot be a postal address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a postal address: expected 1 to 1000 characters")]
pub struct InvalidPostalAddress;

impl std::str::FromStr for PostalAddress {
    type Err = InvalidPostalAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        several_lines(text, 1_000)
            .map(Self)
            .ok_or(InvalidPostalAddress)
    }
}

impl From<PostalAddress> for String {
    fn from(address: PostalAddress) -> Self {
        address.0
    }
}

/// An organisation was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationCreated {
    /// Which.
    pub organization_id: OrganizationId,
    /// What it is called.
    pub name: DisplayName,
}

impl DomainEvent for OrganizationCreated {
    const TYPE: &'static str = "identity.organization_created.v1";
}

/// An organisation counts its days in another zone from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimezoneChanged {
    /// Which.
    pub timezone: TimeZoneName,
}

impl DomainEvent for TimezoneChanged {
    const TYPE: &'static str = "identity.timezone_changed.v1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_without_a_difference_changes_nothing() {
        let id = OrganizationId::from_uuid(uuid::Uuid::from_u128(1));
        let name: DisplayName = "Acme".parse().unwrap();
        let slug = Slug::suggested_by(&name);
        let zone = TimeZoneName::utc();
        let mut acme = Organization::new(id, name.clone(), slug, zone, DateTime::UNIX_EPOCH);
        let same = UpdateOrganization {
            name: Some(name),
            postal_address: Some(None),
            ..UpdateOrganization::default()
        };
        assert!(!acme.update(same));
        let address = UpdateOrganization {
            postal_address: Some(Some("1 Main Street\r\nSpringfield".parse().unwrap())),
            ..UpdateOrganization::default()
        };
        assert!(acme.update(address));
        assert_eq!(
            acme.postal_address.as_deref(),
            Some("1 Main Street\nSpringfield")
        );
    }
}
