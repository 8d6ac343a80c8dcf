use std::collections::BTreeSet;

use super::{CodeChallenge, OauthClient, OauthError};
use crate::{OauthClientId, Permission};

/// The fields of a name, without empty ones, which are as good as none (RFC 6749 §3.1).
fn all<'a>(
    fields: &'a [(String, String)],
    name: &'a str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    fields
        .iter()
        .filter(move |(found, value)| found == name && !value.is_empty())
        .map(|(_, value)| value.as_str())
}

/// The one field of that name.
fn once<'a>(fields: &'a [(String, String)], name: &'a str) -> Result<Option<&'a str>, OauthError> {
    let mut found = all(fields, name);
    let first = found.next();
    if found.next().is_some() {
        return Err(OauthError::InvalidRequest("a parameter is there twice"));
    }
    Ok(first)
}

/// Scopes as they are written: permissions with spaces between them; `None` if there are none.
fn scopes(text: Option<&str>) -> Result<Option<BTreeSet<Permission>>, OauthError> {
    let Some(text) = text else { return Ok(None) };
    let names = text.split(' ').filter(|name| !name.is_empty());
    let scopes = names.map(str::parse::<Permission>);
    let scopes = scopes.collect::<Result<BTreeSet<_>, _>>().map_err(|_| {
        OauthError::InvalidScope("a scope is unknown; they look like contacts:read")
    })?;
    Ok((!scopes.is_empty()).then_some(scopes))
}

/// What an app sends a browser with to ask somebody to let it in (RFC 6749 §4.1.1), as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationParameters {
    fields: Vec<(String, String)>,
}

/// What an app asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it wants to do.
    pub scopes: BTreeSet<Permission>,
    /// What it will prove when it comes for its tokens.
    pub challenge: Option<CodeChallenge>,
    /// Whether it wants the person asked, even if they let it in before.
    pub asks: bool,
}

impl AuthorizationParameters {
    /// The names of those that mean something; all others are ignored.
    pub const NAMES: [&str; 8] = [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "prompt",
    ];

    /// Those among some fields.
    #[must_use]
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let known = fields
            .into_iter()
            .filter(|(name, _)| Self::NAMES.contains(name));
        Self {
            fields: known
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// All of them, to be sent on.
    #[must_use]
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The client that asks, if one is named.
    #[must_use]
    pub fn client_id(&self) -> Option<OauthClientId> {
        let text = once(&self.fields, "client_id").ok()??;
        text.parse().ok()
    }

    /// Where the browser is to be sent back to, if it is said.
    #[must_use]
    pub fn redirect_uri(&self) -> Option<&str> {
        once(&self.fields, "redirect_uri").ok()?
    }

    /// What is to be sent back with it.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        once(&self.fields, "state").ok()?
    }

    /// What the client asks for.
    ///
    /// # Errors
    /// The [`OauthError`] to tell it.
    pub fn wanted(&self, client: &OauthClient) -> Result<Wanted, OauthError> {
        for name in Self::NAMES {
            once(&self.fields, name)?;
        }
        let find = |name| all(&self.fields, name).next();
        match find("response_type") {
            Some("code") => {}
            Some(_) => return Err(OauthError::UnsupportedResponseType),
            None => return Err(OauthError::InvalidRequest("response_type is missing")),
        }
        let challenge = self.challenge()?;
        if challenge.is_none() && !client.is_confidential() {
            return Err(OauthError::InvalidRequest(
                "this client has no secret, so it must send a code_challenge",
            ));
        }
        let scopes = scopes(find("scope"))?.ok_or(OauthError::InvalidScope(
            "scope is missing; say what the app is to do, such as contacts:read",
        ))?;
        let asks = find("prompt").is_some_and(|text| text.split(' ').any(|one| one == "consent"));
        Ok(Wanted {
            scopes,
            challenge,
            asks,
        })
    }

    fn challenge(&self) -> Result<Option<CodeChallenge>, OauthError> {
        let find = |name| all(&self.fields, name).next();
        match (find("code_challenge"), find("code_challenge_method")) {
            (None, None) => Ok(None),
            (Some(text), Some("S256")) => text.parse().map(Some).map_err(|_| {
                OauthError::InvalidRequest("code_challenge is no SHA-256 in base64url")
            }),
            _ => Err(OauthError::InvalidRequest(
                "expected a code_challenge with the code_challenge_method S256",
            )),
        }
    }
}

/// What an app wants tokens for (RFC 6749 §4.1.3, §4.4.2 and §6).
#[derive(Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// A code that a browser brought.
    Code {
        /// The code.
        code: String,
        /// Where the browser was sent with it.
        redirect_uri: String,
        /// What was kept until now (PKCE).
        verifier: Option<String>,
    },
    /// A refresh token.
    Refresh {
        /// The token.
        token: String,
        /// Less than it could have.
        scopes: Option<BTreeSet<Permission>>,
    },
    /// Nothing but that it is itself.
    Machine {
        /// Less than it could have.
        scopes: Option<BTreeSet<Permission>>,
    },
}

