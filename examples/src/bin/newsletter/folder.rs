//! A transport of one's own: each message becomes a file of a Maildir, which many mail programs can read.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use mauntic_core::{OrganizationId, StoreError};
use mauntic_messaging::{
    sending::{HandOver, OutgoingMessage, SmtpReply},
    transport::{MailTransport, OpenTransport, SendingLimits, Transports},
};

/// The way out of every organisation.
#[derive(Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A Maildir without mail in it.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        for part in ["tmp", "new", "cur"] {
            fs::create_dir_all(path.join(part))?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// A message is written aside and moved in when it is whole, so nobody ever sees half of one.
    fn deliver(&self, message: &OutgoingMessage) -> io::Result<()> {
        let name = message
            .delivery_id
            .map_or_else(|| "test".to_owned(), |id| id.to_string());
        let aside = self.path.join("tmp").join(&name);
        fs::write(&aside, &message.bytes)?;
        fs::rename(aside, self.path.join("new").join(name))
    }
}

#[async_trait]
impl MailTransport for Folder {
    async fn hand_over(&self, message: &OutgoingMessage) -> HandOver {
        match self.deliver(message) {
            Ok(()) => HandOver::Accepted(SmtpReply::new(250, "2.0.0 in the folder")),
            // Nothing is in `new`, so it is safe to try again.
            Err(error) => HandOver::NotSent(error.to_string()),
        }
    }

    async fn probe(&self) -> Result<String, String> {
        let found = fs::metadata(&self.path).map_err(|error| error.to_string())?;
        if found.is_dir() {
            Ok("the folder is there".to_owned())
        } else {
            Err("not a folder".to_owned())
        }
    }
}

#[async_trait]
impl Transports for Folder {
    async fn of(&self, _: OrganizationId) -> Result<OpenTransport, StoreError> {
        Ok(OpenTransport {
            limits: SendingLimits::default(),
            channel: Arc::new(self.clone()),
        })
    }
}
