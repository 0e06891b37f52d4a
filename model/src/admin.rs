//! What the crates say to each other over the admin API: preload, drop, residency, live figures, and who asks.
//!
//! `cached` serves these; the night (`whitelist`), the command line and the dashboard ask for them.

mod not_loaded;
mod person;
mod tier_error;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::not_loaded::{NotLoaded, PreloadStop};
pub use self::person::{Person, Role};
pub use self::tier_error::{TierErrorCount, TierErrorKind};
use crate::said::Said;
use crate::table::{ItemName, TableName};
use crate::whitelist::Location;

/// `POST /api/v1/preload`: fill tiers with these items, in this order. A run that is under way is replaced; blocks that
/// are resident are not read again, so asking twice is safe and asking after a crash resumes. A run for a version that the
/// worker does not follow yet waits for it, because what is held for no item may be pushed out again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreloadRequest {
    /// The whitelist version this fulfils; zero for a preload by hand.
    #[serde(default)]
    pub version: u64,
    /// The items, the most valuable first.
    pub items: Vec<PreloadItem>,
    /// At most this many bytes from the origin a second; no limit when absent.
    #[serde(default)]
    pub rate_bytes_per_second: Option<u64>,
    /// Stop this long after the start, whatever is left, in seconds; no limit when absent.
    #[serde(default)]
    pub window_seconds: Option<u64>,
    /// Stop when preloads have written this many bytes to the SSD within the last 24 hours; no limit when absent.
    #[serde(default)]
    pub written_bytes_per_day: Option<u64>,
}

/// An item to preload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreloadItem {
    /// The table and partition.
    pub item: ItemName,
    /// The folders that hold it.
    pub locations: Vec<Location>,
}

/// A preload: the run under way, or the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadStatus {
    /// Counts up with every request since the daemon started; zero when there was none.
    pub run: u64,
    /// The whitelist version the run fulfils.
    pub version: u64,
    /// Whether the run goes on.
    pub running: bool,
    /// Why it ended before its last item.
    pub stopped: Option<Said<PreloadStop>>,
    /// When it began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// Bytes of all items whose objects are listed so far.
    pub bytes_total: u64,
    /// Bytes read from the origin by this run.
    pub bytes_loaded: u64,
    /// Bytes that were resident before this run came to them.
    pub bytes_resident: u64,
    /// How long the run held back because those who read had to wait longer than they do without it, in seconds.
    #[serde(default)]
    pub held_back_seconds: f64,
    /// Each item, in the order of the request.
    pub items: Vec<PreloadItemStatus>,
}

impl PreloadStatus {
    /// The same without its items.
    pub fn without_items(&self) -> Self {
        Self { stopped: self.stopped.clone(), items: Vec::new(), ..*self }
    }
}

/// `GET /api/v1/preload`: the run under way, or the last one, and its items together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadAnswer {
    /// How far it is.
    #[serde(flatten)]
    pub status: PreloadStatus,
    /// The items together, also where they are not told one by one.
    pub total: PreloadTotal,
}

impl PreloadAnswer {
    /// What is told of a run, each item or all of them together only.
    pub fn new(status: &PreloadStatus, items: bool) -> Self {
        let total = PreloadTotal::of(&status.items);
        Self { status: if items { status.clone() } else { status.without_items() }, total }
    }
}

/// The items of a preload together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadTotal {
    /// How many items.
    pub items: u64,
    /// Those not begun.
    pub waiting: u64,
    /// Those under way.
    pub loading: u64,
    /// Those of which every block is resident.
    pub done: u64,
    /// Those of which some blocks could not be read.
    pub failed: u64,
    /// Those not begun when the run ended.
    pub left_out: u64,
    /// The first that failed or was left out, in the order of the request.
    pub first_not_loaded: Option<PreloadItemStatus>,
}

impl PreloadTotal {
    /// The sum over items.
    pub fn of(items: &[PreloadItemStatus]) -> Self {
        let mut total = Self { items: items.len() as u64, ..Self::default() };
        for item in items {
            let count = match item.state {
                PreloadState::Waiting => &mut total.waiting,
                PreloadState::Loading => &mut total.loading,
                PreloadState::Done => &mut total.done,
                PreloadState::Failed => &mut total.failed,
                PreloadState::LeftOut => &mut total.left_out,
            };
            *count += 1;
        }
        let is_out = |item: &&PreloadItemStatus| matches!(item.state, PreloadState::Failed | PreloadState::LeftOut);
        total.first_not_loaded = items.iter().find(is_out).cloned();
        total
    }
}

/// `GET /api/v1/preload/events`: the same without the items, but for those that changed since the event before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadProgress {
    /// Counts up with every request since the daemon started; zero when there was none.
    pub run: u64,
    /// The whitelist version the run fulfils.
    pub version: u64,
    /// Whether the run goes on.
    pub running: bool,
    /// Why it ended before its last item.
    pub stopped: Option<Said<PreloadStop>>,
    /// When it began.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// Bytes of all items whose objects are listed so far.
    pub bytes_total: u64,
    /// Bytes read from the origin by this run.
    pub bytes_loaded: u64,
    /// Bytes that were resident before this run came to them.
    pub bytes_resident: u64,
    /// How long the run held back because those who read had to wait longer than they do without it, in seconds.
    pub held_back_seconds: f64,
    /// Items that are done, failed or left out.
    pub items_done: u64,
    /// All items.
    pub items_total: u64,
    /// Items that changed; all of them in the first event, and in the first one of another run.
    pub changed: Vec<PreloadItemStatus>,
}

