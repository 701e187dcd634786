//! Values that are handed over before the secret that has them: sealed here, the key kept in KEYS.

use crate::machine::Core;
use crate::sealing::seal;
use bytes::Bytes;
use fleetlog_bus::{Fault, Headers, Keys, Message};
use fleetlog_chassis::Context;
use fleetlog_chassis::listen::{bury, listen, reply};
use fleetlog_core_domain::Refusal;
use fleetlog_kernel::Service;
use fleetlog_messages::common;
use fleetlog_messages::core::{RefusedToSeal, SealValues, Sealed, ValuesSealed};
use fleetlog_messages::subject;
use fleetlog_objects::value_names;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes the values of one secret may have, names included, so that its command can be
/// sent.
const LARGEST: usize = 192 * 1_024;

/// Answers `fl.put.core.*.seal` until the tasks are asked to stop.
pub(crate) async fn seals(context: Arc<Context<Core>>, keys: Keys) -> Result<(), Fault> {
    let (context, keys) = (&*context, &keys);
    let answer = |message| answer(context, keys, message);
    listen(context, subject::puts_for(Service::Core), answer).await
}

async fn answer(context: &Context<Core>, keys: &Keys, message: Message) -> Result<(), Fault> {
    let answer = match read(&message) {
        Ok(values) => sealed(context, keys, values).await,
        Err(reason) => {
            // What it hands over may be values: they are kept nowhere.
            let bare = Message { payload: Bytes::new(), ..message.clone() };
            bury(context, &bare, reason.clone()).await?;
            Err((&Refusal::Invalid { why: reason }).into())
        }
    };
    let answer = match answer {
        Ok(sealed) => ValuesSealed { sealed: Some(sealed), refused: None },
        Err(common::Refusal { code, sentence, advice }) => {
            let refused = Some(RefusedToSeal { code, sentence, advice });
            ValuesSealed { sealed: None, refused }
        }
    };
    let Some(to) = message.reply.as_deref() else { return Ok(()) };
    reply(context, to, Headers::new(), answer.encode_to_vec().into()).await
}

fn read(message: &Message) -> Result<SealValues, String> {
    let asked = subject::asked(&message.subject);
    let verb = asked.map(|(_, verb)| verb).ok_or("the subject names nobody")?;
    if verb != "seal" {
        return Err(format!("\"{verb}\" is nothing to hand over"));
    }
    let read = SealValues::decode(message.payload.clone());
    let read = read.map_err(|error| format!("it cannot be read: {error}"))?;
    if read.values.is_empty() { Err("there is nothing to seal".to_owned()) } else { Ok(read) }
}

/// The values as they would be sealed: under no key, by nothing but their size.
///
/// # Errors
/// The refusal of those that would not be.
pub(crate) fn as_if(values: SealValues, key: &str) -> Result<Sealed, common::Refusal> {
    fits(&values.values)?;
    let body = vec![0; values.encoded_len()];
    Ok(Sealed { key: key.to_owned(), body, names: value_names(values.values) })
}

fn fits(values: &BTreeMap<String, String>) -> Result<(), common::Refusal> {
    let size: usize = values.iter().map(|(name, value)| name.len() + value.len()).sum();
    let limit = LARGEST;
    if size > limit { Err((&Refusal::TooLarge { size, limit }).into()) } else { Ok(()) }
}

async fn sealed(
    context: &Context<Core>,
    keys: &Keys,
    SealValues { values }: SealValues,
) -> Result<Sealed, common::Refusal> {
    fits(&values)?;
    let unsealed = || Refusal::OutOfReach { reason: "there is no randomness".to_owned() };
    let values = values.into_iter().collect();
    let sealing = seal(&values).ok_or_else(|| common::Refusal::from(&unsealed()))?;
    let name = context.ground.ids.command().to_string();
    // Somebody waits for the answer: a full disk is told at once.
    let bounds = context.ground.bounds.without_space_wait();
    let kept = bounds.patiently(|| keys.put(&name, sealing.key.clone().into())).await;
    kept.map_err(|fault| {
        let reason = fault.to_string();
        fault.refusal().unwrap_or_else(|| (&Refusal::OutOfReach { reason }).into())
    })?;
    Ok(Sealed { key: name, body: sealing.body, names: value_names(values) })
}
