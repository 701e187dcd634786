//! Where lives end: a fuse blows once in a life, at the place it is armed for, and takes the life
//! with it.

use super::CrashPoint;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Says at which place each life ends.
#[derive(Default)]
pub struct Fuse(Mutex<State>);

#[derive(Default)]
struct State {
    /// Where the lives to come end, and at the how manieth time that one gets there.
    stops: VecDeque<(CrashPoint, usize)>,
    /// How often this life got to the first of them.
    met: usize,
    blown: bool,
    /// Ends the life that runs now.
    end: Option<Box<dyn FnOnce() + Send>>,
}

impl Fuse {
    /// This life ends at the first of these places, when it gets there for the `nth` time; the next
    /// life at the second, and so on. Who gets to the end of the list lives.
    pub fn arm(&self, stops: impl IntoIterator<Item = (CrashPoint, usize)>) {
        let mut state = self.state();
        (state.stops, state.met) = (stops.into_iter().collect(), 0);
    }

    /// From now on nothing ends any more.
    pub fn disarm(&self) {
        self.state().stops.clear();
    }

    /// A life begins, and this ends it.
    pub fn lives(&self, end: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        (state.met, state.blown) = (0, false);
        state.end = Some(Box::new(end));
    }

    /// Whether the life that began last was ended.
    #[must_use]
    pub fn has_blown(&self) -> bool {
        self.state().blown
    }

    /// The places that no life has come to so far.
    #[must_use]
    pub fn left(&self) -> Vec<CrashPoint> {
        self.state().stops.iter().map(|(point, _)| *point).collect()
    }

    /// Whether this life ends at `point`, sooner or later.
    #[must_use]
    pub fn is_armed(&self, point: CrashPoint) -> bool {
        let state = self.state();
        !state.blown && state.stops.front().is_some_and(|(armed, _)| *armed == point)
    }

    /// The process is at `point`. Where its life ends there, this does not come back, and nothing
    /// that ran in it goes on.
    pub async fn is_at(&self, point: CrashPoint) {
        if self.reaches(point) {
            self.blow().await;
        }
    }

    /// Whether this life ends at `point`, now: who asks has it [`Self::blow`].
    pub fn reaches(&self, point: CrashPoint) -> bool {
        let mut state = self.state();
        let Some((_, nth)) = state.stops.front().copied().filter(|(armed, _)| *armed == point)
        else {
            return false;
        };
        if state.blown {
            return false;
        }
        state.met += 1;
        if state.met < nth {
            return false;
        }
        state.stops.pop_front();
        state.blown = true;
        true
    }

    /// Ends the life; does not come back.
    pub async fn blow(&self) {
        let end = self.state().end.take();
        if let Some(end) = end {
            end();
        }
        std::future::pending::<()>().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
