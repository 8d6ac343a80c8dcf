//! `/api/auth`: logging in, and one's own account.

mod body;
mod grants;

pub(crate) use grants::GrantsApi;

use mauntic_core::{
    OrganizationId, SessionId,
    identity::{
        CreateOrganization, IdentityError, LogIn, LoggedIn, NewSession, Password, SetUp,
        UpdateProfile,
    },
};
use poem::Request;
use poem_openapi::{OpenApi, param::Path, payload::Json, types::MaybeUndefined};
use uuid::Uuid;

use self::body::{
    Acceptance, Account, AddressBody, Began, BeganBody, CodeBody, Confirmation, Credentials,
    EmailChange, EnrolmentBody, Left, LinkBody, LinkedLoginBody, Move, NewOrganization, OwnerBody,
    PasswordChange, PasswordReset, ProfilePatch, RecoveryCodes, SecondFactor, SessionBody,
    SetUpBody,
};
use super::{
    ApiTag, Created, Done,
    identity::{OrganizationBody, given},
    parse,
};
use crate::{
    App,
    http::{
        auth::{InSession, Waiting},
        problem::ApiError,
    },
    ui::visitor::{client, cookie_text, end_earlier},
};

pub(crate) struct AuthApi {
    app: App,
}

impl AuthApi {
    pub(crate) fn new(app: &App) -> Self {
        Self { app: app.clone() }
    }

    /// Answers with a session that has begun, instead of the one that the caller had.
    async fn began(&self, request: &Request, new: &NewSession) -> Result<Began, ApiError> {
        end_earlier(&self.app, request).await?;
        let waits = new.session.awaits_second_factor;
        let remembered = new.session.remembered && !waits;
        let cookie = cookie_text(&self.app, Some((&new.secret, remembered)));
        let body = BeganBody {
            csrf_token: new.secret.csrf_token(),
            code_awaited: waits,
        };
        Ok(Began::Ok(Json(body), cookie))
    }
}

/// A text that is no password cannot be the right one.
fn present_password(text: &str) -> Result<Password, ApiError> {
    Password::presented(text)
        .ok_or_else(|| ApiError::wrong_credentials(&IdentityError::WrongPassword))
}

/// The password of somebody who may have none.
fn owner_password(text: Option<&str>) -> Result<Option<Password>, ApiError> {
    text.map(present_password).transpose()
}

#[OpenApi(prefix_path = "/auth", tag = "ApiTag::Account")]
impl AuthApi {
    /// Set the installation up
    ///
    /// Makes its first organisation and the owner, who is logged in at once. It works once, and not if there is a user.
    #[oai(path = "/setup", method = "post", operation_id = "setUp")]
    async fn set_up(&self, request: &Request, body: Json<SetUpBody>) -> Result<Began, ApiError> {
        let body = body.0;
        let command = SetUp {
            organization: parse("/organization", &body.organization)?,
            timezone: parse("/timezone", &body.timezone)?,
            name: parse("/name", &body.name)?,
            email: parse("/email", &body.email)?,
            password: parse("/password", &body.password)?,
            code: body.code.take(),
        };
        let new = self.app.identity.set_up(command, client(request)).await?;
        self.began(request, &new).await
    }

    /// Log in
    ///
    /// After several failures the next try has to wait.
    #[oai(path = "/login", method = "post", operation_id = "logIn")]
    async fn log_in(&self, request: &Request, body: Json<Credentials>) -> Result<Began, ApiError> {
        let body = body.0;
        let command = LogIn {
            email: parse("/email", &body.email)?,
            password: present_password(&body.password)?,
            remember: body.remember,
        };
        let new = self.app.identity.log_in(command, client(request)).await?;
        self.began(request, &new).await
    }

    /// Give the code of the second factor
    ///
    /// Ends the login that waits for it; the session that begins has a cookie and a token of its own.
    #[oai(path = "/login/code", method = "post", operation_id = "giveCode")]
    async fn give_code(
        &self,
        request: &Request,
        Waiting(secret): Waiting,
        body: Json<CodeBody>,
    ) -> Result<Began, ApiError> {
        let identity = &self.app.identity;
        let given = identity.give_second_factor(&secret, &body.0.code, client(request));
        self.began(request, &given.await?).await
    }

