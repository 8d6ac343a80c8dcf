//! Made-up people, for the demo and the benchmarks. The same seed gives the same people.

use std::io::{self, Write};

use chrono::{Days, NaiveDate};
use fastrand::Rng;

/// Where somebody lives, what people are called there, and how often they turn up.
struct Place {
    country: &'static str,
    locale: &'static str,
    zone: &'static str,
    dial: &'static str,
    weight: u32,
    cities: &'static [&'static str],
    first: &'static [&'static str],
    last: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        country: "Germany",
        locale: "de_DE",
        zone: "Europe/Berlin",
        dial: "+4930",
        weight: 30,
        cities: &[
            "Berlin", "Hamburg", "München", "Köln", "Leipzig", "Freiburg",
        ],
        first: &[
            "Anna", "Lukas", "Jürgen", "Sophie", "Mia", "Jonas", "Käthe", "Felix", "Lena", "Paul",
        ],
        last: &[
            "Müller", "Schmidt", "Weber", "Groß", "Fischer", "Hoffmann", "Schäfer", "Koch", "Bauer",
        ],
    },
    Place {
        country: "United States",
        locale: "en_US",
        zone: "America/New_York",
        dial: "+1212555",
        weight: 35,
        cities: &[
            "New York", "Austin", "Portland", "Chicago", "Denver", "Atlanta",
        ],
        first: &[
            "Olivia", "Liam", "Emma", "Noah", "Ava", "Ethan", "Maya", "Jack", "Grace", "Owen",
        ],
        last: &[
            "Smith", "Johnson", "Brown", "Garcia", "Miller", "O'Neill", "Davis", "Nguyen", "Clark",
        ],
    },
    Place {
        country: "France",
        locale: "fr_FR",
        zone: "Europe/Paris",
        dial: "+331",
        weight: 12,
        cities: &["Paris", "Lyon", "Nantes", "Bordeaux", "Lille"],
        first: &[
            "Camille", "Hugo", "Chloé", "Louis", "Inès", "Gabriel", "Zoé", "Théo",
        ],
        last: &[
            "Martin", "Bernard", "Lefèvre", "Moreau", "Girard", "Dubois", "Faure",
        ],
    },
    Place {
        country: "Japan",
        locale: "ja_JP",
        zone: "Asia/Tokyo",
        dial: "+813",
        weight: 8,
        cities: &["Tokyo", "Osaka", "Kyoto", "Sapporo"],
        first: &["Yuki", "Haruto", "Sakura", "Ren", "Aoi", "Sota"],
        last: &["Sato", "Suzuki", "Tanaka", "Ito", "Kobayashi"],
    },
    Place {
        country: "Brazil",
        locale: "pt_BR",
        zone: "America/Sao_Paulo",
        dial: "+5511",
        weight: 15,
        cities: &["São Paulo", "Recife", "Curitiba", "Belém"],
        first: &["João", "Maria", "Beatriz", "Rafael", "Luíza", "Pedro"],
        last: &["Silva", "Souza", "Conceição", "Oliveira", "Araújo"],
    },
];

const COMPANIES: &[&str] = &[
    "Nordwind Logistics",
    "Blue Harbor, Inc.",
    "Atelier Lumière",
    "Kestrel & Sons",
    "Pixelwerk GmbH",
    "Green Acre Foods",
    "Sakura Systems",
    "Rio Verde",
    "Fable Books",
    "Copper Coffee",
];
const PLANS: &[&str] = &["free", "starter", "pro", "enterprise"];
const TAGS: &[&str] = &[
    "newsletter",
    "vip",
    "trial",
    "event 2026",
    "partner",
    "webinar",
];
const DOMAINS: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    "mail.example",
    "post.example",
];

/// The headings of the file, as a shop system would write them.
pub(crate) const HEADINGS: &[&str] = &[
    "Email Address",
    "First Name",
    "Last Name",
    "Company",
    "City",
    "Country",
    "Locale",
    "Timezone",
    "Phone",
    "Plan",
    "Lifetime Value",
    "Signup Date",
    "Subscribed",
    "Tags",
];

/// Which rows a generated file holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct People {
    /// How many rows.
    pub(crate) rows: u64,
    /// Every how many rows one cannot be imported; 0 for none.
    pub(crate) bad_every: u64,
    /// Every how many rows one repeats an earlier address; 0 for none.
    pub(crate) repeated_every: u64,
    /// Every how many rows one has an address that bounces; 0 for none.
    pub(crate) bounce_every: u64,
    /// What the choice of people depends on.
    pub(crate) seed: u64,
}

