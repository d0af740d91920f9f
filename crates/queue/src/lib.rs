//! The queue: claim, schedule, throttle, settle, report.
