//! `[metastore]` of `larder.toml`.

use std::net::SocketAddr;
use std::time::Duration;

use larder_model::duration_text;
use serde::{Deserialize, Serialize};

use crate::resolve::is_s3;

/// A Hive Metastore, and the proxy in front of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetastoreSettings {
    /// Where it listens; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// The metastores, `thrift://host:port`: the first that takes a connection has it.
    pub upstream: Vec<String>,
    /// How often it is asked which tables there are and where they lie; zero for never.
    #[serde(with = "duration_text")]
    pub read_every: Duration,
    /// The scheme of locations in the cache, where the origin's own is none of S3's.
    pub scheme: String,
    /// How long a metastore may take to accept a connection.
    #[serde(with = "duration_text")]
    pub connect: Duration,
    /// A message that goes no further for this long ends its connection.
    #[serde(with = "duration_text")]
    pub stall: Duration,
    /// Connections beyond this are closed at once.
    pub connections_max: usize,
}

impl Default for MetastoreSettings {
    fn default() -> Self {
        Self {
            listen: None,
            upstream: Vec::new(),
            read_every: Duration::from_secs(600),
            scheme: "s3a".to_owned(),
            connect: Duration::from_secs(3),
            stall: Duration::from_secs(60),
            connections_max: 1024,
        }
    }
}

impl MetastoreSettings {
    /// The `host:port` of a metastore's URL; `None` for what is none.
    pub fn address(upstream: &str) -> Option<&str> {
        let address = upstream.strip_prefix("thrift://")?;
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':')?;
        let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
        (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then_some(address)
    }

    /// `host:port` of each metastore.
    pub fn addresses(&self) -> Vec<String> {
        self.upstream.iter().filter_map(|upstream| Self::address(upstream)).map(str::to_owned).collect()
    }

    /// What is wrong with it: a key, and words.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.listen.is_some() && self.upstream.is_empty() {
            problems.push(("upstream", "name at least one metastore, thrift://host:9083".to_owned()));
        }
        if let Some(wrong) = self.upstream.iter().find(|upstream| Self::address(upstream).is_none()) {
            problems.push(("upstream", format!("`{wrong}` is no metastore: write thrift://host:9083")));
        }
        if !is_s3(&self.scheme) {
            problems.push(("scheme", format!("`{}` is none of s3, s3a and s3n", self.scheme)));
        }
        for (key, time) in [("connect", self.connect), ("stall", self.stall)] {
            if time < Duration::from_secs(1) {
                problems.push((key, format!("{time:?} is too short: pauses of 1s are nothing unusual")));
            }
        }
        if !self.read_every.is_zero() && self.read_every < Duration::from_secs(1) {
            problems.push((
                "read_every",
                format!("{:?} is too often: write at least 1s, or 0s for never", self.read_every),
            ));
        }
        if self.connections_max == 0 {
            problems.push(("connections_max", "must be at least 1".to_owned()));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metastore_is_a_host_and_a_port() {
        for (url, address) in [
            ("thrift://hms:9083", Some("hms:9083")),
            ("thrift://10.0.0.1:9083/", Some("10.0.0.1:9083")),
            ("thrift://[::1]:9083", Some("[::1]:9083")),
            ("hms:9083", None),
            ("http://hms:9083", None),
            ("thrift://hms", None),
            ("thrift://:9083", None),
            ("thrift://hms:0", None),
            ("thrift://hms:9083,thrift://other:9083", None),
        ] {
            assert_eq!(MetastoreSettings::address(url), address, "{url}");
        }
    }
}
