//! Emails and their versions, through the store and the service over it.

use std::sync::{Arc, atomic::Ordering};

use mauntic_core::{Actor, OrganizationId, PageSize, Role, UserId, UuidV7Source};

use super::fixture::{World, every_page, source};
use crate::{
    MessagingError, MessagingStore,
    content::{Body, EmailSource},
    email::{CreateEmail, EmailFilter, EmailSort, PreviewRecipient, UpdateEmail},
};

fn named(name: &str) -> CreateEmail {
    CreateEmail {
        name: name.parse().expect("a name"),
        source: source("Hello"),
    }
}

/// New content is a new version; the old one stays as it was; a stale edit is refused.
///
/// # Panics
/// If the store does not do so.
pub async fn a_version_never_changes(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let first = world.email("Welcome").await;
    let change = UpdateEmail {
        source: Some(source("Good day")),
        expected_version: Some(1),
        ..UpdateEmail::default()
    };
    let second = world
        .emails
        .update(&world.owner, first.email.id, change.clone())
        .await
        .unwrap();
    assert_eq!((second.email.version, second.current.number), (2, 2));
    assert_eq!(second.current.source.subject, "Good day");
    let emails = world.store.emails();
    let stored = emails
        .find_version(world.organization(), first.current.id)
        .await
        .unwrap();
    assert_eq!(stored.as_ref(), Some(&*first.current));
    let stored = emails
        .find_version(world.organization(), second.current.id)
        .await
        .unwrap();
    assert_eq!(stored.as_ref(), Some(&*second.current));
    let stale = world
        .emails
        .update(&world.owner, first.email.id, change)
        .await
        .unwrap_err();
    assert!(
        matches!(stale, MessagingError::Outdated { current: 2, .. }),
        "{stale:?}"
    );
    let renamed = UpdateEmail {
        name: "Hello again".parse().ok(),
        ..UpdateEmail::default()
    };
    let renamed = world
        .emails
        .update(&world.owner, first.email.id, renamed)
        .await
        .unwrap();
    assert_eq!((renamed.email.version, renamed.current.number), (3, 2));
    let found = world
        .emails
        .get_named(&world.owner, "hello AGAIN")
        .await
        .unwrap();
    assert_eq!(found.email, renamed.email);
    let id = first.email.id.to_string();
    assert_eq!(
        world
            .emails
            .get_named(&world.owner, &id)
            .await
            .unwrap()
            .email,
        renamed.email
    );
}

/// Versions are listed from the newest to the oldest, page by page, and each is found by its number.
///
/// # Panics
/// If the store does not do so.
pub async fn earlier_versions_are_listed_and_found(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await.email.id;
    world.email("Another").await;
    for subject in ["Second", "Third"] {
        let change = UpdateEmail {
            source: Some(source(subject)),
            ..UpdateEmail::default()
        };
        let changed = world.emails.update(&world.owner, email, change).await;
        changed.unwrap();
    }
    let numbers = async |below| {
        let size = PageSize::clamped(2);
        let page = world
            .emails
            .versions(&world.owner, email, below, size)
            .await;
        let page = page.unwrap();
        let numbers: Vec<_> = page.items.iter().map(|version| version.number).collect();
        (numbers, page.next)
    };
    assert_eq!(numbers(None).await, (vec![3, 2], Some(2)));
    assert_eq!(numbers(Some(2)).await, (vec![1], None));
    let second = world.emails.version(&world.owner, email, 2).await.unwrap();
    assert_eq!(second.source.subject, "Second");
    let none = world
        .emails
        .version(&world.owner, email, 4)
        .await
        .unwrap_err();
    assert!(matches!(none, MessagingError::NotFound { .. }), "{none:?}");
    let stranger = Actor::system(OrganizationId::generate(&UuidV7Source));
    let none = world.emails.version(&stranger, email, 2).await.unwrap_err();
    assert!(matches!(none, MessagingError::NotFound { .. }), "{none:?}");
    let queries = world.store.emails();
    let theirs = stranger.organization_id();
    let size = PageSize::default();
    let listed = queries.list_versions(theirs, email, None, size).await;
    assert_eq!(listed.unwrap().items, []);
    let found = queries.find_numbered(theirs, email, 2).await;
    assert_eq!(found.unwrap(), None);
}

