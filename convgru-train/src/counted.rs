//! Numbers of things in messages.

use std::fmt::Display;

/// A number and the name of what it counts, such as `1 frame` and `2 frames`. `what` is the singular of a word whose plural ends with `s`.
///
/// ```
/// use convgru_train::counted::counted;
///
/// assert_eq!([counted(1_u64, "frame"), counted(0_usize, "frame")], ["1 frame", "0 frames"]);
/// ```
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {what}{plural}")
}
