//! The exponential function behind the activations.

/// What the activations need of a number type: constants and bit patterns.
pub trait Vectorised: Copy {
    /// Largest argument of [`exp_of_negative`](Self::exp_of_negative): its result is
    /// still a normal number.
    const EXP_LIMIT: Self;
    /// From here on tanh rounds to one.
    const TANH_LIMIT: Self;

    /// `e^x - 1` for `0 <= x <= 2 TANH_LIMIT`.
    fn exp_minus_one(x: Self) -> Self;
    /// `e^-x` for `0 <= x <= EXP_LIMIT`.
    fn exp_of_negative(x: Self) -> Self;
    /// The number with the sign of another.
    fn with_sign_of(self, sign: Self) -> Self;
}

macro_rules! vectorised {
    ($type:ident, $bits:ident, mantissa: $mantissa:literal, bias: $bias:literal, ln_2: [$high:literal, $low:literal],
     limits: [$exp_limit:literal, $tanh_limit:literal], taylor: [$($factorial:literal),*]) => {
        impl Vectorised for $type {
            const EXP_LIMIT: Self = $exp_limit;
            const TANH_LIMIT: Self = $tanh_limit;

            #[inline(always)]
            fn exp_minus_one(x: Self) -> Self {
                let (power, rest) = split(x);
                power * rest + (power - 1.0)
            }

            #[inline(always)]
            fn exp_of_negative(x: Self) -> Self {
                let (power, rest) = split(-x);
                power * rest + power
            }

            #[inline(always)]
            fn with_sign_of(self, sign: Self) -> Self {
                self.copysign(sign)
            }
        }

        /// `(2^k, e^r - 1)` with `x = k ln 2 + r`, `|r| <= ln 2 / 2`.
        #[inline(always)]
        fn split(x: $type) -> ($type, $type) {
            // Adding 1.5 * 2^mantissa leaves the nearest integer in the lowest bits.
            const ROUND: $type = 1.5 * (1u64 << $mantissa) as $type;
            let rounded = x * std::$type::consts::LOG2_E + ROUND;
            let k = rounded - ROUND;
            let power = $type::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add($bias) << $mantissa);
            // ln 2 in two parts; the product with the first is exact.
            let r = x - k * $high - k * $low;
            let mut sum = 0.0;
            $(sum = sum * r + 1.0 / $factorial;)*
            (power, sum * r)
        }
    };
}

mod single {
    use super::Vectorised;
    vectorised!(f32, u32, mantissa: 23, bias: 127, ln_2: [0.693_359_4, -2.121_944_4e-4], limits: [87.0, 9.25],
        taylor: [40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0]);
}

mod double {
    use super::Vectorised;
    vectorised!(f64, u64, mantissa: 52, bias: 1023,
        ln_2: [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10], limits: [708.0, 19.5],
        taylor: [87_178_291_200.0, 6_227_020_800.0, 479_001_600.0, 39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0,
            5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0]);
}
