//! The numbers of one way to run, beside those of another.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

/// The numbers of every quantity by its name.
pub(super) struct Results(BTreeMap<String, Vec<u8>>);

impl Results {
    /// The files in a folder.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut quantities = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            anyhow::ensure!(!bytes.is_empty() && bytes.len() % 4 == 0, "{name}: no numbers");
            quantities.insert(name, bytes);
        }
        anyhow::ensure!(!quantities.is_empty(), "{} holds no numbers", folder.display());
        let results = Self(quantities);
        for (name, numbers) in results.numbers() {
            let useful = numbers.iter().all(|number| number.is_finite()) && numbers.iter().any(|n| *n != 0.0);
            anyhow::ensure!(useful, "{name}: a number is not finite, or all are zero");
        }
        Ok(results)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn numbers(&self) -> impl Iterator<Item = (&String, Vec<f32>)> {
        let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        self.0.iter().map(move |(name, bytes)| (name, bytes.chunks_exact(4).map(number).collect()))
    }

    /// The quantities whose bits are others, or that are missing on one side.
    pub(super) fn other_bits(&self, reference: &Self) -> Vec<String> {
        let names = self.0.keys().chain(reference.0.keys().filter(|name| !self.0.contains_key(*name)));
        names.filter(|name| self.0.get(*name) != reference.0.get(*name)).cloned().collect()
    }

    /// The distance of each quantity from the reference: 2-norm of the difference over the 2-norm.
    pub(super) fn distances(&self, reference: &Self) -> BTreeMap<String, f64> {
        let ours: BTreeMap<&String, Vec<f32>> = self.numbers().collect();
        let distance = |one: &[f32], other: &[f32]| {
            if one.len() != other.len() {
                return f64::INFINITY;
            }
            let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
            let pairs = one.iter().zip(other);
            squares(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)))
                / squares(&mut other.iter().map(|b| f64::from(*b)))
        };
        let of = |(name, theirs): (&String, Vec<f32>)| {
            let apart = ours.get(name).map_or(f64::INFINITY, |ours| distance(ours, &theirs));
            (name.clone(), apart)
        };
        reference.numbers().map(of).collect()
    }
}

/// How far instruction sets may be apart: docs/numerics.md states twice 2e-5 for states and 1e-4 for gradients against f64,
/// each of both may lie on its own side; weights after some steps of Adam are as far apart as its divided gradients.
pub(super) fn bound(quantity: &str) -> f64 {
    match quantity {
        name if name.ends_with("trained weights") => 5e-4,
        name if name.contains("gradient") => 2e-4,
        _ => 4e-5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(values: &[(&str, &[f32])]) -> Results {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Results(values.iter().map(|(name, values)| ((*name).to_owned(), bytes(values))).collect())
    }

    #[test]
    fn one_bit_is_another() {
        let reference = results(&[("a", &[3.0, 4.0]), ("b", &[1.0])]);
        let other = results(&[("a", &[3.0, 4.0 + 1e-6]), ("b", &[1.0])]);
        assert!(reference.other_bits(&reference).is_empty());
        assert_eq!(other.other_bits(&reference), ["a"]);
        assert_eq!(results(&[("b", &[1.0])]).other_bits(&reference), ["a"], "missing");
    }

    #[test]
    fn distances_are_relative() {
        let reference = results(&[("a", &[3.0, 4.0]), ("b", &[1.0])]);
        let other = results(&[("a", &[3.0, 4.5])]);
        let distances = other.distances(&reference);
        assert_eq!(distances["a"], 0.1);
        assert_eq!(distances["b"], f64::INFINITY);
        assert!(bound("pyramid, forecast") < bound("pyramid, gradients of weights"));
    }
}
