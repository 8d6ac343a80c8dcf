mod alike;
mod bulk;
mod growth;
mod list;
mod merge;
mod read;
mod row;
mod write;

pub(super) use read::by_ids;
pub(super) use row::from_json;
