//! What a file leaves open, and the settings that say it.

use std::path::Path;

use serde::Serialize;

use super::objects::{Object, reason};
use crate::dataset::source::{self, Given, OPTION_FOR_AXES};
use crate::dataset::{Axes, FramesConfig};
use crate::{ReadBudget, Result};

/// A value that a setting may have, where the data leave it open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// The setting, such as `data.frames.axes`.
    pub setting: &'static str,
    /// The value as it is written in TOML.
    pub value: String,
    /// What the data are then.
    pub meaning: String,
}

/// What is known about how a file is read.
pub(super) struct Chosen {
    /// The configuration that reads it. Where the axes are open they are the first that may be, for looking at numbers.
    pub(super) config: FramesConfig,
    /// The object that is read, if it is one of several or has a shape.
    pub(super) object: Option<Object>,
    /// The axes that it may have; none where they are known.
    pub(super) axes: Vec<Choice>,
    /// The objects that may be meant; none where one is known.
    pub(super) objects: Vec<Choice>,
    /// Why it is not read as it is, where something is open.
    pub(super) open: Option<String>,
}

impl Chosen {
    /// Chooses among what a file holds: what the configuration names, otherwise the largest that may be frames.
    ///
    /// # Errors
    /// The errors of opening the file, if no choice opens it.
    pub(super) fn of(
        path: &Path,
        objects: &[Object],
        config: &FramesConfig,
        budget: &ReadBudget,
    ) -> Result<Self> {
        let mut chosen =
            Self { config: config.clone(), object: None, axes: Vec::new(), objects: Vec::new(), open: None };
        let opens = |config: &FramesConfig| source::open_as(path, config, budget, Given::Numbers).map(drop);
        let is_open = opens(&chosen.config).is_err();
        chosen.choose_object(path, objects, is_open);
        let Err(error) = opens(&chosen.config) else { return Ok(chosen) };
        let Some(shape) = chosen.object.as_ref().map(|object| object.shape.clone()) else {
            return Err(error);
        };
        if !config.axes.is_auto() {
            return Err(error);
        }
        let orders: Vec<(String, String)> = orders(&shape);
        let fits = |axes: &Axes| opens(&FramesConfig { axes: axes.clone(), ..chosen.config.clone() }).is_ok();
        let parsed = |(order, meaning): (String, String)| Some((order.parse::<Axes>().ok()?, meaning));
        let found: Vec<(Axes, String)> =
            orders.into_iter().filter_map(parsed).filter(|(axes, _)| fits(axes)).collect();
        let Some((first, _)) = found.first() else { return Err(error) };
        chosen.config.axes = first.clone();
        let choice = |(axes, meaning): (Axes, String)| Choice {
            setting: "data.frames.axes",
            value: format!("\"{axes}\""),
            meaning,
        };
        chosen.axes = found.into_iter().map(choice).collect();
        // The choices that are shown are settings.
        chosen.open = Some(reason(&error).replace(&format!(" ({OPTION_FOR_AXES})"), ""));
        Ok(chosen)
    }

    /// Settles which object is read, and names it where the file leaves it open.
    fn choose_object(&mut self, path: &Path, objects: &[Object], is_open: bool) {
        let is_archive = path.extension().is_some_and(|own| own.eq_ignore_ascii_case("npz"));
        let (setting, named) = match is_archive {
            true => ("data.frames.member", self.config.member.trim_end_matches(".npy")),
            false => ("data.frames.variable", self.config.variable.trim_matches('/')),
        };
        if let Some(object) = objects.iter().find(|object| !named.is_empty() && object.name == named) {
            self.object = Some(object.clone());
            return;
        }
        if let [only] = objects {
            self.object = Some(only.clone());
            return;
        }
        let of_axes = |object: &&Object| object.may_hold_frames(&self.config.axes);
        let is_frame = |object: &&Object| {
            object.unreadable.is_none() && !object.number_type.is_empty() && object.shape.len() == 2
        };
        let mut fitting: Vec<&Object> = objects.iter().filter(of_axes).collect();
        if fitting.is_empty() {
            fitting = objects.iter().filter(is_frame).collect();
        }
        if !is_open {
            // Several are the frames of one sequence.
            self.object = if let [only] = fitting[..] { Some(only.clone()) } else { None };
            return;
        }
        let Some(largest) = fitting.iter().rev().max_by_key(|object| object.numbers()) else { return };
        self.object = Some((*largest).clone());
        match is_archive {
            true => self.config.member = largest.name.clone(),
            false => self.config.variable = largest.name.clone(),
        }
        if fitting.len() > 1 {
            let choice = |object: &&Object| Choice {
                setting,
                value: toml::Value::from(object.name.as_str()).to_string(),
                meaning: described(object),
            };
            self.objects = fitting.iter().map(choice).collect();
        }
    }
}

/// Shape, type and unit of an object in words.
fn described(object: &Object) -> String {
    let unit = if object.unit.is_empty() { String::new() } else { format!(" in {}", object.unit) };
    format!("{:?} {}{unit}", object.shape, object.number_type)
}

/// The orders that the axes of a shape may have: those that it leaves open, otherwise the usual ones of so many axes.
fn orders(shape: &[usize]) -> Vec<(String, String)> {
    let open = Axes::choices(shape);
    if !open.is_empty() {
        return open.into_iter().map(|(order, meaning)| (order.to_owned(), meaning)).collect();
    }
    let usual: &[&str] = match shape.len() {
        2 => &["hw"],
        3 => &["thw", "hwt", "chw", "hwc"],
        4 => &["nthw", "tnhw", "tchw", "thwc", "nhwt", "nchw"],
        5 => &["ntchw", "nthwc", "tnchw"],
        _ => &[],
    };
    usual.iter().map(|order| ((*order).to_owned(), Axes::held(order, shape))).collect()
}
