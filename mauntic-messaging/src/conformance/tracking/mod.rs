//! Hits, verdicts, counters, unsubscribing and timelines. The cases are in files by subject; here is what they share.

mod counting;
mod forgetting;
mod reports;
mod tokens;
mod unsubscribing;

use mauntic_core::{ContactId, DeliveryId};

use super::fixture::World;
use crate::{email::SavedEmail, token::Purpose, tracking::Split};

pub use self::{counting::*, forgetting::*, reports::*, tokens::*, unsubscribing::*};

const ONE: Split = Split {
    human: 1,
    machine: 0,
};

fn click(link: u16) -> Purpose {
    Purpose::Click { link, target: None }
}

async fn report(world: &World, email: &SavedEmail) -> crate::tracking::EmailReport {
    world
        .tracking
        .report(&world.owner, email.email.id)
        .await
        .unwrap()
}

async fn contact_of(world: &World, delivery: DeliveryId) -> ContactId {
    let found = world
        .store
        .sends()
        .find_delivery(world.organization(), delivery)
        .await
        .unwrap();
    found.unwrap().contact_id
}
