//! Metrics and health on one port: `/metrics`, `/healthz` (the process runs), `/readyz` (the log
//! is folded in; else why not).

use crate::{Metrics, Tasks};
use axum::http::StatusCode;
use axum::{Router, routing::get};
use fleetlog_bus::Fault;
use fleetlog_kernel::Service;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;

/// Starts listening; answers until the tasks end.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    tasks: &Tasks,
    address: SocketAddr,
    service: Service,
    metrics: Arc<Metrics>,
    ready: impl Fn() -> Result<(), String> + Clone + Send + Sync + 'static,
) -> Result<SocketAddr, Fault> {
    let mut registry = Registry::default();
    metrics.register(&mut registry, service);
    serve_all(tasks, address, registry, ready).await
}

/// The same for a process of any kind, with figures of its own.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_all(
    tasks: &Tasks,
    address: SocketAddr,
    registry: Registry,
    ready: impl Fn() -> Result<(), String> + Clone + Send + Sync + 'static,
) -> Result<SocketAddr, Fault> {
    let step = format!("listen on {address} for metrics and health");
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|e| Fault::lasting(&step, e))?;
    let bound = listener.local_addr().map_err(|e| Fault::lasting(&step, e))?;
    let registry = Arc::new(registry);
    let app = Router::new()
        .route("/metrics", get(move || async move { render(&registry) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { readiness(ready()) }));
    tasks.spawn("health", async move {
        axum::serve(listener, app).await.map_err(|e| Fault::lasting(step, e))
    });
    Ok(bound)
}

fn render(registry: &Registry) -> (StatusCode, String) {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn readiness(ready: Result<(), String>) -> (StatusCode, String) {
    match ready {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
