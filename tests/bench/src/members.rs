//! What an agent of a real Kubernetes API takes, as a process of its own: time, processor, memory.

use crate::figure::{Better, Figure};
use crate::memory::resident_mib;
use anyhow::{Context as _, Result, ensure};
use fleetlog_agent::{Agent, MemoryKeys, Nats, Parts, Settings};
use fleetlog_apps_tests::{CLUSTER, Stage, condition, kube_prometheus as application, work_of};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::ClusterName;
use fleetlog_test_support::KubeMember;
use fleetlog_topology::folder::read_credentials;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

/// How long all works may take.
const WITHIN: Duration = Duration::from_secs(300);
/// Between two looks at the works: each look costs the hub, on the same machine, something.
const LOOK: Duration = Duration::from_millis(200);

/// A hub, a real member, and its agent as a process.
struct Measured {
    stage: Stage,
    member: KubeMember,
    agent: Child,
    _token: tempfile::TempDir,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

impl Measured {
    async fn start() -> Result<Self> {
        let member = tokio::task::spawn_blocking(KubeMember::start).await??;
        let stage = Stage::without_agent(&member).await?;
        let folder = tempfile::tempdir()?;
        let token = folder.path().join("token.creds");
        std::fs::write(&token, stage.hub().identity().boot_token(None)?.to_file())?;
        let mut agent = Command::new(std::env::current_exe()?);
        agent.args(["member-agent", "--hub", stage.hub().url(), "--token"]).arg(&token);
        agent.arg("--kubeconfig").arg(member.kubeconfig()).stdin(Stdio::null());
        let agent = agent.stdout(Stdio::null()).spawn().context("start an agent")?;
        let measured = Self { stage, member, agent, _token: folder };
        measured.stage.accept().await?;
        Ok(measured)
    }

    /// Processor time of the API server and its store so far, in seconds.
    fn servers(&self) -> Result<f64> {
        self.member.pids().into_iter().map(processor_s).sum()
    }

    /// Processor time of the agent so far, in seconds.
    fn processor(&self) -> Result<f64> {
        processor_s(self.agent.id())
    }
}

/// `agent_1000_works_s`, `agent_cpu_ms_per_work`, `agent_1000_works_mib`.
///
/// # Errors
/// Servers that cannot be had, or works that are not applied.
pub async fn works(count: usize) -> Result<Vec<Figure>> {
    let measured = Measured::start().await?;
    let one = |number: usize| {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("w{number}"), "namespace": "default" },
            "data": { "number": number.to_string() },
        });
        work_of(&format!("w{number}"), &[object], &json!({}))
    };
    // One goes ahead, so that joining and our own kinds are not measured.
    measured.stage.apply_text(one(0).to_string()).await?;
    measured.stage.applied("w0").await?;
    let text: Vec<String> = (1..=count).map(|number| one(number).to_string()).collect();
    let (started, before) = (Instant::now(), measured.processor()?);
    let servers = measured.servers()?;
    measured.stage.apply_text(text.join("\n---\n")).await?;
    let handed = started.elapsed().as_secs_f64();
    until_applied(&measured.stage, count + 1).await?;
    let took = started.elapsed().as_secs_f64();
    let processor = (measured.processor()? - before) * 1_000.0 / count as f64;
    let servers = measured.servers()? - servers;
    let resident = resident_mib(measured.agent.id())?;
    let maps = measured.stage.read("/api/v1/namespaces/default/configmaps").await;
    let there = maps.and_then(|list| Some(list["items"].as_array()?.len())).unwrap_or(0);
    ensure!(there > count, "{there} config maps for {count} works");
    let idle = baseline(&measured).await?;
    let setting = |what: &str| {
        format!("{count} works of one config map on kube-apiserver and etcd, same machine; {what}")
    };
    let n = u64::try_from(count).unwrap_or(u64::MAX);
    Ok(vec![
        Figure::new("agent_1000_works_s", took, "s", Better::Lower)
            .measured(
                1,
                setting(&format!(
                    "from the first command to all Applied; the commands took {handed:.1} s, the \
                     API server and its store {servers:.1} s of processor; baseline: as many \
                     config maps, plain server-side applies one after another"
                )),
            )
            .against(idle)
            .wanted(10.0),
        Figure::new("agent_cpu_ms_per_work", processor, "ms", Better::Lower)
            .measured(n, setting("user and system time of the agent's process"))
            .wanted(3.0),
        Figure::new("agent_1000_works_mib", resident, "MiB", Better::Lower)
            .measured(1, setting("resident memory of the agent's process, all works applied"))
            .wanted(40.0),
    ])
}

