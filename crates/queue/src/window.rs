//! How many attempts at a destination run at once, learned from whether connections work.
//!
//! A success adds 1/N, a failure to connect takes one. A window that is not full does not grow.
//! Source: the method of Postfix's queue manager.

/// A destination's window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    size: f64,
    limit: f64,
    failures: u32,
}

impl Window {
    /// A window that begins at `first`, never over `limit`.
    pub fn new(first: u32, limit: u32, failures: u32) -> Self {
        let limit = f64::from(limit.max(1));
        Self { size: f64::from(first.max(1)).min(limit), limit, failures }
    }

    /// Goes by another limit, under which the window shrinks at once.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = f64::from(limit.max(1));
        self.size = self.size.min(self.limit);
    }

    /// Whether one more may run beside `running`.
    pub fn has_room(&self, running: u32) -> bool {
        f64::from(running) + 1.0 <= self.size
    }

    /// A connection worked while `running` attempts ran, itself among them.
    pub fn success(&mut self, running: u32) {
        self.failures = 0;
        if f64::from(running) + 1.0 > self.size {
            self.size = (self.size + 1.0 / self.size).min(self.limit);
        }
    }

    /// A connection failed; says how many have, one after another.
    pub fn failure(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.size = (self.size - 1.0).max(1.0);
        self.failures
    }

    /// Failures to connect, one after another.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_grows_by_one_a_round_and_shrinks_by_one_a_failure() {
        let mut window = Window::new(5, 20, 0);
        assert!(window.has_room(4) && !window.has_room(5));
        window.success(2);
        assert_eq!(window, Window::new(5, 20, 0));
        for _ in 0..6 {
            window.success(5);
        }
        assert!(window.has_room(5));
        for _ in 0..500 {
            window.success(20);
        }
        assert!(window.has_room(19) && !window.has_room(20));
        assert_eq!((window.failure(), window.failure()), (1, 2));
        assert!(window.has_room(17) && !window.has_room(18));
        for _ in 0..40 {
            window.failure();
        }
        assert!(window.has_room(0));
    }
}
