//! What the whitelist and its rivals save, by capacity.

use larder_plot::{Figure, Line, Panel, Scale, Series, Ticks};

use super::{CLAIRVOYANT, OURS, Seeds, YANXUAN, best_online, mean_of};
use crate::policies::Report;

/// Means over the seeds.
pub(super) fn figure(capacities: &[(f64, Seeds<'_>)]) -> anyhow::Result<Figure> {
    let [ours, yanxuan, online, ..] = Line::COLOURS;
    Ok(Figure {
        title: "IO time saved by capacity (means over the seeds)".to_owned(),
        x_label: "capacity, % of the bytes touched in 30 days".to_owned(),
        x_ticks: Ticks::OfPoints,
        y_label: "IO time saved, % of what there is to save".to_owned(),
        y_scale: Scale::Linear,
        panels: vec![Panel {
            title: String::new(),
            series: vec![
                series("whitelist", Line::bold(ours), capacities, |it| Ok(it.policy(OURS)?.io_time_saved))?,
                series("Yanxuan + LRFU", Line::plain(yanxuan), capacities, |it| Ok(it.policy(YANXUAN)?.io_time_saved))?,
                series("best online", Line::plain(online), capacities, |it| Ok(best_online(it)?.io_time_saved))?,
                series("b0 (clairvoyant nightly)", Line::dashed("8 4"), capacities, |it| {
                    Ok(it.policy(CLAIRVOYANT)?.io_time_saved)
                })?,
                series("b2 (bound on all)", Line::dashed("2 3"), capacities, |it| Ok(it.bounds.b2))?,
            ],
        }],
    })
}

fn series(
    name: &str,
    line: Line,
    capacities: &[(f64, Seeds<'_>)],
    saved: impl Fn(&Report) -> anyhow::Result<f64>,
) -> anyhow::Result<Series> {
    let mut points = Vec::new();
    for (capacity, reports) in capacities {
        let share = mean_of(reports, |report| Ok(100.0 * saved(report)? / report.io_time_possible))?;
        points.push((100.0 * capacity, share.mean));
    }
    Ok(Series { name: name.to_owned(), line, points })
}
