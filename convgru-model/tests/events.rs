//! Voxel grids of events against their equation.

use convgru_model::Tensor;
use convgru_model::events::{Events, VoxelGrid};

/// Events that look drawn, in the order of their times.
struct Drawn {
    x: Vec<u16>,
    y: Vec<u16>,
    t: Vec<f64>,
    p: Vec<i8>,
}

impl Drawn {
    fn new(count: usize, [height, width]: [u16; 2]) -> Self {
        let number = |i: usize, salt: usize| (i * 7919 + salt * 104_729) % 1009;
        let mut t: Vec<f64> = (0..count).map(|i| 3.0 + number(i, 3) as f64 / 500.0).collect();
        t.sort_by(f64::total_cmp);
        Self {
            x: (0..count).map(|i| number(i, 1) as u16 % width).collect(),
            y: (0..count).map(|i| number(i, 2) as u16 % height).collect(),
            p: (0..count).map(|i| if number(i, 4).is_multiple_of(3) { 0 } else { 1 }).collect(),
            t,
        }
    }

    fn events(&self) -> Events<'_> {
        Events { x: &self.x, y: &self.y, t: &self.t, p: &self.p }
    }
}

const GRID: VoxelGrid = VoxelGrid { bins: 5, height: 6, width: 7, normalized: false };

/// The equation as it stands: every event in every bin.
fn by_definition(grid: VoxelGrid, events: Events<'_>, [first, last]: [f64; 2]) -> Vec<f64> {
    let mut values = vec![0.0; grid.bins * grid.height * grid.width];
    for i in 0..events.t.len() {
        let time = (grid.bins - 1) as f64 * (events.t[i] - first) / (last - first);
        for bin in 0..grid.bins {
            let place =
                (bin * grid.height + usize::from(events.y[i])) * grid.width + usize::from(events.x[i]);
            let polarity = if events.p[i] == 1 { 1.0 } else { -1.0 };
            values[place] += polarity * (1.0 - (bin as f64 - time).abs()).max(0.0);
        }
    }
    values
}

#[test]
fn grids_are_those_of_the_equation() {
    let drawn = Drawn::new(300, [6, 7]);
    let events = drawn.events();
    let own = [drawn.t[0], drawn.t[299]];
    for (window, given) in [(own, None), ([2.5, 6.0], Some([2.5, 6.0]))] {
        let grid: Tensor<f64> = GRID.of(events, given).unwrap();
        assert_eq!(grid.shape(), [5, 6, 7]);
        let expected = by_definition(GRID, events, window);
        let worst = grid.as_slice().iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{worst}");
        // The parts of an event in its bins are the whole event.
        let polarities: f64 = events.p.iter().map(|&p| if p == 1 { 1.0 } else { -1.0 }).sum();
        assert!((grid.as_slice().iter().sum::<f64>() - polarities).abs() < 1e-9);
    }
}

#[test]
fn what_is_not_zero_gets_the_mean_zero_and_the_deviation_one() {
    let drawn = Drawn::new(40, [6, 7]);
    let raw: Tensor<f64> = GRID.of(drawn.events(), None).unwrap();
    let grid: Tensor<f64> = VoxelGrid { normalized: true, ..GRID }.of(drawn.events(), None).unwrap();
    let there: Vec<usize> = (0..raw.len()).filter(|&i| raw.as_slice()[i] != 0.0).collect();
    assert!(there.len() > 20 && there.len() < raw.len());
    let count = there.len() as f64;
    let values = || there.iter().map(|&i| grid.as_slice()[i]);
    assert!(values().sum::<f64>().abs() < 1e-10);
    assert!((values().map(|v| v * v).sum::<f64>() / count - 1.0).abs() < 1e-10);
    let zeros = (0..raw.len()).filter(|i| !there.contains(i)).all(|i| grid.as_slice()[i] == 0.0);
    assert!(zeros);
    // Two numbers that are the same have no deviation.
    let same = Events { x: &[0, 1], y: &[0, 0], t: &[1.0, 1.0], p: &[1, 1] };
    let grid: Tensor<f64> = VoxelGrid { normalized: true, ..GRID }.of(same, None).unwrap();
    assert!(grid.as_slice().iter().all(|&value| value == 0.0));
}

#[test]
fn few_events_and_few_bins_are_no_special_case() {
    let none: Tensor<f32> = GRID.of(Events::default(), None).unwrap();
    assert!(none.as_slice().iter().all(|&value| value == 0.0));
    let one = Events { x: &[6], y: &[5], t: &[9.0], p: &[-1] };
    for window in [None, Some([9.0, 9.0])] {
        let grid: Tensor<f32> = GRID.of(one, window).unwrap();
        assert_eq!((grid.as_slice()[41], grid.as_slice().iter().sum::<f32>()), (-1.0, -1.0));
    }
    let single: Tensor<f32> = VoxelGrid { bins: 1, ..GRID }.of(one, Some([0.0, 9.0])).unwrap();
    assert_eq!((single.shape(), single.as_slice()[41]), (&[1, 6, 7][..], -1.0));
    let last: Tensor<f32> = GRID.of(one, Some([0.0, 9.0])).unwrap();
    assert_eq!(last.as_slice()[4 * 42 + 41], -1.0);
}

#[test]
fn events_that_are_none_are_refused_with_their_place() {
    let good = Events { x: &[1, 2], y: &[0, 1], t: &[1.0, 2.0], p: &[1, 0] };
    let refused = |grid: VoxelGrid, events, window| grid.of::<f32>(events, window).unwrap_err().to_string();
    for (events, told) in [
        (Events { x: &[1], ..good }, "columns of events: 1 given where 2 are needed"),
        (Events { p: &[1, 1, 1], ..good }, "polarities of events: 3 given where 2 are needed"),
        (Events { x: &[1, 7], ..good }, "column of event 1: 7 given where 0 to 6 is possible"),
        (Events { y: &[6, 0], ..good }, "row of event 0: 6 given where 0 to 5 is possible"),
        (Events { p: &[1, 2], ..good }, "p: 2 of event 1"),
        (Events { t: &[2.0, 1.0], ..good }, "t: 1 of event 1 after 2: sort events by time"),
        (Events { t: &[2.0, f64::NAN], ..good }, "t: NaN of event 1 is no time"),
    ] {
        let text = refused(GRID, events, None);
        assert!(text.starts_with(told), "{text}");
    }
    assert!(
        refused(GRID, good, Some([1.5, 3.0])).contains("1 of event 0 is outside the window from 1.5 to 3")
    );
    assert!(refused(GRID, good, Some([3.0, 1.0])).starts_with("window: it begins at 3"));
    assert!(refused(VoxelGrid { bins: 0, ..GRID }, good, None).starts_with("bins: 0 bins of 6 x 7 pixels"));
}
