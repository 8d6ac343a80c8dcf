use std::io;

use mauntic_crm::{
    CrmError,
    import::{CsvError, ImportError},
    segment::InvalidRule,
};

use crate::http::{
    limits::BodyTooLarge,
    problem::{ApiError, FieldProblem},
};

impl From<CrmError> for ApiError {
    fn from(error: CrmError) -> Self {
        match error {
            CrmError::Forbidden(refused) => refused.into(),
            CrmError::ContactNotFound(_)
            | CrmError::FieldNotFound(_)
            | CrmError::SegmentNotFound(_)
            | CrmError::BulkChangeNotFound(_)
            | CrmError::ViewNotFound(_)
            | CrmError::TagNotFound => Self::not_found(&error),
            CrmError::VersionMismatch { .. } => Self::changed(&error),
            CrmError::Taken { .. } => Self::conflict("taken", &error),
            CrmError::RuleText(problem) => Self::invalid("/where", &problem),
            CrmError::Rule(InvalidRule { problems }) => Self::fields(
                problems
                    .into_iter()
                    .map(|problem| FieldProblem {
                        pointer: format!("/rule{}", problem.pointer),
                        detail: help(problem.message, problem.help),
                    })
                    .collect(),
            ),
            CrmError::Cycle(_) => Self::conflict("cycle", &error),
            CrmError::WrongState(_) => Self::conflict("wrong_state", &error),
            CrmError::MoreThanAgreed { .. } => Self::conflict("more_than_agreed", &error),
            CrmError::InUse { .. } => Self::conflict("in_use", &error),
            CrmError::CoreField(_) => Self::conflict("core_field", &error),
            CrmError::InvalidFields(problems) => Self::fields(
                problems
                    .into_iter()
                    .map(|problem| FieldProblem {
                        pointer: pointer(&problem.field),
                        detail: problem.reason.to_string(),
                    })
                    .collect(),
            ),
            CrmError::InvalidTag(_) => Self::invalid("/tags", &error),
            CrmError::SameContact(_) => Self::invalid("/contact_id", &error),
            CrmError::TooMany { .. } => Self::bad_request("too_many", &error),
            CrmError::Store(failure) => failure.into(),
            _ => Self::bad_request("invalid", &error),
        }
    }
}

fn help(message: String, help: Option<String>) -> String {
    match help {
        Some(help) => format!("{message}; {help}"),
        None => message,
    }
}

/// Where the API has the value of a field.
fn pointer(field: &str) -> String {
    match field {
        "email" | "points" | "stage" => format!("/{field}"),
        "owner" => "/owner_id".to_owned(),
        _ => format!("/fields/{}", field.replace('~', "~0").replace('/', "~1")),
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Forbidden(refused) => refused.into(),
            ImportError::NotFound(_) | ImportError::UploadNotFound(_) => Self::not_found(&error),
            ImportError::SegmentNotFound(_) => Self::invalid("segment_id", &error),
            ImportError::NotAMember(_) => Self::invalid("owner_id", &error),
            ImportError::WrongState(_) => Self::conflict("wrong_state", &error),
            ImportError::TooLarge { .. } => Self::too_large(&error),
            ImportError::Mapping(problem) => Self::invalid("map", &problem),
            ImportError::Csv(CsvError::Io(failure)) => match too_large(&failure) {
                Some(problem) => Self::too_large(problem),
                None => Self::bad_request("unreadable", &"the file did not arrive whole"),
            },
            ImportError::Csv(CsvError::Owners(failure) | CsvError::Store(failure))
            | ImportError::Store(failure) => failure.into(),
            ImportError::Csv(problem) => Self::bad_request("not_csv", &problem),
            _ => Self::internal(&error),
        }
    }
}

fn too_large(failure: &io::Error) -> Option<&BodyTooLarge> {
    failure.get_ref()?.downcast_ref()
}
