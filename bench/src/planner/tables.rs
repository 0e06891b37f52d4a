//! The planner's tables by capacity and by scenario.

use std::fmt::Write as _;

use super::{ABLATED, CAPACITY, OURS, Seeds, YANXUAN, best_online, mean_of, mean_of_pairs, more};
use crate::policies::{Interval, percent};

const SAVED: &str = "\
IO time saved by a Larder that all reads go through (`admit = \"all\"`, `ssd.adaptive = 80`, `lru`), loading ahead deducted: the share of all that there was to
be saved; in percent more or less than by NetEase Yanxuan's value before LRFU with its best lambda, and than by whichever online
policy did best on that very trace, which nobody knows beforehand; bytes written to the SSD over that policy's; regret against
the clairvoyant nightly choice and against the offline bound with loading ahead; the share of bytes loaded ahead in vain; hits on
the first day of whitelisted items that no log had seen. Means with 95% confidence intervals, paired by seed.

";

const SAVED_COLUMNS: &str = "\
| saved of all | against Yanxuan + LRFU | against the best online | writes over its | regret b0 | regret b2 | wasted | first day |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// What the whitelist saves.
pub(super) fn saved(capacities: &[(String, Seeds<'_>)], scenarios: &[(String, Seeds<'_>)]) -> anyhow::Result<String> {
    by_capacity_and_scenario(SAVED, SAVED_COLUMNS, saved_row, capacities, scenarios)
}

const COSTS: &str = "\
What that costs: bytes written to the SSD over its capacity, per day; bytes that a night puts on the whitelist or takes off it,
over the capacity (what is on it need not be held yet); bytes loaded ahead, of all that the origin sent; all that the origin sent
in its busiest hour, loading ahead included, over the same of the best online policy; days on which loading cost more than hits
brought, of all seeds' measured days.

";

const COSTS_COLUMNS: &str = "\
| drive writes a day | churn a night | loaded ahead | busiest hour over the best online's | days worse than no cache |
| ---: | ---: | ---: | ---: | ---: | ---: |
";

/// What it costs the drive and the origin.
pub(super) fn costs(capacities: &[(String, Seeds<'_>)], scenarios: &[(String, Seeds<'_>)]) -> anyhow::Result<String> {
    by_capacity_and_scenario(COSTS, COSTS_COLUMNS, costs_row, capacities, scenarios)
}

