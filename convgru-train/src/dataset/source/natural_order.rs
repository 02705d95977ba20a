//! Names in the order a person expects: `frame_2` before `frame_10`.

use std::cmp::Ordering;

/// Compares names, taking each run of digits as one number of any length.
/// Names that differ in leading zeros only are ordered as plain text.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (part_a, after_a) = split_part(rest_a);
        let (part_b, after_b) = split_part(rest_b);
        let order = if is_number(part_a) && is_number(part_b) {
            let (digits_a, digits_b) = (part_a.trim_start_matches('0'), part_b.trim_start_matches('0'));
            digits_a.len().cmp(&digits_b.len()).then(digits_a.cmp(digits_b))
        } else {
            part_a.cmp(part_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
    rest_a.len().cmp(&rest_b.len()).then(a.cmp(b))
}

fn is_number(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_digit())
}

/// The longest prefix that is all digits or has none, and what follows it.
fn split_part(text: &str) -> (&str, &str) {
    let digits = is_number(text);
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = vec![
            "frame_10",
            "frame_2",
            "frame_02",
            "b1",
            "frame_1",
            "a99999999999999999999999",
            "a3",
            "frame_",
        ];
        names.sort_by(|a, b| compare(a, b));
        let expected =
            ["a3", "a99999999999999999999999", "b1", "frame_", "frame_1", "frame_02", "frame_2", "frame_10"];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_order_is_total() {
        let names = ["", "0", "00", "a", "a0", "a00", "a0b", "é1", "é01", "1a", "a1"];
        for a in names {
            for b in names {
                assert_eq!(compare(a, b), compare(b, a).reverse(), "{a} {b}");
                assert_eq!(compare(a, b) == Ordering::Equal, a == b, "{a} {b}");
            }
        }
    }
}
