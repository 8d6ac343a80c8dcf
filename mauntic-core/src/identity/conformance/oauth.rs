//! Apps that are let in by OAuth.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;

use super::{hash, membership, name, now, organization, save, save_member, user};
use crate::{
    IdSource as _, OauthClientId, OauthGrantId, PageSize, Permission, Role, StoreError,
    identity::{
        Holder, IdentityStore, MachineAccess, OauthClient, OauthCode, OauthGrant, OauthToken,
        OauthTokenKind, Organization, User,
    },
    testing::CountingIds,
};

pub(super) fn client(ids: &CountingIds, organization: &Organization) -> OauthClient {
    OauthClient {
        id: OauthClientId::generate(ids),
        organization_id: organization.id,
        name: name("Sync <b>"),
        redirect_uris: vec![
            "https://app.example/cb?a=1".parse().unwrap(),
            "http://localhost:8080/cb".parse().unwrap(),
        ],
        redirects_at: now(),
        secret_hash: Some(hash(9)),
        machine: None,
        created_by: None,
        created_at: now(),
        last_used_at: None,
    }
}

fn grant(ids: &CountingIds, client: &OauthClient, user: &User) -> OauthGrant {
    OauthGrant {
        id: OauthGrantId::generate(ids),
        organization_id: client.organization_id,
        client_id: client.id,
        user_id: user.id,
        scopes: BTreeSet::from([Permission::ContactsRead, Permission::EmailsRead]),
        given_at: now(),
        created_at: now(),
        last_used_at: None,
    }
}

fn token(ids: &CountingIds, grant: &OauthGrant, kind: OauthTokenKind) -> OauthToken {
    OauthToken {
        organization_id: grant.organization_id,
        client_id: grant.client_id,
        kind,
        grant_id: Some(grant.id),
        family: ids.next(),
        scopes: BTreeSet::from([Permission::ContactsRead]),
        created_at: now(),
        expires_at: now() + kind.lifetime(),
        used_at: None,
    }
}

fn code(ids: &CountingIds, grant: &OauthGrant) -> OauthCode {
    OauthCode {
        organization_id: grant.organization_id,
        client_id: grant.client_id,
        grant_id: grant.id,
        family: ids.next(),
        redirect_uri: "https://app.example/cb?a=1".to_owned(),
        challenge: Some(
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
                .parse()
                .unwrap(),
        ),
        scopes: grant.scopes.clone(),
        expires_at: now() + OauthCode::LIFETIME,
        used_at: None,
    }
}

/// Acme, whose member Ann lets a client act for her.
struct World {
    ids: CountingIds,
    acme: Organization,
    ann: User,
    client: OauthClient,
    grant: OauthGrant,
}

impl World {
    async fn new(store: &dyn IdentityStore) -> Self {
        let ids = CountingIds::default();
        let acme = organization(&ids, "Acme");
        let ann = user(&ids, "ann@example.com");
        save(store, &acme).await;
        save_member(store, &acme, &ann, Role::Member).await;
        let client = client(&ids, &acme);
        let grant = grant(&ids, &client, &ann);
        let mut uow = store.begin().await.unwrap();
        uow.oauth().insert_client(&client).await.unwrap();
        uow.oauth().save_grant(&grant).await.unwrap();
        uow.commit().await.unwrap();
        Self {
            ids,
            acme,
            ann,
            client,
            grant,
        }
    }

    async fn save_token(&self, store: &dyn IdentityStore, token: &OauthToken, number: u8) {
        let mut uow = store.begin().await.unwrap();
        let tokens = uow.oauth();
        tokens.insert_token(token, &hash(number)).await.unwrap();
        uow.commit().await.unwrap();
    }
}

