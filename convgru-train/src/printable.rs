//! Names of files, and names out of files, as they are printed.
//!
//! A path may hold any bytes, and a name in a file any characters: line breaks, sequences that move the cursor or retitle a
//! terminal, marks that turn the direction of text. What is printed of them is one line that does nothing.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// The path in a message.
///
/// ```
/// use convgru_train::printable::printable;
///
/// assert_eq!(printable("runs/quick"), "runs/quick");
/// assert_eq!(printable("a\u{1b}[31m\nb"), r"a\u{1b}[31m\nb");
/// ```
pub fn printable(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    match escaped(&text) {
        Cow::Borrowed(_) => text.into_owned(),
        Cow::Owned(text) => text,
    }
}

/// A part of a path in a message.
pub fn printable_name(name: impl AsRef<OsStr>) -> String {
    printable(Path::new(name.as_ref()))
}

/// A text with its control characters, marks of direction and line breaks as escapes of Rust.
///
/// ```
/// use convgru_train::printable::escaped;
///
/// assert_eq!(escaped("größe"), "größe");
/// assert_eq!(escaped("w\u{9b}2J\u{202e}\r"), r"w\u{9b}2J\u{202e}\r");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(does_something) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match does_something(c) {
            // Writing to a string cannot fail.
            true => write!(safe, "{}", c.escape_default()).unwrap_or_default(),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// As [`escaped`], with line breaks as they are: for text of several lines.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    if text.split('\n').all(|line| matches!(escaped(line), Cow::Borrowed(_))) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(escaped).collect::<Vec<_>>().join("\n"))
}

/// JSON of the same meaning without characters that do something else than appear.
///
/// ```
/// use convgru_train::printable::escaped_json;
///
/// assert_eq!(escaped_json("[\"\u{9b}31m\u{202e}\"]"), r#"["\u009b31m\u202e"]"#);
/// ```
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(does_something) {
        return Cow::Borrowed(json);
    }
    // Such characters are within strings, where each has an escape of four digits.
    let one = |c: char| if does_something(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(json.chars().map(one).collect())
}

/// Whether a character does something else on a terminal than appear.
fn does_something(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_does_something_is_left() {
        let all: String = ('\0'..='\u{10ffff}').collect();
        let safe = escaped(&all);
        assert!(!safe.chars().any(|c| c.is_control() || does_something(c)));
        assert!(safe.contains("größe") || safe.contains('ö'));
    }

    #[test]
    fn lines_and_json_keep_their_meaning() {
        assert_eq!(escaped_lines("a\nb\u{1b}c\n"), "a\nb\\u{1b}c\n");
        let text: String = ('\0'..='\u{2100}').collect();
        let json = serde_json::to_string(&text).unwrap();
        let safe = escaped_json(&json);
        assert!(!safe.chars().any(does_something));
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[cfg(unix)]
    #[test]
    fn paths_of_any_bytes_are_shown() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(OsStr::from_bytes(b"runs/\xff\x1b]0;x\x07"));
        assert_eq!(printable(path), "runs/\u{fffd}\\u{1b}]0;x\\u{7}");
        assert_eq!(printable_name("a\tb"), r"a\tb");
    }
}
