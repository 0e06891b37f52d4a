//! Online admission: the heat of cold objects, so that what is read again is admitted to the adaptive share; see
//! [`larder_model::heat`].

use chrono::{DateTime, Utc};
use larder_model::Whitelist;
use larder_model::heat::Heat;
use moka::sync::Cache;

use crate::block::ObjectId;

/// Objects whose reads are remembered; beyond it, those read least.
const OBJECTS_MAX: u64 = 100_000;

/// What recent reads of cold objects would have saved.
#[derive(Debug)]
pub(crate) struct ColdReads {
    objects: Cache<ObjectId, Heat>,
}

/// A read of a cold object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColdRead {
    /// What was read.
    pub(crate) bytes: u64,
    /// The object's size.
    pub(crate) object_bytes: u64,
    /// The IO time that the tiers would have saved.
    pub(crate) saved_seconds: f64,
}

impl ColdReads {
    pub(crate) fn new() -> Self {
        Self { objects: Cache::new(OBJECTS_MAX) }
    }

    /// Remembers a read.
    pub(crate) fn record(&self, name: ObjectId, read: ColdRead, now: DateTime<Utc>) {
        let heat = self.objects.get(&name).unwrap_or_else(|| Heat::new(now));
        self.objects.insert(name, heat.record(read.bytes, read.object_bytes, read.saved_seconds, now));
    }

    /// Whether an object earns more per byte and day than the whitelist's least valuable item.
    pub(crate) fn worth_admitting(&self, name: ObjectId, whitelist: &Whitelist, now: DateTime<Utc>) -> bool {
        self.objects.get(&name).is_some_and(|heat| heat.is_worth_admitting(whitelist, now))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::route::tests::whitelist;

    #[test]
    fn each_object_has_a_heat_of_its_own() {
        let (reads, now) = (ColdReads::new(), DateTime::UNIX_EPOCH);
        let later = now + TimeDelta::hours(1);
        let read = ColdRead { bytes: 10, object_bytes: 10, saved_seconds: 100.0 };
        for at in [now, later] {
            reads.record(1, read, at);
        }
        reads.record(2, read, later);
        assert!(reads.worth_admitting(1, &whitelist(), later));
        assert!(!reads.worth_admitting(2, &whitelist(), later) && !reads.worth_admitting(3, &whitelist(), later));
    }
}
