//! What is counted and measured. One way of counting serves both outputs: OTLP and Prometheus read the same instruments.
//!
//! `docs/metrics.md` lists every metric; a test holds the list against a running program. Labels have few values, all of them known here.
//! While nobody reads, recording costs next to nothing.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use collectors::{Instruments, Reason};
use jiff::{SignedDuration, Timestamp};
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tonic::Code;

use crate::store::batch::Written;
use crate::store::commands::OpenCommands;
use crate::store::events;
use crate::store::flags::Raised;
use crate::store::job_list::Waiting;
use crate::store::pushes::Tally;
use crate::store::{self, JobKind, JobState, PushFate, ResultState};

/// Bounds of the histograms of times, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

/// Bounds of the histogram of batches, in reports.
const REPORTS: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0];

/// Kinds of store errors, see [`store_error`].
const STORE_ERRORS: [&str; 4] = ["unavailable", "contended", "refused", "other"];

/// Set once somebody reads.
static READ: OnceLock<SdkMeterProvider> = OnceLock::new();

/// Made at the first use, which must not be before [`read_by`]; without readers it does nothing.
static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new(&global::meter("headend")));

/// The instruments. Their names follow OpenTelemetry; Prometheus sees `_` for `.`, the unit, and `_total` on counters.
struct Metrics {
    call_duration: Histogram<f64>,
    open_calls: UpDownCounter<i64>,
    jobs_ended: Counter<u64>,
    jobs_waiting: Gauge<u64>,
    commands_open: Gauge<u64>,
    pushes: Counter<u64>,
    meters_leased: Gauge<u64>,
    groups_slowed: Gauge<u64>,
    groups_halved: Counter<u64>,
    captures: Counter<u64>,
    registers: Counter<u64>,
    flags: Counter<u64>,
    events: Counter<u64>,
    events_unknown: Counter<u64>,
    event_losses: Counter<u64>,
    result_files: Counter<u64>,
    batch_duration: Histogram<f64>,
    batch_reports: Histogram<u64>,
    store_errors: Counter<u64>,
    store_retries: Counter<u64>,
    push_duration: Histogram<f64>,
    clock_ahead: Gauge<f64>,
    clocks_wrong: Gauge<u64>,
}

impl Metrics {
    fn new(meter: &Meter) -> Self {
        let seconds = |name, help| {
            let builder = meter.f64_histogram(name).with_unit("s").with_description(help);
            builder.with_boundaries(SECONDS.to_vec()).build()
        };
        let counter = |name, help| meter.u64_counter(name).with_description(help).build();
        let gauge = |name, help| meter.u64_gauge(name).with_description(help).build();
        Self {
            call_duration: seconds(
                "headend.api.call.duration",
                "Time from the request to the end of the answer.",
            ),
            open_calls: meter
                .i64_up_down_counter("headend.api.calls.open")
                .with_description("Calls that are open.")
                .build(),
            jobs_ended: counter("headend.jobs.ended", "Attempts at jobs that ended."),
            jobs_waiting: gauge("headend.jobs.waiting", "Jobs that are due or run."),
            commands_open: gauge("headend.commands.open", "Commands that have not come to their end."),
            pushes: counter("headend.pushes", "Pushes of meters and what became of them."),
            meters_leased: gauge("headend.meters.leased", "Meters that this process works on."),
            groups_slowed: gauge(
                "headend.groups.slowed",
                "Throttle groups that may have fewer lines open than at first.",
            ),
            groups_halved: counter(
                "headend.groups.halved",
                "Times that the lines of a throttle group were halved.",
            ),
            captures: counter("headend.captures.stored", "Captures of profiles that were stored."),
            registers: counter("headend.registers.stored", "Values of registers that were stored."),
            flags: counter("headend.flags", "Flags of readings that were raised."),
            events: counter(
                "headend.events",
                "Events of logs that were heard of, and whether they were new.",
            ),
            events_unknown: counter(
                "headend.events.unknown",
                "New events whose code the tables of the model do not have.",
            ),
            event_losses: counter("headend.event.losses", "Logs of which entries may be lost."),
            result_files: counter(
                "headend.result_files",
                "Result files of concentrators and what became of them.",
            ),
            batch_duration: seconds("headend.batch.duration", "Time to store a batch, attempts included."),
            batch_reports: meter
                .u64_histogram("headend.batch.reports")
                .with_description("Reports of collectors in a batch.")
                .with_boundaries(REPORTS.to_vec())
                .build(),
            store_errors: counter("headend.store.errors", "Statements and transactions that failed."),
            store_retries: counter("headend.store.retries", "Transactions that were tried again."),
            push_duration: seconds(
                "headend.push.duration",
                "Time from the arrival of a push until it was stored.",
            ),
            clock_ahead: meter
                .f64_gauge("headend.clock.ahead")
                .with_unit("s")
                .with_description("How far the clock of this machine is ahead of that of the database.")
                .build(),
            clocks_wrong: gauge(
                "headend.clocks.wrong",
                "Meters whose clock was off by more than clock.tolerance when it was seen last.",
            ),
        }
    }
}

