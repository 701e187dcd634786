//! Tasks stand and fall together.

use fleetlog_bus::Fault;
use fleetlog_chassis::Tasks;

fn endless(tasks: &Tasks) -> tokio::task::AbortHandle {
    tasks.spawn("endless", std::future::pending())
}

#[tokio::test]
async fn an_error_of_one_task_ends_all_and_is_reported_with_its_name() {
    let tasks = Tasks::default();
    let other = endless(&tasks);
    tasks.spawn("weak", async { Err(Fault::lasting("try", "it broke")) });
    let failed = tasks.join().await.unwrap_err();
    assert_eq!(failed.to_string(), "task \"weak\" failed: try: it broke");
    tokio::task::yield_now().await;
    assert!(other.is_finished());
}

#[tokio::test]
async fn a_panic_of_one_task_ends_all_and_its_words_are_kept() {
    let tasks = Tasks::default();
    let other = endless(&tasks);
    tasks.spawn("buggy", async { panic!("number {}", 7) });
    let failed = tasks.join().await.unwrap_err();
    assert_eq!(failed.to_string(), "task \"buggy\" failed: panicked: number 7");
    tokio::task::yield_now().await;
    assert!(other.is_finished());
}

#[tokio::test]
async fn a_clean_end_is_no_failure_and_a_stop_waits_for_all() {
    let tasks = Tasks::default();
    tasks.spawn("short", async { Ok(()) });
    let listening = tasks.clone();
    tasks.spawn("listening", async move {
        listening.stopped().await;
        Ok(())
    });
    let stopping = tasks.clone();
    let stop = async move {
        tokio::task::yield_now().await;
        stopping.stop();
    };
    let (joined, ()) = tokio::join!(tasks.join(), stop);
    assert!(joined.is_ok());
}

#[tokio::test]
async fn nothing_starts_after_an_abort() {
    let tasks = Tasks::default();
    tasks.abort();
    let late = endless(&tasks);
    assert!(tasks.join().await.is_ok());
    assert!(late.is_finished());
}
