//! The queue: claim, schedule, throttle, settle, report.
//!
//! Who is next is decided by pure code in [`ready`], when by [`schedule`]; [`Queue::run`] brings
//! both together with the store and with whoever delivers.

mod delivery;
#[cfg(test)]
mod fake;
mod reaction;
pub mod ready;
mod report;
mod run;
pub mod schedule;
mod settle;
mod site;
mod suspension;
pub mod window;

pub use crate::{
    delivery::{Attempted, Delivery, End, Outcome},
    reaction::{Reaction, Reactions},
    run::{Counters, Queue, Settings},
    site::Site,
};
