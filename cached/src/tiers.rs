//! The memory and SSD tiers, on foyer.
//!
//! A tier that fails is a miss: it is logged, counted, and the read goes on. The SSD tier checksums every entry and
//! verifies it on every read; an entry that does not verify is a miss too. A folder named after the on-disk form and
//! the block length leads every SSD tier, so that another form is never misread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy,
    PsyncIoEngineConfig, RecoverMode, S3FifoConfig, Source,
};
use larder_model::{ByteRange, ByteSize, Tier};
use thiserror::Error;

use crate::block::{BLOCK_BYTES_MAX, Block, BlockKey};
use crate::metrics::Metrics;
use crate::settings::{CacheSettings, SsdSettings};

/// The on-disk form. Raise it when the encoding of keys or blocks changes.
const FORM: u32 = 1;

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
        "[cache] block {block} must be from 4KiB to 64MiB and at most an eighth of memory ({memory}) and of ssd.capacity ({ssd})"
    )]
    Block {
        /// As configured.
        block: ByteSize,
        /// As configured.
        memory: ByteSize,
        /// As configured.
        ssd: ByteSize,
    },
    /// The SSD engine does not start.
    #[error("the SSD tier in `{path}` does not start: {problem}")]
    Engine {
        /// The folder.
        path: PathBuf,
        /// The engine's own words.
        problem: String,
    },
}

/// Both tiers.
pub(crate) struct Tiers {
    cache: HybridCache<BlockKey, Block>,
    /// Footers, whose budget other blocks cannot use up.
    footers: moka::sync::Cache<BlockKey, Bytes>,
    block_len: u64,
    ssd: SsdSettings,
    ssd_folder: PathBuf,
    memory_capacity: u64,
    metrics: Arc<Metrics>,
    ssd_healthy: AtomicBool,
}

impl std::fmt::Debug for Tiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiers").field("ssd", &self.ssd).finish_non_exhaustive()
    }
}

