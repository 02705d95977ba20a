//! The changes of predictions from one lead time to the next, by their definition.

use convgru_kernels::reference::Number;

use super::ensemble::place;

/// The weighted mean over pairs of lead times and known pixels of the mean change of the members; a pair weighs as its later lead time.
///
/// # Shapes
/// output: `[T, N, K C, H, W]` of `K` members; valid: `[T, N, C, H, W]`; leads: `[T]`
///
/// # Panics
/// If no pair is known.
pub(super) fn temporal_penalty<N: Number>(
    output: &[N],
    valid: &[f64],
    leads: &[f64],
    [members, sample]: [usize; 2],
) -> N {
    let frame = valid.len() / leads.len();
    let (mut sum, mut count) = (N::from_f64(0.0), 0.0);
    for (t, &lead) in leads.iter().enumerate().skip(1) {
        for pixel in 0..frame {
            let [before, after] = [t - 1, t].map(|t| t * frame + pixel);
            if lead == 0.0 || valid[before] == 0.0 || valid[after] == 0.0 {
                continue;
            }
            for k in 0..members {
                let [before, after] = [before, after].map(|i| output[place(i, k, members, sample)]);
                sum = sum + N::from_f64(lead / members as f64) * (after - before).abs();
            }
            count += lead;
        }
    }
    assert!(count > 0.0, "a mean needs pairs of known pixels");
    sum / N::from_f64(count)
}
