//! Setting up, logging in, and what ends a session, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::{net::IpAddr, sync::Arc};

use chrono::TimeDelta;
use mauntic_core::{
    Actor, Operator, PageSize, Role, SecretKey, TimeZoneName, UuidV7Source,
    identity::{
        AuditFilter, Client, CreateOrganization, CreateToken, CreateUser, IdentityError,
        IdentityService, IdentityStore as _, Letter, LogIn, LoggedIn, NewSession, Password,
        Patience, Refusal, Session, SessionSecret, SetUp, Undelivered,
        storage::SeaOrmIdentityStore,
    },
    storage::{DbOptions, test_database::TestDatabase},
    testing::ManualClock,
};
use sha2::{Digest as _, Sha256};

const PASSWORD: &str = "correct horse battery";

macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::World::new(super::TestDatabase::sqlite()).await).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::World::new(super::TestDatabase::postgres().await).await).await; })*
        }
    };
}

on_both!(
    of_many_who_set_up_one_does,
    an_organization_of_the_command_line_is_the_first_one,
    an_installation_in_use_is_set_up_by_who_knows_the_code,
    a_wrong_password_says_nothing_and_soon_has_to_wait,
    of_many_guesses_at_once_only_a_few_are_looked_at,
    strangers_do_not_keep_the_owner_out,
    what_happens_to_an_account_is_noted_in_every_organization,
    the_present_password_cannot_be_guessed,
    a_session_ends_when_it_is_not_used,
    blocking_takes_effect_at_the_next_request,
    sessions_are_ended_one_by_one_or_all_others,
    a_new_password_ends_every_session,
    people_work_in_the_organization_of_their_choice,
);

struct World {
    service: IdentityService,
    store: Arc<SeaOrmIdentityStore>,
    clock: Arc<ManualClock>,
    _database: TestDatabase,
}

fn password(text: &str) -> Password {
    text.parse().unwrap()
}

fn client(address: &str) -> Client {
    let address: IpAddr = address.parse().unwrap();
    Client::new(Some(address), Some("Firefox"))
}

fn home() -> Client {
    client("203.0.113.7")
}

fn set_up(email: &str) -> SetUp {
    SetUp {
        organization: "Acme".parse().unwrap(),
        timezone: "Europe/Oslo".parse().unwrap(),
        name: "Ann".parse().unwrap(),
        email: email.parse().unwrap(),
        password: password(PASSWORD),
        code: None,
    }
}

impl World {
    async fn new(database: TestDatabase) -> Self {
        let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
        let clock = Arc::<ManualClock>::default();
        let ids = Arc::new(UuidV7Source);
        let store = Arc::new(store.unwrap());
        let service = IdentityService::new(store.clone(), clock.clone(), ids);
        Self {
            service,
            store,
            clock,
            _database: database,
        }
    }

    /// Ann, who owns Acme, in her first session.
    async fn ann(&self) -> NewSession {
        let command = set_up("ann@example.com");
        self.service.set_up(command, home()).await.unwrap()
    }

    async fn log_in(
        &self,
        text: &str,
        from: Client,
        remember: bool,
    ) -> Result<NewSession, IdentityError> {
        let command = LogIn {
            email: "ANN@example.com".parse().unwrap(),
            password: password(text),
            remember,
        };
        self.service.log_in(command, from).await
    }

    async fn who(&self, secret: &SessionSecret) -> Option<LoggedIn> {
        self.service.logged_in(secret).await.unwrap()
    }
}

async fn of_many_who_set_up_one_does(world: World) {
    assert!(world.service.needs_set_up().await.unwrap());
    let tries: Vec<_> = (0..8)
        .map(|number| {
            let service = world.service.clone();
            let command = set_up(&format!("p{number}@example.com"));
            tokio::spawn(async move { service.set_up(command, home()).await })
        })
        .collect();
    let mut done = Vec::new();
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(new) => done.push(new),
            Err(IdentityError::AlreadySetUp) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done.len(), 1);
    assert!(!world.service.needs_set_up().await.unwrap());
    let who = world.who(&done[0].secret).await.unwrap();
    let place = who.workplace().unwrap();
    assert_eq!((place.name.as_str(), place.role), ("Acme", Role::Owner));
    let actor = who.actor().unwrap();
    let members = world
        .service
        .members(&actor, None, mauntic_core::PageSize::default());
    assert_eq!(members.await.unwrap().items.len(), 1);
}

