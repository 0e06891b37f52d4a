//! Larder's words as types: objects, ranges, names, whitelist, query events, access records, clock.
//!
//! Everything here is plain data and pure functions: no network, no disk. The other crates depend on this
//! one and never on each other; they meet through the whitelist document and the HTTP API, both of which are spelled in
//! these types.
//!
//! Reading order: [`object`] and [`table`] name things, [`attribution`] maps the one to the other, [`io_time`] gives
//! the unit of value and [`heat`] what cold objects earn by it, [`access`] and [`event`] are the two log streams, [`whitelist`] is the document the
//! night publishes, [`admin`] what the crates say to each other over HTTP, [`usage`] what workers did, [`said`] how
//! sentences travel.

pub mod access;
pub mod admin;
pub mod attribution;
pub mod clock;
pub mod duration_text;
pub mod event;
pub mod heat;
pub mod io_time;
pub mod object;
pub mod said;
pub mod size;
pub mod table;
pub mod usage;
pub mod whitelist;

pub use access::AccessKind;
pub use attribution::{Attribution, AttributionRules, DeclaredFolder, DeclaredFolders, TablePrefix};
pub use clock::{Clock, ManualClock, SystemClock};
pub use event::{QueryEvent, TableRead};
pub use io_time::IoSpeed;
pub use object::{ByteRange, ObjectName, Route, Tier, Version};
pub use said::Said;
pub use size::{ByteRate, ByteSize};
pub use table::{ItemName, NameError, TableName};
pub use usage::{Latency, Usage};
pub use whitelist::{HeldColumns, Location, LocationIndex, Whitelist, WhitelistError, WhitelistItem};
