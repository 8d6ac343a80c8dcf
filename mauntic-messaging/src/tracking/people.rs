use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use mauntic_core::{ContactId, DeliveryId, EmailAddress, EmailVersionId, SendJobId};
use serde::Serialize;

use crate::sending::{DeliveryState, SkipReason};

/// A number of an [`EmailReport`](super::EmailReport) that people stand behind. Its text form is
/// what stands in addresses: `in_plan`, `accepted`, `skipped:suppressed`, `refused:hard`, `opened:human`,
/// `link:<version>:<number>:human`, `domain:opened:example.com`, ….
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// All deliveries that were to be made, whatever became of them: in any state but left out.
    InPlan,
    /// Deliveries in a state.
    State(DeliveryState),
    /// Those left out for a reason.
    Skipped(SkipReason),
    /// Deliveries refused for good, of a class such as `hard`.
    Bounced(String),
    /// Deliveries that were opened by a person, or by a machine.
    Opened {
        /// By a machine.
        machine: bool,
    },
    /// Deliveries with a click by a person, or by a machine.
    Clicked {
        /// By a machine.
        machine: bool,
    },
    /// Deliveries answered with the wish for no more mail.
    Unsubscribed,
    /// Deliveries in which a link was followed by a person, or by a machine.
    Link {
        /// The version of the email that holds it.
        version: EmailVersionId,
        /// Its number in that version.
        link: u16,
        /// By a machine.
        machine: bool,
    },
    /// Deliveries to one recipient domain.
    Domain {
        /// What came of them.
        of: AtDomain,
        /// The domain, in lower case; empty for those without an address.
        domain: String,
    },
}

/// A number of a [`DomainReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtDomain {
    /// They were to be made, whatever became of them.
    Planned,
    /// They are in a state.
    State(DeliveryState),
    /// A person opened them.
    Opened,
    /// A person clicked in them.
    Clicked,
}

impl fmt::Display for AtDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned => f.write_str("in_plan"),
            Self::State(state) => write!(f, "{state}"),
            Self::Opened => f.write_str("opened"),
            Self::Clicked => f.write_str("clicked"),
        }
    }
}

impl FromStr for AtDomain {
    type Err = UnknownNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "in_plan" => Self::Planned,
            "opened" => Self::Opened,
            "clicked" => Self::Clicked,
            state => Self::State(state.parse().map_err(|_| UnknownNumber)?),
        })
    }
}

/// The text names no number of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number of a report")]
pub struct UnknownNumber;

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |machine: &bool| if *machine { "machine" } else { "human" };
        match self {
            Self::InPlan => f.write_str("in_plan"),
            Self::State(state) => write!(f, "{state}"),
            Self::Skipped(reason) => write!(f, "skipped:{}", reason.as_str()),
            Self::Bounced(class) => write!(f, "refused:{class}"),
            Self::Opened { machine } => write!(f, "opened:{}", side(machine)),
            Self::Clicked { machine } => write!(f, "clicked:{}", side(machine)),
            Self::Unsubscribed => f.write_str("unsubscribed"),
            Self::Link {
                version,
                link,
                machine,
            } => write!(f, "link:{version}:{link}:{}", side(machine)),
            Self::Domain { of, domain } => write!(f, "domain:{of}:{domain}"),
        }
    }
}

impl FromStr for Behind {
    type Err = UnknownNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let machine = |side: &str| match side {
            "human" => Ok(false),
            "machine" => Ok(true),
            _ => Err(UnknownNumber),
        };
        Ok(match text.split_once(':') {
            None if text == "in_plan" => Self::InPlan,
            None if text == "unsubscribed" => Self::Unsubscribed,
            None => Self::State(text.parse().map_err(|_| UnknownNumber)?),
            Some(("skipped", name)) => {
                Self::Skipped(SkipReason::from_name(name).ok_or(UnknownNumber)?)
            }
            Some(("refused", class)) => Self::Bounced(class.to_owned()),
            Some(("opened", side)) => Self::Opened {
                machine: machine(side)?,
            },
            Some(("clicked", side)) => Self::Clicked {
                machine: machine(side)?,
            },
            Some(("link", rest)) => {
                let mut parts = rest.splitn(3, ':');
                let mut part = || parts.next().ok_or(UnknownNumber);
                Self::Link {
                    version: part()?.parse().map_err(|_| UnknownNumber)?,
                    link: part()?.parse().map_err(|_| UnknownNumber)?,
                    machine: machine(part()?)?,
                }
            }
            Some(("domain", rest)) => {
                let (of, domain) = rest.split_once(':').ok_or(UnknownNumber)?;
                Self::Domain {
                    of: of.parse()?,
                    domain: domain.to_lowercase(),
                }
            }
            Some(_) => return Err(UnknownNumber),
        })
    }
}

/// Somebody behind a number: one delivery, and what came of it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// Its send.
    pub job_id: SendJobId,
    /// To whom it went.
    pub contact_id: ContactId,
    /// Where it went.
    pub address: Option<EmailAddress>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it was left out, if it was.
    pub skip_reason: Option<SkipReason>,
    /// The class of its refusal.
    pub bounce_class: Option<String>,
    /// The last reply of the next host.
    pub reply: Option<String>,
    /// When a person first opened it.
    pub opened_at: Option<DateTime<Utc>>,
    /// When a machine first opened it.
    pub machine_opened_at: Option<DateTime<Utc>>,
    /// When a person first clicked.
    pub clicked_at: Option<DateTime<Utc>>,
    /// When a machine first clicked.
    pub machine_clicked_at: Option<DateTime<Utc>>,
    /// When it was answered with the wish for no more mail.
    pub unsubscribed_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for Person {
    /// Leaves out the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("delivery_id", &self.delivery_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// The results of an email at one recipient domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DomainReport {
    /// The domain; empty for those without an address.
    pub domain: String,
    /// Messages to be sent there.
    pub planned: u64,
    /// Messages that it took.
    pub accepted: u64,
    /// Messages that it refused for good.
    pub refused: u64,
    /// Messages that it refused for now.
    pub deferred: u64,
    /// Deliveries that a person opened.
    pub opened: u64,
    /// Deliveries that a person clicked in.
    pub clicked: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_back_from_its_name() {
        let mut all = vec![
            Behind::InPlan,
            Behind::Unsubscribed,
            Behind::Bounced("hard".to_owned()),
            Behind::Opened { machine: false },
            Behind::Opened { machine: true },
            Behind::Clicked { machine: false },
            Behind::Clicked { machine: true },
            Behind::Link {
                version: EmailVersionId::from_uuid(uuid::Uuid::from_u128(7)),
                link: 3,
                machine: false,
            },
        ];
        let at_domain = [AtDomain::Planned, AtDomain::Opened, AtDomain::Clicked];
        let states = DeliveryState::ALL.map(AtDomain::State);
        for of in at_domain.into_iter().chain(states) {
            for domain in ["example.com", "[ipv6:2001:db8::1]", ""] {
                let domain = domain.to_owned();
                all.push(Behind::Domain { of, domain });
            }
        }
        all.extend(DeliveryState::ALL.map(Behind::State));
        all.extend(SkipReason::ALL.map(Behind::Skipped));
        for behind in all {
            assert_eq!(behind.to_string().parse(), Ok(behind));
        }
        for text in [
            "",
            "opened",
            "opened:",
            "skipped:x",
            "x:y",
            "link:1:2:human",
            "link:",
            "domain:opened",
            "domain:read:example.com",
        ] {
            assert_eq!(text.parse::<Behind>(), Err(UnknownNumber), "{text}");
        }
    }
}
