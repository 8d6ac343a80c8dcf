//! Sending domains, through the store and the services over it.

use std::sync::Arc;

use mauntic_core::{
    Actor, Clock as _, OrganizationId, SecretKey, StoreError, UserId, UuidV7Source,
    testing::ManualClock,
};

use crate::{
    MessagingError, MessagingStore,
    dns::RecordPurpose,
    domain::{
        AddSendingDomain, KeyState, SendingDomain, SendingDomainService, SendingHosts, Signers,
    },
    transport::{SendingLimits, SmtpServer, Transport, TransportKind},
};

fn service(store: &Arc<dyn MessagingStore>) -> (SendingDomainService, Signers) {
    let secret = SecretKey::random().expect("the system has random bytes");
    let signers = Signers::new(Arc::clone(store), secret.clone());
    let service = SendingDomainService::new(
        Arc::clone(store),
        signers.clone(),
        secret,
        Arc::new(ManualClock::default()),
        Arc::new(UuidV7Source),
    );
    (service, signers)
}

fn owner() -> Actor {
    Actor::system(OrganizationId::generate(&UuidV7Source))
}

fn add(domain: &str) -> AddSendingDomain {
    AddSendingDomain {
        domain: domain.parse().expect("a domain"),
        return_path: None,
    }
}

/// What was stored is read back, keys included, after each change.
///
/// # Panics
/// If the store does not do so.
pub async fn a_domain_comes_back_as_it_was(store: Arc<dyn MessagingStore>) {
    let (service, signers) = service(&store);
    let owner = owner();
    let added = service.add(&owner, add("example.com")).await.unwrap();
    assert_eq!(service.get(&owner, added.id).await.unwrap(), added);
    let error = service.activate(&owner, added.id).await.unwrap_err();
    assert!(
        matches!(error, MessagingError::WrongState { .. }),
        "{error:?}"
    );
    service.rotate(&owner, added.id).await.unwrap();
    let active = service.activate(&owner, added.id).await.unwrap();
    let states: Vec<_> = active.keys.iter().map(|key| key.state).collect();
    assert_eq!(
        states,
        [
            KeyState::Retired,
            KeyState::Retired,
            KeyState::Active,
            KeyState::Active
        ]
    );
    assert_eq!(
        service.list(&owner).await.unwrap(),
        std::slice::from_ref(&active)
    );
    let records = service.dns_records(&owner, added.id).await.unwrap();
    assert_eq!(
        records
            .iter()
            .filter(|record| record.name.contains("_domainkey"))
            .count(),
        4
    );
    service.delete(&owner, added.id).await.unwrap();
    assert_eq!(service.list(&owner).await.unwrap(), []);
    let gone = signers
        .signer_for(owner.organization_id(), "example.com")
        .await
        .unwrap();
    assert!(gone.is_none());
}

/// The records have the addresses and the host of the installation, or say what is to be found out; the mail server of
/// the organisation is named then, and that of another one is not.
///
/// # Panics
/// If the store does not do so.
pub async fn records_have_what_is_known_of_the_hosts(store: Arc<dyn MessagingStore>) {
    let (service, _) = service(&store);
    let owner = owner();
    let id = service.add(&owner, add("example.com")).await.unwrap().id;
    let of = async |service: &SendingDomainService, purpose: RecordPurpose| {
        let records = service.dns_records(&owner, id).await.unwrap();
        let mut records = records.into_iter();
        records.find(|record| record.purpose == purpose).unwrap()
    };
    let hint = async |purpose: RecordPurpose| {
        let record = of(&service, purpose).await;
        assert_eq!(record.value(), None, "{record:?}");
        assert_eq!(record.name, "bounce.example.com");
        record.hint().unwrap().to_owned()
    };
    for organization in [self::owner().organization_id(), owner.organization_id()] {
        let found = hint(RecordPurpose::Spf).await;
        assert!(found.contains("No mail server is set up"), "{found}");
        let server = SmtpServer::parse("smtp://smtp.example.net").unwrap().0;
        let transport = Transport {
            id: mauntic_core::Id::generate(&UuidV7Source),
            organization_id: organization,
            kind: TransportKind::Smtp(server),
            sealed_password: None,
            limits: SendingLimits::default(),
            version: 1,
            updated_at: ManualClock::default().now(),
        };
        let mut uow = store.begin().await.unwrap();
        uow.transports().save_transport(&transport).await.unwrap();
        uow.commit().await.unwrap();
    }
    let found = hint(RecordPurpose::Spf).await;
    assert!(found.contains("leaves through smtp.example.net"), "{found}");
    let found = hint(RecordPurpose::ReturnPath).await;
    assert!(found.contains("mail for bounce.example.com"), "{found}");

    let mut hosts = SendingHosts {
        bounce_host: Some("mx.example.net".parse().unwrap()),
        sending_ips: "192.0.2.0/28".parse().unwrap(),
        relay: None,
    };
    // The addresses are not those of a server that is somebody else's.
    let elsewhere = service.clone().with_hosts(hosts.clone());
    let spf = of(&elsewhere, RecordPurpose::Spf).await;
    assert_eq!(spf.value(), None, "{spf:?}");
    let hint = spf.hint().unwrap();
    assert!(hint.contains("leaves through smtp.example.net"), "{hint}");
    hosts.relay = Some("smtp.example.net".to_owned());
    let known = service.clone().with_hosts(hosts);
    let spf = of(&known, RecordPurpose::Spf).await;
    assert_eq!(spf.value(), Some("v=spf1 ip4:192.0.2.0/28 -all"));
    let mx = of(&known, RecordPurpose::ReturnPath).await;
    assert_eq!(mx.value(), Some("10 mx.example.net"));
}

