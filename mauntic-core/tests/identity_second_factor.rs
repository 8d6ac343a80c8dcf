//! Logging in with an authenticator app or a recovery code, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/identity.rs"]
#[expect(dead_code, reason = "no letters here")]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Operator,
    identity::{IdentityError, LogIn, LoggedIn, RecoveryCode, SessionSecret},
};
use support::{PASSWORD, World, client, home, password};
use totp_rs::{Builder, Secret, Totp};

on_both!(
    a_login_waits_for_the_code_and_then_has_another_session,
    no_login_slips_past_a_second_factor_that_is_switched_on,
    a_code_works_once_even_for_two_at_the_same_time,
    wrong_codes_soon_have_to_wait_wherever_they_come_from,
    a_recovery_code_stands_for_the_app_once,
    a_secret_waits_an_hour_for_its_first_code,
    switching_on_needs_the_password,
    switching_off_needs_the_password,
    the_operator_helps_those_who_lost_everything,
);

/// The app with the secret that it was given.
fn app(secret: &str) -> Totp {
    let secret = Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

fn code(app: &Totp, world: &World) -> String {
    let now = mauntic_core::Clock::now(&*world.clock).timestamp();
    app.generate(now.try_into().unwrap()).to_string()
}

/// Ann's app and recovery codes, half a minute after she switched it on.
async fn enrol(world: &World, ann: &LoggedIn) -> (Totp, Vec<RecoveryCode>) {
    let enrolment = world.service.begin_second_factor(ann).await.unwrap();
    let app = app(&enrolment.secret);
    let code = code(&app, world);
    let codes = world
        .service
        .confirm_second_factor(ann, Some(password(PASSWORD)), &code);
    let codes = codes.await;
    world.clock.advance(TimeDelta::seconds(30));
    (app, codes.unwrap())
}

async fn waiting(world: &World) -> SessionSecret {
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(new.session.awaits_second_factor);
    new.secret
}

async fn a_login_waits_for_the_code_and_then_has_another_session(world: World) {
    let ann = world.ann().await;
    let before = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(!before.session.awaits_second_factor);
    let (app, codes) = enrol(&world, &ann).await;
    assert_eq!(codes.len(), RecoveryCode::COUNT);
    assert!(world.who(&before.secret).await.is_none(), "began without");
    let state = world.service.second_factor(&ann).await.unwrap();
    assert!(state.on_since.is_some());
    assert_eq!(state.recovery_codes_left, 10);

    let secret = waiting(&world).await;
    assert!(world.who(&secret).await.is_none(), "not logged in yet");
    assert!(world.service.awaits_second_factor(&secret).await.unwrap());
    let own = world.service.own_sessions(&ann).await.unwrap();
    assert_eq!(own.len(), 1, "a session that waits is none yet");
    let wrong = world
        .service
        .give_second_factor(&secret, "000000", home())
        .await;
    assert!(matches!(wrong, Err(IdentityError::WrongCode)), "{wrong:?}");
    let right = code(&app, &world);
    let new = world
        .service
        .give_second_factor(&secret, &right, home())
        .await;
    let new = new.unwrap();
    assert!(world.who(&new.secret).await.is_some());
    assert!(world.who(&secret).await.is_none(), "rotated");
    assert!(!world.service.awaits_second_factor(&secret).await.unwrap());

    // A login that waits for long is over.
    let secret = waiting(&world).await;
    world.clock.advance(TimeDelta::minutes(10));
    let right = code(&app, &world);
    let late = world
        .service
        .give_second_factor(&secret, &right, home())
        .await;
    assert!(
        matches!(late, Err(IdentityError::NoCodeAwaited)),
        "{late:?}"
    );
    assert_eq!(
        world.log(&ann.actor().unwrap()).await[..2],
        ["user.logged_in", "user.second_factor_on"]
    );
}

/// Whoever logs in while it is switched on is either asked for a code, or logged out again.
async fn no_login_slips_past_a_second_factor_that_is_switched_on(world: World) {
    let ann = world.ann().await;
    for _ in 0..4 {
        let enrolment = world.service.begin_second_factor(&ann).await.unwrap();
        let code = code(&app(&enrolment.secret), &world);
        let logins: Vec<_> = (0..3)
            .map(|_| {
                let (service, command) = (world.service.clone(), log_in_as_ann());
                tokio::spawn(async move { service.log_in(command, home()).await })
            })
            .collect();
        let confirmed = world
            .service
            .confirm_second_factor(&ann, Some(password(PASSWORD)), &code);
        confirmed.await.unwrap();
        for login in logins {
            let new = login.await.unwrap().unwrap();
            assert!(world.who(&new.secret).await.is_none());
        }
        let off = world
            .service
            .end_second_factor(&ann, Some(password(PASSWORD)));
        off.await.unwrap();
    }
}

fn log_in_as_ann() -> LogIn {
    LogIn {
        email: "ann@example.com".parse().unwrap(),
        password: password(PASSWORD),
        remember: false,
    }
}

async fn a_code_works_once_even_for_two_at_the_same_time(world: World) {
    let ann = world.ann().await;
    let enrolment = world.service.begin_second_factor(&ann).await.unwrap();
    let app = app(&enrolment.secret);
    let first = code(&app, &world);
    world
        .service
        .confirm_second_factor(&ann, Some(password(PASSWORD)), &first)
        .await
        .unwrap();
    // The code that switched it on is used.
    let secret = waiting(&world).await;
    let again = world
        .service
        .give_second_factor(&secret, &first, home())
        .await;
    assert!(matches!(again, Err(IdentityError::WrongCode)), "{again:?}");
    world.clock.advance(TimeDelta::seconds(30));
    let code = code(&app, &world);
    let mut tries = Vec::new();
    for _ in 0..4 {
        let (service, code) = (world.service.clone(), code.clone());
        let secret = waiting(&world).await;
        tries.push(tokio::spawn(async move {
            service.give_second_factor(&secret, &code, home()).await
        }));
    }
    let mut done = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => done += 1,
            Err(IdentityError::WrongCode | IdentityError::TooManyFailures { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(done, 1);
}

async fn wrong_codes_soon_have_to_wait_wherever_they_come_from(world: World) {
    let ann = world.ann().await;
    let (app, _) = enrol(&world, &ann).await;
    let secret = waiting(&world).await;
    let give = async |code: &str, from: &str| {
        let given = world
            .service
            .give_second_factor(&secret, code, client(from));
        given.await
    };
    for _ in 0..5 {
        let wrong = give("000000", "203.0.113.7").await;
        assert!(matches!(wrong, Err(IdentityError::WrongCode)), "{wrong:?}");
    }
    let right = code(&app, &world);
    let refused = give(&right, "203.0.113.7").await;
    assert!(
        matches!(refused, Err(IdentityError::TooManyFailures { .. })),
        "{refused:?}"
    );
    // From many networks it goes on for a while, but not for long.
    for number in 1..=5 {
        let wrong = give("000000", &format!("198.51.{number}.1")).await;
        assert!(matches!(wrong, Err(IdentityError::WrongCode)), "{wrong:?}");
    }
    let refused = give(&right, "192.0.2.1").await;
    assert!(
        matches!(refused, Err(IdentityError::TooManyFailures { .. })),
        "{refused:?}"
    );
    world.clock.advance(TimeDelta::seconds(30));
    let right = code(&app, &world);
    assert!(give(&right, "203.0.113.7").await.is_ok());
}

async fn a_recovery_code_stands_for_the_app_once(world: World) {
    let ann = world.ann().await;
    let (_, codes) = enrol(&world, &ann).await;
    let typed = codes[3].reveal().to_uppercase();
    let secret = waiting(&world).await;
    let given = world.service.give_second_factor(&secret, &typed, home());
    assert!(given.await.is_ok());
    assert_eq!(
        world.log(&ann.actor().unwrap()).await[..2],
        ["user.logged_in", "user.recovery_code_used"]
    );
    let secret = waiting(&world).await;
    let given = world
        .service
        .give_second_factor(&secret, &typed, home())
        .await;
    assert!(matches!(given, Err(IdentityError::WrongCode)), "{given:?}");
    let state = world.service.second_factor(&ann).await.unwrap();
    assert_eq!(state.recovery_codes_left, 9);
    // New ones end the old ones.
    let renewed = world
        .service
        .renew_recovery_codes(&ann, Some(password(PASSWORD)));
    let renewed = renewed.await.unwrap();
    let old = codes[4].reveal();
    let given = world
        .service
        .give_second_factor(&secret, &old, home())
        .await;
    assert!(matches!(given, Err(IdentityError::WrongCode)), "{given:?}");
    let new = renewed[0].reveal();
    let given = world.service.give_second_factor(&secret, &new, home());
    assert!(given.await.is_ok());
}

async fn a_secret_waits_an_hour_for_its_first_code(world: World) {
    let ann = world.ann().await;
    let first = world.service.begin_second_factor(&ann).await.unwrap();
    let shown_again = world.service.begin_second_factor(&ann).await.unwrap();
    assert_eq!(first, shown_again);
    // Until then nothing changes.
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(!new.session.awaits_second_factor);
    let wrong = world
        .service
        .confirm_second_factor(&ann, Some(password(PASSWORD)), "000000");
    let wrong = wrong.await;
    assert!(matches!(wrong, Err(IdentityError::WrongCode)), "{wrong:?}");
    world.clock.advance(TimeDelta::hours(1));
    let late = code(&app(&first.secret), &world);
    let late = world
        .service
        .confirm_second_factor(&ann, Some(password(PASSWORD)), &late);
    let late = late.await;
    assert!(
        matches!(late, Err(IdentityError::SecondFactorOff)),
        "{late:?}"
    );
    let second = world.service.begin_second_factor(&ann).await.unwrap();
    assert_ne!(first, second);
}

/// Whoever has the session alone, as in a browser that was left open, does not lock the owner out.
async fn switching_on_needs_the_password(world: World) {
    let ann = world.ann().await;
    let enrolment = world.service.begin_second_factor(&ann).await.unwrap();
    let code = code(&app(&enrolment.secret), &world);
    for wrong in [None, Some(password("wrong horse battery"))] {
        let refused = world
            .service
            .confirm_second_factor(&ann, wrong, &code)
            .await;
        assert!(
            matches!(refused, Err(IdentityError::WrongPassword)),
            "{refused:?}"
        );
    }
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(!new.session.awaits_second_factor);
    // The code was not used up by that.
    let on = world
        .service
        .confirm_second_factor(&ann, Some(password(PASSWORD)), &code);
    on.await.unwrap();
    waiting(&world).await;
}

async fn switching_off_needs_the_password(world: World) {
    let ann = world.ann().await;
    enrol(&world, &ann).await;
    let again = world.service.begin_second_factor(&ann).await;
    assert!(
        matches!(again, Err(IdentityError::SecondFactorOn)),
        "{again:?}"
    );
    for _ in 0..5 {
        let wrong = Some(password("wrong horse battery"));
        let wrong = world.service.end_second_factor(&ann, wrong).await;
        assert!(matches!(wrong, Err(IdentityError::WrongPassword)));
    }
    let guess = world
        .service
        .end_second_factor(&ann, Some(password(PASSWORD)))
        .await;
    assert!(matches!(guess, Err(IdentityError::TooManyFailures { .. })));
    world.clock.advance(TimeDelta::minutes(1));
    let off = world
        .service
        .end_second_factor(&ann, Some(password(PASSWORD)));
    off.await.unwrap();
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(!new.session.awaits_second_factor);
    let again = world
        .service
        .end_second_factor(&ann, Some(password(PASSWORD)))
        .await;
    assert!(matches!(again, Err(IdentityError::SecondFactorOff)));
}

async fn the_operator_helps_those_who_lost_everything(world: World) {
    let ann = world.ann().await;
    enrol(&world, &ann).await;
    let operator = Operator::local();
    let reset = world.service.reset_second_factor(&operator, ann.user.id);
    reset.await.unwrap();
    let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
    assert!(world.who(&new.secret).await.is_some());
    let again = world.service.reset_second_factor(&operator, ann.user.id);
    assert!(matches!(again.await, Err(IdentityError::SecondFactorOff)));
    assert_eq!(
        world.log(&ann.actor().unwrap()).await[..2],
        ["user.logged_in", "user.second_factor_reset"]
    );
}
