//! `dlq`: the dead letters, shown, tried again, dropped. A user's command goes out again as the
//! administrator's, under a new id; a service's is handled again by the service that it is for;
//! what was never stored can only be dropped. Every use is recorded before it is made.

use crate::args::{DlqCommand, LettersArgs, Output, OutputArgs};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::log::millis;
use crate::print::table::Rows;
use crate::print::{document_out, line, out, warn};
use bytes::Bytes;
use data_encoding::BASE64;
use fleetlog_bus::{Client, DeadLetters, LetterUse};
use fleetlog_chassis::{Clock, Ids};
use fleetlog_kernel::{Actor, Service, Timestamp};
use fleetlog_messages::common::{DeadLetter, Outcome, Query, outcome};
use fleetlog_messages::subject::{AggregateId, Subject};
use futures::StreamExt as _;
use serde_json::{Value, json};

/// A letter with its number in DLQ.
type Numbered = (u64, DeadLetter);

/// `fleetlog dlq`.
///
/// # Errors
/// A letter that is not there or cannot be tried again, a refusal, a server that does not answer.
pub async fn run(command: &DlqCommand, hub: &Hub) -> Done {
    match command {
        DlqCommand::List(args) => list(args, hub).await,
        DlqCommand::Show { number, output } => show(*number, output, hub).await,
        DlqCommand::Retry(args) => retry(args, hub).await,
        DlqCommand::Drop(args) => drop_all(args, hub).await,
        DlqCommand::Uses(args) => uses(args, hub).await,
    }
}

/// Records a use that is about to be made.
async fn note(letters: &DeadLetters, verb: &str, letter: Option<Numbered>) -> Done {
    let (id, at) = (Ids::Random.command(), Clock::System.now());
    letters.note(&LetterUse { id, at, verb: verb.to_owned(), letter }).await?;
    Ok(())
}

/// The same of one that only looks: a full disk keeps nobody from looking, but is told.
async fn note_look(letters: &DeadLetters, verb: &str, letter: Option<Numbered>) {
    if let Err(failure) = note(letters, verb, letter).await {
        warn(&format!("this look is not recorded: {failure}"));
    }
}

async fn letters(hub: &Hub) -> Result<DeadLetters, Failure> {
    Ok(DeadLetters::new(hub.operator().await?.clone()))
}

async fn list(args: &OutputArgs, hub: &Hub) -> Done {
    let letters = letters(hub).await?;
    note_look(&letters, "list", None).await;
    let found = letters.all().await?;
    match args.output {
        Output::Table | Output::Wide if found.is_empty() => line("No dead letters found."),
        Output::Table => out(&table(&found, 60)),
        Output::Wide => out(&table(&found, usize::MAX)),
        Output::Name => found.iter().for_each(|(number, _)| line(&format!("letter/{number}"))),
        Output::Json | Output::Yaml => {
            let items: Vec<Value> = found.iter().map(document).collect();
            document_out(
                args.output,
                &json!({"apiVersion": "v1", "kind": "List", "items": items}),
            )?;
        }
    }
    Ok(())
}

fn table(letters: &[Numbered], width: usize) -> String {
    let mut rows = Rows::new(["number", "time", "service", "from", "about", "reason"]);
    for (number, letter) in letters {
        let mut reason: String = letter.reason.chars().take(width).collect();
        if reason.len() < letter.reason.len() {
            reason.push_str("...");
        }
        let about = about(letter);
        let from = sender(letter);
        rows.push(vec![
            number.to_string(),
            time(letter),
            letter.service.clone(),
            from,
            about,
            reason,
        ]);
    }
    rows.render()
}

fn time(letter: &DeadLetter) -> String {
    match letter.seconds {
        0 => "<unknown>".to_owned(),
        seconds => millis(Timestamp::of_seconds(seconds)).replace(".000Z", "Z"),
    }
}

/// What it is about: the aggregate when its subject names one.
fn about(letter: &DeadLetter) -> String {
    target(letter).map_or_else(|| letter.subject.clone(), |target| target.to_string())
}

