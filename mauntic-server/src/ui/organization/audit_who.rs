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
    /// That one, and what stands in the field for them.
    One(Principal, String),
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
            let shown = shown(identity, actor, principal).await?;
            return Ok(Self::One(principal, shown));
        }
        if text.eq_ignore_ascii_case(OPERATOR) {
            return Ok(Self::One(Principal::System, OPERATOR.to_owned()));
        }
        if text.contains(char::is_control) {
            return Ok(Self::Nobody);
        }
        // Who, what stands in the field for them, and what they are offered as; and which are called just that.
        let mut found = Vec::new();
        let mut exact = Vec::new();
        let size = PageSize::clamped(OFFERED);
        let same = |name: &str| name.eq_ignore_ascii_case(text);
        if actor.may(Permission::MembersRead) {
            for member in identity.search_members(actor, text, size).await? {
                let (name, email) = (member.name.as_str(), member.email.as_str());
                let one = Principal::User { id: member.user_id };
                exact.extend((same(name) || same(email)).then_some(found.len()));
                found.push((one, email.to_owned(), format!("{name} ({email})")));
            }
        }
        if actor.may(Permission::TokensManage) {
            for token in identity.search_tokens(actor, text, size).await? {
                let one = Principal::Token { id: token.id };
                exact.extend(same(token.name.as_str()).then_some(found.len()));
                let name = token.name.to_string();
                found.push((one, name, format!("token {}", token.name)));
            }
        }
        let at = match (exact.as_slice(), found.len()) {
            (_, 0) => return Ok(Self::Nobody),
            ([one], _) => Some(*one),
            ([], 1) => Some(0),
            _ => None,
        };
        if let Some(at) = at {
            let (one, shown, _) = found.swap_remove(at);
            return Ok(Self::One(one, shown));
        }
        let offered = found.into_iter().map(|(one, _, name)| (one, name));
        Ok(Self::Several(offered.collect()))
    }
}

/// What stands in the field for somebody whom an address of a page names.
async fn shown(
    identity: &IdentityService,
    actor: &Actor,
    principal: Principal,
) -> Result<String, IdentityError> {
    let named = match principal {
        Principal::System => return Ok(OPERATOR.to_owned()),
        Principal::User { id } => identity.member(actor, id).await,
        Principal::Token { .. } | Principal::App { .. } => return Ok(principal.to_string()),
    };
    match named {
        Ok(member) => Ok(member.email.to_string()),
        Err(IdentityError::UserNotFound(_) | IdentityError::Forbidden(_)) => {
            Ok(principal.to_string())
        }
        Err(error) => Err(error),
    }
}
