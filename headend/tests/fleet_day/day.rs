//! The played part: meters on lines, a queue in the order of the lease, sessions that take the time of their medium.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use collectors::Reason;
use dlms::Obis;
use headend::collect::classes;
use headend::config;
use headend::plan::schedule::{Forecast, Goal, LineProgress, Progress, Schedule};
use headend::plan::{self, MeterState, PlannedJob, ProfileState, SCHEDULED};
use headend::retry::{Retry, retry};
use headend::store::JobKind;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use models::Model;

pub(crate) const METERS: i32 = 100_000;
/// Sessions at the same time.
const SESSIONS: u32 = 512;
/// The priority of what a person orders.
const ORDER: i16 = 10;

/// A way to meters.
pub(crate) struct Medium {
    pub(crate) name: &'static str,
    /// Meters on it, of all.
    meters: i32,
    /// Meters of one line.
    of_line: i32,
    /// How long a work takes, and one with a meter that is dead.
    takes: (i64, i64),
}

pub(crate) const MEDIA: [Medium; 4] = [
    Medium { name: "network", meters: 40_000, of_line: 1, takes: (4, 30) },
    Medium { name: "cellular", meters: 30_000, of_line: 1, takes: (9, 30) },
    Medium { name: "RS485", meters: 20_000, of_line: 32, takes: (6, 9) },
    Medium { name: "power line", meters: 10_000, of_line: 300, takes: (50, 90) },
];

/// What a forecast said.
pub(crate) struct Said {
    pub(crate) at: Timestamp,
    pub(crate) says: Option<Timestamp>,
}

/// The order of the queue: priority, by when, since when, number.
type Place = (Reverse<i16>, Timestamp, Timestamp, u64);

/// A job in the queue.
#[derive(Debug, Clone)]
struct Job {
    plan: PlannedJob,
    place: Place,
    attempts: i16,
}

#[derive(Default)]
struct Line {
    waiting: BTreeMap<Place, Job>,
    running: Option<Job>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ended(usize),
    Due(u64),
    Look(i32),
    Minute,
}

