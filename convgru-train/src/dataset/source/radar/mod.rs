//! Readers of radar images, one for each format.

pub(in crate::dataset) mod composite;
pub(in crate::dataset) mod field;
pub(in crate::dataset) mod meteonet;
pub(in crate::dataset) mod pgm;
