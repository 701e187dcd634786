//! Core messages of the in-memory twin: listeners, groups that share, inboxes. Nothing is stored.

use crate::port::Message;
use fleetlog_messages::subject::Subject;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// How many messages may wait for a listener before further ones are dropped, as in the client.
const CAPACITY: usize = 65_536;

struct Listener {
    filter: Subject,
    group: Option<String>,
    sender: mpsc::Sender<Message>,
}

/// Everyone who listens.
#[derive(Default)]
pub(super) struct Core {
    listeners: Vec<Listener>,
    turns: BTreeMap<String, usize>,
    inboxes: u64,
}

impl Core {
    /// A new listener.
    pub(super) fn listen(
        &mut self,
        filter: Subject,
        group: Option<&str>,
    ) -> mpsc::Receiver<Message> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        self.listeners.push(Listener { filter, group: group.map(str::to_owned), sender });
        receiver
    }

    /// A new inbox and its only listener.
    pub(super) fn inbox(&mut self) -> (String, mpsc::Receiver<Message>) {
        self.inboxes += 1;
        let inbox = format!("_INBOX.{}", self.inboxes);
        let receiver = self.listen(Subject::raw(&inbox), None);
        (inbox, receiver)
    }

    /// Hands a message to every listener, and to one of each group in turn; answers to how many.
    pub(super) fn deliver(&mut self, message: &Message) -> usize {
        self.listeners.retain(|listener| !listener.sender.is_closed());
        let mut reached = 0;
        let mut groups: BTreeMap<&str, Vec<&Listener>> = BTreeMap::new();
        for listener in self.listeners.iter().filter(|l| l.filter.covers(&message.subject)) {
            match &listener.group {
                Some(group) => groups.entry(group).or_default().push(listener),
                None => reached += hand(listener, message),
            }
        }
        for (group, members) in groups {
            let turn = self.turns.entry(group.to_owned()).or_default();
            *turn += 1;
            reached += members.get(*turn % members.len()).map_or(0, |member| hand(member, message));
        }
        reached
    }
}

fn hand(listener: &Listener, message: &Message) -> usize {
    if listener.sender.try_send(message.clone()).is_err() {
        tracing::warn!(subject = message.subject, "a slow listener misses a message");
    }
    1
}
