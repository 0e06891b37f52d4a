//! A proxy in front of a Hive Metastore: the locations of whitelisted tables and partitions become the cache's in what it
//! answers, and the origins' again in what it is asked. Everything else passes as it is.
//!
//! [`thrift`] walks over messages, [`paths`] says where in them locations stand, [`rewrite`] what they become, [`stream`] puts
//! the three together for one direction of a connection (all of these without IO), [`proxy`] carries the bytes.

mod metrics;
mod paths;
mod proxy;
mod rewrite;
mod settings;
mod stream;
mod thrift;
mod upstream;

#[cfg(test)]
mod tests;

pub use self::metrics::MetastoreMetrics;
pub use self::proxy::MetastoreProxy;
pub use self::rewrite::is_ambiguous;
pub use self::settings::MetastoreSettings;
