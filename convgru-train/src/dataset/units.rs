//! What the values of pixels mean.

use convgru_model::{Tensor, mean_of_members};
use rayon::prelude::*;

/// What a value of a pixel, 0 to 1, stands for.
///
/// ```
/// use convgru_train::dataset::{Quantity, Reflectivity, Transform};
///
/// let transform = Transform::Reflectivity(Reflectivity { low: 0.0, high: 60.0, a: 223.0, b: 1.53 });
/// let rain = Quantity { name: "rain rate".into(), unit: "mm/h".into(), minutes_per_step: Some(5.0), transform };
/// let value = rain.transform.from_units(10.0);
/// assert!((rain.transform.to_units(value) - 10.0).abs() < 1e-9);
/// assert_eq!(Quantity::intensity().transform.to_units(0.25), 0.25);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// Its name in tables and on axes, such as `rain rate`.
    pub name: String,
    /// Its unit, such as `mm/h`; empty for a plain number.
    pub unit: String,
    /// The time from a frame to the next in minutes, where it is known.
    pub minutes_per_step: Option<f64>,
    /// Which number of that unit a value is.
    pub transform: Transform,
}

impl Quantity {
    /// Grey levels: values are what they are, 0 to 1, and time has no unit.
    pub fn intensity() -> Self {
        Self {
            name: "intensity".into(),
            unit: String::new(),
            minutes_per_step: None,
            transform: Transform::Linear { scale: 1.0, offset: 0.0 },
        }
    }

    /// The lowest and the highest number that values 0 to 1 stand for.
    pub fn ends(&self) -> [f64; 2] {
        let ends = [0.0, 1.0].map(|value| self.transform.to_units(value));
        [ends[0].min(ends[1]), ends[0].max(ends[1])]
    }

    /// Whether it is a rain rate in mm/h.
    pub fn is_rain(&self) -> bool {
        super::unit_names::are_same(&self.unit, "mm/h")
    }

    /// Numbers of the unit as values of pixels, NaN where a number is NaN: the reverse of [`in_units`](Self::in_units), for frames that a program
    /// gives to a stream itself. Numbers beyond the range of a training lie outside of 0 to 1; rain rates are clamped.
    ///
    /// # Shapes
    /// numbers: any; result: the same
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::dataset::{Quantity, Transform};
    ///
    /// let transform = Transform::Linear { scale: 80.0, offset: -20.0 };
    /// let temperature = Quantity { unit: "degC".into(), transform, ..Quantity::intensity() };
    /// let values = temperature.in_values(&Tensor::from_vec(&[2], vec![-20.0, 20.0])?);
    /// assert_eq!(values.as_slice(), [0.0, 0.5]);
    /// assert_eq!(temperature.in_units(&values).as_slice(), [-20.0, 20.0]);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn in_values(&self, numbers: &Tensor<f32>) -> Tensor<f32> {
        self.each(numbers, |number| if number.is_nan() { number } else { self.transform.from_units(number) })
    }

    /// Values of pixels as numbers of the unit.
    ///
    /// # Shapes
    /// values: any; result: the same
    pub fn in_units(&self, values: &Tensor<f32>) -> Tensor<f32> {
        self.each(values, |value| self.transform.to_units(value))
    }

    /// The forecast of an ensemble as numbers of the unit: values outside of 0 to 1 are brought to the nearest of them, and the numbers of the members
    /// are averaged. Where the unit is no linear function of values, as rain rates in mm/h of values in dBZ, the number of the mean value is another
    /// one: dBZ grow with the logarithm of the rate, so that it would be less rain.
    ///
    /// # Shapes
    /// predicted: `[T, N, K C, H, W]` of `members` K; result: `[T, N, C, H, W]`
    ///
    /// # Errors
    /// The errors of [`mean_of_members`].
    ///
    /// ```
    /// use convgru_model::Tensor;
    /// use convgru_train::dataset::{Quantity, RainScale};
    ///
    /// let rain = RainScale::default().quantity(None);
    /// let rates = Tensor::from_vec(&[1, 1, 2, 1, 1], vec![1.0, 9.0])?; // mm/h of two members
    /// let mean = rain.mean_of_members(rain.in_values(&rates), 2)?;
    /// assert!((mean.as_slice()[0] - 5.0).abs() < 1e-4);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn mean_of_members(
        &self,
        mut predicted: Tensor<f32>,
        members: usize,
    ) -> convgru_model::Result<Tensor<f32>> {
        predicted.as_mut_slice().iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        mean_of_members(self.in_units(&predicted), members)
    }

    fn each(&self, tensor: &Tensor<f32>, of: impl Fn(f64) -> f64 + Sync) -> Tensor<f32> {
        let made = tensor.as_slice().par_iter().map(|&own| of(f64::from(own)) as f32).collect();
        Tensor::from_vec(tensor.shape(), made).expect("the shape is the same")
    }
}

