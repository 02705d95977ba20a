//! Messages of GRIB, edition 2: where their sections lie, and what those before the numbers say.
//!
//! Sections are named by their numbers in the WMO Manual on Codes (No. 306, FM 92). Places are counted from 0 here, and from 1 there.

use std::io::{self, Read};
use std::sync::Arc;

use time::{Date, Month, PrimitiveDateTime, Time};

use super::field::Field;

/// Sections before the numbers that are longer are refused: real ones have some hundred bytes.
const LONGEST_SECTION: u64 = 1 << 20;
/// Bytes between messages, such as a heading of a bulletin, that are passed over.
const MOST_BETWEEN: usize = 1 << 12;

/// A field of numbers in a file: a message, or a part of one that repeats its last sections.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) field: Field,
    pub(super) grid: Arc<Grid>,
    /// When the numbers are valid, in seconds since 1970.
    pub(super) seconds: f64,
    /// Section 5: how numbers are packed.
    pub(super) packing: Vec<u8>,
    /// Where section 6, the mask, lies behind its header; absent where each pixel has a number.
    pub(super) mask: Option<Place>,
    /// Where section 7, the numbers, lies behind its header.
    pub(super) data: Place,
}

/// Bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// Section 3, the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Its bytes, with the header.
    pub(super) section: Vec<u8>,
    pub(super) template: u16,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Whether the first row is the northernmost, and whether rows begin in the east.
    pub(super) from_north: bool,
    pub(super) from_east: bool,
    /// Whether every second row runs the other way.
    pub(super) turns: bool,
}

/// Why a file is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The system, or the stream.
    Io(io::Error),
    /// The content, as the end of a sentence about the file.
    Content(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::Content(reason)
    }
}

/// Bytes of a file in their order, with the place of the next one.
struct Walk<R> {
    source: R,
    at: u64,
}

impl<R: Read> Walk<R> {
    fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count as usize];
        self.source.read_exact(&mut bytes)?;
        self.at += count;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.source.by_ref().take(count), &mut io::sink())?;
        self.at += skipped;
        if skipped < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Goes behind the next `GRIB`; `false` at the end of the file.
    fn find(&mut self) -> Result<bool, Unread> {
        let mut last = [0; 4];
        for passed in 0..MOST_BETWEEN {
            let mut byte = [0];
            if self.source.read(&mut byte)? == 0 {
                return Ok(false);
            }
            self.at += 1;
            last.rotate_left(1);
            last[3] = byte[0];
            if passed >= 3 && last == *b"GRIB" {
                return Ok(true);
            }
        }
        Err(format!(
            "has no message of GRIB in {MOST_BETWEEN} bytes from byte {} on",
            self.at - MOST_BETWEEN as u64
        )
        .into())
    }
}

/// Calls `visit` with each message of a file.
///
/// # Errors
/// The errors of `visit`, and why the file is not read.
pub(super) fn each_message(
    source: impl Read,
    visit: &mut dyn FnMut(Message) -> Result<(), Unread>,
) -> Result<(), Unread> {
    let mut walk = Walk { source, at: 0 };
    while walk.find()? {
        sections(&mut walk, visit)?;
    }
    Ok(())
}

/// What sections said that later ones build on.
#[derive(Default)]
struct Known {
    reference: Option<f64>,
    grid: Option<Arc<Grid>>,
    product: Option<(Field, f64)>,
    packing: Option<Vec<u8>>,
    mask: Option<Place>,
    /// The last mask of the message.
    last_mask: Option<Place>,
}

/// The sections of a message, behind its first four bytes.
fn sections<R: Read>(
    walk: &mut Walk<R>,
    visit: &mut dyn FnMut(Message) -> Result<(), Unread>,
) -> Result<(), Unread> {
    let head = walk.bytes(12)?;
    let (discipline, edition) = (head[2], head[3]);
    if edition != 2 {
        return Err(format!(
            "is GRIB of edition {edition}, but edition 2 is read; convert it with `grib_set -s edition=2 IN OUT` of ecCodes"
        )
        .into());
    }
    let mut known = Known::default();
    loop {
        let start = walk.at;
        let head = walk.bytes(4)?;
        if head == b"7777" {
            return Ok(());
        }
        let number = walk.bytes(1)?[0];
        let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
        let inner = length.checked_sub(5).ok_or_else(|| {
            format!("has a section of {length} bytes at byte {start}, but 5 are its header")
        })?;
        let damaged = |number: u8| {
            format!("has a section {number} at byte {start} that is damaged or too short ({length} bytes)")
        };
        let place = Place { start: start + 5, length: inner };
        if number == 7 {
            let mask = known.mask.take();
            let missing = |what: &str| format!("has numbers at byte {start} without {what} before them");
            let (field, seconds) = known.product.clone().ok_or_else(|| missing("a product (section 4)"))?;
            visit(Message {
                field,
                seconds,
                grid: known.grid.clone().ok_or_else(|| missing("a grid (section 3)"))?,
                packing: known.packing.clone().ok_or_else(|| missing("a packing (section 5)"))?,
                mask,
                data: place,
            })?;
            walk.skip(inner)?;
            continue;
        }
        if number == 6 {
            let indicator = *walk.bytes(inner.min(1))?.first().ok_or_else(|| damaged(6))?;
            let own = Place { start: start + 6, length: inner - 1 };
            known.mask = match indicator {
                0 => Some(own),
                254 => Some(known.last_mask.ok_or_else(|| damaged(6))?),
                255 => None,
                other => {
                    return Err(
                        format!("has a mask by the table {other} of its centre, which is not read").into()
                    );
                }
            };
            known.last_mask = known.mask.or(known.last_mask);
            walk.skip(inner - 1)?;
            continue;
        }
        if length > LONGEST_SECTION {
            return Err(format!("has a section {number} of {length} bytes at byte {start}, but at most {LONGEST_SECTION} are read").into());
        }
        let mut section = [&head[..], &[number]].concat();
        section.extend(walk.bytes(inner)?);
        match number {
            1 => known.reference = Some(reference(&section).ok_or_else(|| damaged(1))?),
            2 => {}
            3 => known.grid = Some(Arc::new(grid(section)?)),
            4 => {
                let field = Field::of(discipline, &section).ok_or_else(|| damaged(4))?;
                let reference = known.reference.ok_or_else(|| damaged(1))?;
                known.product = Some((field, valid(&section, reference)?));
            }
            5 => known.packing = Some(section),
            other => {
                return Err(
                    format!("has a section {other} at byte {start}, which there is not in GRIB 2").into()
                );
            }
        }
    }
}

