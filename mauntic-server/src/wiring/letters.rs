//! Letters from the installation to its users: password resets and the like.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mauntic_core::{
    Clock, DeliveryId, EmailAddress, IdSource, OrganizationId,
    identity::{
        DisplayName, Letter, LinkSecret, LinkedLogin, Message, Postman, Undelivered, WriteToMember,
    },
};
use mauntic_messaging::{
    MessagingStore, mime,
    sending::{HandOver, OutgoingMessage},
    transport::{
        InvalidTransportUrl, MailTransport, SendingLimits, SmtpServer, capture::CaptureTransport,
        smtp::SmtpTransport,
    },
};

/// Whose captured mail the letters are: no organisation's. A link in a letter opens an account, so that members of an
/// organisation, who see its captured mail, must not see those; the operator does, at the command line.
#[must_use]
pub fn installation() -> OrganizationId {
    OrganizationId::from_uuid(uuid::Uuid::nil())
}

/// Writes letters and hands them to the mail server of the installation, or keeps them if it has none.
pub(crate) struct SystemMail {
    channel: Arc<dyn MailTransport>,
    sender: EmailAddress,
    base_url: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl SystemMail {
    /// Letters through the server of a URL (`smtp://…`); captured without one.
    ///
    /// # Errors
    /// [`InvalidTransportUrl`].
    pub(crate) fn new(
        url: Option<&str>,
        sender: EmailAddress,
        base_url: String,
        store: Arc<dyn MessagingStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, InvalidTransportUrl> {
        let channel: Arc<dyn MailTransport> = match url {
            None => CaptureTransport::new(installation(), store, clock.clone(), ids.clone()),
            Some(url) => {
                let (server, password) = SmtpServer::parse(url)?;
                Arc::new(SmtpTransport::new(
                    server,
                    password,
                    SendingLimits::default(),
                ))
            }
        };
        Ok(Self {
            channel,
            sender,
            base_url,
            clock,
            ids,
        })
    }

    fn link(&self, path: &str, secret: &LinkSecret) -> String {
        format!("{}{path}?token={}", self.base_url, secret.reveal())
    }

    /// What a new password does not end.
    fn linked(&self, logins: &[LinkedLogin]) -> String {
        if logins.is_empty() {
            return String::new();
        }
        let mut text =
            "\n\nThese logins let in to your account too, and a new password does not end them:\n"
                .to_owned();
        for login in logins {
            let _ = write!(text, "\n- {}, as {}", login.provider, login.email);
        }
        let _ = write!(
            text,
            "\n\nIf one of them is not yours, unlink it:\n\n{}/app/account/logins",
            self.base_url
        );
        text
    }

    /// What a member writes about.
    fn page_of(&self, letter: &WriteToMember) -> String {
        letter.page.as_ref().map_or_else(String::new, |page| {
            format!("\n\nIt is about this page:\n\n{}{page}", self.base_url)
        })
    }

    fn subject_and_text<'a>(&self, letter: &'a Letter) -> (&'a str, String) {
        let name = letter.name.as_ref();
        let hello = name.map_or_else(|| "Hello,".to_owned(), |name| format!("Hello {name},"));
        let (subject, body) = match &letter.message {
            Message::PasswordReset {
                secret,
                expires_at,
                linked,
            } => (
                "Set a new password",
                format!(
                    "somebody, probably you, wants to set a new password for your account here.\n\n\
                     This link lets you do it, once, until {}:\n\n{}\n\n\
                     If it was not you, do nothing: your password stays as it is.{}",
                    time(*expires_at),
                    self.link("/app/reset", secret),
                    self.linked(linked)
                ),
            ),
            Message::EmailChange { secret, expires_at } => (
                "Confirm your email address",
                format!(
                    "you want to log in with this address from now on.\n\n\
                     Confirm with this link, until {}, that it is yours:\n\n{}\n\n\
                     If it was not you, do nothing: nothing changes.",
                    time(*expires_at),
                    self.link("/app/confirm-email", secret)
                ),
            ),
            Message::EmailChanged => (
                "Your email address was changed",
                "your account here has another email address now, and no longer this one.\n\n\
                 If it was not you, tell whoever runs this installation at once."
                    .to_owned(),
            ),
            Message::LoginLinked { provider, address } => (
                "A login was linked with your account",
                format!(
                    "you can log in to your account here with {provider} now, where you are {address}.\n\n\
                     If it was not you who linked it: set a new password at once, and unlink it:\n\n{}/app/account/logins",
                    self.base_url
                ),
            ),
            Message::Deletion {
                organization,
                due_at: Some(due_at),
            } => (
                "Your organisation is going to be deleted",
                format!(
                    "{organization}, of which you are an owner, is going to be deleted. Nothing is sent or changed in it \
                     any more, and on {} all of its data is erased for good.\n\n\
                     Until then any owner can keep it:\n\n{}/app/organization/delete",
                    time(*due_at),
                    self.base_url
                ),
            ),
            Message::Deletion {
                organization,
                due_at: None,
            } => (
                "Your organisation is kept",
                format!(
                    "{organization}, of which you are an owner, was to be deleted. An owner took that back: it works as \
                     before, and nothing of it was erased."
                ),
            ),
            Message::FromMember {
                sender,
                reply_to,
                organization,
                letter,
            } => (
                letter.subject.as_str(),
                format!(
                    "{sender} ({reply_to}), who works with you in {organization}, writes to you:\n\n{}{}\n\n\
                     Your answer to this mail goes to {sender}.",
                    letter.text,
                    self.page_of(letter)
                ),
            ),
            Message::Invitation {
                secret,
                expires_at,
                organization,
                role,
                inviter,
            } => {
                let inviter = inviter.as_ref().map_or("somebody", DisplayName::as_str);
                let body = format!(
                    "{inviter} invites you to work in {organization} with Mauntic, as {role}.\n\n\
                     This link lets you join, once, until {}:\n\n{}\n\n\
                     If you do not want to, do nothing.",
                    time(*expires_at),
                    self.link("/app/invitation", secret)
                );
                ("You are invited", body)
            }
        };
        let text = format!("{hello}\n\n{body}\n\n-- \n{}\n", self.base_url);
        (subject, text)
    }
}

fn time(at: DateTime<Utc>) -> String {
    format!("{} UTC", at.format("%-d %b %Y, %H:%M"))
}

#[async_trait]
impl Postman for SystemMail {
    async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered> {
        let (subject, text) = self.subject_and_text(letter);
        let mailbox = |address| mime::Mailbox {
            name: None,
            address,
        };
        let reply_to = match &letter.message {
            Message::FromMember {
                sender, reply_to, ..
            } => Some(mime::Mailbox {
                name: Some(sender.as_str()),
                address: reply_to,
            }),
            _ => None,
        };
        let message = mime::OutgoingMessage {
            organization_id: installation(),
            email_id: None,
            delivery_id: DeliveryId::generate(&*self.ids),
            date: self.clock.now(),
            from: mailbox(&self.sender),
            reply_to,
            to: mailbox(&letter.to),
            subject,
            text: &text,
            html: None,
            list: None,
        };
        let bytes = message
            .build()
            .map_err(|error| Undelivered::Refused(error.to_string()))?;
        let message = OutgoingMessage {
            delivery_id: None,
            envelope_from: self.sender.to_string(),
            envelope_to: letter.to.clone(),
            bytes,
        };
        match self.channel.hand_over(&message).await {
            // What is unknown was probably taken; a second letter would end the link of the first.
            HandOver::Accepted(_) | HandOver::Unknown(_) => Ok(()),
            HandOver::Refused(_, reply) => Err(Undelivered::Refused(reply.to_string())),
            HandOver::Deferred(reply) => Err(Undelivered::Later(reply.to_string())),
            HandOver::NotSent(problem) | HandOver::Broken(problem) => {
                Err(Undelivered::Later(problem))
            }
        }
    }
}
