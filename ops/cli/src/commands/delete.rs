//! `delete`: asks for the removal of objects and waits until they are gone.

use crate::args::{DeleteArgs, DryRun};
use crate::commands::get::{targets, wanted};
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::kinds;
use crate::orders;
use crate::print::line;
use crate::target::{Target, Wanted};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often is looked whether something is gone.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `fleetlog delete`.
///
/// # Errors
/// Refusals, one each; or objects that are still there after the timeout.
pub async fn run(args: &DeleteArgs, hub: &Hub) -> Done {
    let by_label = args.what.selector.is_some();
    let targets = match wanted(&args.what)? {
        Wanted::Kinds(_) if by_label => targets(hub, &args.what).await?,
        named => named.named()?,
    };
    if targets.is_empty() {
        eprintln!("No resources found");
    }
    if args.dry_run.dry_run != DryRun::None {
        return try_all(hub, &targets, args.dry_run.dry_run).await;
    }
    let until = Instant::now() + args.timeout;
    let (mut asked, mut wrong) = (vec![], vec![]);
    for target in &targets {
        match delete(hub, target).await {
            Ok(uid) => asked.push((target, uid)),
            Err(failure) => wrong.push(failure),
        }
    }
    for (target, uid) in asked {
        if !args.no_wait
            && let Err(failure) = gone(hub, target, &uid, until).await
        {
            wrong.push(failure);
            continue;
        }
        let said = if args.no_wait { "deletion requested" } else { "deleted" };
        let kind = target.info.in_group(target.info.singular);
        line(&format!("{kind} \"{}\" {said}", target.name));
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}

/// Tells of each whether it would be removed.
async fn try_all(hub: &Hub, targets: &[Target], how: DryRun) -> Done {
    let mut wrong = vec![];
    for target in targets {
        match try_out(hub, target, how).await {
            Ok(()) => {
                let kind = target.info.in_group(target.info.singular);
                line(&format!("{kind} \"{}\" deleted{}", target.name, how.words()));
            }
            Err(failure) => wrong.push(failure),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}

/// Whether an object is there and, where the hub is asked, may be removed.
///
/// # Errors
/// The refusal, or that there is no such object.
pub async fn try_out(hub: &Hub, target: &Target, how: DryRun) -> Done {
    let command = orders::delete(target)?;
    if uid(hub, target).await?.is_none() {
        return Err(target.not_found());
    }
    if how == DryRun::Server {
        let aggregate = kinds::aggregate(target.info, target.namespace.as_deref(), &target.name)?;
        let tried = hub.try_out(&aggregate, command, vec![]).await;
        tried.map_err(|failure| failure.at(&target.reference()))?;
    }
    Ok(())
}

/// Asks for the removal; answers the uid of what is removed.
///
/// # Errors
/// The refusal, or that there is no such object.
pub async fn delete(hub: &Hub, target: &Target) -> Result<String, Failure> {
    let command = orders::delete(target)?;
    let Some(uid) = uid(hub, target).await? else { return Err(target.not_found()) };
    let aggregate = kinds::aggregate(target.info, target.namespace.as_deref(), &target.name)?;
    hub.command(&aggregate, command).await.map_err(|failure| failure.at(&target.reference()))?;
    Ok(uid)
}

/// Waits until an incarnation of an object is gone.
///
/// # Errors
/// When it is still there at `until`.
pub async fn gone(hub: &Hub, target: &Target, uid_before: &str, until: Instant) -> Done {
    while uid(hub, target).await?.as_deref() == Some(uid_before) {
        if Instant::now() >= until {
            let sentence = format!("{} is still there", target.reference());
            let advice = "it goes when its agent has removed what it made and no finalizer keeps \
                          it; see fleetlog describe";
            return Err(Failure::timeout(sentence, advice));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn uid(hub: &Hub, target: &Target) -> Result<Option<String>, Failure> {
    let Target { info, namespace, name } = target;
    let found = hub.object(info, namespace.as_deref(), name, Bodies::LeftOut).await?;
    Ok(found.map(|object| object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()))
}
