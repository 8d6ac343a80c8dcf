//! The use cases of contacts, fields and tags, over the store.

pub mod batches;
pub mod consent;
pub mod fields;
pub mod lifecycle;
pub mod merging;
pub mod owners;
pub mod tags;

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{
    Actor, ContactId, FixedZone, PageSize, Role, UserId, UuidV7Source, testing::ManualClock,
};
use serde_json::Value as Json;

use super::{Staff, organization};
use crate::{
    Channel, Contact, ContactPatch, ContactService, CreateContact, CrmError, CrmStore,
    FieldService, Reason, Tag, TagService, UpdateContact,
};

struct Crm {
    contacts: ContactService,
    fields: FieldService,
    tags: TagService,
    us: Actor,
}

fn crm(store: &Arc<dyn CrmStore>) -> Crm {
    let clock = Arc::new(ManualClock::default());
    let zones = Arc::new(FixedZone::default());
    let contacts = ContactService::new(Arc::clone(store), clock, Arc::new(UuidV7Source), zones)
        .with_owners(Arc::new(Staff));
    let user = UserId::generate(&UuidV7Source);
    Crm {
        tags: TagService::new(contacts.clone()),
        contacts,
        fields: FieldService::new(
            Arc::clone(store),
            Arc::<ManualClock>::default(),
            Arc::new(UuidV7Source),
        ),
        us: Actor::user(organization(1), user, Role::Owner),
    }
}

impl Crm {
    async fn patch(&self, values: Json) -> ContactPatch {
        let Json::Object(values) = values else {
            panic!("an object")
        };
        self.contacts.parse(&self.us, &values).await.unwrap()
    }

    async fn create(&self, values: Json) -> Result<Contact, CrmError> {
        let Json::Object(values) = values else {
            panic!("an object")
        };
        let patch = self.contacts.parse(&self.us, &values).await?;
        self.contacts
            .create(
                &self.us,
                CreateContact {
                    patch,
                    origin: None,
                },
            )
            .await
    }

    async fn update(&self, id: ContactId, values: Json) -> Result<Contact, CrmError> {
        let patch = self.patch(values).await;
        self.contacts
            .update(
                &self.us,
                UpdateContact {
                    id,
                    version: None,
                    patch,
                },
            )
            .await
    }

    async fn reason(&self, id: ContactId) -> Option<Reason> {
        let contact = self.contacts.get(&self.us, id).await.unwrap();
        contact
            .parts()
            .do_not_contact
            .get(&Channel::Email)
            .map(|mark| mark.reason)
    }

    async fn names_of_changes(&self, id: ContactId) -> Vec<Vec<String>> {
        let page = self
            .contacts
            .history(&self.us, id, None, PageSize::default())
            .await
            .unwrap();
        let names =
            |change: &crate::ContactChange| change.changes.names().map(str::to_owned).collect();
        page.items.iter().map(names).collect()
    }
}

fn tags<const N: usize>(names: [&str; N]) -> BTreeSet<Tag> {
    names.map(|name| name.parse().unwrap()).into()
}

fn is_taken<T>(result: &Result<T, CrmError>, by: &str) -> bool {
    matches!(result, Err(CrmError::Taken { field }) if field == by)
}