/// The same objects without a hub: what the API server alone takes.
async fn baseline(measured: &Measured) -> Result<f64> {
    let client = measured.member.client()?;
    let started = Instant::now();
    for number in 0..200 {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("plain{number}"), "namespace": "default" },
            "data": { "number": number.to_string() },
        });
        crate::plain::apply(&client, &object).await?;
    }
    Ok(started.elapsed().as_secs_f64() * 5.0)
}

async fn until_applied(stage: &Stage, count: usize) -> Result<()> {
    let started = Instant::now();
    loop {
        let works = stage.works().await?;
        let applied = works.iter().filter(|work| condition(work, "Applied")).count();
        if applied == count {
            return Ok(());
        }
        ensure!(started.elapsed() < WITHIN, "{applied} of {count} works are applied");
        sleep(LOOK).await;
    }
}

/// `kube_prometheus_applied_s`: 95 files in one work, from the command to Applied and Available.
///
/// # Errors
/// Servers that cannot be had, or objects that are not applied.
pub async fn kube_prometheus() -> Result<Figure> {
    let measured = Measured::start().await?;
    let objects: Vec<Value> = application()?;
    let started = Instant::now();
    measured.stage.apply("kube-prometheus", &objects, &json!({})).await?;
    measured.stage.applied("kube-prometheus").await?;
    let took = started.elapsed().as_secs_f64();
    let there = measured.stage.there(&objects).await?;
    ensure!(there == objects.len(), "{there} of {} objects are there", objects.len());
    let (cpu, resident) = (measured.processor()?, resident_mib(measured.agent.id())?);
    let setting = format!(
        "{} objects in one work of member \"{CLUSTER}\", kube-apiserver and etcd on the same \
         machine; the agent took {cpu:.1} s of processor and has {resident:.0} MiB",
        objects.len()
    );
    Ok(Figure::new("kube_prometheus_applied_s", took, "s", Better::Lower)
        .measured(1, setting)
        .wanted(20.0))
}

/// The process that is measured: one agent until it is killed.
///
/// # Errors
/// A member or a hub that cannot be reached at all.
pub async fn be_an_agent(url: &str, token: &Path, kubeconfig: &Path) -> Result<()> {
    let file = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await?;
    let cluster = ClusterName::parse(CLUSTER)?;
    let tasks = Tasks::default();
    let parts = Parts {
        client: kube::Client::try_from(config)?,
        dialer: Arc::new(Nats::new(url, cluster.clone(), Some(read_credentials(token)?))),
        keys: Arc::new(MemoryKeys::fresh()?),
        clock: Clock::System,
        tasks: tasks.clone(),
    };
    let _agent = Agent::start(Settings::new(cluster), parts);
    Ok(tasks.join().await?)
}

/// User and system time of a process in seconds; the system counts in hundredths.
fn processor_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let stat = stat.with_context(|| format!("process {pid} does not tell its processor time"))?;
    of_stat(&stat).with_context(|| format!("process {pid} has no processor time"))
}

fn of_stat(stat: &str) -> Option<f64> {
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(of_stat(stat), Some(3.0));
        assert_eq!(of_stat("7"), None);
    }
}
