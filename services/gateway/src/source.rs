//! The services as the gateway asks them: objects of a kind, now or as they were.

use crate::shared::Shared;
use fleetlog_bus::{Client, ClientError, Fault};
use fleetlog_gateway_domain::Kind;
use fleetlog_kernel::Position;
use fleetlog_messages::common::Query;
use serde_json::Value;
use std::sync::Arc;

/// A way to ask.
#[derive(Clone)]
pub(crate) struct Source {
    /// The gateway's own client.
    pub client: Client,
    end: Arc<Shared<Position>>,
}

impl Source {
    /// By the gateway's own client.
    pub fn new(client: Client) -> Self {
        Self { client, end: Arc::default() }
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn end(&self) -> Result<Position, Fault> {
        self.end.ask(self.client.end()).await
    }

    /// The objects of a kind that a question is for, and the position that they were had at.
    ///
    /// # Errors
    /// A refusal, or a service that does not answer.
    pub async fn objects(
        &self,
        kind: Kind,
        query: Query,
    ) -> Result<(Position, Vec<Value>), ClientError> {
        let Some(service) = kind.0.service else { return Ok((Position::START, vec![])) };
        let query = Query { kind: kind.0.token.to_owned(), ..query };
        let is_one = !query.name.is_empty() && kind.0.namespaced != query.namespace.is_empty();
        let pages = match is_one {
            true => vec![self.client.ask_page(service, "get", query).await?],
            false => self.client.ask(service, "get", query).await?,
        };
        let (mut position, mut objects) = (Position::START, vec![]);
        for page in pages {
            position = Position(page.position);
            for object in &page.objects {
                let object = serde_json::from_slice(object);
                objects.push(object.map_err(|why| ClientError::Unreadable(why.to_string()))?);
            }
        }
        Ok((position, objects))
    }

    /// The objects of a kind, of a namespace and a name if they are given, as they were at a
    /// resource version.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub async fn past(
        &self,
        kind: Kind,
        (namespace, name): (Option<&str>, Option<&str>),
        version: u64,
    ) -> Result<Vec<Value>, ClientError> {
        let as_of = version / Position::OBJECTS_PER_COMMIT;
        // Before the first commit there was nothing; to a service 0 means now.
        if as_of == 0 {
            return Ok(vec![]);
        }
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let (namespace, name) = (text(namespace), text(name));
        let query = Query { as_of, namespace, name, ..Query::default() };
        Ok(self.objects(kind, query).await?.1)
    }
}
