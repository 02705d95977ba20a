use super::*;

const HOSTILE: &str = "<script>alert('x')</script> & \"quoted\" \u{1}";

/// A bright square that moves right; the prediction lags by one pixel.
fn panel(inputs: usize, outputs: usize, [channels, height, width]: [usize; 3]) -> SequencePanel {
    let frames = |first: usize, count: usize, lag: usize| {
        Tensor::from_fn(&[count, channels, height, width], |i| {
            let (x, step) = (i % width, first + i / (channels * height * width));
            if (x + lag) % width == step % width { 1.0 } else { 0.1 }
        })
    };
    SequencePanel {
        input: frames(0, inputs, 0),
        truth: frames(inputs, outputs, 0),
        prediction: frames(inputs, outputs, 1),
        ..SequencePanel::default()
    }
}

fn report(sequences: Vec<SequencePanel>) -> Report {
    let row =
        |name: &str, mse: f64| (name.to_owned(), Metrics { mse, mae: 2.0 * mse, ssim: 0.8, psnr: 20.0 });
    let step = |step: u64| StepRecord {
        step,
        epoch: 0,
        loss: 1.0 / step as f64,
        learning_rate: 1e-3,
        gradient_norm: 1.0,
        teacher_forcing: 0.0,
    };
    let validation = |step: u64, loss: f64| ValidationRecord {
        step,
        loss,
        metrics: Metrics::default(),
        mse_copy_last: 1.0,
        mse_mean: 1.0,
        ensemble: None,
        events: Vec::new(),
    };
    Report {
        title: HOSTILE.into(),
        summary: HOSTILE.into(),
        facts: vec![(HOSTILE.into(), HOSTILE.into())],
        config_toml: format!("[model]\nname = '{HOSTILE}'"),
        loss_name: HOSTILE.into(),
        steps: (1..=2000).map(step).collect(),
        validations: vec![validation(1000, 0.01), validation(2000, 0.004)],
        table: vec![row("model", 40.0), row(HOSTILE, 160.0), row("predict the mean", 100.0)],
        lead_times: vec![("model".into(), vec![20.0, 40.0]), (HOSTILE.into(), vec![80.0, 240.0])],
        scores: vec![ScoreChart {
            name: HOSTILE.into(),
            value_name: "CSI".into(),
            lead_name: HOSTILE.into(),
            leads: vec![5.0, 10.0],
            series: vec![("model".into(), vec![0.8, f64::NAN]), (HOSTILE.into(), vec![0.7, 0.6])],
        }],
        sequences,
        files: vec![("checkpoint".into(), HOSTILE.into())],
        next: vec![HOSTILE.into()],
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_escapes_all_text() {
    let page = html(&report(vec![panel(3, 2, [1, 8, 8]); 2])).unwrap();
    for forbidden in ["http://", "https://", "src=", "@import", "<script>alert", "& \"", "\u{1}", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.matches("&lt;script&gt;alert(&#39;x&#39;)").count() >= 12);
    assert_eq!(page.matches("url(").count(), page.matches("url(data:image/png;base64,").count());
}

#[test]
fn elements_are_closed_in_order_and_ids_are_unique() {
    let page = html(&report(vec![panel(3, 2, [1, 8, 8]); 6])).unwrap();
    let body = &page[page.find("<body>").unwrap()..page.find("<script>").unwrap()];
    let mut open = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closing {name}");
        } else if !tag.ends_with('/') && name != "input" {
            open.push(name);
        }
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap()), "{id}");
        }
    }
    assert_eq!(open, ["body"]);
}

#[test]
fn the_page_says_what_it_is_told() {
    let page = html(&report(vec![panel(3, 2, [1, 8, 8])])).unwrap();
    assert!(page.contains("0.250×"), "the ratio of 40 to 160");
    assert!(page.contains("data-times=\"input t−2|input t−1|input t|prediction t+1|prediction t+2\""));
    assert!(page.contains(" (log)"), "a loss over three decades is drawn on a logarithmic axis");
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    for heading in [
        "Predictions",
        "Metrics",
        "Error by lead time",
        "Scores by lead time",
        "Loss",
        "Facts",
        "Files",
        "What to run next",
    ] {
        assert!(page.contains(&format!("<h2>{heading}</h2>")), "{heading}");
    }
    // Each column of the truth differs by 0.9 in two pixels of eight: 2 x 0.81 x 8 rows.
    assert!(page.contains("MSE 12.96 <span>(copying the last frame: 12.96)</span>"));
}

