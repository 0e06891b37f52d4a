//! The logs in a folder: which files there are, and which of them are parts of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A log: its parts, in order.
pub type Log = Vec<PathBuf>;

/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 8;

/// The log at a path, or those in the folder and in the folders in it, by name. What Spark rolls into a folder of its own,
/// `eventlog_v2_APP/events_1_APP, events_2_APP, ...`, is one log.
pub fn logs_below(path: &Path) -> std::io::Result<Vec<Log>> {
    let mut logs = Vec::new();
    if path.is_dir() {
        add(path, DEPTH_MAX, &mut logs)?;
    } else {
        logs.push(vec![path.to_owned()]);
    }
    Ok(logs)
}

fn add(folder: &Path, depth: usize, logs: &mut Vec<Log>) -> std::io::Result<()> {
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    if name(folder).starts_with("eventlog_v2_") {
        logs.extend(rolled(&paths));
        return Ok(());
    }
    for path in paths.into_iter().filter(|path| !name(path).starts_with('.')) {
        if path.is_file() {
            logs.push(vec![path]);
        } else if path.is_dir() && depth > 0 {
            add(&path, depth - 1, logs)?;
        }
    }
    Ok(())
}

/// The parts of a rolled log, by their numbers. A compacted part stands for all up to its own.
fn rolled(paths: &[PathBuf]) -> Option<Log> {
    let number = |path: &PathBuf| name(path).strip_prefix("events_")?.split('_').next()?.parse::<u64>().ok();
    let is_compact = |path: &Path| name(path).ends_with(".compact");
    let parts: Vec<(u64, &PathBuf)> = paths.iter().filter_map(|path| Some((number(path)?, path))).collect();
    let compact = parts.iter().filter(|(_, path)| is_compact(path)).max_by_key(|(number, _)| *number).copied();
    let from = compact.map_or(0, |(number, _)| number + 1);
    let later = parts.into_iter().filter(|(number, path)| *number >= from && !is_compact(path));
    let log: BTreeMap<u64, &PathBuf> = compact.into_iter().chain(later).collect();
    (!log.is_empty()).then(|| log.into_values().cloned().collect())
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolled_log_is_one_and_its_parts_are_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let rolled = folder.path().join("eventlog_v2_app-1");
        let compacted = folder.path().join("eventlog_v2_app-2");
        for file in
            ["events_2_app-1", "events_10_app-1.zstd", "events_1_app-1", "appstatus_app-1", ".appstatus_app-1.crc"]
        {
            std::fs::create_dir_all(&rolled).unwrap();
            std::fs::write(rolled.join(file), "").unwrap();
        }
        for file in ["events_1_app-2", "events_2_app-2", "events_2_app-2.compact", "events_3_app-2"] {
            std::fs::create_dir_all(&compacted).unwrap();
            std::fs::write(compacted.join(file), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        std::fs::write(folder.path().join("a.jsonl"), "").unwrap();
        std::fs::write(folder.path().join(".hidden"), "").unwrap();
        let logs = logs_below(folder.path()).unwrap();
        let names: Vec<Vec<&str>> = logs.iter().map(|log| log.iter().map(|path| name(path)).collect()).collect();
        assert_eq!(
            names,
            [
                vec!["a.jsonl"],
                vec!["events_1_app-1", "events_2_app-1", "events_10_app-1.zstd"],
                vec!["events_2_app-2.compact", "events_3_app-2"],
            ]
        );
        let alone = folder.path().join("a.jsonl");
        assert_eq!(logs_below(&alone).unwrap(), [vec![alone]]);
    }
}
