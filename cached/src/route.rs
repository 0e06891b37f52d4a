//! The route: does a read go through the tiers, or straight to the origin?

use std::sync::Arc;

use larder_model::{LocationIndex, Route, Whitelist};

use crate::settings::Admit;

/// What the route is decided from. It is replaced as a whole when a new whitelist comes into force.
#[derive(Debug)]
pub(crate) struct RouteTable {
    admit: Admit,
    in_force: Option<(Arc<Whitelist>, LocationIndex)>,
}

impl RouteTable {
    pub(crate) fn new(admit: Admit, whitelist: Option<Arc<Whitelist>>) -> Self {
        let in_force = whitelist.map(|whitelist| {
            let index = LocationIndex::new(&whitelist);
            (whitelist, index)
        });
        Self { admit, in_force }
    }

    /// The route of one object. Without a whitelist everything is worth trying: nothing is known to be cold yet.
    pub(crate) fn route(&self, bucket: &str, key: &str) -> Route {
        match (&self.admit, &self.in_force) {
            (Admit::All, _) | (Admit::Whitelist, None) => Route::Cached,
            (Admit::Whitelist, Some((_, index))) => match index.find(bucket, key) {
                Some(_) => Route::Cached,
                None => Route::Direct,
            },
        }
    }

    pub(crate) fn whitelist(&self) -> Option<&Arc<Whitelist>> {
        self.in_force.as_ref().map(|(whitelist, _)| whitelist)
    }
}

#[cfg(test)]
mod tests {
    use larder_model::{IoSpeed, Location, WhitelistItem};

    use super::*;

    fn whitelist() -> Arc<Whitelist> {
        let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
        Arc::new(Whitelist {
            format: larder_model::whitelist::FORMAT,
            version: 1,
            created: chrono::DateTime::UNIX_EPOCH,
            night: chrono::NaiveDate::default(),
            budget_bytes: 1,
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
        })
    }

    #[test]
    fn only_what_is_whitelisted_is_cached() {
        let table = RouteTable::new(Admit::Whitelist, Some(whitelist()));
        assert_eq!(table.route("wh", "t/d=1/f"), Route::Cached);
        assert_eq!(table.route("wh", "t/d=2/f"), Route::Direct);
        assert_eq!(table.route("other", "t/d=1/f"), Route::Direct);
    }

    #[test]
    fn everything_is_cached_while_there_is_no_whitelist_or_all_is_admitted() {
        assert_eq!(RouteTable::new(Admit::Whitelist, None).route("wh", "x"), Route::Cached);
        assert_eq!(RouteTable::new(Admit::All, Some(whitelist())).route("wh", "x"), Route::Cached);
    }
}
