//! Members, invitations, tokens, the audit log and the organisation itself, in a browser.

use crate::browser::{Browser, OWNER};
use crate::letters::{letter_to, link};
use crate::people::call;
use crate::support::request;
use mauntic_core::{
    Actor, ApiTokenId, Change, Operator, PageSize, Role, Subject, WorkerId,
    identity::{AddMember, ApiToken, AuditLog as _, CreateOrganization, CreateToken, TokenSecret},
};
use serde_json::json;

const BOB: (&str, &str) = ("bob@example.com", "a long enough password");

/// Invites Bob, who makes an account; the owner is logged in again afterwards.
async fn bob(browser: &mut Browser, role: &str) {
    browser.get("/app/organization").await;
    let fields = [("email", BOB.0), ("role", role)];
    let page = browser.post("/app/organization/invitations", &fields).await;
    assert!(page.contains("It was created."), "{page}");
    let letter = letter_to(&browser.installation.app, BOB.0).await.unwrap();
    let link = link(&letter);
    browser.set_cookie("");
    let page = browser.get(&link).await;
    assert!(page.contains("Acme"), "{page}");
    let token = link.split_once("token=").unwrap().1;
    let fields = [("token", token), ("name", "Bob"), ("password", BOB.1)];
    browser.post_exactly("/app/invitation", &fields).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    browser.log_in(OWNER.0, OWNER.1).await;
}

/// The id of the member who is not the owner.
fn other(page: &str) -> String {
    let (_, rest) = page.split_once("/app/organization/members/").expect(page);
    rest.split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn somebody_is_invited_and_joins_with_a_new_account() {
    let mut browser = Browser::new().await;
    let page = browser.get("/app/organization").await.to_owned();
    assert!(page.contains("mauntic inbox --installation"), "{page}");
    let wrong = [("email", "nonsense"), ("role", "viewer")];
    let page = browser.post("/app/organization/invitations", &wrong).await;
    assert!(page.contains("id=\"email-error\""), "{page}");
    let own = [("email", OWNER.0), ("role", "viewer")];
    let page = browser.post("/app/organization/invitations", &own).await;
    assert!(page.contains("This is a member already."), "{page}");
    bob(&mut browser, "member").await;
    let page = browser.get("/app/organization").await;
    assert!(page.contains(BOB.0), "{page}");
    assert!(
        page.contains("data-label=\"Last active\">never</td>"),
        "{page}"
    );
    // The link is used up.
    let letter = letter_to(&browser.installation.app, BOB.0).await.unwrap();
    browser.get(&link(&letter)).await;
    assert_eq!(browser.status, 410);
}

#[tokio::test]
async fn an_invitation_is_sent_again_and_taken_back() {
    let mut browser = Browser::new().await;
    browser.get("/app/organization").await;
    let fields = [("email", BOB.0), ("role", "viewer")];
    browser.post("/app/organization/invitations", &fields).await;
    let app = browser.installation.app.clone();
    let first = link(&letter_to(&app, BOB.0).await.unwrap());
    let page = browser.page.clone();
    let (_, rest) = page.split_once("/app/organization/invitations/").unwrap();
    let (_, rest) = rest.split_once("/app/organization/invitations/").unwrap();
    let id = rest.split('/').next().unwrap();
    browser
        .post(&format!("/app/organization/invitations/{id}/resend"), &[])
        .await;
    assert_eq!(browser.status, 200);
    let second = link(&letter_to(&app, BOB.0).await.unwrap());
    browser.get(&first).await;
    assert_eq!(browser.status, 410);
    browser.get(&second).await;
    assert_eq!(browser.status, 200);
    let revoke = format!("/app/organization/invitations/{id}/revoke");
    let page = browser.get(&revoke).await;
    assert!(
        page.contains(&format!("Take back the invitation of {}?", BOB.0)),
        "{page}"
    );
    assert!(page.contains("its link stops working"), "{page}");
    browser.get(&second).await;
    assert_eq!(browser.status, 200, "asking takes nothing back");
    browser.get(&revoke).await;
    browser.post(&revoke, &[]).await;
    browser.get(&second).await;
    assert_eq!(browser.status, 410);
}

#[tokio::test]
async fn a_user_of_another_organization_joins_after_logging_in() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "viewer").await;
    let page = browser.get("/app/organization").await.to_owned();
    let id = other(&page);
    browser
        .get(&format!("/app/organization/members/{id}/remove"))
        .await;
    browser
        .post(&format!("/app/organization/members/{id}/remove"), &[])
        .await;
    browser.get("/app/organization").await;
    let fields = [("email", BOB.0), ("role", "admin")];
    browser.post("/app/organization/invitations", &fields).await;
    let link = link(&letter_to(&browser.installation.app, BOB.0).await.unwrap());
    // Somebody else's session is not offered to join.
    let page = browser.get(&link).await;
    assert!(page.contains("This address has an account"), "{page}");
    browser.set_cookie("");
    let fields = [("email", BOB.0), ("password", BOB.1), ("next", &link)];
    let page = browser.post("/app/login", &fields).await;
    assert!(page.contains("Join"), "{page}");
    let token = link.split_once("token=").unwrap().1.to_owned();
    // A form of another site joins nobody.
    browser
        .post_exactly("/app/invitation", &[("token", &token)])
        .await;
    assert_eq!(browser.status, 403);
    browser.get(&link).await;
    browser.post("/app/invitation", &[("token", &token)]).await;
    assert_eq!(browser.at, "/app/", "{}", browser.page);
    assert!(
        browser
            .get("/app/organization/tokens")
            .await
            .contains("API tokens")
    );
}

