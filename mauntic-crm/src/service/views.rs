use std::sync::Arc;

use mauntic_core::{Access, Actor, Clock, IdSource, Permission, Principal, UseCase, UserId};
use serde_json::{Value as Json, json};

use super::consent::plain_text;
use crate::{
    CrmError, CrmStore, audit,
    view::{SavedView, SavedViewId},
};

/// Most saved views that one owner has: a person, or everybody together.
const MAX_VIEWS: usize = 200;
/// The longest query, in characters.
const MAX_QUERY: usize = 4_000;

/// Keeps a view of the list of contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveView {
    /// What people call it. One of the same name and owner shows this from now on.
    pub name: String,
    /// What the list is to show.
    pub query: String,
    /// Whether it is everybody's.
    pub shared: bool,
}

/// Keeps views of the list of contacts: a person's own, and those of everybody.
#[derive(Clone)]
pub struct ViewService {
    store: Arc<dyn CrmStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl ViewService {
    /// Every use case and who may call it; a test holds the list to the code.
    pub const USE_CASES: &[UseCase] = &[
        ("delete", Access::Needs(Permission::ContactsRead)),
        ("list", Access::Needs(Permission::ContactsRead)),
        ("save", Access::Needs(Permission::ContactsRead)),
    ];

    /// The use cases over a store.
    #[must_use]
    pub fn new(store: Arc<dyn CrmStore>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids }
    }

    /// Those of everybody and the actor's own, by name.
    pub async fn list(&self, actor: &Actor) -> Result<Vec<SavedView>, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        Ok(self.store.views().list(organization, user(actor)).await?)
    }

    /// Keeps one. One of everybody needs [`Permission::ContactsWrite`] too.
    ///
    /// # Errors
    /// [`CrmError::Invalid`] if it has no name or says too much, or if there are too many.
    pub async fn save(&self, actor: &Actor, command: SaveView) -> Result<SavedView, CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let owner = if command.shared {
            actor.require(Permission::ContactsWrite)?;
            None
        } else {
            let person = user(actor);
            let none = || CrmError::Invalid("only a person has views of their own".to_owned());
            Some(person.ok_or_else(none)?)
        };
        let name = command.name.trim();
        plain_text(name, 191)?;
        plain_text(&command.query, MAX_QUERY)?;
        if name.is_empty() {
            return Err(CrmError::Invalid("a view needs a name".to_owned()));
        }
        let view = SavedView {
            id: SavedViewId::generate(&*self.ids),
            organization_id: organization,
            name: name.to_owned(),
            query: command.query,
            owner,
            created_at: self.clock.now(),
        };
        let there = self.store.views().list(organization, owner).await?;
        let others = there
            .iter()
            .filter(|other| other.owner == owner && other.key() != view.key());
        if others.count() >= MAX_VIEWS {
            return Err(CrmError::Invalid(format!(
                "there are {MAX_VIEWS} views already: delete one first"
            )));
        }
        let mut uow = self.store.begin().await?;
        let kept = uow.views().put(&view).await?;
        let change = audit::Change::new("view.saved", audit::Subject::new("view", kept.id));
        let change = change.to(told(&kept));
        audit::tell(uow.outbox(), actor, change, view.created_at, &*self.ids).await?;
        uow.commit().await?;
        Ok(kept)
    }

    /// Forgets one of the actor's own; one of everybody needs [`Permission::ContactsWrite`] too.
    ///
    /// # Errors
    /// [`CrmError::ViewNotFound`].
    pub async fn delete(&self, actor: &Actor, id: SavedViewId) -> Result<(), CrmError> {
        let organization = actor.require(Permission::ContactsRead)?;
        let seen = self.list(actor).await?;
        let view = seen.iter().find(|view| view.id == id);
        let view = view.ok_or(CrmError::ViewNotFound(id))?;
        if view.owner.is_none() {
            actor.require(Permission::ContactsWrite)?;
        }
        let mut uow = self.store.begin().await?;
        if uow.views().forget(organization, id).await? {
            let change = audit::Change::new("view.deleted", audit::Subject::new("view", id));
            let (change, now) = (change.from(told(view)), self.clock.now());
            audit::tell(uow.outbox(), actor, change, now, &*self.ids).await?;
        }
        uow.commit().await?;
        Ok(())
    }
}

/// What is said of a view. What it shows is not kept: people are searched for by name and address.
fn told(view: &SavedView) -> Json {
    json!({"name": view.name, "shared": view.owner.is_none()})
}

fn user(actor: &Actor) -> Option<UserId> {
    match actor.principal() {
        Principal::User { id } => Some(id),
        Principal::Token { .. } | Principal::App { .. } | Principal::System => None,
    }
}
