//! A member API that answers as a broken one: what it refuses is told in its words, the others are
//! applied, and it is asked again with longer and longer waits, until it answers well.

use crate::hub::until;
use crate::member::{Member, Simulated, Times};
use crate::stage::{Stage, is_well, manifests, says};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How the API answers an apply of the object that it does not like.
#[derive(Clone, Copy)]
enum Answer {
    Well,
    Status(StatusCode, &'static str),
    Garbage,
    Nothing,
}

#[derive(Clone)]
struct Hostile {
    within: Arc<Simulated>,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Hostile {
    fn new(answer: Answer) -> Self {
        let within = Arc::new(Simulated::start("").unwrap());
        Self { within, answer: Arc::new(Mutex::new(answer)), asked: Arc::default() }
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }

    async fn answered(
        self,
        client: Client,
        request: Request<Body>,
    ) -> kube::Result<Response<Body>> {
        let applies = request.method() == Method::PATCH
            && request.uri().path().ends_with("/configmaps/x")
            && request.uri().query().is_some_and(|query| query.contains("work-agent"));
        let answer = *self.answer.lock().unwrap();
        if !applies {
            return client.send(request).await;
        }
        self.asked.lock().unwrap().push(Instant::now());
        let of = |status: StatusCode, text: &str| {
            let response = Response::builder().status(status).header("retry-after", "2");
            Ok(response.body(Body::from(text.as_bytes().to_vec())).unwrap())
        };
        match answer {
            Answer::Well => client.send(request).await,
            Answer::Status(status, text) => of(status, text),
            Answer::Garbage => of(StatusCode::OK, "<html>who are you?</html>"),
            Answer::Nothing => std::future::pending().await,
        }
    }
}

impl Member for Hostile {
    fn client(&self) -> Client {
        let hostile = self.clone();
        let within = self.within.client();
        let service = tower::service_fn(move |request: Request<Body>| {
            hostile.clone().answered(within.clone(), request)
        });
        Client::new(service, "default")
    }

    fn shop(&self) -> String {
        self.within.shop()
    }

    fn times(&self) -> Times {
        self.within.times()
    }
}

/// The words that are expected, then what happens when the API answers well again.
async fn is_told(answer: Answer, words: &str, most: usize) {
    let hostile = Hostile::new(answer);
    let stage = Stage::connected(Box::new(hostile.clone())).await;
    let all = [stage.namespace(), stage.config_map("x", "1"), stage.config_map("y", "1")];
    stage.hub.want("a", &all).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let said = manifests(&report)[1].conditions[0].message.clone().unwrap();
    assert!(said.contains(words), "{said}");
    let others = [0, 2].map(|at| manifests(&report)[at].conditions[0].status.clone().unwrap());
    assert_eq!(others, ["True", "True"], "it stops nothing else");
    assert!(stage.api.get(&stage.at("y")).await.is_some());
    // Another work goes its way, and the API is not worn out.
    stage.hub.want("b", &[stage.config_map("z", "1")]).await;
    stage.hub.report("b", |report| is_well(report, 1)).await;
    let (begun, already) = (Instant::now(), hostile.asked().len());
    until("a hundred seconds went by", async || begun.elapsed() > Duration::from_secs(100)).await;
    let again = hostile.asked().len() - already;
    assert!((1..=most).contains(&again), "asked {again} times in 100 s");
    hostile.set(Answer::Well);
    stage.hub.report("a", |report| is_well(report, 1)).await;
    assert_eq!(stage.api.get(&stage.at("x")).await.unwrap()["data"]["key"], "1");
}

const STATUS: &str = r#"{"kind":"Status","message":"no, said the member","code":0}"#;

#[tokio::test(start_paused = true)]
async fn a_member_that_forbids_says_so() {
    is_told(Answer::Status(StatusCode::FORBIDDEN, STATUS), "no, said the member", 12).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_says_so() {
    let answer = Answer::Status(StatusCode::INTERNAL_SERVER_ERROR, STATUS);
    is_told(answer, "no, said the member", 12).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_has_no_time_is_asked_again_when_it_says() {
    let answer = Answer::Status(StatusCode::TOO_MANY_REQUESTS, "too many requests");
    is_told(answer, "too many requests", 40).await;
    let hostile = Hostile::new(answer);
    let stage = Stage::connected(Box::new(hostile.clone())).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    until("it was asked twice", async || hostile.asked().len() >= 2).await;
    let asked = hostile.asked();
    assert!(asked[1] - asked[0] >= Duration::from_secs(2), "the wait is the server's");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_answers_garbage_is_quoted() {
    let words = "the API's answer cannot be read: \"<html>who are you?</html>\"";
    is_told(Answer::Garbage, words, 12).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_answer_is_waited_for_within_bounds() {
    is_told(Answer::Nothing, "no answer from the API in 30s", 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_told_and_tried_again_with_the_next_look() {
    let hostile = Hostile::new(Answer::Status(StatusCode::CONFLICT, STATUS));
    let stage = Stage::connected(Box::new(hostile.clone())).await;
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "1")]).await;
    let report = stage.hub.report("a", |report| says(report, "Applied") == Some("False")).await;
    let said = manifests(&report)[1].conditions[0].message.clone().unwrap();
    assert!(said.contains("no, said the member"), "{said}");
    hostile.set(Answer::Well);
    stage.hub.want("a", &[stage.namespace(), stage.config_map("x", "2")]).await;
    stage.hub.report("a", |report| is_well(report, 2)).await;
}
