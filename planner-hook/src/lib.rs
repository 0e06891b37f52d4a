//! Routing at planning time: who asks where a path should be read is told the worker's own Larder or the storage.
//!
//! [`resolve`] decides for one path, [`mapping`] for all that Trino may ask for, both as pure functions; the API hands
//! them the whitelist in force, [`publish`] keeps the mapping that is in force, and
//! [`snippet`] is what to paste. [`metastore`] tells engines by the Hive Metastore's own answers, [`iceberg`] by those of an
//! Iceberg REST catalog.

mod access;
mod api;
pub mod iceberg;
mod mapping;
pub mod metastore;
mod publish;
mod resolve;
mod settings;
mod snippet;

pub use access::{S3Access, keeps_urls};
pub use api::{ResolveState, router};
pub use mapping::{Mapping, MappingOptions};
pub use publish::{InForce, Mappings, router as mappings_router};
pub use resolve::{Resolution, ResolveBucket, ResolveError};
pub use settings::HookSettings;
pub use snippet::{SnippetEngine, SnippetParts, snippet};