/// Names are unique in an organisation, and free again once the email is deleted.
///
/// # Panics
/// If the store does not do so.
pub async fn a_name_is_one_emails(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let one = world.email("One").await;
    let two = world.email("Two").await;
    let taken = world
        .emails
        .create(&world.owner, named("ONE"))
        .await
        .unwrap_err();
    assert!(matches!(taken, MessagingError::Taken { .. }), "{taken:?}");
    let rename = UpdateEmail {
        name: "one".parse().ok(),
        ..UpdateEmail::default()
    };
    let taken = world
        .emails
        .update(&world.owner, two.email.id, rename.clone())
        .await
        .unwrap_err();
    assert!(matches!(taken, MessagingError::Taken { .. }), "{taken:?}");
    let mut uow = world.store.begin().await.unwrap();
    let again = crate::email::Email {
        id: mauntic_core::Id::generate(&UuidV7Source),
        ..one.email.clone()
    };
    uow.emails()
        .insert(world.organization(), &again)
        .await
        .unwrap_err();
    assert_eq!(
        uow.emails()
            .last_number(world.organization(), one.email.id)
            .await
            .unwrap(),
        1,
        "it is usable"
    );
    drop(uow);
    let ids = [one.email.id, two.email.id, again.id].into();
    let names = world.emails.names(&world.owner, &ids).await.unwrap();
    assert_eq!(
        names.into_values().collect::<Vec<_>>(),
        [one.email.name.clone(), two.email.name.clone()],
        "by id, and nothing of an unknown one"
    );
    let stranger = Actor::system(OrganizationId::generate(&UuidV7Source));
    let none = world.emails.names(&stranger, &ids).await.unwrap();
    assert!(none.is_empty());
    world
        .emails
        .delete(&world.owner, one.email.id)
        .await
        .unwrap();
    world
        .emails
        .update(&world.owner, two.email.id, rename)
        .await
        .unwrap();
    let gone = world
        .emails
        .get(&world.owner, one.email.id)
        .await
        .unwrap_err();
    assert!(matches!(gone, MessagingError::NotFound { .. }), "{gone:?}");
    let kept = world
        .store
        .emails()
        .find_version(world.organization(), one.current.id)
        .await
        .unwrap();
    assert!(kept.is_some(), "what was sent can still be shown");
}

/// An email cannot be deleted while it is being sent.
///
/// # Panics
/// If the store does not do so.
pub async fn what_is_being_sent_stays(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    world.deliver(&email, 1).await;
    let refused = world
        .emails
        .delete(&world.owner, email.email.id)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, MessagingError::WrongState { .. }),
        "{refused:?}"
    );
}

/// A list shows the present subjects, of its organisation's emails alone.
///
/// # Panics
/// If the store does not do so.
pub async fn a_list_shows_subjects(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let emails = [world.email("One").await, world.email("Two").await];
    let change = UpdateEmail {
        source: Some(source("Another")),
        ..UpdateEmail::default()
    };
    let second = emails[1].email.id;
    let changed = world.emails.update(&world.owner, second, change).await;
    let listed = [emails[0].email.clone(), changed.unwrap().email];
    let subjects = world.emails.subjects(&world.owner, &listed).await.unwrap();
    let subjects = listed.each_ref().map(|email| subjects[&email.id].as_str());
    assert_eq!(subjects, ["Hello", "Another"]);
    let stranger = Actor::system(OrganizationId::generate(&UuidV7Source));
    let theirs = world.emails.subjects(&stranger, &listed).await.unwrap();
    assert!(theirs.is_empty());
}

/// Every order pages through all emails once; search finds part of the name.
///
/// # Panics
/// If the store does not do so.
pub async fn lists_page_in_every_order(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let mut made = Vec::new();
    for name in ["b", "C_c", "a", "D"] {
        made.push(world.email(name).await.email);
        world.advance(1);
    }
    let rename = UpdateEmail {
        name: "b2".parse().ok(),
        ..UpdateEmail::default()
    };
    world
        .emails
        .update(&world.owner, made[0].id, rename)
        .await
        .unwrap();
    for (sort, expected) in [
        (EmailSort::Created, ["D", "a", "C_c", "b2"]),
        (EmailSort::Updated, ["b2", "D", "a", "C_c"]),
        (EmailSort::Name, ["a", "b2", "C_c", "D"]),
    ] {
        let filter = EmailFilter { search: None, sort };
        let emails = every_page(async |after| {
            let (emails, size) = (&world.emails, PageSize::clamped(3));
            let page = emails.list(&world.owner, &filter, after.as_ref(), size);
            page.await.unwrap()
        });
        let emails = emails.await.into_iter();
        let names: Vec<_> = emails.map(|email| String::from(email.name)).collect();
        assert_eq!(names, expected, "{sort:?}");
    }
    for (search, expected) in [("c_", 1), ("_", 1), ("%", 0), ("B", 1)] {
        let filter = EmailFilter {
            search: Some(search.to_owned()),
            sort: EmailSort::Name,
        };
        let page = world
            .emails
            .list(&world.owner, &filter, None, PageSize::default())
            .await
            .unwrap();
        assert_eq!(page.items.len(), expected, "{search}");
    }
}

