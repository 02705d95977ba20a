//! JSON as writers of Zarr leave it: Python writes `NaN` and `Infinity` without quotes.

use serde_json::Value;

/// The value of a text in which numbers that JSON does not have may stand bare; they become texts.
///
/// # Errors
/// What is wrong, as the end of a sentence about the text.
pub(super) fn value(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("is no text in UTF-8 ({error})"))?;
    let quoted = quoted(text);
    serde_json::from_str(&quoted).map_err(|error| format!("is no JSON ({error})"))
}

/// The text with bare numbers that JSON does not have in quotes.
fn quoted(text: &str) -> String {
    const BARE: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    let mut made = String::with_capacity(text.len() + 64);
    let (mut rest, mut in_text) = (text, false);
    while let Some(first) = rest.chars().next() {
        let bare = BARE.into_iter().find(|bare| !in_text && rest.starts_with(bare));
        let taken = match (bare, first) {
            (Some(bare), _) => bare.len(),
            (None, '\\') => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, other) => other.len_utf8(),
        };
        in_text ^= first == '"';
        match bare {
            Some(bare) => made.extend(["\"", bare, "\""]),
            None => made.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    made
}

/// A number, or a text that is written as one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(is_set) => Some(f64::from(u8::from(*is_set))),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A list of whole numbers of 0 or more.
pub(super) fn lengths(value: Option<&Value>) -> Option<Vec<u64>> {
    value?.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_read_and_texts_stay() {
        let read = value(br#"{"a": NaN, "b": [-Infinity, Infinity], "NaN": "is NaN \" Infinity", "c": 1e3}"#)
            .unwrap();
        assert!(number(&read["a"]).unwrap().is_nan());
        assert_eq!(number(&read["b"][0]), Some(f64::NEG_INFINITY));
        assert_eq!(read["NaN"], "is NaN \" Infinity");
        assert_eq!(number(&read["c"]), Some(1000.0));
        assert!(value(b"{\"a\\").unwrap_err().contains("no JSON"));
        assert!(value(b"\xff").unwrap_err().contains("UTF-8"));
    }
}
