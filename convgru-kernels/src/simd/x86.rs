//! Vectors of the x86 processors: what their instruction sets have in common.
//!
//! Unsafe: A value of an instruction set's type is made only where the processor has the instructions; loads and stores
//! have the contract of the trait.

/// Makes the type of an instruction set, of the features a processor must have, the tile of sums that its registers hold
/// (`rows` x `columns` vectors, `block` vectors of which are a block of channels) and the intrinsics of each number type.
macro_rules! x86 {
    (
        $(#[$doc:meta])*
        $isa:ident {
            detect: [$($feature:tt),*],
            enable: $enable:literal,
            tile: [rows: $rows:literal, columns: $columns:literal, block: $block:literal],
        }
        $($type:ident {
            vector: $vector:ident,
            lanes: $lanes:literal,
            load: $load:ident,
            store: $store:ident,
            splat: $splat:ident,
            add: $add:ident,
            sub: $sub:ident,
            mul: $mul:ident,
            div: $div:ident,
            mul_add: $mul_add:ident,
            min: $min:ident,
            and: $and:ident,
            and_not: $andnot:ident,
            or: $or:ident,
            where_negative: |$x:ident, $a:ident, $b:ident| $where_negative:expr,
            integer: $integer:ident,
            to_integer: $to_integer:ident,
            from_integer: $from_integer:ident,
            splat_integer: $splat_integer:ident,
            add_integer: $add_integer:ident,
            shift_left: $shift:ident,
            mantissa: $mantissa:literal,
        })*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $isa(());

        impl $isa {
            /// The proof that the processor has the instructions, where it has them.
            pub(crate) fn detect() -> Option<Self> {
                ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
            }

            /// Runs a kernel compiled for the instruction set.
            #[inline(always)]
            pub(super) fn run<T, K: Kernel<T>>(self, kernel: K) -> K::Output
            where
                Self: Simd<T>,
            {
                // No closure: what is called must be inlined into the function with the instructions.
                #[target_feature(enable = $enable)]
                fn compiled<T, K: Kernel<T>>(simd: $isa, kernel: K) -> K::Output
                where
                    $isa: Simd<T>,
                {
                    kernel.run(simd)
                }
                // SAFETY: a value of this type is made only after detecting the instructions.
                unsafe { compiled(self, kernel) }
            }

            /// Runs a kernel of tiles compiled for the instruction set.
            #[inline(always)]
            pub(super) fn run_tile<T, K: TileKernel<T>>(self, kernel: K) -> K::Output
            where
                Self: Simd<T>,
            {
                #[target_feature(enable = $enable)]
                fn compiled<T, K: TileKernel<T>>(simd: $isa, kernel: K) -> K::Output
                where
                    $isa: Simd<T>,
                {
                    kernel.run::<_, $rows, $columns, $block>(simd)
                }
                // SAFETY: a value of this type is made only after detecting the instructions.
                unsafe { compiled(self, kernel) }
            }
        }

        $(impl Simd<$type> for $isa {
            type Vector = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> Self::Vector {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, a: Self::Vector) {
                // SAFETY: the token proves the instructions, and by the contract the memory holds the lanes.
                unsafe { $store(to, a) }
            }
            #[inline(always)]
            fn prefetch(self, from: *const $type) {
                // SAFETY: the token proves the instructions; a prefetch reads nothing.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
            }
            #[inline(always)]
            fn splat(self, x: $type) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $mul_add(a, b, c) }
            }
            #[inline(always)]
            fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            fn abs(self, a: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $andnot($splat(-0.0), a) }
            }
            #[inline(always)]
            fn copy_sign(self, magnitude: Self::Vector, sign: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $or($andnot($splat(-0.0), magnitude), $and($splat(-0.0), sign)) }
            }
            #[inline(always)]
            fn where_negative(self, $x: Self::Vector, $a: Self::Vector, $b: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe { $where_negative }
            }
            #[inline(always)]
            fn power_of_two(self, rounded: Self::Vector) -> Self::Vector {
                // SAFETY: the token proves the instructions.
                unsafe {
                    let offset = $splat_integer($type::EXPONENT_OFFSET as $integer);
                    $from_integer($shift::<$mantissa>($add_integer($to_integer(rounded), offset)))
                }
            }
        })*
    };
}
pub(super) use x86;
