//! The use cases of Identity on SQLite.

use std::sync::Arc;

use mauntic_core::{
    Actor, Clock as _, Operator, Principal, RelayStore as _, Role, UserId,
    identity::{
        CreateOrganization, CreateToken, CreateUser, IdentityError, IdentityService, NewToken,
        Organization, Refusal, storage::SeaOrmIdentityStore,
    },
    storage::{DbOptions, SeaOrmRelayStore, test_database::TestDatabase},
    testing::{CountingIds, ManualClock},
};

pub(crate) struct Fixture {
    pub(crate) service: IdentityService,
    pub(crate) store: Arc<SeaOrmIdentityStore>,
    pub(crate) clock: Arc<ManualClock>,
    _database: TestDatabase,
}

pub(crate) const OPERATOR: fn() -> Operator = Operator::local;

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::sqlite();
        let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
        let store = Arc::new(store.unwrap());
        let clock = Arc::<ManualClock>::default();
        let ids = Arc::<CountingIds>::default();
        let service = IdentityService::new(store.clone(), clock.clone(), ids);
        Self {
            service,
            store,
            clock,
            _database: database,
        }
    }

    pub(crate) async fn organization(&self, name: &str) -> Organization {
        let command = CreateOrganization::named(name.parse().unwrap());
        self.service
            .create_organization(&OPERATOR(), command)
            .await
            .unwrap()
    }

    pub(crate) async fn member(
        &self,
        organization: &Organization,
        email: &str,
        role: Role,
    ) -> Actor {
        let command = CreateUser {
            email: email.parse().unwrap(),
            name: "Ann".parse().unwrap(),
            password: None,
            role,
        };
        let made = self
            .service
            .create_user(&OPERATOR(), organization.id, command)
            .await;
        let member = made.unwrap();
        Actor::user(organization.id, member.user_id, role)
    }

    pub(crate) async fn token(&self, actor: &Actor) -> NewToken {
        self.service
            .create_token(actor, token(actor.role()))
            .await
            .unwrap()
    }

    pub(crate) async fn refusal(&self, token: &NewToken) -> Refusal {
        match self.service.authenticate(token.secret.reveal()).await {
            Err(IdentityError::Refused(refusal)) => refusal,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    pub(crate) async fn events(&self, types: &[&'static str]) -> Vec<String> {
        let relay = SeaOrmRelayStore::new(self.store.db().clone());
        let routes: Vec<_> = types.iter().map(|event| (*event, "test")).collect();
        let now = self.clock.now();
        relay.fan_out(&routes, now, 100).await.unwrap();
        let claimed = relay.claim(now, now, 100).await.unwrap();
        claimed
            .into_iter()
            .map(|delivery| delivery.envelope.event_type)
            .collect()
    }
}

pub(crate) fn token(role: Role) -> CreateToken {
    CreateToken {
        name: "nightly import".parse().unwrap(),
        role,
        scopes: None,
        expires_at: None,
    }
}

pub(crate) fn id(actor: &Actor) -> UserId {
    match actor.principal() {
        Principal::User { id } => id,
        other => panic!("expected a user, found {other}"),
    }
}