/// The same name twice is a conflict, in another organisation it is not; the transaction stays usable.
///
/// # Panics
/// If the store does not do so.
pub async fn a_domain_is_in_an_organisation_once(store: Arc<dyn MessagingStore>) {
    let (service, _) = service(&store);
    let (ours, theirs) = (owner(), owner());
    let added = service.add(&ours, add("example.com")).await.unwrap();
    let error = service.add(&ours, add("Example.COM")).await.unwrap_err();
    assert!(matches!(error, MessagingError::Taken { .. }), "{error:?}");
    service.add(&theirs, add("example.com")).await.unwrap();
    let again = SendingDomain {
        id: mauntic_core::Id::generate(&UuidV7Source),
        ..added.clone()
    };
    let other = SendingDomain {
        domain: "example.org".parse().unwrap(),
        ..again.clone()
    };
    let mut uow = store.begin().await.unwrap();
    let error = uow
        .sending_domains()
        .insert(ours.organization_id(), &again)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    uow.sending_domains()
        .insert(ours.organization_id(), &other)
        .await
        .unwrap();
    uow.commit().await.unwrap();
    assert_eq!(service.list(&ours).await.unwrap(), [added, other]);
}

/// The signer of a subdomain is that of the nearest domain above it, with its active keys alone.
///
/// # Panics
/// If the store does not do so.
pub async fn the_nearest_domain_signs(store: Arc<dyn MessagingStore>) {
    let (service, signers) = service(&store);
    let owner = owner();
    service.add(&owner, add("example.com")).await.unwrap();
    service.add(&owner, add("shop.example.com")).await.unwrap();
    for (from, expected) in [
        ("example.com", Some("example.com")),
        ("news.example.com", Some("example.com")),
        ("a.shop.Example.com", Some("shop.example.com")),
        ("badexample.com", None),
        ("not a domain", None),
    ] {
        let found = signers
            .signer_for(owner.organization_id(), from)
            .await
            .unwrap();
        assert_eq!(
            found.as_ref().map(|found| found.domain.as_str()),
            expected,
            "{from}"
        );
    }
    let found = signers
        .signer_for(self::owner().organization_id(), "example.com")
        .await
        .unwrap();
    assert!(found.is_none(), "another organisation's keys are not used");
}

/// Every use case answers "not found" to another organisation, and "forbidden" to a viewer that changes.
///
/// # Panics
/// If the store does not do so.
pub async fn another_organisations_domain_is_not_found(store: Arc<dyn MessagingStore>) {
    let (service, _) = service(&store);
    let (ours, theirs) = (owner(), owner());
    let id = service.add(&ours, add("example.com")).await.unwrap().id;
    let refused = [
        service.get(&theirs, id).await.err(),
        service
            .get_named(&theirs, &"example.com".parse().unwrap())
            .await
            .err(),
        service.rotate(&theirs, id).await.err(),
        service.activate(&theirs, id).await.err(),
        service.delete(&theirs, id).await.err(),
        service.dns_records(&theirs, id).await.err(),
    ];
    for error in refused {
        assert!(
            matches!(error, Some(MessagingError::NotFound { .. })),
            "{error:?}"
        );
    }
    let user = UserId::generate(&UuidV7Source);
    let viewer = Actor::user(ours.organization_id(), user, mauntic_core::Role::Viewer);
    let forbidden = [
        service.add(&viewer, add("example.org")).await.err(),
        service.rotate(&viewer, id).await.err(),
        service.activate(&viewer, id).await.err(),
        service.delete(&viewer, id).await.err(),
    ];
    for error in forbidden {
        assert!(
            matches!(error, Some(MessagingError::Forbidden(_))),
            "{error:?}"
        );
    }
}
