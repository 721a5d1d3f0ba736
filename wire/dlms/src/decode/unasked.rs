//! What a meter sends unasked (Green Book, 9.3.9 and 9.3.10), and how a request is refused as a whole.

use super::data;
use super::parts::{attribute, code, long_invoke, time, time_or_none};
use super::walk::{Stop, Walk};
use crate::error::{ServiceError, StateError};
use crate::{DateTime, Error};

/// Reads a data-notification.
pub(super) fn data_notification(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("data-notification", |walk| {
        walk.read("data-notification", |reader| reader.u8())?;
        long_invoke(walk)?;
        time_or_none(walk, "date-time")?;
        data::value(walk, "body")
    })
}

/// Reads the confirmation of a data-notification.
pub(super) fn data_notification_confirm(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("data-notification-confirm", |walk| {
        walk.read("data-notification-confirm", |reader| reader.u8())?;
        long_invoke(walk)?;
        time_or_none(walk, "date-time")
    })
}

/// Reads an event-notification.
pub(super) fn event_notification(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("event-notification-request", |walk| {
        walk.read("event-notification-request", |reader| reader.u8())?;
        if walk.read("time", |reader| reader.flag())? {
            let from = walk.at();
            let octets = walk.read("time", |reader| {
                let octets = reader.octets()?;
                let wrong = Error::Length { what: "date-time", expected: 12, got: octets.len() };
                octets.try_into().map_err(|_| wrong)
            })?;
            time(walk, "time", from, DateTime::new(octets));
        }
        attribute(walk)?;
        data::value(walk, "value")
    })
}

/// Reads an exception-response.
pub(super) fn exception(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("exception-response", |walk| {
        walk.read("exception-response", |reader| reader.u8())?;
        let from = walk.at();
        let state = StateError::from(walk.read("state-error", |reader| reader.u8())?);
        walk.add("state-error", from, code(state.name(), state.code()));
        let from = walk.at();
        let service = ServiceError::from(walk.read("service-error", |reader| reader.u8())?);
        walk.add("service-error", from, code(service.name(), service.code()));
        if service == ServiceError::InvocationCounterError && !walk.rest().is_empty() {
            walk.keep("expected-invocation-counter", |reader| reader.u32())?;
        }
        Ok(())
    })
}

/// Reads a confirmed-service-error.
pub(super) fn service_error(walk: &mut Walk<'_>) -> Result<(), Stop> {
    walk.group("confirmed-service-error", |walk| {
        walk.read("confirmed-service-error", |reader| reader.u8())?;
        let from = walk.at();
        let service = walk.read("service", |reader| reader.u8())?;
        let name = match service {
            1 => "initiate-error",
            5 => "read",
            6 => "write",
            _ => "",
        };
        walk.add("service", from, code(name, service));
        let from = walk.at();
        let class = walk.read("error-class", |reader| reader.u8())?;
        let name = CLASSES.get(usize::from(class)).copied().unwrap_or("");
        walk.add("error-class", from, code(name, class));
        let from = walk.at();
        let error = walk.read("error", |reader| reader.u8())?;
        let name = match (class, error) {
            (6, 0) => "other",
            (6, 1) => "dlms-version-too-low",
            (6, 2) => "incompatible-conformance",
            (6, 3) => "pdu-size-too-short",
            (6, 4) => "refused-by-the-vde-handler",
            _ => "",
        };
        walk.add("error", from, code(name, error));
        Ok(())
    })
}

/// Classes of errors of confirmed services, by number.
const CLASSES: [&str; 10] = [
    "application-reference",
    "hardware-resource",
    "vde-state-error",
    "service",
    "definition",
    "access",
    "initiate",
    "load-data-set",
    "",
    "task",
];
