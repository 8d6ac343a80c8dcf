//! What the storage of transports and captured mail must do.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use mauntic_core::{
    Actor, CapturedMailId, DeliveryId, OrganizationId, PageSize, SecretKey, StoreError,
    TransportId, UuidV7Source, testing::ManualClock,
};
use uuid::Uuid;

use super::fixture::every_page;
use crate::{
    MessagingStore,
    transport::{
        ConfiguredTransports, SendingHost, SendingLimits, SmtpServer, Transport, TransportKind,
        TransportService, capture::CapturedMail,
    },
};

fn organization(number: u128) -> OrganizationId {
    OrganizationId::from_uuid(Uuid::from_u128(number))
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_315_200, 0).unwrap()
}

/// A transport comes back as it was stored, and is its organisation's alone.
///
/// # Panics
/// If the store does not do so.
pub async fn a_transport_is_replaced_as_a_whole(store: Arc<dyn MessagingStore>) {
    let url = "smtp://ann@mail.example.com:2525?tls=none&ehlo=out.example.com";
    let mut transport = Transport {
        id: TransportId::from_uuid(Uuid::from_u128(5)),
        organization_id: organization(1),
        kind: TransportKind::Smtp(SmtpServer::parse(url).unwrap().0),
        sealed_password: Some(vec![0, 1, 255]),
        limits: SendingLimits {
            per_second: Some(12.5),
            domains: BTreeMap::from([("example.com".to_owned(), 0.5)]),
            ..SendingLimits::default()
        },
        version: 1,
        updated_at: now(),
    };
    for _ in 0..2 {
        let mut uow = store.begin().await.unwrap();
        uow.transports().save_transport(&transport).await.unwrap();
        uow.commit().await.unwrap();
        let queries = store.transports();
        let stored = queries.find_transport(organization(1)).await.unwrap();
        assert_eq!(stored, Some(transport.clone()));
        transport.kind = TransportKind::Capture;
        transport.sealed_password = None;
        transport.version += 1;
        transport.updated_at += TimeDelta::minutes(1);
    }
    let other = store.transports().find_transport(organization(2)).await;
    assert_eq!(other.unwrap(), None);

    // Somebody who read the version before the last one cannot undo it.
    transport.version -= 1;
    let mut uow = store.begin().await.unwrap();
    let outdated = uow.transports().save_transport(&transport).await;
    assert!(
        matches!(outdated, Err(StoreError::Conflict { .. })),
        "{outdated:?}"
    );
}

/// Changes to a transport at the same time each hold, and each is a version of its own.
///
/// # Panics
/// If the store does not do so.
pub async fn changes_of_a_transport_undo_none(store: Arc<dyn MessagingStore>) {
    let (clock, ids) = (Arc::new(ManualClock::default()), Arc::new(UuidV7Source));
    let secret = SecretKey::random().expect("the system has random bytes");
    let host = SendingHost::default();
    let transports = ConfiguredTransports::new(
        store.clone(),
        clock.clone(),
        ids.clone(),
        secret.clone(),
        host,
    );
    let service = TransportService::new(store, transports, clock, ids, secret);
    let service = Arc::new(service);
    let owner = Actor::system(organization(1));
    let limits = || SendingLimits::default();
    let first = service.configure(&owner, None, limits(), None).await;
    let first = first.unwrap();
    assert_eq!(first.version, 1);
    let changes = (0..20_u8).map(|number| {
        let (service, owner) = (Arc::clone(&service), owner.clone());
        tokio::spawn(async move {
            let url = "smtp://ann:secret@mail.example.com";
            if number == 10 {
                service.configure(&owner, Some(url), limits(), None).await
            } else {
                service.set_limits(&owner, limits()).await
            }
        })
    });
    let mut versions = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        versions.push(change.await.unwrap().unwrap().version);
    }
    versions.sort_unstable();
    assert_eq!(versions, (2..=21).collect::<Vec<_>>());
    let shown = service.show(&owner).await.unwrap();
    assert!(shown.has_password, "a change of limits undid the server");
}