pub(crate) struct Day {
    now: Timestamp,
    model: Model,
    schedule: Arc<Schedule>,
    pub(crate) goals: Vec<Goal>,
    config: config::Plan,
    meters: Vec<MeterState>,
    lines: Vec<Line>,
    /// Lines that are free and have work, by their first one.
    ready: BTreeSet<(Place, usize)>,
    later: BTreeMap<u64, Job>,
    open: BTreeSet<(i32, JobKind, i16, Option<Timestamp>)>,
    events: BinaryHeap<Reverse<(Timestamp, Event)>>,
    sessions: usize,
    numbers: u64,
    complete: i32,
    troubled: BTreeSet<i32>,
    tries: BTreeMap<i32, u32>,
    spent: [(i64, i64); MEDIA.len()],
    pub(crate) reached_at: Option<Timestamp>,
    pub(crate) forecasts: Vec<Said>,
    pub(crate) longest_order: SignedDuration,
    pub(crate) looks: u64,
    pub(crate) works: u64,
    pub(crate) most_open: usize,
    pub(crate) most_tries_of_dead: u32,
    pub(crate) spent_on_dead: Vec<i64>,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn energy() -> Obis {
    "1.0.99.1.0.255".parse().unwrap()
}

fn is_dead(meter: i32) -> bool {
    meter % 100 == 37
}

/// The number of the medium of a meter, and that of its line.
fn place(meter: i32) -> (usize, usize) {
    let (mut first, mut line) = (0, 0);
    for (number, medium) in MEDIA.iter().enumerate() {
        if meter < first + medium.meters {
            return (number, line + usize::try_from((meter - first) / medium.of_line).unwrap());
        }
        first += medium.meters;
        line += usize::try_from((medium.meters + medium.of_line - 1) / medium.of_line).unwrap();
    }
    unreachable!("media have room for all")
}

/// A meter that was read until ten; one in fifty has a hole of an hour.
fn state(meter: i32, schedule: &Arc<Schedule>) -> MeterState {
    let (from, hole) = (at("2026-02-01T00:00:00Z"), at("2026-02-26T12:00:00Z"));
    let ten = at("2026-03-01T22:00:00Z");
    let coverage = match meter % 50 {
        11 => vec![(from, hole), (hole + SignedDuration::from_hours(1), ten)],
        _ => vec![(from, ten)],
    };
    let profile = ProfileState {
        last_ts: Some(ten),
        read_at: Some(ten),
        tried_at: Some(ten),
        coverage,
        ..ProfileState::default()
    };
    MeterState {
        meter,
        serial: meter.to_string(),
        since: from,
        identified_at: Some(ten),
        identify_tried_at: Some(ten),
        profiles: [(energy(), profile)].into(),
        schedules: vec![Arc::clone(schedule)],
        ..MeterState::default()
    }
}

impl Day {
    /// The evening before, a minute before midnight.
    pub(crate) fn begin() -> Self {
        let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
        model.profiles.retain(|profile| profile.obis == energy());
        model.profiles[0].read_every = Duration::from_secs(86_400);
        model.registers.clear();
        model.logs.clear();
        let goals = vec![Goal { permille: 980, by_min: 360 }, Goal { permille: 1000, by_min: 1440 }];
        let schedule = Arc::new(Schedule {
            id: 1,
            name: "all".into(),
            profile: energy(),
            model: None,
            throttle_group: None,
            serial_prefix: None,
            zone: TimeZone::UTC,
            goals: goals.clone(),
        });
        let now = at("2026-03-01T23:59:00Z");
        let mut events = BinaryHeap::from([Reverse((now, Event::Minute))]);
        events.extend((0..METERS).map(|meter| Reverse((now, Event::Look(meter)))));
        let mut lines = Vec::new();
        lines.resize_with(place(METERS - 1).1 + 1, Line::default);
        Self {
            now,
            model,
            schedule: Arc::clone(&schedule),
            goals,
            config: config::Plan::default(),
            meters: (0..METERS).map(|meter| state(meter, &schedule)).collect(),
            lines,
            ready: BTreeSet::new(),
            later: BTreeMap::new(),
            open: BTreeSet::new(),
            events,
            sessions: 0,
            numbers: 0,
            complete: 0,
            troubled: BTreeSet::new(),
            tries: BTreeMap::new(),
            spent: [(0, 0); MEDIA.len()],
            reached_at: None,
            forecasts: Vec::new(),
            longest_order: SignedDuration::ZERO,
            looks: 0,
            works: 0,
            most_open: 0,
            most_tries_of_dead: 0,
            spent_on_dead: Vec::new(),
        }
    }

    /// Until the midnight after.
    pub(crate) fn run(&mut self) {
        let end = at("2026-03-03T00:00:00Z");
        while let Some(Reverse((time, event))) = self.events.pop().filter(|event| event.0.0 < end) {
            self.now = time;
            match event {
                Event::Look(meter) => self.look(meter),
                Event::Ended(line) => self.ended(line),
                Event::Minute => self.minute(),
                Event::Due(number) => {
                    let job = self.later.remove(&number).unwrap();
                    self.queue(job);
                }
            }
            self.dispatch();
        }
        self.most_tries_of_dead = self.tries.values().copied().max().unwrap_or(0);
        self.spent_on_dead = self.spent.iter().map(|(all, dead)| dead * 100 / all.max(&1)).collect();
    }

    pub(crate) fn due_at(&self, goal: usize) -> Timestamp {
        self.schedule.due_at(self.schedule.day(self.now), self.goals[goal])
    }

    pub(crate) fn incomplete_alive(&self) -> usize {
        (0..METERS).filter(|meter| !is_dead(*meter) && !self.is_complete(*meter)).count()
    }

    pub(crate) fn dead(&self) -> usize {
        (0..METERS).filter(|meter| is_dead(*meter)).count()
    }

    pub(crate) fn troubled(&self) -> usize {
        self.troubled.len()
    }

