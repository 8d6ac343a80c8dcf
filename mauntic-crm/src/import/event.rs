use mauntic_core::{DomainEvent, ImportId, Principal};
use serde::{Deserialize, Serialize};

use super::{ImportCounts, ImportState};

/// An import ended, or stands still by itself until somebody lets it go on. What people do to an import is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEnded {
    /// The import.
    pub import_id: ImportId,
    /// What people call it.
    pub name: String,
    /// Completed, failed or paused.
    pub state: ImportState,
    /// What became of the rows so far.
    pub counts: ImportCounts,
    /// Why it failed or was paused.
    pub error: Option<String>,
    /// Who asked for it.
    pub actor: Principal,
}

impl DomainEvent for ImportEnded {
    const TYPE: &'static str = "crm.import_ended.v1";
}
