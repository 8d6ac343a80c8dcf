//! The members of the organisation, who are in charge of contacts and change them.

use std::collections::BTreeMap;

use mauntic_core::{PageSize, Permission, Principal, UserId};
use poem::{Request, Result};

use crate::ui::{
    failure,
    visitor::{Visitor, app},
};

/// The names of members by their id.
pub(in crate::ui) struct People(BTreeMap<UserId, String>);

impl People {
    /// Those that the visitor may see: up to a thousand, or nobody.
    pub(in crate::ui) async fn of(request: &Request, visitor: &Visitor) -> Result<Self> {
        if !visitor.may(Permission::MembersRead) {
            return Ok(Self(BTreeMap::new()));
        }
        let size = PageSize::clamped(usize::from(PageSize::MAX));
        let members = app(request)?
            .identity
            .members(&visitor.actor, None, size)
            .await
            .map_err(failure::identity)?;
        let members = members.items.into_iter();
        Ok(Self(
            members
                .map(|member| (member.user_id, member.name.to_string()))
                .collect(),
        ))
    }

    /// All of them, by name.
    pub(in crate::ui) fn by_name(&self) -> Vec<(String, &str)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(id, name)| (id.to_string(), name.as_str()))
            .collect();
        all.sort_by_key(|(_, name)| name.to_lowercase());
        all
    }

    /// Whether somebody is a member.
    pub(in crate::ui) fn has(&self, id: UserId) -> bool {
        self.0.contains_key(&id)
    }

    /// The name of a member, or that there is no such any more.
    pub(in crate::ui) fn name(&self, id: UserId) -> &str {
        self.0.get(&id).map_or("a former member", String::as_str)
    }

    /// Who did something.
    pub(in crate::ui) fn who(&self, principal: Principal) -> &str {
        match principal {
            Principal::User { id } => self.name(id),
            Principal::Token { .. } | Principal::App { .. } => "a program",
            Principal::System => "Mauntic",
        }
    }
}
