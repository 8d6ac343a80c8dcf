//! How much there is to guess in a password. Long ones are not in the lists of those that are tried first, but what they
//! are made of is: so each known piece counts as one character.

/// A password that is worth less is refused.
pub(super) const LEAST: usize = 8;
/// The shortest run, and the shortest word about somebody, that counts as one character.
const SHORTEST: usize = 3;

/// What lists of stolen passwords are full of, and what this program is about.
const WORDS: &str = "
    access admin administrator amanda andrea andrew android angel apple april ashley august autumn baseball
    basketball batman bienvenue bundle business buster campaign change changeme charlie chocolate company computer
    contact cookie daniel december default demo dragon email facebook february flower football freedom friday geheim
    george ginger google guest hallo hannah harley hello hockey hunter iloveyou internet jackson january jennifer
    jessica jordan joshua july june killer lead letmein login love maggie mailing manager march marketing martin
    master matthew mauntic mautic michael michelle microsoft monday money monkey mustang newsletter nicole november
    october office owner pass passphrase passwd passwort password pepper pokemon princess private ranger robert root
    samsung saturday secret segment september server shadow soccer spring starwars summer sunday sunshine superman
    system taylor test thomas thursday tigger trustno1 tuesday user wednesday welcome whatever willkommen windows
    winter
";

/// Rows of keys, of some keyboards, and of the alphabet. They are as easy backwards.
const ROWS: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "yxcvbnm,.-",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn,;:",
    "!@#$%^&*()",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p",
];

/// What is written for letters to make a word look stranger than it is.
const DISGUISES: &[(char, char)] = &[
    ('0', 'o'),
    ('1', 'i'),
    ('1', 'l'),
    ('!', 'i'),
    ('3', 'e'),
    ('4', 'a'),
    ('@', 'a'),
    ('5', 's'),
    ('$', 's'),
    ('7', 't'),
];

/// How many characters of a password are left to guess for somebody who knows all this.
pub(super) fn worth(password: &str, about: &[&str]) -> usize {
    let text = lower(password);
    let text = once(&text);
    let mut words: Vec<_> = WORDS.split_whitespace().map(lower).collect();
    words.extend(about.iter().flat_map(|text| words_of(text)));
    let (mut at, mut worth) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let said = words.iter().filter(|word| begins_with(rest, word));
        let said = said.map(Vec::len).max().unwrap_or(1);
        at += said.max(run(rest)).max(year(rest));
        worth += 1;
    }
    worth
}

fn lower(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The words of a name, an address or the like.
fn words_of(text: &str) -> impl Iterator<Item = Vec<char>> {
    let words = text.split(|c: char| !c.is_alphanumeric()).map(lower);
    words.filter(|word| word.len() >= SHORTEST)
}

/// What a text repeats, if it repeats something from its beginning to its end; else all of it.
fn once(text: &[char]) -> &[char] {
    let repeats = |period: &usize| {
        let later = text.iter().skip(*period);
        later.zip(text).all(|(later, earlier)| later == earlier)
    };
    let period = (1..=text.len() / 2).find(repeats);
    &text[..period.unwrap_or(text.len())]
}

fn begins_with(text: &[char], word: &[char]) -> bool {
    let stands_for = |(written, meant): (&char, &char)| {
        written == meant || DISGUISES.contains(&(*written, *meant))
    };
    text.len() >= word.len() && text.iter().zip(word).all(stands_for)
}

/// How long the text goes on with its first character, or along a row.
fn run(text: &[char]) -> usize {
    let same = text.iter().take_while(|c| **c == text[0]).count();
    let mut longest = same;
    for row in ROWS {
        let row: Vec<_> = row.chars().collect();
        let back: Vec<_> = row.iter().rev().copied().collect();
        for row in [row, back] {
            let along = (0..row.len()).map(|from| {
                let pairs = text.iter().zip(&row[from..]);
                pairs.take_while(|(written, key)| written == key).count()
            });
            longest = along.max().unwrap_or_default().max(longest);
        }
    }
    if longest < SHORTEST { 1 } else { longest }
}

/// The length of a year of this century or the last one.
fn year(text: &[char]) -> usize {
    let digits = text.iter().take(4).filter(|c| c.is_ascii_digit()).count() == 4;
    let recent = matches!(text, ['1', '9', ..] | ['2', '0', ..]);
    if digits && recent { 4 } else { 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANN: &[&str] = &["Ann-Kathrin Lee", "a.lee@example.com", "Acme Europe"];

    #[test]
    fn what_is_tried_first_is_worth_little() {
        for password in [
            "aaaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "passwordpassword",
            "Password1234567",
            "P@$$w0rd2026!!!",
            "123456789012345",
            "qwertzuiop123456",
            "asdfghjkl;asdf",
            "1qaz2wsx3edc4rfv",
            "Welcome2Mauntic!",
            "marketing2027!?",
            "AnnKathrin1988",
            "kathrin@example.com",
            "Acme.Europe.2026",
            "zyxwvutsrqponm",
            "letmeinletmein7",
        ] {
            let worth = worth(password, ANN);
            assert!(worth < LEAST, "{password} is worth {worth}");
        }
    }

    #[test]
    fn what_nobody_knows_is_worth_its_length() {
        for password in [
            "correct horse battery",
            "a newer long password",
            "k3v9xq2mzp7t",
            "viel Regen im Herbst",
            "株式会社と電車の時刻表を見",
        ] {
            let worth = worth(password, ANN);
            assert!(worth >= LEAST, "{password} is worth {worth}");
        }
        // Of somebody else.
        assert!(worth("AnnKathrin1988", &[]) >= LEAST);
    }

    proptest! {
        #[test]
        fn every_text_has_a_worth_that_is_no_more_than_its_length(text in "\\PC{0,40}") {
            let most = text.chars().flat_map(char::to_lowercase).count();
            prop_assert!(worth(&text, ANN) <= most);
        }
    }
}
