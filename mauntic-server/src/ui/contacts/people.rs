//! The members of the organisation, who are in charge of contacts and change them.

use std::collections::{BTreeMap, BTreeSet};

use mauntic_core::{PageSize, Permission, Principal, UserId};
use poem::{Request, Result};

use crate::ui::{
    failure,
    visitor::{Visitor, app},
};

/// The names of members by their id.
#[derive(Default)]
pub(in crate::ui) struct People {
    names: BTreeMap<UserId, String>,
    /// Those who may do nothing here, and get no mail.
    blocked: BTreeSet<UserId>,
}

impl People {
    /// Those that the visitor may see: up to a thousand, or nobody.
    pub(in crate::ui) async fn of(request: &Request, visitor: &Visitor) -> Result<Self> {
        if !visitor.may(Permission::MembersRead) {
            return Ok(Self::default());
        }
        let size = PageSize::clamped(usize::from(PageSize::MAX));
        let members = app(request)?
            .identity
            .members(&visitor.actor, None, size)
            .await
            .map_err(failure::identity)?;
        let members = members.items;
        let blocked = members
            .iter()
            .filter(|member| member.blocked_at.or(member.blocked_here_at).is_some());
        Ok(Self {
            blocked: blocked.map(|member| member.user_id).collect(),
            names: members
                .into_iter()
                .map(|member| (member.user_id, member.name.to_string()))
                .collect(),
        })
    }

    /// All of them, by name.
    pub(in crate::ui) fn by_name(&self) -> Vec<(String, &str)> {
        let mut all: Vec<_> = self
            .names
            .iter()
            .map(|(id, name)| (id.to_string(), name.as_str()))
            .collect();
        all.sort_by_key(|(_, name)| name.to_lowercase());
        all
    }

    /// Whether somebody is a member.
    pub(in crate::ui) fn has(&self, id: UserId) -> bool {
        self.names.contains_key(&id)
    }

    /// Whether somebody is a member who can be written to.
    pub(in crate::ui) fn gets_mail(&self, id: UserId) -> bool {
        self.has(id) && !self.blocked.contains(&id)
    }

    /// The name of a member, or that there is no such any more.
    pub(in crate::ui) fn name(&self, id: UserId) -> &str {
        self.names
            .get(&id)
            .map_or("a former member", String::as_str)
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
