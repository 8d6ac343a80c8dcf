use std::{collections::HashMap, fmt, str::FromStr, sync::LazyLock};

use super::InvalidValue;

/// What people write for countries whose official names are longer or newer.
const USUAL_NAMES: &[(&str, &str)] = &[
    ("america", "US"),
    ("bolivia", "BO"),
    ("bosnia", "BA"),
    ("brunei", "BN"),
    ("burma", "MM"),
    ("cape verde", "CV"),
    ("congo-brazzaville", "CG"),
    ("congo-kinshasa", "CD"),
    ("czech republic", "CZ"),
    ("democratic republic of the congo", "CD"),
    ("deutschland", "DE"),
    ("east timor", "TL"),
    ("england", "GB"),
    ("españa", "ES"),
    ("great britain", "GB"),
    ("holland", "NL"),
    ("iran", "IR"),
    ("italia", "IT"),
    ("ivory coast", "CI"),
    ("korea", "KR"),
    ("laos", "LA"),
    ("macau", "MO"),
    ("macedonia", "MK"),
    ("micronesia", "FM"),
    ("moldova", "MD"),
    ("netherlands", "NL"),
    ("north korea", "KP"),
    ("northern ireland", "GB"),
    ("palestine", "PS"),
    ("reunion", "RE"),
    ("russia", "RU"),
    ("schweiz", "CH"),
    ("scotland", "GB"),
    ("south korea", "KR"),
    ("swaziland", "SZ"),
    ("syria", "SY"),
    ("taiwan", "TW"),
    ("tanzania", "TZ"),
    ("the netherlands", "NL"),
    ("turkey", "TR"),
    ("u.k.", "GB"),
    ("u.s.", "US"),
    ("u.s.a.", "US"),
    ("uk", "GB"),
    ("united kingdom", "GB"),
    ("united states", "US"),
    ("united states of america", "US"),
    ("vatican", "VA"),
    ("vatican city", "VA"),
    ("venezuela", "VE"),
    ("vietnam", "VN"),
    ("wales", "GB"),
    ("österreich", "AT"),
];

static BY_NAME: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let official = rust_iso3166::ALL.iter().flat_map(|country| {
        let name = country.name.to_lowercase();
        // "Bolivia (Plurinational State of)" and "Korea, Republic of" are also known without the rest.
        let short = name.split(" (").next().unwrap_or_default().to_owned();
        [(name, country.alpha2), (short, country.alpha2)]
    });
    let codes = rust_iso3166::ALL.iter().flat_map(|country| {
        [country.alpha2, country.alpha3].map(|code| (code.to_lowercase(), country.alpha2))
    });
    let usual = USUAL_NAMES
        .iter()
        .map(|(name, code)| ((*name).to_owned(), *code));
    // Later ones win: what people mean by a name beats its first official bearer.
    official.chain(usual).chain(codes).collect()
});

/// A country, by its ISO 3166-1 alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country(&'static str);

impl Country {
    /// The code, such as `DE`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }

    /// The English name of the standard.
    #[must_use]
    pub fn name(self) -> &'static str {
        rust_iso3166::from_alpha2(self.0).map_or(self.0, |country| country.name)
    }
}

impl FromStr for Country {
    type Err = InvalidValue;

    /// Reads an alpha-2 or alpha-3 code, an English name of the standard, or a usual one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().to_lowercase();
        BY_NAME
            .get(&name)
            .map(|code| Self(code))
            .ok_or(InvalidValue::NotACountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_lead_to_the_code() {
        for (text, code) in [
            ("de", "DE"),
            ("DEU", "DE"),
            ("Germany", "DE"),
            ("United States", "US"),
            ("united states of america", "US"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Bolivia (Plurinational State of)", "BO"),
            ("Côte d'Ivoire", "CI"),
            (" UK ", "GB"),
            ("Netherlands", "NL"),
        ] {
            assert_eq!(
                text.parse::<Country>().map(Country::code),
                Ok(code),
                "{text}"
            );
        }
        assert_eq!(
            "Atlantis".parse::<Country>(),
            Err(InvalidValue::NotACountry)
        );
        assert_eq!("".parse::<Country>(), Err(InvalidValue::NotACountry));
    }
}
