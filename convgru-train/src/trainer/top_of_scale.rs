//! How much of the rain lies above the scale, which a wrong unit shows by.

use crate::dataset::{Batch, Quantity};

/// The share of rainy pixels above the scale from which on the data are doubted.
const MANY: f64 = 0.05;

/// Rainy pixels of the frames that a run looks at before its first step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TopOfScale {
    rainy: u64,
    /// Those with the highest value of the scale, at which it cuts rain rates off.
    highest: u64,
}

impl TopOfScale {
    /// Counts the measured pixels of a batch.
    pub(super) fn count(&mut self, batch: &Batch) {
        // Missing pixels have the value 0.
        for &value in batch.frames.as_slice() {
            self.rainy += u64::from(value > 0.0);
            self.highest += u64::from(value >= 1.0);
        }
    }

    /// What to say about rain of a quantity of which more lies above the scale than rain does.
    pub(super) fn doubt(self, quantity: &Quantity) -> Option<String> {
        let share = self.highest as f64 / self.rainy.max(1) as f64;
        (quantity.is_rain() && share > MANY).then(|| {
            format!(
                "{:.0} % of the rainy pixels of the first training sequences lie above the scale, which ends at {:.0} mm/h and cuts them off: check the \
                 unit of the numbers (data.frames.unit), or raise highest_dbz or highest_rate of the scale",
                100.0 * share,
                quantity.transform.to_units(1.0)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use convgru_model::Tensor;

    use super::*;
    use crate::dataset::RainScale;

    #[test]
    fn much_rain_above_the_scale_is_told() {
        let of = |highest: usize| {
            let value = |at: usize| if at < highest { 1.0 } else { 0.5 * (at % 2) as f32 };
            let mut counted = TopOfScale::default();
            counted.count(&Batch::new(Tensor::from_fn(&[2, 1, 1, 10, 10], value), None));
            counted
        };
        let rain = RainScale::default().quantity(Some(5.0));
        let doubt = of(20).doubt(&rain).unwrap();
        assert!(doubt.starts_with("18 %") && doubt.contains("highest_dbz"), "{doubt}");
        assert_eq!(of(4).doubt(&rain), None);
        assert_eq!(of(20).doubt(&Quantity::intensity()), None, "white pixels are usual");
        assert_eq!(TopOfScale::default().doubt(&rain), None);
    }
}