/// Makes `provider` the one that reads, and counters start at zero. At most once, before anything is counted.
pub(super) fn read_by(provider: SdkMeterProvider) {
    global::set_meter_provider(provider.clone());
    let _only_once = READ.set(provider);
    for kind in STORE_ERRORS {
        METRICS.store_errors.add(0, &[KeyValue::new("kind", kind)]);
    }
    METRICS.store_retries.add(0, &[]);
    for fate in PushFate::ALL {
        METRICS.pushes.add(0, &[KeyValue::new("fate", fate.word())]);
    }
    ResultState::ALL.into_iter().for_each(|state| METRICS.result_files.add(0, &result_state(state)));
    METRICS.registers.add(0, &[]);
    flags_raised(&Raised::default());
    METRICS.event_losses.add(0, &[]);
    for way in ["polled", "pushed"] {
        events_stored(way, &events::Written::default());
    }
    METRICS.meters_leased.record(0, &[]);
    METRICS.groups_slowed.record(0, &[]);
    METRICS.groups_halved.add(0, &[]);
}

/// Whether anybody reads: what is only asked for to be counted need not be asked for otherwise.
pub fn are_read() -> bool {
    READ.get().is_some()
}

/// A call began.
pub fn call_began(rpc: &str) {
    METRICS.open_calls.add(1, &[KeyValue::new("rpc", rpc.to_owned())]);
}

/// A call ended, with its last octet sent, or because the caller went away (`CANCELLED`).
pub fn call_ended(rpc: &str, code: Code, took: Duration) {
    let rpc = KeyValue::new("rpc", rpc.to_owned());
    METRICS.open_calls.add(-1, std::slice::from_ref(&rpc));
    METRICS.call_duration.record(took.as_secs_f64(), &[rpc, KeyValue::new("code", code_word(code))]);
}

/// An attempt at a job ended: `done`, `failed`, or `due` again.
pub fn job_ended(kind: JobKind, state: JobState, reason: Option<Reason>) {
    let labels = [
        KeyValue::new("kind", kind.as_str()),
        KeyValue::new("state", state.as_str()),
        KeyValue::new("reason", reason.map_or("", Reason::as_str)),
    ];
    METRICS.jobs_ended.add(1, &labels);
}

/// How many jobs wait and run in the whole database.
pub fn jobs_waiting(counts: &[Waiting]) {
    for count in counts {
        for (state, jobs) in [(JobState::Due, count.due), (JobState::Running, count.running)] {
            let labels = [KeyValue::new("kind", count.kind.as_str()), KeyValue::new("state", state.as_str())];
            METRICS.jobs_waiting.record(jobs.unsigned_abs(), &labels);
        }
    }
}

