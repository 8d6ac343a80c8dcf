//! Finished messages: rendered, written, signed.

use std::sync::Arc;

use mauntic_core::{SecretKey, UuidV7Source};

use super::fixture::{Everybody, World, recipient_of, source};
use crate::{
    MessagingStore,
    content::EmailSource,
    domain::{AddSendingDomain, DomainName, SendingDomainService, Signers},
    email::{Composer, ComposerParts, CreateEmail, EmailVersions},
    sending::{BuildError, Delivery, Lane, MessageBuilder as _, OutgoingMessage},
};

struct Desk {
    world: World,
    composer: Composer,
    domains: SendingDomainService,
}

fn desk(store: Arc<dyn MessagingStore>, default_sender: Option<&str>) -> Desk {
    strict_desk(store, default_sender, false)
}

fn strict_desk(
    store: Arc<dyn MessagingStore>,
    default_sender: Option<&str>,
    must_be_signed: bool,
) -> Desk {
    let world = World::new(Arc::clone(&store));
    let secret = SecretKey::random().expect("the system has random bytes");
    let signers = Signers::new(Arc::clone(&store), secret.clone());
    let composer = Composer::new(ComposerParts {
        store: Arc::clone(&store),
        versions: EmailVersions::new(Arc::clone(&store)),
        signers: signers.clone(),
        organizations: Arc::new(Everybody::default()),
        tokens: Arc::clone(&world.tokens),
        base_url: "https://mail.example.com".to_owned(),
        default_sender: default_sender.and_then(|text| text.parse().ok()),
        must_be_signed,
        clock: world.clock.clone(),
    });
    let domains = SendingDomainService::new(
        store,
        signers,
        secret,
        world.clock.clone(),
        Arc::new(UuidV7Source),
    );
    Desk {
        world,
        composer,
        domains,
    }
}

impl Desk {
    async fn compose(
        &self,
        from: Option<&str>,
        lane: Lane,
    ) -> Result<(Delivery, OutgoingMessage), BuildError> {
        let mut source = source("Hello {{ contact.firstname }}");
        source.from_address = from.map(str::to_owned);
        self.compose_source(source, lane).await
    }

    async fn compose_source(
        &self,
        source: EmailSource,
        lane: Lane,
    ) -> Result<(Delivery, OutgoingMessage), BuildError> {
        let (from, reply_to) = (&source.from_address, &source.reply_to);
        let name = format!("{from:?} {reply_to:?} {lane:?}");
        let name = name.parse().expect("a name");
        let command = CreateEmail { name, source };
        let email = self
            .world
            .emails
            .create(&self.world.owner, command)
            .await
            .unwrap();
        let id = self.world.deliver(&email, 1).await[0];
        let organization = self.world.organization();
        let found = self
            .world
            .store
            .sends()
            .find_delivery(organization, id)
            .await
            .unwrap();
        let delivery = Delivery {
            lane,
            ..found.unwrap()
        };
        let current = self
            .composer
            .current_version(organization, email.email.id)
            .await
            .unwrap();
        assert_eq!(current, Some(email.current.id));
        let prepared = self
            .composer
            .prepare(organization, email.current.id)
            .await?;
        let message = prepared.build(&delivery, &recipient_of(delivery.contact_id))?;
        Ok((delivery, message))
    }
}

