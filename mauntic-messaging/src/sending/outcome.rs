use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{DeliveryState, SmtpReply};

/// At which step of the hand-over a host answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `MAIL FROM`: about the sender.
    Sender,
    /// `RCPT TO`: about the recipient.
    Recipient,
    /// `DATA` or the final dot: about the message, or about the recipient after all.
    Message,
}

/// What a refusal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceClass {
    /// The address does not exist: never mail it again.
    Hard,
    /// The mailbox cannot take mail now; it may later.
    Soft,
    /// The host does not want mail from this sender; says nothing about the person.
    Policy,
    /// The host does not want this message: too large, or its content.
    Content,
    /// Something between the hosts is wrong; says nothing about the person.
    Technical,
}

impl BounceClass {
    /// The name, as it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Policy => "policy",
            Self::Content => "content",
            Self::Technical => "technical",
        }
    }

    /// Whether it is a bounce of the person rather than of the sender or the message.
    #[must_use]
    pub fn is_of_the_person(self) -> bool {
        matches!(self, Self::Hard | Self::Soft)
    }
}

/// Reads what a refusal means: the enhanced code first, the text second.
#[must_use]
pub fn classify(stage: Stage, reply: &SmtpReply) -> BounceClass {
    if stage == Stage::Sender {
        return BounceClass::Policy;
    }
    let by_code = reply
        .enhanced
        .and_then(|code| by_enhanced(code.subject, code.detail));
    by_code.unwrap_or_else(|| by_text(reply))
}

/// RFC 3463 §3. `None` where the code says nothing (x.0.0).
fn by_enhanced(subject: u16, detail: u16) -> Option<BounceClass> {
    Some(match (subject, detail) {
        // 7 and 8: the sender's address; 10: a null MX, so there is no mail at that domain.
        (1, 7 | 8) | (7, _) => BounceClass::Policy,
        (1, _) | (2, 1) => BounceClass::Hard,
        (2, 3) | (3, 4) | (6, _) => BounceClass::Content,
        (2 | 3, _) => BounceClass::Soft,
        (4 | 5, _) => BounceClass::Technical,
        _ => return None,
    })
}

const POLICY: &[&str] = &[
    "spam",
    "block",
    "blacklist",
    "denylist",
    "blocklist",
    "reputation",
    "policy",
    "not authorized",
    "relay",
    "dmarc",
    "dkim",
    "spf",
    "rate limit",
    "too many",
];
const NO_SUCH_MAILBOX: &[&str] = &[
    "user unknown",
    "unknown user",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "does not exist",
    "doesn't exist",
    "unknown recipient",
    "recipient unknown",
    "invalid recipient",
    "invalid mailbox",
    "recipient not found",
    "user not found",
    "mailbox not found",
    "mailbox unavailable",
    "address unknown",
    "no mailbox here",
    "account disabled",
    "account has been disabled",
    "mailbox disabled",
    "recipient rejected",
    "recipient address rejected",
];
const FULL: &[&str] = &["full", "quota", "over limit", "storage"];
const CONTENT: &[&str] = &[
    "too large",
    "size limit",
    "message size",
    "virus",
    "content",
];

fn by_text(reply: &SmtpReply) -> BounceClass {
    let text = reply.text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(FULL) || reply.code == 452 || reply.code == 552 {
        return BounceClass::Soft;
    }
    if says(NO_SUCH_MAILBOX) && !says(&["spam", "block", "policy", "reputation"]) {
        return BounceClass::Hard;
    }
    if says(POLICY) {
        return BounceClass::Policy;
    }
    if says(CONTENT) {
        return BounceClass::Content;
    }
    // Without a word about the address, nobody is suppressed.
    BounceClass::Soft
}

/// Whether a host asks to slow down: 421, or a policy refusal for now that is not greylisting.
#[must_use]
pub fn asks_to_slow_down(reply: &SmtpReply) -> bool {
    let text = reply.text.to_ascii_lowercase();
    if text.contains("greylist") || text.contains("graylist") {
        return false;
    }
    let policy = reply
        .enhanced
        .is_some_and(|code| code.class == 4 && code.subject == 7);
    reply.code == 421 || policy
}

/// How a hand-over ended, as far as anybody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOver {
    /// The next host took responsibility for the message.
    Accepted(SmtpReply),
    /// The next host refused it for good.
    Refused(Stage, SmtpReply),
    /// The next host refused it for now.
    Deferred(SmtpReply),
    /// The message cannot have been taken: there was no connection, which says nothing about the message.
    NotSent(String),
    /// The message cannot have been taken: the connection broke on it, before its end. It may do so each time.
    Broken(String),
    /// The connection broke after the end of the message and before the reply.
    Unknown(String),
}

/// What the ledger records of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The state that the delivery goes to.
    pub state: DeliveryState,
    /// What a refusal says.
    pub class: Option<BounceClass>,
    /// The reply or what went wrong.
    pub reply: String,
    /// When to try again, if the state is deferred or planned.
    pub retry_at: Option<DateTime<Utc>>,
    /// Whether the recipient's host asks to slow down.
    pub slow_down: bool,
}

/// After this long a message that is still refused for now is given up.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(4);

/// When a delivery is tried again after its `deferrals`-th refusal for now: 1, 5 and 15 minutes,
/// 1, 2 and then every 4 hours.
#[must_use]
pub fn retry_delay(deferrals: u32) -> TimeDelta {
    match deferrals {
        0 | 1 => TimeDelta::minutes(1),
        2 => TimeDelta::minutes(5),
        3 => TimeDelta::minutes(15),
        4 => TimeDelta::hours(1),
        5 => TimeDelta::hours(2),
        _ => TimeDelta::hours(4),
    }
}

