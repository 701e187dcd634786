//! `hub token create`: a token that lets clusters ask to join, and the command that uses it. Who is
//! accepted is said with `accept`.

use crate::args::{Output, TokenArgs};
use crate::failure::{Done, Failure};
use crate::hub;
use crate::print::{document_out, line};
use fleetlog_bus::JoinToken;
use fleetlog_chassis::Clock;
use fleetlog_kernel::{ClusterName, ContentHash};
use fleetlog_topology::{Authority, Identity, folder};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest life of a token: what lets anybody ask should not lie about for ever.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// `fleetlog hub token create`.
///
/// # Errors
/// No running hub, a life that is none or too long, or a name that no cluster may have.
pub fn create(args: &TokenArgs, data: Option<&PathBuf>) -> Done {
    if args.ttl < Duration::from_secs(1) || args.ttl > LONGEST {
        let sentence = format!("a token cannot live for {:?}", args.ttl);
        return Err(Failure::usage(sentence, "give --ttl from 1s to 720h"));
    }
    if let Some(cluster) = &args.cluster {
        let parsed = ClusterName::parse(cluster);
        parsed.map_err(|why| Failure::usage(why.to_string(), "name it as it is to be known"))?;
    }
    let folder = hub::folder(data)?;
    let running = folder::find(folder)?;
    let now = Clock::System.now();
    let identity = Identity::read(folder, now)?;
    let expires = now.plus(args.ttl);
    let url = args.url.clone().or(running.listen_url).or(running.nats_url).unwrap_or_default();
    let token = JoinToken {
        credentials: identity.boot_token(Some(expires))?,
        hub_hash: ContentHash::of(identity.hub_id().as_str().as_bytes()).to_string(),
        authority: authority(folder, &url)?,
    }
    .to_text();
    let cluster = args.cluster.as_deref().unwrap_or("NAME");
    let command = format!("fleetlog-agent --hub {url} --token {token} --cluster {cluster}");
    let told = json!({
        "token": token, "hub": url, "cluster": args.cluster, "command": command,
        "expires": crate::log::millis(expires),
    });
    match args.output.output {
        Output::Table | Output::Wide => line(&command),
        Output::Name => line(&token),
        form @ (Output::Json | Output::Yaml) => document_out(form, &told)?,
    }
    Ok(())
}

/// What a cluster knows the hub by under TLS; nothing where it is reached on loopback.
fn authority(folder: &Path, url: &str) -> Result<Option<Vec<u8>>, Failure> {
    if !url.starts_with("tls://") {
        return Ok(None);
    }
    let found = Authority::certificate_in(folder)?;
    let none = || {
        let advice = "start the hub with fleetlog dev --listen ADDRESS:PORT";
        Failure::new(
            "CLI0039",
            format!("the hub has no certificate to be known by at {url}"),
            advice,
        )
    };
    Ok(Some(found.ok_or_else(none)?))
}