async fn an_organization_of_the_command_line_is_the_first_one(world: World) {
    let command = CreateOrganization::named("My organization".parse().unwrap());
    let operator = Operator::local();
    let made = world.service.create_organization(&operator, command).await;
    let new = world.ann().await;
    let who = world.who(&new.secret).await.unwrap();
    let place = who.workplace().unwrap();
    assert_eq!(place.organization_id, made.unwrap().id);
    assert_eq!(place.name.as_str(), "Acme");
    let details = world.service.organization(&who.actor().unwrap()).await;
    let oslo: TimeZoneName = "Europe/Oslo".parse().unwrap();
    assert_eq!(details.unwrap().timezone, oslo);
}

/// What is used by programs alone, the first stranger to come does not own.
async fn an_installation_in_use_is_set_up_by_who_knows_the_code(world: World) {
    let secret = SecretKey::from_text("a text that is long enough to be a secret").unwrap();
    let service = world.service.clone().with_secret(&secret);
    let operator = Operator::local();
    let organization = service.ensure_default_organization(&operator).await;
    let organization = organization.unwrap().unwrap().id;
    assert!(!service.set_up_asks_for_code().await.unwrap());
    assert_eq!(service.set_up_code(&operator).await.unwrap(), None);
    let token = CreateToken {
        name: "nightly import".parse().unwrap(),
        role: Role::Owner,
        scopes: None,
        expires_at: None,
    };
    let operating = Actor::system(organization);
    service.create_token(&operating, token).await.unwrap();
    assert!(service.set_up_asks_for_code().await.unwrap());
    let code = service.set_up_code(&operator).await.unwrap().unwrap();
    for wrong in [None, Some(String::new()), Some("0".repeat(16))] {
        let command = SetUp {
            code: wrong,
            ..set_up("eve@example.com")
        };
        let refused = service.set_up(command, home()).await;
        assert!(
            matches!(refused, Err(IdentityError::WrongSetUpCode)),
            "{refused:?}"
        );
    }
    let command = SetUp {
        code: Some(format!(" {code} ")),
        ..set_up("ann@example.com")
    };
    service.set_up(command, home()).await.unwrap();
    assert_eq!(service.set_up_code(&operator).await.unwrap(), None);
}

async fn a_wrong_password_says_nothing_and_soon_has_to_wait(world: World) {
    world.ann().await;
    let wrong = "wrong horse battery";
    for _ in 0..5 {
        let refused = world.log_in(wrong, home(), false).await;
        assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    }
    // Now even the right one has to wait, so that waiting tells nothing.
    let refused = world.log_in(PASSWORD, home(), false).await;
    let Err(IdentityError::TooManyFailures { seconds: 1 }) = refused else {
        panic!("{refused:?}");
    };
    world.clock.advance(TimeDelta::seconds(1));
    let refused = world.log_in(wrong, home(), false).await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    let refused = world.log_in(wrong, home(), false).await;
    assert!(matches!(
        refused,
        Err(IdentityError::TooManyFailures { seconds: 2 })
    ));
    world.clock.advance(TimeDelta::seconds(2));
    assert!(world.log_in(PASSWORD, home(), false).await.is_ok());
    // Having logged in, slips are free again.
    let refused = world.log_in(wrong, home(), false).await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    assert!(world.log_in(PASSWORD, home(), false).await.is_ok());

    let unknown = LogIn {
        email: "nobody@example.com".parse().unwrap(),
        password: password(PASSWORD),
        remember: false,
    };
    let refused = world.service.log_in(unknown, home()).await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
}

