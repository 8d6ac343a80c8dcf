use maud::{Markup, html};
use mauntic_core::{
    InvitationId, Page, PageSize, Permission, Role, UserId,
    identity::{IdentityError, Invitation, Invite, Member},
};
use poem::{
    IntoResponse as _, Request, Response, Result, handler,
    http::StatusCode,
    web::{Path, Query},
};
use uuid::Uuid;

use super::{Asked, PLACE, columns, page, roles_of};
use crate::ui::{
    Done,
    component::{
        Tone,
        action::{Weight, ask_first, button, confirmation},
        form::{Field, filled, select},
        show,
        table::table,
    },
    failure,
    visitor::{Fields, Posted, Visitor, app, redirect},
    words,
};

/// Who works in the organisation, and who is invited.
#[handler]
pub(super) async fn members(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let list = list(request, &visitor, &asked, &Fields::default(), None).await?;
    Ok(list.into_response())
}

async fn list(
    request: &Request,
    visitor: &Visitor,
    asked: &Asked,
    fields: &Fields,
    problem: Option<&str>,
) -> Result<Markup> {
    let app = app(request)?;
    let after = asked.after.map(UserId::from_uuid);
    let found = app
        .identity
        .members(&visitor.actor, after, PageSize::default())
        .await
        .map_err(failure::identity)?;
    let manages = visitor.may(Permission::MembersManage);
    let invitations = if manages {
        let after = asked.invited.map(InvitationId::from_uuid);
        let size = PageSize::default();
        let page = app.identity.invitations(&visitor.actor, after, size).await;
        page.map_err(failure::identity)?
    } else {
        Page {
            items: Vec::new(),
            next: None,
        }
    };
    let rows: Vec<_> = found.items.iter().map(|one| row(visitor, one)).collect();
    let next = found.next.map(|next| format!("{PLACE}?after={next}"));
    let heads = columns(["Name", "Email address", "Role", "Since", "Last active", ""]);
    let content = html! {
        @if let Some(done) = asked.done { (done.toast()) }
        (table("Members", &heads, &rows, next.as_deref()))
        @if manages {
            (invite_form(visitor, fields, problem, app.settings.system_mail.is_none()))
            @if !invitations.items.is_empty() { (open_invitations(visitor, &invitations, app.clock.now())) }
        }
    };
    Ok(page(visitor, "Members", PLACE, &content))
}

fn row(visitor: &Visitor, member: &Member) -> Markup {
    let id = member.user_id;
    let oneself = id == visitor.who.user.id;
    let manages = visitor.may(Permission::MembersManage) && member.role <= visitor.actor.role();
    let path = format!("{PLACE}/members/{id}");
    let role_id = format!("role-{id}");
    html! { tr class="stacks" {
        td { (member.name.as_str())
            @if oneself { " " (show::badge("you", Tone::Good)) }
            @if member.blocked_at.is_some() { " " (show::badge("blocked everywhere", Tone::Bad)) }
            @if member.blocked_here_at.is_some() { " " (show::badge("blocked", Tone::Bad)) }
        }
        td data-label="Email address" { (member.email.as_str()) }
        td data-label="Role" { @if manages && !oneself {
            form method="post" action=(format!("{path}/role")) class="row" {
                (visitor.csrf())
                input type="hidden" name="version" value=(member.version());
                label class="hidden" for=(role_id) { "Role of " (member.name.as_str()) }
                select id=(role_id) name="role" {
                    @for (value, text) in roles_of(visitor) { option value=(value) selected[value == member.role.as_str()] { (text) } }
                }
                (button("Change", Weight::Plain))
            }
        } @else { (member.role) } }
        td data-label="Since" { (words::day(member.since)) }
        td data-label="Last active" { @match member.last_active_at { Some(at) => (words::day(at)), None => "never" } }
        td { @if !oneself { div class="row" {
            @if member.blocked_at.or(member.blocked_here_at).is_none() {
                a class="button" href={ (path) "/write" } { "Write" span class="hidden" { " to " (member.name.as_str()) } }
            }
            @if manages {
            @if member.blocked_here_at.is_some() {
                form method="post" action=(format!("{path}/unblock")) { (visitor.csrf()) (button("Unblock", Weight::Plain)) }
            } @else { (ask_first(&format!("{path}/block"), "Block")) }
            (ask_first(&format!("{path}/remove"), "Remove"))
            @if visitor.actor.role() == Role::Owner && member.blocked_at.or(member.blocked_here_at).is_none() {
                (ask_first(&format!("{path}/owner"), "Make owner"))
            }
            }
        } } }
    } }
}

fn invite_form(
    visitor: &Visitor,
    fields: &Fields,
    problem: Option<&str>,
    captured: bool,
) -> Markup {
    let email = Field {
        name: "email",
        label: "Email address",
        value: fields.text("email"),
        hint: Some("We mail a link, which works for seven days"),
        error: problem,
        required: true,
    };
    let role = Field {
        name: "role",
        label: "Role",
        value: fields.find("role").unwrap_or("member"),
        required: true,
        ..Field::default()
    };
    show::card(
        "Invite somebody",
        &html! {
            @if captured {
                p class="soft" { "This installation keeps its mail to users instead of sending it (setting " code { "system_mail" } "). Whoever runs it reads it with " code { "mauntic inbox --installation list" } "." }
            }
            form method="post" action="/app/organization/invitations" class="stack" {
                (visitor.csrf())
                (filled(&email, "email", "off"))
                (select(&role, &roles_of(visitor)))
                div class="row" { (button("Invite", Weight::Primary)) }
            }
        },
    )
}

