use std::{fmt, net::IpAddr, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{NoRandomness, TokenHash, User};
use crate::{Actor, OrganizationId, Role, SessionId, UserId};

const SECRET_BYTES: usize = 32;
/// The longest user agent that is kept, in characters.
const MAX_AGENT: usize = 200;

/// The secret that a browser shows for its session: 256 random bits. The database has its hash alone. `Debug` hides it.
#[derive(Clone)]
pub struct SessionSecret([u8; SECRET_BYTES]);

/// The text is no secret of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the secret of a session")]
pub struct InvalidSessionSecret;

impl SessionSecret {
    /// A new secret.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The text for the cookie: letters, digits, `-` and `_`.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0).into()
    }

    /// What forms of this session carry, so that no other site can send them. It follows from the secret, and does not
    /// tell it.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"mauntic csrf ");
        hasher.update(self.0);
        URL_SAFE_NO_PAD.encode(hasher.finalize())
    }

    /// The same for the forms of one page, which `page` tells from all others; the token begins with it, and holds for no
    /// other, so that it can say what the page shows. Pages are compressed: what stood in all of
    /// them could be found out from the sizes of many (BREACH).
    #[must_use]
    pub fn csrf_token_of(&self, page: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"mauntic csrf of a page ");
        hasher.update(self.0);
        hasher.update(page.as_bytes());
        format!("{page}.{}", URL_SAFE_NO_PAD.encode(hasher.finalize()))
    }

    /// Whether the token is the one of this session, or one of its pages.
    #[must_use]
    pub fn takes_csrf_token(&self, token: &str) -> bool {
        let own = match token.split_once('.') {
            Some((page, _)) => self.csrf_token_of(page),
            None => self.csrf_token(),
        };
        // Hashes are compared, so that the time taken tells nothing.
        Sha256::digest(own) == Sha256::digest(token)
    }
}

impl FromStr for SessionSecret {
    type Err = InvalidSessionSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(InvalidSessionSecret)
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// Where somebody comes from, as far as it is kept: enough to recognise one's own browsers in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// The network: 24 bits of an IPv4 address, 48 of IPv6.
    pub network: Option<IpAddr>,
    /// The browser, as it calls itself, cut to 200 characters.
    pub user_agent: Option<String>,
    /// The whole address, for the audit log; it is not kept with a session.
    #[serde(skip)]
    pub address: Option<IpAddr>,
}

impl Client {
    /// A client of that address and browser.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let agent = user_agent.map(|text| {
            let printable = text.chars().filter(|c| !c.is_control());
            printable.take(MAX_AGENT).collect::<String>()
        });
        Self {
            network: address.map(network),
            user_agent: agent.filter(|text| !text.trim().is_empty()),
            address: None,
        }
    }

    /// The same client, calling from that address.
    #[must_use]
    pub fn calling_from(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::from([a, b, c, 0])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            IpAddr::from([a, b, c, 0, 0, 0, 0, 0])
        }
    }
}

/// A browser in which a user is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Names the session.
    pub id: SessionId,
    /// Who is logged in.
    pub user_id: UserId,
    /// The organisation that is worked in; `None` until one is chosen.
    pub organization_id: Option<OrganizationId>,
    /// Whether it outlives a night without use.
    pub remembered: bool,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When it was used last, to the minute.
    pub seen_at: DateTime<Utc>,
    /// Where it comes from.
    pub client: Client,
    /// Whether the password was right, and the code of the second factor is still to come. Until then nobody is
    /// logged in with it.
    pub awaits_second_factor: bool,
}

impl Session {
    /// How long a session lives without use.
    pub const IDLE: TimeDelta = TimeDelta::hours(12);
    /// How long a remembered session lives without use.
    pub const IDLE_REMEMBERED: TimeDelta = TimeDelta::days(30);
    /// After this the user has to log in again, however much the session was used.
    pub const LONGEST: TimeDelta = TimeDelta::days(90);
    /// How long a session waits for the code of the second factor.
    pub const AWAITED: TimeDelta = TimeDelta::minutes(10);
    /// How exact [`seen_at`](Self::seen_at) is: noting every request would be a write for each.
    const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);

    /// When it ends unless it is used.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        if self.awaits_second_factor {
            return self.created_at + Self::AWAITED;
        }
        let idle = if self.remembered {
            Self::IDLE_REMEMBERED
        } else {
            Self::IDLE
        };
        (self.seen_at + idle).min(self.created_at + Self::LONGEST)
    }

    /// Notes that it is used; `false` if that needs no saving.
    #[must_use = "nothing needs saving if nothing changed"]
    pub fn see(&mut self, now: DateTime<Utc>) -> bool {
        if now - self.seen_at < Self::SEEN_EVERY {
            return false;
        }
        self.seen_at = now;
        true
    }
}

