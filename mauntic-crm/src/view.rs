//! Views of the list of contacts that people keep: a search, filters, an order and columns under a name.

use chrono::{DateTime, Utc};
use mauntic_core::{Id, OrganizationId, UserId};

/// Marks the ids of saved views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfSavedView {}

/// Names a [`SavedView`].
pub type SavedViewId = Id<OfSavedView>;

/// What somebody wants to look at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    /// Names it.
    pub id: SavedViewId,
    /// Whose contacts it shows.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// What the list is to show, in the words of whoever shows it.
    pub query: String,
    /// Whose it is; everybody's if it is nobody's.
    pub owner: Option<UserId>,
    /// Since when it is kept.
    pub created_at: DateTime<Utc>,
}

impl SavedView {
    /// What tells the names of one owner's views apart.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.to_lowercase()
    }
}