    /// Show who is logged in
    #[oai(path = "/session", method = "get", operation_id = "getAccount")]
    #[expect(clippy::unused_async, reason = "what poem-openapi calls is async")]
    async fn account(&self, InSession(who): InSession) -> Result<Json<Account>, ApiError> {
        Ok(Json(who.into()))
    }

    /// Log out
    #[oai(path = "/session", method = "delete", operation_id = "logOut")]
    async fn log_out(&self, InSession(who): InSession) -> Result<Left, ApiError> {
        self.app.identity.end_session(&who, who.session.id).await?;
        Ok(Left::Left(cookie_text(&self.app, None)))
    }

    /// Work in another organisation
    #[oai(
        path = "/session/organization",
        method = "put",
        operation_id = "switchOrganization"
    )]
    async fn switch(&self, InSession(who): InSession, body: Json<Move>) -> Result<Done, ApiError> {
        let organization = OrganizationId::from_uuid(body.0.organization_id);
        let switched = self.app.identity.switch_organization(&who, organization);
        switched.await?;
        Ok(Done::Done)
    }

    /// Make an organisation
    ///
    /// It is the user's own, and worked in from now on. Who may do this is for the installation to say: by default,
    /// whoever owns an organisation already. There is no `Idempotency-Key` here: a call that is sent again makes another.
    #[oai(
        path = "/organizations",
        method = "post",
        operation_id = "createOrganization"
    )]
    async fn create_organization(
        &self,
        InSession(who): InSession,
        body: Json<NewOrganization>,
    ) -> Result<Created<OrganizationBody>, ApiError> {
        let body = body.0;
        let mut command = CreateOrganization::named(parse("/name", &body.name)?);
        if let Some(zone) = body.timezone {
            command.timezone = parse("/timezone", &zone)?;
        }
        if let Some(address) = body.postal_address {
            command.postal_address = Some(parse("/postal_address", &address)?);
        }
        let made = self.app.identity.found_organization(&who, command).await?;
        Ok(Created::Created(Json(made.into())))
    }

    /// Leave an organisation
    ///
    /// The user's API tokens stop working there. The last owner cannot leave.
    #[oai(
        path = "/organizations/:organization_id/membership",
        method = "delete",
        operation_id = "leaveOrganization"
    )]
    async fn leave_organization(
        &self,
        InSession(who): InSession,
        organization_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = OrganizationId::from_uuid(organization_id.0);
        self.app.identity.leave_organization(&who, id).await?;
        Ok(Done::Done)
    }

    /// Change the own name and signature
    #[oai(path = "/profile", method = "patch", operation_id = "updateProfile")]
    async fn update_profile(
        &self,
        InSession(who): InSession,
        body: Json<ProfilePatch>,
    ) -> Result<Json<Account>, ApiError> {
        let body = body.0;
        let command = UpdateProfile {
            name: given("/name", body.name)?,
            signature: match body.signature {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(parse("/signature", &text)?)),
            },
        };
        let user = self.app.identity.update_profile(&who, command).await?;
        Ok(Json(LoggedIn { user, ..who }.into()))
    }

    /// List the own sessions
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn sessions(
        &self,
        InSession(who): InSession,
    ) -> Result<Json<Vec<SessionBody>>, ApiError> {
        let sessions = self.app.identity.own_sessions(&who).await?;
        Ok(Json(sessions.into_iter().map(SessionBody::from).collect()))
    }

    /// End all own sessions but this one
    #[oai(
        path = "/sessions",
        method = "delete",
        operation_id = "endOtherSessions"
    )]
    async fn end_others(&self, InSession(who): InSession) -> Result<Done, ApiError> {
        self.app.identity.end_other_sessions(&who).await?;
        Ok(Done::Done)
    }

    /// End one of the own sessions
    #[oai(
        path = "/sessions/:session_id",
        method = "delete",
        operation_id = "endSession"
    )]
    async fn end_session(
        &self,
        InSession(who): InSession,
        session_id: Path<Uuid>,
    ) -> Result<Done, ApiError> {
        let id = SessionId::from_uuid(session_id.0);
        self.app.identity.end_session(&who, id).await?;
        Ok(Done::Done)
    }

    /// Change the password
    ///
    /// All sessions end, this one too.
    #[oai(path = "/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        InSession(who): InSession,
        body: Json<PasswordChange>,
    ) -> Result<Done, ApiError> {
        let current = present_password(&body.0.current)?;
        let new = parse("/new", &body.0.new)?;
        let set = self.app.identity.set_password(&who, Some(current), new);
        match set.await {
            Err(error @ IdentityError::GuessablePassword) => Err(ApiError::invalid("/new", &error)),
            done => Ok(done.map(|()| Done::Done)?),
        }
    }

    /// Accept an invitation with a new account
    ///
    /// The link works once; the session begins at once.
    #[oai(
        path = "/invitation",
        method = "post",
        operation_id = "acceptAsNewUser"
    )]
    async fn accept_as_new(
        &self,
        request: &Request,
        body: Json<Acceptance>,
    ) -> Result<Began, ApiError> {
        let secret = parse("/token", &body.0.token)?;
        let name = parse("/name", &body.0.name)?;
        let password = parse("/password", &body.0.password)?;
        let identity = &self.app.identity;
        let accepted = identity.accept_as_new(&secret, name, password, client(request));
        self.began(request, &accepted.await?).await
    }

    /// Accept an invitation with the account that is logged in
    #[oai(
        path = "/session/invitation",
        method = "post",
        operation_id = "acceptInvitation"
    )]
    async fn accept_invitation(
        &self,
        InSession(who): InSession,
        body: Json<LinkBody>,
    ) -> Result<Done, ApiError> {
        let secret = parse("/token", &body.0.token)?;
        self.app.identity.accept_invitation(&who, &secret).await?;
        Ok(Done::Done)
    }

    /// Ask for a link to set a new password
    ///
    /// It is mailed to the address, if there is an account of it. The answer is the same if there is none.
    #[oai(
        path = "/password-reset/link",
        method = "post",
        operation_id = "requestPasswordReset"
    )]
    async fn request_password_reset(
        &self,
        request: &Request,
        body: Json<AddressBody>,
    ) -> Result<Done, ApiError> {
        let email = parse("/email", &body.0.email)?;
        let identity = &self.app.identity;
        identity
            .request_password_reset(email, client(request))
            .await?;
        Ok(Done::Done)
    }

    /// Set a new password with a mailed link
    ///
    /// The link works once. All sessions end.
    #[oai(
        path = "/password-reset",
        method = "post",
        operation_id = "resetPassword"
    )]
    async fn reset_password(
        &self,
        request: &Request,
        body: Json<PasswordReset>,
    ) -> Result<Done, ApiError> {
        let secret = parse("/token", &body.0.token)?;
        let password = parse("/password", &body.0.password)?;
        let identity = &self.app.identity;
        let from = client(request);
        identity.reset_password(&secret, password, &from).await?;
        Ok(Done::Done)
    }

    /// Ask for another address
    ///
    /// A link is mailed to it; until that is confirmed, nothing changes.
    #[oai(path = "/email", method = "put", operation_id = "requestEmailChange")]
    async fn request_email_change(
        &self,
        InSession(who): InSession,
        body: Json<EmailChange>,
    ) -> Result<Done, ApiError> {
        let email = parse("/email", &body.0.email)?;
        let password = owner_password(body.0.password.as_deref())?;
        let identity = &self.app.identity;
        identity.request_email_change(&who, password, email).await?;
        Ok(Done::Done)
    }

    /// Keep the present address
    #[oai(path = "/email", method = "delete", operation_id = "cancelEmailChange")]
    async fn cancel_email_change(&self, InSession(who): InSession) -> Result<Done, ApiError> {
        self.app.identity.cancel_email_change(&who).await?;
        Ok(Done::Done)
    }

    /// Confirm another address with a mailed link
    #[oai(
        path = "/email/confirmation",
        method = "post",
        operation_id = "confirmEmailChange"
    )]
    async fn confirm_email_change(
        &self,
        request: &Request,
        body: Json<LinkBody>,
    ) -> Result<Json<AddressBody>, ApiError> {
        let secret = parse("/token", &body.0.token)?;
        let identity = &self.app.identity;
        let from = client(request);
        let email = identity.confirm_email_change(&secret, &from).await?;
        Ok(Json(AddressBody {
            email: email.to_string(),
        }))
    }

    /// List the linked logins
    ///
    /// They are linked in a browser, under “Account”.
    #[oai(path = "/logins", method = "get", operation_id = "listLinkedLogins")]
    async fn logins(
        &self,
        InSession(who): InSession,
    ) -> Result<Json<Vec<LinkedLoginBody>>, ApiError> {
        let logins = self.app.identity.linked_logins(&who).await?;
        let bodies = logins.into_iter().map(LinkedLoginBody::from);
        Ok(Json(bodies.collect()))
    }

    /// Unlink a login
    ///
    /// Refused if nothing else lets in to the account. Sessions stay.
    #[oai(
        path = "/logins/:provider/removal",
        method = "post",
        operation_id = "unlinkLogin"
    )]
    async fn unlink_login(
        &self,
        InSession(who): InSession,
        provider: Path<String>,
        body: Json<OwnerBody>,
    ) -> Result<Done, ApiError> {
        let provider = provider
            .0
            .parse()
            .map_err(|_| ApiError::from(IdentityError::LoginNotLinked))?;
        let password = owner_password(body.0.password.as_deref())?;
        let unlinked = self.app.identity.unlink_login(&who, password, &provider);
        unlinked.await?;
        Ok(Done::Done)
    }

    /// Show the state of the second factor
    #[oai(
        path = "/second-factor",
        method = "get",
        operation_id = "getSecondFactor"
    )]
    async fn second_factor(
        &self,
        InSession(who): InSession,
    ) -> Result<Json<SecondFactor>, ApiError> {
        let state = self.app.identity.second_factor(&who).await?;
        Ok(Json(SecondFactor {
            on_since: state.on_since,
            recovery_codes_left: state.recovery_codes_left,
        }))
    }

    /// Begin a second factor
    ///
    /// Logins ask for it once its first code was confirmed.
    #[oai(
        path = "/second-factor/enrolment",
        method = "post",
        operation_id = "beginSecondFactor"
    )]
    async fn begin_second_factor(
        &self,
        InSession(who): InSession,
    ) -> Result<Json<EnrolmentBody>, ApiError> {
        let enrolment = self.app.identity.begin_second_factor(&who).await?;
        Ok(Json(EnrolmentBody {
            secret: enrolment.secret,
            uri: enrolment.uri,
        }))
    }

    /// Switch the second factor on
    ///
    /// The other sessions end. The recovery codes are never shown again.
    #[oai(
        path = "/second-factor/confirmation",
        method = "post",
        operation_id = "confirmSecondFactor"
    )]
    async fn confirm_second_factor(
        &self,
        InSession(who): InSession,
        body: Json<Confirmation>,
    ) -> Result<Json<RecoveryCodes>, ApiError> {
        let Confirmation { code, password } = body.0;
        let password = owner_password(password.as_deref())?;
        let identity = &self.app.identity;
        let confirmed = identity.confirm_second_factor(&who, password, &code);
        Ok(Json(confirmed.await?.into()))
    }

    /// Make new recovery codes
    #[oai(
        path = "/second-factor/recovery-codes",
        method = "post",
        operation_id = "renewRecoveryCodes"
    )]
    async fn renew_recovery_codes(
        &self,
        InSession(who): InSession,
        body: Json<OwnerBody>,
    ) -> Result<Json<RecoveryCodes>, ApiError> {
        let password = owner_password(body.0.password.as_deref())?;
        let renewed = self.app.identity.renew_recovery_codes(&who, password);
        Ok(Json(renewed.await?.into()))
    }

    /// Switch the second factor off
    #[oai(
        path = "/second-factor/removal",
        method = "post",
        operation_id = "endSecondFactor"
    )]
    async fn end_second_factor(
        &self,
        InSession(who): InSession,
        body: Json<OwnerBody>,
    ) -> Result<Done, ApiError> {
        let password = owner_password(body.0.password.as_deref())?;
        let ended = self.app.identity.end_second_factor(&who, password);
        ended.await?;
        Ok(Done::Done)
    }
}