#[tokio::test]
async fn roles_are_changed_and_members_blocked_at_their_next_request() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "admin").await;
    let owner = browser.cookie().to_owned();
    browser.log_in(BOB.0, BOB.1).await;
    let of_bob = browser.cookie().to_owned();
    assert!(
        browser
            .get("/app/organization")
            .await
            .contains("Invite somebody")
    );
    browser.set_cookie(&owner);
    let page = browser.get("/app/organization").await.to_owned();
    let id = other(&page);
    let path = format!("/app/organization/members/{id}");
    browser
        .post(&format!("{path}/role"), &[("role", "viewer")])
        .await;
    assert!(
        browser.page.contains("The change was saved."),
        "{}",
        browser.page
    );
    browser.set_cookie(&of_bob);
    let page = browser.get("/app/organization").await;
    assert!(!page.contains("Invite somebody"), "{page}");
    for hidden in [
        "/app/organization/tokens",
        "/app/organization/audit",
        "/app/organization/settings",
    ] {
        assert!(
            !browser.page.contains(&format!("href=\"{hidden}\"")),
            "{hidden}"
        );
    }
    for forced in [
        "/app/organization/tokens",
        "/app/organization/audit",
        "/app/organization/audit.csv",
        "/app/organization/settings",
        &format!("{path}/block"),
        &format!("{path}/remove"),
        &format!("{path}/owner"),
    ] {
        browser.get(forced).await;
        assert_eq!(browser.status, 403, "{forced}");
    }
    browser.get("/app/account").await;
    browser
        .post(&format!("{path}/role"), &[("role", "owner")])
        .await;
    assert_eq!(browser.status, 403);
    browser.set_cookie(&owner);
    let page = browser.get(&format!("{path}/block")).await;
    assert!(page.contains("Block Bob?"), "{page}");
    browser.post(&format!("{path}/block"), &[]).await;
    assert!(browser.page.contains(">blocked<"), "{}", browser.page);
    browser.set_cookie(&of_bob);
    let page = browser.get("/app/").await;
    assert!(page.contains("No organisation"), "{page}");
    // A member of nothing has an account all the same.
    let page = browser.get("/app/account").await;
    assert!(page.contains("member of no organisation"), "{page}");
    assert!(!page.contains("href=\"/app/contacts\""), "{page}");
    for own in ["/app/account/email", "/app/account/second-factor"] {
        browser.get(own).await;
        assert_eq!(browser.status, 200, "{own}");
    }
    let change = [("current", BOB.1), ("new", "a newer long password")];
    browser.post("/app/account/password", &change).await;
    assert_eq!(browser.at, "/app/login", "{}", browser.page);
    browser.log_in(BOB.0, "a newer long password").await;
    browser.get("/app/account").await;
    browser.post("/app/logout", &[]).await;
    assert_eq!(browser.at, "/app/login", "{}", browser.page);
    browser.log_in(BOB.0, "a newer long password").await;
    let of_bob = browser.cookie().to_owned();
    browser.set_cookie(&owner);
    browser.get("/app/organization").await;
    browser.post(&format!("{path}/unblock"), &[]).await;
    browser.set_cookie(&of_bob);
    browser.get("/app/").await;
    assert_eq!(browser.status, 200);
}

