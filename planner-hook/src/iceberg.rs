//! A proxy in front of an Iceberg REST catalog: whitelisted tables are answered with Larder's endpoint and key in their
//! `config`, which Spark, PyIceberg and the like obey for the table's files. Everything else passes as it is.
//!
//! [`answers`] says which answers hold a table and what is put into them, [`tables`] for which tables that is done (both without
//! IO), [`proxy`] carries requests and answers. The protocol is Apache Iceberg's `rest-catalog-open-api.yaml`.

mod answers;
mod metrics;
mod proxy;
mod settings;
mod tables;

#[cfg(test)]
mod tests;

pub use self::metrics::IcebergMetrics;
pub use self::proxy::IcebergProxy;
pub use self::settings::IcebergSettings;