/// How many commands are open in the whole database.
pub fn commands_open(counts: &[OpenCommands]) {
    for OpenCommands { kind, state, commands } in counts {
        let labels = [KeyValue::new("kind", kind.clone()), KeyValue::new("state", state.clone())];
        METRICS.commands_open.record(commands.unsigned_abs(), &labels);
    }
}

/// How many meters this process holds leases of.
pub fn meters_leased(meters: usize) {
    METRICS.meters_leased.record(meters as u64, &[]);
}

/// How many throttle groups this process slows down.
pub fn groups_slowed(groups: usize) {
    METRICS.groups_slowed.record(groups as u64, &[]);
}

/// Half as many lines of a throttle group may be open.
pub fn group_halved() {
    METRICS.groups_halved.add(1, &[]);
}

/// How far the clock of this machine is ahead of that of the database.
pub fn clock_ahead(ahead: SignedDuration) {
    METRICS.clock_ahead.record(ahead.as_secs_f64(), &[]);
}

/// How many meters of the whole database have a clock that is off.
pub fn clocks_wrong(clocks: i64) {
    METRICS.clocks_wrong.record(clocks.unsigned_abs(), &[]);
}

/// A batch of so many reports was stored.
pub fn batch_stored(reports: usize, written: &Written, took: Duration) {
    captures_stored(written);
    METRICS.registers.add(written.registers, &[]);
    flags_raised(&written.flags);
    events_stored("polled", &written.events);
    METRICS.event_losses.add(written.events.losses, &[]);
    METRICS.batch_reports.record(reports as u64, &[]);
    METRICS.batch_duration.record(took.as_secs_f64(), &[]);
}

/// A part of a result file was stored.
pub fn results_stored(written: &Written) {
    captures_stored(written);
    flags_raised(&written.flags);
    events_stored("polled", &written.events);
}

/// Something became of a result file.
pub fn result_file(state: ResultState) {
    METRICS.result_files.add(1, &result_state(state));
}

fn result_state(state: ResultState) -> [KeyValue; 1] {
    [KeyValue::new("state", state.word())]
}

fn captures_stored(written: &Written) {
    let stored = &written.captures;
    for (outcome, count) in
        [("new", stored.inserted), ("identical", stored.identical), ("revised", stored.revised)]
    {
        METRICS.captures.add(count, &[KeyValue::new("outcome", outcome)]);
    }
}

/// Flags were raised.
fn flags_raised(raised: &Raised) {
    for (rule, count) in raised.each() {
        METRICS.flags.add(count, &[KeyValue::new("rule", rule.word())]);
    }
}

/// Events were heard of in this way.
pub fn events_stored(way: &'static str, written: &events::Written) {
    let way = KeyValue::new("way", way);
    for (outcome, count) in [("new", written.new), ("joined", written.joined), ("known", written.known)] {
        METRICS.events.add(count, &[way.clone(), KeyValue::new("outcome", outcome)]);
    }
    METRICS.events_unknown.add(written.unknown, &[way]);
}

/// A statement or transaction failed.
pub fn store_error(error: &store::Error) {
    let kind = match error {
        store::Error::Unavailable { .. } => "unavailable",
        store::Error::Contended { .. } => "contended",
        store::Error::Refused { .. } => "refused",
        _ => "other",
    };
    METRICS.store_errors.add(1, &[KeyValue::new("kind", kind)]);
}

/// A transaction is tried again.
pub fn store_retry() {
    METRICS.store_retries.add(1, &[]);
}

/// Pushes that arrived at these instants were stored, and what became of them.
pub fn pushes_stored(tally: &Tally, arrivals: impl Iterator<Item = Timestamp>) {
    if !are_read() {
        return;
    }
    for (fate, count) in tally {
        METRICS.pushes.add(*count, &[KeyValue::new("fate", fate.word())]);
    }
    let now = Timestamp::now();
    for arrival in arrivals {
        // A clock that was put back in between shows no time at all.
        let age = Duration::try_from(now.duration_since(arrival)).unwrap_or_default();
        METRICS.push_duration.record(age.as_secs_f64(), &[]);
    }
}