/// Bad content is refused field by field, before anything is stored; good content can be previewed.
///
/// # Panics
/// If the service does not do so.
pub async fn bad_content_is_refused(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let command = CreateEmail {
        source: source("Hello {{ contact.frstname }}"),
        ..named("Welcome")
    };
    let error = world
        .emails
        .create(&world.owner, command)
        .await
        .unwrap_err();
    let MessagingError::Invalid { problems } = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (problems[0].field.as_str(), problems[0].code.as_str()),
        ("subject", "unknown_variable")
    );
    let filter = EmailFilter::default();
    let emails = world
        .emails
        .list(&world.owner, &filter, None, PageSize::default());
    assert_eq!(emails.await.unwrap().items, []);
    let email = world.email("Welcome").await;
    let contact = mauntic_core::ContactId::generate(&UuidV7Source);
    for recipient in [PreviewRecipient::Sample, PreviewRecipient::Contact(contact)] {
        let preview = world
            .emails
            .preview(&world.owner, email.email.id, recipient)
            .await
            .unwrap();
        assert!(preview.html.contains("Hi Ann"), "{}", preview.html);
        assert!(
            preview.html.contains("https://example.com/1"),
            "links lead to their targets"
        );
    }
}

/// Who looks after a contact shows where the email names it, in the words of Mautic too, and is looked up only for that.
///
/// # Panics
/// If the service does not do so.
pub async fn an_email_shows_who_looks_after_the_contact(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let contact = PreviewRecipient::Contact(mauntic_core::ContactId::generate(&UuidV7Source));
    let plain = world.email("Welcome").await.email.id;
    let preview = world.emails.preview(&world.owner, plain, contact).await;
    preview.unwrap();
    assert_eq!(world.everybody.asked_for_owners.load(Ordering::SeqCst), 0);
    let body = "<p>{ownerfield=firstname}|{ownerfield=lastname}|{{ owner.email }}|{signature}</p>
        <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>";
    let command = CreateEmail {
        source: EmailSource {
            body: Body::Html(body.to_owned()),
            from_name: Some("{{ owner.name }}".to_owned()),
            ..source("Hello")
        },
        ..named("Personal")
    };
    let email = world.emails.create(&world.owner, command).await.unwrap();
    let id = email.email.id;
    let preview = world.emails.preview(&world.owner, id, contact).await;
    let preview = preview.unwrap();
    let shown = "Kim|van Dam|kim@example.net|Kim van Dam, kim@example.net";
    assert!(preview.text.contains(shown), "{}", preview.text);
    assert_eq!(preview.from_name.as_deref(), Some("Kim van Dam"));
    assert_eq!(world.everybody.asked_for_owners.load(Ordering::SeqCst), 1);
    let sample = PreviewRecipient::Sample;
    let preview = world.emails.preview(&world.owner, id, sample).await;
    let text = preview.unwrap().text;
    assert!(text.contains("Kim|Example|kim@example.com|"), "{text}");
    let unknown = CreateEmail {
        source: source("Hello {ownerfield=shoe_size}"),
        ..named("Wrong")
    };
    let refused = world.emails.create(&world.owner, unknown).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, MessagingError::Invalid { .. }),
        "{refused:?}"
    );
}

