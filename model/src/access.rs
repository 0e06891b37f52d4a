//! Access records: what the data path did, one row a read.
//!
//! They are written as Parquet, one folder a day (`day=YYYY-MM-DD`), with the columns named in [`columns`]; the night
//! reads them with SQL. A read by a client is a row of kind `get`. What the data path itself asked of the origin is a
//! row of kind `fill` or `preload`; those are the measurements of the origin, and never count as reads of a table.

/// Column names of the access log, in order.
pub mod columns {
    #![expect(missing_docs, reason = "each is described where the data path writes it")]
    pub const TIME: &str = "time";
    pub const WORKER: &str = "worker";
    pub const KIND: &str = "kind";
    pub const BUCKET: &str = "bucket";
    pub const KEY: &str = "key";
    pub const VERSION: &str = "version";
    pub const OFFSET: &str = "offset";
    pub const LENGTH: &str = "length";
    pub const TABLE: &str = "table_name";
    pub const PARTITION: &str = "partition";
    pub const ROUTE: &str = "route";
    pub const BYTES_MEMORY: &str = "bytes_memory";
    pub const BYTES_SSD: &str = "bytes_ssd";
    pub const BYTES_PEER: &str = "bytes_peer";
    pub const BYTES_ORIGIN: &str = "bytes_origin";
    pub const SECONDS: &str = "seconds";
    pub const PRINCIPAL: &str = "principal";
    pub const ENGINE: &str = "engine";
}

/// Why bytes moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKind {
    /// A client's GET.
    Get,
    /// One request to the origin on behalf of reads.
    Fill,
    /// One request to the origin by a preload.
    Preload,
}

impl AccessKind {
    /// The word in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Fill => "fill",
            Self::Preload => "preload",
        }
    }
}
