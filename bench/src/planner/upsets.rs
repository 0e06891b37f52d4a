//! What a storm and a drift cost, by day.

use std::fmt::Write as _;
use std::ops::Range;

use anyhow::Context;

use super::tables::signed;
use super::{CLAIRVOYANT, OURS, Seeds, YANXUAN, mean_of, mean_of_pairs, more};
use crate::policies::{Policy, Report};

/// Of the 60 days, the first that is measured, and the one after the last.
const MEASURED: Range<usize> = 30..60;
/// When a drift begins, and a storm.
const EVENT_DAY: usize = 45;
const STORM: Range<usize> = EVENT_DAY..EVENT_DAY + 3;
/// What the whitelist is compared with.
const POLICIES: [&str; 5] = [OURS, "s3fifo", "lru", YANXUAN, CLAIRVOYANT];

/// IO time saved on some of the 60 days.
fn saved_on(policy: &Policy, days: Range<usize>) -> anyhow::Result<f64> {
    let measured = days.start - MEASURED.start..days.end - MEASURED.start;
    let of_days = policy.saved_by_day.get(measured);
    Ok(of_days.with_context(|| format!("`{}` has no days {days:?}", policy.name))?.iter().sum())
}

/// The same on everyday reads alone, of days that hold all of the storm.
fn everyday_on(policy: &Policy, days: Range<usize>) -> anyhow::Result<f64> {
    let on_storm = policy.saved_on_storm.with_context(|| format!("`{}` was in no storm", policy.name))?;
    Ok(saved_on(policy, days)? - on_storm)
}

/// What a storm takes from the reads that came with it and would have come without.
pub(super) fn storm(everyday: Seeds<'_>, stormy: Seeds<'_>) -> anyhow::Result<String> {
    let mut text = String::from(
        "What a scan storm costs everything else, told apart: the same seed without the storm has the same everyday reads, \
         and the same space. IO time saved on the everyday reads alone, loading ahead deducted, in percent more or less than \
         without the storm: on its three days, on the twelve after it, and on all 30.\n\n\
         | policy | in the storm | after it | all 30 days |\n| --- | ---: | ---: | ---: |\n",
    );
    for name in POLICIES {
        let change = |saved: &dyn Fn(&Policy) -> anyhow::Result<f64>, days: Range<usize>| {
            mean_of_pairs(stormy, everyday, |stormy, everyday| {
                Ok(more(saved(stormy.policy(name)?)?, saved_on(everyday.policy(name)?, days.clone())?))
            })
        };
        let within = change(&|policy| everyday_on(policy, STORM), STORM)?;
        let after = change(&|policy| saved_on(policy, STORM.end..MEASURED.end), STORM.end..MEASURED.end)?;
        let all = change(&|policy| everyday_on(policy, MEASURED), MEASURED)?;
        writeln!(text, "| {name} | {} | {} | {} |", signed(within), signed(after), signed(all))?;
    }
    Ok(text)
}

/// How soon the whitelist follows a drift.
pub(super) fn drift(everyday: Seeds<'_>, drifting: Seeds<'_>) -> anyhow::Result<String> {
    let mut text = format!(
        "Regret against the clairvoyant nightly choice by day, in percent of what that saves; on day {EVENT_DAY} a fifth of \
         the heat moves to other tables:\n\n\
         | days | whitelist | s3fifo | yanxuan | whitelist without the drift |\n| --- | ---: | ---: | ---: | ---: |\n"
    );
    let first = [EVENT_DAY, EVENT_DAY + 1, EVENT_DAY + 2].map(|day| (day.to_string(), day..day + 1));
    let before = (format!("{} to {}", MEASURED.start, EVENT_DAY - 1), MEASURED.start..EVENT_DAY);
    let after = (format!("{} to {}", EVENT_DAY + 3, MEASURED.end - 1), EVENT_DAY + 3..MEASURED.end);
    for (called, days) in std::iter::once(before).chain(first).chain([after]) {
        write!(text, "| {called} |")?;
        for (reports, name) in [(drifting, OURS), (drifting, "s3fifo"), (drifting, YANXUAN), (everyday, OURS)] {
            let regret = mean_of(reports, |report| regret(report, name, days.clone()))?;
            write!(text, " {:.1}% ± {:.1} |", regret.mean, regret.half)?;
        }
        text.push('\n');
    }
    Ok(text)
}

fn regret(report: &Report, name: &str, days: Range<usize>) -> anyhow::Result<f64> {
    let best = saved_on(report.policy(CLAIRVOYANT)?, days.clone())?;
    Ok(100.0 * (1.0 - saved_on(report.policy(name)?, days)? / best))
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn a_storms_own_scans_are_left_out_of_what_it_costs() {
        let everyday = [report(|_| 10.0), report(|_| 10.0)];
        let mut stormy = [report(|_| 10.0), report(|_| 10.0)];
        for policy in stormy.iter_mut().flat_map(|report| &mut report.policies).filter(|policy| policy.name == OURS) {
            // On each day of the storm 12, of which 4 on its scans: 24 on everyday reads in the place of 30. Then a day of 4.
            policy.saved_by_day[15..18].fill(12.0);
            policy.saved_by_day[18] = 4.0;
        }
        for policy in stormy.iter_mut().flat_map(|report| &mut report.policies) {
            policy.saved_on_storm = Some(if policy.name == OURS { 12.0 } else { 3.0 });
        }
        let text = storm(&everyday, &stormy).unwrap();
        // After: 114 for 120. All: 150 before, 24, 114: 288 for 300.
        assert!(text.contains("| whitelist | -20.0% ± 0.0 | -5.0% ± 0.0 | -4.0% ± 0.0 |\n"), "{text}");
        assert!(text.contains("| lru | -10.0% ± 0.0 | +0.0% ± 0.0 | -1.0% ± 0.0 |\n"), "{text}");
        assert!(storm(&stormy, &everyday).is_err(), "no storm in it");
    }

    #[test]
    fn regret_after_a_drift_is_told_by_day() {
        let everyday = [report(|name| if name == CLAIRVOYANT { 10.0 } else { 9.0 }), report(|_| 10.0)];
        let mut drifting = [report(|_| 10.0), report(|_| 10.0)];
        for policy in drifting.iter_mut().flat_map(|report| &mut report.policies).filter(|policy| policy.name == OURS) {
            policy.saved_by_day[15..18].copy_from_slice(&[5.0, 7.0, 9.0]);
        }
        let text = drift(&everyday, &drifting).unwrap();
        for row in [
            "| 30 to 44 | 0.0% ± 0.0 | 0.0% ± 0.0 | 0.0% ± 0.0 | 5.0% ±",
            "| 45 | 50.0% ± 0.0 | 0.0% ± 0.0 |",
            "| 46 | 30.0% ± 0.0 |",
            "| 47 | 10.0% ± 0.0 |",
            "| 48 to 59 | 0.0% ± 0.0 |",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
    }
}
