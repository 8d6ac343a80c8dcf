use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::super::super::{
    Change, DisplayName, IdentityError, IdentityService, IdentityUnitOfWork, MachineAccess,
    OauthClient, OauthSecret, OauthSecretKind, RedirectUri, Subject, user::within,
};
use super::super::{organizations::at_version, tokens::scopes};
use crate::{Actor, OauthClientId, Page, PageSize, Permission, Principal, Role, UserId};

/// An app to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOauthClient {
    /// What people call it.
    pub name: DisplayName,
    /// Where it may have browsers sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// Whether it can keep a secret. What runs in a browser or on the machines of people cannot.
    pub confidential: bool,
    /// What it may do for itself, if anything.
    pub machine: Option<MachineWish>,
}

/// What an app is to be allowed to do for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineWish {
    /// The role that bounds it.
    pub role: Role,
    /// What it may do; `None` for all that the role and whoever allows it may do today, but for having the organisation
    /// deleted.
    pub scopes: Option<BTreeSet<Permission>>,
}

/// What to change of an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateOauthClient {
    /// What people call it.
    pub name: Option<DisplayName>,
    /// Where it may have browsers sent back to. Who let it in before is asked again.
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// What it may do for itself, if anything.
    pub machine: Option<Option<MachineWish>>,
    /// Only if the app still is at this [version](OauthClient::version).
    pub version: Option<i64>,
}

/// An app that was just registered, with the secret that is shown this once.
#[derive(Debug, Clone)]
pub struct NewOauthClient {
    /// The app.
    pub client: OauthClient,
    /// Its secret, if it can keep one.
    pub secret: Option<OauthSecret>,
}

impl IdentityService {
    /// Registers an app, so that members can let it act for them. Only people let it act for itself, within what they
    /// may do.
    ///
    /// # Errors
    /// [`IdentityError::RedirectUriCount`]; [`IdentityError::PublicMachine`]; [`IdentityError::NotByPrograms`];
    /// [`IdentityError::BeyondRole`] and [`IdentityError::BeyondOwnScope`] of the scopes.
    #[tracing::instrument(skip_all)]
    pub async fn create_oauth_client(
        &self,
        actor: &Actor,
        command: CreateOauthClient,
    ) -> Result<NewOauthClient, IdentityError> {
        let organization_id = actor.require(Permission::TokensManage)?;
        let machine = command.machine.map(|wish| machine(actor, wish));
        let secret = command
            .confidential
            .then(|| OauthSecret::random(OauthSecretKind::Client));
        let secret = secret.transpose()?;
        let now = self.clock.now();
        let client = OauthClient {
            id: OauthClientId::generate(&*self.ids),
            organization_id,
            name: command.name,
            redirect_uris: command.redirect_uris,
            redirects_at: now,
            secret_hash: secret.as_ref().map(OauthSecret::hash),
            machine: machine.transpose()?,
            created_by: person(actor),
            created_at: now,
            last_used_at: None,
        };
        hold_whole(&client)?;
        let mut uow = self.store.begin().await?;
        uow.oauth().insert_client(&client).await?;
        let change = about("oauth_client.created", &client).to(told(&client));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(NewOauthClient { client, secret })
    }

