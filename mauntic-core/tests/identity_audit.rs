//! Whatever somebody changes in Identity is in its audit log.
#![cfg(all(feature = "sqlite", feature = "testing"))]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "support/oauth.rs"]
#[expect(dead_code, reason = "no tokens are asked for")]
mod oauth;
#[path = "support/identity.rs"]
#[expect(dead_code, reason = "one database, and no look at one log")]
mod support;

use chrono::TimeDelta;
use mauntic_core::{
    Actor, ApiTokenId, Cause, Envelope, InvitationId, Operator, OrganizationId, PageSize, Role,
    SessionId, UserId,
    identity::{
        AddMember, AuditEntry, AuditFilter, CreateOrganization, CreateToken, CreateUser,
        IdentityError, IdentityService, Invite, LinkSecret, LoggedIn, MemberGone, Message,
        NewOauthClient, Notice, NotificationKind, ProvenLogin, RequestDeletion, Slug,
        UpdateOauthClient, UpdateOrganization, UpdateProfile, WriteToMember,
    },
    storage::test_database::{FileWatch, TestDatabase},
    testing::{Trace, assert_audited},
};
use support::{PASSWORD, World, password};

/// What use cases need to be there: Ann, who owns Acme with Bob in it, and is invited into Zoo.
struct Fixture {
    world: World,
    watch: FileWatch,
    ann: LoggedIn,
    actor: Actor,
    bob: UserId,
    elsewhere: SessionId,
    invitation: InvitationId,
    token: ApiTokenId,
    zoo: OrganizationId,
    link: LinkSecret,
    app: NewOauthClient,
}

fn sso() -> Slug {
    "sso".parse().unwrap()
}

fn zoo() -> CreateOrganization {
    CreateOrganization::named("Zoo".parse().unwrap())
}

fn invite(email: &str) -> Invite {
    Invite {
        email: email.parse().unwrap(),
        role: Role::Viewer,
    }
}

fn user(email: &str, role: Role) -> CreateUser {
    CreateUser {
        email: email.parse().unwrap(),
        name: "Bob".parse().unwrap(),
        password: None,
        role,
    }
}

fn token() -> CreateToken {
    CreateToken {
        name: "a token".parse().unwrap(),
        role: Role::Viewer,
        scopes: None,
        expires_at: None,
    }
}

impl Fixture {
    async fn of(use_case: &str) -> Self {
        let database = TestDatabase::sqlite();
        let target = database.target.clone();
        let world = World::new(database).await;
        let elsewhere = world.ann().await.session.id;
        let new = world.log_in("ann@example.com", PASSWORD).await.unwrap();
        let ann = world.who(&new.secret).await.unwrap();
        let (service, operator) = (&world.service, Operator::local());
        let actor = ann.actor().unwrap();
        let acme = actor.organization_id();
        let bob = user("bob@example.com", Role::Viewer);
        let bob = service.create_user(&operator, acme, bob).await.unwrap();
        let invitation = service.invite(&actor, invite("eve@example.com")).await;
        let token = service.create_token(&actor, token()).await.unwrap();
        let zoo = service.create_organization(&operator, zoo()).await.unwrap();
        let of_ann = invite(ann.user.email.as_str());
        let in_zoo = Actor::system(zoo.id);
        service.invite(&in_zoo, of_ann).await.unwrap();
        let link = world.letters().await.into_iter().find_map(|letter| {
            let to_ann = letter.to == ann.user.email;
            match letter.message {
                Message::Invitation { secret, .. } if to_ann => Some(secret),
                _ => None,
            }
        });
        let app = world.register(&actor, oauth::app(true)).await;
        let mut fixture = Self {
            app,
            watch: FileWatch::of(&target, "identity").await,
            bob: bob.user_id,
            elsewhere,
            invitation: invitation.unwrap().id,
            token: token.token.id,
            zoo: zoo.id,
            link: link.unwrap(),
            actor,
            ann,
            world,
        };
        fixture.prepare(use_case).await.unwrap();
        // As the next request finds it.
        fixture.ann = fixture.world.who(&new.secret).await.unwrap();
        fixture.actor = fixture.ann.actor().unwrap();
        fixture
    }

