//! A model prepared for answering: which quantity stands behind each column and register. One per fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dlms::cosem::activity_calendar::Calendar;
use dlms::profile::{CaptureObject, Column};
use dlms::{Obis, ScalerUnit};
use models::{ColumnSpec, Model};

use crate::Error;
use crate::calendar::first_calendar;
use crate::quantity::{Quantity, natural};
use crate::schedule::Schedule;

/// A prepared model.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) model: Arc<Model>,
    /// In the order of the model.
    pub(crate) profiles: Vec<ProfilePlan>,
    /// Registers of the model and of its profiles, by class and logical name.
    pub(crate) registers: BTreeMap<(u16, Obis), RegisterPlan>,
    /// Status objects that profiles capture.
    pub(crate) statuses: BTreeSet<Obis>,
    /// The calendar that meters are made with; empty where the model takes no tariff.
    pub(crate) calendar: Arc<Calendar>,
}

/// A prepared profile.
#[derive(Debug)]
pub(crate) struct ProfilePlan {
    pub(crate) schedule: Schedule,
    pub(crate) captured: Vec<CaptureObject>,
    pub(crate) cells: Vec<Cell>,
}

/// What is written into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    Clock,
    Status,
    Value(Quantity),
    /// When a value came about.
    Time(Quantity),
    /// What the device on an M-Bus channel has counted.
    Device(u8),
    /// null-data: an object that this simulator does not have.
    Nothing,
}

/// A prepared register.
#[derive(Debug)]
pub(crate) struct RegisterPlan {
    pub(crate) scaler_unit: ScalerUnit,
    /// Attribute 2.
    pub(crate) value: Quantity,
    /// Attribute 3 of a demand register.
    pub(crate) last: Quantity,
}

impl Plan {
    pub(crate) fn new(model: Arc<Model>) -> Self {
        let mut registers = BTreeMap::new();
        let mut statuses = BTreeSet::new();
        for profile in &model.profiles {
            for column in &profile.columns {
                match Column::of(&captured(column)) {
                    Column::Value => {
                        let register = || RegisterPlan::new(column, profile.period_s);
                        registers.entry((column.class_id, column.obis)).or_insert_with(register);
                    }
                    Column::Status => _ = statuses.insert(column.obis),
                    Column::Clock | Column::Time | Column::Float | Column::Text | Column::Ignored => {}
                }
            }
        }
        let period_s = model.profiles.first().map_or(0, |profile| profile.period_s);
        for register in &model.registers {
            let column = || match register.at {
                None => natural(register.obis, register.class_id),
                Some(_) => ColumnSpec {
                    obis: register.obis,
                    class_id: register.class_id,
                    attribute: 2,
                    scaler: register.scaler,
                    unit: register.unit,
                    at: None,
                },
            };
            registers
                .entry((register.class_id, register.obis))
                .or_insert_with(|| RegisterPlan::new(&column(), period_s));
        }
        let profiles = model
            .profiles
            .iter()
            .map(|profile| ProfilePlan {
                schedule: Schedule::of_period(profile.period_s),
                captured: profile.columns.iter().map(captured).collect(),
                cells: profile.columns.iter().map(|column| Cell::of(column, profile.period_s)).collect(),
            })
            .collect();
        let calendar = Arc::new(model.tariff.as_ref().map(first_calendar).unwrap_or_default());
        Self { model, profiles, registers, statuses, calendar }
    }

    /// Index of a profile by its name in the model.
    pub(crate) fn profile_named(&self, name: &str) -> Result<usize, Error> {
        let missing = || Error::NoProfile { model: self.model.name.clone(), profile: name.to_owned() };
        self.model.profiles.iter().position(|profile| profile.name == name).ok_or_else(missing)
    }

    /// Index of a profile by its logical name.
    pub(crate) fn profile_at(&self, obis: Obis) -> Option<usize> {
        self.model.profiles.iter().position(|profile| profile.obis == obis)
    }
}

impl Cell {
    fn of(column: &ColumnSpec, period_s: u32) -> Self {
        match Column::of(&captured(column)) {
            Column::Clock => Self::Clock,
            Column::Status => Self::Status,
            Column::Value => match column.obis.octets() {
                [0, channel @ 1..=255, 24, 2, 1, 255] => Self::Device(channel),
                _ => Self::Value(Quantity::of(column, period_s)),
            },
            Column::Time => {
                Self::Time(Quantity::of(&ColumnSpec { attribute: 2, ..column.clone() }, period_s))
            }
            Column::Float | Column::Text | Column::Ignored => Self::Nothing,
        }
    }
}

impl RegisterPlan {
    fn new(column: &ColumnSpec, period_s: u32) -> Self {
        let attribute = |attribute| Quantity::of(&ColumnSpec { attribute, ..column.clone() }, period_s);
        let scaler_unit = ScalerUnit { scaler: column.scaler, unit: column.unit };
        Self { scaler_unit, value: attribute(2), last: attribute(3) }
    }
}

fn captured(column: &ColumnSpec) -> CaptureObject {
    CaptureObject {
        class_id: column.class_id,
        instance: column.obis,
        attribute: column.attribute,
        data_index: 0,
    }
}
