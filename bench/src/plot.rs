//! Line charts as SVG: a figure of panels side by side and below each other, one legend for all. No more than the
//! recorded results need.

use std::fmt::Write as _;

/// Panels that share series, axes and a legend.
pub(crate) struct Figure {
    pub(crate) title: String,
    /// What all panels have upwards, with its unit.
    pub(crate) y_label: String,
    pub(crate) y_scale: Scale,
    /// Left to right, then down, two in a row.
    pub(crate) panels: Vec<Panel>,
}

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// Each decade as high as the next.
    Log,
}

/// One chart.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) series: Vec<Series>,
}

/// One line: points from left to right.
pub(crate) struct Series {
    pub(crate) name: String,
    /// The number of clients, and the value.
    pub(crate) points: Vec<(f64, f64)>,
}

const PANEL_WIDTH: f64 = 400.0;
const PANEL_HEIGHT: f64 = 280.0;
/// Around each panel's chart: room for the axes' numbers and words.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const ABOVE: f64 = 28.0;
const BELOW: f64 = 44.0;
/// Above all panels: title and legend.
const HEAD: f64 = 62.0;

/// Colours that people who see few colours can tell apart, and a dash for the line to compare with.
fn style(name: &str) -> (&'static str, f64, &'static str) {
    match name {
        "larder" => ("#d55e00", 2.6, ""),
        "nginx" => ("#0072b2", 1.6, ""),
        "varnish" => ("#009e73", 1.6, ""),
        "cachey" => ("#aa4499", 1.6, ""),
        _ => ("#555555", 1.6, "5 4"),
    }
}

impl Figure {
    /// The whole document.
    pub(crate) fn svg(&self) -> String {
        let rows = self.panels.len().div_ceil(2);
        let (width, height) = (PANEL_WIDTH * 2.0, HEAD + PANEL_HEIGHT * rows as f64);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"16\" y=\"24\" font-size=\"16\">{}</text>\n",
            escape(&self.title)
        );
        self.legend(&mut svg);
        for (i, panel) in self.panels.iter().enumerate() {
            let (x, y) = ((i % 2) as f64 * PANEL_WIDTH, HEAD + (i / 2) as f64 * PANEL_HEIGHT);
            self.panel(panel, x, y, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        let mut names: Vec<&str> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        for (i, name) in names.into_iter().enumerate() {
            let (x, (colour, stroke, dash)) = (16.0 + i as f64 * 110.0, style(name));
            let _ = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"44\" x2=\"{}\" y2=\"44\" stroke=\"{colour}\" stroke-width=\"{stroke}\" \
                 stroke-dasharray=\"{dash}\"/><circle cx=\"{}\" cy=\"44\" r=\"3.5\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"48\">{}</text>",
                x + 30.0,
                x + 15.0,
                x + 36.0,
                escape(name)
            );
        }
    }

    fn panel(&self, panel: &Panel, x: f64, y: f64, svg: &mut String) {
        let (left, right) = (x + LEFT, x + PANEL_WIDTH - RIGHT);
        let (top, bottom) = (y + ABOVE, y + PANEL_HEIGHT - BELOW);
        let points = || panel.series.iter().flat_map(|series| &series.points);
        let x_axis = Axis::doubling(points().map(|(x, _)| *x));
        let y_axis = Axis::of(self.y_scale, points().map(|(_, y)| *y));
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">clients</text>\n\
             <text transform=\"translate({},{}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            y + 18.0,
            escape(&panel.title),
            (left + right) / 2.0,
            bottom + 36.0,
            x + 16.0,
            (top + bottom) / 2.0,
            escape(&self.y_label)
        );
        for tick in &y_axis.ticks {
            let at = bottom - y_axis.place(*tick) * (bottom - top);
            let _ = writeln!(
                svg,
                "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                number(*tick)
            );
        }
        for tick in &x_axis.ticks {
            let at = left + x_axis.place(*tick) * (right - left);
            let _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"#888\"/>\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 4.0,
                bottom + 18.0,
                number(*tick)
            );
        }
        let _ = writeln!(svg, "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>");
        for series in &panel.series {
            let (colour, stroke, dash) = style(&series.name);
            let places: Vec<(f64, f64)> = series
                .points
                .iter()
                .map(|(x, y)| (left + x_axis.place(*x) * (right - left), bottom - y_axis.place(*y) * (bottom - top)))
                .collect();
            let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{stroke}\" stroke-dasharray=\"{dash}\"/>",
                line.join(" ")
            );
            for (x, y) in places {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
            }
        }
    }
}