    /// A page of the apps of the actor's organisation, the oldest first.
    pub async fn oauth_clients(
        &self,
        actor: &Actor,
        after: Option<OauthClientId>,
        size: PageSize,
    ) -> Result<Page<OauthClient, OauthClientId>, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let clients = self.store.oauth().list_clients(organization, after, size);
        Ok(clients.await?)
    }

    /// An app of the actor's organisation.
    ///
    /// # Errors
    /// [`IdentityError::OauthClientNotFound`].
    pub async fn oauth_client(
        &self,
        actor: &Actor,
        id: OauthClientId,
    ) -> Result<OauthClient, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let found = self.store.oauth().find_client(id).await?;
        let ours = found.filter(|client| client.organization_id == organization);
        ours.ok_or(IdentityError::OauthClientNotFound)
    }

    /// Changes an app. Whoever says what it may do for itself answers for it from now on. One that acts for itself in a
    /// role above the actor's own is for others to change.
    ///
    /// # Errors
    /// As [`create_oauth_client`](Self::create_oauth_client), [`IdentityError::OauthClientNotFound`], and
    /// [`IdentityError::Outdated`] if somebody else changed it.
    #[tracing::instrument(skip_all)]
    pub async fn update_oauth_client(
        &self,
        actor: &Actor,
        id: OauthClientId,
        command: UpdateOauthClient,
    ) -> Result<OauthClient, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let wish = command.machine.map(|wish| {
            let machine = wish.map(|wish| machine(actor, wish));
            machine.transpose()
        });
        let wish = wish.transpose()?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.oauth().find_client_for_update(organization, id).await?;
        let mut client = found.ok_or(IdentityError::OauthClientNotFound)?;
        hold_within(actor, &client)?;
        at_version(command.version, client.version())?;
        let before = client.clone();
        client.name = command.name.unwrap_or(client.name);
        client.machine = wish.unwrap_or(client.machine);
        if let Some(uris) = command.redirect_uris
            && uris != client.redirect_uris
        {
            client.redirect_uris = uris;
            client.redirects_at = now;
        }
        hold_whole(&client)?;
        if client != before {
            uow.oauth().update_client(&client).await?;
            let change = about("oauth_client.updated", &client);
            let change = change.from(told(&before)).to(told(&client));
            self.audit(&mut *uow, actor, change, now).await?;
            uow.commit().await?;
        }
        Ok(client)
    }

    /// Gives an app another secret. The one before stops working at once; tokens stay.
    ///
    /// # Errors
    /// [`IdentityError::OauthClientNotFound`]; [`IdentityError::NotByPrograms`], and as
    /// [`create_oauth_client`](Self::create_oauth_client), of an app that acts for itself: whoever knows its secret may
    /// do what it may. [`IdentityError::NoClientSecret`] of one that has none.
    #[tracing::instrument(skip_all)]
    pub async fn rotate_oauth_secret(
        &self,
        actor: &Actor,
        id: OauthClientId,
    ) -> Result<OauthSecret, IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let secret = OauthSecret::random(OauthSecretKind::Client)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.oauth().find_client_for_update(organization, id).await?;
        let mut client = found.ok_or(IdentityError::OauthClientNotFound)?;
        hold_within(actor, &client)?;
        if !client.is_confidential() {
            return Err(IdentityError::NoClientSecret);
        }
        if let Some(present) = &client.machine {
            let wish = MachineWish {
                role: present.role,
                scopes: Some(present.scopes.clone()),
            };
            machine(actor, wish)?;
        }
        client.secret_hash = Some(secret.hash());
        uow.oauth().update_client(&client).await?;
        let change = about("oauth_client.secret_rotated", &client);
        let change = change.to(json!({"name": client.name}));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(secret)
    }

    /// Deletes an app. All that it was let do ends at once. One that acts for itself in a role above the actor's own is
    /// for others to delete.
    ///
    /// # Errors
    /// [`IdentityError::OauthClientNotFound`].
    #[tracing::instrument(skip_all)]
    pub async fn delete_oauth_client(
        &self,
        actor: &Actor,
        id: OauthClientId,
    ) -> Result<(), IdentityError> {
        let organization = actor.require(Permission::TokensManage)?;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let found = uow.oauth().find_client_for_update(organization, id).await?;
        let client = found.ok_or(IdentityError::OauthClientNotFound)?;
        hold_within(actor, &client)?;
        uow.oauth().delete_client(organization, id).await?;
        let change = about("oauth_client.deleted", &client).from(told(&client));
        self.audit(&mut *uow, actor, change, now).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Takes from apps what a member let them do for themselves, who goes: they would have it again if the member came
    /// back. One that can do nothing else waits for somebody to let it.
    pub(in crate::identity::service) async fn end_machines_of(
        &self,
        uow: &mut dyn IdentityUnitOfWork,
        actor: &Actor,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), IdentityError> {
        let organization = actor.organization_id();
        let clients = uow.oauth().clients_given_by_for_update(organization, user);
        for before in clients.await? {
            let client = OauthClient {
                machine: None,
                ..before.clone()
            };
            uow.oauth().update_client(&client).await?;
            let change = about("oauth_client.updated", &client);
            let change = change.from(told(&before)).to(told(&client));
            self.audit(uow, actor, change, now).await?;
        }
        Ok(())
    }
}

/// What an actor lets an app do for itself.
fn machine(actor: &Actor, wish: MachineWish) -> Result<MachineAccess, IdentityError> {
    if matches!(
        actor.principal(),
        Principal::Token { .. } | Principal::App { .. }
    ) {
        return Err(IdentityError::NotByPrograms);
    }
    within(actor.role(), &[wish.role])?;
    Ok(MachineAccess {
        role: wish.role,
        scopes: scopes(actor, wish.role, wish.scopes)?,
        given_by: person(actor),
    })
}

fn person(actor: &Actor) -> Option<UserId> {
    match actor.principal() {
        Principal::User { id } => Some(id),
        Principal::App { user, .. } => user,
        Principal::Token { .. } | Principal::System => None,
    }
}

/// Holds an app to be one that the actor may change: as with members and tokens, nobody takes more than they have.
fn hold_within(actor: &Actor, client: &OauthClient) -> Result<(), IdentityError> {
    if let Some(machine) = &client.machine {
        within(actor.role(), &[machine.role])?;
    }
    Ok(())
}

/// Holds an app to be one that can be used.
fn hold_whole(client: &OauthClient) -> Result<(), IdentityError> {
    let (all, machine) = (&client.redirect_uris, client.machine.is_some());
    let different: BTreeSet<_> = all.iter().collect();
    let enough = machine || !all.is_empty();
    if !enough || all.len() > OauthClient::MAX_REDIRECT_URIS || different.len() < all.len() {
        return Err(IdentityError::RedirectUriCount);
    }
    if machine && !client.is_confidential() {
        return Err(IdentityError::PublicMachine);
    }
    Ok(())
}

fn about(action: &str, client: &OauthClient) -> Change {
    Change::new(action, Subject::new("oauth_client", client.id))
}

/// What the audit log is told of an app.
fn told(client: &OauthClient) -> Json {
    let machine = client.machine.as_ref();
    json!({
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "confidential": client.is_confidential(),
        "acts_for_itself": machine.map(|machine| json!({
            "role": machine.role,
            "scopes": machine.scopes,
        })),
    })
}
