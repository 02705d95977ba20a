//! Small files of classic netCDF.

use std::path::Path;

/// Numbers over time, rows and columns, with what the file tells about them.
pub(crate) struct NetCdf<'a> {
    pub(crate) shape: [usize; 3],
    /// The unit of the numbers; without one there is no attribute.
    pub(crate) unit: Option<&'a str>,
    pub(crate) standard_name: Option<&'a str>,
    /// Minutes from a time to the next; 0 for a file without times.
    pub(crate) minutes: f64,
    pub(crate) numbers: &'a dyn Fn(usize) -> f32,
}

const DIMENSIONS: u32 = 10;
const VARIABLES: u32 = 11;
const ATTRIBUTES: u32 = 12;
const CHAR: u32 = 2;
const FLOAT: u32 = 5;
const DOUBLE: u32 = 6;

impl NetCdf<'_> {
    /// Writes the variable `field` with its coordinate of time.
    pub(crate) fn write(&self, path: &Path) {
        let [steps, height, width] = self.shape;
        let texts = [("units", self.unit), ("standard_name", self.standard_name)];
        let field =
            attributes(&texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect::<Vec<_>>());
        let time = attributes(&[("units", "minutes since 2020-01-01 00:00")]);
        let has_times = self.minutes > 0.0;
        let (field_bytes, time_bytes) = (4 * steps * height * width, 8 * steps);
        let header = |begin: usize| {
            let mut bytes = b"CDF\x01".to_vec();
            [0, DIMENSIONS, 3].into_iter().for_each(|number| word(&mut bytes, number));
            for (name, length) in [("time", steps), ("y", height), ("x", width)] {
                text(&mut bytes, name);
                word(&mut bytes, length as u32);
            }
            [0, 0, VARIABLES, 1 + u32::from(has_times)]
                .into_iter()
                .for_each(|number| word(&mut bytes, number));
            let mut variable =
                |name: &str, axes: &[u32], own: &[u8], kind: u32, size: usize, begin: usize| {
                    text(&mut bytes, name);
                    word(&mut bytes, axes.len() as u32);
                    axes.iter().for_each(|&axis| word(&mut bytes, axis));
                    bytes.extend(own);
                    [kind, size as u32, begin as u32].into_iter().for_each(|number| word(&mut bytes, number));
                };
            variable("field", &[0, 1, 2], &field, FLOAT, field_bytes, begin);
            if has_times {
                variable("time", &[0], &time, DOUBLE, time_bytes, begin + field_bytes);
            }
            bytes
        };
        let mut bytes = header(header(0).len());
        bytes.extend((0..steps * height * width).flat_map(|at| (self.numbers)(at).to_be_bytes()));
        if has_times {
            bytes.extend((0..steps).flat_map(|step| (self.minutes * step as f64).to_be_bytes()));
        }
        std::fs::write(path, bytes).unwrap();
    }
}

fn word(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_be_bytes());
}

/// A text with its length, filled up to four bytes.
fn text(bytes: &mut Vec<u8>, text: &str) {
    word(bytes, text.len() as u32);
    bytes.extend(text.bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn attributes(texts: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match texts {
        [] => [0, 0].into_iter().for_each(|number| word(&mut bytes, number)),
        _ => [ATTRIBUTES, texts.len() as u32].into_iter().for_each(|number| word(&mut bytes, number)),
    }
    for (name, value) in texts {
        text(&mut bytes, name);
        word(&mut bytes, CHAR);
        text(&mut bytes, value);
    }
    bytes
}
