//! Lists of parts of frames in files of CSV.

use std::path::Path;

use crate::read_budget::{ReadBudget, bytes_of};
use crate::{Error, Result, input};

/// The columns of a list, in any order.
const COLUMNS: [&str; 3] = ["t", "x", "y"];

/// A row of a list: a part of some frames, by its first pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListedCrop {
    /// The line of the file, from 1.
    pub(super) line: usize,
    /// The number of the first frame in the file of the data, from 0.
    pub(super) t: usize,
    /// The column of the first pixel, from 0.
    pub(super) x: usize,
    /// The row of the first pixel, from 0.
    pub(super) y: usize,
}

/// The rows of a list, as the package mlcast reads it: a header `t,x,y` and three whole numbers in each line. A row that stands there twice is
/// drawn twice as often.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Memory`] if it takes more memory than is allowed, [`Error::Format`] with the line if it is no such
/// list or has no row.
pub(super) fn read(path: &Path, budget: &ReadBudget) -> Result<Vec<ListedCrop>> {
    let length = std::fs::metadata(path).map_err(Error::io("read the list of crops", path))?.len();
    let _text = budget.keep(path, length)?;
    let text = input::text(path)?;
    // No row is shorter than "0,0,0".
    let most = text.len() / 6 + 1;
    budget.keep(path, bytes_of(size_of::<ListedCrop>(), &[most]))?.stay();
    rows(&text).map_err(|reason| Error::Format { path: path.into(), reason })
}

fn rows(text: &str) -> std::result::Result<Vec<ListedCrop>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let header = lines.next().map_or("", |(_, line)| line);
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let place = |column: &str| names.iter().position(|name| *name == column);
    let (Some(t), Some(x), Some(y), 3) = (place("t"), place("x"), place("y"), names.len()) else {
        return Err(format!(
            "begins with the line \"{}\", but a list of crops begins with the names of its columns, {}",
            crate::printable::escaped(&header.chars().take(80).collect::<String>()),
            COLUMNS.join(",")
        ));
    };
    let mut rows = Vec::new();
    for (line, text) in lines.filter(|(_, line)| !line.is_empty()) {
        let numbers: Vec<Option<usize>> = text.split(',').map(|own| own.trim().parse().ok()).collect();
        let [Some(_), Some(_), Some(_)] = numbers[..] else {
            return Err(format!(
                "line {line} is \"{}\", but three whole numbers from 0 on are needed ({header})",
                crate::printable::escaped(&text.chars().take(80).collect::<String>())
            ));
        };
        let number = |at: usize| numbers[at].unwrap_or_default();
        rows.push(ListedCrop { line, t: number(t), x: number(x), y: number(y) });
    }
    if rows.is_empty() {
        return Err("has no row below the names of its columns".into());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_any_order_of_columns() {
        let listed = |line, t, x, y| ListedCrop { line, t, x, y };
        assert_eq!(rows("t,x,y\n5,6,7\r\n\n0,1,2\n").unwrap(), [listed(2, 5, 6, 7), listed(4, 0, 1, 2)]);
        assert_eq!(rows("\u{feff}y, x ,t\n7, 6,5").unwrap(), [listed(2, 5, 6, 7)]);
    }

    #[test]
    fn what_is_no_list_is_refused_by_its_line() {
        let message = |text: &str| rows(text).unwrap_err();
        for header in ["", "5,6,7\n", "t,x\n1,2", "t,x,y,z\n1,2,3,4", "t,x,x\n", ",t,x,y\n0,1,2,3"] {
            assert!(message(header).contains("t,x,y"), "{header}");
        }
        for line in ["1,2", "1,2,3,4", "1,-2,3", "1,2.0,3", "a,b,c", "1,,3", "99999999999999999999,0,0"] {
            let message = message(&format!("t,x,y\n0,0,0\n{line}\n"));
            assert!(message.starts_with("line 3 is") && message.contains(line), "{message}");
        }
        assert!(message("t,x,y\n\n").contains("no row"));
    }
}
