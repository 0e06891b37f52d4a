//! Preload: filling tiers with items ahead of the first read, the most valuable first, within a rate, a window, the
//! capacity and what the SSD may be written in a day; holding back while those who read suffer from it. Blocks that are
//! resident are left alone, so a run that was cut short resumes when it is asked for again. An item is done when every
//! block of it is found resident, whatever was read.

pub(crate) mod progress;
pub(crate) mod restraint;
pub(crate) mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use larder_model::ByteRange;
use larder_model::admin::{
    NotLoaded, PreloadAnswer, PreloadItem, PreloadItemStatus, PreloadProgress, PreloadRequest, PreloadState,
    PreloadStatus, PreloadStop,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::block::{BlockKey, BlockMap};
use crate::engine::Engine;
use crate::metadata::note_key;
use crate::metrics::Cause;
use crate::origin::{Origin, OriginError};
use crate::preload::progress::Watcher;
use crate::preload::restraint::Restraint;
use crate::residency::{Held, LocatedObject};
use crate::route::Columns;
use crate::ssd::ItemId;

/// What an object takes on the SSD besides its bytes, about: two notes, and the last page of every block.
const OBJECT_OVERHEAD_BYTES: u64 = 12 << 10;
/// Items listed ahead of those that are read.
const LISTINGS_AT_ONCE: usize = 16;
/// Items read at once: small files cost more waiting than reading.
const ITEMS_AT_ONCE: usize = 4;
/// How long a run waits for the version that it fulfils: workers look for new ones every few seconds.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(15);
/// How often it looks whether that is there.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest pause for the sake of those who read.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Read of an object's end where only some of its columns are wanted: engines begin with no more (Trino: 48 KiB).
const END_BYTES: u64 = 64 << 10;
/// After so many bytes what was written is put on disk, so that a crash forgets no more than that.
const KEEP_EVERY_BYTES: u64 = 256 << 20;

/// The run under way, or the last one.
#[derive(Debug, Default)]
pub(crate) struct Preloads {
    current: Mutex<Option<Run>>,
}

#[derive(Debug, Clone)]
struct Run {
    status: Arc<Mutex<PreloadStatus>>,
    stop: CancellationToken,
}

impl Preloads {
    /// Ends the run under way.
    pub(crate) fn stop(&self, why: PreloadStop) {
        if let Some(run) = &*self.current.lock() {
            stop(run, why);
        }
    }
}

fn stop(run: &Run, why: PreloadStop) {
    let mut status = run.status.lock();
    if status.running {
        status.stopped.get_or_insert_with(|| why.into());
        run.stop.cancel();
    }
}

impl Engine {
    /// Starts a preload, in place of one that is under way; returns its number.
    pub fn preload(self: &Arc<Self>, request: PreloadRequest) -> u64 {
        let mut current = self.preloads.current.lock();
        let run = current.as_ref().map_or(0, |run| {
            stop(run, PreloadStop::Replaced);
            run.status.lock().run
        });
        let waiting = |item: &PreloadItem| PreloadItemStatus {
            item: item.item.clone(),
            state: PreloadState::Waiting,
            bytes: 0,
            bytes_loaded: 0,
            bytes_resident: 0,
            why: None,
        };
        let status = PreloadStatus {
            run: run + 1,
            version: request.version,
            running: true,
            stopped: None,
            started: Some(self.clock.now()),
            finished: None,
            bytes_total: 0,
            bytes_loaded: 0,
            bytes_resident: 0,
            held_back_seconds: 0.0,
            items: request.items.iter().map(waiting).collect(),
        };
        let next = Run { status: Arc::new(Mutex::new(status)), stop: CancellationToken::new() };
        *current = Some(next.clone());
        let engine = Arc::clone(self);
        tokio::spawn(async move { Preload::new(engine, next, &request).run(request.items).await });
        run + 1
    }

    /// How far the run under way is, or how the last one ended: with each item, or with all of them together only.
    pub fn preload_status(&self, items: bool) -> PreloadAnswer {
        let run = self.preloads.current.lock().clone();
        match run {
            Some(run) => PreloadAnswer::new(&run.status.lock(), items),
            None => PreloadAnswer::new(&no_run(), items),
        }
    }

    /// What a watcher of the run under way, or of the last one, was not told yet.
    pub(crate) fn preload_news(&self, watcher: &mut Watcher) -> Option<PreloadProgress> {
        let run = self.preloads.current.lock().clone();
        match run {
            Some(run) => watcher.news(&run.status.lock()),
            None => watcher.news(&no_run()),
        }
    }
}

/// How it is before the first run.
fn no_run() -> PreloadStatus {
    PreloadStatus {
        run: 0,
        version: 0,
        running: false,
        stopped: None,
        started: None,
        finished: None,
        bytes_total: 0,
        bytes_loaded: 0,
        bytes_resident: 0,
        held_back_seconds: 0.0,
        items: Vec::new(),
    }
}

struct Preload {
    engine: Arc<Engine>,
    run: Run,
    begun: Instant,
    version: u64,
    rate_bytes_per_second: Option<u64>,
    window: Option<Duration>,
    written_bytes_per_day: Option<u64>,
    loaded_bytes: AtomicU64,
    restraint: Mutex<Restraint>,
}

impl Preload {
    fn new(engine: Arc<Engine>, run: Run, request: &PreloadRequest) -> Self {
        Self {
            engine,
            run,
            begun: Instant::now(),
            version: request.version,
            rate_bytes_per_second: request.rate_bytes_per_second.filter(|rate| *rate > 0),
            window: request.window_seconds.map(Duration::from_secs),
            written_bytes_per_day: request.written_bytes_per_day,
            loaded_bytes: AtomicU64::new(0),
            restraint: Mutex::default(),
        }
    }

    /// Lists the items and takes those that fit, in their order; then reads them, in their order, a few at once.
    async fn run(self, items: Vec<PreloadItem>) {
        // After a start, until it is known what is held.
        self.engine.tiers.ssd().settle().await;
        self.await_version().await;
        let _preloading: Vec<_> = self.engine.origins.iter().map(|origin| origin.readers().preloading()).collect();
        let (this, room) = (&self, self.engine.tiers.ssd().resident_capacity());
        let listed = stream::iter(items).map(|item| async move { this.list(&item).await });
        let listed = listed.buffered(LISTINGS_AT_ONCE).enumerate();
        let taken = listed.scan(0, |taken, (i, listed)| {
            let fits = this.take(i, listed, room.saturating_sub(*taken));
            *taken += fits.as_ref().map_or(0, |objects| disk_room(this.wanted_bytes(objects), objects));
            std::future::ready(Some((i, fits)))
        });
        let fitting = taken.filter_map(async |(i, objects)| Some((i, objects?)));
        fitting
            .for_each_concurrent(ITEMS_AT_ONCE, |(i, objects)| async move { this.load_item(i, &objects).await })
            .await;
        self.engine.tiers.ssd().settle().await;
        self.engine.written.keep();
        let mut status = self.run.status.lock();
        status.running = false;
        status.finished = Some(self.engine.clock.now());
    }

    /// Waits until the whitelist that this run fulfils is followed: before, what it loads would be held for no item.
    async fn await_version(&self) {
        let follows = || self.engine.whitelist().map_or(0, |whitelist| whitelist.version) >= self.version;
        while !follows() && !self.ended() {
            if self.begun.elapsed() >= FOLLOWED_WITHIN {
                tracing::warn!(version = self.version, "the whitelist of a preload does not come into force");
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn list(&self, item: &PreloadItem) -> Result<Vec<LocatedObject>, OriginError> {
        let mut objects = Vec::new();
        for location in &item.locations {
            if self.ended() {
                break;
            }
            objects.extend(self.engine.list_location(location).await?.iter().cloned());
        }
        if !self.ended() {
            let ids = objects.iter().flat_map(|object| [object.id, note_key(&object.name).object]);
            self.engine.tiers.ssd().sweep(ItemId::new(&item.item), ids.collect());
        }
        Ok(objects)
    }

    /// An item's objects, if they could be listed and there is room for them.
    fn take(&self, i: usize, listed: Result<Vec<LocatedObject>, OriginError>, room: u64) -> Option<Vec<LocatedObject>> {
        let objects = match listed {
            Ok(_) if self.ended() => {
                self.leave_out(i, NotLoaded::RunEnded);
                return None;
            }
            Ok(objects) => objects,
            Err(error) => {
                self.fail(i, NotLoaded::Failed { problem: error.detail() });
                return None;
            }
        };
        let bytes = self.wanted_bytes(&objects);
        self.set(i, |status| status.bytes = bytes);
        if disk_room(bytes, &objects) > room {
            self.leave_out(i, NotLoaded::NoRoom { bytes, left: room });
            return None;
        }
        Some(objects)
    }

    async fn load_item(&self, i: usize, objects: &[LocatedObject]) {
        self.set(i, |status| status.state = PreloadState::Loading);
        for object in objects {
            if let Err(problem) = self.load_object(i, object).await {
                self.fail(i, NotLoaded::Failed { problem });
                return;
            }
        }
        self.engine.tiers.ssd().settle().await;
        let (mut missing, mut bytes) = (0, 0);
        for object in objects {
            let held = self.engine.held(object).await;
            (missing, bytes) = (missing + held.bytes - held.resident_bytes, bytes + held.bytes);
        }
        self.set(i, |status| status.bytes = bytes);
        match missing {
            0 => self.set(i, |status| status.state = PreloadState::Done),
            _ if self.ended() => self.leave_out(i, NotLoaded::RunEndedWithin),
            _ => self.fail(i, NotLoaded::NotKept { bytes: missing }),
        }
    }

    /// Reads what is missing of an object, a few requests at a time. One that is resident costs no request.
    async fn load_object(&self, i: usize, object: &LocatedObject) -> Result<(), String> {
        let (engine, columns) = (&self.engine, self.engine.columns(&object.name));
        let Held { bytes, resident_bytes } = engine.held(object).await;
        self.set(i, |status| status.bytes_resident += resident_bytes);
        self.run.status.lock().bytes_resident += resident_bytes;
        if self.ended() {
            return Ok(());
        }
        if resident_bytes == bytes
            && let Some(map) = engine.known_map(&object.name, object.id, object.size).await
        {
            self.claim(object, &map, &columns);
            return Ok(());
        }
        let origin = engine.origins.get(&object.name.bucket).ok_or("its bucket is not served")?;
        // The listing has brought it, or the bucket's rule wants it fresh.
        let meta = engine.metadata.get(origin, &object.name.key).await.map_err(|error| error.detail())?;
        if meta.id != object.id {
            return Err(format!("{} changed at the origin while it was loaded", object.name));
        }
        if self.is_worn(0) {
            return Ok(());
        }
        // Where only some columns are wanted, the end is enough to find out where they are.
        let end = ByteRange::new(object.size.saturating_sub(END_BYTES), object.size);
        let wanted = (!columns.are_all()).then_some(end);
        let begun = Instant::now();
        let cut = engine.cut(origin, &meta, wanted, Cause::Preload).await.map_err(|error| error.to_string())?;
        // The end of the object, read to see how it is cut, is a block too: the limit may be passed by one for each item
        // that is read at once.
        let fetched = cut.fetched.map_or(0, |fetched| fetched.len());
        engine.written.add(engine.clock.now(), fetched);
        self.count_loaded(i, fetched);
        if fetched > 0 {
            // Of a small object this may be all that there is to read.
            self.hold_back(origin, begun.elapsed()).await;
            self.keep_rate().await;
        }
        let ssd = engine.tiers.ssd();
        self.claim(object, &cut.map, &columns);
        let wanted = object.blocks(&cut.map).filter(|(_, block)| columns.hold(cut.map.column(block.start)));
        let missing = wanted.filter(|(key, _)| !ssd.has(key)).map(|(_, block)| block);
        for group in groups(missing, 2 * engine.fills.run_bytes_max()) {
            if self.ended() || self.is_worn(group.iter().map(|block| block.len()).sum()) {
                return Ok(());
            }
            let begun = Instant::now();
            for (block, pending) in group.iter().zip(engine.fills.start(origin, &meta, &group, Cause::Preload)) {
                let bytes = pending.await.map_err(|error| error.to_string())?;
                // It may have come from memory, or from a fill that a reader began.
                let key = BlockKey { object: object.id, start: block.start };
                let column = cut.map.column(block.start);
                engine.tiers.admit(&object.name, key, column, &bytes, Cause::Preload).await;
                self.count_loaded(i, bytes.len() as u64);
            }
            self.hold_back(origin, begun.elapsed()).await;
            self.keep_rate().await;
        }
        Ok(())
    }

    /// Whether the SSD must not be written so much more today; then the run ends. Else it is counted as written.
    fn is_worn(&self, bytes: u64) -> bool {
        let limit = self.written_bytes_per_day.unwrap_or(u64::MAX);
        let reserved = self.engine.written.reserve(self.engine.clock.now(), bytes, limit);
        if let Err(written_bytes) = reserved {
            stop(&self.run, PreloadStop::Worn { written_bytes, limit_bytes: limit });
        }
        reserved.is_err()
    }

    /// Pauses as long as the readers' sake asks for, after so much loading.
    async fn hold_back(&self, origin: &Origin, worked: Duration) {
        let demand = origin.readers().demand(Instant::now());
        let seconds = self.restraint.lock().pause_seconds(demand, worked.as_secs_f64());
        let pause = Duration::from_secs_f64(seconds).min(PAUSE_MAX);
        if !pause.is_zero() {
            self.pause(pause).await;
            self.run.status.lock().held_back_seconds += pause.as_secs_f64();
        }
    }

    /// Waits, at most until the run ends.
    async fn pause(&self, pause: Duration) {
        let left = self.window.map_or(pause, |window| window.saturating_sub(self.begun.elapsed()));
        tokio::select! {
            () = tokio::time::sleep(pause.min(left)) => {}
            () = self.run.stop.cancelled() => {}
        }
    }

    /// Makes resident what the adaptive share holds of an object's wanted columns already, and leaves to it what is
    /// resident of others.
    fn claim(&self, object: &LocatedObject, map: &BlockMap, columns: &Columns) {
        let ssd = self.engine.tiers.ssd();
        let held = object.blocks(map).filter(|(key, _)| ssd.has(key));
        let (wanted, others): (Vec<_>, Vec<_>) = held.partition(|(_, block)| columns.hold(map.column(block.start)));
        let keys = |blocks: Vec<(BlockKey, ByteRange)>| blocks.into_iter().map(|(key, _)| key);
        let notes = [BlockKey::note(object.id), note_key(&object.name)];
        self.engine.tiers.claim(&object.name, keys(wanted).chain(notes).collect());
        if !others.is_empty() {
            ssd.release(keys(others).collect());
        }
    }

    /// What is to be held of objects, about: how they are cut is not known yet.
    fn wanted_bytes(&self, objects: &[LocatedObject]) -> u64 {
        objects.iter().map(|object| self.engine.columns(&object.name).bytes_of(object.size)).sum()
    }

    fn count_loaded(&self, i: usize, bytes: u64) {
        let before = self.loaded_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before / KEEP_EVERY_BYTES != (before + bytes) / KEEP_EVERY_BYTES {
            self.engine.written.keep();
        }
        self.set(i, |status| status.bytes_loaded += bytes);
        self.run.status.lock().bytes_loaded += bytes;
    }

    /// Waits until the bytes so far are no more than the rate allows for the time so far.
    async fn keep_rate(&self) {
        let Some(rate) = self.rate_bytes_per_second else { return };
        let due = Duration::from_secs_f64(self.loaded_bytes.load(Ordering::Relaxed) as f64 / rate as f64);
        if let Some(early) = due.checked_sub(self.begun.elapsed()) {
            self.pause(early).await;
        }
    }

    fn ended(&self) -> bool {
        if self.window.is_some_and(|window| self.begun.elapsed() >= window) {
            self.run.status.lock().stopped.get_or_insert_with(|| PreloadStop::WindowClosed.into());
            return true;
        }
        self.run.stop.is_cancelled()
    }

    fn set(&self, i: usize, change: impl FnOnce(&mut PreloadItemStatus)) {
        let mut status = self.run.status.lock();
        let before = status.items[i].bytes;
        change(&mut status.items[i]);
        status.bytes_total = status.bytes_total - before + status.items[i].bytes;
    }

    fn leave_out(&self, i: usize, why: NotLoaded) {
        self.set(i, |status| {
            status.state = PreloadState::LeftOut;
            status.why = Some(why.into());
        });
    }

    fn fail(&self, i: usize, why: NotLoaded) {
        tracing::warn!(item = %self.run.status.lock().items[i].item, %why, "an item is not preloaded");
        self.set(i, |status| {
            status.state = PreloadState::Failed;
            status.why = Some(why.into());
        });
    }
}

/// Blocks in groups of at most so many bytes, or one block.
fn groups(blocks: impl Iterator<Item = ByteRange>, bytes_max: u64) -> Vec<Vec<ByteRange>> {
    let (mut groups, mut bytes) = (Vec::<Vec<ByteRange>>::new(), 0);
    for block in blocks {
        bytes += block.len();
        match groups.last_mut() {
            Some(group) if bytes <= bytes_max => group.push(block),
            _ => {
                bytes = block.len();
                groups.push(vec![block]);
            }
        }
    }
    groups
}

/// What so many bytes of objects take on the SSD, about.
fn disk_room(bytes: u64, objects: &[LocatedObject]) -> u64 {
    bytes + objects.len() as u64 * OBJECT_OVERHEAD_BYTES
}