/// How far one item is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreloadItemStatus {
    /// The table and partition.
    pub item: ItemName,
    /// How far it is.
    pub state: PreloadState,
    /// Its bytes at the origin, known once it was listed.
    pub bytes: u64,
    /// Bytes read from the origin for it by this run.
    pub bytes_loaded: u64,
    /// Bytes of it that were resident before.
    pub bytes_resident: u64,
    /// What went wrong or why it was left out.
    pub why: Option<Said<NotLoaded>>,
}

/// How far a preloaded item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreloadState {
    /// Not begun.
    Waiting,
    /// Under way.
    Loading,
    /// Every block is resident.
    Done,
    /// Some blocks could not be read.
    Failed,
    /// Not begun when the run ended: no room, no time, or replaced.
    LeftOut,
}

/// `POST /api/v1/drop`: remove everything under these locations from the tiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DropRequest {
    /// The folders or objects.
    pub locations: Vec<Location>,
}

/// What a drop removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DropReport {
    /// Objects of which something was resident.
    pub objects: u64,
    /// Their blocks that were removed.
    pub blocks: u64,
    /// The bytes of those blocks.
    pub bytes: u64,
}

/// `GET /api/v1/residency`: what the tiers hold of each whitelisted item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResidencyReport {
    /// Each tier's fill.
    pub tiers: Vec<TierUse>,
    /// The items together.
    #[serde(default)]
    pub total: TotalResidency,
    /// Each item of the whitelist in force, in its order.
    pub items: Vec<ItemResidency>,
}

/// What the tiers hold of several items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotalResidency {
    /// How many items.
    pub items: u64,
    /// Those of which not every byte is held on the SSD.
    pub incomplete_items: u64,
    /// The bytes of all of them, as last seen at the origin.
    pub bytes: u64,
    /// Bytes held on the SSD.
    pub resident_bytes: u64,
}

impl TotalResidency {
    /// The sum over items.
    pub fn of(items: &[ItemResidency]) -> Self {
        Self {
            items: items.len() as u64,
            incomplete_items: items.iter().filter(|item| item.resident_bytes < item.bytes).count() as u64,
            bytes: items.iter().map(|item| item.bytes).sum(),
            resident_bytes: items.iter().map(|item| item.resident_bytes).sum(),
        }
    }
}

/// How full a tier is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierUse {
    /// `memory` or `ssd`.
    pub tier: crate::object::Tier,
    /// Bytes it holds.
    pub used_bytes: u64,
    /// Bytes it may hold.
    pub capacity_bytes: u64,
    /// How it fares.
    pub state: TierState,
}

/// How a tier fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierState {
    /// What it held before the start is still being taken up; it serves what it has so far.
    Opening,
    /// It is read and written.
    InUse,
    /// The disk below it has no room: it is read, nothing is admitted.
    Full,
    /// It answers later than the origin would: reads go around it for a while.
    Slow,
    /// It fails: reads go around it until it works again.
    OutOfUse,
}

/// `PUT /api/v1/ssd`: a new capacity for the SSD tier, until the daemon restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResizeRequest {
    /// Bytes on disk, overhead included, as `[cache] ssd.capacity` gives them.
    pub capacity_bytes: u64,
}

/// What the tiers hold of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemResidency {
    /// The table and partition.
    pub item: ItemName,
    /// Bytes of its objects, as last seen at the origin.
    pub bytes: u64,
    /// Bytes held on the SSD.
    pub resident_bytes: u64,
}

/// `GET /api/v1/stat`: counters since the daemon started. The command line turns two of them into rates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatReport {
    /// Seconds since the daemon started.
    pub uptime_seconds: f64,
    /// GET requests served.
    pub get_requests: u64,
    /// GET requests that failed.
    pub get_errors: u64,
    /// Bytes sent from memory.
    pub bytes_memory: u64,
    /// Bytes sent from the SSD.
    pub bytes_ssd: u64,
    /// Bytes sent that had to come from the origin, on the cached route.
    pub bytes_origin: u64,
    /// Bytes sent on the direct route.
    pub bytes_direct: u64,
    /// Bytes read from the origin by fills.
    pub origin_bytes_demand: u64,
    /// Bytes read from the origin by preloads.
    pub origin_bytes_preload: u64,
    /// IO time saved by reads from memory and SSD, in seconds.
    pub saved_io_seconds: f64,
    /// Fills under way.
    pub fills_in_flight: u64,
    /// Bytes the memory tier holds.
    pub memory_used_bytes: u64,
    /// Bytes the SSD tier holds.
    pub ssd_used_bytes: u64,
    /// The version of the whitelist in force; zero for none.
    pub whitelist_version: u64,
    /// How often something went wrong within the tiers, all kinds together.
    #[serde(default)]
    pub tier_errors: u64,
    /// The hottest tables, by bytes sent, at most 100.
    pub tables: Vec<TableStat>,
}

/// What was read of one table since the daemon started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableStat {
    /// The table.
    pub table: TableName,
    /// GET requests.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Of those, from memory or SSD.
    pub bytes_hit: u64,
    /// Seconds spent on them, summed over requests.
    pub seconds: f64,
}

/// How a worker fares, as it says with every heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerStatus {
    /// Larder's version.
    pub version: String,
    /// When it started.
    pub started: DateTime<Utc>,
    /// The version of the whitelist that it follows; zero for none.
    pub whitelist_version: u64,
    /// GET requests served since the start.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Each tier's fill and state.
    pub tiers: Vec<TierUse>,
    /// What went wrong within them since the start, each kind by itself; empty where a worker's version does not tell.
    #[serde(default)]
    pub tier_errors: Vec<TierErrorCount>,
    /// Access records lost because the log could not keep up.
    pub access_records_dropped: u64,
    /// Whether a preload runs.
    pub preloading: bool,
}