/// A page stays open while another organisation is chosen in a second tab, or while the visitor is taken out of it.
#[tokio::test]
async fn a_page_of_one_organization_changes_nothing_in_another() {
    const INVITATIONS: &str = "/app/organization/invitations";
    let mut browser = Browser::new().await;
    let identity = browser.installation.app.identity.clone();
    let operator = Operator::local();
    let zoo = CreateOrganization::named("Zoo".parse().unwrap());
    let zoo = identity.create_organization(&operator, zoo).await.unwrap();
    let join = AddMember {
        email: OWNER.0.parse().unwrap(),
        role: Role::Admin,
    };
    let ann = identity.add_member(&operator, zoo.id, join).await.unwrap();
    let acme = browser.installation.ours.organization_id().to_string();
    let zoos = zoo.id.to_string();
    let choose = |organization: &str, token: &str| {
        let fields = [("csrf", token), ("organization", organization)];
        serde_urlencoded::to_string(fields).unwrap()
    };
    let invite = |token: &str| {
        let fields = [
            ("csrf", token),
            ("email", "eve@example.com"),
            ("role", "admin"),
        ];
        serde_urlencoded::to_string(fields).unwrap()
    };
    browser.get("/app/organization").await;
    let of_acme = browser.token();
    let switch = choose(&zoos, &of_acme);
    let place = "/app/account/organization";
    let switched = browser.send("POST", place, Some(switch)).await;
    browser.arrive(place, switched).await;
    let page = browser.get("/app/organization").await;
    assert!(page.contains("<span class=\"name\">Zoo</span>"), "{page}");
    let of_zoo = browser.token();

    let refused = browser.send("POST", INVITATIONS, Some(invite(&of_acme)));
    let refused = refused.await;
    assert_eq!(refused.status, 409);
    browser.arrive(INVITATIONS, refused).await;
    let page = browser.page.clone();
    assert!(page.contains("You work in Zoo now"), "{page}");
    assert!(page.contains("<strong>Acme</strong>"), "{page}");
    assert!(page.contains("href=\"/app/\""), "{page}");
    // A file is not taken either.
    let upload =
        crate::files::send_file(&browser, "/app/imports/new", &of_acme, "a.csv", b"email\n");
    assert_eq!(upload.await.status, 409);
    let page = browser.get("/app/organization").await;
    assert!(!page.contains("eve@example.com"), "{page}");

    // What is about oneself works on from any page, and so does the first page once its organisation is chosen again.
    let back = choose(&acme, &of_acme);
    let back = browser.send("POST", place, Some(back)).await;
    assert_eq!(back.status, 303);
    let page = browser.get("/app/organization").await;
    assert!(!page.contains("eve@example.com"), "{page}");
    let refused = browser.send("POST", INVITATIONS, Some(invite(&of_zoo)));
    assert_eq!(refused.await.status, 409);
    let taken = browser.send("POST", INVITATIONS, Some(invite(&of_acme)));
    assert_eq!(taken.await.status, 303);

    // Whoever is taken out works in the first of the others, and the page is of none of them.
    let to_zoo = browser.send("POST", place, Some(choose(&zoos, &of_acme)));
    assert_eq!(to_zoo.await.status, 303);
    let in_zoo = Actor::system(zoo.id);
    identity.remove_member(&in_zoo, ann.user_id).await.unwrap();
    let refused = browser.send("POST", INVITATIONS, Some(invite(&of_zoo)));
    let refused = refused.await;
    assert_eq!(refused.status, 409);
    browser.arrive(INVITATIONS, refused).await;
    let page = browser.page.clone();
    assert!(page.contains("You work in Acme now"), "{page}");
    assert!(!page.contains("Zoo"), "{page}");
    let size = PageSize::default();
    let open = identity.invitations(&in_zoo, None, size).await.unwrap();
    assert_eq!(open.items, []);
}

