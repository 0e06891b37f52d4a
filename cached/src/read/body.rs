//! The bytes of a cached read, block by block, with the next blocks under way while the first are sent.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use larder_model::{ByteRange, IoSpeed, Tier};
use tokio::task::JoinHandle;

use super::Served;
use crate::block::{BlockKey, BlockMap};
use crate::cut::Cut;
use crate::engine::Engine;
use crate::fill::{FillError, Pending};
use crate::metadata::ObjectMeta;
use crate::metrics::Cause;
use crate::origin::Origin;

/// Fills that one read keeps under way at once: this many requests of the fill's length run in parallel.
const FILLS_AHEAD: u64 = 4;
/// The most that is read ahead of a scan, in requests of the fill's length.
const SCAN_AHEAD: u64 = 2;

/// Where a block's bytes will come from.
enum Source {
    Ready(Bytes, Tier),
    /// The SSD reads it now, beside the others; `None` when it turns out not to have it.
    Ssd(JoinHandle<Option<(Bytes, Tier)>>),
    Fill(Pending),
}

/// A read under way.
pub(super) struct CachedBody {
    engine: Arc<Engine>,
    origin: Arc<Origin>,
    meta: Arc<ObjectMeta>,
    map: Arc<BlockMap>,
    /// What the origin was asked for already, to find out the map or ahead of a scan: no hits.
    fetched: Option<ByteRange>,
    range: ByteRange,
    /// Where the blocks that are not begun yet start.
    next_start: u64,
    begun: VecDeque<(ByteRange, Source)>,
    begun_bytes: u64,
    /// How many bytes may be begun but not sent. A read with an open end is likely to be aborted: it begins with one
    /// block and doubles as it goes. Others want all they ask for.
    window: u64,
    /// What the origin's reads cost, looked up when the SSD is read first.
    origin_speed: OnceCell<Option<IoSpeed>>,
    log: Served,
}

impl Engine {
    /// Follows the scan that this read may be part of, and starts what is worth reading ahead. Returns what of this read
    /// was asked for so. Readers of Parquet name what they want, and skip what they do not: they are left alone.
    fn read_ahead(
        &self,
        origin: &Arc<Origin>,
        meta: &Arc<ObjectMeta>,
        map: &BlockMap,
        range: ByteRange,
    ) -> Option<ByteRange> {
        if !matches!(map, BlockMap::Fixed { .. }) || range.len() == meta.state.size {
            return None;
        }
        let ahead_bytes_max = SCAN_AHEAD * self.fills.run_bytes_max();
        let noted = meta.scans.lock().note(range, meta.state.size, ahead_bytes_max);
        if let Some(ahead) = noted.ahead.filter(|ahead| self.fills.has_room_to_spare(ahead.len())) {
            let held = |block: &ByteRange| {
                let key = BlockKey { object: meta.id, start: block.start };
                self.tiers.get_from_memory(&key, *block).is_some() || self.tiers.contains(&key)
            };
            let blocks: Vec<ByteRange> = map.blocks(ahead).collect();
            for missing in blocks.split(held).filter(|missing| !missing.is_empty()) {
                // Nobody waits for these. Whoever comes in time joins them.
                drop(self.fills.start(origin, meta, missing, Cause::Demand));
                let asked = ByteRange::new(missing[0].start, missing[missing.len() - 1].end);
                meta.scans.lock().asked(range.end, asked);
            }
        }
        noted.asked
    }
}

impl CachedBody {
    pub(super) fn new(
        engine: Arc<Engine>,
        origin: Arc<Origin>,
        meta: Arc<ObjectMeta>,
        cut: Cut,
        range: ByteRange,
        open_ended: bool,
        log: Served,
    ) -> Self {
        let fetched = cut.fetched.or_else(|| engine.read_ahead(&origin, &meta, &cut.map, range));
        let window = if open_ended { engine.tiers.block_len() } else { FILLS_AHEAD * engine.fills.run_bytes_max() };
        Self {
            next_start: range.start,
            engine,
            origin,
            meta,
            map: cut.map,
            fetched,
            range,
            begun: VecDeque::new(),
            begun_bytes: 0,
            window,
            origin_speed: OnceCell::new(),
            log,
        }
    }

