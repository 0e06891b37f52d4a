//! The memory and SSD tiers: foyer's cache in memory, and [`Ssd`] behind it.
//!
//! A tier that fails is a miss: it is logged, counted, and the read goes on. A folder named after the on-disk form and
//! the block length holds the SSD tier, so that another form is never misread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use foyer::{Cache, CacheBuilder, S3FifoConfig};
use larder_model::{ByteRange, ByteSize, IoSpeed, ObjectName, Tier};
use thiserror::Error;

use crate::block::{BLOCK_BYTES_MAX, BlockKey, ColumnId};
use crate::metrics::{Cause, Metrics};
use crate::route::RouteTable;
use crate::settings::{CacheSettings, SsdSettings};
use crate::ssd::{Disk, Share, Ssd};

/// The on-disk form. Raise it when journal or segments change.
const FORM: u32 = 2;

/// How long a start waits for what the SSD holds: usually a moment, and then no read asks the origin for it. A large tier
/// goes on in the background.
const OPENING_MAX: Duration = Duration::from_secs(2);

/// What an entry costs in memory besides its bytes: key, list links, hash table, reference counts.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Tiers that cannot be set up. Fix `[cache]` in `larder.toml`.
#[derive(Debug, Error)]
pub enum TiersError {
    /// The folder cannot be made or written.
    #[error("[cache] ssd.path `{path}` is not writable")]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
    /// The capacity is too small, or the disk has less.
    #[error("[cache] ssd.capacity {capacity} of `{path}` is too {problem}")]
    Capacity {
        /// The folder.
        path: PathBuf,
        /// As configured.
        capacity: ByteSize,
        /// What is wrong.
        problem: String,
    },
    /// A block must fit many times into its tier.
    #[error(
        "[cache] block {block} must be from 4KiB to 64MiB and at most an eighth of memory ({memory}) and a 32nd of ssd.capacity ({ssd})"
    )]
    Block {
        /// As configured.
        block: ByteSize,
        /// As configured.
        memory: ByteSize,
        /// As configured.
        ssd: ByteSize,
    },
    /// The adaptive share is no share.
    #[error("[cache] ssd.adaptive {percent} must be from 0 to 100, in percent of ssd.capacity")]
    Adaptive {
        /// As configured.
        percent: u8,
    },
    /// The adaptive share's policy cannot fade references so.
    #[error("[cache] ssd.lrfu_lambda {lambda} must be from 0 to 1")]
    Lambda {
        /// As configured.
        lambda: f64,
    },
    /// The SSD tier does not start.
    #[error("the ssd tier in `{path}` does not start")]
    Ssd {
        /// The folder.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
}

/// Both tiers.
pub(crate) struct Tiers {
    memory: Cache<BlockKey, Bytes>,
    /// Footers, whose budget other blocks cannot use up.
    footers: moka::sync::Cache<BlockKey, Bytes>,
    ssd: Ssd,
    routes: Arc<ArcSwap<RouteTable>>,
    settings: CacheSettings,
}

impl std::fmt::Debug for Tiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiers").field("ssd", &self.ssd).finish_non_exhaustive()
    }
}

