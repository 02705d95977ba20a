//! When the frames of a folder were seen, each of which is a file: as the files tell, or else their names.

use std::path::{Path, PathBuf};

use super::{Origin, Times};
use crate::dataset::time_in_name;
use crate::printable::printable;
use crate::{Error, Result};

/// Times of files of a frame each.
pub(super) struct FileTimes {
    pub(super) origin: Origin,
    /// Seconds of each file; `None` where neither the file nor its name tells a time that compares with the others.
    pub(super) seconds: Vec<Option<f64>>,
}

impl FileTimes {
    /// The times that files tell, of those that compare the most; where these are dates, the name of a file tells its time if the file does
    /// not. If no file tells a time, all times come from the names. `None` where these tell none, or one time for all.
    pub(super) fn of(files: &[PathBuf], own: Vec<Option<Times>>) -> Option<Self> {
        let is_one = |own: &Times| own.seconds.len() == 1 && own.origin != Origin::Unknown;
        let own: Vec<Option<Times>> = own.into_iter().map(|own| own.filter(is_one)).collect();
        let of_names = || files.iter().map(|file| time_in_name(file));
        let count = |origin: &Origin| own.iter().flatten().filter(|own| own.origin == *origin).count();
        // The first of several.
        let Some(most) = own.iter().flatten().rev().max_by_key(|own| count(&own.origin)) else {
            let seconds: Vec<Option<f64>> = of_names().collect();
            let mut told = seconds.iter().flatten();
            let first = told.next()?;
            let is_told = files.len() == 1 || seconds.iter().any(|own| own.as_ref() != Some(first));
            return is_told.then_some(Self { origin: Origin::Year1970, seconds });
        };
        let origin = most.origin.clone();
        let is_dated = origin == Origin::Year1970;
        let both = own.iter().zip(of_names());
        let seconds = both.map(|(own, of_name)| match own {
            Some(own) if own.origin == origin => Some(own.seconds[0]),
            _ => of_name.filter(|_| is_dated),
        });
        let seconds = seconds.collect();
        Some(Self { origin, seconds })
    }

    /// The times of files that tell none but in their names.
    ///
    /// # Errors
    /// [`Error::Format`] with a file whose name tells none beside others whose names do.
    pub(super) fn of_names(files: &[PathBuf]) -> Result<Option<Times>> {
        let Some(Self { origin, seconds }) = Self::of(files, vec![None; files.len()]) else {
            return Ok(None);
        };
        let [with, without] = [true, false].map(|told| seconds.iter().position(|own| own.is_some() == told));
        match (with, without) {
            (Some(with), Some(without)) => {
                Err(Error::Format { path: files[without].clone(), reason: without_time(&files[with]) })
            }
            _ => Ok(Some(Times { seconds: seconds.into_iter().flatten().collect(), origin })),
        }
    }
}

/// What is wrong with a file that tells no time, beside another one that tells one.
pub(super) fn without_time(other: &Path) -> String {
    format!(
        "tells no time that compares with the times of other files of its folder, such as {}: it has none, or another calendar or unit, and \
         no date and time in its name; write its time as the others do, or leave it out",
        printable(other.file_name().unwrap_or_default())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn names_tell_times_where_files_do_not() {
        let of_names =
            |names: &[&str]| FileTimes::of_names(&named(names)).map(|times| times.map(|own| own.seconds));
        assert_eq!(of_names(&["a1.npy", "a2.npy"]).unwrap(), None);
        let two = ["20210601T001000Z.npy", "20210601T030030Z.npy"];
        let seconds = of_names(&two).unwrap().unwrap();
        assert_eq!(seconds[1] - seconds[0], 170.0 * 60.0 + 30.0);
        assert_eq!(of_names(&["run_202106010000_1.npy", "run_202106010000_2.npy"]).unwrap(), None);
        let error = of_names(&[two[0], two[1], "mean.npy"]).unwrap_err().to_string();
        assert!(error.starts_with("mean.npy") && error.contains(two[0]), "{error}");
    }

    #[test]
    fn a_file_alone_does_not_take_the_times_of_the_others() {
        let times = |units: &str, calendar| Times::of(&[2.0], units, calendar);
        let day = |calendar| times("days since 2020-01-01", calendar);
        for other in [None, day(Some("noleap")), times("months since 2020-01-01", None), times("hours", None)]
        {
            let own = vec![other.clone(), day(None), day(None)];
            let told = FileTimes::of(&named(&["a.nc", "b.nc", "c.nc"]), own.clone()).unwrap();
            let is_told: Vec<bool> = told.seconds.iter().map(Option::is_some).collect();
            assert_eq!((told.origin, is_told), (Origin::Year1970, vec![false, true, true]), "{other:?}");
            let told = FileTimes::of(&named(&["a_20200103_0010.nc", "b.nc", "c.nc"]), own).unwrap();
            assert_eq!(told.seconds[0].unwrap() - told.seconds[1].unwrap(), 600.0);
        }
    }
}
