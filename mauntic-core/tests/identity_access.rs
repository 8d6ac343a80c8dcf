//! Every use case of Identity, as every role, as tokens of every role, and from another organisation, on both back ends.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

use std::sync::Arc;

use mauntic_core::{
    Actor, ApiTokenId, IdSource as _, InvitationId, OauthClientId, Operator, OrganizationId,
    PageSize, Permission, Principal, Role, UserId, UuidV7Source,
    identity::{
        AuditFilter, CreateOauthClient, CreateOrganization, CreateToken, CreateUser, IdentityError,
        IdentityService, Invite, RequestDeletion, UpdateOauthClient, UpdateOrganization,
        WriteToMember, storage::SeaOrmIdentityStore,
    },
    storage::{DbOptions, test_database::TestDatabase},
    testing::{
        AccessCase, ManualClock, Reach, access_cases, assert_access, assert_complete,
        assert_none_elsewhere,
    },
};

struct Fixture {
    service: IdentityService,
    own: OrganizationId,
    other: OrganizationId,
    viewer: UserId,
    owner: UserId,
    invitation: InvitationId,
    token: ApiTokenId,
    client: OauthClientId,
}

fn new_user(email: &str, role: Role) -> CreateUser {
    CreateUser {
        email: email.parse().unwrap(),
        name: "Ann".parse().unwrap(),
        password: None,
        role,
    }
}

/// Somebody new, with that role.
async fn member(service: &IdentityService, organization: OrganizationId, role: Role) -> UserId {
    let email = format!("{}@example.com", UuidV7Source.next().simple());
    let operator = Operator::local();
    let made = service.create_user(&operator, organization, new_user(&email, role));
    made.await.unwrap().user_id
}

fn new_invite(email: &str) -> Invite {
    Invite {
        email: email.parse().unwrap(),
        role: Role::Viewer,
    }
}

fn new_token() -> CreateToken {
    CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Viewer,
        scopes: Some([].into()),
        expires_at: None,
    }
}

fn new_client() -> CreateOauthClient {
    CreateOauthClient {
        name: "an app".parse().unwrap(),
        redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
        confidential: true,
        machine: None,
    }
}

impl Fixture {
    /// Two organisations of their own, in a store that others are in.
    async fn new(service: &IdentityService) -> Self {
        let service = service.clone();
        let organization = async |name: &str| {
            let command = CreateOrganization::named(name.parse().unwrap());
            let created = service
                .create_organization(&Operator::local(), command)
                .await;
            created.unwrap().id
        };
        let (own, other) = (organization("Own").await, organization("Other").await);
        let operator = Actor::system(own);
        let viewer = member(&service, own, Role::Viewer).await;
        let owner = member(&service, own, Role::Owner).await;
        let invitation = service.invite(&operator, new_invite("ann@example.com"));
        let invitation = invitation.await.unwrap().id;
        let token = service
            .create_token(&operator, new_token())
            .await
            .unwrap()
            .token
            .id;
        let client = service.create_oauth_client(&operator, new_client());
        let client = client.await.unwrap().client.id;
        Self {
            service,
            own,
            other,
            viewer,
            owner,
            invitation,
            token,
            client,
        }
    }

    /// The same actor as somebody who is really there: a member with that role, or a token that may do as much.
    async fn real(&self, actor: &Actor) -> Actor {
        let (organization, role) = (actor.organization_id(), actor.role());
        match actor.principal() {
            Principal::User { .. } => {
                let user = member(&self.service, organization, role).await;
                Actor::user(organization, user, role)
            }
            Principal::Token { .. } => {
                let all = Permission::ALL
                    .into_iter()
                    .map(|(permission, _)| permission);
                let command = CreateToken {
                    role,
                    scopes: Some(all.filter(|permission| actor.may(*permission)).collect()),
                    ..new_token()
                };
                let operator = Actor::system(organization);
                let made = self.service.create_token(&operator, command).await;
                let secret = made.unwrap().secret;
                let actor = self.service.authenticate(secret.reveal()).await;
                actor.unwrap()
            }
            Principal::App { .. } | Principal::System => actor.clone(),
        }
    }

    /// Whether a call that names no record stayed within the caller's organisation.
    fn within(&self, actor: &Actor, organization: OrganizationId) -> Reach {
        assert_eq!(actor.organization_id(), organization);
        if organization == self.own {
            Reach::Allowed
        } else {
            Reach::Unseen
        }
    }

