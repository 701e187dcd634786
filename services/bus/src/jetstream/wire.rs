//! The server's forms in ours: headers, messages, what a delivery's reply subject tells. Unreadable
//! bytes come out as `None`, never as a panic.

use crate::port::{Headers, Message, StoredMessage};
use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

/// Our headers as the client's.
pub(super) fn to_headers(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name.as_str(), value.as_str());
    }
    map
}

/// The client's headers as ours; of several values the last counts.
pub(super) fn of_headers(map: Option<&HeaderMap>) -> Headers {
    let Some(map) = map else { return Headers::new() };
    let text = |(name, values): (&HeaderName, &Vec<HeaderValue>)| {
        let name: &str = name.as_ref();
        Some((name.to_owned(), values.last()?.as_str().to_owned()))
    };
    map.iter().filter_map(text).collect()
}

/// Headers as the stream keeps them: a version line, then `Name: value` lines.
pub(super) fn of_raw_headers(raw: &[u8]) -> Headers {
    let text = String::from_utf8_lossy(raw);
    let lines = text.split("\r\n").skip(1);
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// A core message. Its payload is copied: the client's would keep a whole read buffer alive.
pub(super) fn of_message(message: &async_nats::Message) -> Message {
    Message {
        subject: message.subject.to_string(),
        headers: of_headers(message.headers.as_ref()),
        payload: Bytes::copy_from_slice(&message.payload),
        reply: message.reply.as_ref().map(ToString::to_string),
    }
}

/// A message that a consumer delivered.
pub(super) fn of_delivered(message: &async_nats::Message, place: &Place) -> StoredMessage {
    StoredMessage {
        sequence: place.sequence,
        subject: message.subject.to_string(),
        headers: of_headers(message.headers.as_ref()),
        payload: Bytes::copy_from_slice(&message.payload),
        pending: place.pending,
    }
}

/// Where a delivered message stands, as its reply subject tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How often it was delivered.
    pub(super) deliveries: u64,
    /// Its sequence in the stream.
    pub(super) sequence: u64,
    /// Its number among what the consumer delivered.
    pub(super) number: u64,
    /// How many follow it.
    pub(super) pending: u64,
}

impl Place {
    /// Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<number>.<time>.<pending>`, and
    /// the longer form with domain and account before the stream.
    pub(super) fn of(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        let first = match tokens.len() {
            7 => 2,
            9.. => 4,
            _ => return None,
        };
        let number = |offset: usize| tokens.get(first + offset)?.parse().ok();
        Some(Self {
            deliveries: number(0)?,
            sequence: number(1)?,
            number: number(2)?,
            pending: number(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_a_deliverys_reply_subject_are_read() {
        let place = Place { deliveries: 2, sequence: 31, number: 7, pending: 5 };
        assert_eq!(Place::of("$JS.ACK.CMD.cmd-work.2.31.7.1700000000000000000.5"), Some(place));
        let long = "$JS.ACK.hub.ACC.CMD.cmd-work.2.31.7.1700000000000000000.5.token";
        assert_eq!(Place::of(long), Some(place));
        assert_eq!(Place::of("$JS.ACK.CMD.cmd-work.x.31.7.1.5"), None);
    }

    #[test]
    fn raw_headers_come_back_as_they_were() {
        let raw = b"NATS/1.0\r\nNats-Msg-Id: a\r\nFl-Types:A,B\r\n\r\n";
        let read = of_raw_headers(raw);
        assert_eq!(read.get("Nats-Msg-Id").map(String::as_str), Some("a"));
        assert_eq!(read.get("Fl-Types").map(String::as_str), Some("A,B"));
        assert_eq!(read.len(), 2);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(
            raw in prop::collection::vec(any::<u8>(), 0..128),
            tail in "\\PC*",
            tokens in prop::collection::vec("[0-9a-z]{0,22}", 0..14),
        ) {
            let _ = of_raw_headers(&raw);
            let _ = Place::of(&format!("$JS.ACK.{tail}"));
            let _ = Place::of(&format!("$JS.ACK.{}", tokens.join(".")));
        }

        #[test]
        fn headers_round_trip_through_the_client(
            headers in prop::collection::btree_map(
                "[A-Za-z][A-Za-z-]{0,12}",
                "[ -~&&[^ ]]{0,16}",
                0..6,
            ),
        ) {
            prop_assert_eq!(of_headers(Some(&to_headers(&headers))), headers);
        }
    }
}
