//! Whom the audit log is asked about: a member or a token by name, or the operator.

use mauntic_core::{
    Actor, PageSize, Permission, Principal,
    identity::{IdentityError, IdentityService},
};

/// So many are offered; whoever means somebody else writes more of the name.
const OFFERED: usize = 20;
/// What the operator is called in the field.
pub(super) const OPERATOR: &str = "operator";

/// Whom a text means.
pub(super) enum Who {
    /// It is empty.
    Anybody,
    /// That one.
    One(Principal),
    /// One of these, with what they are called.
    Several(Vec<(Principal, String)>),
    /// Nobody here.
    Nobody,
}

impl Who {
    /// Reads a name, an address, or what names a principal in an address of a page.
    pub(super) async fn find(
        identity: &IdentityService,
        actor: &Actor,
        text: &str,
    ) -> Result<Self, IdentityError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::Anybody);
        }
        if let Ok(principal) = text.parse() {
            return Ok(Self::One(principal));
        }
        if text.eq_ignore_ascii_case(OPERATOR) {
            return Ok(Self::One(Principal::System));
        }
        if text.contains(char::is_control) {
            return Ok(Self::Nobody);
        }
        let mut found = Vec::new();
        let mut exact = Vec::new();
        let size = PageSize::clamped(OFFERED);
        let same = |name: &str| name.eq_ignore_ascii_case(text);
        if actor.may(Permission::MembersRead) {
            for member in identity.search_members(actor, text, size).await? {
                let (name, email) = (member.name.as_str(), member.email.as_str());
                let one = Principal::User { id: member.user_id };
                exact.extend((same(name) || same(email)).then_some(one));
                found.push((one, format!("{name} ({email})")));
            }
        }
        if actor.may(Permission::TokensManage) {
            for token in identity.search_tokens(actor, text, size).await? {
                let one = Principal::Token { id: token.id };
                exact.extend(same(token.name.as_str()).then_some(one));
                found.push((one, format!("token {}", token.name)));
            }
        }
        Ok(match (exact.as_slice(), found.as_slice()) {
            ([one], _) | ([], [(one, _)]) => Self::One(*one),
            ([], []) => Self::Nobody,
            _ => Self::Several(found),
        })
    }

    /// What stands in the field for somebody whom an address of a page names.
    pub(super) async fn shown(
        identity: &IdentityService,
        actor: &Actor,
        text: &str,
    ) -> Result<String, IdentityError> {
        let named = match text.trim().parse() {
            Ok(Principal::System) => return Ok(OPERATOR.to_owned()),
            Ok(Principal::User { id }) => identity.member(actor, id).await,
            Ok(Principal::Token { .. }) | Err(_) => return Ok(text.to_owned()),
        };
        match named {
            Ok(member) => Ok(member.email.to_string()),
            Err(IdentityError::UserNotFound(_) | IdentityError::Forbidden(_)) => {
                Ok(text.to_owned())
            }
            Err(error) => Err(error),
        }
    }
}
