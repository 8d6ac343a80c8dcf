mod list;
mod read;
mod row;
mod write;

pub(super) use row::from_json;