/// How a value `v` of a pixel and a number `u` of a unit belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transform {
    /// `u = offset + scale v`.
    Linear {
        /// Units from 0 to 1; not 0.
        scale: f64,
        /// The number of units at 0.
        offset: f64,
    },
    /// A rain rate in mm/h whose radar reflectivity in dBZ is linear in `v`.
    Reflectivity(Reflectivity),
    /// `v = ln(1 + u / knee) / ln(1 + highest / knee)`: linear far below the knee,
    /// logarithmic far above it.
    Logarithm {
        /// Where the line becomes a logarithm, in units; above 0.
        knee: f64,
        /// The number of units at 1; above 0.
        highest: f64,
    },
}

/// The scale of dBZ and the relation of reflectivity and rain rate.
///
/// `Z = a R^b` (Marshall and Palmer 1948) with `Z` in mm^6/m^3 and `R` in mm/h;
/// `dBZ = 10 log10 Z`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reflectivity {
    /// The dBZ of the value 0, which stands for no rain.
    pub low: f64,
    /// The dBZ of the value 1, above `low`.
    pub high: f64,
    /// The factor of the relation, above 0.
    pub a: f64,
    /// The exponent of the relation, above 0.
    pub b: f64,
}

impl Reflectivity {
    /// The rain rate in mm/h of a reflectivity in dBZ.
    pub fn rate(&self, dbz: f64) -> f64 {
        (10f64.powf(dbz / 10.0) / self.a).powf(1.0 / self.b)
    }

    /// The reflectivity in dBZ of a rain rate in mm/h; minus infinity without rain.
    pub fn dbz(&self, rate: f64) -> f64 {
        10.0 * (self.a * rate.max(0.0).powf(self.b)).log10()
    }
}

impl Transform {
    /// The number of units of a value. A value of 0 or less is no rain, where units are rain rates.
    pub fn to_units(&self, value: f64) -> f64 {
        match *self {
            Self::Linear { scale, offset } => offset + scale * value,
            Self::Reflectivity(_) if value <= 0.0 => 0.0,
            Self::Reflectivity(scale) => scale.rate(scale.low + value * (scale.high - scale.low)),
            Self::Logarithm { knee, highest } => knee * (value.max(0.0) * (highest / knee).ln_1p()).exp_m1(),
        }
    }

    /// The value of a number of units; of rain rates clamped to 0 to 1.
    pub fn from_units(&self, units: f64) -> f64 {
        match *self {
            Self::Linear { scale, offset } => (units - offset) / scale,
            Self::Reflectivity(scale) => {
                ((scale.dbz(units) - scale.low) / (scale.high - scale.low)).clamp(0.0, 1.0)
            }
            Self::Logarithm { knee, highest } => {
                ((units.max(0.0) / knee).ln_1p() / (highest / knee).ln_1p()).clamp(0.0, 1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> [Transform; 4] {
        [
            Transform::Linear { scale: 1.0, offset: 0.0 },
            Transform::Linear { scale: 80.0, offset: -20.0 },
            Transform::Reflectivity(Reflectivity { low: 0.0, high: 60.0, a: 223.0, b: 1.53 }),
            Transform::Logarithm { knee: 0.5, highest: 100.0 },
        ]
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_it_was(value in 1e-6f64..=1.0) {
            for transform in all() {
                let back = transform.from_units(transform.to_units(value));
                prop_assert!((back - value).abs() < 1e-12, "{transform:?} {value} {back}");
            }
        }

        #[test]
        fn more_is_more(low in 0.0f64..=1.0, high in 0.0f64..=1.0) {
            let (low, high) = (low.min(high), low.max(high));
            for transform in all() {
                prop_assert!(transform.to_units(low) <= transform.to_units(high));
            }
        }
    }

    #[test]
    fn reflectivities_have_the_published_rain_rates() {
        // Marshall and Palmer: Z = 200 R^1.6, 23 dBZ are about 1 mm/h.
        let marshall = Reflectivity { low: 0.0, high: 60.0, a: 200.0, b: 1.6 };
        assert!((marshall.rate(10.0 * 200f64.log10()) - 1.0).abs() < 1e-12);
        assert!((marshall.dbz(10.0) - (10.0 * 200f64.log10() + 16.0)).abs() < 1e-12);
        let rain = Transform::Reflectivity(marshall);
        assert_eq!((rain.to_units(0.0), rain.to_units(-0.1)), (0.0, 0.0));
        assert_eq!((rain.from_units(0.0), rain.from_units(-1.0)), (0.0, 0.0));
        assert_eq!(rain.from_units(1e9), 1.0);
        assert!((rain.to_units(0.5) - marshall.rate(30.0)).abs() < 1e-12);
    }
}