fn sender(letter: &DeadLetter) -> String {
    let user = AggregateId::of_command(&letter.subject).map(|(_, actor)| actor.to_string());
    let service = || AggregateId::of_told(&letter.subject).map(|(_, from)| from.to_string());
    user.or_else(service).unwrap_or_else(|| "agent".to_owned())
}

fn target(letter: &DeadLetter) -> Option<AggregateId> {
    let user = AggregateId::of_command(&letter.subject).map(|(target, _)| target);
    user.or_else(|| AggregateId::of_told(&letter.subject).map(|(target, _)| target))
}

fn document((number, letter): &Numbered) -> Value {
    json!({
        "number": number, "time": time(letter), "service": letter.service, "reason": letter.reason,
        "subject": letter.subject, "stream": letter.stream, "sequence": letter.sequence,
        "headers": letter.headers, "payload": BASE64.encode(&letter.payload),
    })
}

async fn show(number: u64, args: &OutputArgs, hub: &Hub) -> Done {
    let letters = letters(hub).await?;
    let found = letters.all().await?;
    let letter = found.into_iter().find(|(n, _)| *n == number).ok_or_else(|| missing(number))?;
    note_look(&letters, "show", Some(letter.clone())).await;
    match args.output {
        Output::Table | Output::Wide => out(&text(&letter)),
        Output::Name => line(&format!("letter/{number}")),
        form => document_out(form, &document(&letter))?,
    }
    Ok(())
}

