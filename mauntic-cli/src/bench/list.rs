//! Pages of the list of contacts, and the search for other records of a person.

use std::time::Instant;

use mauntic_core::{ContactId, PageSize, WorkerId};
use mauntic_crm::{
    ContactFilter, ContactListing, ContactSort, CreateContact,
    segment::{CreateSegment, RuleInput},
};
use serde::Serialize;
use serde_json::json;

use super::{database, load::percentile, world::World};
use crate::output::count;

/// How often each page is asked for.
const TIMES: usize = 300;
/// How many rows a page has, as in the browser.
const ROWS: usize = 50;
/// What many names and addresses begin with.
const COMMON: [&str; 12] = [
    "ann", "luk", "oli", "e", "mül", "smi", "anna we", "garcia", "jo", "maria", "sat", "no",
];
/// What few or none begin with.
const RARE: [&str; 12] = [
    "anna.weber.1",
    "zoe.faure.77",
    "liam.davis.5000",
    "hugo.martin.9",
    "xenia",
    "ren.ito.123",
    "aoi.tanaka.4",
    "nobody@example.com",
    "q",
    "pedro.silva.42",
    "jack.oneill.8",
    "weber zzz",
];

/// How quickly pages come.
#[derive(Debug, Serialize)]
pub(super) struct ListFigures {
    contacts: u64,
    pages: Vec<PageFigures>,
}

/// How quickly pages of one kind come.
#[derive(Debug, Serialize)]
struct PageFigures {
    page: &'static str,
    times: usize,
    p50_ms: f64,
    p99_ms: f64,
}

/// Asks for pages of the organisation's contacts.
pub(super) async fn run(world: &World<'_>, contacts: u64) -> anyhow::Result<ListFigures> {
    let app = &world.context.app;
    world.context.output.note(format_args!(
        "List: pages of {} contacts …",
        count(contacts)
    ));
    // As the server does by itself some moments after an import.
    database::analyze(&app.settings.target()?).await?;
    let any = ContactListing {
        descending: true,
        size: PageSize::clamped(ROWS),
        ..ContactListing::default()
    };
    let sorted = |sort| ContactListing {
        sort,
        ..any.clone()
    };
    let filtered = |filter| ContactListing {
        filter,
        ..any.clone()
    };
    let search = |text: &&str| {
        filtered(ContactFilter {
            search: Some((*text).to_owned()),
            ..ContactFilter::default()
        })
    };
    let tag = |text: &str| {
        anyhow::Ok(filtered(ContactFilter {
            tag: Some(text.parse()?),
            ..ContactFilter::default()
        }))
    };
    let command = CreateSegment {
        name: "Germans".parse()?,
        description: String::new(),
        rule: Some(RuleInput::Text("country = \"DE\"".to_owned())),
    };
    let segment = app.segments.create(&world.actor, command).await?.id;
    let worker = WorkerId::generate(&*app.ids);
    app.segment_worker.rebuild(worker, segment).await?;
    let members = filtered(ContactFilter {
        segment: Some(segment),
        ..ContactFilter::default()
    });
    let mut pages = Vec::new();
    for (page, listings) in [
        ("newest first", vec![any.clone()]),
        ("far behind", vec![far_behind(world, &any).await?]),
        ("by last change", vec![sorted(ContactSort::UpdatedAt)]),
        ("by name", vec![sorted(ContactSort::Name)]),
        ("by address", vec![sorted(ContactSort::Email)]),
        ("by last activity", vec![sorted(ContactSort::LastActive)]),
        ("searched, many fit", COMMON.iter().map(search).collect()),
        ("searched, few fit", RARE.iter().map(search).collect()),
        ("of a common tag", vec![tag("vip")?, tag("webinar")?]),
        ("of a tag of nobody", vec![tag("unheard of")?]),
        ("of a segment", vec![members]),
    ] {
        pages.push(measured(world, page, &listings).await?);
    }
    pages.push(candidates(world).await?);
    app.segments.delete(&world.actor, segment).await?;
    Ok(ListFigures { contacts, pages })
}

/// A page some hundred pages behind the first.
async fn far_behind(world: &World<'_>, any: &ContactListing) -> anyhow::Result<ContactListing> {
    let mut listing = ContactListing {
        size: PageSize::clamped(1_000),
        ..any.clone()
    };
    for _ in 0..20 {
        let contacts = &world.context.app.contacts;
        let page = contacts.list(&world.actor, &listing).await?;
        let Some(next) = page.next else { break };
        listing.after = Some(next);
    }
    Ok(ContactListing {
        size: any.size,
        ..listing
    })
}

async fn measured(
    world: &World<'_>,
    page: &'static str,
    listings: &[ContactListing],
) -> anyhow::Result<PageFigures> {
    let mut micros = Vec::with_capacity(TIMES);
    for listing in listings.iter().cycle().take(TIMES) {
        let contacts = &world.context.app.contacts;
        let started = Instant::now();
        contacts.list(&world.actor, listing).await?;
        micros.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(figures(page, micros))
}

/// Other records of a person whose name and company many have.
async fn candidates(world: &World<'_>) -> anyhow::Result<PageFigures> {
    let contacts = &world.context.app.contacts;
    let mut ids: Vec<ContactId> = Vec::new();
    for (first, last, email) in [
        ("Anna", "Weber", "a.n.n.a.weber+x@gmail.com"),
        ("Olivia", "Smith", "olivia.smith.2+shop@example.com"),
        ("Liam", "Garcia", "l.garcia@googlemail.com"),
    ] {
        let values = json!({
            "email": email, "firstname": first, "lastname": last,
            "company": "Copper Coffee", "mobile": "+491701234567",
        });
        let values = values.as_object().cloned().unwrap_or_default();
        let command = CreateContact {
            patch: contacts.parse(&world.actor, &values).await?,
            origin: None,
        };
        ids.push(contacts.create(&world.actor, command).await?.id());
    }
    let mut micros = Vec::with_capacity(TIMES);
    for id in ids.iter().cycle().take(TIMES) {
        let started = Instant::now();
        contacts.merge_candidates(&world.actor, *id).await?;
        micros.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    contacts.delete_many(&world.actor, &ids).await?;
    Ok(figures("other records of a person", micros))
}

fn figures(page: &'static str, mut micros: Vec<u32>) -> PageFigures {
    micros.sort_unstable();
    PageFigures {
        page,
        times: micros.len(),
        p50_ms: percentile(&micros, 50),
        p99_ms: percentile(&micros, 99),
    }
}

impl ListFigures {
    /// The figures as rows of a table.
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let rows = self.pages.iter().map(|page| {
            super::row(
                format!("list of {}: {}", count(self.contacts), page.page),
                format!("p50 {:.1} ms, p99 {:.1} ms", page.p50_ms, page.p99_ms),
                None,
                "p99 50 ms",
            )
        });
        rows.collect()
    }
}