#[tokio::test]
async fn nobody_gives_a_role_over_a_change_that_they_did_not_see() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "member").await;
    let page = browser.get("/app/organization").await.to_owned();
    let path = format!("/app/organization/members/{}/role", other(&page));
    let (_, form) = page.split_once(&format!("action=\"{path}\"")).unwrap();
    let (_, version) = form.split_once("name=\"version\" value=\"").unwrap();
    let version = version.split('"').next().unwrap();
    let to = |role| [("version", version), ("role", role)];
    browser.post(&path, &to("viewer")).await;
    assert!(
        browser.page.contains("The change was saved."),
        "{}",
        browser.page
    );
    // In another tab, the page still shows the role of before.
    let page = browser.post(&path, &to("admin")).await;
    assert!(page.contains("Somebody else changed this"), "{page}");
    assert_eq!(browser.status, 409);
    let members = call(
        &browser,
        "GET",
        "/api/identity/members?search=bob",
        json!(null),
    )
    .await;
    assert_eq!(members["items"][0]["role"], "viewer");
}

#[tokio::test]
async fn an_admin_is_not_offered_to_revoke_a_token_of_an_owner() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "admin").await;
    let (app, ours) = (&browser.installation.app, &browser.installation.ours);
    let token = |role: Role| CreateToken {
        name: format!("of {role}").parse().unwrap(),
        role,
        scopes: None,
        expires_at: None,
    };
    let [of_owner, of_admin] = [Role::Owner, Role::Admin].map(token);
    let made = app.identity.create_token(ours, of_owner).await.unwrap();
    let theirs = format!("/app/organization/tokens/{}/revoke", made.token.id);
    let made = app.identity.create_token(ours, of_admin).await.unwrap();
    let own = format!("/app/organization/tokens/{}/revoke", made.token.id);
    browser.log_in(BOB.0, BOB.1).await;
    let page = browser.get("/app/organization/tokens").await.to_owned();
    assert!(!page.contains(&theirs), "{page}");
    assert!(page.contains(&own), "{page}");
    browser.post(&theirs, &[]).await;
    assert_eq!(browser.status, 403);
    browser.get(&theirs).await;
    assert_eq!(browser.status, 403);
    browser.get(&own).await;
    browser.post(&own, &[]).await;
    assert!(browser.page.contains(">revoked<"), "{}", browser.page);
}

#[tokio::test]
async fn the_table_of_roles_is_that_of_the_code() {
    use mauntic_core::{Permission, Role};
    let mut browser = Browser::new().await;
    let page = browser.get("/app/organization/roles").await;
    let allowed = Permission::ALL.iter().flat_map(|(permission, _)| {
        Role::ALL
            .into_iter()
            .filter(|role| role.allows(*permission))
    });
    assert_eq!(page.matches(">yes<").count(), allowed.count());
}

#[tokio::test]
async fn the_organization_is_renamed_and_given_away() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "viewer").await;
    browser.get("/app/organization/settings").await;
    let wrong = [
        ("name", "Acme Ltd"),
        ("timezone", "Nowhere"),
        ("address", ""),
    ];
    let page = browser.post("/app/organization/settings", &wrong).await;
    assert!(page.contains("id=\"timezone-error\""), "{page}");
    assert!(page.contains("value=\"Acme Ltd\""), "{page}");
    let right = [
        ("name", "Acme Ltd"),
        ("timezone", "Europe/Berlin"),
        ("address", "1 Main Street"),
    ];
    let page = browser.post("/app/organization/settings", &right).await;
    assert!(page.contains("1 Main Street"), "{page}");
    let page = browser.get("/app/organization").await.to_owned();
    let id = other(&page);
    let path = format!("/app/organization/members/{id}/owner");
    // What is given to whom is named before it is given.
    let page = browser.get(&path).await;
    for named in ["Acme Ltd", BOB.0, "you become an admin"] {
        assert!(page.contains(named), "{named}: {page}");
    }
    browser.post(&path, &[]).await;
    assert_eq!(browser.status, 200, "{}", browser.page);
    browser.get("/app/organization/settings").await;
    assert_eq!(browser.status, 403);
    browser.log_in(BOB.0, BOB.1).await;
    let page = browser.get("/app/organization/settings").await;
    assert!(page.contains("Acme Ltd"), "{page}");
}

