//! Questions that many ask at once.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// The answer to a question that many ask at once: one asks, and answers all who came before it
/// asked. Who comes later needs a newer answer.
#[derive(Default)]
pub(crate) struct Shared<T> {
    /// How many questions were begun.
    begun: AtomicU64,
    /// The number of the last one that was answered, and the answer.
    last: Mutex<(u64, T)>,
}

impl<T: Copy> Shared<T> {
    /// An answer to a question that was begun after this was called.
    pub async fn ask<E>(&self, question: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let came = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if last.0 > came {
            return Ok(last.1);
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = question.await?;
        *last = (number, answer);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use futures::poll;
    use std::convert::Infallible;
    use std::pin::pin;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn who_comes_while_it_is_asked_shares_the_next_answer() {
        let (shared, gate) = (Shared::<u64>::default(), Semaphore::new(0));
        let asked = AtomicU64::new(0);
        let ask = || async {
            let question = async {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                gate.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(number)
            };
            shared.ask(question).await.unwrap()
        };
        let mut first = pin!(ask());
        assert!(poll!(&mut first).is_pending());
        let mut others = pin!(join_all((0..9).map(|_| ask())));
        assert!(poll!(&mut others).is_pending());
        gate.add_permits(2);
        assert_eq!(first.await, 1, "what was asked before they came is not theirs");
        assert_eq!(others.await, [2; 9]);
    }
}
