use chrono::{DateTime, Utc};
use mauntic_core::{Cause, Envelope, IdSource, Principal, StoreError};

use super::SendJob;
use crate::{MessagingUnitOfWork, event::SendNoted};

/// Tells whoever made a send what became of it, in the transaction in which it does. Of what the operator makes, nobody
/// is told.
pub(super) async fn tell_maker(
    uow: &mut dyn MessagingUnitOfWork,
    job: &SendJob,
    now: DateTime<Utc>,
    ids: &dyn IdSource,
) -> Result<(), StoreError> {
    let Some(made_by) = job.made_by.filter(|by| *by != Principal::System) else {
        return Ok(());
    };
    let noted = SendNoted {
        send_job_id: job.id,
        email_id: job.email_id,
        state: job.state,
        note: job.note.clone(),
        made_by,
    };
    let organization = job.organization_id;
    let envelope = Envelope::seal(organization, &noted, now, ids, Cause::root(ids))?;
    uow.outbox().append(&[envelope]).await
}
