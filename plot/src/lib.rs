//! Line charts as SVG: a figure of panels side by side and below each other, one legend for all. No more than the recorded
//! results and the simulator's curves need; a crate of its own, because the command line and the benchmarks draw with it.
//!
//! Ours, because the charting crates write fixed colours: here a style sheet gives ink and paper, so that a chart can be read
//! on a light page and on a dark one. It names no font and loads nothing.

use std::fmt::Write as _;

/// Panels that share series, axes and a legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// What all panels have to the right, with its unit. The axis is logarithmic.
    pub x_label: String,
    /// Where that axis has numbers.
    pub x_ticks: Ticks,
    /// What all panels have upwards, with its unit.
    pub y_label: String,
    /// How that becomes a height.
    pub y_scale: Scale,
    /// Left to right, then down, two in a row; one alone takes all the width.
    pub panels: Vec<Panel>,
}

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero; what is below zero lies on it.
    Linear,
    /// Each decade as high as the next.
    Log,
}

/// Where an axis has numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ticks {
    /// At each point's own value.
    OfPoints,
    /// At round numbers.
    Round,
}

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What tells it from the others; nothing is written where it is empty.
    pub title: String,
    /// Its lines. Those of one name look alike in all panels.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// As the legend says it.
    pub name: String,
    /// How it is drawn.
    pub line: Line,
    /// To the right and upwards, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// An SVG colour that can be seen on white and on black; `None` for the ink of the page.
    pub colour: Option<&'static str>,
    /// In pixels.
    pub width: f64,
    /// Lengths of dashes and gaps, of lines that others are compared with. Such lines have no dots.
    pub dashes: Option<&'static str>,
}

impl Line {
    /// Colours that people who see few colours can tell apart (after M. Okabe and K. Ito, "Color Universal Design", 2008).
    pub const COLOURS: [&'static str; 7] =
        ["#d55e00", "#0072b2", "#009e73", "#aa4499", "#56b4e9", "#e69f00", "#999933"];

    /// A plain line of that colour.
    pub fn plain(colour: &'static str) -> Self {
        Self { colour: Some(colour), width: 1.6, dashes: None }
    }

    /// A line that stands out.
    pub fn bold(colour: &'static str) -> Self {
        Self { width: 2.6, ..Self::plain(colour) }
    }

    /// A line to compare with.
    pub fn dashed(dashes: &'static str) -> Self {
        Self { colour: None, width: 1.6, dashes: Some(dashes) }
    }

    fn attributes(&self) -> String {
        let colour = match self.colour {
            Some(colour) => format!("stroke=\"{colour}\""),
            None => "class=\"inked\"".to_owned(),
        };
        let dash = self.dashes.map(|dashes| format!(" stroke-dasharray=\"{dashes}\"")).unwrap_or_default();
        format!("{colour} stroke-width=\"{}\"{dash}", self.width)
    }

    fn dot(&self, x: f64, y: f64) -> String {
        match self.colour {
            Some(colour) if self.dashes.is_none() => {
                format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>")
            }
            _ => String::new(),
        }
    }
}

const WIDTH: f64 = 800.0;
/// Of panels in pairs, and of one alone.
const PANEL_HEIGHT: f64 = 280.0;
const PANEL_HEIGHT_ALONE: f64 = 420.0;
/// Around each panel's chart: room for the axes' numbers and words.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 16.0;
const ABOVE: f64 = 28.0;
const BELOW: f64 = 44.0;
/// Above all panels: the title, and each row of the legend.
const HEAD: f64 = 34.0;
const LEGEND_ROW: f64 = 22.0;

/// What a viewer without style sheets shows is black on white.
const STYLE: &str = "<style>.paper{fill:#fff}text{fill:#222}.grid{stroke:#ddd}.axis{stroke:#888}.inked{stroke:#555}\
    @media (prefers-color-scheme:dark){.paper{fill:#16181d}text{fill:#ddd}.grid{stroke:#363a42}.inked{stroke:#bbb}}</style>";

/// Where a panel lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Figure {
    /// The whole document.
    pub fn svg(&self) -> String {
        let per_row = self.panels.len().clamp(1, 2);
        let rows = self.panels.len().div_ceil(per_row);
        let panel_height = if self.panels.len() == 1 { PANEL_HEIGHT_ALONE } else { PANEL_HEIGHT };
        let mut legend = String::new();
        let head = self.legend(&mut legend);
        let height = head + panel_height * rows as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"none\">\n{STYLE}\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
             <text x=\"16\" y=\"24\" font-size=\"16\">{}</text>\n{legend}",
            escape(&self.title)
        );
        let width = WIDTH / per_row as f64;
        for (i, panel) in self.panels.iter().enumerate() {
            let (x, y) = ((i % per_row) as f64 * width, head + (i / per_row) as f64 * panel_height);
            self.panel(panel, Place { x, y, width, height: panel_height }, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Writes the legend, and says where it ends.
    fn legend(&self, svg: &mut String) -> f64 {
        let mut known: Vec<&Series> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !known.iter().any(|other| other.name == series.name) {
                known.push(series);
            }
        }
        let (mut x, mut y) = (16.0, HEAD + 10.0);
        for Series { name, line, .. } in known {
            // A letter takes about 7 pixels in most fonts.
            let width = 36.0 + 7.0 * name.chars().count() as f64 + 16.0;
            if x > 16.0 && x + width > WIDTH {
                (x, y) = (16.0, y + LEGEND_ROW);
            }
            let _ = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" {}/>{}<text x=\"{}\" y=\"{}\">{}</text>",
                x + 30.0,
                line.attributes(),
                line.dot(x + 15.0, y),
                x + 36.0,
                y + 4.0,
                escape(name)
            );
            x += width;
        }
        y + LEGEND_ROW - 4.0
    }