    pub(super) fn discard(&mut self) {
        self.log.discard();
    }

    /// The next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, FillError>> {
        self.begin_blocks();
        let (block, source) = self.begun.pop_front()?;
        self.begun_bytes -= block.len();
        let (bytes, tier) = match self.resolve(block, source).await {
            Ok(found) => found,
            Err(error) => {
                if matches!(error, FillError::VersionMoved) {
                    self.engine.metadata.forget(&self.meta.name).await;
                }
                self.log.failed(error.kind(), &error);
                return Some(Err(error));
            }
        };
        if self.map.is_footer(block) {
            self.engine.tiers.keep_footer(BlockKey { object: self.meta.id, start: block.start }, &bytes);
        }
        self.window = (self.window * 2).min(FILLS_AHEAD * self.engine.fills.run_bytes_max());
        let wanted = block.intersect(self.range).expect("only blocks of the range are begun");
        let from = (wanted.start - block.start) as usize;
        let bytes = bytes.slice(from..from + wanted.len() as usize);
        self.log.sent(tier, bytes.len());
        Some(Ok(bytes))
    }

    /// Looks blocks up, starting fills for runs of missing ones, until the window is full. Waits until half of it is
    /// sent, so that blocks are begun in stretches and not one by one.
    fn begin_blocks(&mut self) {
        if self.begun_bytes > self.window / 2 {
            return;
        }
        let map = Arc::clone(&self.map);
        let mut missing: Vec<ByteRange> = Vec::new();
        for block in map.blocks(ByteRange::new(self.next_start.min(self.range.end), self.range.end)) {
            if self.begun_bytes > 0 && self.begun_bytes + block.len() > self.window {
                break;
            }
            self.next_start = block.end;
            self.begun_bytes += block.len();
            let key = BlockKey { object: self.meta.id, start: block.start };
            if let Some(bytes) = self.engine.tiers.get_from_memory(&key, block) {
                self.fill(&mut missing);
                let fetched = self.fetched.is_some_and(|fetched| fetched.intersect(block).is_some());
                self.begun.push_back((block, Source::Ready(bytes, if fetched { Tier::Origin } else { Tier::Memory })));
            } else if self.engine.tiers.contains(&key) {
                self.fill(&mut missing);
                let tiers = Arc::clone(&self.engine.tiers);
                let origin = *self.origin_speed.get_or_init(|| self.origin.pace().usual());
                let read = tokio::spawn(async move { tiers.get(&key, block, origin).await });
                self.begun.push_back((block, Source::Ssd(read)));
            } else {
                missing.push(block);
            }
        }
        self.fill(&mut missing);
    }

    fn fill(&mut self, missing: &mut Vec<ByteRange>) {
        if missing.is_empty() {
            return;
        }
        let waits = self.engine.fills.start(&self.origin, &self.meta, missing, Cause::Demand);
        self.begun.extend(missing.drain(..).zip(waits).map(|(block, pending)| (block, Source::Fill(pending))));
    }

    async fn resolve(&mut self, block: ByteRange, source: Source) -> Result<(Bytes, Tier), FillError> {
        match source {
            Source::Ready(bytes, tier) => Ok((bytes, tier)),
            Source::Fill(pending) => Ok((pending.await?, Tier::Origin)),
            Source::Ssd(read) => {
                if let Ok(Some(found)) = read.await {
                    return Ok(found);
                }
                let waits = self.engine.fills.start(&self.origin, &self.meta, &[block], Cause::Demand);
                let pending = waits.into_iter().next().expect("one wait for one block");
                Ok((pending.await?, Tier::Origin))
            }
        }
    }
}
