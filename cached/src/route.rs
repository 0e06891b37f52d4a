//! What the whitelist says of an object: does it go through the tiers, and what are its blocks held for?

use std::sync::Arc;

use larder_model::{LocationIndex, Whitelist};

use crate::settings::Admit;
use crate::ssd::{ItemId, Share};

/// What the route is decided from. It is replaced as a whole when a new whitelist comes into force.
#[derive(Debug)]
pub(crate) struct RouteTable {
    admit: Admit,
    in_force: Option<InForce>,
}

#[derive(Debug)]
struct InForce {
    whitelist: Arc<Whitelist>,
    index: LocationIndex,
    /// Of the items, in their order.
    ids: Vec<ItemId>,
}

impl RouteTable {
    pub(crate) fn new(admit: Admit, whitelist: Option<Arc<Whitelist>>) -> Self {
        let in_force = whitelist.map(|whitelist| {
            let index = LocationIndex::new(&whitelist);
            let ids = whitelist.items.iter().map(|item| ItemId::new(&item.item)).collect();
            InForce { whitelist, index, ids }
        });
        Self { admit, in_force }
    }

    /// The whitelist that an object is not on, where only what is on it goes through the tiers by right. Without a whitelist
    /// everything is worth trying: nothing is known to be cold yet.
    pub(crate) fn cold(&self, bucket: &str, key: &str) -> Option<&Whitelist> {
        let now = self.in_force.as_ref().filter(|_| self.admit == Admit::Whitelist)?;
        now.index.find(bucket, key).is_none().then_some(&now.whitelist)
    }

    /// What the SSD holds an object's blocks for.
    pub(crate) fn share(&self, bucket: &str, key: &str) -> Share {
        let item = self.in_force.as_ref().and_then(|now| Some(now.ids[now.index.find(bucket, key)?]));
        item.map_or(Share::Adaptive, Share::Resident)
    }

    /// Whether all keys that begin with `prefix` are in one folder that the whitelist names.
    pub(crate) fn names_all(&self, bucket: &str, prefix: &str) -> bool {
        // The prefix may end in the middle of a name: what begins with it is in the folder before that.
        let folder = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
        self.in_force.as_ref().is_some_and(|now| now.index.find(bucket, folder).is_some())
    }

    pub(crate) fn whitelist(&self) -> Option<&Arc<Whitelist>> {
        self.in_force.as_ref().map(|now| &now.whitelist)
    }

    /// The items of the whitelist in force, the most valuable first.
    pub(crate) fn items(&self) -> Option<&[ItemId]> {
        self.in_force.as_ref().map(|now| &now.ids[..])
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use larder_model::{IoSpeed, Location, WhitelistItem};

    use super::*;

    /// Of one item, `c.s.t/d=1`.
    pub(crate) fn whitelist() -> Whitelist {
        let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
        Whitelist {
            format: larder_model::whitelist::FORMAT,
            version: 1,
            created: chrono::DateTime::UNIX_EPOCH,
            night: chrono::NaiveDate::default(),
            budget_bytes: 1,
            horizon_days: 30,
            cut_density: 0.0,
            origin: speed,
            ssd: speed,
            reason: String::new(),
            items: vec![WhitelistItem {
                item: "c.s.t/d=1".parse().expect("an item"),
                locations: vec![Location { bucket: "wh".into(), prefix: "t/d=1/".into() }],
                bytes: 1,
                objects: 1,
                value_seconds: 1.0,
                reason: String::new(),
            }],
        }
    }

    #[test]
    fn only_what_is_whitelisted_is_cached() {
        let table = RouteTable::new(Admit::Whitelist, Some(Arc::new(whitelist())));
        assert!(table.cold("wh", "t/d=1/f").is_none());
        assert!(table.cold("wh", "t/d=2/f").is_some());
        assert!(table.cold("other", "t/d=1/f").is_some());
        let item = ItemId::new(&whitelist().items[0].item);
        assert_eq!(table.share("wh", "t/d=1/f"), Share::Resident(item));
        assert_eq!(table.share("wh", "t/d=2/f"), Share::Adaptive);
    }

    #[test]
    fn a_prefix_is_named_when_all_below_it_is() {
        let table = RouteTable::new(Admit::Whitelist, Some(Arc::new(whitelist())));
        for named in ["t/d=1/", "t/d=1/part-0", "t/d=1/h=2/"] {
            assert!(table.names_all("wh", named), "{named}");
        }
        // The last begins `t/d=10/` as well.
        for other in ["", "t", "t/", "t/d=2/", "t/d=1"] {
            assert!(!table.names_all("wh", other), "{other}");
        }
        assert!(!table.names_all("other", "t/d=1/"));
        assert!(!RouteTable::new(Admit::All, None).names_all("wh", "t/d=1/"));
    }

    #[test]
    fn everything_is_cached_while_there_is_no_whitelist_or_all_is_admitted() {
        assert!(RouteTable::new(Admit::Whitelist, None).cold("wh", "x").is_none());
        assert!(RouteTable::new(Admit::All, Some(Arc::new(whitelist()))).cold("wh", "x").is_none());
    }
}
