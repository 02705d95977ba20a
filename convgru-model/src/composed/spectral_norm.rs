//! The vectors that spectral norms of kernels are estimated with.

use std::ops::Range;

use convgru_kernels::Scalar;

use super::config::{RecurrentConfig, Stage};
use super::network::RecurrentParameters;

impl<T: Scalar> RecurrentParameters<T> {
    /// One step of the power iteration of every kernel with a spectral norm, `v = W^T u / |W^T u|`, `u = W v / |W v|`
    /// (Miyato et al. 2018). Vectors whose names `changes` denies keep their bits. The parameters are those of the configuration.
    pub(crate) fn iterate_spectral_norms(
        &mut self,
        config: &RecurrentConfig,
        changes: &dyn Fn(&str) -> bool,
    ) {
        for (stage, config) in config.stages.iter().enumerate() {
            let Stage::Cell(cell) = config else { continue };
            let passes = ["", "second."].into_iter().take(1 + usize::from(cell.second_kernel_size.is_some()));
            for prefix in passes.filter(|_| cell.spectral_norm) {
                for (gate, name) in ["update", "reset", "candidate"].into_iter().enumerate() {
                    let rows = gate * cell.hidden_channels..(gate + 1) * cell.hidden_channels;
                    self.iterate([&format!("stages.{stage}.{prefix}"), name], rows, changes);
                }
            }
        }
    }

    fn iterate(&mut self, [prefix, gate]: [&str; 2], rows: Range<usize>, changes: &dyn Fn(&str) -> bool) {
        let named = self.named();
        let find = |name: String| named.iter().position(|(other, _)| *other == name);
        let places = [
            format!("{prefix}input_weights"),
            format!("{prefix}hidden_weights"),
            format!("{prefix}spectral.{gate}.u"),
            format!("{prefix}spectral.{gate}.v"),
        ];
        let [Some(input), Some(state), Some(u), Some(v)] = places.map(find) else { return };
        let of = |place: usize| &named[place].1;
        let row = |row: usize| of(input).slice(row).iter().chain(of(state).slice(row)).copied();
        let mut right = vec![T::ZERO; of(v).len()];
        for (&u, index) in of(u).as_slice().iter().zip(rows.clone()) {
            right.iter_mut().zip(row(index)).for_each(|(to, w)| *to += u * w);
        }
        normalise(&mut right);
        let mut left: Vec<T> = rows.map(|index| row(index).zip(&right).map(|(w, &v)| w * v).sum()).collect();
        normalise(&mut left);
        for (place, values) in [(u, left), (v, right)] {
            let (name, vector) = &mut self.named_mut()[place];
            if changes(name) {
                vector.as_mut_slice().copy_from_slice(&values);
            }
        }
    }
}

fn normalise<T: Scalar>(values: &mut [T]) {
    let norm = values.iter().map(|&x| x * x).sum::<T>().sqrt().max(T::from_f64(1e-12));
    values.iter_mut().for_each(|value| *value /= norm);
}