/// A client is found by its id alone, and listed and changed within its organisation.
pub async fn oauth_clients_stay_within_their_organization(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let other = organization(&world.ids, "Other");
    save(&*store, &other).await;
    let clients = store.oauth();
    let found = clients.find_client(world.client.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&world.client));
    let unknown = OauthClientId::generate(&world.ids);
    assert_eq!(clients.find_client(unknown).await.unwrap(), None);
    for (place, expected) in [(&world.acme, vec![world.client.clone()]), (&other, vec![])] {
        let page = clients.list_clients(place.id, None, PageSize::default());
        assert_eq!(page.await.unwrap().items, expected);
    }
    let id = world.client.id;
    let changed = OauthClient {
        name: name("Another"),
        redirect_uris: vec!["https://app.example/".parse().unwrap()],
        redirects_at: now() + TimeDelta::minutes(1),
        secret_hash: None,
        machine: Some(MachineAccess {
            role: Role::Admin,
            scopes: BTreeSet::from([Permission::ContactsDelete]),
            given_by: Some(world.ann.id),
        }),
        ..world.client.clone()
    };
    let foreign = OauthClient {
        organization_id: other.id,
        ..changed.clone()
    };
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    let found = oauth.find_client_for_update(other.id, id).await.unwrap();
    assert_eq!(found, None);
    let missing = oauth.update_client(&foreign).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    assert!(!oauth.delete_client(other.id, id).await.unwrap());
    let found = oauth.find_client_for_update(world.acme.id, id).await;
    assert_eq!(found.unwrap(), Some(world.client));
    oauth.update_client(&changed).await.unwrap();
    for (place, expected) in [(world.acme.id, vec![changed.clone()]), (other.id, vec![])] {
        let given = oauth.clients_given_by_for_update(place, world.ann.id).await;
        assert_eq!(given.unwrap(), expected);
    }
    let stranger = user(&world.ids, "eve@example.com").id;
    let given = oauth.clients_given_by_for_update(world.acme.id, stranger);
    assert_eq!(given.await.unwrap(), []);
    uow.commit().await.unwrap();
    assert_eq!(clients.find_client(id).await.unwrap(), Some(changed));
}

/// The second time widens the grant that is there.
pub async fn a_member_has_one_grant_for_each_client(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let again = OauthGrant {
        scopes: BTreeSet::from([Permission::ContactsWrite]),
        given_at: now() + TimeDelta::minutes(5),
        created_at: now() + TimeDelta::minutes(5),
        ..grant(&world.ids, &world.client, &world.ann)
    };
    let bob = user(&world.ids, "bob@example.com");
    save_member(&*store, &world.acme, &bob, Role::Viewer).await;
    let of_bob = grant(&world.ids, &world.client, &bob);
    let mut uow = store.begin().await.unwrap();
    uow.oauth().save_grant(&again).await.unwrap();
    uow.oauth().save_grant(&of_bob).await.unwrap();
    uow.commit().await.unwrap();
    let expected = OauthGrant {
        scopes: again.scopes.clone(),
        given_at: again.given_at,
        ..world.grant.clone()
    };
    let (acme, client) = (world.acme.id, world.client.id);
    let found = store.oauth().find_grant(acme, client, world.ann.id).await;
    assert_eq!(found.unwrap(), Some(expected.clone()));
    let own = store.oauth().grants_of_user(world.ann.id).await.unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].grant, expected);
    assert_eq!(own[0].client, world.client.name);
    assert_eq!(own[0].organization, world.acme.name);
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    let found = oauth.grant(acme, world.grant.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&expected));
    let theirs = oauth.delete_grant(acme, world.ann.id, of_bob.id).await;
    assert!(!theirs.unwrap(), "another user's");
    let found = oauth.find_grant_for_update(acme, client, bob.id).await;
    assert_eq!(found.unwrap(), Some(of_bob));
}

/// A code and a token are found by their secrets, used or not.
pub async fn what_an_app_shows_is_found_and_used(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let code = code(&world.ids, &world.grant);
    let refresh = token(&world.ids, &world.grant, OauthTokenKind::Refresh);
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    oauth.insert_code(&code, &hash(1)).await.unwrap();
    oauth.insert_token(&refresh, &hash(2)).await.unwrap();
    for known in [
        oauth.insert_code(&code, &hash(1)).await,
        oauth.insert_token(&refresh, &hash(2)).await,
    ] {
        assert!(
            matches!(known, Err(StoreError::Conflict { .. })),
            "{known:?}"
        );
    }
    uow.commit().await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    let found = oauth.find_code_for_update(&hash(1)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&code));
    let found = oauth.find_token_for_update(&hash(2)).await.unwrap();
    assert_eq!(found.as_ref(), Some(&refresh));
    for unknown in [
        oauth.use_code(&hash(3), now()).await,
        oauth.use_token(&hash(3), now()).await,
    ] {
        assert!(matches!(unknown, Err(StoreError::Missing { .. })));
    }
    oauth.use_code(&hash(1), now()).await.unwrap();
    oauth.use_token(&hash(2), now()).await.unwrap();
    let used = oauth.find_code_for_update(&hash(1)).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(now()));
    let used = oauth.find_token_for_update(&hash(2)).await.unwrap();
    assert_eq!(used.unwrap().used_at, Some(now()));
    // A token that brings others lets nobody in.
    uow.commit().await.unwrap();
    assert_eq!(store.oauth().present(&hash(2)).await.unwrap(), None);
}

