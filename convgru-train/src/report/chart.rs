//! Line charts as inline SVG. Colours come from the style sheet of the page,
//! so that they follow its light and dark modes.

use std::fmt::Write;

use super::axis::Axis;
use super::escape::escape;
use super::number::compact;

/// Space around the plot for labels, in units of the drawing.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 52.0;
/// The width of the drawing; the page scales it to its column.
const WIDTH: f64 = 720.0;

/// A line of a chart.
pub(super) struct Line {
    /// Shown in the legend and when pointing at a marker.
    pub(super) name: String,
    /// The class of the style sheet that gives colour and width.
    pub(super) class: &'static str,
    /// Position and value in rising order of position; all finite.
    pub(super) points: Vec<(f64, f64)>,
    /// Whether each point gets a marker.
    pub(super) markers: bool,
    /// Whether the line is listed in the legend.
    pub(super) in_legend: bool,
}

/// A chart: axes, their names, and lines.
pub(super) struct Chart<'a> {
    /// Makes the ids of the drawing unique on the page.
    pub(super) id: &'a str,
    /// What the chart shows, read by screen readers.
    pub(super) description: &'a str,
    pub(super) x_name: &'a str,
    pub(super) y_name: &'a str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: &'a [Line],
    /// Height of the drawing.
    pub(super) height: f64,
}

impl Chart<'_> {
    /// The legend and the drawing.
    pub(super) fn draw(&self) -> String {
        let mut svg = self.legend();
        let (id, height) = (self.id, self.height);
        let _ = write!(
            svg,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title\">\
             <title id=\"{id}-title\">{}</title>",
            escape(self.description)
        );
        self.draw_grid(&mut svg);
        for line in self.lines {
            self.draw_line(line, &mut svg);
        }
        svg.push_str("</svg>");
        svg
    }

    fn legend(&self) -> String {
        let mut html = String::from("<ul class=\"legend\">");
        for line in self.lines.iter().filter(|line| line.in_legend) {
            let _ = write!(html, "<li><span class=\"key {}\"></span>{}</li>", line.class, escape(&line.name));
        }
        html.push_str("</ul>");
        html
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.place(value) * (self.height - BOTTOM - TOP)
    }

    fn draw_grid(&self, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, self.height - BOTTOM);
        for (value, label) in &self.y.ticks {
            let y = self.y(*value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{y:.1}\" dy=\"0.34em\" text-anchor=\"end\">{label}</text>",
                LEFT - 9.0
            );
        }
        for (value, label) in &self.x.ticks {
            let x = self.x(*value);
            let _ = write!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>\
                 <text class=\"tick below\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                bottom + 20.0
            );
        }
        let middle = (LEFT + right) / 2.0;
        let centre = (TOP + bottom) / 2.0;
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>\
             <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"name\" transform=\"translate(15 {centre:.1}) rotate(-90)\" text-anchor=\"middle\">{}{}</text>",
            self.height - 8.0,
            escape(self.x_name),
            escape(self.y_name),
            if self.y.is_logarithmic() { " (log)" } else { "" },
        );
    }

    fn draw_line(&self, line: &Line, svg: &mut String) {
        let mut path = String::new();
        for (i, &(x, y)) in line.points.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, self.x(x), self.y(y));
        }
        if line.points.len() > 1 {
            let _ = write!(svg, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
        }
        for &(x, y) in line.points.iter().filter(|_| line.markers || line.points.len() == 1) {
            let _ = write!(
                svg,
                "<circle class=\"marker {}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}, {} {x}: {}</title></circle>",
                line.class,
                self.x(x),
                self.y(y),
                escape(&line.name),
                escape(self.x_name),
                compact(y)
            );
        }
    }
}

/// At most `count` points: the mean of each bucket of neighbours.
pub(super) fn thinned(points: &[(f64, f64)], count: usize) -> Vec<(f64, f64)> {
    let bucket = points.len().div_ceil(count.max(1)).max(1);
    let mean = |bucket: &[(f64, f64)]| {
        let n = bucket.len() as f64;
        let (x, y) = bucket.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
        (x, y)
    };
    points.chunks(bucket).map(mean).collect()
}

/// Running means `m_t = m_{t-1} + (y_t - m_{t-1}) / min(memory, 1 + t / 8)`:
/// exponentially weighted over about `memory` points, over fewer at the start,
/// where a loss falls fast.
pub(super) fn smoothed(points: &[(f64, f64)], memory: f64) -> Vec<(f64, f64)> {
    let mut mean = 0.0;
    let mut smooth = |(t, &(x, y)): (usize, &(f64, f64))| {
        mean += (y - mean) / memory.max(1.0).min(1.0 + t as f64 / 8.0);
        (x, mean)
    };
    points.iter().enumerate().map(&mut smooth).collect()
}

/// The smallest and largest value of all lines; `None` without points.
pub(super) fn range(lines: &[Line]) -> Option<(f64, f64)> {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let low = values().reduce(f64::min)?;
    let high = values().reduce(f64::max)?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_a_constant_and_follows_a_step() {
        let constant: Vec<_> = (0..50).map(|i| (f64::from(i), 3.0)).collect();
        assert!(smoothed(&constant, 10.0).iter().all(|point| (point.1 - 3.0).abs() < 1e-12));
        let step: Vec<_> = (0..100).map(|i| (f64::from(i), if i < 50 { 0.0 } else { 1.0 })).collect();
        let smooth = smoothed(&step, 10.0);
        assert!(smooth[50].1 > 0.0 && smooth[50].1 < 0.2 && smooth[99].1 > 0.99);
    }

    #[test]
    fn thinning_takes_means_of_neighbours() {
        let points: Vec<_> = (0..10).map(|i| (f64::from(i), f64::from(i * 2))).collect();
        assert_eq!(thinned(&points, 5), [(0.5, 1.0), (2.5, 5.0), (4.5, 9.0), (6.5, 13.0), (8.5, 17.0)]);
        assert_eq!(thinned(&points, 100), points);
        assert_eq!(thinned(&[], 5), []);
    }
}