#[test]
fn parts_without_content_are_left_out() {
    let page = html(&Report { title: "empty".into(), ..Report::default() }).unwrap();
    assert!(!page.contains("<section>") && !page.contains("<script>"));
}

#[test]
fn numbers_that_are_not_finite_do_not_break_the_page() {
    let mut report = report(vec![]);
    for (point, loss) in report.steps.iter_mut().zip([f64::NAN, f64::INFINITY, 0.0, -1.0, 1e300]) {
        point.loss = loss;
        point.learning_rate = loss;
    }
    report.table[0].1.mse = f64::NAN;
    report.table[1].1.psnr = f64::INFINITY;
    report.table[1].1.mse = 0.0;
    report.lead_times[0].1 = vec![f64::NAN; 2];
    let page = html(&report).unwrap();
    assert!(page.contains("–") && page.contains("∞"));
    for word in ["NaN", "inf "] {
        let around = page.find(word).map(|at| &page[at.saturating_sub(80)..at + 10]);
        assert_eq!(around, None);
    }
    report.steps.truncate(1);
    report.validations.clear();
    report.lead_times.truncate(1);
    html(&report).unwrap();
}

/// The image of the only sequence of a page.
fn sheet_of(page: &str) -> (png::OutputInfo, Vec<u8>) {
    use base64::Engine;
    let data = page.split("base64,").nth(1).unwrap().split(')').next().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info, pixels)
}

#[test]
fn the_sheet_holds_every_frame_with_its_border() {
    let panel = panel(2, 3, [1, 4, 6]);
    let page = html(&Report { sequences: vec![panel.clone()], ..Report::default() }).unwrap();
    let (info, pixels) = sheet_of(&page);
    assert_eq!((info.width, info.height), (5 * 8, 3 * 6));
    let at = |row: usize, frame: usize, x: usize, y: usize| {
        let start = ((row * 6 + y) * 40 + frame * 8 + x) * 3;
        [pixels[start], pixels[start + 1], pixels[start + 2]]
    };
    for y in 0..6usize {
        for x in 0..8usize {
            let (inside_x, inside_y) = (x.saturating_sub(1).min(5), y.saturating_sub(1).min(3));
            let pixel = inside_y * 6 + inside_x;
            assert_eq!(at(0, 1, x, y), [crate::media::byte(panel.input.slice(1)[pixel]); 3]);
            assert_eq!(at(0, 4, x, y), [crate::media::byte(panel.truth.slice(2)[pixel]); 3]);
            assert_eq!(at(1, 3, x, y), [crate::media::byte(panel.prediction.slice(1)[pixel]); 3]);
            assert_eq!(at(1, 0, x, y), [0; 3]);
            let difference = (panel.truth.slice(0)[pixel] - panel.prediction.slice(0)[pixel]).abs();
            assert_eq!(at(2, 2, x, y), palette::difference_colour(difference));
        }
    }
}

#[test]
fn panels_that_do_not_fit_are_refused() {
    let good = panel(2, 3, [1, 4, 6]);
    let mut other_prediction = good.clone();
    other_prediction.prediction = Tensor::zeros(&[2, 1, 4, 6]);
    let mut flat = good.clone();
    flat.input = Tensor::zeros(&[2, 4, 6]);
    let mut empty = good.clone();
    empty.input = Tensor::zeros(&[0, 1, 4, 6]);
    for (panels, needle) in [
        (vec![other_prediction], "must agree"),
        (vec![flat], "[2, 4, 6]"),
        (vec![empty], "no pixels"),
        (vec![panel(2, 3, [2, 4, 4])], "got 2"),
        (vec![good, panel(2, 4, [1, 4, 6])], "same sizes"),
        (vec![panel(1, 1, [1, 1, 25000])], "65535"),
    ] {
        let error = animation(&panels).unwrap_err().to_string();
        assert!(error.contains(needle), "{needle}: {error}");
    }
    assert!(animation(&[]).is_err());
}

#[test]
fn the_animation_has_a_frame_for_each_of_the_sequence() {
    for (count, shape, width) in [(8, [1, 64, 64], 416), (1, [3, 5, 1], 209), (2, [1, 7, 300], 932)] {
        let bytes = animation(&vec![panel(4, 3, shape); count]).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).unwrap();
        assert_eq!(usize::from(decoder.width()), width, "{shape:?}");
        let mut delays = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            delays.push(frame.delay);
            seen.insert(frame.buffer.to_vec());
        }
        assert_eq!(delays, [12, 12, 12, 12, 12, 12, 150]);
        assert_eq!(seen.len(), 7, "frames differ");
        assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    }
}

