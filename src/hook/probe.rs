//! Whether the S3 endpoint answers, as who reads through it finds it. Engines are sent to the storage while it does not.
//!
//! It is asked over the network, by a new connection each time: what keeps clients out (no connections left, no room for
//! requests, a process that does not get to its work) keeps this out too. Origins and tiers are not asked. With a tier out of
//! use reads come from the origin, and with the origin down what is held is still served, which the storage itself is not.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);

/// An answer that takes longer is none.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// So many times in a row without an answer, and it is not healthy. A single answer makes it healthy again.
const FAILURES: u32 = 3;

/// Asks the endpoint itself.
#[derive(Debug)]
pub(crate) struct Probe {
    client: reqwest::Client,
    url: String,
    healthy: watch::Sender<bool>,
}

impl Probe {
    /// Asks at this URL, and tells `healthy` what it finds.
    pub(crate) fn new(url: String, healthy: watch::Sender<bool>) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(ANSWERS_WITHIN)
            .pool_max_idle_per_host(0)
            .no_proxy()
            // The certificate names the host that engines use, and this is asked by address.
            .danger_accept_invalid_certs(true)
            .build()?;
        Ok(Self { client, url, healthy })
    }

    /// Asks until `stop`, from the first sign of which on the cache is not healthy.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let Some(asked) = stop.run_until_cancelled(self.ask()).await else { break };
            failures = if asked.is_ok() { 0 } else { failures + 1 };
            let is_healthy = failures < FAILURES;
            let has_changed = self.healthy.send_if_modified(|healthy| {
                let has_changed = *healthy != is_healthy;
                *healthy = is_healthy;
                has_changed
            });
            match asked {
                Err(problem) if has_changed => {
                    tracing::warn!(problem, "the s3 endpoint does not answer; engines are sent to the storage");
                }
                Ok(()) if has_changed => tracing::info!("the s3 endpoint answers again"),
                _ => {}
            }
        }
        self.healthy.send_replace(false);
    }

    /// Any answer will do, also that one must sign; but not that it is too busy.
    async fn ask(&self) -> Result<(), String> {
        let answer = self.client.get(&self.url).send().await;
        let status = answer.map_err(|error| format!("{:#}", anyhow::Error::from(error.without_url())))?.status();
        if status.is_server_error() { Err(format!("it answers {status}")) } else { Ok(()) }
    }
}
