mod facts;
mod queries;
mod rebuild;
mod repository;
mod row;
mod sql;
