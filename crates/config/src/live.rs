//! A value that a reload replaces while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that a reload replaces. Clones share it.
///
/// Who needs several of its fields together takes [`now`](Self::now) once.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// A value that nobody has replaced yet.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value of this moment, which its taker may keep.
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value for whoever asks from now on.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_a_value_keeps_it_and_who_asks_again_gets_the_new_one() {
        let live = Live::new(1);
        let (other, taken) = (live.clone(), live.now());
        live.set(2);
        assert_eq!((*taken, *other.now()), (1, 2));
    }
}
