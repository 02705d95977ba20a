//! What vectors need to know of a number type.

/// Constants and bit patterns of a number type.
pub trait Vectorised: Copy + 'static {
    /// Numbers in a block of channels: 64 bytes, the line of every cache.
    const BLOCK: usize;
    /// Adding this leaves the nearest integer in the lowest bits: `1.5 * 2^mantissa`.
    const ROUND: Self;
    /// Added to the bits of `k + ROUND`, makes a shift by the mantissa give `2^k`.
    #[doc(hidden)]
    const EXPONENT_OFFSET: i64;
    /// Largest argument of the exponential behind the sigmoid: its result is still a
    /// normal number.
    const EXP_LIMIT: Self;
    /// From here on tanh rounds to one.
    const TANH_LIMIT: Self;
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// ln 2 in two parts; products of small integers with the first are exact.
    const LN_2: [Self; 2];
    /// Coefficients of `(e^r - 1) / r` for `|r| <= ln 2 / 2`, the highest power first.
    const EXPONENTIAL: &'static [Self];

    /// `2^k` for `rounded = k + ROUND`.
    fn power_of_two(rounded: Self) -> Self;
}

macro_rules! vectorised {
    ($type:ident, $bits:ident, block: $block:literal, mantissa: $mantissa:literal, bias: $bias:literal,
     ln_2: $ln_2:expr, limits: [$exp_limit:literal, $tanh_limit:literal], factorials: [$($factorial:literal),*]) => {
        impl Vectorised for $type {
            const BLOCK: usize = $block;
            const ROUND: Self = 1.5 * (1u64 << $mantissa) as $type;
            const EXPONENT_OFFSET: i64 = $bias - Self::ROUND.to_bits() as i64;
            const EXP_LIMIT: Self = $exp_limit;
            const TANH_LIMIT: Self = $tanh_limit;
            const LOG2_E: Self = std::$type::consts::LOG2_E;
            const LN_2: [Self; 2] = $ln_2;
            const EXPONENTIAL: &'static [Self] = &[$(1.0 / $factorial),*];

            #[inline(always)]
            fn power_of_two(rounded: Self) -> Self {
                let exponent = rounded.to_bits().wrapping_add(Self::EXPONENT_OFFSET as $bits);
                Self::from_bits(exponent << $mantissa)
            }
        }
    };
}

vectorised!(f32, u32, block: 16, mantissa: 23, bias: 127, ln_2: [0.693_359_4, -2.121_944_4e-4], limits: [87.0, 9.25],
    factorials: [40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0]);
vectorised!(f64, u64, block: 8, mantissa: 52, bias: 1023,
    ln_2: [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10], limits: [708.0, 19.5],
    factorials: [87_178_291_200.0, 6_227_020_800.0, 479_001_600.0, 39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0,
        5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0]);
