//! The server of an advanced metering infrastructure.
//!
//! What is due becomes jobs ([`plan`]), the collector leases and runs them ([`collect`]), what meters answered is stored in batches ([`ingest`];
//! what is doubtful about it: [`validate`]; what is kept of it and for how long: [`keeping`]; what becomes of a failed job: [`retry`], of a command: [`command`]); what they send unasked is heard by [`listen`], what concentrators hand over as files is taken by [`results`]; and [`api`] gives it out. PostgreSQL is store and queue in one ([`store`]); on a
//! machine without a database the program runs a private one ([`cluster`]). [`config`] is the manual of the configuration,
//! [`telemetry`] the log, traces and metrics, [`tariff`] the form of a tariff and its rules; [`certificates`] makes those of a demonstration.

pub mod api;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod collect;
pub mod command;
pub mod config;
pub mod ingest;
pub mod keeping;
pub mod listen;
pub mod plan;
pub mod results;
pub mod retry;
pub mod serve;
pub mod store;
pub mod tariff;
pub mod telemetry;
pub mod validate;
