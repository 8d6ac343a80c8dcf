/// Why an app does not get what it asks for, in the terms of RFC 6749 (§4.1.2.1 and §5.2). What it says is for the
/// developers of the app, in the characters that the standard allows, and holds nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OauthError {
    /// Something is missing, wrong or there twice.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client is unknown, or did not prove that it is itself.
    #[error("unknown client, or wrong secret")]
    InvalidClient,
    /// The code or the refresh token is not good, or is not for this client.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// The client may not do it that way.
    #[error("{0}")]
    UnauthorizedClient(&'static str),
    /// There is no such way.
    #[error("expected authorization_code, refresh_token or client_credentials")]
    UnsupportedGrantType,
    /// There is no such way.
    #[error("expected the response_type code")]
    UnsupportedResponseType,
    /// A scope is unknown, or more than there is to have.
    #[error("{0}")]
    InvalidScope(&'static str),
    /// Somebody said no, or has nothing to give.
    #[error("{0}")]
    AccessDenied(&'static str),
}

impl OauthError {
    /// What the standard calls it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::AccessDenied(_) => "access_denied",
        }
    }
}
