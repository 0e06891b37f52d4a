//! What an operator can say about the data path. Plain data: read from `larder.toml`, checked once, never changed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use larder_model::{ByteSize, TablePrefix, duration_text};
use serde::{Deserialize, Serialize};

/// `[s3]`: the endpoint that engines talk to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct S3Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who may come in. Without any, the daemon makes a pair and listens on loopback only.
    pub keys: Vec<KeySettings>,
    /// Serve HTTPS with this certificate; HTTP when absent.
    pub tls: Option<TlsSettings>,
    /// The endpoint's host name, so that `http://bucket.domain/key` is understood; path style works always.
    pub domain: Option<String>,
    /// Requests on connections beyond this are answered 503 SlowDown.
    pub connections_max: usize,
    /// Requests beyond this that are in flight at once are answered 503 SlowDown.
    pub requests_max: usize,
    /// A client that takes nothing of its answer for this long, or sends nothing of its body, is left.
    #[serde(with = "duration_text")]
    pub stall: Duration,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            keys: Vec::new(),
            tls: None,
            domain: None,
            connections_max: 4096,
            requests_max: 1024,
            stall: Duration::from_secs(60),
        }
    }
}

/// `[[s3.keys]]`: one access key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeySettings {
    /// The access key id, which is also the name in the access log.
    pub id: String,
    /// The secret. Give this or `secret_file`.
    #[serde(default)]
    pub secret: Option<String>,
    /// A file that holds the secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// The buckets it opens; `*` is all.
    #[serde(default = "all_buckets")]
    pub buckets: Vec<String>,
    /// What it may do there.
    #[serde(default)]
    pub access: Access,
}

fn all_buckets() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Get, head and list.
    #[default]
    Read,
    /// All that, and put, copy and delete.
    Write,
}

/// `[s3] tls`: PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[cache]`: the tiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheSettings {
    /// Bytes of blocks kept in memory.
    pub memory: ByteSize,
    /// Bytes of Parquet footers kept in memory besides, so that no scan pushes them out.
    pub footers: ByteSize,
    /// The SSD tier.
    pub ssd: SsdSettings,
    /// What may enter the tiers.
    pub admit: Admit,
    /// The length of a block; of Parquet objects, the most that a block has of a column chunk. Changing it makes what the
    /// SSD holds useless.
    pub block: ByteSize,
    /// Neighbouring blocks that are missing are read from the origin in one request of at most this many bytes.
    pub fill: ByteSize,
    /// Bytes of fills under way at once; reads beyond it wait.
    pub fills_in_flight: ByteSize,
    /// Objects whose size and version are remembered.
    pub metadata_objects_max: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            memory: ByteSize::gib(4),
            footers: ByteSize::mib(64),
            ssd: SsdSettings::default(),
            admit: Admit::default(),
            block: ByteSize::mib(1),
            fill: ByteSize::mib(8),
            fills_in_flight: ByteSize::mib(256),
            metadata_objects_max: 1_000_000,
        }
    }
}

/// `[cache] ssd`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SsdSettings {
    /// The folder; Larder owns what is in it.
    pub path: PathBuf,
    /// Bytes on disk, overhead included; never exceeded.
    pub capacity: ByteSize,
    /// Percent of the capacity that whitelisted items leave to what no log foresaw. Room that they do not need is used so
    /// too. At 0 only what the whitelist names is admitted.
    #[serde(rename = "adaptive")]
    pub adaptive_percent: u8,
    /// What goes first when something comes into that share.
    pub policy: Policy,
    /// With [`Policy::Lrfu`]: how fast a reference fades, from 0 (as LFU) to 1 (as LRU). It counts half as much after
    /// `1 / lrfu_lambda` more.
    pub lrfu_lambda: f64,
    /// How blocks are read.
    pub io: SsdIo,
}

/// `[cache] ssd.policy`: which block of the adaptive share goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Blocks must be read again soon after they came to stay: scans pass through.
    #[default]
    S3Fifo,
    /// The oldest that was not read since it was looked at last.
    Sieve,
    /// The least frequently read, by a sketch that ages.
    Lfu,
    /// The least recently read.
    Lru,
    /// The oldest.
    Fifo,
    /// The least recently and frequently read: references fade, see [`SsdSettings::lrfu_lambda`].
    Lrfu,
}

