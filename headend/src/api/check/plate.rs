//! What stands on the plate of a meter. Nothing is calculated with it.

/// Pulses for a kilowatt-hour at most.
const MAX_PULSES: u32 = 1_000_000;
/// Digits of each number of a ratio at most.
const MAX_RATIO_DIGITS: usize = 7;

/// Holds a ratio and the pulses for a kilowatt-hour against their rules.
pub(super) fn check(ratio: &str, pulses_per_kwh: u32, rule: &mut impl FnMut(bool, &'static str, &str)) {
    rule(
        pulses_per_kwh <= MAX_PULSES,
        "pulses_per_kwh",
        "1 to 1000000 is expected, or 0 when it is not known",
    );
    rule(
        ratio.is_empty() || is_ratio(ratio),
        "ratio",
        "one or two whole numbers of at most 7 digits are expected, such as 40 or 600/5, or nothing",
    );
}

fn is_ratio(text: &str) -> bool {
    let is_number = |text: &str| {
        let digits = text.bytes().all(|digit| digit.is_ascii_digit());
        (1..=MAX_RATIO_DIGITS).contains(&text.len()) && digits && !text.starts_with('0')
    };
    text.split_once('/')
        .map_or(is_number(text), |(primary, secondary)| is_number(primary) && is_number(secondary))
}

#[cfg(test)]
mod tests {
    use super::is_ratio;

    #[test]
    fn hb_21_a_ratio_is_one_or_two_whole_numbers() {
        for right in ["40", "600/5", "9999999/9999999"] {
            assert!(is_ratio(right), "{right}");
        }
        for wrong in
            ["", "0", "05", "600/", "/5", "600/5/1", "1.5", "-5", "600:5", "10000000", "600 / 5", "\u{664}"]
        {
            assert!(!is_ratio(wrong), "{wrong}");
        }
    }
}
