//! Dates as commands write them.
//!
//! Source: RFC 9051 section 9, `date` and `date-time`.

use mailwright_words::Timestamp;

use super::{Cursor, Malformed};
use crate::Day;

/// The months' names, in order.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `17-Jul-1996`, with or without quotation marks.
pub(crate) fn day(cursor: &mut Cursor<'_>) -> Result<Day, Malformed> {
    const WHAT: Malformed = Malformed::Expected("a date such as 17-Jul-1996");
    let text = cursor.astring("a date such as 17-Jul-1996")?;
    str::from_utf8(&text).ok().and_then(civil).ok_or(WHAT)
}

/// `" 7-Jul-1996 02:44:25 -0700"`.
pub(crate) fn moment(cursor: &mut Cursor<'_>) -> Result<Timestamp, Malformed> {
    const WHAT: &str = "a date and time such as \"17-Jul-1996 02:44:25 -0700\"";
    let text = cursor.string(WHAT)?;
    str::from_utf8(&text).ok().and_then(read).ok_or(Malformed::Expected(WHAT))
}

fn read(text: &str) -> Option<Timestamp> {
    let mut parts = text.trim_start_matches(' ').split(' ');
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || text.len() != 26 {
        return None;
    }
    let days = i64::from(civil(date)?.0);
    let mut clock = time.split(':').map(|digits| digits_of(digits, 2));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    // A leap second is told as the one after it.
    let sound = hours < 24 && minutes < 60 && seconds <= 60 && clock.next().is_none();
    let (sign, offset) = zone.split_at_checked(1)?;
    let offset = digits_of(offset, 4)?;
    let (offset_hours, offset_minutes) = (offset / 100, offset % 100);
    if !sound || offset_minutes > 59 || offset_hours > 23 {
        return None;
    }
    let offset = i64::from(offset_hours * 60 + offset_minutes) * 60;
    let offset = match sign {
        "+" => offset,
        "-" => -offset,
        _ => return None,
    };
    let seconds_of_day = i64::from(hours * 3600 + minutes * 60 + seconds);
    Some(Timestamp::new((days * 86_400 + seconds_of_day - offset) * 1000))
}

fn digits_of(text: &str, count: usize) -> Option<u32> {
    let sound = text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit());
    sound.then(|| text.parse().ok())?
}

fn civil(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let day = digits_of(day, day.len()).filter(|day| (1..=31).contains(day) && text.len() <= 11)?;
    let year = digits_of(year, 4)?;
    let place = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let month = u32::try_from(place).ok()? + 1;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > last || parts.next().is_some() {
        return None;
    }
    Some(Day(days(year, month, day)))
}

/// Days from 1970-01-01; years begin in March, so that the leap day is their last.
fn days(year: u32, month: u32, day: u32) -> i32 {
    let years = if month > 2 { year } else { year.saturating_sub(1) };
    let months = (month + 9) % 12;
    let of_year = (153 * months + 2) / 5 + day - 1;
    let before = years * 365 + years / 4 - years / 100 + years / 400;
    let days = i64::from(before + of_year) - 719_468;
    // Year 0 counts with the year before it.
    let days = if year == 0 && month <= 2 { days - 366 } else { days };
    i32::try_from(days).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment_of(text: &str) -> Option<i64> {
        let quoted = format!("\"{text}\"");
        moment(&mut Cursor::new(quoted.as_bytes(), 1)).ok().map(Timestamp::ms)
    }

    fn day_of(text: &str) -> Option<i32> {
        day(&mut Cursor::new(text.as_bytes(), 1)).ok().map(|day| day.0)
    }

    #[test]
    fn moments_are_read_with_their_zone() {
        assert_eq!(moment_of("17-Jul-1996 02:44:25 -0700"), Some(837_596_665_000));
        assert_eq!(moment_of(" 1-Jan-1970 00:00:00 +0000"), Some(0));
        assert_eq!(moment_of("01-Jan-1970 01:00:00 +0100"), Some(0));
        for bad in [
            "17-Jul-1996",
            "17-Jul-1996 02:44:25",
            "31-Feb-1996 02:44:25 -0700",
            "17-Jul-1996 24:00:00 +0000",
            "17-Jul-1996 02:44:25 0700",
            "1-Jan-1970 00:00:00 +0000 ",
            "17-Jul-1996  2:44:25 +0000",
            "",
        ] {
            assert_eq!(moment_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(day_of("1-Jan-1970"), Some(0));
        assert_eq!(day_of("\"29-Feb-2000\""), Some(11_016));
        assert_eq!(day_of("01-Mar-2000"), Some(11_017));
        assert_eq!(day_of("31-dec-1969"), Some(-1));
        for bad in
            ["29-Feb-1900", "0-Jan-2000", "32-Jan-2000", "1-Foo-2000", "1-Jan-20", "1-1-2000"]
        {
            assert_eq!(day_of(bad), None, "{bad}");
        }
    }
}
