use std::collections::BTreeSet;

use serde_json::json;

use super::super::super::{
    AuthorizationParameters, Change, DisplayName, IdentityError, IdentityService, LoggedIn,
    OauthClient, OauthCode, OauthError, OauthGrant, OauthSecret, OauthSecretKind, OwnGrant,
    RedirectUri, Subject, Wanted, Workplace,
};
use super::super::calling;
use crate::{Actor, Forbidden, OauthGrantId, Permission, Role};

/// What somebody is asked who is to let an app in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthConsent {
    /// What the organisation is called where it would act.
    pub organization: DisplayName,
    /// What it would be let do: what it asks for, as far as the person's role allows it.
    pub scopes: BTreeSet<Permission>,
    /// Whether the person need not be asked, having said yes before.
    pub given: bool,
}

impl IdentityService {
    /// The app that asks to be let in, and where the browser is to be sent back to. Whatever else is wrong is told there;
    /// until this is known, the browser must be sent nowhere.
    ///
    /// # Errors
    /// [`IdentityError::OauthClientNotFound`]; [`IdentityError::RedirectNotRegistered`].
    pub async fn oauth_destination(
        &self,
        asked: &AuthorizationParameters,
    ) -> Result<(OauthClient, RedirectUri), IdentityError> {
        let id = asked
            .client_id()
            .ok_or(IdentityError::OauthClientNotFound)?;
        let client = self.store.oauth().find_client(id).await?;
        let client = client.ok_or(IdentityError::OauthClientNotFound)?;
        let uri = asked
            .redirect_uri()
            .and_then(|uri| client.redirect_uri(uri));
        let uri = uri.ok_or(IdentityError::RedirectNotRegistered)?.clone();
        Ok((client, uri))
    }

    /// What to ask the person before an app is let in.
    ///
    /// # Errors
    /// [`IdentityError::OrganizationNotFound`] if the person cannot work in the app's organisation;
    /// [`Forbidden::Closing`] if that waits to be deleted; [`OauthError::AccessDenied`] if the person's role allows
    /// nothing of what the app asks for.
    pub async fn oauth_consent(
        &self,
        who: &LoggedIn,
        client: &OauthClient,
        wanted: &Wanted,
    ) -> Result<OauthConsent, IdentityError> {
        let place = there(who, client)?;
        let scopes = allowed(place.role, wanted)?;
        let grants = self.store.oauth();
        let grant = grants
            .find_grant(client.organization_id, client.id, who.user.id)
            .await?;
        let covered = grant.is_some_and(|grant| grant.covers(client, &scopes));
        Ok(OauthConsent {
            organization: place.name.clone(),
            scopes,
            given: covered && !wanted.asks,
        })
    }

    /// Lets an app act for the person, who said yes, or said so before. The code is for the app, which comes for its
    /// tokens with it.
    ///
    /// # Errors
    /// As [`oauth_consent`](Self::oauth_consent), and as [`oauth_destination`](Self::oauth_destination) if the app was
    /// changed meanwhile.
    #[tracing::instrument(skip_all)]
    pub async fn authorize(
        &self,
        who: &LoggedIn,
        client: &OauthClient,
        redirect_uri: &RedirectUri,
        wanted: &Wanted,
    ) -> Result<OauthSecret, IdentityError> {
        let place = there(who, client)?;
        let secret = OauthSecret::random(OauthSecretKind::Code)?;
        let (organization, now) = (client.organization_id, self.clock.now());
        let mut uow = self.store.begin().await?;
        // Kept until this is done: a grant is there when a membership ends, or is not given any more.
        let membership = uow.memberships().find(organization, who.user.id).await?;
        let membership = membership.filter(|membership| membership.blocked_at.is_none());
        let membership = membership.ok_or(IdentityError::OrganizationNotFound(organization))?;
        let scopes = allowed(membership.role, wanted)?;
        let stored = uow
            .oauth()
            .find_client_for_update(organization, client.id)
            .await?;
        let stored = stored.ok_or(IdentityError::OauthClientNotFound)?;
        stored
            .redirect_uri(redirect_uri.as_str())
            .ok_or(IdentityError::RedirectNotRegistered)?;
        let found = uow
            .oauth()
            .find_grant_for_update(organization, client.id, who.user.id)
            .await?;
        let covering = found.clone().filter(|grant| grant.covers(&stored, &scopes));
        let grant_id = if let Some(grant) = covering {
            grant.id
        } else {
            let mut grant = OauthGrant {
                id: OauthGrantId::generate(&*self.ids),
                organization_id: organization,
                client_id: client.id,
                user_id: who.user.id,
                scopes: scopes.clone(),
                given_at: now,
                created_at: now,
                last_used_at: None,
            };
            if let Some(before) = found {
                grant.id = before.id;
                // What was let in to go elsewhere is not let in to go here.
                if before.given_at >= stored.redirects_at {
                    grant.scopes.extend(before.scopes);
                }
            }
            uow.oauth().save_grant(&grant).await?;
            let change = about("oauth_grant.given", &grant);
            let change = change.to(json!({"name": client.name, "scopes": grant.scopes}));
            self.audit(&mut *uow, &actor(who, place), change, now)
                .await?;
            grant.id
        };
        let code = OauthCode {
            organization_id: organization,
            client_id: client.id,
            grant_id,
            family: self.ids.next(),
            redirect_uri: redirect_uri.to_string(),
            challenge: wanted.challenge.clone(),
            scopes,
            expires_at: now + OauthCode::LIFETIME,
            used_at: None,
        };
        uow.oauth().insert_code(&code, &secret.hash()).await?;
        uow.commit().await?;
        Ok(secret)
    }