#[test]
fn panes_of_the_animation_show_their_frames() {
    let panel = panel(2, 2, [1, 64, 64]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prediction.gif");
    crate::write_atomically(&path, &animation(std::slice::from_ref(&panel)).unwrap()).unwrap();
    let frames = crate::dataset::read_frames(
        &path,
        &crate::dataset::FramesConfig::default(),
        &crate::ReadBudget::new(512, "a test"),
    )
    .unwrap();
    let (height, width) = (frames.shape()[2], frames.shape()[3]);
    let red = |frame: usize, x: usize, y: usize| frames.slice(frame)[y * width + x];
    // Letters are two pixels high each: the panes begin below two gaps and 14 pixels.
    let (top, columns) = (30, [8, 144, 280]);
    assert_eq!(height, top + 128 + 8 + 4 + 8 + 14 + 8);
    for y in [0, 63] {
        for x in 0..64 {
            let near =
                |found: f32, expected: f32| assert!((found - expected).abs() < 0.003, "{found} {expected}");
            let at = |frame, pane: usize| red(frame, columns[pane] + 2 * x, top + 2 * y);
            let pixel = y * 64 + x;
            near(at(1, 0), panel.input.slice(1)[pixel]);
            near(at(2, 1), panel.truth.slice(0)[pixel]);
            near(at(3, 2), panel.prediction.slice(1)[pixel]);
            assert_eq!(at(0, 1), at(1, 2), "panes are empty during the input");
            assert!(at(3, 0) < 0.4, "the last input is dimmed");
        }
    }
}

/// Rain that moves right, the left column never measured.
fn rain() -> SequencePanel {
    let frames = |first: usize, count: usize| {
        Tensor::from_fn(&[count, 1, 4, 8], |i| match (i % 8, first + i / 32) {
            (0, _) => f32::NAN,
            (x, step) if x == 1 + step => 3.0,
            _ => 0.0,
        })
    };
    SequencePanel {
        name: HOSTILE.into(),
        shades: Shades::Rain,
        minutes_per_step: Some(5.0),
        times: (0..5).map(|step| format!("12:{:02}", 5 * step)).collect(),
        input: frames(0, 2),
        same_times: false,
        truth: frames(2, 3),
        prediction: frames(1, 3),
        baselines: vec![("optical flow".into(), frames(2, 3)), ("persistence".into(), frames(0, 3))],
    }
}

#[test]
fn rain_has_its_colours_its_clock_and_its_baselines() {
    let page = html(&Report { sequences: vec![rain()], ..Report::default() }).unwrap();
    let (info, pixels) = sheet_of(&page);
    assert_eq!((info.width, info.height), (5 * 10, 4 * 6));
    let at = |row: usize, frame: usize, x: usize| {
        let start = ((row * 6 + 1) * 50 + frame * 10 + x + 1) * 3;
        [pixels[start], pixels[start + 1], pixels[start + 2]]
    };
    for (row, moved) in [(0, 3), (1, 2), (2, 3), (3, 1)] {
        assert_eq!(at(row, 2, 0), rain::MISSING, "row {row}");
        assert_eq!(at(row, 2, moved), rain::rain_colour(3.0), "row {row}");
        assert_eq!(at(row, 2, 7), rain::DRY, "row {row}");
    }
    assert!(page.contains("data-times=\"observed −5 min|observed 0 min|forecast +5 min|forecast +10 min|"));
    assert!(page.contains("data-times=\"12:00|12:05|12:10|12:15|12:20\""));
    assert!(page.contains("<span>persistence</span>") && page.contains("not measured"));
    // Two pixels of seven are wrong by 3 mm/h.
    assert!(page.contains("convgru 0.86, optical flow 0.00, persistence 0.86"), "{page}");
}

#[test]
fn rain_is_animated_beside_its_baselines() {
    let bytes = animation(&[rain(), rain()]).unwrap();
    let mut decoder = gif::DecodeOptions::new().read_info(&bytes[..]).unwrap();
    let mut frames = 0;
    while decoder.read_next_frame().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 5);
    let mut other = rain();
    other.baselines[0].0 = "another".into();
    let error = animation(&[rain(), other]).unwrap_err().to_string();
    assert!(error.contains("another"), "{error}");
    let wrong_times = SequencePanel { times: vec![String::new()], ..rain() };
    assert!(animation(&[wrong_times]).unwrap_err().to_string().contains("1 times for 5 frames"));
}
