//! The forms that apps send, and how they say who they are (RFC 6749 §2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mauntic_core::identity::{ClientProof, OauthError};
use poem::{FromRequest, Request, RequestBody, Result, http::header};

use super::tokens::refused;

/// Longest form, in bytes.
const MAX_FORM: usize = 16 << 10;

/// A form of an app, and who it says it is.
pub(super) struct AppForm {
    /// What the app shows to be itself.
    pub(super) proof: ClientProof,
    /// All fields.
    pub(super) fields: Vec<(String, String)>,
}

impl AppForm {
    /// A field; `None` if it is empty, or not there once.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }
}

impl<'a> FromRequest<'a> for AppForm {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = body.take()?.into_bytes_limit(MAX_FORM).await;
        let fields = bytes
            .ok()
            .and_then(|bytes| serde_urlencoded::from_bytes::<Vec<(String, String)>>(&bytes).ok());
        let form = request
            .content_type()
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let Some(fields) = fields.filter(|_| form) else {
            let problem = "expected a form (application/x-www-form-urlencoded) of at most 16 KiB";
            return Err(refused(OauthError::InvalidRequest(problem)));
        };
        let proof = match request.header(header::AUTHORIZATION) {
            Some(shown) => basic(shown, &fields),
            None => in_body(&fields),
        };
        let proof = proof.map_err(refused)?;
        Ok(Self { proof, fields })
    }
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = fields.iter().filter(|(known, _)| known == name);
    let (_, value) = found.next()?;
    (found.next().is_none() && !value.is_empty()).then_some(value.as_str())
}

/// Id and secret in the header, each of them written as in a form. Only one way is taken at a time.
fn basic(shown: &str, fields: &[(String, String)]) -> std::result::Result<ClientProof, OauthError> {
    if fields.iter().any(|(name, _)| name == "client_secret") {
        let problem = "the client shows its secret in two ways";
        return Err(OauthError::InvalidRequest(problem));
    }
    let pair = shown
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, pair)| STANDARD.decode(pair.trim()).ok())
        .and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or(OauthError::InvalidClient)?;
    let (id, secret) = pair.split_once(':').ok_or(OauthError::InvalidClient)?;
    let id = unescaped(id);
    if find(fields, "client_id").is_some_and(|other| other != id) {
        return Err(OauthError::InvalidClient);
    }
    Ok(ClientProof {
        id,
        secret: Some(unescaped(secret)).filter(|secret| !secret.is_empty()),
    })
}

fn in_body(fields: &[(String, String)]) -> std::result::Result<ClientProof, OauthError> {
    let id = find(fields, "client_id").ok_or(OauthError::InvalidClient)?;
    Ok(ClientProof {
        id: id.to_owned(),
        secret: find(fields, "client_secret").map(str::to_owned),
    })
}

/// What stands in a form for a text.
fn unescaped(text: &str) -> String {
    let escaped = format!("a={text}");
    let read = serde_urlencoded::from_str::<Vec<(String, String)>>(&escaped);
    let read = read.ok().and_then(|pairs| pairs.into_iter().next());
    read.map_or_else(|| text.to_owned(), |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn an_app_says_who_it_is_in_one_way() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let by_header = basic(&shown("an%2Did:a+b%3A"), &[]).unwrap();
        assert_eq!(by_header.id, "an-id");
        assert_eq!(by_header.secret.as_deref(), Some("a b:"));
        let none = basic(&shown("id:"), &[field("client_id", "id")]).unwrap();
        assert_eq!(none.secret, None);
        let twice = basic(&shown("id:x"), &[field("client_secret", "x")]);
        assert_eq!(
            twice.err(),
            Some(OauthError::InvalidRequest(
                "the client shows its secret in two ways"
            ))
        );
        let other = basic(&shown("id:x"), &[field("client_id", "another")]);
        assert_eq!(other.err(), Some(OauthError::InvalidClient));
        for wrong in ["Bearer x", "Basic", "Basic ä", &shown("id")] {
            assert_eq!(
                basic(wrong, &[]).err(),
                Some(OauthError::InvalidClient),
                "{wrong}"
            );
        }
        let in_the_body =
            in_body(&[field("client_id", "id"), field("client_secret", "x")]).unwrap();
        assert_eq!(
            (in_the_body.id.as_str(), in_the_body.secret.as_deref()),
            ("id", Some("x"))
        );
        let id = field("client_id", "id");
        assert_eq!(
            in_body(&[id.clone(), id]).err(),
            Some(OauthError::InvalidClient)
        );
    }
}
