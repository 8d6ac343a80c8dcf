//! What is kept of files that are sent, and for how long.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use chrono::TimeDelta;
use mauntic_core::{Actor, ImportId, OrganizationId};
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::Desk;
use crate::{
    CrmStore,
    conformance::organization,
    import::{CreateImport, CsvError, ImportError, ImportFile, ImportOptions},
};

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(30);

/// Sends so many bytes and then breaks off, or just stops.
struct Sending {
    left: usize,
    breaks: bool,
}

impl AsyncRead for Sending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let some = [b'x'; 4096];
        let some = &some[..self.left.min(buffer.remaining()).min(some.len())];
        if !some.is_empty() {
            buffer.put_slice(some);
            self.left -= some.len();
            return Poll::Ready(Ok(()));
        }
        if self.breaks {
            Poll::Ready(Err(io::Error::other("the sender is gone")))
        } else {
            Poll::Pending
        }
    }
}

async fn kept(store: &Arc<dyn CrmStore>, owner: OrganizationId, upload: ImportId) -> u64 {
    let kept = store.imports().stored_bytes(owner, upload);
    kept.await.unwrap()
}

/// Nothing stays of what is too large, breaks off, or is given up in the middle.
pub async fn a_refused_upload_leaves_nothing(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(Arc::clone(&store));
    let ours = organization(1);
    // The ids count.
    let id = |number: u128| ImportId::from_uuid(Uuid::from_u128(number));
    let large = vec![b'x'; 2 * MIB];
    let (mut bytes, max) = (&large[..], MIB as u64);
    let refused = desk.service.upload(&desk.actor, &mut bytes, max).await;
    assert!(matches!(refused, Err(ImportError::TooLarge { .. })));
    assert_eq!(kept(&store, ours, id(1)).await, 0);

    let sending = |breaks| Sending {
        left: MIB + 1_000,
        breaks,
    };
    let mut bytes = sending(true);
    let broken = desk.service.upload(&desk.actor, &mut bytes, 1 << 30).await;
    assert!(matches!(broken, Err(ImportError::Csv(CsvError::Io(_)))));
    assert_eq!(kept(&store, ours, id(2)).await, 0);

    let mut bytes = sending(false);
    let mut upload = Box::pin(desk.service.upload(&desk.actor, &mut bytes, 1 << 30));
    let first_piece = async {
        while kept(&store, ours, id(3)).await == 0 {
            let step = timeout(Duration::from_millis(10), &mut upload).await;
            assert!(step.is_err(), "it waits for more");
        }
    };
    timeout(SOON, first_piece).await.unwrap();
    drop(upload);
    let forgotten = async {
        while kept(&store, ours, id(3)).await > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, forgotten).await.unwrap();
}

/// Uploads that nothing is made of are forgotten when somebody says so, or after a day, whoever's they are.
pub async fn an_upload_that_nothing_is_made_of_is_forgotten(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(Arc::clone(&store));
    let theirs = Actor::system(organization(2));
    let upload = async |actor: &Actor| {
        let mut bytes = &b"email\nann@example.com\n"[..];
        let upload = desk.service.upload(actor, &mut bytes, 1_000).await.unwrap();
        (actor.organization_id(), upload.id)
    };
    let (_, unwanted) = upload(&desk.actor).await;
    let foreign = desk.service.forget_upload(&theirs, unwanted).await;
    assert!(matches!(foreign, Err(ImportError::UploadNotFound(_))));
    assert_eq!(kept(&store, organization(1), unwanted).await, 22);
    desk.service
        .forget_upload(&desk.actor, unwanted)
        .await
        .unwrap();
    assert_eq!(kept(&store, organization(1), unwanted).await, 0);

    let imported = upload(&desk.actor).await;
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Upload(imported.1),
        options: ImportOptions::default(),
    };
    desk.service.create(&desk.actor, command).await.unwrap();
    let in_use = desk.service.forget_upload(&desk.actor, imported.1).await;
    assert!(matches!(in_use, Err(ImportError::UploadNotFound(_))));
    let orphans = [upload(&desk.actor).await, upload(&theirs).await];
    desk.clock.advance(TimeDelta::hours(25));
    let young = upload(&theirs).await;
    for (owner, id) in orphans {
        assert_eq!(kept(&store, owner, id).await, 0, "a new one was made");
    }
    desk.clock.advance(TimeDelta::hours(25));
    desk.service.forget_orphans().await.unwrap();
    assert_eq!(kept(&store, young.0, young.1).await, 0);
    assert_eq!(kept(&store, imported.0, imported.1).await, 22);
}
