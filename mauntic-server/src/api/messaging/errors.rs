use mauntic_messaging::MessagingError;

use crate::http::problem::{ApiError, FieldProblem};

impl From<MessagingError> for ApiError {
    fn from(error: MessagingError) -> Self {
        match error {
            MessagingError::Forbidden(refused) => refused.into(),
            MessagingError::NotFound { .. } => Self::not_found(&error),
            MessagingError::Taken { .. } => Self::conflict("taken", &error),
            MessagingError::WrongState { .. } => Self::conflict("wrong_state", &error),
            MessagingError::Outdated { .. } => Self::changed(&error),
            MessagingError::Invalid { problems } => Self::fields(
                problems
                    .into_iter()
                    .map(|problem| {
                        let line = problem
                            .line
                            .map(|line| format!("line {line}: "))
                            .unwrap_or_default();
                        FieldProblem {
                            pointer: format!("/{}", problem.field.replace('.', "/")),
                            detail: format!("{line}{} ({})", problem.message, problem.code),
                        }
                    })
                    .collect(),
            ),
            MessagingError::InvalidToken => Self::bad_request("invalid_token", &error),
            MessagingError::Busy => Self::too_many(&error),
            MessagingError::Store(failure) => failure.into(),
            _ => Self::internal(&error),
        }
    }
}
