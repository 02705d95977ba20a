//! Every backward pass of the crate against dual numbers and differences, in groups of cases.
//!
//! `cargo xtask gradcheck` runs more draws of the same cases.

use rayon::prelude::*;

use super::{bidirectional, conv_gru, forecaster, layer, recurrent};
use crate::gradcheck::{Case, Report};

/// Those whose names have one of these beginnings.
fn of(cases: Vec<Case>, beginnings: &[&str]) -> Vec<Case> {
    let is_of = |case: &Case| beginnings.iter().any(|beginning| case.name().starts_with(beginning));
    cases.into_iter().filter(is_of).collect()
}

fn expect_to_pass(cases: &[Case]) {
    let rows = cases.par_iter().flat_map(|case| [case.run(2024, 0), case.run(2024, 1)]).collect();
    let report = Report::new(rows, true);
    assert!(report.passed(), "{report}");
    assert!(report.worst_dual > 0.0 && report.worst_difference > 0.0, "nothing was compared: {report}");
}

/// A test for each group: its name, the module of the cases, and how their names begin.
macro_rules! groups {
    ($($name:ident: $module:ident $beginnings:expr;)*) => {
        $(#[test]
        fn $name() {
            expect_to_pass(&of($module::cases(), &$beginnings));
        })*

        #[test]
        fn every_case_is_in_one_group() {
            let mut count = 0;
            $(count += of($module::cases(), &$beginnings).len();)*
            assert_eq!(count, super::cases().len());
        }
    };
}

groups! {
    cells_pass: conv_gru ["cell"];
    stacks_pass: conv_gru ["stack"];
    sequences_pass: conv_gru ["sequence"];
    lengths_pass: conv_gru ["lengths"];
    both_directions_pass: bidirectional [""];
    encoder_forecasters_pass: forecaster ["encoder-forecaster"];
    pyramids_pass: forecaster ["pyramid"];
    networks_of_mlcast_pass: forecaster ["mlcast"];
    recurrent_forecasters_pass: forecaster ["recurrent"];
    composed_grus_pass: recurrent ["composed gru"];
    grus_with_options_pass: recurrent ["gru,"];
    grus_of_other_forms_pass: recurrent ["gru "];
    lstms_pass: recurrent ["lstm"];
    trajectories_pass: recurrent ["trajectory"];
    wirings_pass: recurrent ["st", "levels", "cells"];
    layers_pass: layer ["convolution", "pixel", "nearest", "bilinear"];
    activations_pass: layer ["identity", "sigmoid", "hard sigmoid", "tanh", "relu", "leaky"];
}