    pub(crate) fn holes_left(&self) -> usize {
        let holed = self.meters.iter().filter(|state| state.profiles[&energy()].coverage.len() > 1);
        holed.filter(|state| !is_dead(state.meter)).count()
    }

    fn is_complete(&self, meter: i32) -> bool {
        let coverage = &self.meters[usize::try_from(meter).unwrap()].profiles[&energy()].coverage;
        coverage.last().is_some_and(|range| range.1 >= at("2026-03-02T00:00:00Z"))
    }

    fn look(&mut self, meter: i32) {
        self.looks += 1;
        let state = &self.meters[usize::try_from(meter).unwrap()];
        let jobs = plan::due(state, &self.model, self.now, &self.config);
        let again = plan::next_look(state, &self.model, self.now, &self.config);
        assert!(again > self.now);
        self.events.push(Reverse((again, Event::Look(meter))));
        for plan in jobs {
            self.order(plan);
        }
    }

    /// Puts a job into the queue, unless there is one like it.
    fn order(&mut self, plan: PlannedJob) {
        let from = plan.range.map(|range| range.0).filter(|_| plan.priority < SCHEDULED);
        if self.open.insert((plan.meter, plan.kind, plan.priority, from)) {
            self.numbers += 1;
            let place = (Reverse(plan.priority), plan.wanted_by, self.now, self.numbers);
            self.queue(Job { plan, place, attempts: 0 });
        }
    }

    fn queue(&mut self, job: Job) {
        let number = place(job.plan.meter).1;
        self.free(number, |line| {
            line.waiting.insert(job.place, job);
        });
    }

    /// Changes a line and says whether it is ready then.
    fn free(&mut self, number: usize, change: impl FnOnce(&mut Line)) {
        let line = &mut self.lines[number];
        if let Some(first) = line.waiting.keys().next() {
            self.ready.remove(&(*first, number));
        }
        change(line);
        if let Some(first) = line.waiting.keys().next().filter(|_| line.running.is_none()) {
            self.ready.insert((*first, number));
        }
    }

    /// Gives free sessions work in the order of the queue, and of the turns of its classes.
    fn dispatch(&mut self) {
        let most = usize::try_from(SESSIONS).unwrap();
        while self.sessions < most && !self.ready.is_empty() {
            let (least, highest) = classes::span(self.works, self.sessions, SESSIONS);
            let from = ((Reverse(highest), Timestamp::MIN, Timestamp::MIN, 0), 0);
            let turn = self.ready.range(from..).next().filter(|entry| entry.0.0.0 >= least);
            let found = turn.or_else(|| self.ready.first().filter(|entry| entry.0.0.0 >= least)).copied();
            let Some((_, number)) = found else { return };
            self.start(number);
        }
    }

    fn start(&mut self, number: usize) {
        (self.works, self.sessions) = (self.works + 1, self.sessions + 1);
        self.most_open = self.most_open.max(self.sessions);
        self.free(number, |line| line.running = line.waiting.pop_first().map(|(_, job)| job));
        let job = self.lines[number].running.as_ref().unwrap();
        let (meter, medium) = (job.plan.meter, place(job.plan.meter).0);
        let (alive, dead) = MEDIA[medium].takes;
        let takes = if is_dead(meter) { dead } else { alive };
        if job.plan.priority == ORDER {
            self.longest_order = self.longest_order.max(self.now.duration_since(job.place.2));
        }
        if is_dead(meter) {
            *self.tries.entry(meter).or_default() += 1;
            self.spent[medium].1 += takes;
        }
        self.spent[medium].0 += takes;
        self.events.push(Reverse((self.now + SignedDuration::from_secs(takes), Event::Ended(number))));
    }

