//! The picture: for each axis the time of every engine, both scales logarithmic.

use super::Row;
use super::table::{engines, title};
use crate::measurement::milliseconds;

const PANEL: [f64; 2] = [380.0, 260.0];
const MARGIN: [f64; 4] = [34.0, 20.0, 34.0, 56.0];
const COLUMNS: usize = 2;

/// Colours of engines on light and on dark pages, ours first.
const COLORS: [[&str; 2]; 6] = [
    ["#0969da", "#4493f8"],
    ["#bc4c00", "#db6d28"],
    ["#1a7f37", "#3fb950"],
    ["#8250df", "#a371f7"],
    ["#bf3989", "#db61a2"],
    ["#57606a", "#9198a1"],
];

/// A picture in SVG with a panel for each axis, of the forward pass.
pub(super) fn draw(rows: &[Row]) -> String {
    let forward: Vec<&Row> = rows.iter().filter(|row| !row.kind.trains()).collect();
    let engines = engines(forward.iter().copied());
    let mut body = String::new();
    let mut panels = 0;
    for group in forward.chunk_by(|a, b| a.axis.name == b.axis.name) {
        body += &format!("<g transform=\"translate({:.0} {:.0})\">\n", corner(panels)[0], corner(panels)[1]);
        body += &panel(group, &engines);
        body += "</g>\n";
        panels += 1;
    }
    body += &legend(&engines, corner(panels));
    let [width, height] = [PANEL[0] * COLUMNS as f64, PANEL[1] * (panels + 1).div_ceil(COLUMNS) as f64];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>Time of a forward pass by the size of the work</title>\n\
         <style>{}</style>\n{body}</svg>\n",
        style()
    )
}

fn style() -> String {
    let mut light = String::from(
        "text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-weight:600}.g{stroke:#d0d7de}",
    );
    let mut dark = String::from("text{fill:#e6edf3}.g{stroke:#30363d}");
    for (index, [on_light, on_dark]) in COLORS.iter().enumerate() {
        let rule = |color: &str| {
            format!(".e{index}{{stroke:{color};fill:none;stroke-width:2}}.d{index}{{fill:{color}}}")
        };
        light += &rule(on_light);
        dark += &rule(on_dark);
    }
    format!("{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn corner(panel: usize) -> [f64; 2] {
    [(panel % COLUMNS) as f64 * PANEL[0], (panel / COLUMNS) as f64 * PANEL[1]]
}

/// From numbers to places, on a logarithmic scale.
struct Scale {
    logarithms: [f64; 2],
    places: [f64; 2],
}

impl Scale {
    fn new(numbers: impl Iterator<Item = f64> + Clone, places: [f64; 2]) -> Self {
        let low = numbers.clone().fold(f64::INFINITY, f64::min).log2();
        let high = numbers.fold(0.0, f64::max).log2();
        // One number alone lies in the middle.
        let logarithms = if high > low { [low, high] } else { [low - 1.0, low + 1.0] };
        Self { logarithms, places }
    }

    fn at(&self, number: f64) -> f64 {
        let [low, high] = self.logarithms;
        let [from, to] = self.places;
        from + (number.log2() - low) / (high - low) * (to - from)
    }
}

fn panel(group: &[&Row], engines: &[&str]) -> String {
    let [top, right, bottom, left] = MARGIN;
    let [width, height] = PANEL;
    let values = group.iter().map(|row| row.value as f64);
    let times = group.iter().flat_map(|row| row.measurements.iter().map(|m| m.median_ms));
    let x = Scale::new(values.clone(), [left, width - right]);
    let y = Scale::new(times, [height - bottom, top]);
    let mut text = words("h", left, top - 14.0, &format!("{}: ms", title(group[0].axis, false)));
    for value in values {
        text += &line("g", [x.at(value), top, x.at(value), height - bottom]);
        text += &words("n", x.at(value) - 8.0, height - bottom + 16.0, &format!("{value}"));
    }
    for power in (-6..=16).map(|power| 10f64.powi(power)) {
        if (y.logarithms[0]..=y.logarithms[1]).contains(&power.log2()) {
            text += &line("g", [left, y.at(power), width - right, y.at(power)]);
            text += &words("n", 6.0, y.at(power) + 4.0, &milliseconds(power));
        }
    }
    for (index, engine) in engines.iter().enumerate() {
        let color = index % COLORS.len();
        let points = group.iter().filter_map(|row| {
            let measurement = row.measurements.iter().find(|m| m.engine == *engine)?;
            Some([x.at(row.value as f64), y.at(measurement.median_ms)])
        });
        let points: Vec<[f64; 2]> = points.collect();
        let path: Vec<String> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        text += &format!("<polyline class=\"e{color}\" points=\"{}\"/>\n", path.join(" "));
        for [x, y] in points {
            text += &format!("<circle class=\"d{color}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\n");
        }
    }
    text
}

fn legend(engines: &[&str], [x, y]: [f64; 2]) -> String {
    let mut text = String::new();
    for (index, engine) in engines.iter().enumerate() {
        let y = y + MARGIN[0] + 20.0 * index as f64;
        text += &line(&format!("e{}", index % COLORS.len()), [x + 40.0, y, x + 70.0, y]);
        text += &words("n", x + 80.0, y + 4.0, engine);
    }
    text
}

fn line(class: &str, [x1, y1, x2, y2]: [f64; 4]) -> String {
    format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n")
}

fn words(class: &str, x: f64, y: f64, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::table::tests::rows;

    #[test]
    fn each_axis_has_a_panel_and_each_engine_a_line() {
        let picture = draw(&rows());
        assert_eq!(picture.matches("<g transform").count(), 2, "{picture}");
        // Two engines in two panels; three values of ours and two of the other.
        assert_eq!(picture.matches("<polyline").count(), 4);
        assert_eq!(picture.matches("<circle").count(), 5);
        assert!(picture.contains(">theirs</text>") && picture.contains("rows and columns, forward pass: ms"));
    }

    #[test]
    fn a_scale_is_logarithmic() {
        let scale = Scale::new([1.0, 4.0].into_iter(), [100.0, 300.0]);
        assert_eq!([1.0, 2.0, 4.0].map(|number| scale.at(number)), [100.0, 200.0, 300.0]);
        assert_eq!(Scale::new([7.0].into_iter(), [0.0, 10.0]).at(7.0), 5.0);
    }
}