    /// What has to be done before a use case has something to do.
    async fn prepare(&self, use_case: &str) -> Result<(), IdentityError> {
        let (service, operator) = (&self.world.service, Operator::local());
        let acme = self.actor.organization_id();
        match use_case {
            "unblock_member" => service.block_member(&self.actor, self.bob).await,
            "restore_organization" => {
                let month = TimeDelta::days(30);
                let planned = service.delete_organization(&operator, acme, month);
                planned.await.map(|_| ())
            }
            "leave_organization" => {
                let second = user("second@example.com", Role::Owner);
                service.create_user(&operator, acme, second).await?;
                // Of what ends with a membership there are entries of their own.
                service.revoke_token(&self.actor, self.token).await?;
                service
                    .revoke_invitation(&self.actor, self.invitation)
                    .await
            }
            "switch_organization" => {
                let join = AddMember {
                    email: self.ann.user.email.clone(),
                    role: Role::Viewer,
                };
                let joined = service.add_member(&operator, self.zoo, join);
                joined.await.map(|_| ())
            }
            "revoke_oauth_grant" => {
                self.grant().await;
                Ok(())
            }
            "mark_notification_read" | "mark_notifications_read" => self.tell().await,
            "cancel_email_change" => self.ask_for_address().await,
            "unlink_login" => self.link().await,
            "end_second_factor" | "renew_recovery_codes" => self.switch_on().await,
            _ => Ok(()),
        }
    }

    /// Lets the app act for Ann.
    async fn grant(&self) {
        self.world.code(&self.ann, &self.app, "contacts:read").await;
    }

    /// Tells Ann something.
    async fn tell(&self) -> Result<(), IdentityError> {
        let notice = Notice::new(self.ann.user.id, NotificationKind::Import, "Done", "3 rows");
        let event = MemberGone { user_id: self.bob };
        let envelope = Envelope::seal(
            self.actor.organization_id(),
            &event,
            mauntic_core::Clock::now(&*self.world.clock),
            &mauntic_core::UuidV7Source,
            Cause::root(&mauntic_core::UuidV7Source),
        );
        let service = &self.world.service;
        let envelope = envelope?;
        let told = service.apply_notices("test.tell", &envelope, vec![notice]);
        told.await
    }

    async fn ask_for_address(&self) -> Result<(), IdentityError> {
        let email = "ann@private.example".parse().unwrap();
        let service = &self.world.service;
        let asked = service.request_email_change(&self.ann, Some(password(PASSWORD)), email);
        asked.await
    }

    async fn link(&self) -> Result<(), IdentityError> {
        let service = &self.world.service;
        let secret = service
            .begin_link(&self.ann, Some(password(PASSWORD)), sso())
            .await?;
        let detour = service.end_detour(&secret, &secret.state()).await?;
        let proven = ProvenLogin {
            provider: sso(),
            issuer: "https://login.example".to_owned(),
            subject: "ann".to_owned(),
            email: Some(self.ann.user.email.clone()),
            name: None,
        };
        service.link_login(&self.ann, &detour, proven).await
    }

    async fn switch_on(&self) -> Result<(), IdentityError> {
        let service = &self.world.service;
        let enrolment = service.begin_second_factor(&self.ann).await?;
        let secret = totp_rs::Secret::try_from_base32(&enrolment.secret).unwrap();
        let app = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        let now = mauntic_core::Clock::now(&*self.world.clock).timestamp();
        let code = app.generate(now.try_into().unwrap()).to_string();
        let on = service.confirm_second_factor(&self.ann, Some(password(PASSWORD)), &code);
        on.await.map(|_| ())
    }

