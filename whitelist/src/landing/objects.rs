//! Object events as S3 sends them: what they say changed, and a queue of the items that it belongs to.
//!
//! The form is that of AWS (`Records[].s3.bucket.name`, `.s3.object.key`, `.eventName`), which MinIO, versitygw and Ceph
//! send too, MinIO and versitygw with `s3:` before the name of the event. Keys are URL-encoded, with `+` for a space. What
//! SNS wraps around it (`Message`) is taken off.

use std::collections::BTreeSet;
use std::sync::Arc;

use larder_model::{AttributionRules, ItemName};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Notify;

/// Items that may wait to be looked at; beyond, senders are told to send again later.
const ITEMS_MAX: usize = 10_000;

/// A bucket as object events name it.
#[derive(Debug, Clone)]
pub struct EventBucket {
    /// The bucket at the storage, such as `raw-warehouse` of `s3://raw-warehouse/hive`.
    pub origin_bucket: String,
    /// The folder in it that is served, without slashes at its ends; empty for all of it.
    pub prefix: String,
    /// How keys below that map to tables.
    pub rules: AttributionRules,
}

/// What a body of events came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ObjectEvents {
    /// Events of objects that came, changed or went.
    pub(crate) taken: usize,
    /// Events of another kind, of other buckets, or of no table.
    pub(crate) ignored: usize,
}

/// The items that events have named since they were last looked at. Clones share them.
#[derive(Debug, Clone)]
pub struct TouchedItems {
    buckets: Arc<[EventBucket]>,
    items: Arc<Mutex<BTreeSet<ItemName>>>,
    arrived: Arc<Notify>,
}

impl TouchedItems {
    /// Nothing yet, of these buckets.
    pub fn new(buckets: impl IntoIterator<Item = EventBucket>) -> Self {
        Self { buckets: buckets.into_iter().collect(), items: Arc::default(), arrived: Arc::default() }
    }

    /// Takes a body of events. An error says why nothing of it was taken; the flag, whether it can be sent again.
    pub(crate) fn take_in(&self, body: &[u8]) -> Result<ObjectEvents, Refused> {
        let records = records_of(body).map_err(Refused::Unreadable)?;
        let (mut events, mut items) = (ObjectEvents::default(), BTreeSet::new());
        for record in records {
            let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
            let changes = name.starts_with("ObjectCreated:") || name.starts_with("ObjectRemoved:");
            let found = if changes { self.items_of(&record) } else { Vec::new() };
            if found.is_empty() {
                events.ignored += 1;
            } else {
                events.taken += 1;
            }
            items.extend(found);
        }
        let mut waiting = self.items.lock();
        if waiting.len() + items.iter().filter(|item| !waiting.contains(item)).count() > ITEMS_MAX {
            return Err(Refused::Full);
        }
        if !items.is_empty() {
            waiting.append(&mut items);
            self.arrived.notify_one();
        }
        Ok(events)
    }

    /// Waits until something was touched.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// What was touched since the last time.
    pub(crate) fn drain(&self) -> BTreeSet<ItemName> {
        std::mem::take(&mut *self.items.lock())
    }

    fn items_of(&self, record: &Record) -> Vec<ItemName> {
        let key = decoded(&record.s3.object.key);
        let of_bucket = self.buckets.iter().filter(|bucket| bucket.origin_bucket == record.s3.bucket.name);
        let below = |bucket: &EventBucket| {
            let key = match bucket.prefix.as_str() {
                "" => key.as_str(),
                prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
            };
            let found = bucket.rules.attribute(key)?;
            Some(ItemName { table: found.table, partition: found.partition })
        };
        of_bucket.filter_map(below).collect()
    }
}

/// Why a body of events was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It cannot be read: what is wrong with it.
    Unreadable(String),
    /// Too much waits to be looked at.
    Full,
}

#[derive(Debug, Deserialize)]
struct Body {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    /// What SNS wraps.
    #[serde(rename = "Message")]
    message: Option<String>,
    /// `s3:TestEvent`, which AWS sends once when notifications are set up.
    #[serde(rename = "Event")]
    event: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: String,
    s3: S3,
}

#[derive(Debug, Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
}

fn records_of(body: &[u8]) -> Result<Vec<Record>, String> {
    let read = |body: &[u8]| serde_json::from_slice::<Body>(body).map_err(|error| format!("no S3 event: {error}"));
    let mut found = read(body)?;
    if let (None, Some(message)) = (&found.records, &found.message) {
        found = read(message.as_bytes())?;
    }
    match (found.records, found.event) {
        (Some(records), _) => Ok(records),
        (None, Some(_)) => Ok(Vec::new()),
        (None, None) => Err("no S3 event: it has no `Records`".to_owned()),
    }
}

