//! What a process shows of itself: health, readiness and five figures for each loop.

use crate::stage::{Stage, accomplished};
use crate::tally::tally;
use fleetlog_chassis::Tasks;
use fleetlog_kernel::{Position, Service};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn health_readiness_and_the_figures_of_every_loop_are_served() {
    let stage = Stage::new();
    let service = stage.start().await;
    service.live().await;
    accomplished(stage.client().command(&tally("a"), "add 12".into()).await.unwrap());
    service.reached(Position(2)).await;
    let (tasks, any) = (&service.ground.tasks, SocketAddr::from(([127, 0, 0, 1], 0)));
    let probe = service.clone();
    let ready = move || probe.ready();
    let metrics = service.metrics.clone();
    let serving =
        fleetlog_chassis::health::serve(tasks, any, Service::Registration, metrics, ready);
    let address = serving.await.unwrap();
    assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/readyz").await, (200, "ok\n".to_owned()));
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    let projected = "fleetlog_handled_total{service=\"registration\",loop=\"project\"} 2";
    assert!(text.contains(projected), "{text}");
    for of in ["serve", "project", "react", "query"] {
        for figure in ["received_total", "handled_total", "refused_total", "failed_total", "lag"] {
            let line = format!("fleetlog_{figure}{{service=\"registration\",loop=\"{of}\"}} ");
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }
}

#[tokio::test]
async fn a_service_that_still_reads_the_log_is_not_ready() {
    let stage = Stage::new();
    let service = stage.start().await;
    let (tasks, any) = (&service.ground.tasks, SocketAddr::from(([127, 0, 0, 1], 0)));
    let metrics = service.metrics.clone();
    let ready = || Err("the log is still being replayed".to_owned());
    let serving =
        fleetlog_chassis::health::serve(tasks, any, Service::Registration, metrics, ready);
    let address = serving.await.unwrap();
    assert_eq!(get(address, "/readyz").await.0, 503);
    assert_eq!(get(address, "/healthz").await.0, 200);
}

#[tokio::test]
async fn a_service_that_a_commit_stopped_is_not_ready_and_names_it() {
    let stage = Stage::new();
    let service = stage.start().await;
    service.live().await;
    assert_eq!(service.ready(), Ok(()));
    crate::commands::append(&stage, 1, "fleetlog.test.v2.TallyEvent", "Multiplied", "by two").await;
    let failed = service.ground.tasks.join().await.unwrap_err().to_string();
    let probes = Tasks::default();
    let (probe, any) = (service.clone(), SocketAddr::from(([127, 0, 0, 1], 0)));
    let (metrics, ready) = (service.metrics.clone(), move || probe.ready());
    let serving =
        fleetlog_chassis::health::serve(&probes, any, Service::Registration, metrics, ready);
    let (status, text) = get(serving.await.unwrap(), "/readyz").await;
    assert_eq!(status, 503);
    let named = "CHS0031: the commit at position 1 of \"tally/a\" holds \"Multiplied\" of \
                 fleetlog.test.v2.TallyEvent, which a later release wrote";
    assert!(text.starts_with(named), "{text}");
    assert!(failed.contains(named), "{failed}");
    assert_eq!(stage.buried().await, Vec::<String>::new(), "a newer version is no poison");
}