    /// Calls what somebody does as a member.
    async fn call(&self, use_case: &str) -> Result<(), IdentityError> {
        let (service, actor) = (&self.world.service, &self.actor);
        let (bob, size) = (self.bob, PageSize::default());
        match use_case {
            "audit_log" => {
                let all = AuditFilter::default();
                let page = service.audit_log(actor, &all, None, size);
                page.await.map(|_| ())
            }
            "block_member" => service.block_member(actor, bob).await,
            "change_member" => service.change_member(actor, bob, Role::Member, None).await,
            "create_token" => service.create_token(actor, token()).await.map(|_| ()),
            "invitations" => {
                let page = service.invitations(actor, None, size);
                page.await.map(|_| ())
            }
            "invite" => {
                let made = service.invite(actor, invite("zoe@example.com"));
                made.await.map(|_| ())
            }
            "member" => service.member(actor, bob).await.map(|_| ()),
            "members" => service.members(actor, None, size).await.map(|_| ()),
            "organization" => service.organization(actor).await.map(|_| ()),
            "remove_member" => service.remove_member(actor, bob).await,
            "request_deletion" => {
                let command = RequestDeletion {
                    name: "Acme".to_owned(),
                    who: Some(self.ann.clone()),
                    password: Some(password(PASSWORD)),
                };
                let planned = service.request_deletion(actor, command);
                planned.await.map(|_| ())
            }
            "resend_invitation" => service.resend_invitation(actor, self.invitation).await,
            "restore_organization" => service.restore_organization(actor).await.map(|_| ()),
            "revoke_invitation" => service.revoke_invitation(actor, self.invitation).await,
            "revoke_token" => service.revoke_token(actor, self.token).await,
            "search_members" => {
                let found = service.search_members(actor, "bob", size);
                found.await.map(|_| ())
            }
            "search_tokens" => {
                let found = service.search_tokens(actor, "token", size);
                found.await.map(|_| ())
            }
            "token" => service.token(actor, self.token).await.map(|_| ()),
            "tokens" => service.tokens(actor, None, size).await.map(|_| ()),
            "transfer_ownership" => {
                let from = self.ann.user.id;
                service.transfer_ownership(actor, from, bob).await
            }
            "unblock_member" => service.unblock_member(actor, bob).await,
            "update_organization" => {
                let command = UpdateOrganization {
                    name: Some("Acme Ltd".parse().unwrap()),
                    ..UpdateOrganization::default()
                };
                let updated = service.update_organization(actor, command);
                updated.await.map(|_| ())
            }
            "write_to_member" => {
                let command = WriteToMember {
                    subject: "Hello".parse().unwrap(),
                    text: "How are you?".parse().unwrap(),
                    page: None,
                };
                service.write_to_member(actor, bob, command).await
            }
            other => self.call_for_apps(other).await,
        }
    }

    /// Calls what somebody does with the apps of the organisation, and what they let them do.
    async fn call_for_apps(&self, use_case: &str) -> Result<(), IdentityError> {
        let (service, actor, ann) = (&self.world.service, &self.actor, &self.ann);
        let app = self.app.client.id;
        match use_case {
            "authorize" => {
                self.grant().await;
                Ok(())
            }
            "create_oauth_client" => {
                let made = service.create_oauth_client(actor, oauth::app(false));
                made.await.map(|_| ())
            }
            "delete_oauth_client" => service.delete_oauth_client(actor, app).await,
            "oauth_client" => service.oauth_client(actor, app).await.map(|_| ()),
            "oauth_clients" => {
                let all = service.oauth_clients(actor, None, PageSize::default());
                all.await.map(|_| ())
            }
            "oauth_consent" => {
                let wanted = oauth::wanted(&self.app, "contacts:read");
                let asked = service.oauth_consent(ann, &self.app.client, &wanted);
                asked.await.map(|_| ())
            }
            "own_oauth_grants" => service.own_oauth_grants(ann).await.map(|_| ()),
            "revoke_oauth_grant" => {
                let own = service.own_oauth_grants(ann).await?;
                service.revoke_oauth_grant(ann, own[0].grant.id).await
            }
            "rotate_oauth_secret" => service.rotate_oauth_secret(actor, app).await.map(|_| ()),
            "update_oauth_client" => {
                let command = UpdateOauthClient {
                    name: Some("Renamed".parse().unwrap()),
                    ..UpdateOauthClient::default()
                };
                let updated = service.update_oauth_client(actor, app, command);
                updated.await.map(|_| ())
            }
            own => self.call_for_oneself(own).await,
        }
    }

