//! The CRM in a plain program: no server, no command line, a folder of SQLite files.
//!
//! `cargo run -p mauntic-examples --bin crm_embedded`

use std::sync::Arc;

use mauntic_core::{
    Actor, EmailAddress, FixedZone, OrganizationId, PageSize, SystemClock, UuidV7Source, WorkerId,
    storage::{DbOptions, DbTarget},
};
use mauntic_crm::{
    ContactListing, ContactPatch, ContactService, CreateField, CrmStore, FieldOption, FieldService,
    FieldType, UpdateContact, UpsertContact,
    segment::{
        CreateSegment, NoEmailNames, Proof, RuleInput, Segment, SegmentService, SegmentWorker,
    },
    storage::SeaOrmCrmStore,
};
use serde_json::{Map, Value as Json, json};

/// Whom this program is interested in.
const RULE: &str = r#"country = "DE" and (plan in ("pro", "team") or tag = "friend")"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let crm = Crm::open(&DbTarget::Sqlite(folder.path().to_owned())).await?;
    crm.define_fields().await?;
    crm.add_people().await?;

    let segment = crm.create_segment().await?;
    crm.work().await?;
    crm.show(&segment).await?;

    println!("\nBob becomes a friend.\n");
    crm.befriend(&"bob@example.com".parse()?).await?;
    crm.work().await?;
    crm.show(&segment).await
}

/// The use cases, and who calls them: this program, for the only organisation there is.
struct Crm {
    me: Actor,
    fields: FieldService,
    contacts: ContactService,
    segments: SegmentService,
    worker: SegmentWorker,
}

impl Crm {
    async fn open(target: &DbTarget) -> anyhow::Result<Self> {
        let store = SeaOrmCrmStore::connect(target, DbOptions::default()).await?;
        store.migrate().await?;
        let store: Arc<dyn CrmStore> = store;
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(UuidV7Source));
        let zones = Arc::new(FixedZone("Europe/Berlin".parse()?));
        Ok(Self {
            me: Actor::system(OrganizationId::generate(&*ids)),
            fields: FieldService::new(store.clone(), clock.clone(), ids.clone()),
            contacts: ContactService::new(store.clone(), clock.clone(), ids.clone(), zones.clone()),
            segments: SegmentService::new(
                store.clone(),
                clock.clone(),
                ids.clone(),
                zones.clone(),
                // Rules here do not speak of emails.
                Arc::new(NoEmailNames),
            ),
            worker: SegmentWorker::new(store, clock, ids, zones),
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
        Ok(())
    }

    /// Values are read leniently, as they come from forms and files: a country may come by its name.
    async fn add_people(&self) -> anyhow::Result<()> {
        let people = [
            (
                "ann@example.com",
                json!({"firstname": "Ann", "country": "Germany", "plan": "team"}),
            ),
            (
                "bob@example.com",
                json!({"firstname": "Bob", "country": "de"}),
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

    async fn create_segment(&self) -> anyhow::Result<Segment> {
        let command = CreateSegment {
            name: "Germans to talk to".parse()?,
            description: String::new(),
            rule: Some(RuleInput::Text(RULE.to_owned())),
        };
        Ok(self.segments.create(&self.me, command).await?)
    }

    /// Only Bob's own membership is looked at again, not everybody's.
    async fn befriend(&self, email: &EmailAddress) -> anyhow::Result<()> {
        if let Some(contact) = self.contacts.find_by_email(&self.me, email).await? {
            let patch = ContactPatch {
                add_tags: ["friend".parse()?].into(),
                ..ContactPatch::default()
            };
            let command = UpdateContact {
                id: contact.id(),
                version: None,
                patch,
            };
            self.contacts.update(&self.me, command).await?;
        }
        Ok(())
    }

    /// Does what waits to be done; a server has workers for it.
    async fn work(&self) -> anyhow::Result<()> {
        let worker = WorkerId::generate(&UuidV7Source);
        while self.worker.run_due_rebuilds(worker).await?
            || self.worker.run_incremental(worker).await?
        {}
        Ok(())
    }

    async fn show(&self, segment: &Segment) -> anyhow::Result<()> {
        let members = self
            .segments
            .members(&self.me, segment.id, None, PageSize::default())
            .await?;
        println!("{} has {} members", segment.name, members.items.len());
        for contact in self
            .contacts
            .list(&self.me, &ContactListing::default())
            .await?
            .items
        {
            let explanation = self
                .segments
                .explain(&self.me, segment.id, contact.id())
                .await?;
            let place = if explanation.is_member { "in" } else { "out" };
            println!(
                "{}: {place}",
                contact.email().map_or("somebody", EmailAddress::as_str)
            );
            if let Some(proof) = explanation.proof {
                print(&proof, 1);
            }
        }
        Ok(())
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
    let observed = proof.observed.as_deref();
    let observed = observed.map_or_else(String::new, |observed| format!("  (has {observed})"));
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