fn by_capacity_and_scenario(
    head: &str,
    columns: &str,
    row: fn(Seeds<'_>) -> anyhow::Result<String>,
    capacities: &[(String, Seeds<'_>)],
    scenarios: &[(String, Seeds<'_>)],
) -> anyhow::Result<String> {
    let mut text = format!("{head}| capacity {columns}");
    for (name, reports) in capacities {
        writeln!(text, "| {name} {}", row(reports)?)?;
    }
    write!(text, "\nAt {}, with what upsets a plan (the whole of the 30 days counts):\n\n", percent(CAPACITY))?;
    text += &format!("| scenario {columns}");
    for (name, reports) in scenarios {
        writeln!(text, "| {name} {}", row(reports)?)?;
    }
    Ok(text)
}

fn saved_row(reports: Seeds<'_>) -> anyhow::Result<String> {
    let saved = mean_of(reports, |it| Ok(100.0 * it.policy(OURS)?.io_time_saved / it.io_time_possible))?;
    let yanxuan = mean_of(reports, |it| Ok(more(it.policy(OURS)?.io_time_saved, it.policy(YANXUAN)?.io_time_saved)))?;
    let online = mean_of(reports, |it| Ok(more(it.policy(OURS)?.io_time_saved, best_online(it)?.io_time_saved)))?;
    let writes = mean_of(reports, |it| {
        let online = best_online(it)?.written_bytes;
        Ok(it.policy(OURS)?.written_bytes as f64 / online.max(1) as f64)
    })?;
    let b0 = mean_of(reports, |it| Ok(100.0 * it.policy(OURS)?.regret_b0))?;
    let b2 = mean_of(reports, |it| Ok(100.0 * it.policy(OURS)?.regret_b2))?;
    let wasted = mean_of(reports, |it| Ok(100.0 * it.policy(OURS)?.preload_wasted.unwrap_or(0.0)))?;
    let first_day: Vec<f64> =
        reports.iter().filter_map(|report| report.policy(OURS).ok()?.first_day_hit_ratio).collect();
    let first_day = if first_day.is_empty() {
        "-".to_owned()
    } else {
        format!("{:.0}%", 100.0 * first_day.iter().sum::<f64>() / first_day.len() as f64)
    };
    Ok(format!(
        "| {:.1}% | {:+.1}% ± {:.1} | {:+.1}% ± {:.1} | {:.2} | {:.1}% | {:.1}% | {:.0}% | {first_day} |",
        saved.mean, yanxuan.mean, yanxuan.half, online.mean, online.half, writes.mean, b0.mean, b2.mean, wasted.mean
    ))
}

fn costs_row(reports: Seeds<'_>) -> anyhow::Result<String> {
    let drive = mean_of(reports, |it| Ok(it.policy(OURS)?.drive_writes_per_day))?;
    let churn = mean_of(reports, |it| Ok(100.0 * it.policy(OURS)?.churn_per_night.unwrap_or(0.0)))?;
    let ahead = mean_of(reports, |it| {
        let ours = it.policy(OURS)?;
        Ok(100.0 * ours.preload_bytes as f64 / ours.origin_bytes.max(1) as f64)
    })?;
    let busiest = mean_of(reports, |it| {
        let online = best_online(it)?.origin_peak_hour_bytes;
        Ok(it.policy(OURS)?.origin_peak_hour_bytes as f64 / online.max(1) as f64)
    })?;
    let (mut worse, mut days) = (0, 0);
    for report in reports {
        let ours = report.policy(OURS)?;
        worse += ours.days_worse_than_none;
        days += ours.saved_by_day.len();
    }
    Ok(format!(
        "| {:.2} ± {:.2} | {:.0}% | {:.0}% | {:.2} | {worse} of {days} |",
        drive.mean, drive.half, churn.mean, ahead.mean, busiest.mean
    ))
}

/// How much more room Yanxuan's choice needs to save what ours saves in [`CAPACITY`].
pub(super) fn room(capacities: &[(f64, Seeds<'_>)]) -> anyhow::Result<String> {
    let ours = super::at(capacities, CAPACITY)?;
    let from = capacities.iter().filter(|(capacity, _)| *capacity >= CAPACITY);
    let (mut head, mut line) = (String::new(), String::new());
    let (mut saved, mut against) = (String::new(), String::new());
    for (capacity, reports) in from {
        let theirs = mean_of(reports, |it| Ok(100.0 * it.policy(YANXUAN)?.io_time_saved / it.io_time_possible))?;
        let change = mean_of_pairs(ours, reports, |ours, it| {
            Ok(more(ours.policy(OURS)?.io_time_saved, it.policy(YANXUAN)?.io_time_saved))
        })?;
        write!(head, " {:.0}x |", capacity / CAPACITY)?;
        line += " ---: |";
        write!(saved, " {:.1}% |", theirs.mean)?;
        write!(against, " {} |", signed(change))?;
    }
    Ok(format!(
        "How much more room Yanxuan + LRFU would need for what the whitelist saves in {}:\n\n\
         | its room, in the whitelist's |{head}\n| --- |{line}\n| it saves of all |{saved}\n\
         | the whitelist in 1x saves more by |{against}\n",
        percent(CAPACITY)
    ))
}

/// What each part of the planner brings.
pub(super) fn ablations(capacities: &[(f64, Seeds<'_>)]) -> anyhow::Result<String> {
    let columns = ABLATED.map(|capacity| format!(" {} |", percent(capacity))).concat();
    let mut text = format!(
        "What the whitelist saves without each of its parts, in percent of what it saves with all of them, by capacity \
         (below zero: the part brings something):\n\n| without |{columns}\n| --- |{}\n",
        " ---: |".repeat(ABLATED.len())
    );
    let first = capacities.first().and_then(|(_, reports)| reports.first());
    let names = first.into_iter().flat_map(|report| &report.policies);
    for name in names.filter_map(|policy| policy.name.strip_prefix("whitelist without ")) {
        write!(text, "| {name} |")?;
        for (_, reports) in capacities {
            let change = mean_of(reports, |it| {
                let without = it.policy(&format!("whitelist without {name}"))?.io_time_saved;
                Ok(more(without, it.policy(OURS)?.io_time_saved))
            })?;
            write!(text, " {} |", signed(change))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// A change in percent, with its interval.
pub(super) fn signed(change: Interval) -> String {
    format!("{:+.1}% ± {:.1}", change.mean, change.half)
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn what_it_costs_is_told_by_day_night_and_hour() {
        let mut reports = [report(|_| 5.0), report(|_| 5.0)];
        for (report, drive) in reports.iter_mut().zip([0.5, 0.7]) {
            let ours = report.policies.iter_mut().find(|policy| policy.name == OURS).unwrap();
            (ours.drive_writes_per_day, ours.churn_per_night) = (drive, Some(0.25));
            (ours.preload_bytes, ours.origin_peak_hour_bytes, ours.days_worse_than_none) = (30, 50, 2);
        }
        // Student's t of two is 12.706, and the mean's deviation 0.1.
        assert_eq!(costs_row(&reports).unwrap(), "| 0.60 ± 1.27 | 25% | 30% | 2.50 | 4 of 60 |");
    }

    #[test]
    fn more_room_is_compared_with_ours_at_one_capacity() {
        let of = |yanxuan: f64, ours: f64| {
            let saved = |name: &str| match name {
                YANXUAN => yanxuan,
                OURS => ours,
                _ => 1.0,
            };
            [report(saved), report(saved)]
        };
        let (small, middle, large) = (of(1.0, 2.0), of(4.0, 6.0), of(8.0, 9.0));
        let text = room(&[(0.05, &small[..]), (CAPACITY, &middle[..]), (0.3, &large[..])]).unwrap();
        assert!(text.contains("| its room, in the whitelist's | 1x | 3x |\n"), "{text}");
        assert!(text.contains("| it saves of all | 40.0% | 80.0% |\n"), "{text}");
        assert!(text.contains("saves more by | +50.0% ± 0.0 | -25.0% ± 0.0 |\n"), "{text}");
    }

    #[test]
    fn each_part_has_a_row_with_all_capacities() {
        let without_age = |without: f64| {
            let saved = |name: &str| if name == "whitelist without age" { without } else { 10.0 };
            [report(saved), report(saved)]
        };
        let reports = [9.0, 10.0, 11.0].map(without_age);
        let capacities: Vec<(f64, Seeds<'_>)> = ABLATED.into_iter().zip(reports.iter().map(|both| &both[..])).collect();
        let text = ablations(&capacities).unwrap();
        assert!(text.contains("| without | 2% | 5% | 10% |\n"), "{text}");
        assert!(text.contains("| age | -10.0% ± 0.0 | +0.0% ± 0.0 | +10.0% ± 0.0 |\n"), "{text}");
    }
}