    fn panel(&self, panel: &Panel, place: Place, svg: &mut String) {
        let Place { x, y, width, height } = place;
        let (left, right) = (x + LEFT, x + width - RIGHT);
        let (top, bottom) = (y + ABOVE, y + height - BELOW);
        let points = || panel.series.iter().flat_map(|series| &series.points);
        let x_values = points().map(|(x, _)| *x);
        let x_axis = match self.x_ticks {
            Ticks::OfPoints => Axis::doubling(x_values),
            Ticks::Round => Axis::of(Scale::Log, x_values),
        };
        let y_axis = Axis::of(self.y_scale, points().map(|(_, y)| *y));
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate({},{}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            y + 18.0,
            escape(&panel.title),
            (left + right) / 2.0,
            bottom + 36.0,
            escape(&self.x_label),
            x + 16.0,
            (top + bottom) / 2.0,
            escape(&self.y_label)
        );
        for tick in &y_axis.ticks {
            let at = bottom - y_axis.place(*tick) * (bottom - top);
            let _ = writeln!(
                svg,
                "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" class=\"grid\"/>\
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
                "<line x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{}\" class=\"axis\"/>\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 4.0,
                bottom + 18.0,
                number(*tick)
            );
        }
        let _ = writeln!(svg, "<path d=\"M{left} {top}V{bottom}H{right}\" class=\"axis\"/>");
        for Series { line, points, .. } in &panel.series {
            let places: Vec<(f64, f64)> = points
                .iter()
                .map(|(x, y)| (left + x_axis.place(*x) * (right - left), bottom - y_axis.place(*y) * (bottom - top)))
                .collect();
            let drawn: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dots: String = places.iter().map(|(x, y)| line.dot(*x, *y)).collect();
            let _ = writeln!(svg, "<polyline points=\"{}\" {}/>{dots}", drawn.join(" "), line.attributes());
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
            x_label: "clients".into(),
            x_ticks: Ticks::OfPoints,
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

    #[test]
    fn every_line_has_its_name_in_a_legend_that_stays_within_the_figure() {
        let name = |i: usize| format!("a policy with a long name, {i}");
        let line = |i: usize| Series {
            name: name(i),
            line: if i == 9 { Line::dashed("5 4") } else { Line::plain(Line::COLOURS[i % 7]) },
            points: vec![(0.5, i as f64), (100.0, 90.0)],
        };
        let svg = Figure {
            title: "curves".into(),
            x_label: "capacity, %".into(),
            x_ticks: Ticks::Round,
            y_label: "saved, %".into(),
            y_scale: Scale::Linear,
            panels: vec![Panel { title: String::new(), series: (0..10).map(line).collect() }],
        }
        .svg();
        for i in 0..10 {
            assert_eq!(svg.matches(&name(i)).count(), 1);
        }
        assert_eq!(svg.matches("<polyline").count(), 10);
        // Only lines of the legend say their width, and each needs room for its name.
        let begin = |line: &str| line.strip_prefix("<line x1=\"")?.split('"').next()?.parse().ok();
        let begins: Vec<f64> = svg.lines().filter(|line| line.contains("stroke-width")).filter_map(begin).collect();
        assert_eq!(begins.len(), 10);
        assert!(begins.iter().all(|x| *x < WIDTH - 200.0), "{begins:?}");
        assert!(svg.contains("capacity, %") && svg.contains("prefers-color-scheme:dark"));
    }
}
