//! Asking the NameNodes, and not waiting for one that hangs.
//!
//! The client waits without end for a NameNode whose machine froze or lost its network, and never asks the standby
//! meanwhile. So each call has a limit, and behind it the client is made anew: with connections of its own, and the
//! NameNodes in a random order, so that the one that answers is found.

use std::time::Duration;

use hdfs_native::{Client, ClientBuilder, HdfsError};
use object_store::{Error, Result};
use parking_lot::RwLock;

use super::error::{converted, unavailable};

/// What a client is made from.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) url: String,
    /// Hadoop's properties, by which those of `conf_dir` are overruled.
    pub(super) properties: Vec<(String, String)>,
    pub(super) conf_dir: Option<String>,
    pub(super) user: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) keytab: Option<String>,
    pub(super) ticket_cache: Option<String>,
    /// The property that has the NameNodes asked in a random order.
    pub(super) random_order: String,
    /// How long the storage may be silent.
    pub(super) stall: Duration,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Setup {
    fn client(&self, any_order: bool) -> Result<Client, HdfsError> {
        let mut properties = self.properties.clone();
        if any_order {
            properties.push((self.random_order.clone(), "true".to_owned()));
        }
        let mut builder = ClientBuilder::new().with_url(&self.url).with_config(properties);
        if let Some(folder) = &self.conf_dir {
            builder = builder.with_config_dir(folder);
        }
        if let Some(user) = &self.user {
            builder = builder.with_user(user);
        }
        if let Some(principal) = &self.principal {
            builder = builder.with_kerberos_principal(principal);
        }
        if let Some(keytab) = &self.keytab {
            builder = builder.with_kerberos_keytab(keytab);
        }
        if let Some(cache) = &self.ticket_cache {
            builder = builder.with_kerberos_cache(cache);
        }
        builder.build()
    }
}

/// The NameNodes of one name service.
#[derive(Debug)]
pub(super) struct NameNode {
    setup: Setup,
    /// The client in use, and how many there were before it.
    client: RwLock<(u64, Client)>,
}

impl NameNode {
    /// Nobody is asked yet.
    pub(super) fn new(setup: Setup) -> Result<Self, HdfsError> {
        let client = RwLock::new((0, setup.client(false)?));
        Ok(Self { setup, client })
    }

    /// How long the storage may be silent.
    pub(super) fn stall(&self) -> Duration {
        self.setup.stall
    }

    /// How long one call may take. A third of what a reader waits for leaves time to ask another NameNode.
    fn patience(&self) -> Duration {
        Duration::from_millis((self.setup.stall.as_millis() / 3) as u64)
    }

    /// One call, about `path`.
    pub(super) async fn ask<T>(&self, path: &str, call: impl AsyncFnOnce(Client) -> Result<T, HdfsError>) -> Result<T> {
        let (number, client) = self.client.read().clone();
        self.in_time(number, call(client)).await?.map_err(|error| converted(error, path))
    }

    /// The client in use and its number, for calls that follow each other.
    pub(super) fn client(&self) -> (u64, Client) {
        self.client.read().clone()
    }

    /// What a call of client `number` answers, unless it takes too long.
    pub(super) async fn in_time<T>(&self, number: u64, call: impl Future<Output = T>) -> Result<T> {
        if let Ok(answer) = tokio::time::timeout(self.patience(), call).await {
            return Ok(answer);
        }
        let mut current = self.client.write();
        // Of all that waited for the same client, the first replaces it.
        if current.0 == number {
            match self.setup.client(true) {
                Ok(client) => *current = (number + 1, client),
                Err(error) => tracing::warn!(%error, url = self.setup.url, "no new client of HDFS could be made"),
            }
        }
        let waited = humantime::format_duration(self.patience());
        Err(unavailable(format!("no NameNode answered within {waited}")))
    }
}

/// What `step` waits for, unless the storage is silent for longer than `limit`.
pub(super) fn within<T>(limit: Duration, step: impl Future<Output = T>) -> impl Future<Output = Result<T, Error>> {
    // A step of hdfs-native takes 30 KiB, which every future around it would take as well.
    let step = Box::pin(step);
    let silent = move |_| unavailable(format!("nothing came from HDFS within {}", humantime::format_duration(limit)));
    async move { tokio::time::timeout(limit, step).await.map_err(silent) }
}
