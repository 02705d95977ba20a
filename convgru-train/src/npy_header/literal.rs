//! The literal in a header: a dictionary of three entries in Python's notation.

/// The most axes of an array; NumPy has the same limit.
const MOST_AXES: usize = 64;

/// The three entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array<'a> {
    pub(super) descr: &'a str,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Reads the literal; each of the three entries exactly once, in any order.
///
/// # Errors
/// What is wrong, in a few words.
pub(super) fn parse(text: &str) -> Result<Array<'_>, String> {
    let mut rest = Rest(text);
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    rest.expect('{')?;
    while !rest.take('}') {
        let key = rest.quoted()?;
        rest.expect(':')?;
        let again = match key {
            "descr" => descr.replace(rest.descr()?).is_some(),
            "fortran_order" => fortran_order.replace(rest.truth()?).is_some(),
            "shape" => shape.replace(rest.axes()?).is_some(),
            _ => return Err(format!("an entry '{key}'")),
        };
        if again {
            return Err(format!("two entries '{key}'"));
        }
        if !rest.take(',') {
            rest.expect('}')?;
            break;
        }
    }
    rest.expect_end()?;
    let missing = |key: &str| format!("no entry '{key}'");
    Ok(Array {
        descr: descr.ok_or_else(|| missing("descr"))?,
        fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes a character, after white space, if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.trim_ascii_start().strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        match self.0.trim_ascii_start().chars().next() {
            Some(found) => Err(format!("'{}' where '{wanted}' is needed", found.escape_debug())),
            None => Err(format!("it ends where '{wanted}' is needed")),
        }
    }

    fn expect_end(&self) -> Result<(), String> {
        if self.0.trim_ascii().is_empty() { Ok(()) } else { Err("text after its end".into()) }
    }

    /// A name in single or double quotes, without escapes.
    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect(quote)?;
        }
        let (name, rest) = self.0.split_once(quote).ok_or("a name without an end")?;
        if !name.chars().all(|c| c.is_ascii_graphic() && c != '\\') {
            return Err("a name with unusual characters".into());
        }
        self.0 = rest;
        Ok(name)
    }

    fn descr(&mut self) -> Result<&'a str, String> {
        if self.take('[') { Err("an array of records, not of numbers".into()) } else { self.quoted() }
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_ascii_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("neither True nor False".into())
    }

    /// `()`, `(3,)`, `(3, 4)`; the numbers of Python 2 may end with an `L`.
    fn axes(&mut self) -> Result<Vec<usize>, String> {
        let mut axes = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            self.0 = self.0.trim_ascii_start();
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.0.split_at(digits);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            let shown = &number[..number.len().min(24)];
            let axis = number.parse().map_err(|_| format!("'{shown}' is no length of an axis"))?;
            if axes.len() == MOST_AXES {
                return Err(format!("more than {MOST_AXES} axes"));
            }
            axes.push(axis);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(axes)
    }
}
