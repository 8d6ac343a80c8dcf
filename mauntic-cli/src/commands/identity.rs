//! `mauntic org`, `user`, `token`, `audit`.

use std::collections::BTreeSet;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use mauntic_core::{
    Actor, ApiTokenId, EmailAddress, Operator, Permission, Role, Subject, TimeZoneName, UserId,
    identity::{
        AddMember, AuditFilter, CreateOrganization, CreateToken, CreateUser, DisplayName,
        FirstPassword, Organization, Password, PasswordHash, PostalAddress, Slug,
        UpdateOrganization,
    },
};
use mauntic_server::{audit_words, settle_events};
use serde_json::json;

use crate::{context::Context, exit, output::table, paging::Paging};

/// `mauntic org …`
#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    /// Make an organisation
    Create {
        /// What people call it
        name: DisplayName,
        /// Its short name, for --org [default: made from the name]
        #[arg(long)]
        slug: Option<Slug>,
        /// The zone in which it counts its days, such as Europe/Berlin
        #[arg(long, default_value = "UTC")]
        timezone: TimeZoneName,
        /// The postal address that its mail shows
        #[arg(long)]
        address: Option<PostalAddress>,
    },
    /// Change the organisation's name, zone or postal address
    Update {
        /// What people call it
        #[arg(long)]
        name: Option<DisplayName>,
        /// The zone in which it counts its days, such as Europe/Berlin
        #[arg(long)]
        timezone: Option<TimeZoneName>,
        /// The postal address that its mail shows
        #[arg(long)]
        address: Option<PostalAddress>,
    },
    /// List the organisations, the oldest first
    List(Paging),
    /// Let nobody act in an organisation any more
    Block {
        /// Slug, name or id
        name: String,
    },
    /// Let people act in an organisation again
    Unblock {
        /// Slug, name or id
        name: String,
    },
    /// Have an organisation deleted, with all that it has
    Delete {
        /// Slug, name or id
        name: String,
        /// Erase it after so many days [default: as the setting deletion_grace_days says]
        #[arg(long)]
        days: Option<u32>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Keep an organisation that waits to be deleted
    Restore {
        /// Slug, name or id
        name: String,
    },
    /// List the organisations that were erased
    Erased(Paging),
}

