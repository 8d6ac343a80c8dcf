//! Sends and the ledger in SQL. Every method of the ledger is a few statements over a set of rows,
//! which come in as one JSON parameter.

mod jobs;
mod ledger;
mod queries;
mod rows;
mod workers;