/// The big-endian number of two or four bytes at a place.
pub(super) fn word2(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn word4(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A number whose first bit is its sign.
pub(super) fn signed(bits: u32, width: u32) -> i32 {
    let sign = 1u32 << (width - 1);
    let size = (bits & (sign - 1)) as i32;
    if bits & sign == 0 { size } else { -size }
}

/// The time in section 1.
fn reference(section: &[u8]) -> Option<f64> {
    seconds(section.get(12..19)?)
}

/// Seconds since 1970 of a year in two bytes, month, day, hour, minute and second.
fn seconds(bytes: &[u8]) -> Option<f64> {
    let year = i32::from(word2(bytes, 0)?);
    let date = Date::from_calendar_date(year, Month::try_from(bytes[2]).ok()?, bytes[3]).ok()?;
    let time = Time::from_hms(bytes[4], bytes[5], bytes[6].min(59)).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp() as f64)
}

/// When the numbers of a product are valid: at the end of the interval that they are of, where they are of one.
fn valid(section: &[u8], reference: f64) -> Result<f64, String> {
    let template = word2(section, 7).unwrap_or(u16::MAX);
    // The end of the interval in products of one (tables 4.8 to 4.12).
    let end = match template {
        8 => Some(34),
        9 => Some(47),
        10 => Some(35),
        11 => Some(37),
        12 => Some(36),
        0..=7 | 15 | 51 => None,
        other => {
            return Err(format!(
                "has a product of template 4.{other}, but 4.0 to 4.12, 4.15 and 4.51 are read"
            ));
        }
    };
    if let Some(end) = end.and_then(|at| section.get(at..at + 7)).and_then(seconds) {
        return Ok(end);
    }
    let unit = match section.get(17) {
        Some(0) => 60.0,
        Some(1) => 3600.0,
        Some(2) => 86400.0,
        Some(10) => 3.0 * 3600.0,
        Some(11) => 6.0 * 3600.0,
        Some(12) => 12.0 * 3600.0,
        Some(13) => 1.0,
        other => {
            return Err(format!(
                "has a forecast time in the unit {other:?} of table 4.4, but seconds to days are read"
            ));
        }
    };
    let count = word4(section, 18).map_or(0, |bits| signed(bits, 32));
    Ok(reference + unit * f64::from(count))
}

/// The grid of section 3.
fn grid(section: Vec<u8>) -> Result<Grid, String> {
    let damaged = || "has a section 3 that is too short".to_owned();
    let template = word2(&section, 12).ok_or_else(damaged)?;
    // Where flags say in which order the pixels lie.
    let scanning = match template {
        0 | 1 | 2 | 3 | 40 | 41 => 71,
        10 => 59,
        20 | 30 | 31 => 64,
        90 | 140 => 63,
        other => {
            return Err(format!(
                "has a grid of template 3.{other}, but 3.0 to 3.3 (latitude and longitude), 3.10, 3.20, 3.30, 3.31, 3.40, 3.41, 3.90 and 3.140 \
                 are read"
            ));
        }
    };
    let [points, columns, rows] = [6, 30, 34].map(|at| word4(&section, at));
    let (points, columns, rows) =
        (points.ok_or_else(damaged)?, columns.ok_or_else(damaged)?, rows.ok_or_else(damaged)?);
    let flags = *section.get(scanning).ok_or_else(damaged)?;
    if u64::from(columns) * u64::from(rows) != u64::from(points) {
        return Err(format!(
            "has a grid of {rows} x {columns} with {points} points; grids whose rows have different lengths are not read"
        ));
    }
    if flags & 0x20 != 0 {
        return Err(format!(
            "has a grid whose pixels lie column by column (flags {flags:#04x}), which is not read"
        ));
    }
    let (rows, columns) = (rows as usize, columns as usize);
    let (from_north, from_east, turns) = (flags & 0x40 == 0, flags & 0x80 != 0, flags & 0x10 != 0);
    Ok(Grid { section, template, rows, columns, from_north, from_east, turns })
}
