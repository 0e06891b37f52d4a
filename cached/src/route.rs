//! What the whitelist says of an object: does it go through the tiers, and what are its blocks held for?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use larder_model::{HeldColumns, LocationIndex, TableName, Whitelist};

use crate::block::ColumnId;
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
    columns: Vec<Columns>,
}

/// The columns that are held of an item.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns(Option<Arc<HeldIds>>);

#[derive(Debug)]
struct HeldIds {
    ids: HashSet<ColumnId>,
    listed: HeldColumns,
}

impl Columns {
    fn new(held: &HeldColumns) -> Self {
        let ids = held.columns.iter().map(|name| ColumnId::new(name)).collect();
        Self(Some(Arc::new(HeldIds { ids, listed: held.clone() })))
    }

    /// Whether all of the item is held, whatever its columns.
    pub(crate) fn are_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether what is of this column is held. What is of none alone always is.
    pub(crate) fn hold(&self, column: ColumnId) -> bool {
        self.0.as_ref().is_none_or(|held| column == ColumnId::NONE || held.ids.contains(&column))
    }

    /// What they are, about, of an object that was not cut yet.
    pub(crate) fn bytes_of(&self, object: u64) -> u64 {
        self.0.as_ref().map_or(object, |held| held.listed.bytes_of(1, object))
    }
}

impl RouteTable {
    pub(crate) fn new(admit: Admit, whitelist: Option<Arc<Whitelist>>) -> Self {
        let in_force = whitelist.map(|whitelist| {
            let index = LocationIndex::new(&whitelist);
            let ids = whitelist.items.iter().map(|item| ItemId::new(&item.item)).collect();
            let of_tables: HashMap<&TableName, Columns> =
                whitelist.columns.iter().map(|(table, held)| (table, Columns::new(held))).collect();
            let of_item = |table| of_tables.get(table).cloned().unwrap_or_default();
            let columns = whitelist.items.iter().map(|item| of_item(&item.item.table)).collect();
            InForce { whitelist, index, ids, columns }
        });
        Self { admit, in_force }
    }

    /// The whitelist that an object is not on, where only what is on it goes through the tiers by right. Without a whitelist
    /// everything is worth trying: nothing is known to be cold yet.
    pub(crate) fn cold(&self, bucket: &str, key: &str) -> Option<&Whitelist> {
        let now = self.in_force.as_ref().filter(|_| self.admit == Admit::Whitelist)?;
        now.index.find(bucket, key).is_none().then_some(&now.whitelist)
    }

    /// What the SSD holds an object's blocks of this column for.
    pub(crate) fn share(&self, bucket: &str, key: &str, column: ColumnId) -> Share {
        let found = self.in_force.as_ref().and_then(|now| Some((now, now.index.find(bucket, key)?)));
        match found {
            Some((now, at)) if now.columns[at].hold(column) => Share::Resident(now.ids[at]),
            _ => Share::Adaptive,
        }
    }

    /// The columns that are held of the item that an object is on the whitelist for.
    pub(crate) fn columns(&self, bucket: &str, key: &str) -> Columns {
        let found = self.in_force.as_ref().and_then(|now| Some(now.columns[now.index.find(bucket, key)?].clone()));
        found.unwrap_or_default()
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
            cause: None,
            columns: Default::default(),
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
        assert_eq!(table.share("wh", "t/d=1/f", ColumnId::NONE), Share::Resident(item));
        assert_eq!(table.share("wh", "t/d=2/f", ColumnId::NONE), Share::Adaptive);
    }

    #[test]
    fn of_a_table_with_held_columns_only_those_and_what_is_of_none_are_resident() {
        let mut list = whitelist();
        let held = HeldColumns { columns: vec!["a".into(), "b".into()], byte_share: 0.25, value_share: 0.9 };
        list.columns.insert("c.s.t".parse().expect("a table"), held);
        let item = ItemId::new(&list.items[0].item);
        let table = RouteTable::new(Admit::Whitelist, Some(Arc::new(list)));
        for (column, share) in [
            (ColumnId::new("a"), Share::Resident(item)),
            (ColumnId::NONE, Share::Resident(item)),
            (ColumnId::new("c"), Share::Adaptive),
        ] {
            assert_eq!(table.share("wh", "t/d=1/f", column), share, "{column:?}");
        }
        let columns = table.columns("wh", "t/d=1/f");
        assert!(!columns.are_all() && columns.hold(ColumnId::new("b")) && !columns.hold(ColumnId::new("c")));
        assert_eq!((columns.bytes_of(100 << 20), columns.bytes_of(1 << 20)), (25 << 20, 1 << 20));
        assert!(table.columns("wh", "t/d=2/f").are_all());
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