/// A key as it is, from its form in a URL's query. What is no escape stays.
fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    let bytes = key.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).expect("two hex digits are a byte"));
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn touched() -> TouchedItems {
        let bucket = |origin: &str, prefix: &str| EventBucket {
            origin_bucket: origin.into(),
            prefix: prefix.into(),
            rules: AttributionRules::new("hive", vec![]),
        };
        TouchedItems::new([bucket("raw", "lake/hive"), bucket("whole", "")])
    }

    pub(crate) fn event(name: &str, bucket: &str, key: &str) -> String {
        serde_json::json!({"Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": name,
            "eventTime": "2026-11-20T06:00:00.000Z",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")},
                   "object": {"key": key, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0A1B"}},
        }]})
        .to_string()
    }

    fn items(touched: &TouchedItems) -> Vec<String> {
        touched.drain().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn events_of_aws_minio_and_sns_name_the_items_that_changed() {
        let touched = touched();
        for (name, bucket, key, item) in [
            ("ObjectCreated:Put", "raw", "lake/hive/db/t/dt%3D2026-11-19/a+b.parquet", "hive.db.t/dt=2026-11-19"),
            ("s3:ObjectCreated:CompleteMultipartUpload", "raw", "lake%2Fhive%2Fdb%2Ft%2Fdt%3D1%2Ff", "hive.db.t/dt=1"),
            ("ObjectRemoved:Delete", "whole", "db/u/f.parquet", "hive.db.u"),
        ] {
            let taken = touched.take_in(event(name, bucket, key).as_bytes()).unwrap();
            assert_eq!((taken, items(&touched)), (ObjectEvents { taken: 1, ignored: 0 }, vec![item.to_owned()]));
        }
        let wrapped =
            serde_json::json!({"Type": "Notification", "Message": event("ObjectCreated:Put", "whole", "db/u/f")});
        touched.take_in(wrapped.to_string().as_bytes()).unwrap();
        assert_eq!(items(&touched), ["hive.db.u"]);
    }

    #[test]
    fn what_concerns_no_table_is_counted_and_left() {
        let touched = touched();
        for (name, bucket, key) in [
            ("ObjectRestore:Completed", "raw", "lake/hive/db/t/f"),
            ("ObjectCreated:Put", "other", "lake/hive/db/t/f"),
            ("ObjectCreated:Put", "raw", "lake/hive2/db/t/f"),
            ("ObjectCreated:Put", "raw", "elsewhere/f"),
        ] {
            let taken = touched.take_in(event(name, bucket, key).as_bytes()).unwrap();
            assert_eq!((taken, items(&touched).len()), (ObjectEvents { taken: 0, ignored: 1 }, 0), "{name} {key}");
        }
        let test = br#"{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"}"#;
        assert_eq!(touched.take_in(test), Ok(ObjectEvents::default()));
    }

    #[test]
    fn bodies_that_are_no_events_are_refused_in_words() {
        for body in ["", "nonsense", "{}", "[]", r#"{"Records": 7}"#, r#"{"Records": [{}]}"#, r#"{"Message": "{"}"#] {
            let refused = touched().take_in(body.as_bytes());
            assert!(
                matches!(&refused, Err(Refused::Unreadable(why)) if why.contains("no S3 event")),
                "{body} {refused:?}"
            );
        }
    }

    #[test]
    fn more_than_can_wait_is_refused_and_nothing_of_it_taken() {
        let touched = touched();
        let record = |i: usize| format!("db/t/dt={i}/f");
        for i in 0..ITEMS_MAX {
            touched.take_in(event("ObjectCreated:Put", "whole", &record(i)).as_bytes()).unwrap();
        }
        let more = event("ObjectCreated:Put", "whole", &record(ITEMS_MAX));
        assert_eq!(touched.take_in(more.as_bytes()), Err(Refused::Full));
        touched.take_in(event("ObjectCreated:Put", "whole", &record(0)).as_bytes()).unwrap();
        assert_eq!(touched.drain().len(), ITEMS_MAX);
        touched.take_in(more.as_bytes()).unwrap();
    }

    #[test]
    fn keys_are_decoded_and_what_is_no_escape_stays() {
        for (encoded, key) in [("a%2Fb%3D%C3%A4", "a/b=ä"), ("a+b%2Bc", "a b+c"), ("100%", "100%"), ("%zz%4", "%zz%4")]
        {
            assert_eq!(decoded(encoded), key);
        }
    }
}