/// A copy says what the email says at that moment, under a name of its own, and goes its own way from then on.
///
/// # Panics
/// If the service does not do so.
pub async fn a_copy_is_an_email_of_its_own(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let first = world.email("October").await.email.id;
    let change = |subject| UpdateEmail {
        source: Some(source(subject)),
        ..UpdateEmail::default()
    };
    let (emails, us) = (&world.emails, &world.owner);
    emails.update(us, first, change("Autumn")).await.unwrap();
    let name = |name: &str| name.parse().expect("a name");
    let copy = emails.copy(us, first, name("November")).await.unwrap();
    assert_ne!(copy.email.id, first);
    assert_eq!((copy.email.version, copy.current.number), (1, 1));
    assert_eq!(copy.current.source.subject, "Autumn");
    let id = copy.email.id;
    emails.update(us, id, change("Winter")).await.unwrap();
    let original = emails.get(us, first).await.unwrap();
    assert_eq!(original.current.source.subject, "Autumn");
    let taken = emails.copy(us, first, name("november")).await.unwrap_err();
    assert!(matches!(taken, MessagingError::Taken { .. }), "{taken:?}");
    let stranger = Actor::system(OrganizationId::generate(&UuidV7Source));
    let none = emails.copy(&stranger, first, name("Mine")).await;
    let none = none.unwrap_err();
    assert!(matches!(none, MessagingError::NotFound { .. }), "{none:?}");
}

/// Another organisation finds nothing, and who may only look changes nothing.
///
/// # Panics
/// If the store does not do so.
pub async fn an_email_is_its_organisations_alone(store: Arc<dyn MessagingStore>) {
    let world = World::new(store);
    let email = world.email("Welcome").await;
    let id = email.email.id;
    let theirs = Actor::system(OrganizationId::generate(&UuidV7Source));
    let refused = [
        world.emails.get(&theirs, id).await.err(),
        world.emails.get_named(&theirs, "Welcome").await.err(),
        world
            .emails
            .update(&theirs, id, UpdateEmail::default())
            .await
            .err(),
        world.emails.delete(&theirs, id).await.err(),
        world
            .emails
            .preview(&theirs, id, PreviewRecipient::Sample)
            .await
            .err(),
        world.tracking.report(&theirs, id).await.err(),
    ];
    for error in refused {
        assert!(
            matches!(error, Some(MessagingError::NotFound { .. })),
            "{error:?}"
        );
    }
    let foreign = theirs.organization_id();
    assert_eq!(
        world
            .store
            .emails()
            .find_version(foreign, email.current.id)
            .await
            .unwrap(),
        None
    );
    let viewer = Actor::user(
        world.organization(),
        UserId::generate(&UuidV7Source),
        Role::Viewer,
    );
    let forbidden = [
        world.emails.create(&viewer, named("Other")).await.err(),
        world
            .emails
            .update(&viewer, id, UpdateEmail::default())
            .await
            .err(),
        world.emails.delete(&viewer, id).await.err(),
    ];
    for error in forbidden {
        assert!(
            matches!(error, Some(MessagingError::Forbidden(_))),
            "{error:?}"
        );
    }
}

/// What any version of an email says is found, letter by letter, also of a deleted email, and of no other organisation.
///
/// # Panics
/// If the store does not do so.
pub async fn emails_are_found_by_what_any_version_says(store: Arc<dyn MessagingStore>) {
    let world = World::new(Arc::clone(&store));
    let (kept, gone) = (world.email("Kept").await, world.email("Gone").await);
    let change = UpdateEmail {
        source: Some(source("Good day")),
        ..UpdateEmail::default()
    };
    let changed = world.emails.update(&world.owner, kept.email.id, change);
    changed.await.unwrap();
    world
        .emails
        .delete(&world.owner, gone.email.id)
        .await
        .unwrap();
    let found = async |text: &str, limit| {
        let found = world.emails.mentioning(&world.owner, text, limit).await;
        let found = found.unwrap().into_iter();
        let names = found.map(|(id, name)| (id, name.map(|name| name.to_string())));
        names.collect::<Vec<_>>()
    };
    let (first, second) = (
        (gone.email.id, None),
        (kept.email.id, Some("Kept".to_owned())),
    );
    assert_eq!(
        found("https://example.com/1", 9).await,
        [first.clone(), second.clone()]
    );
    assert_eq!(
        found("https://example.com/1", 1).await,
        std::slice::from_ref(&first)
    );
    assert_eq!(
        found("Hello", 9).await,
        [first, second.clone()],
        "an earlier version"
    );
    assert_eq!(found("Good day", 9).await, [second]);
    for nothing in ["good day", "%", "https://example.com/9"] {
        assert_eq!(found(nothing, 9).await, [], "{nothing}");
    }
    let stranger = World::new(store);
    let theirs = stranger
        .emails
        .mentioning(&stranger.owner, "Hello", 9)
        .await;
    assert_eq!(theirs.unwrap(), []);
}
