//! The queries of an ad-hoc analyst over TPC-H tables, as templates whose dates move with the day.
//!
//! The mix of ages follows what clusters show: half of the queries read the newest partitions, a quarter the last few,
//! a tenth a quarter of a year, then single older partitions, backfills over a year, and now and then a full scan.

use std::fmt::Write;

use super::month::Month;

/// A query with a hole for its dates.
#[derive(Debug)]
pub(crate) struct Template {
    /// A short name for tables.
    pub(crate) name: &'static str,
    /// What it reads, for people.
    pub(crate) reads: &'static str,
    /// How many of a hundred queries are of this kind.
    pub(crate) weight: u32,
    sql: fn(&Period) -> String,
}

/// What fills the hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// The month of the analyst's day.
    pub(crate) latest: Month,
    /// How many months ago something happened that the analyst looks back at; at least 1.
    pub(crate) back: u32,
}

impl Template {
    /// The query for this period.
    pub(crate) fn sql(&self, period: &Period) -> String {
        (self.sql)(period)
    }
}

/// All of them, the most popular first.
pub(crate) static TEMPLATES: [Template; 10] = [
    Template { name: "revenue by flag", reads: "lineitem, this month", weight: 20, sql: revenue_by_flag },
    Template { name: "shipping modes", reads: "lineitem, orders, 2 months", weight: 14, sql: shipping_modes },
    Template { name: "discounts", reads: "lineitem, this month", weight: 12, sql: discounts },
    Template { name: "promotions", reads: "lineitem, 2 months; part", weight: 11, sql: promotions },
    Template { name: "nation revenue", reads: "lineitem, this month; supplier", weight: 10, sql: nation_revenue },
    Template { name: "top customers", reads: "lineitem, orders, 3 months; customer", weight: 10, sql: top_customers },
    Template { name: "order priorities", reads: "orders, this month", weight: 8, sql: order_priorities },
    Template { name: "one past month", reads: "lineitem, 1 older month", weight: 8, sql: one_past_month },
    Template { name: "year backfill", reads: "lineitem, 12 older months", weight: 5, sql: year_backfill },
    Template { name: "supply cost", reads: "partsupp, supplier, all of it", weight: 2, sql: supply_cost },
];

/// `'1998-05', '1998-06', '1998-07'`: the `count` months that end with `last`.
fn months(last: Month, count: u32) -> String {
    let mut list = String::new();
    for back in (0..count).rev() {
        let separator = if list.is_empty() { "" } else { ", " };
        let _ = write!(list, "{separator}'{}'", last.back(back));
    }
    list
}

/// TPC-H 1, for the current month.
fn revenue_by_flag(period: &Period) -> String {
    format!(
        "SELECT l_returnflag, l_linestatus, sum(l_quantity) AS quantity, sum(l_extendedprice) AS price,
                sum(l_extendedprice * (1 - l_discount)) AS discounted,
                sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS charged,
                avg(l_discount) AS discount, count(*) AS lines
         FROM lineitem WHERE shipmonth = '{}'
         GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
        period.latest
    )
}

/// TPC-H 12: which ways of shipping were late, by the priority of the order.
fn shipping_modes(period: &Period) -> String {
    format!(
        "SELECT l_shipmode,
                sum(CASE WHEN o_orderpriority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS urgent, count(*) AS lines
         FROM lineitem JOIN orders ON l_orderkey = o_orderkey
         WHERE shipmonth IN ({months}) AND ordermonth IN ({months}) AND l_receiptdate > l_commitdate
         GROUP BY l_shipmode ORDER BY l_shipmode",
        months = months(period.latest, 2)
    )
}

/// TPC-H 6, for the current month.
fn discounts(period: &Period) -> String {
    format!(
        "SELECT sum(l_extendedprice * l_discount) AS given, count(*) AS lines
         FROM lineitem WHERE shipmonth = '{}' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
        period.latest
    )
}

/// TPC-H 14: what promoted parts earned.
fn promotions(period: &Period) -> String {
    format!(
        "SELECT shipmonth, sum(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice * (1 - l_discount) ELSE 0 END) AS promoted,
                sum(l_extendedprice * (1 - l_discount)) AS revenue
         FROM lineitem JOIN part ON l_partkey = p_partkey
         WHERE shipmonth IN ({}) GROUP BY shipmonth ORDER BY shipmonth",
        months(period.latest, 2)
    )
}

/// TPC-H 5, by the supplier's nation.
fn nation_revenue(period: &Period) -> String {
    format!(
        "SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
         FROM lineitem JOIN supplier ON l_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey
         WHERE shipmonth = '{}' GROUP BY n_name ORDER BY revenue DESC, n_name",
        period.latest
    )
}

/// TPC-H 10: who bought most in the last quarter.
fn top_customers(period: &Period) -> String {
    format!(
        "SELECT c_custkey, c_name, c_mktsegment, sum(l_extendedprice * (1 - l_discount)) AS revenue
         FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
         WHERE ordermonth IN ({months}) AND shipmonth IN ({months})
         GROUP BY c_custkey, c_name, c_mktsegment ORDER BY revenue DESC, c_custkey LIMIT 20",
        months = months(period.latest, 3)
    )
}

/// TPC-H 4, without the late lines.
fn order_priorities(period: &Period) -> String {
    format!(
        "SELECT o_orderpriority, o_orderstatus, count(*) AS orders, sum(o_totalprice) AS total
         FROM orders WHERE ordermonth = '{}'
         GROUP BY o_orderpriority, o_orderstatus ORDER BY o_orderpriority, o_orderstatus",
        period.latest
    )
}

/// A month of the past, to compare with.
fn one_past_month(period: &Period) -> String {
    format!(
        "SELECT l_shipmode, count(*) AS lines, sum(l_quantity) AS quantity, sum(l_extendedprice) AS price
         FROM lineitem WHERE shipmonth = '{}' GROUP BY l_shipmode ORDER BY l_shipmode",
        period.latest.back(period.back)
    )
}

/// A year of the past, month by month.
fn year_backfill(period: &Period) -> String {
    format!(
        "SELECT shipmonth, count(*) AS lines, sum(l_extendedprice * (1 - l_discount)) AS revenue
         FROM lineitem WHERE shipmonth IN ({}) GROUP BY shipmonth ORDER BY shipmonth",
        months(period.latest.back(period.back + 3), 12)
    )
}

/// TPC-H 11: a full scan of a table that nobody partitioned.
fn supply_cost(_: &Period) -> String {
    "SELECT n_name, sum(ps_supplycost * ps_availqty) AS cost
     FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey
     GROUP BY n_name ORDER BY cost DESC, n_name"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn weights_are_parts_of_a_hundred_and_fall() {
        assert_eq!(TEMPLATES.iter().map(|template| template.weight).sum::<u32>(), 100);
        assert!(TEMPLATES.is_sorted_by_key(|template| std::cmp::Reverse(template.weight)));
    }

    #[test]
    fn dates_move_with_the_day() {
        let latest = Month::of(NaiveDate::from_ymd_opt(1998, 2, 3).unwrap());
        let sql = top_customers(&Period { latest, back: 1 });
        assert!(sql.contains("IN ('1997-12', '1998-01', '1998-02')"), "{sql}");
        assert!(one_past_month(&Period { latest, back: 14 }).contains("'1996-12'"));
    }
}