#[tokio::test]
async fn a_token_is_shown_once_works_and_is_revoked() {
    let mut browser = Browser::new().await;
    browser.get("/app/organization/tokens").await;
    let over = [
        ("name", "import"),
        ("role", "member"),
        ("until", "2020-01-31"),
    ];
    let page = browser.post("/app/organization/tokens", &over).await;
    assert!(page.contains("id=\"until-error\""), "{page}");
    let beyond = [
        ("name", "import"),
        ("role", "viewer"),
        ("scope-contacts:delete", "on"),
    ];
    let page = browser.post("/app/organization/tokens", &beyond).await;
    assert!(
        page.contains("does not include the permission contacts:delete"),
        "{page}"
    );
    let fields = [
        ("name", "import"),
        ("role", "member"),
        ("until", "2199-01-31"),
        ("scope-contacts:read", "on"),
    ];
    let page = browser
        .post("/app/organization/tokens", &fields)
        .await
        .to_owned();
    let (_, rest) = page.split_once("mnt_").expect(&page);
    let secret = format!("mnt_{}", &rest[..49]);
    let me = browser
        .installation
        .call(&secret, "GET", "/api/crm/contacts", None);
    me.await.ok(200);
    let page = browser.get("/app/organization/tokens").await.to_owned();
    assert!(!page.contains(&secret), "{page}");
    assert!(
        page.contains("31 Jan 2199") || page.contains("1 Feb 2199"),
        "{page}"
    );
    let (_, rest) = page.split_once("<td>import").unwrap();
    let (_, rest) = rest.split_once("/app/organization/tokens/").unwrap();
    let id = rest.split('/').next().unwrap();
    let path = format!("/app/organization/tokens/{id}/revoke");
    browser.get(&path).await;
    browser.post(&path, &[]).await;
    assert!(browser.page.contains(">revoked<"), "{}", browser.page);
    let call = browser
        .installation
        .call(&secret, "GET", "/api/crm/contacts", None);
    call.await.problem(401);
}

/// More tokens than one page of a list can hold.
#[tokio::test]
async fn the_newest_of_many_tokens_is_revoked_and_named() {
    let mut browser = Browser::new().await;
    let (app, ours) = (
        browser.installation.app.clone(),
        browser.installation.ours.clone(),
    );
    let command = |name: &str| CreateToken {
        name: name.parse().unwrap(),
        role: Role::Admin,
        scopes: None,
        expires_at: None,
    };
    let first = app.identity.create_token(&ours, command("first")).await;
    let first = first.unwrap().token;
    let mut uow = app.identity_store.begin().await.unwrap();
    for _ in 0..1_000 {
        let token = ApiToken {
            id: ApiTokenId::generate(&*app.ids),
            ..first.clone()
        };
        let hash = TokenSecret::random().unwrap().hash();
        uow.tokens().insert(&token, &hash).await.unwrap();
    }
    uow.commit().await.unwrap();
    let newest = app.identity.create_token(&ours, command("newest")).await;
    let newest = newest.unwrap();
    let path = format!("/app/organization/tokens/{}/revoke", newest.token.id);
    let page = browser.get(&path).await;
    assert!(page.contains("Revoke the token newest?"), "{page}");
    let actor = app.identity.authenticate(newest.secret.reveal()).await;
    let actor = actor.unwrap();
    let made = app.identity.create_token(&actor, command("made")).await;
    made.unwrap();
    for path in ["/app/organization/audit", "/app/organization/audit.csv"] {
        let page = browser.get(path).await;
        assert!(page.contains("token newest"), "{path}: {page}");
    }
}

#[tokio::test]
async fn the_audit_log_is_filtered_and_exported() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "viewer").await;
    let right = [("name", "=Acme"), ("timezone", "UTC"), ("address", "")];
    browser.get("/app/organization/settings").await;
    browser.post("/app/organization/settings", &right).await;
    let page = browser.get("/app/organization/audit").await.to_owned();
    // What came over the network was not done at the command line, wherever it came from.
    let here = ">command line<";
    let made_here = page.matches(here).count();
    assert!(made_here > 0, "the tokens of the installation: {page}");
    let by_operator = page.matches("<td>the operator</td>").count();
    assert_eq!(made_here, by_operator, "{page}");
    for done in [
        "changed the organisation",
        "added the member <strong>Bob",
        "invited somebody",
    ] {
        assert!(page.contains(done), "{done}: {page}");
    }
    assert!(page.contains("<del>Acme</del> <ins>=Acme</ins>"), "{page}");
    let page = browser.get("/app/organization/audit?action=member.").await;
    assert!(page.contains("added the member"), "{page}");
    assert!(!page.contains("changed the organisation"), "{page}");
    assert!(
        page.contains("<option value=\"member.\" selected>members"),
        "{page}"
    );
    let page = browser
        .get("/app/organization/audit?until=2020-01-01")
        .await;
    assert!(page.contains("Nothing fits"), "{page}");
    let page = browser.get("/app/organization/audit?since=yesterday").await;
    assert!(page.contains("id=\"since-error\""), "{page}");
    let path = "/app/organization/audit.csv?action=organization.";
    let csv = browser.get(path).await.to_owned();
    assert!(
        csv.starts_with("when,who,what,principal,from,action,"),
        "{csv}"
    );
    assert!(csv.contains("\"Ann Owner\""), "{csv}");
    assert!(csv.contains("\"organization.updated\""), "{csv}");
    assert!(csv.contains("\"changed the organisation"), "{csv}");
    assert!(!csv.contains("member.added"), "{csv}");
    let page = browser.get("/app/organization/audit").await;
    assert!(page.contains("exported the audit log"), "{page}");
}