    /// What changes who is a member, and who is invited.
    async fn call_for_members(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, IdentityError> {
        let service = &self.service;
        match use_case {
            "block_member" => {
                service.block_member(actor, self.viewer).await?;
                Ok(Reach::Allowed)
            }
            "unblock_member" => {
                service.unblock_member(actor, self.viewer).await?;
                Ok(Reach::Allowed)
            }
            "invite" => {
                let made = service.invite(actor, new_invite("bob@example.com")).await?;
                Ok(self.within(actor, made.organization_id))
            }
            "invitations" => {
                let all = service
                    .invitations(actor, None, PageSize::default())
                    .await?;
                let here = all.items.iter().any(|found| found.id == self.invitation);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "resend_invitation" => {
                service.resend_invitation(actor, self.invitation).await?;
                Ok(Reach::Allowed)
            }
            "revoke_invitation" => {
                service.revoke_invitation(actor, self.invitation).await?;
                Ok(Reach::Allowed)
            }
            "write_to_member" => {
                let command = WriteToMember {
                    subject: "Hello".parse().unwrap(),
                    text: "How are you?".parse().unwrap(),
                    page: None,
                };
                match service.write_to_member(actor, self.viewer, command).await {
                    // A token that may see members is told that letters are for people.
                    Ok(()) | Err(IdentityError::NotByPrograms) => Ok(Reach::Allowed),
                    Err(error) => Err(error),
                }
            }
            "transfer_ownership" => {
                let (from, to) = (self.owner, self.viewer);
                service.transfer_ownership(actor, from, to).await?;
                Ok(Reach::Allowed)
            }
            other => self.call_for_clients(other, actor).await,
        }
    }

    /// What is about apps.
    async fn call_for_clients(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, IdentityError> {
        let service = &self.service;
        match use_case {
            "create_oauth_client" => {
                let made = service.create_oauth_client(actor, new_client()).await?;
                Ok(self.within(actor, made.client.organization_id))
            }
            "delete_oauth_client" => {
                service.delete_oauth_client(actor, self.client).await?;
                Ok(Reach::Allowed)
            }
            "oauth_client" => {
                let client = service.oauth_client(actor, self.client).await?;
                assert_eq!(client.id, self.client);
                Ok(Reach::Allowed)
            }
            "oauth_clients" => {
                let all = service.oauth_clients(actor, None, PageSize::default());
                let here = all.await?.items.iter().any(|one| one.id == self.client);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "rotate_oauth_secret" => {
                service.rotate_oauth_secret(actor, self.client).await?;
                Ok(Reach::Allowed)
            }
            "update_oauth_client" => {
                let command = UpdateOauthClient {
                    name: Some("Renamed".parse().unwrap()),
                    ..UpdateOauthClient::default()
                };
                service
                    .update_oauth_client(actor, self.client, command)
                    .await?;
                Ok(Reach::Allowed)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    async fn call(&self, use_case: &str, actor: &Actor) -> Result<Reach, IdentityError> {
        let (service, all) = (&self.service, PageSize::default());
        match use_case {
            "audit_log" => {
                let page = service
                    .audit_log(actor, &AuditFilter::default(), None, all)
                    .await?;
                let first = page.items.first().expect("the creation was recorded");
                assert!(
                    page.items
                        .iter()
                        .all(|e| e.organization_id == first.organization_id)
                );
                Ok(self.within(actor, first.organization_id))
            }
            "change_member" => {
                service
                    .change_member(actor, self.viewer, Role::Member, None)
                    .await?;
                Ok(Reach::Allowed)
            }
            "create_token" => {
                let created = service.create_token(actor, new_token()).await?;
                Ok(self.within(actor, created.token.organization_id))
            }
            "member" => {
                let member = service.member(actor, self.viewer).await?;
                assert_eq!(member.user_id, self.viewer);
                Ok(Reach::Allowed)
            }
            "members" => {
                let members = service.members(actor, None, all).await?.items;
                let here = members.iter().any(|member| member.user_id == self.viewer);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "search_members" => {
                let found = service.search_members(actor, "ANN", all).await?;
                let here = found.iter().any(|member| member.user_id == self.viewer);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "search_tokens" => {
                let found = service.search_tokens(actor, "TOKEN", all).await?;
                let here = found.iter().any(|token| token.id == self.token);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "organization" => Ok(self.within(actor, service.organization(actor).await?.id)),
            "remove_member" => {
                service.remove_member(actor, self.viewer).await?;
                Ok(Reach::Allowed)
            }
            "revoke_token" => {
                service.revoke_token(actor, self.token).await?;
                Ok(Reach::Allowed)
            }
            "token" => {
                let token = service.token(actor, self.token).await?;
                assert_eq!(token.id, self.token);
                Ok(Reach::Allowed)
            }
            "tokens" => {
                let tokens = service.tokens(actor, None, all).await?.items;
                let here = tokens.iter().any(|token| token.id == self.token);
                Ok(if here { Reach::Allowed } else { Reach::Unseen })
            }
            "update_organization" => {
                let command = UpdateOrganization {
                    name: Some("Renamed".parse().unwrap()),
                    ..UpdateOrganization::default()
                };
                let updated = service.update_organization(actor, command).await?;
                Ok(self.within(actor, updated.id))
            }
            "request_deletion" => {
                // A user who deletes shows a session, and these have none.
                let operator = Actor::system(actor.organization_id());
                let named = service.organization(&operator).await?;
                let command = RequestDeletion {
                    name: named.name.to_string(),
                    who: None,
                    password: None,
                };
                match service.request_deletion(actor, command).await {
                    Ok(deleted) => Ok(self.within(actor, deleted.id)),
                    Err(IdentityError::WrongPassword) => {
                        Ok(self.within(actor, actor.organization_id()))
                    }
                    Err(error) => Err(error),
                }
            }
            "restore_organization" => {
                let kept = service.restore_organization(actor).await?;
                Ok(self.within(actor, kept.id))
            }
            other => self.call_for_members(other, actor).await,
        }
    }
}

async fn attempt(fixture: &Fixture, case: &AccessCase) -> Reach {
    let actor = fixture.real(&case.actor).await;
    match fixture.call(case.use_case, &actor).await {
        Ok(reach) => reach,
        Err(IdentityError::Forbidden(_)) => Reach::Forbidden,
        // It may call, only not give a role that may more than itself.
        Err(IdentityError::RoleBeyondScope(..)) => Reach::Allowed,
        Err(
            IdentityError::UserNotFound(_)
            | IdentityError::TokenNotFound(_)
            | IdentityError::InvitationNotFound(_)
            | IdentityError::OauthClientNotFound,
        ) => Reach::Unseen,
        Err(error) => panic!("{} by {}: {error}", case.use_case, case.who),
    }
}

/// Each case has organisations of its own in one database.
async fn every_use_case_asks_for_its_permission_and_stays_at_home(database: TestDatabase) {
    let store = SeaOrmIdentityStore::open(&database.target, DbOptions::default()).await;
    let clock = Arc::<ManualClock>::default();
    let service = IdentityService::new(Arc::new(store.unwrap()), clock, Arc::new(UuidV7Source));
    let use_cases = IdentityService::USE_CASES;
    let [own, other] = [(); 2].map(|()| OrganizationId::generate(&UuidV7Source));
    let cases = access_cases(use_cases, own, other, &UuidV7Source);
    assert_access(&cases, async |case: &AccessCase| {
        let fixture = Fixture::new(&service).await;
        let cases = access_cases(use_cases, fixture.own, fixture.other, &UuidV7Source);
        let same = |found: &&AccessCase| found.use_case == case.use_case && found.who == case.who;
        attempt(&fixture, cases.iter().find(same).unwrap()).await
    })
    .await;
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
        let database = TestDatabase::sqlite();
        super::every_use_case_asks_for_its_permission_and_stays_at_home(database).await;
    }
}

mod postgres {
    use super::*;

    #[tokio::test]
    async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
        let database = TestDatabase::postgres().await;
        super::every_use_case_asks_for_its_permission_and_stays_at_home(database).await;
    }
}

#[test]
fn every_use_case_is_listed() {
    assert_complete(
        IdentityService::USE_CASES,
        &[concat!(env!("CARGO_MANIFEST_DIR"), "/src/identity/service")],
    );
}

#[test]
fn no_use_case_stands_elsewhere() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/identity/service");
    // It writes down what a use case that asked for permission has done.
    assert_none_elsewhere(source, &[place], &["audit"]);
}
