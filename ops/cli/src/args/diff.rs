//! What can be typed after `fleetlog diff`.

use super::OutputArgs;
use clap::Args;

/// `fleetlog diff`.
///
/// Exits 0 when the object is the same at both moments, 1 when it differs, 2 and more when that
/// cannot be said. Examples:
///   fleetlog diff mcl/cluster1 --from 40
///   fleetlog diff placement/team/web --from 2026-11-25T10:00:00Z --to 5m-ago
///   fleetlog diff manifestwork/cluster1/hello --from 8s-ago -o json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct DiffArgs {
    /// KIND/NAMESPACE/NAME, or KIND/NAME when cluster-scoped.
    pub object: String,
    /// The first moment: a position of the log, a time (RFC 3339), or so long ago (`8s-ago`).
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub from: String,
    /// The second moment; now when absent.
    #[arg(long, value_name = "SEQ|TIME|AGO")]
    pub to: Option<String>,
    /// `table` for a unified diff of its YAML; `json` or `yaml` for a JSON patch and the events.
    #[command(flatten)]
    pub output: OutputArgs,
}
