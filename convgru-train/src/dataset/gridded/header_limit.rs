//! How often the header of classic netCDF names its axes, found before a library copies the names.

use netcdf_reader::NcFormat;

/// Names of axes may have as many bytes. The library that writes them allows 256.
const LONGEST_NAME: u64 = 1 << 10;
/// Bytes that all copies of axes may take.
const MOST_COPIED: u64 = 1 << 25;
/// Bytes of a copy besides its name.
const COPY_BYTES: u64 = 64;

/// Refuses the beginning of a file in which copies of axes would take too much: the library gives each axis of each variable one of
/// its own.
///
/// # Errors
/// What is too large, as the end of a sentence about the file.
pub(super) fn expect_few(start: &[u8], format: NcFormat) -> Result<(), String> {
    let mut axes = Axes { rest: start, format, names: Vec::new(), copied: 0 };
    // A header that ends here, or is damaged, is told by the library.
    let _ = axes.walk();
    if let Some(length) = axes.names.iter().find(|&&length| length > LONGEST_NAME) {
        return Err(format!("has a name of {length} bytes, but at most {LONGEST_NAME} are possible"));
    }
    if axes.copied > MOST_COPIED {
        return Err(format!(
            "has variables of so many axes that they take {} bytes, but at most {MOST_COPIED} are possible",
            axes.copied
        ));
    }
    Ok(())
}

/// What has not been walked through, and what was found.
struct Axes<'a> {
    rest: &'a [u8],
    format: NcFormat,
    /// The bytes of the names of axes.
    names: Vec<u64>,
    /// The bytes of copies.
    copied: u64,
}

impl Axes<'_> {
    /// Walks as far as the header goes.
    fn walk(&mut self) -> Option<()> {
        self.skip(4)?;
        self.number()?;
        for _ in 0..self.list()? {
            let name = self.name()?;
            self.names.push(name);
            self.number()?;
        }
        self.attributes()?;
        for _ in 0..self.list()? {
            self.name()?;
            for _ in 0..self.number()? {
                let axis = usize::try_from(self.number()?).ok();
                let name = axis.and_then(|axis| self.names.get(axis)).copied().unwrap_or(0);
                self.copied = self.copied.saturating_add(name.saturating_add(COPY_BYTES));
            }
            self.attributes()?;
            self.skip(4)?;
            self.number()?;
            self.skip(if self.format == NcFormat::Classic { 4 } else { 8 })?;
        }
        Some(())
    }

    fn attributes(&mut self) -> Option<()> {
        for _ in 0..self.list()? {
            self.name()?;
            let bytes = match self.bytes::<4>().map(u32::from_be_bytes)? {
                1 | 2 | 7 => 1,
                3 | 8 => 2,
                4 | 5 | 9 => 4,
                _ => 8,
            };
            let length = self.number()?.checked_mul(bytes)?;
            self.skip(length.checked_next_multiple_of(4)?)?;
        }
        Some(())
    }

    /// The number of things in a list that begins here.
    fn list(&mut self) -> Option<u64> {
        self.skip(4)?;
        self.number()
    }

    /// The length of a name, behind which it goes on.
    fn name(&mut self) -> Option<u64> {
        let length = self.number()?;
        self.skip(length.checked_next_multiple_of(4)?)?;
        Some(length)
    }

    fn number(&mut self) -> Option<u64> {
        match self.format {
            NcFormat::Cdf5 => self.bytes::<8>().map(u64::from_be_bytes),
            _ => self.bytes::<4>().map(|bytes| u64::from(u32::from_be_bytes(bytes))),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }
}
