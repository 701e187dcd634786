//! Letting agents in: `fl.join.*` before acceptance, `fl.a.*.renew` after it. A credential is a
//! short-lived user JWT for the agent's own key; which clusters are accepted is decided elsewhere.

use crate::config::Settings;
use crate::handlers::{Running, bury, listen, read, refuse};
use crate::told;
use fleetlog_bus::jwt::{NewUser, mint_user};
use fleetlog_bus::{Fault, Message};
use fleetlog_kernel::{Decider as _, Uid};
use fleetlog_messages::common::{
    Credential, JoinAnswer, JoinPending, JoinRequest, RenewRequest, join_answer::Answer,
};
use fleetlog_messages::registration::RequestJoin;
use fleetlog_messages::subject;
use fleetlog_registration_domain::command::ClusterCommand;
use fleetlog_registration_domain::{Cluster, Refusal};
use nkeys::KeyPair;
use std::sync::Arc;

/// Answers requests to join.
pub(crate) async fn joins(context: Running, settings: Arc<Settings>) -> Result<(), Fault> {
    listen(context, subject::joins(), move |context, message| {
        let settings = settings.clone();
        async move { join(&context, &settings, &message).await }
    })
    .await
}

/// Answers requests for a new credential.
pub(crate) async fn renewals(context: Running, settings: Arc<Settings>) -> Result<(), Fault> {
    listen(context, subject::asks("renew"), move |context, message| {
        let settings = settings.clone();
        async move { renew(&context, &settings, &message).await }
    })
    .await
}

/// What an agent signs when it asks to join: cluster and key, each ended by a line feed.
#[must_use]
pub fn signed_content(cluster: &str, public_key: &str) -> Vec<u8> {
    format!("{cluster}\n{public_key}\n").into_bytes()
}

async fn join(
    context: &Running,
    settings: &Settings,
    message: &Message,
) -> Result<JoinAnswer, Fault> {
    let request: JoinRequest = match read(context, message).await? {
        Ok(request) => request,
        Err(refusal) => return Ok(refused(refusal, "")),
    };
    let name = request.cluster.as_str();
    if !is_signed(&request) {
        return Ok(refused(Refusal::Signature { name: name.to_owned() }, name));
    }
    // Judged as it will be decided, so that the agent hears a refusal now.
    let wish = ClusterCommand::RequestJoin {
        name: name.to_owned(),
        public_key: request.public_key.clone(),
        labels: request.labels.clone(),
        uid: Uid::new(""),
    };
    let at = context.ground.clock.now();
    let (verdict, standing) = context.read(|hosted| {
        let cluster = hosted.machine().fleet().cluster(name);
        (cluster.decide(&wish, at).map(|events| events.is_empty()), Standing::of(cluster))
    });
    match verdict {
        Err(refusal) => Ok(refused(refusal, name)),
        Ok(true) if standing.accepted => credential(context, settings, &request, &standing),
        Ok(known) => {
            if !known {
                let (public_key, labels) = (request.public_key.clone(), request.labels.clone());
                told::join(context, name, RequestJoin { public_key, labels }).await?;
            }
            let sentence = if standing.accepted {
                format!("the key of cluster \"{name}\" is being recorded; ask again")
            } else {
                format!("cluster \"{name}\" waits to be accepted: fleetlog accept {name}")
            };
            Ok(answer(Answer::Pending(JoinPending { sentence })))
        }
    }
}

async fn renew(
    context: &Running,
    settings: &Settings,
    message: &Message,
) -> Result<JoinAnswer, Fault> {
    let Some(cluster) = subject::asking_cluster(&message.subject) else {
        let refusal = bury(context, message, "the subject names no cluster".to_owned()).await?;
        return Ok(refused(refusal, ""));
    };
    let request: RenewRequest = match read(context, message).await? {
        Ok(request) => request,
        Err(refusal) => return Ok(refused(refusal, cluster.as_str())),
    };
    let name = cluster.as_str();
    let standing = context.read(|hosted| Standing::of(hosted.machine().fleet().cluster(name)));
    let own = || name.to_owned();
    let no = match &standing {
        Standing { exists: false, .. } => {
            Some(Refusal::NotFound { kind: "ManagedCluster", name: own() })
        }
        Standing { denied: true, .. } => Some(Refusal::Denied { name: own() }),
        Standing { accepted: false, .. } => Some(Refusal::NotAccepted { name: own() }),
        Standing { key, .. } if *key != request.public_key || key.is_empty() => {
            Some(Refusal::OtherKey { name: own() })
        }
        _ => None,
    };
    if let Some(refusal) = no {
        return Ok(refused(refusal, name));
    }
    let RenewRequest { public_key } = request;
    let request = JoinRequest { cluster: own(), public_key, ..JoinRequest::default() };
    credential(context, settings, &request, &standing)
}

/// What of a cluster a credential depends on.
struct Standing {
    exists: bool,
    accepted: bool,
    denied: bool,
    key: String,
    lease_seconds: u32,
}

impl Standing {
    fn of(cluster: &Cluster) -> Self {
        Self {
            exists: cluster.object().is_some(),
            accepted: cluster.accepted(),
            denied: cluster.denied(),
            key: cluster.agent_key().to_owned(),
            lease_seconds: cluster.lease_seconds(),
        }
    }
}

fn is_signed(request: &JoinRequest) -> bool {
    let JoinRequest { cluster, public_key, signature, .. } = request;
    let key = KeyPair::from_public_key(public_key).ok().filter(|_| public_key.starts_with('U'));
    let content = signed_content(cluster, public_key);
    key.is_some_and(|key| key.verify(&content, signature).is_ok())
}

fn credential(
    context: &Running,
    settings: &Settings,
    request: &JoinRequest,
    standing: &Standing,
) -> Result<JoinAnswer, Fault> {
    let issued = context.ground.clock.now();
    let expires = issued.plus(settings.credential_life);
    let jwt = mint_user(
        &settings.role_key,
        &NewUser {
            name: &request.cluster,
            public_key: &request.public_key,
            account: &settings.account,
            issued,
            tags: &[],
            expires: Some(expires),
        },
    );
    let step = || format!("sign the credential of cluster \"{}\"", request.cluster);
    Ok(answer(Answer::Credential(Credential {
        jwt: jwt.map_err(|error| Fault::lasting(step(), error))?,
        expires_seconds: expires.seconds(),
        hub_hash: settings.hub_hash(),
        work_key: settings.work_key.clone(),
        lease_duration_seconds: standing.lease_seconds,
    })))
}

fn answer(answer: Answer) -> JoinAnswer {
    JoinAnswer { answer: Some(answer) }
}

fn refused(refusal: Refusal, cluster: &str) -> JoinAnswer {
    answer(Answer::Refused(refuse(refusal, cluster)))
}
