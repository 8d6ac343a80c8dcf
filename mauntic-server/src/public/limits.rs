use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
};

use mauntic_core::is_public;
use poem::Request;

use crate::http::limits::{RateLimit, client_address, network};

/// How often one link may be followed each second, beyond a burst of ten times as many.
const PER_LINK: u32 = 20;

/// Keeps one client, or one link that is called again and again, from filling the database.
///
/// Many people click from one office, so the limits are far above what people do. An address that is not public is no
/// recipient's: it is a proxy, which stands for everybody.
pub(crate) struct PublicLimits {
    address: Option<RateLimit>,
    link: RateLimit<u64>,
    hasher: RandomState,
}

impl PublicLimits {
    /// That many calls per second from one address; any number if it is zero.
    pub(crate) fn new(per_address: u32) -> Self {
        Self {
            address: (per_address > 0).then(|| RateLimit::per_second(per_address)),
            link: RateLimit::per_second(PER_LINK),
            hasher: RandomState::new(),
        }
    }

    /// Whether the request is one too many.
    pub(super) fn refuse(&self, request: &Request, token: &str) -> bool {
        self.refuse_link(token)
            || client_address(request).is_some_and(|address| self.refuse_address(address))
    }

    /// Whether the link is followed too often, whoever does it.
    pub(super) fn refuse_link(&self, token: &str) -> bool {
        self.link.refuses(&self.hasher.hash_one(token))
    }

    fn refuse_address(&self, address: IpAddr) -> bool {
        let limit = self.address.as_ref().filter(|_| is_public(address));
        limit.is_some_and(|limit| limit.refuses(&network(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of many calls at once are refused.
    fn refused(limits: &PublicLimits, address: &str) -> usize {
        let address = address.parse().unwrap();
        let calls = 0..100;
        calls.filter(|_| limits.refuse_address(address)).count()
    }

    #[test]
    fn an_address_is_held_to_its_limit_and_a_proxy_to_none() {
        let limits = PublicLimits::new(2);
        let first = refused(&limits, "8.8.8.8");
        assert!((70..=80).contains(&first), "{first}");
        let other = refused(&limits, "9.9.9.9");
        assert!((70..=80).contains(&other), "{other}");
        for proxy in ["127.0.0.1", "10.0.0.7", "::1"] {
            assert_eq!(refused(&limits, proxy), 0, "{proxy}");
        }
        assert_eq!(refused(&PublicLimits::new(0), "8.8.8.8"), 0);
    }

    #[test]
    fn a_link_is_held_to_its_limit() {
        let limits = PublicLimits::new(0);
        let refused = (0..300).filter(|_| limits.refuse_link("one")).count();
        assert!((50..=100).contains(&refused), "{refused}");
        assert!(!limits.refuse_link("two"));
    }
}