fn open_invitations(
    visitor: &Visitor,
    invitations: &Page<Invitation, InvitationId>,
    now: chrono::DateTime<chrono::Utc>,
) -> Markup {
    let rows: Vec<_> = invitations
        .items
        .iter()
        .map(|invitation| {
            let path = format!("{PLACE}/invitations/{}", invitation.id);
            let may = invitation.role <= visitor.actor.role();
            html! { tr {
                td { (invitation.email.as_str()) }
                td { (invitation.role) }
                td { @if invitation.is_open(now) { (words::time(invitation.expires_at)) } @else { (show::badge("too old", Tone::Warn)) } }
                td { div class="row" {
                    @if may { form method="post" action=(format!("{path}/resend")) { (visitor.csrf()) (button("Send again", Weight::Plain)) } }
                    @if may { (ask_first(&format!("{path}/revoke"), "Take back")) }
                } }
            } }
        })
        .collect();
    let heads = columns(["Email address", "Role", "Works until", ""]);
    let next = invitations.next;
    let next = next.map(|next| format!("{PLACE}?invited={next}"));
    show::card(
        "Invited",
        &table("Invitations", &heads, &rows, next.as_deref()),
    )
}

/// What each role may do, from the code that decides it.
#[handler]
pub(super) async fn permissions(request: &Request, visitor: Visitor) -> Result<Markup> {
    let organization = app(request)?.identity.organization(&visitor.actor).await;
    let organization = organization.map_err(failure::identity)?;
    let rows: Vec<_> = Permission::ALL
        .into_iter()
        .map(|(permission, text)| {
            let (what, action) = text.split_once(':').unwrap_or((text, ""));
            html! { tr {
                th scope="row" { (what) }
                td { (action) }
                @for role in Role::ALL { td {
                    @if role.allows(permission) { (show::badge("yes", Tone::Good)) } @else { span class="soft" { "no" } }
                } }
            } }
        })
        .collect();
    let heads = columns(["What", "Action", "viewer", "member", "admin", "owner"]);
    let content = html! {
        p { "You are " strong { (visitor.actor.role()) } " in " (organization.name.as_str()) ". Each role may do all that the one before it may; nobody gives or takes a role above their own." }
        (table("What each role may do", &heads, &rows, None))
    };
    let page = page(&visitor, "Roles", "/app/organization/roles", &content);
    Ok(page)
}

/// Mails an invitation.
#[handler]
pub(super) async fn invite(request: &Request, posted: Posted) -> Result<Response> {
    let (visitor, fields) = (&posted.visitor, &posted.fields);
    visitor.needs(Permission::MembersManage)?;
    let again = async |problem: &str| {
        let page = list(request, visitor, &Asked::default(), fields, Some(problem)).await?;
        Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
    };
    let Ok(email) = fields.text("email").parse() else {
        return again("This is no email address.").await;
    };
    let role = fields.text("role").parse();
    let role: Role = role.map_err(|_| failure::missing("role"))?;
    let invited = app(request)?
        .identity
        .invite(&visitor.actor, Invite { email, role })
        .await;
    match invited {
        Ok(_) => Ok(redirect(&Done::Created.at(PLACE))),
        Err(IdentityError::AlreadyMember) => again("This is a member already.").await,
        Err(error @ IdentityError::TooManyFailures { .. }) => {
            again(&failure::too_often(&error)).await
        }
        Err(error) => Err(failure::identity(error)),
    }
}

/// Asks before an invitation is taken back.
#[handler]
pub(super) async fn ask_to_revoke(
    request: &Request,
    visitor: Visitor,
    Path((invitation, what)): Path<(Uuid, String)>,
) -> Result<Response> {
    visitor.needs(Permission::MembersManage)?;
    if what != "revoke" {
        return Err(failure::missing("page"));
    }
    let (identity, id) = (&app(request)?.identity, InvitationId::from_uuid(invitation));
    let (mut after, size) = (None, PageSize::clamped(usize::from(PageSize::MAX)));
    let found = loop {
        let page = identity.invitations(&visitor.actor, after, size).await;
        let page = page.map_err(failure::identity)?;
        let found = page.items.into_iter().find(|one| one.id == id);
        after = page.next;
        if found.is_some() || after.is_none() {
            break found;
        }
    };
    let invited = found.ok_or_else(|| failure::missing("invitation"))?;
    let lost = [format!(
        "The invitation of {} as {}: its link stops working",
        invited.email, invited.role
    )];
    let question = format!("Take back the invitation of {}?", invited.email);
    let content = confirmation(&question, &lost, "Take back", PLACE, &visitor.csrf());
    Ok(page(&visitor, "Members", PLACE, &content).into_response())
}