/// Where values lie between the ends of an axis.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// An axis on which each doubling is as long as the next, with a tick at each of the values.
    fn doubling(values: impl Iterator<Item = f64>) -> Self {
        let mut ticks: Vec<f64> = values.collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        let (from, to) = (ticks.first().copied().unwrap_or(1.0), ticks.last().copied().unwrap_or(1.0));
        // A little room on both sides, so that no point lies on the edge.
        Self { scale: Scale::Log, from: from / 1.3, to: to * 1.3, ticks }
    }

    /// An axis that holds all values, with ticks at round numbers.
    fn of(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let values = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let largest = values.clone().fold(0.0, f64::max);
        if largest <= 0.0 {
            return Self { scale: Scale::Linear, from: 0.0, to: 1.0, ticks: vec![0.0, 1.0] };
        }
        if scale == Scale::Linear {
            let step = step(largest / 5.0);
            let count = (largest / step).ceil() as usize;
            let ticks: Vec<f64> = (0..=count).map(|i| i as f64 * step).collect();
            return Self { scale, from: 0.0, to: count as f64 * step, ticks };
        }
        let (from, to) = (values.fold(f64::INFINITY, f64::min) / 1.2, largest * 1.2);
        let first = from.log10().floor() as i32;
        let ticks = (first..=to.log10().ceil() as i32)
            .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)))
            .filter(|tick| (from..=to).contains(tick))
            .collect();
        Self { scale, from, to, ticks }
    }

    /// 0 at the beginning of the axis, 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
        };
        place.clamp(0.0, 1.0)
    }
}

/// The next round number that is not below this one: 1, 2 or 5 of its decade.
fn step(at_least: f64) -> f64 {
    let decade = 10f64.powf(at_least.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * decade >= at_least * 0.999_999);
    digit.unwrap_or(10.0) * decade
}

/// As short as it can be said without losing a digit that a tick has.
fn number(value: f64) -> String {
    if value >= 1.0 || value == 0.0 {
        return format!("{}", (value * 10.0).round() / 10.0);
    }
    format!("{value:.4}").trim_end_matches('0').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_begin_at_zero_and_end_at_a_round_number() {
        let axis = Axis::of(Scale::Linear, [3.0, 870.0].into_iter());
        assert_eq!((axis.from, axis.to), (0.0, 1000.0));
        assert_eq!(axis.ticks, [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(axis.place(500.0), 0.5);
    }

    #[test]
    fn logarithmic_axes_have_ticks_within_the_values() {
        let axis = Axis::of(Scale::Log, [4.0, 300.0].into_iter());
        assert_eq!(axis.ticks, [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]);
        assert!(axis.place(4.0) < 0.05 && axis.place(300.0) > 0.95);
        assert!((axis.place(20.0) - axis.place(10.0) - axis.place(200.0) + axis.place(100.0)).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_nothing_can_be_drawn() {
        let figure = Figure {
            title: "a < b".into(),
            y_label: "s".into(),
            y_scale: Scale::Log,
            panels: vec![Panel { title: "none".into(), series: Vec::new() }],
        };
        let svg = figure.svg();
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn ticks_are_written_short() {
        assert_eq!([0.0, 0.05, 0.5, 1.5, 20.0, 1000.0].map(number), ["0", "0.05", "0.5", "1.5", "20", "1000"]);
    }
}
