//! The trainings that are tried.

use std::path::Path;

use clap::ValueEnum;

use crate::synthetic_data::Kind;

/// What all runs are configured with: checkpoints, generations that are removed, a new best one.
const RUN: &[&str] = &["training.steps=6", "training.checkpoint_every=2", "training.validate_every=4"];

/// Besides, for the quick form.
const SMALL: &[&str] = &[
    "model.hidden_channels=[8]",
    "data.size=32",
    "data.digit_size=14",
    "data.input_frames=3",
    "data.output_frames=3",
    "data.train_sequences=32",
    "data.validation_sequences=4",
    "data.test_sequences=4",
    "training.batch_size=2",
];

/// Besides, for the whole form: the network of the preset, and so its checkpoints; fewer and shorter sequences, which
/// make no other calls.
const REAL: &[&str] = &[
    "data.input_frames=3",
    "data.output_frames=3",
    "data.validation_sequences=4",
    "data.test_sequences=4",
    "training.batch_size=2",
];

/// Faults of the quick form in a run that reads its data, and of the whole form.
const FEW: usize = 90;
const MANY: usize = 400;

/// What a training learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Learns {
    /// Digits that are drawn.
    Digits,
    /// Arrays and netCDF.
    Arrays,
    /// Radar images.
    Radar,
}

/// A training, what it learns from and how thoroughly it is tried.
pub(super) struct Subject {
    /// The name of its rows where a run is begun; none where that is not tried.
    pub(super) begun: Option<&'static str>,
    /// The name of its rows where a killed run is resumed.
    pub(super) resumed: &'static str,
    pub(super) learns: Learns,
    /// At most so many faults, evenly over all of them.
    pub(super) most: usize,
    settings: Vec<&'static str>,
}

impl Subject {
    /// Digits that are drawn, and each kind of data in files.
    pub(super) fn all(is_quick: bool) -> Vec<Self> {
        let digits = Self {
            begun: Some("train"),
            resumed: "resume",
            learns: Learns::Digits,
            most: usize::MAX,
            settings: if is_quick { SMALL } else { REAL }.to_vec(),
        };
        let from_files = |(learns, data, begun, resumed): (_, Kind, _, _)| Self {
            begun: (!is_quick).then_some(begun),
            resumed,
            learns,
            most: if is_quick { FEW } else { MANY },
            settings: data.settings(),
        };
        let files = [
            (Learns::Arrays, Kind::Arrays, "arrays-train", "arrays-resume"),
            (Learns::Radar, Kind::Radar, "radar-train", "radar-resume"),
        ];
        std::iter::once(digits).chain(files.map(from_files)).collect()
    }

    /// The data in files, if it learns from any.
    pub(super) fn data(&self) -> Option<Kind> {
        match self.learns {
            Learns::Digits => None,
            Learns::Arrays => Some(Kind::Arrays),
            Learns::Radar => Some(Kind::Radar),
        }
    }

    /// The arguments of a run on so many threads, without its folder.
    pub(super) fn arguments(&self, threads: usize, data: Option<&Path>) -> Vec<String> {
        let mut arguments = ["--preset", "quick", "--threads"].map(str::to_owned).to_vec();
        arguments.push(threads.to_string());
        let settings = RUN.iter().chain(&self.settings);
        arguments.extend(settings.flat_map(|set| ["--set".to_owned(), (*set).to_owned()]));
        arguments.extend(data.iter().flat_map(|data| ["--data".to_owned(), data.display().to_string()]));
        arguments
    }

    /// Some of these, evenly over all.
    pub(super) fn chosen<T>(&self, all: Vec<T>) -> Vec<T> {
        let every = all.len().div_ceil(self.most).max(1);
        all.into_iter().step_by(every).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_lies_evenly() {
        let [digits, arrays, _] = &Subject::all(true)[..] else { panic!("three subjects") };
        let all: Vec<usize> = (0..1000).collect();
        assert_eq!(digits.chosen(all.clone()), all);
        let some = arrays.chosen(all);
        assert!(
            some.len() <= FEW && some.len() > FEW / 2 && some.windows(2).all(|two| two[1] - two[0] == 12)
        );
        assert!(Subject::all(false).iter().all(|subject| subject.begun.is_some()));
    }
}
