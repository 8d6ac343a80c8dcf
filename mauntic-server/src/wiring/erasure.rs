//! Erasing organisations whose time is over, in all contexts.

use async_trait::async_trait;
use mauntic_core::{Operator, OrganizationId, PageSize, WorkerId};
use tokio_util::sync::CancellationToken;

use crate::{App, Job};

/// Rows of a table that one transaction deletes.
const ERASED_AT_ONCE: u64 = 5_000;
/// Organisations whose remains are looked for at a time.
const SWEPT_AT_ONCE: usize = 1_000;

/// Erases organisations, some rows of each table at a time. Identity forgets the organisation itself last, so that a
/// worker that is killed leaves it to the next one.
pub(super) struct Erasures {
    pub(super) app: App,
    pub(super) worker: WorkerId,
}

#[async_trait]
impl Job for Erasures {
    fn name(&self) -> &'static str {
        "erasures"
    }

    async fn run_once(&self, _: &CancellationToken) -> anyhow::Result<bool> {
        let identity = &self.app.identity;
        let Some(organization) = identity.claim_erasure(self.worker).await? else {
            return Ok(false);
        };
        if erase_some(&self.app, organization).await? == 0 {
            identity.finish_erasure(organization).await?;
        }
        Ok(true)
    }
}

/// Deletes some of what every context has of an organisation, and all its files; returns how many rows.
async fn erase_some(app: &App, organization: OrganizationId) -> anyhow::Result<u64> {
    app.images.erase(organization).await?;
    let mut erased = 0;
    for eraser in &app.erasers {
        erased += eraser.erase_some(organization, ERASED_AT_ONCE).await?;
    }
    Ok(erased
        + app
            .identity
            .erase_some(organization, ERASED_AT_ONCE)
            .await?)
}

/// Deletes what came in for organisations after they were erased: a mail of theirs can still be opened, and a worker may
/// have been in the middle of something.
pub(super) async fn sweep(app: &App, stop: &CancellationToken) -> anyhow::Result<()> {
    let (operator, mut after) = (Operator::local(), None);
    loop {
        let size = PageSize::clamped(SWEPT_AT_ONCE);
        let page = app.identity.erasures(&operator, after, size).await?;
        for erasure in page.items {
            while !stop.is_cancelled() && erase_some(app, erasure.organization_id).await? > 0 {}
        }
        after = page.next;
        if after.is_none() || stop.is_cancelled() {
            return Ok(());
        }
    }
}