async fn of_many_guesses_at_once_only_a_few_are_looked_at(world: World) {
    world.ann().await;
    let guesses: Vec<_> = (0..30)
        .map(|number| {
            let service = world.service.clone();
            let command = LogIn {
                email: "ann@example.com".parse().unwrap(),
                password: password(&format!("wrong horse battery {number}")),
                remember: false,
            };
            tokio::spawn(async move { service.log_in(command, home()).await })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Err(IdentityError::WrongPassword) => looked_at += 1,
            Err(IdentityError::TooManyFailures { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=6).contains(&looked_at), "{looked_at}");
}

async fn strangers_do_not_keep_the_owner_out(world: World) {
    world.ann().await;
    for number in 0..20 {
        let stranger = client(&format!("198.51.{number}.1"));
        let refused = world.log_in("wrong horse battery", stranger, false).await;
        assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    }
    assert!(world.log_in(PASSWORD, home(), false).await.is_ok());
    // However many there are: where the owner is logged in, nobody waits for them.
    let digest: [u8; 32] = Sha256::digest(b"ann@example.com").into();
    let hash = format!(
        "{:032x}",
        u128::from_be_bytes(digest[..16].try_into().unwrap())
    );
    let now = mauntic_core::Clock::now(&*world.clock);
    let account = [format!("account:{hash}")];
    for _ in 0..150 {
        let noted = world.store.login_attempts();
        let noted = noted.note_failure(&account, now, now - Patience::MEMORY);
        noted.await.unwrap();
    }
    let elsewhere = world.log_in(PASSWORD, client("192.0.2.1"), false).await;
    assert!(
        matches!(elsewhere, Err(IdentityError::TooManyFailures { .. })),
        "{elsewhere:?}"
    );
    assert!(world.log_in(PASSWORD, home(), false).await.is_ok());
}

async fn what_happens_to_an_account_is_noted_in_every_organization(world: World) {
    let new = world.ann().await;
    let operator = Operator::local();
    let command = CreateOrganization::named("Zoo".parse().unwrap());
    let zoo = world.service.create_organization(&operator, command).await;
    let zoo = zoo.unwrap().id;
    let command = mauntic_core::identity::AddMember {
        email: "ann@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    let added = world.service.add_member(&operator, zoo, command);
    added.await.unwrap();
    let address = "203.0.113.7".parse().ok();
    let from = |client: Client| client.calling_from(address);
    let second = world.log_in(PASSWORD, from(home()), false).await.unwrap();
    let third = world.log_in(PASSWORD, from(home()), false).await.unwrap();
    let who = world.who(&new.secret).await.unwrap().calling_from(address);
    let service = &world.service;
    service.end_session(&who, second.session.id).await.unwrap();
    service.end_other_sessions(&who).await.unwrap();
    assert!(world.who(&third.secret).await.is_none());
    let set = service.set_password(&who, Some(password(PASSWORD)), password(PASSWORD));
    set.await.unwrap();
    // Of all that fails, the failure after which there is a wait.
    for _ in 0..8 {
        let failed = world
            .log_in("wrong horse battery", from(home()), false)
            .await;
        assert!(failed.is_err());
    }
    let postman = Nobody;
    while service.deliver_letters(&postman).await.unwrap() {}
    let acme = who.workplaces[0].organization_id;
    for organization in [acme, zoo] {
        let actor = Actor::system(organization);
        let (all, size) = (AuditFilter::default(), PageSize::default());
        let page = service.audit_log(&actor, &all, None, size).await.unwrap();
        let entries: Vec<_> = page
            .items
            .iter()
            .filter(|entry| entry.change.subject.kind == "user")
            .take(6)
            .collect();
        let actions = entries.iter().map(|entry| entry.change.action.as_str());
        assert_eq!(
            actions.collect::<Vec<_>>(),
            [
                "user.login_locked_out",
                "user.password_set",
                "user.other_sessions_ended",
                "user.session_ended",
                "user.logged_in",
                "user.logged_in"
            ]
        );
        assert!(entries.iter().all(|entry| entry.address == address));
        assert!(
            entries
                .iter()
                .all(|entry| entry.change.subject.id == Some(who.user.id.as_uuid()))
        );
    }
}

/// Brings no letters.
struct Nobody;

#[async_trait::async_trait]
impl mauntic_core::identity::Postman for Nobody {
    async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered> {
        panic!("nobody is to be written to: {letter:?}")
    }
}

async fn the_present_password_cannot_be_guessed(world: World) {
    let new = world.ann().await;
    let who = world.who(&new.secret).await.unwrap();
    let set = async |current: &str| {
        let current = Some(password(current));
        world
            .service
            .set_password(&who, current, password("a newer long password"))
            .await
    };
    for _ in 0..5 {
        let wrong = set("wrong horse battery").await;
        assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    }
    let guess = set(PASSWORD).await;
    assert!(
        matches!(guess, Err(IdentityError::TooManyFailures { .. })),
        "{guess:?}"
    );
    world.clock.advance(TimeDelta::seconds(1));
    set(PASSWORD).await.unwrap();
}

async fn a_session_ends_when_it_is_not_used(world: World) {
    let new = world.ann().await;
    let remembered = world.log_in(PASSWORD, home(), true).await.unwrap();
    assert_ne!(new.secret.reveal(), remembered.secret.reveal());
    // Using it keeps it alive.
    world.clock.advance(TimeDelta::hours(11));
    assert!(world.who(&new.secret).await.is_some());
    world.clock.advance(TimeDelta::hours(11));
    assert!(world.who(&new.secret).await.is_some());
    world.clock.advance(Session::IDLE);
    assert!(world.who(&new.secret).await.is_none());
    assert!(world.who(&remembered.secret).await.is_some());
    world.clock.advance(Session::IDLE_REMEMBERED);
    assert!(world.who(&remembered.secret).await.is_none());
    let unknown = SessionSecret::random().unwrap();
    assert!(world.who(&unknown).await.is_none());

    let operator = Operator::local();
    let forgotten = world.service.forget_old_sessions(&operator).await.unwrap();
    assert_eq!(forgotten, 2);
    world.clock.advance(Patience::MEMORY);
    assert_eq!(
        world.service.forget_old_sessions(&operator).await.unwrap(),
        0
    );
}

async fn blocking_takes_effect_at_the_next_request(world: World) {
    let new = world.ann().await;
    let who = world.who(&new.secret).await.unwrap();
    let operator = Operator::local();
    let organization = who.workplace().unwrap().organization_id;
    let service = &world.service;
    service
        .block_organization(&operator, organization)
        .await
        .unwrap();
    let blocked = world.who(&new.secret).await.unwrap();
    assert_eq!(blocked.actor(), None);
    service
        .unblock_organization(&operator, organization)
        .await
        .unwrap();
    assert!(world.who(&new.secret).await.unwrap().actor().is_some());
    service.block_user(&operator, who.user.id).await.unwrap();
    assert!(world.who(&new.secret).await.is_none());
    let refused = world.log_in(PASSWORD, home(), false).await;
    let Err(IdentityError::Refused(Refusal::UserBlocked)) = refused else {
        panic!("{refused:?}");
    };
    let refused = world.log_in("wrong horse battery", home(), false).await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
}

async fn sessions_are_ended_one_by_one_or_all_others(world: World) {
    let first = world.ann().await;
    let second = world
        .log_in(PASSWORD, client("198.51.100.9"), true)
        .await
        .unwrap();
    let third = world.log_in(PASSWORD, home(), false).await.unwrap();
    let who = world.who(&first.secret).await.unwrap();
    let own = world.service.own_sessions(&who).await.unwrap();
    assert_eq!(own.len(), 3);
    assert_eq!(own[0].id, third.session.id);
    assert_eq!(own[1].client.network, "198.51.100.0".parse().ok());

    world
        .service
        .end_session(&who, third.session.id)
        .await
        .unwrap();
    assert!(world.who(&third.secret).await.is_none());
    let again = world.service.end_session(&who, third.session.id).await;
    assert!(matches!(again, Err(IdentityError::SessionNotFound(_))));
    assert_eq!(world.service.end_other_sessions(&who).await.unwrap(), 1);
    assert!(world.who(&second.secret).await.is_none());
    assert!(world.who(&first.secret).await.is_some());

    // Somebody else's session is none of one's own.
    let command = CreateUser {
        email: "bob@example.com".parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: Some(password("another long password").into()),
        role: Role::Viewer,
    };
    let organization = who.actor().unwrap().organization_id();
    let made = world
        .service
        .create_user(&Operator::local(), organization, command)
        .await;
    made.unwrap();
    let bob = LogIn {
        email: "bob@example.com".parse().unwrap(),
        password: password("another long password"),
        remember: false,
    };
    let bob = world.service.log_in(bob, home()).await.unwrap();
    let bob = world.who(&bob.secret).await.unwrap();
    let foreign = world.service.end_session(&bob, first.session.id).await;
    assert!(matches!(foreign, Err(IdentityError::SessionNotFound(_))));
    assert!(world.who(&first.secret).await.is_some());
}

async fn a_new_password_ends_every_session(world: World) {
    let new = world.ann().await;
    let who = world.who(&new.secret).await.unwrap();
    let current = Some(password(PASSWORD));
    let changed = world
        .service
        .set_password(&who, current, password("a newer long password"))
        .await;
    changed.unwrap();
    assert!(world.who(&new.secret).await.is_none());
    let old = world.log_in(PASSWORD, home(), false).await;
    assert!(matches!(old, Err(IdentityError::WrongPassword)));
    assert!(
        world
            .log_in("a newer long password", home(), false)
            .await
            .is_ok()
    );
}

async fn people_work_in_the_organization_of_their_choice(world: World) {
    let new = world.ann().await;
    let operator = Operator::local();
    let organization = async |name: &str| {
        let command = CreateOrganization::named(name.parse().unwrap());
        let made = world.service.create_organization(&operator, command).await;
        made.unwrap().id
    };
    let (second, foreign) = (organization("Zoo").await, organization("Other").await);
    let command = mauntic_core::identity::AddMember {
        email: "ann@example.com".parse().unwrap(),
        role: Role::Viewer,
    };
    let elsewhere = Actor::system(second);
    let added = world.service.add_member(&operator, second, command);
    added.await.unwrap();

    let who = world.who(&new.secret).await.unwrap();
    let names: Vec<_> = who
        .workplaces
        .iter()
        .map(|place| place.name.as_str())
        .collect();
    assert_eq!(names, ["Acme", "Zoo"]);
    world
        .service
        .switch_organization(&who, second)
        .await
        .unwrap();
    let there = world.who(&new.secret).await.unwrap().actor().unwrap();
    assert_eq!(
        (there.organization_id(), there.role()),
        (second, Role::Viewer)
    );
    world.clock.advance(TimeDelta::minutes(2));
    world.who(&new.secret).await.unwrap();
    let active = async |actor: &Actor| {
        let member = world.service.member(actor, who.user.id).await;
        member.unwrap().last_active_at
    };
    let now = mauntic_core::Clock::now(&*world.clock);
    assert_eq!(active(&elsewhere).await, Some(now));
    assert_eq!(active(&who.actor().unwrap()).await, None, "only there");
    let refused = world.service.switch_organization(&who, foreign).await;
    assert!(matches!(
        refused,
        Err(IdentityError::OrganizationNotFound(_))
    ));

    // Who is no member there any more is back in the other one.
    world
        .service
        .remove_member(&elsewhere, who.user.id)
        .await
        .unwrap();
    let back = world.who(&new.secret).await.unwrap();
    assert_eq!(back.workplace().unwrap().name.as_str(), "Acme");
}