#[tokio::test]
async fn the_audit_log_is_asked_about_somebody_by_name() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "viewer").await;
    let installation = &browser.installation;
    for (email, name) in [("bo@example.com", "Bo Bobsen"), ("eve@example.com", "Eve")] {
        let password = "a long enough password";
        installation.member(email, name, "viewer", password).await;
    }
    let here = "/app/organization/audit";
    // Part of one name, of an address, and all of one name that others begin with.
    for text in ["ann+own", "owner%40exa", "OWNER%40example.com"] {
        let page = browser.get(&format!("{here}?by={text}")).await;
        assert!(page.contains("<td>Ann Owner</td>"), "{text}: {page}");
        assert!(!page.contains("<td>Bob</td>"), "{text}: {page}");
        assert!(
            page.contains("value=\"owner@example.com\""),
            "{text}: {page}"
        );
        assert!(page.contains("Export as CSV"), "{text}: {page}");
    }
    let page = browser.get(&format!("{here}?by=bob")).await.to_owned();
    assert!(
        page.contains("<td>Bob</td>"),
        "one is called just that: {page}"
    );
    assert!(!page.contains("<td>Ann Owner</td>"), "{page}");
    let page = browser.get(&format!("{here}?by=bo&action=member.")).await;
    assert!(page.contains("id=\"by-error\""), "{page}");
    assert!(!page.contains("Export as CSV"), "{page}");
    let (_, choices) = page.split_once("Several fit").unwrap();
    assert!(choices.contains("Bo Bobsen (bo@example.com)"), "{choices}");
    let (_, link) = choices.split_once("<li><a href=\"").unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    assert!(link.contains("action=member."), "{link}");
    let page = browser.get(&link).await.to_owned();
    assert!(page.contains("value=\"bob@example.com\""), "{page}");
    assert!(page.contains("<td>Bob</td>"), "{page}");
    let csv = browser.get(&link.replace("/audit?", "/audit.csv?")).await;
    assert!(csv.contains("\"member.added\""), "{csv}");
    let page = browser.get(&format!("{here}?by=nobody+at+all")).await;
    assert!(page.contains("id=\"by-error\""), "{page}");
    assert!(!page.contains("Export as CSV"), "it cannot be: {page}");
    assert!(
        page.contains("<td>Ann Owner</td>"),
        "nothing is left out: {page}"
    );
    browser.get(&format!("{here}.csv?by=nobody+at+all")).await;
    assert_eq!(browser.status, 404);
    let page = browser.get(&format!("{here}?by=operator")).await;
    assert!(page.contains("<td>the operator</td>"), "{page}");
    assert!(!page.contains("<td>Ann Owner</td>"), "{page}");
    browser.get(&format!("{here}?by=%00")).await;
    assert_eq!(browser.status, 200);
}

#[tokio::test]
async fn the_start_page_finds_what_people_did_behind_what_the_operator_did() {
    let mut browser = Browser::new().await;
    let right = [("name", "Acme & Co"), ("timezone", "UTC"), ("address", "")];
    browser.get("/app/organization/settings").await;
    browser.post("/app/organization/settings", &right).await;
    let (app, ours) = (&browser.installation.app, &browser.installation.ours);
    for _ in 0..60 {
        let change = Change::new("audit.exported", Subject::nameless("audit"));
        app.identity.record(ours, change).await.unwrap();
    }
    let page = browser.get("/app/").await;
    let (_, latest) = page.split_once("Who changed what").unwrap();
    assert!(latest.contains("changed the organisation"), "{latest}");
    assert!(!latest.contains("exported the audit log"), "{latest}");
}