    /// The apps that may act for the user, in any organisation, the oldest first.
    pub async fn own_oauth_grants(&self, who: &LoggedIn) -> Result<Vec<OwnGrant>, IdentityError> {
        Ok(self.store.oauth().grants_of_user(who.user.id).await?)
    }

    /// Lets an app act for the user no more, from its next call on.
    ///
    /// # Errors
    /// [`IdentityError::OauthGrantNotFound`].
    #[tracing::instrument(skip_all)]
    pub async fn revoke_oauth_grant(
        &self,
        who: &LoggedIn,
        id: OauthGrantId,
    ) -> Result<(), IdentityError> {
        let own = self.store.oauth().grants_of_user(who.user.id).await?;
        let own = own.into_iter().find(|own| own.grant.id == id);
        let own = own.ok_or(IdentityError::OauthGrantNotFound)?;
        let organization = own.grant.organization_id;
        let now = self.clock.now();
        let mut uow = self.store.begin().await?;
        let gone = uow.oauth().delete_grant(organization, who.user.id, id);
        if !gone.await? {
            return Err(IdentityError::OauthGrantNotFound);
        }
        let change = about("oauth_grant.revoked", &own.grant);
        let change = change.from(json!({"name": own.client}));
        // It is the user's own, whatever the role there.
        let actor = Actor::user(organization, who.user.id, Role::Viewer);
        let actor = calling(actor, who.address);
        self.audit(&mut *uow, &actor, change, now).await?;
        uow.commit().await?;
        Ok(())
    }
}

/// The app's organisation, if the person can work there.
fn there<'a>(who: &'a LoggedIn, client: &OauthClient) -> Result<&'a Workplace, IdentityError> {
    let organization = client.organization_id;
    let mut places = who.workplaces.iter();
    let place = places.find(|place| place.organization_id == organization);
    let place = place.ok_or(IdentityError::OrganizationNotFound(organization))?;
    if place.deletion_due_at.is_some() {
        return Err(Forbidden::Closing(Permission::MembersRead).into());
    }
    Ok(place)
}

/// What the person can let an app do of what it asks for.
fn allowed(role: Role, wanted: &Wanted) -> Result<BTreeSet<Permission>, IdentityError> {
    let scopes = wanted.scopes.iter().copied();
    let scopes: BTreeSet<_> = scopes.filter(|scope| role.allows(*scope)).collect();
    if scopes.is_empty() {
        let why = "the role of the user allows nothing of what the app asks for";
        return Err(OauthError::AccessDenied(why).into());
    }
    Ok(scopes)
}

fn actor(who: &LoggedIn, place: &Workplace) -> Actor {
    let actor = Actor::user(place.organization_id, who.user.id, place.role);
    calling(actor, who.address)
}

pub(super) fn about(action: &str, grant: &OauthGrant) -> Change {
    Change::new(action, Subject::new("oauth_grant", grant.id))
}
