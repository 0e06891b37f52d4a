//! The whitelist as it is where nothing is configured, and set in other ways.

use std::fmt::Write as _;

use super::tables::signed;
use super::{OURS, ROUTED, Seeds, YANXUAN, best_online, mean_of, more};
use crate::policies::{Policy, percent};

/// What a worker saves that nobody has configured: cold reads go straight to the storage.
pub(super) fn routed(capacities: &[(f64, Seeds<'_>)]) -> anyhow::Result<String> {
    let mut text = String::from(
        "The same where nothing is configured (`admit = \"whitelist\"`, `ssd.adaptive = 10`, `s3fifo`): what is cold goes \
         straight to the storage, by the routes, and never sees the cache but by its price.\n\n\
         | capacity | saved of all | against Yanxuan + LRFU | against the best online | drive writes a day | wasted |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (capacity, reports) in capacities {
        let yanxuan =
            mean_of(reports, |it| Ok(more(it.policy(ROUTED)?.io_time_saved, it.policy(YANXUAN)?.io_time_saved)))?;
        let online = mean_of(reports, |it| Ok(more(it.policy(ROUTED)?.io_time_saved, best_online(it)?.io_time_saved)))?;
        let Figures { saved, wasted, writes } = figures(reports, ROUTED)?;
        writeln!(
            text,
            "| {} | {saved} | {} | {} | {writes} | {wasted} |",
            percent(*capacity),
            signed(yanxuan),
            signed(online)
        )?;
    }
    Ok(text)
}

/// The best that was tried: what is admitted, how much is left to it, by which policy, and what is loaded ahead.
pub(super) fn settings(capacities: &[(f64, Seeds<'_>)]) -> anyhow::Result<String> {
    let mut text = String::from(
        "The whitelist set otherwise: `admit`, `ssd.adaptive` and `ssd.policy`; and loading ahead only what is expected to \
         begin so many bursts of reads on the day to come. IO time saved of all, bytes loaded ahead in vain, drive writes a \
         day:\n",
    );
    for (capacity, reports) in capacities {
        write!(
            text,
            "\n| in {} | saved of all | wasted | drive writes a day |\n| --- | ---: | ---: | ---: |\n",
            percent(*capacity)
        )?;
        let first = reports.first().into_iter().flat_map(|report| &report.policies);
        let is_shown = |name: &str| {
            [OURS, ROUTED, "lru", "second-hit"].contains(&name)
                || ["whitelist with ", "whitelist loading "].iter().any(|beginning| name.starts_with(beginning))
        };
        for name in first.map(|policy| policy.name.as_str()).filter(|name| is_shown(name)) {
            let Figures { saved, wasted, writes } = figures(reports, name)?;
            writeln!(text, "| {name} | {saved} | {wasted} | {writes} |")?;
        }
    }
    Ok(text)
}

struct Figures {
    saved: String,
    wasted: String,
    writes: String,
}

fn figures(reports: Seeds<'_>, name: &str) -> anyhow::Result<Figures> {
    let loads = |policy: &Policy| policy.preload_wasted.is_some();
    let saved = mean_of(reports, |it| Ok(100.0 * it.policy(name)?.io_time_saved / it.io_time_possible))?;
    let writes = mean_of(reports, |it| Ok(it.policy(name)?.drive_writes_per_day))?;
    let wasted = mean_of(reports, |it| Ok(100.0 * it.policy(name)?.preload_wasted.unwrap_or(0.0)))?;
    let has_loaded = reports.iter().any(|report| report.policy(name).is_ok_and(loads));
    Ok(Figures {
        saved: format!("{:.1}% ± {:.1}", saved.mean, saved.half),
        wasted: if has_loaded { format!("{:.0}% ± {:.0}", wasted.mean, wasted.half) } else { "-".to_owned() },
        writes: format!("{:.2} ± {:.2}", writes.mean, writes.half),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn other_settings_stand_beside_what_is_compared() {
        let mut reports = [report(|_| 5.0), report(|_| 5.0)];
        for policy in reports.iter_mut().flat_map(|report| &mut report.policies) {
            if policy.name == "whitelist without age" {
                policy.name = "whitelist with all, 30, lru".to_owned();
                (policy.preload_wasted, policy.drive_writes_per_day) = (Some(0.25), 0.5);
            }
        }
        let text = settings(&[(0.02, &reports[..])]).unwrap();
        assert!(text.contains("| whitelist with all, 30, lru | 50.0% ± 0.0 | 25% ± 0 | 0.50 ± 0.00 |\n"), "{text}");
        assert!(text.contains("| lru | 50.0% ± 0.0 | - | 0.00 ± 0.00 |\n") && !text.contains("sieve"), "{text}");
        let text = routed(&[(0.02, &reports[..])]).unwrap();
        assert!(text.contains("| 2% | 50.0% ± 0.0 | +0.0% ± 0.0 | +0.0% ± 0.0 |"), "{text}");
    }
}