impl Tiers {
    /// Opens the tiers; blocks that an earlier process left on the SSD are found again. `routes` says what a block is held
    /// for; `through` is for a disk that fails.
    pub(crate) fn open(
        settings: &CacheSettings,
        routes: Arc<ArcSwap<RouteTable>>,
        metrics: Arc<Metrics>,
        through: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> Result<Self, TiersError> {
        check(settings)?;
        let folder = prepare_folder(settings)?;
        let ssd = Ssd::open(&folder, &settings.ssd, settings.block.as_u64(), metrics, through)
            .and_then(|(ssd, opening)| opening.wait(OPENING_MAX).map(|()| ssd))
            .map_err(|source| TiersError::Ssd { path: folder, source })?;
        let memory = CacheBuilder::new(settings.memory.as_u64() as usize)
            .with_name("larder")
            .with_shards(memory_shards(settings))
            .with_eviction_config(S3FifoConfig::default())
            .with_weighter(|_: &BlockKey, block: &Bytes| block.len() + ENTRY_OVERHEAD_BYTES)
            .build();
        let footers = moka::sync::Cache::builder()
            .weigher(|_: &BlockKey, bytes: &Bytes| {
                u32::try_from(bytes.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
            })
            .max_capacity(settings.footers.as_u64())
            .build();
        let tiers = Self { memory, footers, ssd, routes, settings: settings.clone() };
        tiers.follow_whitelist();
        Ok(tiers)
    }

    /// Holds for the whitelist in force what is held for another.
    pub(crate) fn follow_whitelist(&self) {
        if let Some(items) = self.routes.load().items() {
            self.ssd.keep(items);
        }
    }

    /// The length of every block but an object's last.
    pub(crate) fn block_len(&self) -> u64 {
        self.settings.block.as_u64()
    }

    /// A block that is in memory. Touches no disk.
    pub(crate) fn get_from_memory(&self, key: &BlockKey, range: ByteRange) -> Option<Bytes> {
        let block = self.memory.get(key).map(|entry| entry.value().clone());
        block.or_else(|| self.footers.get(key)).filter(|bytes| bytes.len() as u64 == range.len())
    }

    /// Keeps a footer in memory beside the blocks.
    pub(crate) fn keep_footer(&self, key: BlockKey, bytes: &Bytes) {
        if !self.footers.contains_key(&key) {
            self.footers.insert(key, bytes.clone());
        }
    }

    /// Whether a tier can give the block, by its index alone.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.memory.contains(key) || self.footers.contains_key(key) || self.ssd.serves(key)
    }

    /// A block from whichever tier holds it, and which that was. `origin` is what the origin's reads cost, where that is
    /// known.
    pub(crate) async fn get(&self, key: &BlockKey, range: ByteRange, origin: Option<IoSpeed>) -> Option<(Bytes, Tier)> {
        if let Some(bytes) = self.get_from_memory(key, range) {
            return Some((bytes, Tier::Memory));
        }
        let begun = Instant::now();
        let bytes = self.ssd.get(key, Some(range.len())).await?;
        if let Some(origin) = origin {
            self.ssd.took(begun.elapsed(), Duration::from_secs_f64(origin.seconds(1, range.len())));
        }
        drop(self.memory.insert(*key, bytes.clone()));
        Some((bytes, Tier::Ssd))
    }

    /// A note that was put among the blocks: of any length, and missing when anything is wrong.
    pub(crate) async fn get_note(&self, key: &BlockKey) -> Option<Bytes> {
        if let Some(entry) = self.memory.get(key) {
            return Some(entry.value().clone());
        }
        self.ssd.get(key, None).await
    }

    /// Admits a block or a note of an object to memory and, in the background, to the SSD.
    pub(crate) fn insert(&self, name: &ObjectName, key: BlockKey, column: ColumnId, bytes: Bytes) {
        self.ssd.offer(key, &bytes, self.share(name, column));
        drop(self.memory.insert(key, bytes));
    }

    /// Admits a block that a fill has brought. A preload's goes to the SSD alone, and waits for its turn there.
    pub(crate) async fn admit(&self, name: &ObjectName, key: BlockKey, column: ColumnId, bytes: &Bytes, cause: Cause) {
        match cause {
            Cause::Demand => self.insert(name, key, column, bytes.clone()),
            Cause::Preload => self.ssd.put(key, bytes, self.share(name, column)).await,
        }
    }

    /// Makes blocks of an object resident that the adaptive share holds, if the whitelist has the object; of which columns
    /// they are is for the caller to know.
    pub(crate) fn claim(&self, name: &ObjectName, keys: Vec<BlockKey>) {
        if let Share::Resident(item) = self.share(name, ColumnId::NONE) {
            self.ssd.claim(keys, item);
        }
    }

    fn share(&self, name: &ObjectName, column: ColumnId) -> Share {
        self.routes.load().share(&name.bucket, &name.key, column)
    }

    /// Removes a block from both tiers; tells whether there was one.
    pub(crate) fn remove(&self, key: &BlockKey) -> bool {
        let footer = self.footers.remove(key).is_some();
        footer | self.memory.remove(key).is_some() | self.ssd.remove(key)
    }

    /// Changes the SSD tier's capacity, under the same conditions as at the start.
    pub(crate) async fn resize_ssd(&self, capacity: ByteSize) -> Result<(), TiersError> {
        let mut settings = self.settings.clone();
        settings.ssd.capacity = capacity;
        check(&settings)?;
        let checked = tokio::task::spawn_blocking(move || check_disk(&settings)).await;
        checked.expect("checking does not panic")?;
        self.ssd.resize(capacity.as_u64());
        self.ssd.settle().await;
        Ok(())
    }

    /// The SSD tier.
    pub(crate) fn ssd(&self) -> &Ssd {
        &self.ssd
    }

    pub(crate) fn memory_used_bytes(&self) -> u64 {
        self.memory.usage() as u64 + self.footers.weighted_size()
    }

    pub(crate) fn memory_capacity_bytes(&self) -> u64 {
        self.settings.memory.as_u64() + self.settings.footers.as_u64()
    }
}

fn check(settings: &CacheSettings) -> Result<(), TiersError> {
    let (block, memory, ssd) = (settings.block, settings.memory, settings.ssd.capacity);
    if ssd < SsdSettings::CAPACITY_MIN {
        let problem = format!("small: at least {} is needed", SsdSettings::CAPACITY_MIN);
        return Err(TiersError::Capacity { path: settings.ssd.path.clone(), capacity: ssd, problem });
    }
    let block_max = BLOCK_BYTES_MAX.min(memory.as_u64() / 8).min(ssd.as_u64() / 32);
    if !(4096..=block_max).contains(&block.as_u64()) {
        return Err(TiersError::Block { block, memory, ssd });
    }
    let percent = settings.ssd.adaptive_percent;
    if percent > 100 {
        return Err(TiersError::Adaptive { percent });
    }
    let lambda = settings.ssd.lrfu_lambda;
    if !(0.0..=1.0).contains(&lambda) {
        return Err(TiersError::Lambda { lambda });
    }
    Ok(())
}

/// Each shard of the memory tier must have room for several blocks, or it would evict what it has just admitted.
fn memory_shards(settings: &CacheSettings) -> usize {
    let blocks = settings.memory.as_u64() / settings.block.as_u64();
    (blocks / 8).clamp(1, 16) as usize
}

/// Makes the folder of this form, removes those of others, and makes sure that the disk has the room.
fn prepare_folder(settings: &CacheSettings) -> Result<PathBuf, TiersError> {
    let path = &settings.ssd.path;
    let not_writable = |source| TiersError::NotWritable { path: path.clone(), source };
    let form = format!("form-{FORM}-block-{}", settings.block.as_u64());
    let folder = path.join(&form);
    std::fs::create_dir_all(&folder).map_err(not_writable)?;
    let probe = folder.join("writable");
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(not_writable)?;
    for entry in std::fs::read_dir(path).map_err(not_writable)?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("form-") && name.to_string_lossy() != form {
            tracing::info!(folder = %entry.path().display(), "removing an ssd tier of another form");
            std::fs::remove_dir_all(entry.path()).map_err(not_writable)?;
        }
    }
    check_disk(settings)?;
    Ok(folder)
}

/// Makes sure that the disk has the room for the whole capacity.
fn check_disk(settings: &CacheSettings) -> Result<(), TiersError> {
    let SsdSettings { path, capacity, .. } = &settings.ssd;
    let not_writable = |source| TiersError::NotWritable { path: path.clone(), source };
    let available = fs4::available_space(path).map_err(not_writable)? + used_below(path);
    if available < capacity.as_u64() {
        let problem = format!("large: the disk has {} for it", ByteSize(available));
        return Err(TiersError::Capacity { path: path.clone(), capacity: *capacity, problem });
    }
    Ok(())
}

fn used_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => used_below(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