fn text((number, letter): &Numbered) -> String {
    let place = match letter.sequence {
        0 => "was never stored".to_owned(),
        sequence => format!("{} of {}", sequence, letter.stream),
    };
    let mut text = format!(
        "Number:    {number}\nTime:      {}\nService:   {}\nReason:    {}\nSubject:   {}\n\
         Message:   {place}\nHeaders:\n",
        time(letter),
        letter.service,
        letter.reason,
        letter.subject
    );
    for (name, value) in &letter.headers {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    text.push_str(&format!("Content:   {} bytes\n", letter.payload.len()));
    for (at, line) in letter.payload.chunks(16).take(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let printed = |byte: &u8| if byte.is_ascii_graphic() { *byte as char } else { '.' };
        let plain: String = line.iter().map(printed).collect();
        text.push_str(&format!("  {:04x}  {:47}  {plain}\n", at * 16, hex.join(" ")));
    }
    text
}

/// The letters that were asked for.
async fn wanted(args: &LettersArgs, letters: &DeadLetters) -> Result<Vec<Numbered>, Failure> {
    let found = letters.all().await?;
    if args.all {
        return Ok(found);
    }
    let find = |number: &u64| found.iter().find(|(n, _)| n == number).cloned();
    args.numbers.iter().map(|number| find(number).ok_or_else(|| missing(*number))).collect()
}

fn missing(number: u64) -> Failure {
    let sentence = format!("there is no dead letter {number}");
    Failure::new("CLI0050", sentence, "see which there are: fleetlog dlq list")
}

/// What was done with letters, oldest first.
async fn uses(args: &OutputArgs, hub: &Hub) -> Done {
    let letters = letters(hub).await?;
    note_look(&letters, "uses", None).await;
    let found = letters.uses().await?;
    match args.output {
        Output::Table | Output::Wide => out(&uses_table(&found)),
        Output::Name => found.iter().for_each(|used| line(&format!("use/{}", used.id))),
        Output::Json | Output::Yaml => {
            let items: Vec<Value> = found.iter().map(use_document).collect();
            document_out(
                args.output,
                &json!({"apiVersion": "v1", "kind": "List", "items": items}),
            )?;
        }
    }
    Ok(())
}

fn uses_table(uses: &[LetterUse]) -> String {
    let mut rows = Rows::new(["time", "what", "number", "about", "reason"]);
    for LetterUse { at, verb, letter, .. } in uses {
        let (number, about, reason) = match letter {
            Some((number, letter)) => (number.to_string(), about(letter), letter.reason.clone()),
            None => Default::default(),
        };
        rows.push(vec![millis(*at), verb.clone(), number, about, reason]);
    }
    rows.render()
}

fn use_document(used: &LetterUse) -> Value {
    json!({
        "id": used.id.as_str(), "time": millis(used.at), "what": used.verb, "by": "operator",
        "letter": used.letter.as_ref().map(document),
    })
}

async fn drop_all(args: &LettersArgs, hub: &Hub) -> Done {
    let letters = letters(hub).await?;
    for (number, letter) in wanted(args, &letters).await? {
        note(&letters, "drop", Some((number, letter))).await?;
        letters.remove(number).await?;
        line(&format!("letter/{number} dropped"));
    }
    Ok(())
}

async fn retry(args: &LettersArgs, hub: &Hub) -> Done {
    let letters = letters(hub).await?;
    let mut failures = vec![];
    for (number, letter) in wanted(args, &letters).await? {
        note(&letters, "retry", Some((number, letter.clone()))).await?;
        match again(&letter, hub).await {
            Ok(Outcome { result: Some(outcome::Result::Accomplished(done)), .. }) => {
                letters.remove(number).await?;
                line(&format!("letter/{number} handled at position {}", done.position));
            }
            Ok(Outcome { result: Some(outcome::Result::Refused(refusal)), .. }) => {
                letters.remove(number).await?;
                failures.push(Failure::from(refusal).at(&format!("letter/{number}")));
            }
            Ok(Outcome { result: None, .. }) => {
                let sentence = format!("letter/{number}: the outcome is of a later version");
                failures.push(Failure::new("CLI0011", sentence, "update this command"));
            }
            Err(failure) => {
                forget_older(&letters, number, &letter).await?;
                failures.push(failure.at(&format!("letter/{number}")));
            }
        }
    }
    Failure::all(failures).map_or(Ok(()), Err)
}

/// When the same message was buried again, the older letter goes.
async fn forget_older(letters: &DeadLetters, number: u64, letter: &DeadLetter) -> Done {
    let place = (&letter.stream, letter.sequence);
    let all = letters.all().await?;
    let newer = |(n, l): &Numbered| *n > number && (&l.stream, l.sequence) == place;
    if letter.sequence > 0 && all.iter().any(newer) {
        letters.remove(number).await?;
    }
    Ok(())
}

/// Has it handled again; answers the outcome.
async fn again(letter: &DeadLetter, hub: &Hub) -> Result<Outcome, Failure> {
    if let Some((target, _)) = AggregateId::of_command(&letter.subject) {
        let payload = command(letter, hub).await?;
        return Ok(hub.client().command(&target, payload).await?);
    }
    if let Some((target, _)) = AggregateId::of_told(&letter.subject) {
        return redo(target.service, letter.sequence, hub).await;
    }
    let sentence = "only its sender can send it again: it was a question or a report";
    Err(Failure::new("CLI0051", sentence, "drop the letter: fleetlog dlq drop NUMBER"))
}

/// A user's command as it was sent: a letter may hold only its beginning.
async fn command(letter: &DeadLetter, hub: &Hub) -> Result<Bytes, Failure> {
    let subject = Subject::raw(&letter.subject);
    let mut reading = hub.operator().await?.read("CMD", &subject, letter.sequence).await?;
    if reading.pending > 0
        && let Some(message) = reading.messages.next().await.transpose()?
        && message.sequence == letter.sequence
    {
        return Ok(message.payload);
    }
    let sentence = "the command is no longer kept";
    Err(Failure::new("CLI0052", sentence, "drop the letter: fleetlog dlq drop NUMBER"))
}

async fn redo(service: Service, sequence: u64, hub: &Hub) -> Result<Outcome, Failure> {
    let operator = hub.operator().await?.clone();
    let client = Client::new(operator, Actor::new("operator"), || Ids::Random.command());
    let query = Query { sequence, ..Query::default() };
    let pages = client.ask(service, "redo", query).await?;
    let outcome = pages.into_iter().find_map(|page| page.outcome);
    outcome.ok_or_else(|| {
        let sentence = format!("the {service} service gave no outcome");
        Failure::new("CLI0011", sentence, "use a fleetlog of the hub's version")
    })
}