#[tokio::test]
async fn contacts_of_whoever_is_gone_have_no_owner() {
    let mut browser = Browser::new().await;
    bob(&mut browser, "member").await;
    let path = "/api/identity/members?search=bob";
    let bob = call(&browser, "GET", path, json!(null)).await;
    let bob = bob["items"][0]["user_id"].as_str().unwrap().to_owned();
    let body = json!({"email": "ann@example.com", "owner_id": bob});
    let made = call(&browser, "POST", "/api/crm/contacts", body).await;
    let path = format!("/api/crm/contacts/{}", made["id"].as_str().unwrap());
    let owner = async || call(&browser, "GET", &path, json!(null)).await["owner_id"].clone();
    assert_eq!(owner().await, bob.as_str());
    let settle = async || {
        mauntic_server::settle_events(&browser.installation.app)
            .await
            .unwrap();
    };
    settle().await;
    assert_eq!(owner().await, bob.as_str());
    call(
        &browser,
        "DELETE",
        &format!("/api/identity/members/{bob}"),
        json!(null),
    )
    .await;
    settle().await;
    let app = &browser.installation.app;
    let worker = WorkerId::generate(&*app.ids);
    while app.bulk.run_once(worker, &|| false).await.unwrap() {}
    assert_eq!(owner().await, json!(null));
    // It is Mauntic itself that did it.
    let changes = call(&browser, "GET", "/api/crm/bulk", json!(null)).await;
    let change = &changes["items"][0];
    assert_eq!(
        (&change["actor"], &change["state"], &change["done"]),
        (&json!("system"), &json!("completed"), &json!(1)),
        "{change}"
    );
    let page = browser.get("/app/bulk/done").await;
    assert!(page.contains("Take away the owner"), "{page}");
    assert!(page.contains("<td>Mauntic</td>"), "{page}");
    let path = format!("/app/bulk/{}", change["id"].as_str().unwrap());
    let page = browser.get(&path).await;
    assert!(
        page.contains("All contacts, owner a former member"),
        "{page}"
    );
}

#[tokio::test]
async fn programs_invite_block_and_filter_too() {
    let browser = Browser::new().await;
    let installation = browser.installation;
    let owner = installation.owner.clone();
    let call = |method, path: String, body| {
        let owner = owner.clone();
        let installation = &installation;
        async move { installation.call(&owner, method, &path, body).await }
    };
    let body = json!({"email": BOB.0, "role": "viewer"});
    let made = call("POST", "/api/identity/invitations".to_owned(), Some(body));
    let id = made.await.ok(201)["id"].as_str().unwrap().to_owned();
    let list = call("GET", "/api/identity/invitations".to_owned(), None).await;
    assert_eq!(list.ok(200)["items"][0]["email"], BOB.0);
    let path = format!("/api/identity/invitations/{id}");
    assert_eq!(
        call("POST", format!("{path}/resend"), None).await.status,
        204
    );
    let link = link(&letter_to(&installation.app, BOB.0).await.unwrap());
    let token = link.split_once("token=").unwrap().1;
    let body = json!({"token": token, "name": "Bob", "password": BOB.1});
    let accept = request("", "POST", "/api/auth/invitation")
        .content_type("application/json")
        .body(body.to_string());
    assert_eq!(
        installation.send(accept).await.ok(200)["code_awaited"],
        false
    );
    assert_eq!(
        call("DELETE", path, None).await.problem(404)["code"],
        "not_found"
    );
    let members = call("GET", "/api/identity/members".to_owned(), None).await;
    let members = members.ok(200);
    let is_bob = |member: &&serde_json::Value| member["email"] == BOB.0;
    let all = members["items"].as_array().unwrap();
    let bob = all.iter().find(is_bob).unwrap()["user_id"]
        .as_str()
        .unwrap();
    let path = format!("/api/identity/members/{bob}/block");
    assert_eq!(call("PUT", path.clone(), None).await.status, 204);
    let members = call("GET", "/api/identity/members".to_owned(), None).await;
    let members = members.ok(200);
    let all = members["items"].as_array().unwrap();
    assert_eq!(all.iter().find(is_bob).unwrap()["blocked"], true);
    assert_eq!(call("DELETE", path, None).await.status, 204);
    let log = call("GET", "/api/identity/audit?action=member.".to_owned(), None).await;
    let actions: Vec<_> = log.ok(200)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        actions,
        ["member.unblocked", "member.blocked", "member.added"]
    );
}
