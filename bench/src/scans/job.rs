//! What the clients of one measurement do, given to them as JSON, and what they found: the same for both engines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::peers::CACHEY_HEADER;
use crate::servers::{BUCKET, KEY};

/// One measurement's work. Client `c`'s turn `t` runs statement `c + t` over file `c + t * stride`, each modulo how many
/// there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The server: `http://host:port`.
    pub(crate) endpoint: String,
    pub(crate) dialect: Dialect,
    /// The access key that S3 requests are signed with.
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) bucket: String,
    /// Of the HTTP dialect: what stands between the endpoint and an object's key.
    pub(crate) path: String,
    /// Of the HTTP dialect: headers of every request.
    pub(crate) headers: BTreeMap<String, String>,
    /// The objects' keys.
    pub(crate) keys: Vec<String>,
    /// Statements over one object, which they call `lineitem`.
    pub(crate) statements: Vec<String>,
    /// Clients, each with one query under way.
    pub(crate) clients: usize,
    /// Queries of each client, one after the other.
    pub(crate) turns: usize,
    /// Files between two turns.
    pub(crate) stride: usize,
}

/// How a server is asked for a range of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    /// S3 in path style, signed. Servers that know nothing of S3 pass path and headers on, or ignore them.
    S3,
    /// cachey's own: `GET /fetch/bucket/key`, always with a range.
    Fetch,
}

/// What the clients of one job measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// From the start of the first query to the end of the last.
    pub(crate) seconds: f64,
    /// CPU time that the clients' process spent meanwhile.
    pub(crate) cpu_seconds: f64,
    /// Of each query.
    pub(crate) latencies_ms: Vec<f64>,
    /// What each statement found in each file, as text.
    pub(crate) answers: BTreeMap<String, String>,
    /// Why a query failed, if one did.
    pub(crate) error: Option<String>,
}

/// TPC-H's Q1 and Q6 without what they join, and a sum over three of sixteen columns.
const STATEMENTS: [&str; 3] = [
    "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), \
     sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), count(*) \
     FROM lineitem WHERE l_shipdate <= DATE '1998-09-02' \
     GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
    "SELECT sum(l_extendedprice * l_discount) FROM lineitem \
     WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' \
     AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
    "SELECT sum(l_orderkey), sum(l_partkey), sum(l_suppkey) FROM lineitem",
];

/// Queries that each client runs when everything is cold: each statement once.
pub(crate) const TURNS: usize = STATEMENTS.len();

impl Job {
    /// The work of so many clients over these keys.
    pub(crate) fn new(keys: &[String], clients: usize, turns: usize) -> Self {
        Self {
            endpoint: String::new(),
            dialect: Dialect::S3,
            key: KEY.0.into(),
            secret: KEY.1.into(),
            bucket: BUCKET.into(),
            path: String::new(),
            headers: BTreeMap::new(),
            keys: keys.to_vec(),
            statements: STATEMENTS.map(String::from).to_vec(),
            clients,
            turns,
            stride: 5,
        }
    }

    /// The same, asked of this server.
    pub(crate) fn at(&self, endpoint: &str, dialect: Dialect) -> Self {
        let mut job = Self { endpoint: endpoint.into(), dialect, ..self.clone() };
        if dialect == Dialect::Fetch {
            job.path = format!("/fetch/{BUCKET}/");
            let (name, value) = CACHEY_HEADER.split_once(": ").expect("a header has a name");
            job.headers = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        }
        job
    }

    /// The statement and the file of one turn, by number.
    pub(crate) fn turn(&self, client: usize, turn: usize) -> (usize, usize) {
        ((client + turn) % self.statements.len(), (client + turn * self.stride) % self.keys.len())
    }
}
