//! The CRM in a plain program: no server, no command line, a folder of SQLite files.
//!
//! `cargo run -p mauntic-examples --bin crm_embedded`

use std::{collections::BTreeSet, sync::Arc};

use mauntic_core::{
    Actor, Clock as _, EmailAddress, FixedZone, OrganizationId, SystemClock, TimeZoneName,
    UuidV7Source,
    storage::{DbOptions, DbTarget},
};
use mauntic_crm::{
    Contact, ContactListing, ContactService, CreateField, CrmStore, FieldOption, FieldService,
    FieldType, UpsertContact,
    segment::{ContactFacts, NameTable, Proof, Rule, Today},
    storage::SeaOrmCrmStore,
};
use serde_json::{Map, Value as Json, json};

/// Whom this program is interested in.
const RULE: &str =
    r#"country = "DE" and (plan in ("pro", "team") or seats >= 10) and not do_not_contact(email)"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let crm = Crm::open(&DbTarget::Sqlite(folder.path().to_owned())).await?;
    crm.define_fields().await?;
    crm.add_people().await?;

    let page = crm
        .contacts
        .list(&crm.me, &ContactListing::default())
        .await?;
    for contact in page.items {
        let proof = crm.explain(contact.clone()).await?;
        let verdict = if proof.holds { "is in" } else { "is not in" };
        println!(
            "{} {verdict}",
            contact.email().map_or("somebody", EmailAddress::as_str)
        );
        print(&proof, 1);
    }
    Ok(())
}

/// The use cases, and who calls them: this program, for the only organisation there is.
struct Crm {
    me: Actor,
    zone: TimeZoneName,
    fields: FieldService,
    contacts: ContactService,
}

impl Crm {
    async fn open(target: &DbTarget) -> anyhow::Result<Self> {
        let store = SeaOrmCrmStore::connect(target, DbOptions::default()).await?;
        store.migrate().await?;
        let store: Arc<dyn CrmStore> = store;
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(UuidV7Source));
        let zone: TimeZoneName = "Europe/Berlin".parse()?;
        Ok(Self {
            me: Actor::system(OrganizationId::generate(&*ids)),
            fields: FieldService::new(Arc::clone(&store), ids.clone()),
            contacts: ContactService::new(store, clock, ids, Arc::new(FixedZone(zone.clone()))),
            zone,
        })
    }

    /// Besides the fields that every contact has.
    async fn define_fields(&self) -> anyhow::Result<()> {
        let plan = CreateField {
            options: ["free", "pro", "team"].map(FieldOption::plain).to_vec(),
            default: Some(json!("free")),
            ..CreateField::new("Plan", FieldType::Select)
        };
        self.fields.create(&self.me, plan).await?;
        self.fields
            .create(&self.me, CreateField::new("Seats", FieldType::Number))
            .await?;
        Ok(())
    }

    /// Values are read leniently, as they come from forms and files: a country by its name, a number as text.
    async fn add_people(&self) -> anyhow::Result<()> {
        let people = [
            (
                "ann@example.com",
                json!({"firstname": "Ann", "country": "Germany", "plan": "team", "seats": "25"}),
            ),
            (
                "bob@example.com",
                json!({"firstname": "Bob", "country": "de", "seats": 3}),
            ),
            (
                "cleo@example.com",
                json!({"firstname": "Cleo", "country": "France", "plan": "pro"}),
            ),
        ];
        let mut commands = Vec::new();
        for (email, values) in people {
            let patch = self.contacts.parse(&self.me, &object(values)).await?;
            commands.push(UpsertContact {
                email: email.parse()?,
                patch,
            });
        }
        for result in self
            .contacts
            .upsert_batch(&self.me, "example", &commands)
            .await?
        {
            result?;
        }
        Ok(())
    }

    /// Why a contact fits the rule or does not.
    async fn explain(&self, contact: Contact) -> anyhow::Result<Proof> {
        let (fields, names) = (self.fields.list(&self.me).await?, NameTable::default());
        let rule = Rule::parse(RULE, &fields, &names)?;
        let today = Today::at(SystemClock.now(), self.zone.clone());
        let condition = rule.compile(&fields, &today)?;
        let facts = ContactFacts::new(contact, BTreeSet::new(), Vec::new());
        Ok(condition.explain(&rule, &facts, &names))
    }
}

fn object(values: Json) -> Map<String, Json> {
    match values {
        Json::Object(values) => values,
        _ => Map::new(),
    }
}

fn print(proof: &Proof, depth: usize) {
    let mark = if proof.holds { '+' } else { '-' };
    let observed = proof
        .observed
        .as_deref()
        .map_or_else(String::new, |observed| format!("  (has {observed})"));
    println!(
        "{:width$}{mark} {}{observed}",
        "",
        proof.rule,
        width = depth * 2
    );
    for part in &proof.parts {
        print(part, depth + 1);
    }
}
