//! Weights that are kept as a direction and its length (Salimans and Kingma 2016), as PyTorch's weight norm keeps them.

use std::collections::{HashMap, HashSet};

use convgru_kernels::Scalar;

use crate::tensor::Tensor;

/// The names of lengths and directions, before and after the name of the weight: `conv.parametrizations.weight.original0` and
/// `original1`, and `conv.weight_g` and `conv.weight_v` of older versions.
const PARAMETRIZED: &str = "parametrizations.";
const LENGTH: &str = ".original0";
const DIRECTION: &str = ".original1";

/// The tensors with each pair of a length and a direction as the weight that it stands for, in the place of the direction. A pair whose
/// shapes do not belong together, or with a direction of no length, stays as it is. The returned names are the names of such weights.
pub(super) fn folded<T: Scalar>(
    tensors: Vec<(String, Tensor<T>)>,
) -> (Vec<(String, Tensor<T>)>, HashSet<String>) {
    let places: HashMap<&str, usize> =
        tensors.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
    let mut weights: HashMap<usize, (String, Tensor<T>)> = HashMap::new();
    let mut lengths: Vec<usize> = Vec::new();
    for (place, (name, direction)) in tensors.iter().enumerate() {
        let Some((weight, length)) = pair(name) else { continue };
        let Some(&length) = places.get(length.as_str()) else { continue };
        if places.contains_key(weight.as_str()) {
            continue;
        }
        if let Some(tensor) = product(&tensors[length].1, direction) {
            weights.insert(place, (weight, tensor));
            lengths.push(length);
        }
    }
    let names = weights.values().map(|(name, _)| name.clone()).collect();
    let keep = |(place, named): (usize, (String, Tensor<T>))| match weights.remove(&place) {
        Some(weight) => Some(weight),
        None if lengths.contains(&place) => None,
        None => Some(named),
    };
    (tensors.into_iter().enumerate().filter_map(keep).collect(), names)
}

/// The names of the weight and of its length, by the name of its direction.
fn pair(direction: &str) -> Option<(String, String)> {
    if let Some(stem) = direction.strip_suffix(DIRECTION) {
        let at = stem.rfind(PARAMETRIZED)?;
        let weight = format!("{}{}", &stem[..at], &stem[at + PARAMETRIZED.len()..]);
        return Some((weight, format!("{stem}{LENGTH}")));
    }
    let weight = direction.strip_suffix("_v")?;
    let is_weight = weight.rsplit('.').next().is_some_and(|name| name.starts_with("weight"));
    is_weight.then(|| (weight.to_owned(), format!("{weight}_g")))
}

/// A direction scaled to lengths: one for each place along the axes of `lengths` that are longer than 1, or one for all.
fn product<T: Scalar>(lengths: &Tensor<T>, direction: &Tensor<T>) -> Option<Tensor<T>> {
    let shape = direction.shape();
    let is_one = lengths.len() == 1;
    let fits = |(&own, &axis): (&usize, &usize)| own == 1 || own == axis;
    if !is_one && (lengths.shape().len() != shape.len() || !lengths.shape().iter().zip(shape).all(fits)) {
        return None;
    }
    // The length that an element belongs to.
    let group = |mut at: usize| {
        let (mut group, mut stride) = (0, 1);
        for (axis, &extent) in shape.iter().enumerate().rev() {
            let place = at % extent;
            at /= extent;
            let own = if is_one { 1 } else { lengths.shape()[axis] };
            if own > 1 {
                group += place * stride;
            }
            stride *= own;
        }
        group
    };
    let mut squares = vec![T::ZERO; lengths.len()];
    for (at, &value) in direction.as_slice().iter().enumerate() {
        squares[group(at)] += value * value;
    }
    if squares.iter().any(|&square| !(square.is_finite() && square > T::ZERO)) {
        return None;
    }
    let scaled =
        |(at, &value): (usize, &T)| value * lengths.as_slice()[group(at)] / squares[group(at)].sqrt();
    Tensor::from_vec(shape, direction.as_slice().iter().enumerate().map(scaled).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, shape: &[usize], values: &[f64]) -> (String, Tensor<f64>) {
        (name.to_owned(), Tensor::from_vec(shape, values.to_vec()).unwrap())
    }

    #[test]
    fn pairs_become_weights_in_their_place() {
        let direction = [3.0, 4.0, 0.0, 2.0];
        let near = |found: &Tensor<f64>, expected: &[f64]| {
            assert!(found.as_slice().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?}");
        };
        let of_rows = [1.2, 1.6, 0.0, -5.0];
        for (length, kept, weight) in [
            ("a.parametrizations.weight.original0", "a.parametrizations.weight.original1", "a.weight"),
            (
                "parametrizations.weight_hh_l0.original0",
                "parametrizations.weight_hh_l0.original1",
                "weight_hh_l0",
            ),
            ("a.weight_g", "a.weight_v", "a.weight"),
        ] {
            let (found, folded) = folded(vec![
                named("a.bias", &[2], &[7.0, 8.0]),
                named(length, &[2, 1], &[2.0, -5.0]),
                named(kept, &[2, 2], &direction),
            ]);
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["a.bias", weight]);
            assert_eq!(folded.into_iter().collect::<Vec<_>>(), [weight]);
            near(&found[1].1, &of_rows);
        }
        // A length for each column, and one for all.
        let of = |shape: &[usize], lengths: &[f64]| {
            folded(vec![named("w.weight_g", shape, lengths), named("w.weight_v", &[2, 2], &direction)]).0
        };
        let root = 20f64.sqrt();
        near(&of(&[1, 2], &[6.0, root])[0].1, &[6.0, 4.0, 0.0, 2.0]);
        let all = 29f64.sqrt();
        near(&of(&[], &[all])[0].1, &direction);
    }

    #[test]
    fn what_is_no_pair_stays() {
        let one = |name: &str| named(name, &[1, 2], &[1.0, 0.0]);
        for names in [
            &["a.weight_v"][..],
            &["a.weight_orig", "a.weight_u", "a.weight_v"],
            &["a.parametrizations.weight.original", "a.parametrizations.weight.0._u"],
            &["a.gate_g", "a.gate_v"],
        ] {
            let tensors: Vec<_> = names.iter().map(|name| one(name)).collect();
            assert_eq!(folded(tensors.clone()), (tensors, HashSet::new()));
        }
        let shapes = vec![named("a.weight_g", &[3], &[1.0; 3]), named("a.weight_v", &[2, 2], &[1.0; 4])];
        assert_eq!(folded(shapes.clone()).0, shapes);
        let nothing = vec![
            named("a.weight_g", &[2, 1], &[1.0; 2]),
            named("a.weight_v", &[2, 2], &[1.0, 1.0, 0.0, 0.0]),
        ];
        assert_eq!(folded(nothing.clone()).0, nothing);
    }
}
