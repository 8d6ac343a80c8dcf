//! Where the contexts meet: events of one become commands of another, and a port asked by one is
//! answered by another. Nowhere else.

mod directory;
mod erasure;
mod handlers;
mod jobs;
mod letters;
mod notices;

pub(crate) use directory::{
    CrmDirectory, MembersAsOwners, MessagingNames, Organizations, PresentZones,
};
pub use jobs::{jobs, settle_events};
pub(crate) use letters::SystemMail;
pub use letters::installation;
