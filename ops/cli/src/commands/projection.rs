//! `projection`: how far each service has folded the log, and the order to fold it anew.

use crate::args::{Output, OutputArgs, ProjectionCommand, RebuildArgs};
use crate::embedded::replay::standing;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::orders;
use crate::print::table::Rows;
use crate::print::{document_out, line, out};
use fleetlog_chassis::{Rebuilt, Standing, projection_id};
use fleetlog_kernel::Service;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether a rebuild is done.
const LOOK: Duration = Duration::from_millis(100);

/// `fleetlog projection`.
///
/// # Errors
/// A refusal, a service that does not answer, a rebuild that takes too long.
pub async fn run(command: &ProjectionCommand, hub: &Hub) -> Done {
    match command {
        ProjectionCommand::List(args) => list(args, hub).await,
        ProjectionCommand::Rebuild(args) => rebuild_all(args, hub).await,
    }
}

async fn list(args: &OutputArgs, hub: &Hub) -> Done {
    let mut standings = vec![];
    for service in Service::ALL {
        standings.push(standing(hub, service).await?);
    }
    match args.output {
        Output::Table | Output::Wide => out(&table(&standings)),
        Output::Name => standings.iter().for_each(|s| line(&format!("projection/{}", s.service))),
        form @ (Output::Json | Output::Yaml) => document_out(form, &standings)?,
    }
    Ok(())
}

fn table(standings: &[Standing]) -> String {
    let mut rows = Rows::new(["service", "position", "behind", "rebuilt at", "differed"]);
    for Standing { service, position, behind, rebuilt } in standings {
        let told = |of: fn(&Rebuilt) -> u64| {
            rebuilt.as_ref().map_or_else(|| "<none>".to_owned(), |r| of(r).to_string())
        };
        let (at, differed) = (told(|r| r.position), told(|r| r.differing));
        rows.push(vec![service.clone(), position.to_string(), behind.to_string(), at, differed]);
    }
    rows.render()
}

async fn rebuild_all(args: &RebuildArgs, hub: &Hub) -> Done {
    let unknown = |name: &String| {
        let all = Service::ALL.map(|service| service.to_string()).join(", ");
        Failure::usage(format!("\"{name}\" is no service"), format!("name some of {all}"))
    };
    let named = args.services.iter();
    let services = named.map(|name| Service::parse(name).ok_or_else(|| unknown(name)));
    for service in services.collect::<Result<Vec<_>, _>>()? {
        let rebuilt = rebuild(hub, service, args.timeout).await?;
        line(&sentence(service, &rebuilt));
    }
    Ok(())
}

/// Has a projection rebuilt, and waits until it is.
async fn rebuild(hub: &Hub, service: Service, within: Duration) -> Result<Rebuilt, Failure> {
    let (asked, _) = hub.command(&projection_id(service), orders::rebuild()).await?;
    let until = Instant::now() + within;
    loop {
        match standing(hub, service).await?.rebuilt {
            Some(rebuilt) if rebuilt.asked >= asked => return Ok(rebuilt),
            _ if Instant::now() >= until => {
                let sentence = format!("the projection of {service} is not rebuilt yet");
                let advice = "it goes on by itself: look with fleetlog projection list";
                return Err(Failure::timeout(sentence, advice));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

fn sentence(service: Service, rebuilt: &Rebuilt) -> String {
    let Rebuilt { position, rows, differing, keys, .. } = rebuilt;
    let text = format!("{service} rebuilt at position {position}: {rows} rows, ");
    match differing {
        0 => text + "all as before",
        1 => text + &format!("1 was not what the log says: {}", keys.join(", ")),
        many => text + &format!("{many} were not what the log says: {}", keys.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rebuild_found_is_told() {
        let rebuilt = |differing, keys: &[&str]| Rebuilt {
            asked: 8,
            position: 9,
            rows: 3,
            differing,
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
        };
        let told = |rebuilt| sentence(Service::Work, &rebuilt);
        assert_eq!(told(rebuilt(0, &[])), "work rebuilt at position 9: 3 rows, all as before");
        let words = "work rebuilt at position 9: 3 rows, 2 were not what the log says: a, b";
        assert_eq!(told(rebuilt(2, &["a", "b"])), words);
    }
}