impl SsdSettings {
    /// Smaller SSD tiers than this are refused: there would be no room to write some blocks while others are freed.
    pub const CAPACITY_MIN: ByteSize = ByteSize(64 << 20);
}

impl Default for SsdSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data/cache"),
            capacity: ByteSize::gib(100),
            adaptive_percent: 10,
            policy: Policy::default(),
            lrfu_lambda: 0.001,
            io: SsdIo::default(),
        }
    }
}

/// `[cache] ssd = { io }`: how blocks are read from the SSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SsdIo {
    /// By threads that wait for the disk.
    Threads,
    /// Through io_uring where the kernel has it and lets it be used, else by threads.
    #[default]
    Uring,
}

/// `[cache] admit`: what may enter the tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admit {
    /// What the whitelist names; everything while there is no whitelist yet.
    #[default]
    Whitelist,
    /// Everything.
    All,
}

/// `[[bucket]]`: a name on the S3 endpoint and the origin behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BucketSettings {
    /// The bucket's name on the endpoint.
    pub name: String,
    /// The origin's URL prefix: `s3://bucket/prefix`, `hdfs://service/folder`, `gs://`, `abfss://`,
    /// `file:///folder`.
    pub origin: String,
    /// How old a version may be served.
    #[serde(default)]
    pub consistency: Consistency,
    /// Options of the origin's client, such as `endpoint`, `region`, `access_key_id`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The catalog that the engines know these tables by; the bucket's name when absent.
    #[serde(default)]
    pub catalog: Option<String>,
    /// Tables whose folders do not have Hive's form.
    #[serde(default)]
    pub tables: Vec<TablePrefix>,
    /// How long a listing may be reused. Writes through Larder end it early. Zero passes every listing through.
    #[serde(default, with = "duration_text")]
    pub list_cache: Duration,
    /// Requests of fills that may be under way at the origin at once; more wait.
    #[serde(default = "BucketSettings::fills_max_default")]
    pub fills_max: usize,
    /// When the origin sends nothing of an answer for this long, the request has failed.
    #[serde(default = "BucketSettings::stall_default", with = "duration_text")]
    pub stall: Duration,
    /// Engines, as the access log names them, whose direct reads are answered with a redirect to a presigned URL of the
    /// origin; `*` is all.
    #[serde(default)]
    pub redirect: Vec<String>,
}

impl BucketSettings {
    /// [`fills_max`](Self::fills_max) where nothing is said.
    pub const FILLS_MAX: usize = 64;

    /// A bucket of which nothing else is said.
    pub fn new(name: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            origin: origin.into(),
            consistency: Consistency::default(),
            options: BTreeMap::new(),
            catalog: None,
            tables: Vec::new(),
            list_cache: Duration::ZERO,
            fills_max: Self::FILLS_MAX,
            stall: Self::STALL,
            redirect: Vec::new(),
        }
    }

    /// [`stall`](Self::stall) where nothing is said.
    pub const STALL: Duration = Duration::from_secs(10);

    fn stall_default() -> Duration {
        Self::STALL
    }

    fn fills_max_default() -> usize {
        Self::FILLS_MAX
    }
}

/// `[[bucket]] consistency`: how long metadata is used without asking the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Objects never change: never ask again.
    Immutable,
    /// Ask when what is known is older than this.
    Revalidate(#[serde(with = "duration_text")] Duration),
    /// Ask on every read.
    Strict,
}

impl Default for Consistency {
    fn default() -> Self {
        Self::Revalidate(Duration::from_secs(60))
    }
}

impl Consistency {
    /// Whether metadata of this age may be used without asking the origin.
    pub fn allows(self, age: Duration) -> bool {
        match self {
            Self::Immutable => true,
            Self::Revalidate(limit) => age <= limit,
            Self::Strict => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_decides_under_each_rule() {
        let minute = Duration::from_secs(60);
        assert!(Consistency::Immutable.allows(minute * 1_000_000));
        assert!(Consistency::Revalidate(minute).allows(minute));
        assert!(!Consistency::Revalidate(minute).allows(minute + Duration::from_nanos(1)));
        assert!(!Consistency::Strict.allows(Duration::ZERO));
    }
}