impl Tiers {
    /// Opens the tiers; blocks that an earlier process left on the SSD are found again.
    pub(crate) async fn open(settings: &CacheSettings, metrics: Arc<Metrics>) -> Result<Self, TiersError> {
        check(settings)?;
        let folder = prepare_folder(settings)?;
        let path = folder.clone();
        let engine_error = |error: foyer::Error| TiersError::Engine { path: path.clone(), problem: error.to_string() };
        let region_len = region_len(settings);
        let device = FsDeviceBuilder::new(&folder)
            .with_capacity(settings.ssd.capacity.as_u64() as usize)
            .build()
            .map_err(engine_error)?;
        let cache = HybridCacheBuilder::new()
            .with_name("larder")
            // Blocks are written to the SSD when they are filled, so that a restart finds what was preloaded.
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .with_flush_on_close(false)
            .memory(settings.memory.as_u64() as usize)
            .with_shards(memory_shards(settings))
            .with_eviction_config(S3FifoConfig::default())
            .with_weighter(|_: &BlockKey, block: &Block| block.0.len() + ENTRY_OVERHEAD_BYTES)
            .storage()
            .with_io_engine_config(PsyncIoEngineConfig::new())
            .with_engine_config(
                BlockEngineConfig::new(device)
                    .with_block_size(region_len as usize)
                    .with_buffer_pool_size((4 * region_len).min(64 << 20) as usize)
                    .with_submit_queue_size_threshold((4 * region_len).clamp(16 << 20, 256 << 20) as usize),
            )
            .with_recover_mode(RecoverMode::Quiet)
            .build()
            .await
            .map_err(engine_error)?;
        let footers = moka::sync::Cache::builder()
            .weigher(|_: &BlockKey, bytes: &Bytes| {
                u32::try_from(bytes.len() + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
            })
            .max_capacity(settings.footers.as_u64())
            .build();
        Ok(Self {
            cache,
            footers,
            block_len: settings.block.as_u64(),
            ssd: settings.ssd.clone(),
            ssd_folder: folder,
            memory_capacity: settings.memory.as_u64() + settings.footers.as_u64(),
            metrics,
            ssd_healthy: AtomicBool::new(true),
        })
    }

    /// The length of every block but an object's last.
    pub(crate) fn block_len(&self) -> u64 {
        self.block_len
    }

    /// A block that is in memory. Touches no disk.
    pub(crate) fn get_from_memory(&self, key: &BlockKey, range: ByteRange) -> Option<Bytes> {
        let block = self.cache.memory().get(key).map(|entry| entry.value().0.clone());
        block.or_else(|| self.footers.get(key)).filter(|bytes| bytes.len() as u64 == range.len())
    }

    /// Keeps a footer in memory beside the blocks.
    pub(crate) fn keep_footer(&self, key: BlockKey, bytes: &Bytes) {
        if !self.footers.contains_key(&key) {
            self.footers.insert(key, bytes.clone());
        }
    }

    /// Whether a tier holds the block, by its index alone.
    pub(crate) fn contains(&self, key: &BlockKey) -> bool {
        self.cache.contains(key) || self.footers.contains_key(key)
    }

    /// A block from whichever tier holds it, and which that was.
    pub(crate) async fn get(&self, key: &BlockKey, range: ByteRange) -> Option<(Bytes, Tier)> {
        let entry = match self.cache.get(key).await {
            Ok(entry) => {
                self.ssd_healthy.store(true, Ordering::Relaxed);
                entry?
            }
            Err(error) => {
                self.ssd_healthy.store(false, Ordering::Relaxed);
                self.metrics.tier_error(Tier::Ssd, "read");
                tracing::warn!(%error, "ssd tier failed to read a block, it counts as a miss");
                return None;
            }
        };
        let bytes = entry.value().0.clone();
        if bytes.len() as u64 != range.len() {
            self.metrics.tier_error(Tier::Ssd, "length");
            tracing::warn!(found = bytes.len(), expected = range.len(), "a block has a wrong length, dropped");
            self.cache.remove(key);
            return None;
        }
        let tier = if entry.source() == Source::Disk { Tier::Ssd } else { Tier::Memory };
        Some((bytes, tier))
    }

    /// A note that was put among the blocks: of any length, and missing when anything is wrong.
    pub(crate) async fn get_note(&self, key: &BlockKey) -> Option<Bytes> {
        if !self.cache.contains(key) {
            return None;
        }
        Some(self.cache.get(key).await.ok()??.value().0.clone())
    }

    /// Admits a block to memory and, in the background, to the SSD.
    pub(crate) fn insert(&self, key: BlockKey, bytes: Bytes) {
        self.cache.insert(key, Block(bytes));
    }

    /// Removes a block from both tiers; tells whether there was one.
    pub(crate) fn remove(&self, key: &BlockKey) -> bool {
        let held = self.contains(key);
        if held {
            self.footers.invalidate(key);
            self.cache.remove(key);
        }
        held
    }

    /// Waits until what was admitted so far is on the SSD or was given up.
    pub(crate) async fn settle(&self) {
        self.cache.storage().wait().await;
    }

    /// Writes what is under way and closes the SSD engine.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.cache.close().await {
            tracing::warn!(%error, "ssd tier did not close cleanly, the next start recovers what it holds");
        }
    }

    pub(crate) fn memory_used_bytes(&self) -> u64 {
        self.cache.memory().usage() as u64 + self.footers.weighted_size()
    }

    pub(crate) fn memory_capacity_bytes(&self) -> u64 {
        self.memory_capacity
    }

    pub(crate) fn ssd_capacity_bytes(&self) -> u64 {
        self.ssd.capacity.as_u64()
    }

    pub(crate) fn ssd_healthy(&self) -> bool {
        self.ssd_healthy.load(Ordering::Relaxed)
    }

    /// Bytes that the SSD tier's files take on the disk, as the file system counts them. Reads the disk: call it rarely.
    pub(crate) fn ssd_used_bytes(&self) -> u64 {
        used_below(&self.ssd_folder)
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
    Ok(())
}

/// foyer writes and reclaims the SSD in regions. A region holds several blocks; a tier holds at least sixteen regions.
fn region_len(settings: &CacheSettings) -> u64 {
    let wanted = (4 * settings.block.as_u64()).max(16 << 20);
    let most = settings.ssd.capacity.as_u64() / 16;
    // One page beside the block holds its header and the region's index.
    let least = settings.block.as_u64() + (64 << 10);
    wanted.min(most).max(least).next_multiple_of(4096)
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
    let capacity = settings.ssd.capacity;
    let available = fs4::available_space(&folder).map_err(not_writable)? + used_below(path);
    if available < capacity.as_u64() {
        let problem = format!("large: the disk has {} for it", ByteSize(available));
        return Err(TiersError::Capacity { path: path.clone(), capacity, problem });
    }
    Ok(folder)
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