    /// Calls what somebody does with their own account.
    async fn call_for_oneself(&self, use_case: &str) -> Result<(), IdentityError> {
        let (service, ann) = (&self.world.service, &self.ann);
        match use_case {
            "accept_invitation" => {
                let joined = service.accept_invitation(ann, &self.link);
                joined.await.map(|_| ())
            }
            "begin_link" => service
                .begin_link(ann, Some(password(PASSWORD)), sso())
                .await
                .map(|_| ()),
            "begin_second_factor" => service.begin_second_factor(ann).await.map(|_| ()),
            "cancel_email_change" => service.cancel_email_change(ann).await,
            "confirm_second_factor" => self.switch_on().await,
            "end_other_sessions" => service.end_other_sessions(ann).await.map(|_| ()),
            "end_second_factor" => {
                service
                    .end_second_factor(ann, Some(password(PASSWORD)))
                    .await
            }
            "end_session" => service.end_session(ann, self.elsewhere).await,
            "found_organization" => service.found_organization(ann, zoo()).await.map(|_| ()),
            "leave_organization" => {
                let acme = self.actor.organization_id();
                service.leave_organization(ann, acme).await
            }
            "link_login" => self.link().await,
            "linked_logins" => service.linked_logins(ann).await.map(|_| ()),
            "mark_notification_read" => {
                let told = service.notifications(&self.actor, true, None, PageSize::default());
                let id = told.await?.items[0].id;
                service.mark_notification_read(&self.actor, id).await
            }
            "mark_notifications_read" => {
                let read = service.mark_notifications_read(&self.actor, None);
                read.await.map(|_| ())
            }
            "notifications" => {
                let told = service.notifications(&self.actor, false, None, PageSize::default());
                told.await.map(|_| ())
            }
            "unread_notifications" => {
                let unread = service.unread_notifications(&self.actor, 100);
                unread.await.map(|_| ())
            }
            "own_sessions" => service.own_sessions(ann).await.map(|_| ()),
            "pending_email_change" => service.pending_email_change(ann).await.map(|_| ()),
            "renew_recovery_codes" => {
                let renewed = service.renew_recovery_codes(ann, Some(password(PASSWORD)));
                renewed.await.map(|_| ())
            }
            "request_email_change" => self.ask_for_address().await,
            "second_factor" => service.second_factor(ann).await.map(|_| ()),
            "set_password" => {
                let new = password("a newer long password");
                service
                    .set_password(ann, Some(password(PASSWORD)), new)
                    .await
            }
            "switch_organization" => service.switch_organization(ann, self.zoo).await,
            "unlink_login" => {
                // The password stays as a way in.
                service
                    .unlink_login(ann, Some(password(PASSWORD)), &sso())
                    .await
            }
            "update_profile" => {
                let command = UpdateProfile {
                    name: Some("Ann Lee".parse().unwrap()),
                    ..UpdateProfile::default()
                };
                service.update_profile(ann, command).await.map(|_| ())
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    /// What is in the logs of all organisations, in each the oldest first.
    async fn entries(&self) -> Vec<AuditEntry> {
        let service = &self.world.service;
        let size = PageSize::clamped(usize::from(PageSize::MAX));
        let all = service.organizations(&Operator::local(), None, size).await;
        let mut entries = Vec::new();
        for organization in all.unwrap().items {
            let (actor, filter) = (Actor::system(organization.id), AuditFilter::default());
            let page = service.audit_log(&actor, &filter, None, size).await;
            entries.extend(page.unwrap().items.into_iter().rev());
        }
        entries
    }
}

async fn trace(use_case: &str) -> Trace {
    let fixture = Fixture::of(use_case).await;
    let before = fixture.entries().await;
    let version = fixture.watch.version().await;
    let done = fixture.call(use_case).await;
    assert!(done.is_ok(), "{use_case}: {done:?}");
    let wrote = fixture.watch.version().await != version;
    let mut entries = fixture.entries().await;
    entries.retain(|entry| !before.contains(entry));
    let actions = entries.into_iter().map(|entry| entry.change.action);
    Trace {
        wrote,
        actions: actions.collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_in_the_audit_log() {
    assert_audited(
        "identity",
        IdentityService::USE_CASES,
        IdentityService::AUDITED,
        IdentityService::UNAUDITED,
        async |name| trace(name).await,
    )
    .await;
}
