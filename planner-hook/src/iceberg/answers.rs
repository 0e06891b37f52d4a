//! Answers of a catalog: which of them hold a table, and what is put into its `config`.
//!
//! An answer is taken apart at its top level only. All that is not `config` goes out letter by letter as it came, so that
//! a catalog that is newer than Larder loses nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use axum::http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::tables::{Listed, Served, Verdict};
use crate::access::S3Access;

/// What an answer is, by the request that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// A `LoadTableResult`: of loading, creating and registering a table.
    Table,
    /// A `CatalogConfig`.
    Config,
    /// Anything else.
    Other,
}

impl AnswerKind {
    /// `path` begins behind the catalog's own URL.
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, segments.as_slice()) {
            (&Method::GET, ["v1", "config"]) => Self::Config,
            (&Method::GET, ["v1", .., "namespaces", _, "tables", _])
            | (&Method::POST, ["v1", .., "namespaces", _, "tables" | "register"]) => Self::Table,
            _ => Self::Other,
        }
    }
}

/// What tables are answered with.
#[derive(Debug)]
pub(crate) struct Additions {
    pub(crate) access: S3Access,
    /// The ids of keys that Larder's endpoint knows: who got one of these from the catalog signs with it.
    pub(crate) known_keys: HashSet<String>,
    pub(crate) served: Served,
}

/// The top level of an answer, its values as they came.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Of a table's metadata, where its files are.
#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    location: Cow<'a, str>,
    #[serde(borrow, default)]
    properties: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(borrow, default)]
    snapshots: Option<Vec<Snapshot<'a>>>,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow, default, rename = "manifest-list")]
    manifest_list: Option<Cow<'a, str>>,
}

/// Table properties that say where writers put files.
const PATHS: [&str; 4] =
    ["write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path"];

/// Any region will do at Larder's endpoint, but clients want to be told one.
const REGION: &str = "us-east-1";

impl Additions {
    /// The answer with Larder's endpoint in it, where the table is to be read through Larder; `None` where it stays.
    pub(crate) fn table(&self, answer: &[u8], listed: &Listed) -> (Verdict, Option<Vec<u8>>) {
        match self.decide(answer, listed) {
            Ok((fields, config)) => (Verdict::Cached, Some(with_config(fields, &config))),
            Err(verdict) => (verdict, None),
        }
    }

    /// The parts of a table's answer, and the `config` it gets.
    fn decide<'a>(&self, answer: &'a [u8], listed: &Listed) -> Result<(Fields<'a>, BTreeMap<String, String>), Verdict> {
        let fields: Fields<'_> = read(answer)?;
        let metadata: Metadata<'_> = parse(fields.get("metadata").ok_or(Verdict::NotUnderstood)?)?;
        // Absent for a table that is only about to be created.
        let metadata_file: Option<Cow<'_, str>> = optional(&fields, "metadata-location")?;
        let config: BTreeMap<String, String> = optional(&fields, "config")?.unwrap_or_default();
        let vended: Vec<&RawValue> = optional(&fields, "storage-credentials")?.unwrap_or_default();

        let properties = metadata.properties.as_ref();
        let written = PATHS.iter().filter_map(|path| properties?.get(*path)).map(AsRef::as_ref);
        let manifests = metadata.snapshots.iter().flatten().filter_map(|snapshot| snapshot.manifest_list.as_deref());
        let others = metadata_file.as_deref().into_iter().chain(written).chain(manifests);
        match self.served.verdict(listed, &metadata.location, others) {
            Verdict::Cached => {}
            other => return Err(other),
        }
        // Credentials by prefix come before `config` at the engine.
        if !vended.is_empty() {
            return Err(Verdict::Vended);
        }
        Ok((fields, self.config(config).ok_or(Verdict::Vended)?))
    }

    /// A table's `config` with Larder's endpoint in it; `None` where the catalog gave out something to sign with that the
    /// endpoint would not take.
    fn config(&self, mut config: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
        let is_signed_elsewhere = config.get("s3.remote-signing-enabled").is_some_and(|value| value == "true");
        if is_signed_elsewhere || config.contains_key("s3.session-token") {
            return None;
        }
        let own_key = match config.get("s3.access-key-id") {
            Some(vended) if !self.known_keys.contains(vended) => return None,
            Some(_) => None,
            None => Some([("s3.access-key-id", &self.access.key), ("s3.secret-access-key", &self.access.secret)]),
        };
        let mut set = |key: &str, value: &str| config.insert(key.to_owned(), value.to_owned());
        for (key, value) in own_key.into_iter().flatten() {
            set(key, value);
        }
        set("s3.endpoint", &self.access.endpoint);
        set("s3.path-style-access", "true");
        // PyIceberg's word for the same.
        set("s3.force-virtual-addressing", "false");
        for key in ["client.region", "s3.region"] {
            config.entry(key.to_owned()).or_insert_with(|| REGION.to_owned());
        }
        Some(config)
    }
}

/// A catalog's configuration without the URL that would lead clients around the proxy; `None` where it names none.
pub(crate) fn without_uri(answer: &[u8]) -> Option<Vec<u8>> {
    let mut answer: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let parts = ["defaults", "overrides"];
    let mut is_changed = false;
    for part in parts {
        let entries = answer.get_mut(part).and_then(serde_json::Value::as_object_mut);
        is_changed |= entries.and_then(|entries| entries.remove("uri")).is_some();
    }
    is_changed.then(|| serde_json::to_vec(&answer).expect("what was JSON is JSON"))
}

/// The fields with another `config`.
fn with_config(fields: Fields<'_>, config: &BTreeMap<String, String>) -> Vec<u8> {
    let config = serde_json::value::to_raw_value(config).expect("plain data always serialises");
    let mut fields: Fields<'_> = fields;
    fields.insert(Cow::Borrowed("config"), &config);
    serde_json::to_vec(&fields).expect("what was JSON is JSON")
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Verdict> {
    serde_json::from_slice(json).map_err(|_| Verdict::NotUnderstood)
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T, Verdict> {
    read(value.get().as_bytes())
}

/// A field that may be absent or null.
fn optional<'a, T: Deserialize<'a>>(fields: &Fields<'a>, name: &str) -> Result<Option<T>, Verdict> {
    fields.get(name).map_or(Ok(None), |value| parse(value))
}
