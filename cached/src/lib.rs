//! The data path: S3 endpoint, route, tiers, origin, access log, residency.
//!
//! Reading order: [`settings`] is what an operator can say; [`Engine`] wires the parts; `read` is the life of one GET,
//! which `route` sends through `metadata`, `tiers` and `fill`; `write` and `upload` are the way back; `residency` and
//! `preload` serve the night; `s3` and `api` are the two doors.

pub mod settings;

mod access_log;
mod api;
mod block;
mod cut;
mod engine;
mod fill;
mod listing;
mod metadata;
mod metrics;
#[cfg(test)]
mod model_test;
mod online;
pub mod origin;
mod preload;
mod read;
mod residency;
mod route;
mod s3;
mod ssd;
mod tiers;
mod upload;
mod watch;
mod write;

pub use api::router;
pub use engine::{Engine, EngineParts, StartError};
pub use origin::{OpenError, Origin, OriginError, Origins};
pub use s3::{KeysError, ServeError, serve_s3};
pub use settings::{
    Access, Admit, BucketSettings, CacheSettings, Consistency, KeySettings, Policy, S3Settings, SsdIo, SsdSettings,
    TlsSettings,
};
pub use tiers::TiersError;
pub use watch::{ReadOutcome, WatchedRead};