/// Serial lines whose use is shown at most: each is a label of its own.
const LINES_MAX: usize = 1000;

/// Lets the lines to meters be read, as far as this process has any, and the reports that wait to be stored.
pub fn observe(instruments: Arc<Instruments>, queue: impl Fn() -> u64 + Send + Sync + 'static) {
    if !are_read() {
        return;
    }
    let meter = global::meter("headend");
    let all = Arc::clone(&instruments);
    meter
        .u64_observable_counter("headend.exchanges")
        .with_description("Requests to meters and what came of them.")
        .with_callback(move |observer| {
            for (service, result, count) in all.exchanges() {
                observer
                    .observe(count, &[KeyValue::new("service", service), KeyValue::new("result", result)]);
            }
        })
        .build();
    let all = Arc::clone(&instruments);
    meter
        .u64_observable_counter("headend.octets")
        .with_unit("By")
        .with_description("Octets to and from meters, headers of the wrapper included.")
        .with_callback(move |observer| {
            observer.observe(all.octets_sent(), &[KeyValue::new("direction", "sent")]);
            observer.observe(all.octets_received(), &[KeyValue::new("direction", "received")]);
        })
        .build();
    observe_damage(&meter, &instruments);
    let gauge = |name, help, read: Box<dyn Fn() -> u64 + Send + Sync>| {
        let builder = meter.u64_observable_gauge(name).with_description(help);
        builder.with_callback(move |observer| observer.observe(read(), &[])).build();
    };
    let all = Arc::clone(&instruments);
    gauge("headend.lines.open", "Lines to meters that are open.", Box::new(move || all.open_lines()));
    gauge(
        "headend.associations.open",
        "Associations with meters that are open.",
        Box::new(move || instruments.open_associations()),
    );
    gauge("headend.reports.waiting", "Reports of collectors that wait to be stored.", Box::new(queue));
}

/// Lets be read what goes wrong on lines, by itself and on purpose, and what the time of serial ones is used for.
fn observe_damage(meter: &Meter, instruments: &Arc<Instruments>) {
    let all = Arc::clone(instruments);
    meter
        .u64_observable_counter("headend.bad_frames")
        .with_description("HDLC frames that arrived damaged.")
        .with_callback(move |observer| {
            for (place, count) in all.bad_frames() {
                observer.observe(count, &[KeyValue::new("place", place)]);
            }
        })
        .build();
    let all = Arc::clone(instruments);
    meter
        .u64_observable_counter("headend.noise")
        .with_unit("By")
        .with_description("Octets that arrived on HDLC lines outside of whole frames.")
        .with_callback(move |observer| observer.observe(all.noise_octets(), &[]))
        .build();
    let all = Arc::clone(instruments);
    meter
        .u64_observable_counter("headend.faults")
        .with_description("What lines did wrong on purpose.")
        .with_callback(move |observer| {
            for (fault, count) in all.faults() {
                observer.observe(count, &[KeyValue::new("fault", fault)]);
            }
        })
        .build();
    let all = Arc::clone(instruments);
    meter
        .u64_observable_counter("headend.collisions")
        .with_description("Times that what was sent on a serial line came back as something else.")
        .with_callback(move |observer| observer.observe(all.collisions(), &[]))
        .build();
    let all = Arc::clone(instruments);
    meter
        .f64_observable_counter("headend.line")
        .with_unit("s")
        .with_description("What the time of serial lines was used for.")
        .with_callback(move |observer| {
            for (line, used) in all.lines_used(LINES_MAX) {
                let parts = [("used", used.used), ("carried", used.carried), ("payload", used.payload)];
                for (part, time) in parts {
                    let labels = [KeyValue::new("line", line.clone()), KeyValue::new("part", part)];
                    observer.observe(time.as_secs_f64(), &labels);
                }
            }
        })
        .build();
}

/// The name of a code, as in the protocol.
const fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