fn mail(number: u128, to: &str) -> (CapturedMail, Vec<u8>) {
    let source = format!("To: {to}\r\n\r\nmail {number} \u{e4}\0").into_bytes();
    let mail = CapturedMail {
        id: CapturedMailId::from_uuid(Uuid::from_u128(number)),
        organization_id: organization(1),
        delivery_id: number
            .is_multiple_of(2)
            .then(|| DeliveryId::from_uuid(Uuid::from_u128(number))),
        envelope_from: "b@example.net".to_owned(),
        envelope_to: to.to_owned(),
        sender: "shop@example.net".to_owned(),
        subject: "Hällo".to_owned(),
        size: source.len() as u64,
        captured_at: now(),
    };
    (mail, source)
}

/// Captured mail is forgotten by its age, in bounded steps, whosever it is.
///
/// # Panics
/// If the store does not do so.
pub async fn old_captured_mail_is_forgotten(store: Arc<dyn MessagingStore>) {
    let mails: Vec<_> = (1..=10_u8)
        .map(|number| {
            let (mut mail, source) = mail(number.into(), "c@example.com");
            mail.organization_id = organization(u128::from(number % 2) + 1);
            mail.captured_at = now() + chrono::TimeDelta::days(number.into());
            (mail, source)
        })
        .collect();
    let mut uow = store.begin().await.unwrap();
    uow.captured().insert_captured(&mails).await.unwrap();
    uow.commit().await.unwrap();

    let before = mails[6].0.captured_at;
    for forgotten in [4, 2, 0] {
        let mut uow = store.begin().await.unwrap();
        assert_eq!(
            uow.captured().forget_captured(before, 4).await.unwrap(),
            forgotten
        );
        uow.commit().await.unwrap();
    }
    let captured = store.captured();
    for organization in [organization(1), organization(2)] {
        assert_eq!(captured.count_captured(organization).await.unwrap(), 2);
    }
    let kept = captured.find_captured(mails[6].0.organization_id, mails[6].0.id);
    assert!(kept.await.unwrap().is_some());
}

/// Captured mail is listed newest first, read byte for byte, and deleted, by its organisation alone.
///
/// # Panics
/// If the store does not do so.
pub async fn captured_mail_is_kept_byte_for_byte(store: Arc<dyn MessagingStore>) {
    let mails: Vec<_> = (1..=120)
        .map(|number| mail(number, &format!("C{}@example.com", number % 3)))
        .collect();
    let mut uow = store.begin().await.unwrap();
    uow.captured().insert_captured(&mails).await.unwrap();
    uow.commit().await.unwrap();

    let captured = store.captured();
    assert_eq!(captured.count_captured(organization(1)).await.unwrap(), 120);
    assert_eq!(captured.count_captured(organization(2)).await.unwrap(), 0);
    let size = PageSize::clamped(50);
    let mut seen = every_page(async |after| {
        let page = captured.list_captured(organization(1), None, after, size);
        page.await.unwrap()
    })
    .await;
    seen.reverse();
    let expected: Vec<_> = mails.iter().map(|(mail, _)| mail.clone()).collect();
    assert!(seen == expected, "all mails, the newest first");
    let to = Some(" c1@EXAMPLE.com");
    let to_one = captured.list_captured(organization(1), to, None, size);
    assert_eq!(to_one.await.unwrap().items.len(), 40);
    let id = mails[6].0.id;
    let found = captured.find_captured(organization(1), id).await.unwrap();
    assert!(found == Some(mails[6].clone()));
    let foreign = captured.find_captured(organization(2), id).await.unwrap();
    assert!(foreign.is_none());

    let mut uow = store.begin().await.unwrap();
    let inbox = uow.captured();
    assert_eq!(
        inbox.delete_captured(organization(2), None).await.unwrap(),
        0
    );
    let one = inbox.delete_captured(organization(1), Some(id)).await;
    assert_eq!(one.unwrap(), 1);
    let rest = inbox.delete_captured(organization(1), None).await;
    assert_eq!(rest.unwrap(), 119);
    uow.commit().await.unwrap();
    assert_eq!(captured.count_captured(organization(1)).await.unwrap(), 0);
}
