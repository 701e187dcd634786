//! A hub whose services and agents are processes of their own, each with its own user, against one
//! real nats-server; and the command as its users type it. All of it ends with the value.

use crate::{Member, Process, Programs, until_well};
use anyhow::{Context as _, Result, ensure};
use fleetlog_bus::{Client, SharedBroker};
use fleetlog_chassis::Ids;
use fleetlog_cli::hub::Hub;
use fleetlog_kernel::{Actor, Service};
use fleetlog_messages::common::Query;
use fleetlog_test_support::TestHub;
use fleetlog_test_support::crash::CrashPoint;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// What one run of the command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    /// The output of a run that has to succeed.
    ///
    /// # Errors
    /// What it said when it did not.
    pub fn ok(self) -> Result<String> {
        ensure!(self.code == 0, "exit code {}: {}{}", self.code, self.err, self.out);
        Ok(self.out)
    }
}

/// One of the processes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// A service.
    Service(Service),
    /// The agent of a cluster.
    Agent(String),
}

/// The whole of it.
pub struct Fleetlog {
    // Dropped in this order: the hub last.
    agents: BTreeMap<String, Process>,
    services: BTreeMap<Service, Process>,
    admin: SharedBroker,
    programs: Programs,
    hub: TestHub,
}

impl Fleetlog {
    /// A hub with its five services, each of which answers.
    ///
    /// # Errors
    /// A server that cannot be had, or a service that does not come up.
    pub async fn start(programs: Programs) -> Result<Self> {
        let mut whole = Self::without_services(programs).await?;
        for service in Service::ALL {
            whole.serve(service, None, &[])?;
        }
        whole.answering().await?;
        Ok(whole)
    }