/// An organisation that a user may work in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workplace {
    /// The organisation.
    pub organization_id: OrganizationId,
    /// What people call it.
    pub name: super::DisplayName,
    /// What the user is there.
    pub role: Role,
    /// When it is deleted, if it is to be.
    pub deletion_due_at: Option<DateTime<Utc>>,
    /// Whether nobody may work there: the operator blocked it, or it is being erased.
    pub closed: bool,
}

/// Who is logged in, as a request finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// The user.
    pub user: User,
    /// The organisations that the user may work in now, by name.
    pub workplaces: Vec<Workplace>,
    /// Those where nobody may work, by name.
    pub closed: Vec<Workplace>,
    /// Where the request comes from, for the audit log.
    pub address: Option<IpAddr>,
}

impl LoggedIn {
    /// The same, calling from that address.
    #[must_use]
    pub fn calling_from(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The organisation that is worked in: the session's, or the first if that is gone.
    #[must_use]
    pub fn workplace(&self) -> Option<&Workplace> {
        let chosen =
            |place: &&Workplace| Some(place.organization_id) == self.session.organization_id;
        self.workplaces
            .iter()
            .find(chosen)
            .or(self.workplaces.first())
    }

    /// Who acts; `None` for somebody who is a member of no organisation.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        let place = self.workplace()?;
        let actor = Actor::user(place.organization_id, self.user.id, place.role);
        let actor = match self.address {
            Some(address) => actor.calling_from(address),
            None => actor,
        };
        Some(match place.deletion_due_at {
            Some(_) => actor.while_closing(),
            None => actor,
        })
    }

    /// The organisation that was worked in, if nobody may work in it any more.
    #[must_use]
    pub fn closed_workplace(&self) -> Option<&Workplace> {
        let chosen =
            |place: &&Workplace| Some(place.organization_id) == self.session.organization_id;
        let found = self.closed.iter().find(chosen);
        // Whoever chose none is told of one if there is no other.
        let any = || self.closed.first().filter(|_| self.workplaces.is_empty());
        found.or_else(any)
    }
}

/// How often logging in may fail before the next try has to wait. Waits double from a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    free: u32,
    longest: TimeDelta,
}

impl Patience {
    /// With one account from one network: five slips.
    pub const FOR_ACCOUNT_HERE: Self = Self {
        free: 5,
        longest: TimeDelta::minutes(15),
    };
    /// From one network, whatever the account: an office may share it.
    pub const FOR_NETWORK: Self = Self {
        free: 30,
        longest: TimeDelta::minutes(15),
    };
    /// With one account from anywhere but the networks where its owner is logged in. The wait stays short, and where the
    /// owner is known, nobody waits for strangers.
    pub const FOR_ACCOUNT: Self = Self {
        free: 100,
        longest: TimeDelta::seconds(30),
    };
    /// Codes of one account from anywhere. Only those who know the password get to try, and codes are short.
    pub const FOR_CODES: Self = Self {
        free: 10,
        longest: TimeDelta::minutes(15),
    };
    /// Letters to one address that anybody can ask for.
    pub const FOR_LETTERS: Self = Self {
        free: 3,
        longest: TimeDelta::minutes(15),
    };
    /// Letters that one organisation invites people with.
    pub const FOR_INVITATIONS: Self = Self {
        free: 200,
        longest: TimeDelta::minutes(15),
    };
    /// Letters that one user writes to other members.
    pub const FOR_MEMBER_LETTERS: Self = Self {
        free: 20,
        longest: TimeDelta::hours(1),
    };
    /// Organisations that one user makes.
    pub const FOR_ORGANIZATIONS: Self = Self {
        free: 10,
        longest: TimeDelta::minutes(15),
    };
    /// Failures that are older are forgotten.
    pub const MEMORY: TimeDelta = TimeDelta::hours(1);

