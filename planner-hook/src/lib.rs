//! Routing at planning time: who asks where a path should be read is told the worker's own Larder or the storage.
//!
//! [`resolve`] decides, as a pure function of a table; the API hands it the table of the whitelist in force. [`metastore`] tells
//! engines by the Hive Metastore's own answers.

mod api;
pub mod metastore;
mod resolve;

pub use api::{ResolveState, router};
pub use resolve::{Resolution, ResolveBucket, ResolveError};