    /// A hub's server without a service.
    ///
    /// # Errors
    /// A server that cannot be had.
    pub async fn without_services(programs: Programs) -> Result<Self> {
        let hub = TestHub::start().await?;
        let admin = hub.connect(hub.identity()?.admin()?).await?;
        let (agents, services) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { agents, services, admin, programs, hub })
    }

    /// Starts a service; over `url` instead of the server's own, and with more words. One that runs
    /// goes first.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn serve(&mut self, service: Service, url: Option<&str>, more: &[&str]) -> Result<()> {
        let mut words = self.words_of(service, url)?;
        words.extend(more.iter().map(|&word| word.to_owned()));
        let program = match service {
            Service::Registration => self.programs.registration,
            Service::Placement => self.programs.placement,
            Service::Work => self.programs.work,
            Service::Addon => self.programs.addon,
            Service::Core => self.programs.core,
        };
        self.begin(service, program, words)
    }

    /// Starts a service that kills itself at `place`, when it gets there for the `nth` time. One
    /// that runs goes first.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn serve_until(&mut self, service: Service, place: CrashPoint, nth: u64) -> Result<()> {
        let words = ["--at".to_owned(), place.to_string(), "--nth".to_owned(), nth.to_string()];
        let words = words.into_iter().chain([service.token().to_owned()]);
        let words = words.chain(self.words_of(service, None)?).collect();
        self.begin(service, self.programs.crashing, words)
    }

    /// What a service is told about its hub.
    fn words_of(&self, service: Service, url: Option<&str>) -> Result<Vec<String>> {
        let creds = self.hub.dir().join("creds/services");
        let file = |name: &str| creds.join(name).display().to_string();
        let mut words = vec![
            "--nats".to_owned(),
            url.unwrap_or(self.hub.url()).to_owned(),
            "--creds".to_owned(),
            file(&format!("{service}.creds")),
        ];
        let identity = self.hub.identity()?;
        match service {
            Service::Registration => words.extend([
                "--agent-role".to_owned(),
                file("registration.agent-role.json"),
                "--hub-id".to_owned(),
                identity.hub_id().to_string(),
                "--work-key".to_owned(),
                identity.delivery_key()?.public_key(),
            ]),
            Service::Work => words.extend(["--delivery-key".to_owned(), file("work.delivery-key")]),
            Service::Placement | Service::Addon | Service::Core => {}
        }
        Ok(words)
    }

    fn begin(&mut self, service: Service, program: &str, words: Vec<String>) -> Result<()> {
        self.services.remove(&service);
        let logs = self.hub.dir().join("logs");
        let process = Process::start(service.token(), program, words, &logs)?;
        self.services.insert(service, process);
        Ok(())
    }

    /// Waits until each of the services that run answers.
    ///
    /// # Errors
    /// One that does not.
    pub async fn answering(&mut self) -> Result<()> {
        let client = self.client();
        for (service, process) in &mut self.services {
            until_well(&format!("the {service} service answers"), async || {
                if let Some(status) = process.ended() {
                    anyhow::bail!("it ended, {status}: {}", process.said());
                }
                client.ask(*service, "rows", Query::default()).await?;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// A token with which a cluster asks to join, as the command makes it.
    ///
    /// # Errors
    /// What the command says.
    pub fn token(&self, cluster: &str) -> Result<String> {
        let made = self.run(&["hub", "token", "create", "--cluster", cluster, "-o", "name"])?;
        Ok(made.ok()?.trim().to_owned())
    }

    /// Starts the agent of a member under the member's name, which keeps its key in a folder.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn agent(&mut self, member: &Member, token: Option<&str>, url: Option<&str>) -> Result<()> {
        let folder = self.hub.dir().join("agents").join(member.name());
        let place = ["--data".to_owned(), folder.display().to_string()];
        self.agent_with(member, token, url, place.to_vec())
    }

    /// The same with other words for where its key is kept.
    ///
    /// # Errors
    /// One that cannot be run.
    pub fn agent_with(
        &mut self,
        member: &Member,
        token: Option<&str>,
        url: Option<&str>,
        mut words: Vec<String>,
    ) -> Result<()> {
        let name = member.name().to_owned();
        let mut say = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
        say("--hub", url.unwrap_or(self.hub.url()));
        say("--cluster", &name);
        say("--kubeconfig", &member.kubeconfig().display().to_string());
        if let Some(token) = token {
            say("--token", token);
        }
        let logs = self.hub.dir().join("logs");
        // The one before goes first: two of them would be one agent twice.
        self.agents.remove(&name);
        let process = Process::start(&format!("agent-{name}"), self.programs.agent, words, &logs)?;
        self.agents.insert(name, process);
        Ok(())
    }

    /// Lets a member join, as its administrators would, and waits until it is available.
    ///
    /// # Errors
    /// A step that fails.
    pub async fn join(&mut self, member: &Member, url: Option<&str>) -> Result<()> {
        let token = self.token(member.name())?;
        self.agent(member, Some(&token), url)?;
        self.accept(member.name()).await?;
        self.available(member.name())
    }

    /// Accepts a cluster, once it has asked.
    ///
    /// # Errors
    /// One that never asks.
    pub async fn accept(&self, cluster: &str) -> Result<()> {
        until_well(&format!("cluster \"{cluster}\" is accepted"), async || {
            self.run(&["accept", cluster])?.ok().map(drop)
        })
        .await
    }

    /// Waits, as people do, until a cluster is available.
    ///
    /// # Errors
    /// One that does not become it.
    pub fn available(&self, cluster: &str) -> Result<()> {
        let (name, what) = (format!("mcl/{cluster}"), "condition=ManagedClusterConditionAvailable");
        self.run(&["wait", &name, &format!("--for={what}"), "--timeout", "120s"])?.ok().map(drop)
    }

    /// Kills a process as SIGKILL does.
    ///
    /// # Errors
    /// Where there is none.
    pub fn kill(&mut self, victim: &Victim) -> Result<()> {
        self.process(victim)?.kill();
        Ok(())
    }

    /// Starts a process again that was killed.
    ///
    /// # Errors
    /// Where there was none, or it cannot be run.
    pub fn start_again(&mut self, victim: &Victim) -> Result<()> {
        self.process(victim)?.start_again()
    }

    /// A process.
    ///
    /// # Errors
    /// Where there is none.
    pub fn process(&mut self, victim: &Victim) -> Result<&mut Process> {
        let found = match victim {
            Victim::Service(service) => self.services.get_mut(service),
            Victim::Agent(cluster) => self.agents.get_mut(cluster),
        };
        found.with_context(|| format!("there is no {victim:?}"))
    }

    /// Ends the server in order and starts it again: same folder, same address.
    ///
    /// # Errors
    /// One that does not start again.
    pub async fn restart_server(&mut self) -> Result<()> {
        self.hub.restart().await
    }

    /// Every process there is.
    #[must_use]
    pub fn victims(&self) -> Vec<Victim> {
        let services = self.services.keys().map(|service| Victim::Service(*service));
        services.chain(self.agents.keys().cloned().map(Victim::Agent)).collect()
    }

    /// Runs the command on this hub.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn run(&self, words: &[&str]) -> Result<Ran> {
        self.feed(words, "")
    }

    /// Runs the command on this hub, with something on its standard input.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn feed(&self, words: &[&str], input: &str) -> Result<Ran> {
        let mut child = Command::new(self.programs.fleetlog)
            .args(words)
            .arg("--data")
            .arg(self.hub.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut pipe = child.stdin.take().context("the command has no input")?;
        pipe.write_all(input.as_bytes())?;
        drop(pipe);
        let output = child.wait_with_output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        Ok(Ran { code, out: text(output.stdout), err: text(output.stderr) })
    }

    /// Folds the log anew in other processes and compares with the running services.
    ///
    /// # Errors
    /// What differs.
    pub fn verify(&self) -> Result<()> {
        let said = self.run(&["replay", "--verify"])?.ok()?;
        // Each service's state, and WORK.
        ensure!(said.matches(" equal ").count() == Service::ALL.len() + 1, "{said}");
        Ok(())
    }

    /// The hub's server, its folder and users.
    #[must_use]
    pub const fn hub(&self) -> &TestHub {
        &self.hub
    }

    /// A client of the hub's administrator.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.admin.clone(), Actor::new("admin"), || Ids::Random.command())
    }

    /// The hub as the command sees it.
    #[must_use]
    pub fn admin(&self) -> Hub {
        Hub::over(self.admin.clone(), Actor::new("admin"), Arc::new(Ids::Random))
    }
}
