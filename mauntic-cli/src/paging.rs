//! Long lists: how much of one a command prints, and how to get the rest.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::Args;
use mauntic_core::{Page, PageSize};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{exit, output::Output};

/// Which part of a list to print.
#[derive(Debug, Args)]
pub(crate) struct Paging {
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Go on behind what was printed before: with the NEXT that was said at its end
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    /// All of them, however many there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A part of a list.
pub(crate) struct Part<T> {
    /// What is in it.
    pub(crate) items: Vec<T>,
    /// What `--after` takes to go on behind it; `None` at the end of the list.
    pub(crate) next: Option<String>,
}

impl Paging {
    /// Reads as many pages as were asked for.
    ///
    /// # Errors
    /// If `--after` is nothing that a list of this kind said, or a page cannot be read.
    pub(crate) async fn gather<T, C: Serialize + DeserializeOwned>(
        &self,
        page: impl AsyncFn(Option<C>, PageSize) -> anyhow::Result<Page<T, C>>,
    ) -> anyhow::Result<Part<T>> {
        let wanted = if self.all {
            usize::MAX
        } else {
            usize::try_from(self.limit).unwrap_or(usize::MAX)
        };
        let mut after = self.after.as_deref().map(read).transpose()?;
        let mut items = Vec::new();
        loop {
            let got = page(after, PageSize::clamped(wanted - items.len())).await?;
            items.extend(got.items);
            after = got.next;
            if after.is_none() || items.len() >= wanted {
                break;
            }
        }
        let next = after.as_ref().map(write).transpose()?;
        Ok(Part { items, next })
    }
}

impl<T> Part<T> {
    /// Says that there are more, and how to get them.
    pub(crate) fn tell(&self, output: Output) {
        if let Some(next) = &self.next {
            output.note(format_args!(
                "There are more: go on with --after {next}, or print all with --all."
            ));
        }
    }
}

/// A cursor as text: an id or a name as it is, all else as one word that shows nothing.
fn write<C: Serialize>(cursor: &C) -> anyhow::Result<String> {
    Ok(match serde_json::to_value(cursor)? {
        Value::String(text) => text,
        other => BASE64_URL_SAFE_NO_PAD.encode(other.to_string()),
    })
}

fn read<C: DeserializeOwned>(text: &str) -> anyhow::Result<C> {
    if let Ok(cursor) = serde_json::from_value(Value::from(text)) {
        return Ok(cursor);
    }
    let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let cursor = json.and_then(|json| serde_json::from_slice(&json).ok());
    cursor.ok_or_else(|| exit::invalid("--after takes what a list of this kind said at its end"))
}

#[cfg(test)]
mod tests {
    use mauntic_core::ContactId;
    use mauntic_crm::{ContactCursor, ContactSort};

    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let id: ContactId = "018f2b6a-0000-7000-8000-000000000001".parse().unwrap();
        assert_eq!(write(&id).unwrap(), id.to_string());
        assert_eq!(read::<ContactId>(&id.to_string()).unwrap(), id);
        let cursor = ContactCursor {
            sort: ContactSort::Email,
            micros: None,
            texts: vec!["ann@example.com".to_owned()],
            id,
        };
        let text = write(&cursor).unwrap();
        assert!(!text.contains("ann"), "{text}");
        assert_eq!(read::<ContactCursor>(&text).unwrap(), cursor);
        assert!(read::<ContactId>(&text).is_err());
        assert!(read::<ContactCursor>("nonsense").is_err());
    }
}