/// Sends an invitation again, or takes it back.
#[handler]
pub(super) async fn change_invitation(
    request: &Request,
    Path((invitation, what)): Path<(Uuid, String)>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let (actor, id) = (&posted.visitor.actor, InvitationId::from_uuid(invitation));
    let (changed, done) = match what.as_str() {
        "resend" => (identity.resend_invitation(actor, id).await, Done::Saved),
        "revoke" => (identity.revoke_invitation(actor, id).await, Done::Deleted),
        _ => return Err(failure::missing("page")),
    };
    changed.map_err(failure::identity)?;
    Ok(redirect(&done.at(PLACE)))
}

/// Gives a member another role.
#[handler]
pub(super) async fn change_role(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    posted.visitor.needs(Permission::MembersManage)?;
    let role = posted.fields.text("role").parse();
    let role: Role = role.map_err(|_| failure::missing("role"))?;
    let identity = &app(request)?.identity;
    let id = UserId::from_uuid(user);
    let version = posted.fields.text("version").parse().ok();
    let changed = identity.change_member(&posted.visitor.actor, id, role, version);
    changed.await.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}

/// The member that a question is about, if the visitor may do what is asked.
async fn member(request: &Request, visitor: &Visitor, user: Uuid) -> Result<Member> {
    visitor.needs(Permission::MembersManage)?;
    let identity = &app(request)?.identity;
    let found = identity.member(&visitor.actor, UserId::from_uuid(user));
    let found = found.await.map_err(failure::identity)?;
    if found.role > visitor.actor.role() {
        return Err(failure::forbidden());
    }
    Ok(found)
}

/// Asks before a member is blocked.
#[handler]
pub(super) async fn ask_to_block(
    request: &Request,
    visitor: Visitor,
    Path(user): Path<Uuid>,
) -> Result<Response> {
    let member = member(request, &visitor, user).await?;
    let lost = [
        "What they may do in this organisation, from their next request on".to_owned(),
        "What API tokens made by them may do here, until you unblock them".to_owned(),
    ];
    let question = format!("Block {}?", member.name);
    let content = confirmation(&question, &lost, "Block", PLACE, &visitor.csrf());
    Ok(page(&visitor, "Members", PLACE, &content).into_response())
}

/// Blocks a member.
#[handler]
pub(super) async fn block(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = UserId::from_uuid(user);
    let blocked = identity.block_member(&posted.visitor.actor, id).await;
    blocked.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}

/// Lets a blocked member act again.
#[handler]
pub(super) async fn unblock(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = UserId::from_uuid(user);
    let unblocked = identity.unblock_member(&posted.visitor.actor, id).await;
    unblocked.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}

/// Asks before a member is removed.
#[handler]
pub(super) async fn ask_to_remove(
    request: &Request,
    visitor: Visitor,
    Path(user): Path<Uuid>,
) -> Result<Response> {
    let member = member(request, &visitor, user).await?;
    let lost = [
        format!(
            "The membership of {} ({}) as {}",
            member.name, member.email, member.role
        ),
        "API tokens that they made here, which are revoked for good".to_owned(),
    ];
    let question = format!("Remove {}?", member.name);
    let content = confirmation(&question, &lost, "Remove", PLACE, &visitor.csrf());
    Ok(page(&visitor, "Members", PLACE, &content).into_response())
}

/// Takes a member out of the organisation.
#[handler]
pub(super) async fn remove(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let identity = &app(request)?.identity;
    let id = UserId::from_uuid(user);
    let removed = identity.remove_member(&posted.visitor.actor, id).await;
    removed.map_err(failure::identity)?;
    Ok(redirect(&Done::Deleted.at(PLACE)))
}

/// Asks before the organisation is given to another member.
#[handler]
pub(super) async fn ask_to_give(
    request: &Request,
    visitor: Visitor,
    Path(user): Path<Uuid>,
) -> Result<Response> {
    visitor.needs(Permission::OrganizationManage)?;
    let member = member(request, &visitor, user).await?;
    let organization = visitor.who.workplace();
    let name = organization.map_or("the organisation", |place| place.name.as_str());
    let lost = [
        format!(
            "Your ownership of {name}, which goes to {} ({}): you become an admin",
            member.name, member.email
        ),
        "Changing the settings of the organisation, and making owners: you cannot take it back"
            .to_owned(),
        "Your open invitations to become an owner".to_owned(),
    ];
    let question = format!("Give {name} to {}?", member.name);
    let content = confirmation(&question, &lost, "Give it away", PLACE, &visitor.csrf());
    Ok(page(&visitor, "Members", PLACE, &content).into_response())
}

/// Gives the ownership away.
#[handler]
pub(super) async fn give(
    request: &Request,
    Path(user): Path<Uuid>,
    posted: Posted,
) -> Result<Response> {
    let visitor = &posted.visitor;
    let identity = &app(request)?.identity;
    let (from, to) = (visitor.who.user.id, UserId::from_uuid(user));
    let given = identity.transfer_ownership(&visitor.actor, from, to).await;
    given.map_err(failure::identity)?;
    Ok(redirect(&Done::Saved.at(PLACE)))
}
