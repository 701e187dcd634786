//! Questions: core request and reply, answered from the projection with its position, in pages.

use crate::as_of;
use crate::context::Context;
use crate::lag;
use crate::machine::Machine;
use crate::rebuild::Standing;
use crate::redo;
use crate::tried;
use bytes::Bytes;
use fleetlog_bus::{Fault, Message};
use fleetlog_kernel::{Actor, CommandId, Position, Timestamp};
use fleetlog_messages::common::{Answer, Query, Refusal};
use fleetlog_messages::subject;
use futures::StreamExt as _;
use prost::Message as _;
use std::sync::Arc;

/// Runs until the tasks are asked to stop.
pub(crate) async fn run<M: Machine + Default>(context: Arc<Context<M>>) -> Result<(), Fault> {
    context.live().await;
    let broker = &context.ground.bus.broker;
    let filter = subject::queries_for(M::SERVICE);
    let group = M::SERVICE.token();
    let asked = context.patiently(|| broker.subscribe(&filter, Some(group))).await?;
    let answers = asked.for_each_concurrent(context.ground.bounds.questions, |message| {
        let context = context.clone();
        async move {
            if let Err(fault) = reply(&context, &message).await {
                context.metrics.query.failed();
                tracing::warn!(%fault, subject = message.subject, "a question got no answer");
            }
        }
    });
    tokio::select! {
        biased;
        () = answers => Err(Fault::passing("listen to questions", "the subscription ended")),
        () = context.ground.tasks.stopped() => Ok(()),
    }
}

async fn reply<M: Machine + Default>(
    context: &Arc<Context<M>>,
    message: &Message,
) -> Result<(), Fault> {
    let Some(reply) = &message.reply else { return Ok(()) };
    let counts = &context.metrics.query;
    counts.received();
    let answered = answer(context, message).await;
    let is_answered = answered.is_ok();
    let mut pages = answered
        .unwrap_or_else(|refusal| vec![Answer { refusal: Some(refusal), ..Answer::default() }]);
    for (number, page) in pages.iter_mut().enumerate() {
        page.page = u32::try_from(number).unwrap_or(u32::MAX);
    }
    let payloads = pages.iter().map(|page| Bytes::from(page.encode_to_vec()));
    for payload in payloads.chain([Bytes::new()]) {
        let page = Message {
            subject: reply.clone(),
            headers: fleetlog_bus::Headers::new(),
            payload,
            reply: None,
        };
        context.ground.bus.broker.send(page).await?;
    }
    if is_answered {
        counts.handled()
    } else {
        counts.refused()
    }
    Ok(())
}

async fn answer<M: Machine + Default>(
    context: &Arc<Context<M>>,
    message: &Message,
) -> Result<Vec<Answer>, Refusal> {
    let (actor, verb) = subject::asked(&message.subject)
        .ok_or_else(|| refusal("CHS0002", "the subject is no question", "ask with a client"))?;
    let query = Query::decode(message.payload.clone()).map_err(|error| {
        let sentence = format!("the question cannot be read: {error}");
        refusal("CHS0002", &sentence, "ask with a client of this hub's version")
    })?;
    wait_for(context, Position(query.min_position)).await?;
    match verb.as_str() {
        "get" => {
            let (position, found) = found(context, &verb, &query).await?;
            let objects = context.shell.dress(&query, found).await.map_err(|fault| {
                refusal("CHS0005", &fault.to_string(), "ask again; the log keeps what is missing")
            })?;
            Ok(pages(context, position, objects))
        }
        "outcome" => outcome(context, &actor, &query).await,
        "hash" => Ok(vec![context.read(|hosted| Answer {
            position: hosted.position().0,
            hash: hosted.hash(),
            ..Answer::default()
        })]),
        "rows" => Ok(rows(context)),
        "moment" => {
            let position = as_of::position(context, &query).await?.0;
            Ok(vec![Answer { position, ..Answer::default() }])
        }
        "projection" => projection(context).await,
        "try" => tried::tried(context, &actor, query).await,
        "redo" => redo::redo(context, &actor, query.sequence).await,
        own => {
            let (position, found) = found(context, own, &query).await?;
            Ok(pages(context, position, found))
        }
    }
}

