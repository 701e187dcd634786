//! Questions in the form of objects, and tokens of service accounts: nothing of them is kept.

use crate::Gateway;
use crate::read::{key_of, one};
use crate::requests::Asked;
use crate::respond::{Body, warn};
use fleetlog_gateway_domain::reviews::{answered, user_info};
use fleetlog_gateway_domain::token::{Account, ISSUER, claims, life};
use fleetlog_gateway_domain::{At, Status, Taken, body, created, write};
use fleetlog_kernel::Timestamp;
use http::Response;
use serde_json::{Value, json};

impl Gateway {
    /// Answers a review.
    pub(crate) async fn review(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let options = write(asked.query)?;
        let mut given = body(asked.body, asked.content_type, Taken::Binary)?;
        whole(&given.0)?;
        // Nothing is kept under the name, so none is needed.
        given.0["metadata"]["name"] = json!("review");
        let namespace = asked.place.namespace.as_deref();
        let made = created(asked.kind, namespace, given, options.unknown)?;
        self.settle(asked.kind, At::Newest).await?;
        let mut review = made.object;
        if let Some(metadata) = review["metadata"].as_object_mut() {
            metadata.remove("name");
        }
        let caller = &asked.who.caller;
        let review = match asked.kind.0.kind {
            "TokenReview" => self.token_review(review),
            kind => self.board.access(|access| answered(access, caller, kind, review))?,
        };
        let mut response = one(asked, 201, &review, self.clock.now())?;
        warn(&mut response, &made.warnings);
        Ok(response)
    }

    fn token_review(&self, mut review: Value) -> Value {
        let texts = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten();
            all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let wanted = texts(&review["spec"]["audiences"]);
        let audiences = if wanted.is_empty() { vec![ISSUER.to_owned()] } else { wanted };
        let token = review["spec"]["token"].as_str().unwrap_or_default();
        review["status"] = match self.bearer_for(token, &audiences) {
            Some((caller, audiences)) => json!({
                "authenticated": true, "user": user_info(&caller), "audiences": audiences,
            }),
            None => json!({ "authenticated": false, "error": "the token is not good" }),
        };
        review
    }

    /// Makes a token of a service account.
    pub(crate) async fn token(&self, asked: &Asked<'_>) -> Result<Response<Body>, Status> {
        let (mut request, _) = body(asked.body, asked.content_type, Taken::Binary)?;
        whole(&request)?;
        let kind = request["kind"].as_str().unwrap_or("TokenRequest");
        if kind != "TokenRequest" {
            return Err(Status::bad(format!(
                "a token is asked for by a TokenRequest, not a {kind}"
            )));
        }
        let Some(life) = life(&request) else {
            let message = "TokenRequest.authentication.k8s.io \"\" is invalid: \
                           spec.expirationSeconds: Invalid value: may not specify a duration less \
                           than 10 minutes";
            return Err(Status::new(422, "Invalid", message));
        };
        self.settle(asked.kind, At::Newest).await?;
        let key = key_of(asked);
        let found = self.board.look(|view| view.get(asked.kind, &key).cloned());
        let found = found.ok_or_else(|| Status::not_found(asked.kind, &key.name))?;
        let uid = found.object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let account = Account { namespace: key.namespace, name: key.name, uid };
        let audiences: Vec<String> = match request["spec"]["audiences"].as_array() {
            Some(given) if !given.is_empty() => {
                given.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            }
            _ => vec![ISSUER.to_owned()],
        };
        let (now, seconds) = (self.clock.now(), i64::try_from(life.as_secs()).unwrap_or_default());
        let said = claims(&account, &audiences, (now, seconds), self.ids.command().as_str());
        let token = self.tokens.signed(&said).map_err(|why| {
            Status::new(500, "InternalError", format!("Internal error occurred: {why}"))
        })?;
        let end = Timestamp::of_seconds(now.seconds() + seconds);
        request["apiVersion"] = json!("authentication.k8s.io/v1");
        request["kind"] = json!("TokenRequest");
        request["metadata"] = json!({
            "name": account.name, "namespace": account.namespace, "creationTimestamp": null,
        });
        request["spec"]["audiences"] = json!(audiences);
        request["spec"]["expirationSeconds"] = json!(seconds);
        request["status"] =
            json!({ "token": token, "expirationTimestamp": fleetlog_rules::time(end) });
        one(asked, 201, &request, now)
    }
}

/// Refuses a body whose parts are no maps.
fn whole(object: &Value) -> Result<(), Status> {
    let is_map = |part: &Value| part.is_object() || part.is_null();
    let parts = ["metadata", "spec", "status"];
    if object.is_object() && parts.iter().all(|part| is_map(&object[*part])) {
        return Ok(());
    }
    Err(Status::bad("the body is no object with metadata, spec and status"))
}