    fn ended(&mut self, number: usize) {
        self.sessions -= 1;
        let mut ended = None;
        self.free(number, |line| ended = line.running.take());
        let mut job = ended.unwrap();
        let meter = job.plan.meter;
        job.attempts += 1;
        let fate = match is_dead(meter) {
            true => retry(Reason::Timeout, job.attempts, job.plan.max_attempts),
            false => Retry::Never,
        };
        if let Retry::After(wait) = fate {
            let due = self.now + SignedDuration::try_from(wait).unwrap();
            self.numbers += 1;
            self.later.insert(self.numbers, job);
            self.events.push(Reverse((due, Event::Due(self.numbers))));
            return;
        }
        let from = job.plan.range.map(|range| range.0).filter(|_| job.plan.priority < SCHEDULED);
        self.open.remove(&(meter, job.plan.kind, job.plan.priority, from));
        let was_complete = self.is_complete(meter);
        let state = &mut self.meters[usize::try_from(meter).unwrap()];
        conclude(state, &job.plan, self.now);
        if is_dead(meter) {
            state.is_silent = true;
            self.troubled.insert(meter);
        }
        if !was_complete && self.is_complete(meter) {
            self.complete += 1;
            if i64::from(self.complete) * 1000 >= i64::from(METERS) * 980 {
                self.reached_at = self.reached_at.or(Some(self.now));
            }
        }
    }

    /// What the planner notes.
    fn progress(&self) -> Progress {
        let mut lines: BTreeMap<usize, LineProgress> = BTreeMap::new();
        for meter in (0..METERS).filter(|meter| MEDIA[place(*meter).0].of_line > 1) {
            let none = LineProgress { since: self.now, ..LineProgress::default() };
            let line = lines.entry(place(meter).1).or_insert(none);
            if self.is_complete(meter) {
                let read = self.meters[usize::try_from(meter).unwrap()].profiles[&energy()].read_at;
                line.complete += 1;
                line.since = line.since.min(read.unwrap());
            } else if !self.troubled.contains(&meter) {
                line.left += 1;
            }
        }
        let at_work = lines.into_values().filter(|line| line.complete > 0 && line.left > 0);
        Progress {
            members: METERS,
            complete: self.complete,
            troubled: i32::try_from(self.troubled.len()).unwrap(),
            lines: at_work.collect(),
        }
    }

    /// What the planner notes every minute; and one order of a person, in turn for all meters that answer.
    fn minute(&mut self) {
        self.events.push(Reverse((self.now + SignedDuration::from_mins(1), Event::Minute)));
        let minute = self.now.duration_since(at("2026-03-02T00:00:00Z")).as_mins();
        if [30, 60, 90, 120, 180].contains(&minute) && self.reached_at.is_none() {
            let progress = self.progress();
            let says = match progress.forecast(980, self.schedule.day(self.now), self.now) {
                Forecast::At(says) => Some(says),
                Forecast::Met | Forecast::Never => None,
            };
            self.forecasts.push(Said { at: self.now, says });
        }
        let meter = i32::try_from(minute.rem_euclid(1440) * 7919 % i64::from(METERS)).unwrap();
        if !is_dead(meter) {
            let plan = PlannedJob {
                meter,
                kind: JobKind::ReadClock,
                obis: None,
                range: None,
                priority: ORDER,
                wanted_by: Timestamp::MAX,
                kept: None,
                max_attempts: 1,
            };
            self.order(plan);
        }
    }
}

/// What the end of a work changes of what is known of a meter.
fn conclude(state: &mut MeterState, plan: &PlannedJob, now: Timestamp) {
    if plan.kind == JobKind::Identify {
        state.identify_tried_at = Some(now);
    }
    let Some(range) = plan.range else { return };
    let profile = state.profiles.get_mut(&energy()).unwrap();
    *(if plan.priority < SCHEDULED { &mut profile.hole_tried_at } else { &mut profile.tried_at }) = Some(now);
    if is_dead(state.meter) {
        return;
    }
    profile.read_at = Some(now);
    // The last capture that there is.
    let last = Timestamp::from_second(range.1.as_second() / 900 * 900).unwrap();
    profile.last_ts = profile.last_ts.max(Some(last));
    profile.coverage.push((range.0 - SignedDuration::from_secs(1), last));
    profile.coverage.sort_unstable();
    profile.coverage.dedup_by(|next, before| {
        let joins = next.0 <= before.1;
        before.1 = if joins { before.1.max(next.1) } else { before.1 };
        joins
    });
}