impl OrgCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let identity = &context.app.identity;
        match self {
            Self::Create {
                name,
                slug,
                timezone,
                address,
            } => {
                let command = CreateOrganization {
                    name,
                    slug,
                    timezone,
                    postal_address: address,
                };
                show(
                    context,
                    &identity
                        .create_organization(&Operator::local(), command)
                        .await?,
                )
            }
            Self::Update {
                name,
                timezone,
                address,
            } => {
                let command = UpdateOrganization {
                    name,
                    timezone,
                    postal_address: address.map(Some),
                    version: None,
                };
                show(
                    context,
                    &identity
                        .update_organization(&context.actor().await?, command)
                        .await?,
                )
            }
            Self::List(paging) => {
                let operator = Operator::local();
                let part = paging
                    .gather(async |after, size| {
                        Ok(identity.organizations(&operator, after, size).await?)
                    })
                    .await?;
                let result = json!({"organizations": part.items, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["Slug", "Name", "Zone", "State", "Id"],
                        part.items.iter().map(|organization| {
                            [
                                organization.slug.to_string(),
                                organization.name.to_string(),
                                organization.timezone.to_string(),
                                state(organization),
                                organization.id.to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::Block { name } => {
                let organization = identity
                    .find_organization(&Operator::local(), &name)
                    .await?;
                identity
                    .block_organization(&Operator::local(), organization.id)
                    .await?;
                context
                    .output
                    .result(&json!({"id": organization.id, "blocked": true}), |_| {
                        format!("{} is blocked", organization.name)
                    })
            }
            Self::Unblock { name } => {
                let organization = identity
                    .find_organization(&Operator::local(), &name)
                    .await?;
                identity
                    .unblock_organization(&Operator::local(), organization.id)
                    .await?;
                context
                    .output
                    .result(&json!({"id": organization.id, "blocked": false}), |_| {
                        format!("{} is open again", organization.name)
                    })
            }
            Self::Delete { name, days, yes } => delete(context, &name, days, yes).await,
            Self::Restore { name } => {
                let found = identity.find_organization(&Operator::local(), &name).await;
                let actor = Actor::system(found?.id);
                show(context, &identity.restore_organization(&actor).await?)
            }
            Self::Erased(paging) => erased(context, &paging).await,
        }
    }
}

async fn delete(context: &Context, name: &str, days: Option<u32>, yes: bool) -> anyhow::Result<()> {
    let app = &context.app;
    let operator = Operator::local();
    let organization = app.identity.find_organization(&operator, name).await?;
    let days = days.unwrap_or(app.settings.deletion_grace_days);
    let question = format!(
        "{} and all that it has will be erased after {days} days: contacts, emails, results, members.",
        organization.name
    );
    context.confirm(yes, &question)?;
    let after = TimeDelta::days(days.into());
    let planned = app
        .identity
        .delete_organization(&operator, organization.id, after)
        .await?;
    show(context, &planned)
}

async fn erased(context: &Context, paging: &Paging) -> anyhow::Result<()> {
    let (identity, operator) = (&context.app.identity, Operator::local());
    let part = paging
        .gather(async |after, size| Ok(identity.erasures(&operator, after, size).await?))
        .await?;
    let result = json!({"erased": part.items, "next": part.next});
    context.output.result(&result, |_| {
        table(
            ["Id", "Asked for by", "Asked for", "Erased"],
            part.items.iter().map(|erasure| {
                [
                    erasure.organization_id.to_string(),
                    erasure.requested_by.to_string(),
                    erasure.requested_at.format("%F %R").to_string(),
                    erasure.erased_at.format("%F %R").to_string(),
                ]
            }),
        )
    })?;
    part.tell(context.output);
    Ok(())
}

/// Whether people can work in it.
fn state(organization: &Organization) -> String {
    match (organization.blocked_at, organization.deletion) {
        (_, Some(deletion)) => format!("deleted on {}", deletion.due_at.format("%F %R")),
        (Some(_), None) => "blocked".to_owned(),
        (None, None) => "open".to_owned(),
    }
}

fn show(context: &Context, organization: &Organization) -> anyhow::Result<()> {
    context.output.result(organization, |organization| {
        format!(
            "{} ({}), zone {}, {}, id {}",
            organization.name,
            organization.slug,
            organization.timezone,
            state(organization),
            organization.id
        )
    })
}

/// `mauntic user …`
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user who is a member of the organisation; the password is asked for, or read from standard input
    Create {
        /// The user's email address
        email: EmailAddress,
        /// The user's name
        #[arg(long)]
        name: DisplayName,
        /// owner, admin, member or viewer
        #[arg(long, default_value = "member")]
        role: Role,
        /// Make the user without a password
        #[arg(long)]
        no_password: bool,
        /// Read, instead of the password, the bcrypt hash that another system has of it ($2y$…, as Mautic's) from
        /// standard input; the next login makes a hash of our own of it
        #[arg(long, conflicts_with = "no_password")]
        password_hash: bool,
    },
    /// Make an existing user a member of the organisation
    Add {
        /// The user's email address
        email: EmailAddress,
        /// owner, admin, member or viewer
        #[arg(long, default_value = "member")]
        role: Role,
    },
    /// Give a member another role
    Role {
        /// The user's email address or id
        user: String,
        /// owner, admin, member or viewer
        role: Role,
    },
    /// Take a member out of the organisation
    Remove {
        /// The user's email address or id
        user: String,
    },
    /// List the members
    List(Paging),
    /// Let a user act nowhere any more
    Block {
        /// The user's email address or id
        user: String,
    },
    /// Let a user act again
    Unblock {
        /// The user's email address or id
        user: String,
    },
    /// Switch the second factor of a user off who lost the app and the recovery codes
    ResetSecondFactor {
        /// The user's email address or id
        user: String,
    },
}

impl UserCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let identity = &context.app.identity;
        let actor = context.actor().await?;
        let done = |what: &str, id: UserId| {
            context
                .output
                .result(&json!({"user_id": id}), |_| what.to_owned())
        };
        match self {
            Self::Create {
                email,
                name,
                role,
                no_password,
                password_hash,
            } => {
                let password = if password_hash {
                    Some(FirstPassword::Adopted(read_hash()?))
                } else if no_password {
                    None
                } else {
                    Some(read_password()?.into())
                };
                let member = identity
                    .create_user(
                        &Operator::local(),
                        actor.organization_id(),
                        CreateUser {
                            email,
                            name,
                            password,
                            role,
                        },
                    )
                    .await?;
                context.output.result(&member, |member| {
                    format!("{} is {}, id {}", member.email, member.role, member.user_id)
                })
            }
            Self::Add { email, role } => {
                let organization = actor.organization_id();
                let member = identity
                    .add_member(&Operator::local(), organization, AddMember { email, role })
                    .await?;
                context.output.result(&member, |member| {
                    format!("{} is {}", member.email, member.role)
                })
            }
            Self::Role { user, role } => {
                let id = find_user(context, &user).await?;
                identity.change_member(&actor, id, role, None).await?;
                done("changed", id)
            }
            Self::Remove { user } => {
                let id = find_user(context, &user).await?;
                identity.remove_member(&actor, id).await?;
                done("removed", id)
            }
            Self::Block { user } => {
                let id = find_user(context, &user).await?;
                identity.block_user(&Operator::local(), id).await?;
                done("blocked", id)
            }
            Self::Unblock { user } => {
                let id = find_user(context, &user).await?;
                identity.unblock_user(&Operator::local(), id).await?;
                done("may act again", id)
            }
            Self::ResetSecondFactor { user } => {
                let id = find_user(context, &user).await?;
                identity.reset_second_factor(&Operator::local(), id).await?;
                done("logs in without a second factor", id)
            }
            Self::List(paging) => {
                let part = paging
                    .gather(async |after, size| Ok(identity.members(&actor, after, size).await?))
                    .await?;
                let result = json!({"members": part.items, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["Email", "Name", "Role", "Id"],
                        part.items.iter().map(|member| {
                            [
                                member.email.to_string(),
                                member.name.to_string(),
                                member.role.to_string(),
                                member.user_id.to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
                Ok(())
            }
        }
    }
}

async fn find_user(context: &Context, text: &str) -> anyhow::Result<UserId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let email: EmailAddress = text
        .parse()
        .map_err(|_| exit::invalid("expected an email address or an id"))?;
    let found = context
        .app
        .identity_store
        .members()
        .find_user_by_email(&email)
        .await?;
    found
        .map(|user| user.id)
        .ok_or_else(|| exit::not_found("no user has this email address"))
}

fn read_password() -> anyhow::Result<Password> {
    use std::io::IsTerminal as _;

    let text = if std::io::stdin().is_terminal() {
        dialoguer::Password::new()
            .with_prompt("Password")
            .with_confirmation("Again", "these two differ")
            .interact()?
    } else {
        read_line()?
    };
    text.parse()
        .map_err(|error| exit::invalid(format!("{error}")))
}

/// A hash is asked for by no prompt: it comes from a file or another program.
fn read_hash() -> anyhow::Result<PasswordHash> {
    let hash = PasswordHash::from_bcrypt(&read_line()?);
    hash.map_err(|error| exit::invalid(format!("{error}")))
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .context("failed to read the password from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// `mauntic token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an API token and print it, this once
    Create {
        /// What it is for
        name: DisplayName,
        /// owner, admin, member or viewer
        #[arg(long, default_value = "admin")]
        role: Role,
        /// A permission such as contacts:read; repeat for several [default: all of the role's]
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<Permission>,
        /// When it stops working, such as 2027-01-01T00:00:00Z
        #[arg(long)]
        expires: Option<DateTime<Utc>>,
    },
    /// List the API tokens
    List(Paging),
    /// Revoke an API token
    Revoke {
        /// Its id
        id: ApiTokenId,
    },
}

impl TokenCommand {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let identity = &context.app.identity;
        let actor = context.actor().await?;
        match self {
            Self::Create {
                name,
                role,
                scopes,
                expires,
            } => {
                let scopes: BTreeSet<Permission> = scopes.into_iter().collect();
                let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
                let command = CreateToken {
                    name,
                    role,
                    scopes,
                    expires_at: expires,
                };
                let made = identity.create_token(&actor, command).await?;
                let secret = made.secret.reveal();
                let record = json!({"id": made.token.id, "token": secret, "role": made.token.role});
                context
                    .output
                    .note("Keep the token: it cannot be shown again.");
                context.output.result(&record, |_| secret.to_owned())
            }
            Self::List(paging) => {
                let part = paging
                    .gather(async |after, size| Ok(identity.tokens(&actor, after, size).await?))
                    .await?;
                let result = json!({"tokens": part.items, "next": part.next});
                context.output.result(&result, |_| {
                    table(
                        ["Name", "Role", "Last used", "State", "Id"],
                        part.items.iter().map(|token| {
                            let state = if token.revoked_at.is_some() {
                                "revoked"
                            } else {
                                "good"
                            };
                            let used = token
                                .last_used_at
                                .map_or("never".to_owned(), |at| at.format("%F %R").to_string());
                            [
                                token.name.to_string(),
                                token.role.to_string(),
                                used,
                                state.to_owned(),
                                token.id.to_string(),
                            ]
                        }),
                    )
                })?;
                part.tell(context.output);
                Ok(())
            }
            Self::Revoke { id } => {
                identity.revoke_token(&actor, id).await?;
                context
                    .output
                    .result(&json!({"id": id, "revoked": true}), |_| {
                        "revoked".to_owned()
                    })
            }
        }
    }
}

/// `mauntic audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    paging: Paging,
}

impl Audit {
    /// Runs the command.
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<()> {
        // What this program did before has perhaps not arrived: no worker need run.
        settle_events(&context.app).await?;
        let (identity, actor) = (&context.app.identity, context.actor().await?);
        let any = AuditFilter::default();
        let part = self
            .paging
            .gather(async |before, size| Ok(identity.audit_log(&actor, &any, before, size).await?))
            .await?;
        let result = json!({"entries": part.items, "next": part.next});
        context.output.result(&result, |_| {
            table(
                ["When", "Who", "What", "Of"],
                part.items.iter().map(|entry| {
                    [
                        entry.at.format("%F %T").to_string(),
                        entry.principal.to_string(),
                        audit_words(&entry.change.action),
                        subject(&entry.change.subject),
                    ]
                }),
            )
        })?;
        part.tell(context.output);
        Ok(())
    }
}

fn subject(subject: &Subject) -> String {
    let id = subject.id.map(|id| id.to_string()).unwrap_or_default();
    format!("{} {id}", subject.kind).trim_end().to_owned()
}
