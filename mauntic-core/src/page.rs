use serde::{Deserialize, Serialize};

/// How many rows a page holds: 1 to [`PageSize::MAX`], 50 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u16", into = "u16")]
pub struct PageSize(u16);

impl From<u16> for PageSize {
    fn from(rows: u16) -> Self {
        Self::clamped(usize::from(rows))
    }
}

impl From<PageSize> for u16 {
    fn from(size: PageSize) -> Self {
        size.0
    }
}

impl PageSize {
    /// The largest page.
    pub const MAX: u16 = 1_000;

    /// A page of that many rows, brought into the range 1 to [`PageSize::MAX`].
    #[must_use]
    pub fn clamped(rows: usize) -> Self {
        Self(u16::try_from(rows).unwrap_or(Self::MAX).clamp(1, Self::MAX))
    }

    /// The rows of a page.
    #[must_use]
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// The rows to fetch: one more than a page holds, which tells whether another page follows.
    #[must_use]
    pub fn overfetched(self) -> u64 {
        u64::from(self.0) + 1
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// Some rows, and where the next ones start.
///
/// Pages continue behind a row (its cursor), not at a number, so they stay stable while rows are
/// added and as fast at the end as at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T, C> {
    /// The rows, in the order asked for.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Makes a page from rows fetched with [`PageSize::overfetched`].
    pub fn from_overfetched(mut rows: Vec<T>, size: PageSize, cursor: impl Fn(&T) -> C) -> Self {
        let more = rows.len() > size.get();
        rows.truncate(size.get());
        let next = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next }
    }

    /// The same page with every row turned into something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U, C> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_too_many_means_another_page() {
        let page = Page::from_overfetched(vec![1, 2, 3], PageSize::clamped(2), |row| *row);
        assert_eq!(
            page,
            Page {
                items: vec![1, 2],
                next: Some(2)
            }
        );
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page = Page::from_overfetched(vec![1, 2], PageSize::clamped(2), |row| *row);
        assert_eq!(page.next, None);
    }
}
