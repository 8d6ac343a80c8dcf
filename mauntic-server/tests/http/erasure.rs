//! Organisations that are deleted: nothing of them is left in any table of any context, wherever the worker is cut off.

use std::{collections::BTreeMap, future::poll_fn, sync::Arc, task::Poll};

use chrono::TimeDelta;
use mauntic_core::{
    IdSource as _, Operator, OrganizationId, PageSize, UserId, UuidV7Source, WorkerId,
    identity::User,
    storage::{
        filling::{fill, rows_of},
        test_database::TestDatabase,
    },
};
use mauntic_server::{App, Job, jobs};
use tokio_util::sync::CancellationToken;

use crate::support::Installation;

/// Remembers that there was an organisation.
const REMEMBERED: &str = "erasure";
/// The smallest image there is.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The worker of a process that has just started.
fn worker(app: &App) -> Arc<dyn Job> {
    let mut jobs = jobs(app).into_iter();
    jobs.find(|job| job.name() == "erasures").unwrap()
}

/// How many rows an organisation has in each table of all contexts.
async fn rows(app: &App, organization: OrganizationId) -> BTreeMap<String, i64> {
    let mut all = BTreeMap::new();
    for db in app.databases() {
        let mut found = rows_of(db, organization).await.unwrap();
        found.remove(REMEMBERED);
        let found = found.into_iter();
        all.extend(found.map(|(table, rows)| (format!("{}.{table}", db.context()), rows)));
    }
    all
}

/// Somebody with an account and no membership.
async fn user(app: &App, email: &str) -> UserId {
    let (id, name) = (UserId::generate(&UuidV7Source), "Ann".parse().unwrap());
    let user = User::new(id, email.parse().unwrap(), name, None, app.clock.now());
    let mut uow = app.identity_store.begin().await.unwrap();
    uow.users().insert(&user).await.unwrap();
    uow.commit().await.unwrap();
    user.id
}

/// An installation where two organisations have rows in every table. Ann works in the first, Bob in both.
struct Filled {
    installation: Installation,
    ours: OrganizationId,
    theirs: OrganizationId,
    ann: UserId,
    bob: UserId,
}

impl Filled {
    async fn new(database: TestDatabase) -> Self {
        let installation = Installation::on(database).await;
        let app = &installation.app;
        let ours = installation.ours.organization_id();
        let all = app
            .identity
            .organizations(&Operator::local(), None, PageSize::default())
            .await;
        let all = all.unwrap().items.into_iter();
        let theirs = all.map(|found| found.id).find(|id| *id != ours).unwrap();
        let [ann, bob] = ["ann@example.com", "bob@example.com"].map(|email| user(app, email));
        let (ann, bob) = (ann.await, bob.await);
        for db in app.databases() {
            fill(db, ours, &[ann, bob], &[REMEMBERED]).await.unwrap();
            fill(db, theirs, &[bob], &[REMEMBERED]).await.unwrap();
        }
        app.images
            .add(&installation.ours, "a.png", PNG)
            .await
            .unwrap();
        for organization in [ours, theirs] {
            let counted = rows(app, organization).await;
            let empty: Vec<_> = counted.iter().filter(|(_, rows)| **rows == 0).collect();
            assert!(empty.is_empty(), "not filled: {empty:?}");
        }
        Self {
            installation,
            ours,
            theirs,
            ann,
            bob,
        }
    }

    fn app(&self) -> &App {
        &self.installation.app
    }

    async fn delete_now(&self) {
        let operator = Operator::local();
        let now = TimeDelta::zero();
        let identity = &self.app().identity;
        let planned = identity.delete_organization(&operator, self.ours, now);
        planned.await.unwrap();
    }

    /// Nothing is left but the note that it was there; the other organisation is as it was.
    async fn assert_erased(&self, theirs_before: &BTreeMap<String, i64>) {
        let app = self.app();
        let left = rows(app, self.ours).await;
        let left: Vec<_> = left.iter().filter(|(_, rows)| **rows > 0).collect();
        assert!(left.is_empty(), "left: {left:?}");
        assert_eq!(&rows(app, self.theirs).await, theirs_before);
        let organizations = app.identity_store.organizations();
        assert_eq!(organizations.find(self.ours).await.unwrap(), None);
        let members = app.identity_store.members();
        assert_eq!(members.find_user(self.ann).await.unwrap(), None);
        assert!(members.find_user(self.bob).await.unwrap().is_some());
        let images = app
            .images
            .list(&self.installation.ours, None, PageSize::default());
        let images = images.await.unwrap().items;
        assert!(images.is_empty(), "{images:?}");
        let noted = app
            .identity
            .erasures(&Operator::local(), None, PageSize::default())
            .await;
        let noted = noted.unwrap().items;
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].organization_id, self.ours);
    }
}

async fn nothing_is_left_of_an_erased_organization(database: TestDatabase) {
    let filled = Filled::new(database).await;
    let theirs = rows(filled.app(), filled.theirs).await;
    let (worker, stop) = (worker(filled.app()), CancellationToken::new());
    assert!(!worker.run_once(&stop).await.unwrap(), "nothing is due");
    filled.delete_now().await;
    while worker.run_once(&stop).await.unwrap() {}
    filled.assert_erased(&theirs).await;
}

/// Polls a future so many times at the most, as if the process was killed then; `None` if it was not done.
async fn cut_off<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    poll_fn(move |context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Ends the lease of whoever was cut off, as time would.
async fn let_time_pass(app: &App) {
    let other = WorkerId::from_uuid(UuidV7Source.next());
    let later = app.clock.now() + TimeDelta::hours(1);
    let erasures = app.identity_store.erasures();
    erasures.claim(other, later, app.clock.now()).await.unwrap();
}

async fn whoever_comes_after_a_crash_goes_on(database: TestDatabase) {
    let filled = Filled::new(database).await;
    let theirs = rows(filled.app(), filled.theirs).await;
    filled.delete_now().await;
    let stop = CancellationToken::new();
    let (mut crashes, mut polls) = (0, 3);
    loop {
        match cut_off(polls, worker(filled.app()).run_once(&stop)).await {
            Some(Ok(false)) => break,
            Some(Ok(true)) => {}
            Some(Err(error)) => panic!("{error:#}"),
            None => {
                crashes += 1;
                // A little further each time, so that every place is one to be cut off at.
                polls += 7;
            }
        }
        let_time_pass(filled.app()).await;
    }
    assert!(crashes > 5, "cut off {crashes} times");
    filled.assert_erased(&theirs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_on_sqlite() {
    nothing_is_left_of_an_erased_organization(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_on_postgres() {
    nothing_is_left_of_an_erased_organization(TestDatabase::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_outlives_crashes_on_sqlite() {
    whoever_comes_after_a_crash_goes_on(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_outlives_crashes_on_postgres() {
    whoever_comes_after_a_crash_goes_on(TestDatabase::postgres().await).await;
}
