//! How each use case is called, and how far a call reached. A new use case gets an arm in the file of its service.

mod contacts;
mod segments;
mod work;

use mauntic_core::testing::{AccessCase, Reach};
use mauntic_crm::{CrmError, import::ImportError};

pub(crate) fn seen(seen: bool) -> Reach {
    if seen { Reach::Allowed } else { Reach::Unseen }
}

fn allowed<T>(result: Result<T, CrmError>) -> Result<Reach, CrmError> {
    result.map(|_| Reach::Allowed)
}

pub(crate) fn reach(case: &AccessCase, result: Result<Reach, CrmError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(CrmError::Forbidden(_)) => Reach::Forbidden,
        Err(
            CrmError::ContactNotFound(_)
            | CrmError::SegmentNotFound(_)
            | CrmError::FieldNotFound(_)
            | CrmError::BulkChangeNotFound(_)
            | CrmError::ViewNotFound(_)
            | CrmError::TagNotFound,
        ) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

pub(crate) fn reach_of_import(case: &AccessCase, result: Result<Reach, ImportError>) -> Reach {
    match result {
        Ok(reach) => reach,
        Err(ImportError::Forbidden(_)) => Reach::Forbidden,
        Err(ImportError::NotFound(_) | ImportError::UploadNotFound(_)) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}
