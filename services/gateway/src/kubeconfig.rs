//! The kubeconfig of a user: where the hub API is, what it is known by, and who asks.

use crate::certificates::Certificates;
use anyhow::Result;
use data_encoding::BASE64;
use fleetlog_kernel::Timestamp;
use serde_json::json;

/// The text of a kubeconfig for a user of these groups, with a new certificate; `server` is a URL.
///
/// # Errors
/// A damaged authority.
pub fn kubeconfig(
    certificates: &Certificates,
    server: &str,
    (user, groups): (&str, &[&str]),
    at: Timestamp,
) -> Result<String> {
    let signed = certificates.user(user, groups, at)?;
    let data = |pem: &str| BASE64.encode(pem.as_bytes());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "fleetlog", "cluster": {
            "server": server,
            "certificate-authority-data": data(&certificates.certificate),
        } }],
        "users": [{ "name": user, "user": {
            "client-certificate-data": data(&signed.certificate),
            "client-key-data": data(&signed.key),
        } }],
        "contexts": [{ "name": "fleetlog", "context": { "cluster": "fleetlog", "user": user } }],
        "current-context": "fleetlog",
    });
    Ok(fleetlog_objects::to_yaml(&config))
}
