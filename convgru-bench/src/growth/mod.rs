//! `--growth`: how time and memory grow with the size of the work.

mod axis;
mod chart;
mod table;

use std::path::Path;

use anyhow::Context;
use convgru_bench::{Kind, Workload};

use crate::cli::Options;
use crate::compare::{self, Turns};
use crate::measurement::Measurement;
use crate::progress::{Progress, note, print};
use axis::{AXES, Axis, Point};

/// One point of an axis: the size, and what every engine needed.
#[derive(Debug, Clone)]
struct Row {
    axis: &'static Axis,
    value: usize,
    kind: Kind,
    measurements: Vec<Measurement>,
}

/// Measures every point of every axis and prints tables; writes the picture where one was asked for.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = options.chosen_threads(cores)?.into_iter().max().unwrap_or(1);
    let engines = compare::chosen_engines(options)?;
    let rounds = options.chosen_rounds()?;
    let points: Vec<(Point, Workload)> = AXES
        .iter()
        .flat_map(|axis| axis.points(most))
        .map(|point| Ok((point, point.workload()?)))
        .collect::<anyhow::Result<_>>()?;
    let turns = points
        .iter()
        .map(|(_, workload)| engines.iter().filter(|engine| engine.takes(workload.kind)).count() * rounds)
        .sum();
    let mut progress = Progress::new(turns);
    let mut rows = Vec::new();
    for (point, workload) in &points {
        let turns = Turns { rounds, engines: &engines, memory: true };
        let threads = [(point.threads, None)];
        let measurements = turns.measure(workload, &threads, &mut progress)?;
        rows.push(Row { axis: point.axis, value: point.value, kind: point.kind, measurements });
    }
    if options.json {
        print(&table::json(&rows)?);
    } else {
        print(&table::markdown(&rows));
    }
    note(&format!("disturbed turns: {}", progress.disturbances()));
    options.picture.as_deref().map_or(Ok(()), |path| write_picture(path, &rows))
}

fn write_picture(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    std::fs::write(path, chart::draw(rows)).with_context(|| format!("cannot write {}", path.display()))?;
    note(&format!("the picture is {}", path.display()));
    Ok(())
}
