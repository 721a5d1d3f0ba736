//! Which flags put in doubt what is billed, and which only tell what a meter went through: the one rule for registers, demands and intervals.

use ami_proto::v1::FlagRule;

/// Whether a flag puts in doubt what a meter counted, or froze at the end of a billing period. That the supply was gone, or the clock was set, meanwhile
/// changes nothing of what was counted; a time that cannot be believed has flags of its own.
pub(super) fn of_value(rule: i32) -> bool {
    of_interval(rule) && !is(rule, FlagRule::ClockAdjusted)
}

/// Whether a flag puts in doubt an interval, or a demand that is the average of one. While the supply was gone nothing flowed, so the interval holds what it should;
/// one in which the clock was set is shorter or longer than the others.
pub(super) fn of_interval(rule: i32) -> bool {
    !is(rule, FlagRule::PowerDown)
}

/// Whether a flag makes a time unsure, by the clock or by the status word.
pub(super) fn of_time(rule: i32) -> bool {
    is(rule, FlagRule::ClockInvalid) || is(rule, FlagRule::ClockDoubtful)
}

fn is(rule: i32, other: FlagRule) -> bool {
    rule == i32::from(other)
}
