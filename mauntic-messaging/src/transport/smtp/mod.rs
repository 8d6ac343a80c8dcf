//! SMTP with a pool of connections.

mod connection;
mod wire;

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use connection::Connection;
use tokio::sync::Semaphore;

use super::{MailTransport, SendingLimits, SmtpServer};
use crate::sending::{HandOver, OutgoingMessage};

/// Servers close idle connections, mostly after minutes.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// Hands messages to one SMTP server, over connections that are used again.
pub struct SmtpTransport {
    server: SmtpServer,
    password: Option<String>,
    limits: SendingLimits,
    public_only: bool,
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl SmtpTransport {
    /// A transport to that server. Nothing is connected before the first message.
    #[must_use]
    pub fn new(server: SmtpServer, password: Option<String>, limits: SendingLimits) -> Self {
        Self {
            free: Semaphore::new(usize::from(limits.connections.max(1))),
            server,
            password,
            limits,
            public_only: false,
            idle: Mutex::default(),
        }
    }

    /// The same, but a server at a private address is not connected to.
    #[must_use]
    pub fn public_only(self) -> Self {
        Self {
            public_only: true,
            ..self
        }
    }

    async fn open(&self) -> io::Result<Connection> {
        Connection::open(&self.server, self.password.as_deref(), self.public_only).await
    }

    fn take_idle(&self) -> Option<Connection> {
        let age = Duration::from_secs(u64::from(self.limits.connection_seconds));
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_fresh(self.limits.messages_per_connection, age, MAX_IDLE) {
                return Some(connection);
            }
            tokio::spawn(connection.close());
        }
        None
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
    }
}

#[async_trait]
impl MailTransport for SmtpTransport {
    async fn hand_over(&self, message: &OutgoingMessage) -> HandOver {
        let Ok(_free) = self.free.acquire().await else {
            return HandOver::NotSent("the transport was closed".to_owned());
        };
        let mut reused = self.take_idle();
        loop {
            let mut connection = match reused.take() {
                Some(connection) => connection,
                None => match self.open().await {
                    Ok(connection) => connection,
                    Err(error) => {
                        let (host, port) = (&self.server.host, self.server.port);
                        let text = format!("the mail server {host}:{port} cannot be used: {error}");
                        return HandOver::NotSent(text);
                    }
                },
            };
            let attempt = connection.hand_over(message).await;
            if attempt.usable {
                self.give_back(connection);
            }
            if !attempt.stale {
                return attempt.hand_over;
            }
        }
    }

    async fn probe(&self) -> Result<String, String> {
        let connection = self.open().await.map_err(|error| error.to_string())?;
        let text = connection.describe();
        connection.close().await;
        Ok(text)
    }
}