async fn wait_for<M: Machine>(context: &Context<M>, position: Position) -> Result<(), Refusal> {
    let within = context.ground.bounds.wait_for_position;
    tokio::time::timeout(within, context.reached(position)).await.map_err(|_| {
        let sentence = format!("position {position} is not folded in after {within:?}");
        refusal("CHS0004", &sentence, "ask again, or without a position")
    })
}

/// What the machine answers, now or as it was, and the position of that.
async fn found<M: Machine + Default>(
    context: &Arc<Context<M>>,
    verb: &str,
    query: &Query,
) -> Result<(u64, Vec<Bytes>), Refusal> {
    let (position, found) = match as_of::Moment::of(query) {
        Some(moment) => as_of::answer(context, moment, verb, query).await?,
        None => {
            let now = context.ground.clock.now();
            context.read(|hosted| (hosted.position().0, ask(hosted.machine(), verb, query, now)))
        }
    };
    Ok((position, found?))
}

/// The machine's answer by the verb.
pub(crate) fn ask<M: Machine>(
    machine: &M,
    verb: &str,
    query: &Query,
    at: Timestamp,
) -> Result<Vec<Bytes>, Refusal> {
    if verb == "get" {
        return machine.answer(query);
    }
    machine.question(verb, query, at).unwrap_or_else(|| {
        let sentence = format!("\"{verb}\" is not something to ask {}", M::SERVICE);
        let advice = "ask for \"get\", \"outcome\", \"try\", \"hash\", \"moment\", \"rows\" or \
            \"projection\"";
        Err(refusal("CHS0003", &sentence, advice))
    })
}

/// An answer in pages, bounded in objects and in bytes.
fn pages<M: Machine>(context: &Context<M>, position: u64, objects: Vec<Bytes>) -> Vec<Answer> {
    let bounds = &context.ground.bounds;
    let mut pages = vec![Answer { position, ..Answer::default() }];
    let mut size = 0;
    for object in objects {
        let full = pages.last().is_some_and(|page| {
            let some = !page.objects.is_empty();
            some && (page.objects.len() >= bounds.page_objects
                || size + object.len() > bounds.page_bytes)
        });
        if full {
            pages.push(Answer { position, ..Answer::default() });
            size = 0;
        }
        size += object.len();
        if let Some(page) = pages.last_mut() {
            page.objects.push(object.into());
        }
    }
    pages
}

async fn projection<M: Machine>(context: &Context<M>) -> Result<Vec<Answer>, Refusal> {
    let unread = |why: String| refusal("CHS0005", &why, "ask again");
    let behind = lag::look(context).await.map_err(|fault| unread(fault.to_string()))?;
    let position = context.read(|hosted| hosted.position().0);
    let service = M::SERVICE.to_string();
    let standing = Standing { service, position, behind, rebuilt: context.rebuilt() };
    let standing = serde_json::to_vec(&standing).map_err(|error| unread(error.to_string()))?;
    Ok(vec![Answer { position, objects: vec![standing], ..Answer::default() }])
}

async fn outcome<M: Machine>(
    context: &Context<M>,
    actor: &Actor,
    query: &Query,
) -> Result<Vec<Answer>, Refusal> {
    let id = CommandId::new(query.command.as_str());
    let found = context.ground.bus.outcomes.find(actor.as_str(), &id).await;
    let outcome = found.map_err(|fault| refusal("CHS0005", &fault.to_string(), "ask again"))?;
    let position = context.read(|hosted| hosted.position().0);
    Ok(vec![Answer { position, outcome, ..Answer::default() }])
}

fn rows<M: Machine>(context: &Context<M>) -> Vec<Answer> {
    let (position, hash, rows) =
        context.read(|hosted| (hosted.position().0, hosted.hash(), hosted.row_hashes()));
    let pages = rows.chunks(1_000).map(|rows| Answer {
        position,
        hash: hash.clone(),
        rows: rows.to_vec(),
        ..Answer::default()
    });
    let empty = Answer { position, hash: hash.clone(), ..Answer::default() };
    if rows.is_empty() { vec![empty] } else { pages.collect() }
}

pub(crate) fn refusal(code: &str, sentence: &str, advice: &str) -> Refusal {
    Refusal { code: code.into(), sentence: sentence.into(), advice: advice.into() }
}