impl People {
    /// Writes the people as CSV with a heading row.
    ///
    /// # Errors
    /// If the writer fails.
    pub(crate) fn write_csv(self, output: impl Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(output);
        csv.write_record(HEADINGS)?;
        let mut rng = Rng::with_seed(self.seed);
        let mut earlier = String::new();
        for row in 0..self.rows {
            let every = |n: u64| n > 0 && row % n == n - 1;
            let mut record = person(&mut rng, row);
            if every(self.repeated_every) && !earlier.is_empty() {
                record[0].clone_from(&earlier);
            } else if every(self.bounce_every) {
                record[0] = format!("bounce+{}", record[0]);
            }
            if every(self.bad_every) {
                spoil(&mut rng, &mut record);
            } else if row % 97 == 0 {
                earlier.clone_from(&record[0]);
            }
            csv.write_record(&record)?;
        }
        csv.flush()
    }
}

fn person(rng: &mut Rng, number: u64) -> [String; 14] {
    let place = pick_place(rng);
    let first = pick(rng, place.first);
    let last = pick(rng, place.last);
    let email = format!(
        "{}.{}.{number}@{}",
        plain(first),
        plain(last),
        pick(rng, DOMAINS)
    );
    let signup =
        NaiveDate::from_ymd_opt(2022, 1, 1).unwrap_or_default() + Days::new(rng.u64(0..1_700));
    [
        email,
        first.to_owned(),
        last.to_owned(),
        if rng.u8(0..10) < 4 {
            pick(rng, COMPANIES).to_owned()
        } else {
            String::new()
        },
        pick(rng, place.cities).to_owned(),
        place.country.to_owned(),
        place.locale.to_owned(),
        place.zone.to_owned(),
        if rng.bool() {
            format!("{}{:07}", place.dial, rng.u32(1_000_000..9_999_999))
        } else {
            String::new()
        },
        PLANS[(rng.usize(0..100) / 10).saturating_sub(6).min(3)].to_owned(),
        format!("{}.{:02}", rng.u32(0..900), rng.u32(0..100)),
        signup.to_string(),
        if rng.u8(0..20) == 0 {
            "no".to_owned()
        } else {
            "yes".to_owned()
        },
        tags(rng),
    ]
}

fn pick_place(rng: &mut Rng) -> &'static Place {
    let total = PLACES.iter().map(|place| place.weight).sum();
    let mut ticket = rng.u32(0..total);
    for place in PLACES {
        if ticket < place.weight {
            return place;
        }
        ticket -= place.weight;
    }
    &PLACES[0]
}

fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list[rng.usize(0..list.len())]
}

fn tags(rng: &mut Rng) -> String {
    let mut chosen = Vec::new();
    for tag in TAGS {
        if rng.u8(0..8) == 0 {
            chosen.push(*tag);
        }
    }
    chosen.join(", ")
}

/// The name as it stands in an address.
fn plain(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            'ä' | 'ã' | 'á' | 'â' | 'à' => Some('a'),
            'ö' | 'õ' | 'ó' => Some('o'),
            'ü' | 'ú' => Some('u'),
            'é' | 'è' | 'ê' => Some('e'),
            'í' => Some('i'),
            'ç' => Some('c'),
            'ß' => Some('s'),
            letter if letter.is_ascii_alphabetic() => Some(letter),
            _ => None,
        })
        .collect()
}

/// Makes a row that must end in the report of bad rows.
fn spoil(rng: &mut Rng, record: &mut [String; 14]) {
    match rng.u8(0..3) {
        0 => record[0] = record[0].replace('@', " at "),
        1 => "a lot".clone_into(&mut record[10]),
        _ => "2024-13-45".clone_into(&mut record[11]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(people: People) -> Vec<String> {
        let mut csv = Vec::new();
        people.write_csv(&mut csv).unwrap();
        String::from_utf8(csv)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let people = People {
            rows: 50,
            bad_every: 10,
            repeated_every: 25,
            bounce_every: 9,
            seed: 7,
        };
        assert_eq!(lines(people), lines(people));
        assert_eq!(lines(people).len(), 51);
        assert_ne!(lines(people), lines(People { seed: 8, ..people }));
    }

    #[test]
    fn addresses_are_valid_unless_spoilt() {
        let people = People {
            rows: 200,
            bad_every: 0,
            repeated_every: 0,
            bounce_every: 5,
            seed: 1,
        };
        for line in lines(people).iter().skip(1) {
            let email = line.split(',').next().unwrap_or_default();
            assert!(
                email.parse::<mauntic_core::EmailAddress>().is_ok(),
                "{email}"
            );
        }
    }
}
