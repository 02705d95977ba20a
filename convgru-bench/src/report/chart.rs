//! Horizontal bars in SVG, readable on light and on dark pages.

use super::Machine;
use super::tables::others;
use crate::engines::OURS;
use crate::measurement::Measurement;

const WIDTH: f64 = 760.0;
/// Where bars begin; names stand before it.
const LEFT: f64 = 150.0;
/// Where the longest bar ends; figures stand after it.
const RIGHT: f64 = 670.0;
const BAR: f64 = 13.0;
const GAP: f64 = 3.0;
const HEADING: f64 = 30.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-weight:600;font-size:13px}.n{fill:#57606a}\
.o{fill:#8c959f}.u{fill:#0969da}.p{stroke:#cf222e;stroke-dasharray:3 3}.k{fill:#cf222e}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}.o{fill:#656c76}.u{fill:#4493f8}\
.p{stroke:#f85149}.k{fill:#f85149}}";

/// GFLOP/s of every engine at every workload, with the most threads that were measured.
pub(super) fn draw(machine: &Machine<'_>) -> String {
    let threads = machine.groups.iter().map(|(_, group)| group[0].threads).max().unwrap_or(1);
    let groups: Vec<_> =
        machine.groups.iter().map(|(_, group)| *group).filter(|group| group[0].threads == threads).collect();
    let engines = [vec![OURS], others(machine)].concat();
    let peaks = groups.iter().flat_map(|group| group.iter().filter_map(|m| m.fma_peak_gflops));
    let peak = peaks.fold(0.0, f64::max);
    let longest =
        groups.iter().flat_map(|group| group.iter().map(|m| m.gflops)).fold(peak.max(1.0), f64::max);
    let scale = (RIGHT - LEFT) / longest;
    let mut body = String::new();
    let mut y = 24.0;
    let cpu = machine.newest.facts.get("cpu").map_or("unknown CPU", String::as_str);
    let plural = if threads == 1 { "" } else { "s" };
    body += &words("h", 10.0, y, &format!("GFLOP/s, longer is better: {threads} thread{plural}, {cpu}"));
    let top = y + 10.0;
    for group in groups {
        y += HEADING;
        body += &words("h", 10.0, y, &group[0].workload);
        y += GAP + 3.0;
        for engine in &engines {
            let Some(measurement) = group.iter().find(|measurement| measurement.engine == *engine) else {
                continue;
            };
            body += &bar(measurement, y, scale);
            y += BAR + GAP;
        }
    }
    if peak > 0.0 {
        let x = LEFT + peak * scale;
        body += &format!("<line class=\"p\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.0}\" y2=\"{y:.0}\"/>\n");
        y += 14.0;
        body += &words("k", x - 60.0, y, &format!("FMA peak {peak:.0}"));
    }
    let height = y + 14.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>convgru and other libraries, GFLOP/s</title>\n\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn bar(measurement: &Measurement, y: f64, scale: f64) -> String {
    let class = if measurement.engine == OURS { "u" } else { "o" };
    let length = measurement.gflops * scale;
    let base = y + BAR - 2.5;
    let name = words("n", 24.0, base, &measurement.engine);
    let figure = words("n", LEFT + length + 5.0, base, &format!("{:.0}", measurement.gflops));
    format!(
        "{name}<rect class=\"{class}\" x=\"{LEFT:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR:.0}\" rx=\"2\"/>\n\
         {figure}"
    )
}

fn words(class: &str, x: f64, y: f64, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measurement;
    use crate::record::Record;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let newest = Record {
            name: "2026-01-01".into(),
            cpu: "c".into(),
            facts: [("cpu".to_owned(), "A <B> & C".to_owned())].into(),
            measurements: Vec::new(),
        };
        let one = [measurement("raft", 1, OURS, 10.0)];
        let two = [measurement("raft", 2, OURS, 2.0), measurement("raft", 2, "openvino", 8.0)];
        let picture = draw(&Machine { newest: &newest, groups: vec![("", &one), ("", &two)] });
        assert!(picture.contains("A &lt;B&gt; &amp; C"), "{picture}");
        // 500 GFLOP/s fill the width, 125 a quarter of it; the single thread is not shown.
        assert!(picture.contains("width=\"520.0\"") && picture.contains("width=\"130.0\""), "{picture}");
        assert_eq!(picture.matches("<rect").count(), 2);
        assert!(picture.contains("FMA peak 200"), "{picture}");
    }
}
