//! What the demo found: a table for people, one object for programs.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use larder_model::{ByteSize, Whitelist};
use serde::Serialize;

use super::days::MonthReport;
use super::figures::{hit_ratio, median, origin_bytes};
use super::measure::Measured;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// Each template.
    pub(crate) templates: Vec<Measured>,
    /// The daemon's counters over the month.
    pub(crate) month: MonthReport,
    /// The whitelist in force at the end.
    pub(crate) whitelist: Whitelist,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Object<'a> {
    templates: Vec<TemplateObject<'a>>,
    byte_hit_ratio: f64,
    io_seconds_saved: f64,
    whitelist_items: usize,
    preloaded_bytes: u64,
    origin_bytes: u64,
}

#[derive(Debug, Serialize)]
struct TemplateObject<'a> {
    name: &'a str,
    local_ms: f64,
    direct_ms: f64,
    cold_ms: f64,
    preloaded_ms: f64,
}

impl Report {
    /// The share of bytes that came from memory or SSD in the month's second half.
    fn byte_hit_ratio(&self) -> f64 {
        hit_ratio(&self.month.half, &self.month.end)
    }

    /// One object, as `larder demo --json` promises it.
    pub(crate) fn json(&self) -> String {
        let template = |measured: &Measured| TemplateObject {
            name: measured.template.name,
            local_ms: round(measured.local_ms),
            direct_ms: round(measured.direct_ms),
            cold_ms: round(measured.cold_ms),
            preloaded_ms: round(measured.preloaded_ms),
        };
        let object = Object {
            templates: self.templates.iter().map(template).collect(),
            byte_hit_ratio: round(self.byte_hit_ratio()),
            io_seconds_saved: round(self.month.end.saved_io_seconds),
            whitelist_items: self.whitelist.items.len(),
            preloaded_bytes: self.month.end.origin_bytes_preload,
            origin_bytes: origin_bytes(&self.month.end),
        };
        serde_json::to_string(&object).expect("plain data with text keys always serialises")
    }

    /// The table, its medians, and the month in figures.
    pub(crate) fn text(&self) -> String {
        format!("{}\n\n{}\n{}", self.table(), self.medians(), self.month())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["query", "reads", "local ms", "direct ms", "cold ms", "preloaded ms", "speed-up", "held"]);
        for measured in &self.templates {
            let ms = |figure: f64| format!("{figure:.1}");
            table.add_row([
                measured.template.name.to_owned(),
                measured.template.reads.to_owned(),
                ms(measured.local_ms),
                ms(measured.direct_ms),
                ms(measured.cold_ms),
                ms(measured.preloaded_ms),
                format!("{:.1}x", measured.speed_up()),
                format!("{:.0}%", measured.held * 100.0),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn medians(&self) -> String {
        let held: Vec<&Measured> = self.templates.iter().filter(|m| m.io_bound() && m.fully_held()).collect();
        let of = |figure: fn(&Measured) -> f64| median(held.iter().map(|m| figure(m)).collect());
        let cold = median(self.templates.iter().map(|m| m.cold_ms / m.direct_ms).collect());
        format!(
            "IO-bound templates whose data was preloaded ({} of {}): {:.1}x faster than direct and {:.2}x the time on \
             local files, at the median.\nCold through the cache, all templates: {:.2}x the time of direct, at the \
             median.\nIO-bound: takes less than a fifth of its direct time on local files. Held: the share of the bytes \
             it read that were in memory or on SSD.",
            held.len(),
            self.templates.len(),
            of(Measured::speed_up),
            of(|m| m.preloaded_ms / m.local_ms),
            cold,
        )
    }

    fn month(&self) -> String {
        let end = &self.month.end;
        format!(
            "\nThe month: {:.0}% of bytes from memory and SSD in its second half; {} of IO time saved over {} GET \
             requests.\nWhitelist v{}: {} items, {} of a budget of {}. Preloaded {}, read from the origin {} in all.",
            self.byte_hit_ratio() * 100.0,
            seconds(end.saved_io_seconds),
            end.get_requests,
            self.whitelist.version,
            self.whitelist.items.len(),
            ByteSize(self.whitelist.bytes()),
            ByteSize(self.whitelist.budget_bytes),
            ByteSize(end.origin_bytes_preload),
            ByteSize(origin_bytes(end)),
        )
    }
}

/// Hours once there are any: a demo saves seconds, a fleet hours.
fn seconds(seconds: f64) -> String {
    if seconds < 3600.0 { format!("{seconds:.1} s") } else { format!("{:.1} h", seconds / 3600.0) }
}

/// To thousandths: what is finer is noise.
fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use larder_model::IoSpeed;
    use larder_model::admin::StatReport;

    use super::*;
    use crate::demo::templates::TEMPLATES;

    fn report() -> Report {
        let measured = |local_ms, held| Measured {
            template: &TEMPLATES[0],
            local_ms,
            direct_ms: 120.0,
            cold_ms: 110.0,
            preloaded_ms: 12.0,
            held,
        };
        let speed = IoSpeed { overhead_seconds: 0.03, bytes_per_second: 80e6 };
        let whitelist = Whitelist {
            format: larder_model::whitelist::FORMAT,
            version: 3,
            created: chrono::DateTime::UNIX_EPOCH,
            night: chrono::NaiveDate::default(),
            budget_bytes: 100,
            horizon_days: 30,
            cut_density: 0.0,
            origin: speed,
            ssd: speed,
            reason: String::new(),
            cause: None,
            columns: Default::default(),
            items: Vec::new(),
        };
        let half = StatReport { bytes_direct: 1000, ..StatReport::default() };
        let end = StatReport {
            bytes_memory: 30,
            bytes_direct: 1010,
            origin_bytes_demand: 5,
            origin_bytes_preload: 7,
            saved_io_seconds: 1.5,
            ..StatReport::default()
        };
        let month = MonthReport { half, end };
        Report { templates: vec![measured(10.0, 1.0), measured(100.0, 1.0), measured(10.0, 0.2)], month, whitelist }
    }

    #[test]
    fn the_object_has_the_promised_keys() {
        let object: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(object["byte_hit_ratio"], 0.75);
        assert_eq!(object["io_seconds_saved"], 1.5);
        assert_eq!(object["whitelist_items"], 0);
        assert_eq!(object["preloaded_bytes"], 7);
        assert_eq!(object["origin_bytes"], 1022);
        let first = object["templates"][0].as_object().unwrap();
        let keys: Vec<&str> = first.keys().map(String::as_str).collect();
        for key in ["name", "local_ms", "direct_ms", "cold_ms", "preloaded_ms"] {
            assert!(keys.contains(&key), "{keys:?}");
        }
    }

    #[test]
    fn only_what_waits_for_storage_and_was_preloaded_counts_for_the_medians() {
        let text = report().text();
        assert!(text.contains("(1 of 3): 10.0x faster than direct and 1.20x the time on local files"), "{text}");
    }
}