/// Mail from a sending domain carries both signatures, list headers and a return path of its own.
///
/// # Panics
/// If the store does not do so.
pub async fn a_message_is_signed_and_tracked(store: Arc<dyn MessagingStore>) {
    let desk = desk(store, None);
    let add = AddSendingDomain {
        domain: "example.com".parse().unwrap(),
        return_path: None,
    };
    desk.domains.add(&desk.world.owner, add).await.unwrap();
    let (delivery, message) = desk
        .compose(Some("news@shop.example.com"), Lane::Bulk)
        .await
        .unwrap();
    let text = String::from_utf8(message.bytes).unwrap();
    assert_eq!(text.matches("DKIM-Signature:").count(), 2, "{text}");
    for part in [
        "Subject: Hello Ann\r\n",
        "List-Unsubscribe: ",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(Some(&message.envelope_to), delivery.address.as_ref());
    let (local, domain) = message.envelope_from.rsplit_once('@').unwrap();
    assert_eq!(domain, "bounce.example.com");
    let path = desk.world.tokens.verify_return_path(local).unwrap();
    assert_eq!(
        (path.organization_id, path.delivery_id),
        (delivery.organization_id, delivery.id)
    );
}

/// Without a sending domain mail is unsigned and bounces go to the sender; transactional mail is no list.
///
/// # Panics
/// If the store does not do so.
pub async fn mail_from_elsewhere_is_not_signed(store: Arc<dyn MessagingStore>) {
    let desk = desk(store, Some("hello@example.org"));
    let (_, message) = desk.compose(None, Lane::Transactional).await.unwrap();
    let text = String::from_utf8(message.bytes).unwrap();
    assert!(!text.contains("DKIM-Signature"), "{text}");
    assert!(!text.contains("List-Unsubscribe"), "{text}");
    assert_eq!(message.envelope_from, "hello@example.org");
}

/// An address that no message can carry is the email's fault if it is everybody's, and the recipient's if it is theirs.
///
/// # Panics
/// If the store does not do so.
pub async fn what_is_wrong_for_everybody_is_the_emails(store: Arc<dyn MessagingStore>) {
    let desk = desk(store, Some("hello@example.org"));
    let beyond = "jürgen@example.com";
    let of = |from: Option<&str>, reply_to: Option<&str>| EmailSource {
        from_address: from.map(str::to_owned),
        reply_to: reply_to.map(str::to_owned),
        ..source("Hello {{ contact.firstname }}")
    };
    for source in [of(Some(beyond), None), of(None, Some(beyond))] {
        let error = desk.compose_source(source, Lane::Bulk).await.err();
        assert!(matches!(error, Some(BuildError::Email(_))), "{error:?}");
    }
    // Nobody but Ann has this address.
    let hers = "{% if contact.firstname == \"Ann\" %}jürgen@example.com{% endif %}";
    let source = of(None, Some(hers));
    let error = desk.compose_source(source, Lane::Bulk).await.err();
    assert!(matches!(error, Some(BuildError::Recipient(_))), "{error:?}");
}

/// Where mail must be signed, what nothing signs is not made: for anybody, or for those whose sender it is.
///
/// # Panics
/// If the store does not do so.
pub async fn unsigned_mail_can_be_refused(store: Arc<dyn MessagingStore>) {
    let desk = strict_desk(store, Some("hello@example.org"), true);
    let add = AddSendingDomain {
        domain: "example.com".parse().unwrap(),
        return_path: None,
    };
    desk.domains.add(&desk.world.owner, add).await.unwrap();
    let error = desk.compose(None, Lane::Bulk).await.err();
    let Some(BuildError::Email(problem)) = error else {
        panic!("{error:?}");
    };
    assert!(problem.contains("example.org"), "{problem}");
    let theirs = "{{ contact.firstname }}@example.org";
    let error = desk.compose(Some(theirs), Lane::Bulk).await.err();
    assert!(matches!(error, Some(BuildError::Recipient(_))), "{error:?}");
    let signed = desk.compose(Some("news@example.com"), Lane::Bulk).await;
    let bytes = signed.unwrap().1.bytes;
    assert!(bytes.starts_with(b"DKIM-Signature"));
}

/// It is known before who sends an email and what signs it; not if that depends on the recipient.
///
/// # Panics
/// If the store does not do so.
pub async fn the_sender_is_known_before(store: Arc<dyn MessagingStore>) {
    let desk = strict_desk(store, Some("hello@example.org"), true);
    let add = AddSendingDomain {
        domain: "example.com".parse().unwrap(),
        return_path: None,
    };
    desk.domains.add(&desk.world.owner, add).await.unwrap();
    for (from, address, signed_by) in [
        (None, Some("hello@example.org"), None),
        (
            Some("news@shop.example.com"),
            Some("news@shop.example.com"),
            Some("example.com"),
        ),
        (Some("{{ contact.firstname }}@example.org"), None, None),
    ] {
        let mut source = source("Hello");
        source.from_address = from.map(str::to_owned);
        let name = format!("{from:?}").parse().expect("a name");
        let command = CreateEmail { name, source };
        let email = desk.world.emails.create(&desk.world.owner, command).await;
        let version = email.unwrap().current.id;
        let sender = desk
            .composer
            .sender(desk.world.organization(), version)
            .await;
        let sender = sender.unwrap();
        assert_eq!(
            sender.address.as_ref().map(ToString::to_string).as_deref(),
            address
        );
        assert_eq!(sender.signed_by.as_ref().map(DomainName::as_str), signed_by);
        let refused = address.is_some() && signed_by.is_none();
        assert_eq!(
            (sender.is_unsigned(), sender.refusal().is_some()),
            (refused, refused)
        );
    }
}

/// Without any sender nothing is made up.
///
/// # Panics
/// If the store does not do so.
pub async fn a_message_needs_a_sender(store: Arc<dyn MessagingStore>) {
    let desk = desk(store, None);
    let error = desk.compose(None, Lane::Bulk).await.err();
    assert!(matches!(error, Some(BuildError::Email(_))), "{error:?}");
}