impl TokenRequest {
    /// Reads the fields of a form.
    ///
    /// # Errors
    /// The [`OauthError`] to tell.
    pub fn read(fields: &[(String, String)]) -> Result<Self, OauthError> {
        let needed = |name, problem| {
            let found = once(fields, name)?;
            found
                .map(str::to_owned)
                .ok_or(OauthError::InvalidRequest(problem))
        };
        match once(fields, "grant_type")? {
            None => Err(OauthError::InvalidRequest("grant_type is missing")),
            Some("authorization_code") => Ok(Self::Code {
                code: needed("code", "code is missing")?,
                redirect_uri: needed("redirect_uri", "redirect_uri is missing")?,
                verifier: once(fields, "code_verifier")?.map(str::to_owned),
            }),
            Some("refresh_token") => Ok(Self::Refresh {
                token: needed("refresh_token", "refresh_token is missing")?,
                scopes: scopes(once(fields, "scope")?)?,
            }),
            Some("client_credentials") => Ok(Self::Machine {
                scopes: scopes(once(fields, "scope")?)?,
            }),
            Some(_) => Err(OauthError::UnsupportedGrantType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client(confidential: bool) -> OauthClient {
        let id = uuid::Uuid::from_u128(1);
        OauthClient {
            id: OauthClientId::from_uuid(id),
            organization_id: crate::OrganizationId::from_uuid(id),
            name: "App".parse().unwrap(),
            redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
            redirects_at: chrono::DateTime::UNIX_EPOCH,
            secret_hash: confidential.then_some([1; 32]),
            machine: None,
            created_by: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            last_used_at: None,
        }
    }

    fn asked(fields: &[(&str, &str)], confidential: bool) -> Result<Wanted, OauthError> {
        let parameters = AuthorizationParameters::of(fields.iter().copied());
        parameters.wanted(&client(confidential))
    }

    #[test]
    fn a_request_is_read_with_its_challenge() {
        let fields = [
            ("response_type", "code"),
            ("scope", "contacts:read  emails:read contacts:read"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("prompt", "login consent"),
            ("nonce", "ignored"),
        ];
        let wanted = asked(&fields, false).unwrap();
        let scopes = BTreeSet::from([Permission::ContactsRead, Permission::EmailsRead]);
        assert_eq!(wanted.scopes, scopes);
        assert_eq!(wanted.challenge.unwrap().as_str(), CHALLENGE);
        assert!(wanted.asks);
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told() {
        let code = ("response_type", "code");
        let scope = ("scope", "contacts:read");
        let of =
            |fields: &[(&str, &str)], confidential| asked(fields, confidential).unwrap_err().code();
        assert_eq!(of(&[scope], true), "invalid_request");
        let token = ("response_type", "token");
        assert_eq!(of(&[token, scope], true), "unsupported_response_type");
        assert_eq!(of(&[code], true), "invalid_scope");
        assert_eq!(of(&[code, ("scope", " ")], true), "invalid_scope");
        assert_eq!(
            of(&[code, ("scope", "contacts:eat")], true),
            "invalid_scope"
        );
        assert_eq!(of(&[code, scope], false), "invalid_request");
        assert_eq!(of(&[code, code, scope], true), "invalid_request");
        let challenge = ("code_challenge", CHALLENGE);
        let plain = ("code_challenge_method", "plain");
        assert_eq!(
            of(&[code, scope, challenge, plain], true),
            "invalid_request"
        );
        // Without a method it would be `plain` (RFC 7636 §4.3).
        assert_eq!(of(&[code, scope, challenge], true), "invalid_request");
        let right = ("code_challenge_method", "S256");
        let short = ("code_challenge", "abc");
        assert_eq!(of(&[code, scope, short, right], true), "invalid_request");
        assert!(asked(&[code, scope], true).is_ok());
    }

    #[test]
    fn what_is_said_twice_is_as_good_as_not_said() {
        let id = "00000000-0000-7000-8000-000000000001";
        let twice = AuthorizationParameters::of([("client_id", id), ("client_id", id)]);
        assert_eq!(twice.client_id(), None);
        let once = AuthorizationParameters::of([("client_id", id), ("client_id", "")]);
        assert!(once.client_id().is_some());
    }

    #[test]
    fn a_form_for_tokens_is_read() {
        let read = |fields: &[(&str, &str)]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            TokenRequest::read(&fields).map_err(OauthError::code)
        };
        let fails = |fields: &[(&str, &str)]| read(fields).err();
        assert_eq!(fails(&[]), Some("invalid_request"));
        let password = [("grant_type", "password")];
        assert_eq!(fails(&password), Some("unsupported_grant_type"));
        let code = ("grant_type", "authorization_code");
        assert_eq!(fails(&[code, ("code", "a")]), Some("invalid_request"));
        let twice = [code, ("code", "a"), ("code", "b"), ("redirect_uri", "c")];
        assert_eq!(fails(&twice), Some("invalid_request"));
        let machine = ("grant_type", "client_credentials");
        assert_eq!(fails(&[machine, ("scope", "x")]), Some("invalid_scope"));
        assert!(matches!(
            read(&[machine]),
            Ok(TokenRequest::Machine { scopes: None })
        ));
    }
}