/// One query brings the token, and all that it depends on.
pub async fn an_access_token_is_presented_with_what_decides_on_it(store: Arc<dyn IdentityStore>) {
    let mut world = World::new(&*store).await;
    let access = token(&world.ids, &world.grant, OauthTokenKind::Access);
    let free = OauthToken {
        grant_id: None,
        ..access.clone()
    };
    world.save_token(&*store, &access, 1).await;
    world.save_token(&*store, &free, 2).await;
    let oauth = store.oauth();
    let shown = oauth.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        (&shown.token, &shown.client, shown.grant.as_ref()),
        (&access, &world.client, Some(&world.grant))
    );
    let holder = |role, blocked| Some(Holder { role, blocked });
    assert_eq!(shown.holder, holder(Role::Member, false));
    assert!(!shown.organization_closed && !shown.organization_closing);
    let shown = oauth.present(&hash(2)).await.unwrap().unwrap();
    assert_eq!((shown.grant, shown.holder), (None, None));
    assert_eq!(oauth.present(&hash(3)).await.unwrap(), None);

    // Who let it act for itself is looked at, not who lets it act for them.
    let eve = user(&world.ids, "eve@example.com");
    save_member(&*store, &world.acme, &eve, Role::Admin).await;
    world.client.machine = Some(MachineAccess {
        role: Role::Owner,
        scopes: BTreeSet::new(),
        given_by: Some(eve.id),
    });
    let mut uow = store.begin().await.unwrap();
    uow.oauth().update_client(&world.client).await.unwrap();
    assert!(world.ann.block(now()));
    uow.users().update(&world.ann).await.unwrap();
    world.acme.blocked_at = Some(now());
    uow.organizations().update(&world.acme).await.unwrap();
    uow.commit().await.unwrap();
    let shown = oauth.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(shown.holder, holder(Role::Member, true));
    assert!(shown.organization_closed);
    let shown = oauth.present(&hash(2)).await.unwrap().unwrap();
    assert_eq!(shown.holder, holder(Role::Admin, false));
    let mut uow = store.begin().await.unwrap();
    let gone = uow.memberships().remove(world.acme.id, world.ann.id);
    gone.await.unwrap();
    uow.commit().await.unwrap();
    let shown = oauth.present(&hash(1)).await.unwrap().unwrap();
    assert_eq!(shown.holder, None);
}

/// Deleting a client, or a grant, leaves nothing of it and everything of others.
pub async fn what_ends_takes_its_codes_and_tokens_along(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let bob = user(&world.ids, "bob@example.com");
    save_member(&*store, &world.acme, &bob, Role::Viewer).await;
    let other = client(&world.ids, &world.acme);
    let of_bob = grant(&world.ids, &world.client, &bob);
    let of_other = grant(&world.ids, &other, &bob);
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    oauth.insert_client(&other).await.unwrap();
    for (number, grant) in [(1, &world.grant), (2, &of_bob), (3, &of_other)] {
        oauth.save_grant(grant).await.unwrap();
        let access = token(&world.ids, grant, OauthTokenKind::Access);
        oauth.insert_token(&access, &hash(number)).await.unwrap();
        let code = code(&world.ids, grant);
        oauth.insert_code(&code, &hash(number + 10)).await.unwrap();
    }
    uow.commit().await.unwrap();
    let left = async || {
        let mut uow = store.begin().await.unwrap();
        let mut left = Vec::new();
        for number in 1..=3 {
            let shown = store.oauth().present(&hash(number)).await.unwrap();
            let code = uow.oauth().find_code_for_update(&hash(number + 10)).await;
            assert_eq!(shown.is_some(), code.unwrap().is_some(), "{number}");
            left.extend(shown.map(|_| number));
        }
        left
    };
    assert_eq!(left().await, [1, 2, 3]);
    let acme = world.acme.id;
    let mut uow = store.begin().await.unwrap();
    let ended = uow.oauth().delete_grant(acme, world.ann.id, world.grant.id);
    assert!(ended.await.unwrap());
    uow.commit().await.unwrap();
    assert_eq!(left().await, [2, 3]);
    let mut uow = store.begin().await.unwrap();
    assert!(uow.oauth().delete_client(acme, other.id).await.unwrap());
    uow.commit().await.unwrap();
    assert_eq!(left().await, [2]);
    assert_eq!(store.oauth().find_client(other.id).await.unwrap(), None);
    let mut uow = store.begin().await.unwrap();
    let ended = uow.oauth().delete_grants_of_user(acme, bob.id).await;
    assert_eq!(ended.unwrap(), 1);
    uow.commit().await.unwrap();
    assert_eq!(left().await, Vec::<u8>::new());
    assert_eq!(store.oauth().grants_of_user(bob.id).await.unwrap(), []);
}