/// After a hand-over that cannot have reached anybody.
const RETRY_NOT_SENT: TimeDelta = TimeDelta::seconds(2);

/// Decides what becomes of a delivery that was first tried at `first_attempt` and refused for now
/// `deferrals` times before.
#[must_use]
pub fn settle(
    hand_over: HandOver,
    deferrals: u32,
    first_attempt: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Outcome {
    let outcome = |state, class, reply: String| Outcome {
        state,
        class,
        reply,
        retry_at: None,
        slow_down: false,
    };
    match hand_over {
        HandOver::Accepted(reply) => outcome(DeliveryState::Accepted, None, reply.to_string()),
        HandOver::Refused(stage, reply) => outcome(
            DeliveryState::Refused,
            Some(classify(stage, &reply)),
            reply.to_string(),
        ),
        HandOver::Unknown(text) => outcome(DeliveryState::Unknown, None, text),
        HandOver::NotSent(text) => Outcome {
            retry_at: Some(now + RETRY_NOT_SENT),
            ..outcome(DeliveryState::Planned, None, text)
        },
        HandOver::Deferred(reply) => Outcome {
            slow_down: asks_to_slow_down(&reply),
            ..again_later(
                reply.to_string(),
                BounceClass::Soft,
                deferrals,
                first_attempt,
                now,
            )
        },
        HandOver::Broken(text) => {
            again_later(text, BounceClass::Technical, deferrals, first_attempt, now)
        }
    }
}

/// Deferred or, after too long a time, refused.
fn again_later(
    reply: String,
    class: BounceClass,
    deferrals: u32,
    first_attempt: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Outcome {
    let retry_at = now + retry_delay(deferrals + 1);
    let give_up = retry_at - first_attempt > GIVE_UP_AFTER;
    let (state, class, retry_at) = if give_up {
        (DeliveryState::Refused, Some(class), None)
    } else {
        (DeliveryState::Deferred, None, Some(retry_at))
    };
    Outcome {
        state,
        class,
        reply,
        retry_at,
        slow_down: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(code: u16, text: &str) -> BounceClass {
        classify(Stage::Recipient, &SmtpReply::new(code, text))
    }

    #[test]
    fn the_enhanced_code_decides_first() {
        for (text, expected) in [
            ("5.1.1 whatever", BounceClass::Hard),
            ("5.1.2 bad domain", BounceClass::Hard),
            ("5.1.8 bad sender", BounceClass::Policy),
            ("5.2.1 disabled", BounceClass::Hard),
            ("5.2.2 user unknown, says the text", BounceClass::Soft),
            ("5.3.4 too big", BounceClass::Content),
            ("5.4.4 unable to route", BounceClass::Technical),
            ("5.7.1 user unknown, says the text", BounceClass::Policy),
            ("5.7.515 access denied", BounceClass::Policy),
            ("5.6.0 bad content", BounceClass::Content),
        ] {
            assert_eq!(class(550, text), expected, "{text}");
        }
    }

    #[test]
    fn the_text_decides_where_the_code_says_nothing() {
        for (text, expected) in [
            ("No such user here", BounceClass::Hard),
            ("5.0.0 mailbox not found", BounceClass::Hard),
            ("mailbox is full", BounceClass::Soft),
            ("listed at a blocklist", BounceClass::Policy),
            ("recipient rejected: spam", BounceClass::Policy),
            ("message size exceeds", BounceClass::Content),
            ("no", BounceClass::Soft),
        ] {
            assert_eq!(class(550, text), expected, "{text}");
        }
    }

    #[test]
    fn a_refused_sender_is_never_the_recipients_fault() {
        let reply = SmtpReply::new(550, "5.1.1 unknown");
        assert_eq!(classify(Stage::Sender, &reply), BounceClass::Policy);
    }

    #[test]
    fn greylisting_does_not_slow_a_domain_down() {
        assert!(asks_to_slow_down(&SmtpReply::new(421, "busy")));
        assert!(asks_to_slow_down(&SmtpReply::new(450, "4.7.28 too much")));
        let grey = SmtpReply::new(450, "4.7.1 Greylisted, come again");
        assert!(!asks_to_slow_down(&grey));
    }

    #[test]
    fn deferred_mail_is_given_up_after_four_days() {
        let start = DateTime::UNIX_EPOCH;
        let not_now = || HandOver::Deferred(SmtpReply::new(450, "4.2.2 full"));
        let first = settle(not_now(), 0, start, start);
        assert_eq!(first.state, DeliveryState::Deferred);
        assert_eq!(first.retry_at, Some(start + TimeDelta::minutes(1)));
        let late = settle(not_now(), 20, start, start + TimeDelta::days(4));
        assert_eq!(late.state, DeliveryState::Refused);
        assert_eq!(late.class, Some(BounceClass::Soft));
    }

    #[test]
    fn a_message_that_breaks_each_connection_comes_again_later_and_to_an_end() {
        let start = DateTime::UNIX_EPOCH;
        let broken = || HandOver::Broken("the connection broke".to_owned());
        let third = settle(broken(), 2, start, start);
        assert_eq!(third.state, DeliveryState::Deferred);
        assert_eq!(third.retry_at, Some(start + TimeDelta::minutes(15)));
        let late = settle(broken(), 20, start, start + TimeDelta::days(4));
        assert_eq!(late.state, DeliveryState::Refused);
        assert_eq!(late.class, Some(BounceClass::Technical));
        let no_connection = HandOver::NotSent("refused".to_owned());
        assert_eq!(
            settle(no_connection, 20, start, start + TimeDelta::days(40)).state,
            DeliveryState::Planned
        );
    }
}
