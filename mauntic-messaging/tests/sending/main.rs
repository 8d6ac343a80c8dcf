//! Sends from plan to outcome, on both back ends, with people and a mail server made up. `support` makes them up; the tests
//! are in files by subject, each with the list of its cases.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]

/// Makes a test of each case on each back end.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::TestDatabase::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() { super::$case(super::TestDatabase::postgres().await).await; })*
        }
    };
}

mod audience;
mod clocks;
mod domains;
mod engines;
mod makers;
mod outcomes;
mod planning;
mod steering;
mod support;