/// Tokens of one code end together, and one alone.
pub async fn tokens_of_one_code_end_together(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let first = token(&world.ids, &world.grant, OauthTokenKind::Access);
    let second = OauthToken {
        kind: OauthTokenKind::Refresh,
        ..first.clone()
    };
    let other = token(&world.ids, &world.grant, OauthTokenKind::Access);
    for (number, token) in [(1, &first), (2, &second), (3, &other)] {
        world.save_token(&*store, token, number).await;
    }
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    let ended = oauth.delete_family(world.acme.id, first.family).await;
    assert_eq!(ended.unwrap(), 2);
    assert!(oauth.delete_token(&hash(3)).await.unwrap());
    assert!(!oauth.delete_token(&hash(3)).await.unwrap());
    for number in 1..=3 {
        let found = oauth.find_token_for_update(&hash(number)).await.unwrap();
        assert_eq!(found, None, "{number}");
    }
}

/// What is too old goes: tokens at once, codes later, so that one that comes again is known.
pub async fn old_codes_and_tokens_are_deleted(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let access = token(&world.ids, &world.grant, OauthTokenKind::Access);
    let refresh = token(&world.ids, &world.grant, OauthTokenKind::Refresh);
    let code = code(&world.ids, &world.grant);
    world.save_token(&*store, &access, 1).await;
    world.save_token(&*store, &refresh, 2).await;
    let mut uow = store.begin().await.unwrap();
    let oauth = uow.oauth();
    oauth.insert_code(&code, &hash(3)).await.unwrap();
    let deleted = oauth.delete_expired(access.expires_at, now()).await;
    assert_eq!(deleted.unwrap(), 1);
    let found = oauth.find_token_for_update(&hash(1)).await.unwrap();
    assert_eq!(found, None);
    let found = oauth.find_token_for_update(&hash(2)).await.unwrap();
    assert_eq!(found, Some(refresh));
    let deleted = oauth.delete_expired(now(), code.expires_at).await;
    assert_eq!(deleted.unwrap(), 1);
    let found = oauth.find_code_for_update(&hash(3)).await.unwrap();
    assert_eq!(found, None);
}

/// A use noted late does not hide a later one, of the client and of the grant.
pub async fn the_use_of_an_app_only_moves_forward(store: Arc<dyn IdentityStore>) {
    let world = World::new(&*store).await;
    let (acme, client, grant) = (world.acme.id, world.client.id, world.grant.id);
    let oauth = store.oauth();
    for (minutes, grant) in [(5, Some(grant)), (3, Some(grant)), (7, None)] {
        let at = now() + TimeDelta::minutes(minutes);
        oauth.note_use(acme, client, grant, at).await.unwrap();
    }
    let used = |minutes| Some(now() + TimeDelta::minutes(minutes));
    let found = oauth.find_client(client).await.unwrap().unwrap();
    assert_eq!(found.last_used_at, used(7));
    let found = oauth.find_grant(acme, client, world.ann.id).await.unwrap();
    assert_eq!(found.unwrap().last_used_at, used(5));
}

/// Nobody gets tokens for somebody who is not let in.
pub async fn tokens_are_for_members_who_are_let_in(store: Arc<dyn IdentityStore>) {
    let mut world = World::new(&*store).await;
    let other = organization(&world.ids, "Other");
    save(&*store, &other).await;
    let (acme, ann) = (world.acme.id, Some(world.ann.id));
    let mut uow = store.begin().await.unwrap();
    for (place, user, expected) in [
        (acme, ann, true),
        (acme, None, true),
        (other.id, ann, false),
    ] {
        let admitted = uow.oauth().admits(place, user).await.unwrap();
        assert_eq!(admitted, expected, "{place} {user:?}");
    }
    let mut blocked = membership(&world.acme, &world.ann, Role::Member);
    blocked.blocked_at = Some(now());
    uow.memberships().update(&blocked).await.unwrap();
    assert!(!uow.oauth().admits(acme, ann).await.unwrap());
    blocked.blocked_at = None;
    uow.memberships().update(&blocked).await.unwrap();
    assert!(uow.oauth().admits(acme, ann).await.unwrap());
    assert!(world.ann.block(now()));
    uow.users().update(&world.ann).await.unwrap();
    assert!(!uow.oauth().admits(acme, ann).await.unwrap());
    world.acme.blocked_at = Some(now());
    uow.organizations().update(&world.acme).await.unwrap();
    assert!(!uow.oauth().admits(acme, None).await.unwrap());
}
