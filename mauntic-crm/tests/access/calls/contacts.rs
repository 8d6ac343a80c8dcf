//! The use cases of contacts, their fields, tags and views.

use std::collections::BTreeSet;

use mauntic_core::{Actor, Forbidden, Permission, testing::Reach};
use mauntic_crm::{
    Channel, ContactFilter, ContactListing, ContactPatch, CreateContact, CreateField, CrmError,
    DoNotContactCommand, FieldType, LiftDoNotContact, Reason, SaveView, UpdateContact, UpdateField,
    UpsertContact,
};
use serde_json::json;

use super::{allowed, seen};
use crate::fixture::{Fixture, OWN, named};

impl Fixture {
    #[expect(clippy::too_many_lines, reason = "an arm for each use case")]
    pub(crate) async fn contacts(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (contacts, ann) = (&self.contacts, self.ann);
        let values = json!({"plan": "gold"});
        let values = values.as_object().unwrap();
        let update = |patch| UpdateContact {
            id: ann,
            version: None,
            patch,
        };
        let create = |email| CreateContact {
            patch: named(email),
            origin: None,
        };
        let mark = DoNotContactCommand {
            channel: Channel::Email,
            reason: Reason::Manual,
            comment: String::new(),
        };
        let lift = LiftDoNotContact {
            channel: Channel::Email,
            only: None,
        };
        match use_case {
            // What is parsed depends on the caller's own fields.
            "parse" => known(contacts.parse(actor, values).await.map(drop)),
            "parse_many" => {
                let items = [values.clone()];
                known(
                    contacts
                        .parse_many(actor, &items)
                        .await?
                        .remove(0)
                        .map(drop),
                )
            }
            "create" => {
                let made = contacts.create(actor, create("new@example.com")).await?;
                Ok(self.kept_apart(actor, made.id()).await)
            }
            "create_many" => {
                let commands = [create("new@example.com")];
                let made = contacts.create_many(actor, &commands).await?.remove(0)?;
                Ok(self.kept_apart(actor, made.id()).await)
            }
            "update" => allowed(contacts.update(actor, update(named("a@example.com"))).await),
            "update_many" => {
                let commands = [update(named("a@example.com"))];
                allowed(contacts.update_many(actor, &commands).await?.remove(0))
            }
            "upsert_batch" => {
                let command = UpsertContact {
                    email: "ann@example.com".parse().unwrap(),
                    patch: ContactPatch {
                        add_tags: BTreeSet::from(["known".parse().unwrap()]),
                        ..ContactPatch::default()
                    },
                };
                let made = contacts.upsert_batch(actor, "test", &[command]).await?;
                Ok(seen(!made.into_iter().next().unwrap()?.created))
            }
            "get" => allowed(contacts.get(actor, ann).await),
            "find_many" => Ok(self.shows(&contacts.find_many(actor, &[ann]).await?)),
            "find_by_email" => {
                let email = "ann@example.com".parse().unwrap();
                Ok(seen(contacts.find_by_email(actor, &email).await?.is_some()))
            }
            "list" => {
                let page = contacts.list(actor, &ContactListing::default()).await?;
                Ok(self.shows(&page.items))
            }
            "growth" => Ok(seen(contacts.growth(actor, 7).await?.total > 0)),
            "count" => {
                let count = contacts.count(actor, &ContactFilter::default()).await?;
                Ok(seen(count > 0))
            }
            "history" => allowed(contacts.history(actor, ann, None, self.all).await),
            "merge_candidates" => {
                let ours = Actor::system(OWN);
                contacts.create(&ours, create("ann+x@example.com")).await?;
                let found = contacts.merge_candidates(actor, ann).await?;
                Ok(seen(found.len() == 1))
            }
            "merge" => {
                let ours = Actor::system(OWN);
                let twin = contacts.create(&ours, create("twin@example.com")).await?;
                allowed(contacts.merge(actor, twin.id(), ann).await)
            }
            "delete" => allowed(contacts.delete(actor, ann).await),
            "delete_many" => allowed(contacts.delete_many(actor, &[ann]).await?.remove(0)),
            "set_do_not_contact" => {
                allowed(contacts.set_do_not_contact(actor, ann, &mark, None).await)
            }
            "set_do_not_contact_many" => {
                let marked = contacts.set_do_not_contact_many(actor, &[ann], &mark).await;
                allowed(marked?.remove(0))
            }
            "lift_do_not_contact" => {
                let ours = Actor::system(OWN);
                contacts.set_do_not_contact(&ours, ann, &mark, None).await?;
                allowed(contacts.lift_do_not_contact(actor, ann, &lift, None).await)
            }
            "lift_do_not_contact_many" => {
                let ours = Actor::system(OWN);
                contacts.set_do_not_contact(&ours, ann, &mark, None).await?;
                let lifted = contacts
                    .lift_do_not_contact_many(actor, &[ann], &lift)
                    .await;
                allowed(lifted?.remove(0))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(crate) async fn fields(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (fields, alias) = (&self.fields, &self.field);
        match use_case {
            "list" => Ok(seen(fields.list(actor).await?.get("plan").is_some())),
            "create" => {
                let field = CreateField::new("Colour", FieldType::Text);
                fields.create(actor, field).await?;
                let ours = fields.list(&Actor::system(OWN)).await?;
                Ok(seen(ours.get("colour").is_some()))
            }
            "update" => {
                let command = UpdateField {
                    label: Some("Tariff".to_owned()),
                    ..UpdateField::default()
                };
                allowed(fields.update(actor, alias, command).await)
            }
            "delete" => allowed(fields.delete(actor, alias).await),
            "uses" => allowed(fields.uses(actor, alias).await),
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(crate) async fn tags(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let (tags, tag) = (&self.tags, &self.tag);
        match use_case {
            "list" => {
                let page = tags.list(actor, None, self.all).await?;
                Ok(seen(page.items.contains(tag)))
            }
            "count" => Ok(seen(tags.count(actor, tag).await? == 1)),
            "change" => {
                let add = BTreeSet::from(["new".parse().unwrap()]);
                let changed = tags
                    .change(actor, &[self.ann], &add, &BTreeSet::new())
                    .await;
                allowed(changed?.remove(0))
            }
            "rename" => allowed(tags.rename(actor, tag, &"other".parse().unwrap()).await),
            "delete" => allowed(tags.delete(actor, tag).await),
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(crate) async fn views(&self, use_case: &str, actor: &Actor) -> Result<Reach, CrmError> {
        let views = &self.views;
        let save = |shared| SaveView {
            name: "Ours".to_owned(),
            query: "tag=vip".to_owned(),
            shared,
        };
        let ours = Actor::system(OWN);
        match use_case {
            // Tokens are no persons, who alone have views of their own.
            "save" => match views.save(actor, save(false)).await {
                Ok(made) => Ok(seen(made.organization_id == OWN)),
                Err(CrmError::Invalid(_)) => Ok(seen(actor.organization_id() == OWN)),
                Err(error) => Err(error),
            },
            "list" => {
                views.save(&ours, save(true)).await?;
                Ok(seen(!views.list(actor).await?.is_empty()))
            }
            // Who may only look deletes a view of their own.
            "delete" => {
                let own = views.save(actor, save(false)).await;
                match own {
                    Ok(own) if own.organization_id == OWN => {
                        allowed(views.delete(actor, own.id).await)
                    }
                    Err(CrmError::Forbidden(refused)) => Err(refused.into()),
                    _ => {
                        let shared = views.save(&ours, save(true)).await?;
                        match views.delete(actor, shared.id).await {
                            // A token that may look, but not change what is everybody's.
                            Err(CrmError::Forbidden(Forbidden::Lacking(
                                Permission::ContactsWrite,
                            ))) => Ok(seen(actor.organization_id() == OWN)),
                            other => allowed(other),
                        }
                    }
                }
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }
}

/// The field of the first organisation is unknown in others.
fn known(parsed: Result<(), CrmError>) -> Result<Reach, CrmError> {
    match parsed {
        Err(CrmError::InvalidFields(_)) => Ok(Reach::Unseen),
        parsed => allowed(parsed),
    }
}