    /// Whether so many failures are the first after which the next try has to wait.
    #[must_use]
    pub fn is_over_with(self, failures: u32) -> bool {
        failures == self.free
    }

    /// How long to wait after so many failures, the last of them at that time.
    #[must_use]
    pub fn wait(self, failures: u32, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<TimeDelta> {
        if failures < self.free || now - last >= Self::MEMORY {
            return None;
        }
        let doublings = (failures - self.free).min(20);
        let pause = TimeDelta::seconds(1 << doublings).min(self.longest);
        let left = last + pause - now;
        (left > TimeDelta::zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_secret_reads_back_and_hides_itself() {
        let secret = SessionSecret::random().unwrap();
        let read: SessionSecret = secret.reveal().parse().unwrap();
        assert_eq!(read.hash(), secret.hash());
        assert_eq!(read.csrf_token(), secret.csrf_token());
        assert_ne!(secret.csrf_token(), secret.reveal());
        assert_eq!(read.csrf_token_of("a"), secret.csrf_token_of("a"));
        assert_ne!(secret.csrf_token_of("a"), secret.csrf_token_of("b"));
        assert_ne!(secret.csrf_token_of(""), secret.csrf_token());
        for token in [secret.csrf_token(), secret.csrf_token_of("a")] {
            assert!(read.takes_csrf_token(&token), "{token}");
            assert!(!read.takes_csrf_token(&token[1..]), "{token}");
        }
        for wrong in ["", ".", "a.", "a.b"] {
            assert!(!read.takes_csrf_token(wrong), "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "SessionSecret(…)");
        for text in ["", "abc", &"A".repeat(44), "ä"] {
            assert!(text.parse::<SessionSecret>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_session_ends_by_idleness_and_at_the_latest_after_ninety_days() {
        let mut session = Session {
            id: SessionId::from_uuid(uuid::Uuid::nil()),
            user_id: UserId::from_uuid(uuid::Uuid::nil()),
            organization_id: None,
            remembered: false,
            created_at: at(0),
            seen_at: at(0),
            client: Client::default(),
            awaits_second_factor: false,
        };
        assert_eq!(session.ends_at(), at(0) + Session::IDLE);
        assert!(!session.see(at(59)));
        assert!(session.see(at(60)));
        assert_eq!(session.ends_at(), at(60) + Session::IDLE);
        session.remembered = true;
        session.seen_at = at(0) + TimeDelta::days(80);
        assert_eq!(session.ends_at(), at(0) + Session::LONGEST);
        session.awaits_second_factor = true;
        assert_eq!(session.ends_at(), at(0) + Session::AWAITED);
    }

    #[test]
    fn waits_double_and_end() {
        let patience = Patience::FOR_ACCOUNT_HERE;
        assert_eq!(patience.wait(4, at(0), at(0)), None);
        assert_eq!(patience.wait(5, at(0), at(0)), Some(TimeDelta::seconds(1)));
        assert_eq!(patience.wait(8, at(0), at(3)), Some(TimeDelta::seconds(5)));
        assert_eq!(patience.wait(8, at(0), at(8)), None);
        let most = patience.wait(1_000_000, at(0), at(0));
        assert_eq!(most, Some(TimeDelta::minutes(15)));
        assert_eq!(patience.wait(1_000_000, at(0), at(3_600)), None);
        let most = Patience::FOR_ACCOUNT.wait(1_000_000, at(0), at(0));
        assert_eq!(most, Some(TimeDelta::seconds(30)));
    }

    #[test]
    fn of_a_client_only_what_is_needed_is_kept() {
        let address = "203.0.113.77".parse().ok();
        let client = Client::new(address, Some(&format!("Firefox\r\n{}", "x".repeat(500))));
        assert_eq!(client.network, "203.0.113.0".parse().ok());
        assert_eq!(client.user_agent.unwrap().chars().count(), 200);
        assert_eq!(Client::new(None, Some(" ")), Client::default());
    }
}
