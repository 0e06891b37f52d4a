//! Printing tables, figures and JSON.

use std::io::{ErrorKind, Write};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use larder_model::ByteSize;
use serde::Serialize;

/// Prints rows under headings. Columns whose heading begins with `>` are aligned to the right.
pub(super) fn print(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
    table.add_rows(rows);
    for (i, column) in table.column_iter_mut().enumerate() {
        let right = headings.get(i).is_some_and(|heading| heading.starts_with('>'));
        column.set_padding((0, 2)).set_cell_alignment(if right { CellAlignment::Right } else { CellAlignment::Left });
    }
    say(table.to_string());
}

/// Prints lines. A reader who has seen enough, such as `head`, ends the command.
pub(super) fn say(text: impl AsRef<str>) {
    match writeln!(std::io::stdout().lock(), "{}", text.as_ref()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => tracing::error!(%error, "standard output cannot be written"),
    }
}

/// Prints one JSON value.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

/// Seconds for people.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 120.0 => format!("{:.1} min", s / 60.0),
        s if s >= 1.0 => format!("{s:.1} s"),
        // Nothing is never less than nothing: what rounds to zero has no sign.
        s => format!("{:.1} ms", (s * 10_000.0).round() / 10.0 + 0.0),
    }
}

/// Seconds saved for each GiB held.
pub(super) fn density(seconds_per_byte: f64) -> String {
    format!("{:.2} s/GiB", seconds_per_byte * (1u64 << 30) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_said_in_the_unit_that_fits() {
        assert_eq!(
            [0.0123, 5.0, 300.0, 7200.0, -0.0, -0.000_01].map(seconds),
            ["12.3 ms", "5.0 s", "5.0 min", "2.0 h", "0.0 ms", "0.0 ms"].map(str::to_owned)
        );
    }
}
