//! kubectl, as it is, against the hub API that `fleetlog dev` serves.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod support;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{Dev, Ran, until};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo");

/// kubectl with the kubeconfig of a running hub, and caches of its own.
struct Kubectl<'a> {
    binary: PathBuf,
    dev: &'a Dev,
}

impl<'a> Kubectl<'a> {
    fn of(dev: &'a Dev) -> Self {
        let binary = fleetlog_tools::kubectl(&fleetlog_tools::quiet).unwrap();
        dev.says("kubectl get managedclusters");
        Self { binary, dev }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env("KUBECONFIG", self.dev.dir().join("kubeconfig"));
        command.env("KUBECACHEDIR", self.dev.dir().join("kubectl-cache"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Ran { code, out: text(output.stdout), err: text(output.stderr) }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments, "").ok()
    }

    /// What it says of a refusal.
    fn refused(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.run(arguments, input);
        assert_ne!(ran.code, 0, "{}", ran.out);
        ran.err
    }
}

#[test]
fn gw004_kubectl_finds_every_kind_and_shows_what_fleetlog_shows() {
    let dev = Dev::start(2);
    let kubectl = Kubectl::of(&dev);
    let kinds = kubectl.ok(&["api-resources", "--no-headers"]);
    assert_eq!(kinds.lines().count(), 31, "{kinds}");
    for short in ["mcl", "mclsets", "mca", "mwrs", "placements"] {
        kubectl.ok(&["get", short, "-A"]);
    }
    let fields = |text: &str| -> Vec<String> {
        text.split_whitespace().filter(|word| !word.ends_with('s')).map(str::to_owned).collect()
    };
    let ours = dev.run(&["get", "managedclusters"]).ok();
    assert_eq!(fields(&kubectl.ok(&["get", "managedclusters"])), fields(&ours));
}

#[test]
fn gw006_kubectl_explains_fields() {
    let dev = Dev::start(1);
    let kubectl = Kubectl::of(&dev);
    let explained = kubectl.ok(&["explain", "placement.spec.decisionStrategy"]);
    assert!(explained.contains("How decisions are divided."), "{explained}");
    let newer = kubectl.ok(&["explain", "clustermanagementaddon.spec"]);
    assert!(newer.contains("defaultConfigs"), "{newer}");
    let older = "--api-version=addon.open-cluster-management.io/v1alpha1";
    let older = kubectl.ok(&["explain", "clustermanagementaddon.spec", older]);
    assert!(older.contains("supportedConfigs") && !older.contains("defaultConfigs"), "{older}");
}

#[test]
fn gw036_kubectl_applies_waits_labels_edits_and_deletes() {
    let dev = Dev::start(2);
    let kubectl = Kubectl::of(&dev);
    let file = |name: &str| format!("{DEMO}/{name}.yaml");
    kubectl.ok(&["create", "namespace", "shop"]);
    let applied = kubectl.ok(&["apply", "-f", &file("fleet"), "-f", &file("boutique")]);
    assert_eq!(applied.matches(" created").count(), 4, "{applied}");
    let generation =
        ["get", "mwrs", "boutique", "-n", "shop", "-o", "jsonpath={.metadata.generation}"];
    let before = kubectl.ok(&generation);
    // A list whose items have defaults differs from the file for kubectl; for the hub nothing does.
    let again = kubectl.ok(&["apply", "-f", &file("fleet"), "-f", &file("boutique")]);
    assert_eq!(again.matches(" unchanged").count(), 3, "{again}");
    assert_eq!(kubectl.ok(&generation), before);
    let labels = ["cluster.open-cluster-management.io/clusterset=retail", "environment=production"];
    let label = ["label", "--overwrite", "mcl", "cluster1", "cluster2"];
    kubectl.ok(&[label.as_slice(), &labels].concat());
    let until_true = ["wait", "--for=condition=PlacementSatisfied", "placement/boutique"];
    kubectl.ok(&[until_true.as_slice(), &["-n", "shop", "--timeout=20s"]].concat());
    let work = until("a work", || {
        let found = kubectl.ok(&["get", "manifestworks", "-A", "-o", "name"]);
        (!found.is_empty()).then_some(found)
    });
    assert!(work.starts_with("manifestwork.work.open-cluster-management.io/"), "{work}");
    let patch = r#"{"spec":{"leaseDurationSeconds":7}}"#;
    kubectl.ok(&["patch", "mcl", "cluster1", "--type=merge", "-p", patch]);
    let path = "jsonpath={.spec.leaseDurationSeconds}";
    assert_eq!(kubectl.ok(&["get", "mcl", "cluster1", "-o", path]), "7");
    assert!(kubectl.ok(&["describe", "mcl", "cluster1"]).contains("Lease Duration Seconds:  7"));
    kubectl.ok(&["delete", "-f", &file("boutique"), "--wait=true", "--timeout=20s"]);
    let gone = kubectl.run(&["get", "mwrs", "-A"], "");
    assert!(gone.ok().is_empty());
}

#[test]
fn what_kubectl_sends_wrongly_is_refused_in_words_and_who_sent_it_is_in_the_log() {
    let dev = Dev::start(1);
    let kubectl = Kubectl::of(&dev);
    let placement = |spec: &str| {
        format!(
            "{{apiVersion: cluster.open-cluster-management.io/v1beta1, kind: Placement, \
             metadata: {{name: p, namespace: t}}, spec: {spec}}}"
        )
    };
    let create = ["create", "-f", "-"];
    let nowhere = kubectl.refused(&create, &placement("{}"));
    assert!(nowhere.contains("namespaces \"t\" not found"), "{nowhere}");
    kubectl.ok(&["create", "namespace", "t"]);
    let strict = kubectl.refused(&create, &placement("{foo: 1}"));
    assert!(strict.contains("unknown field \"spec.foo\""), "{strict}");
    let wrong = kubectl.refused(&create, &placement("{numberOfClusters: many}"));
    assert!(wrong.contains("spec.numberOfClusters"), "{wrong}");
    kubectl.run(&create, &placement("{}")).ok();
    let twice = kubectl.refused(&create, &placement("{}"));
    assert!(twice.contains("already exists"), "{twice}");
    let told = dev.run(&["log", "placement/t/p"]).ok();
    assert!(told.contains("admin"), "{told}");
    let other = dev.run(&["kubeconfig", "--user", "eve", "--group", "team"]).ok();
    let file = dev.dir().join("eve");
    std::fs::write(&file, other).unwrap();
    let words = kubectl.refused(&["--kubeconfig", file.to_str().unwrap(), "get", "mcl"], "");
    assert!(words.contains("User \"eve\" cannot list resource \"managedclusters\""), "{words}");
}

#[test]
fn kubectl_makes_plain_objects_and_grants_rights() {
    let dev = Dev::start(1);
    let kubectl = Kubectl::of(&dev);
    kubectl.ok(&["create", "namespace", "team"]);
    let of_team = |words: &[&str]| kubectl.ok(&[words, &["-n", "team"]].concat());
    of_team(&["create", "secret", "generic", "pass", "--from-literal=user=a"]);
    of_team(&["create", "configmap", "set", "--from-literal=a=1"]);
    let path = "jsonpath={.data.user}";
    assert_eq!(of_team(&["get", "secret", "pass", "-o", path]), "YQ==");
    let shown = dev.run(&["get", "secret/team/pass", "-o", "json"]).json();
    assert_eq!(shown["data"]["user"], "YQ==", "fleetlog shows the same");
    // A second apply is a three-way patch of a kind that Kubernetes has built in.
    let map = |value: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m, namespace: team}}, \
             data: {{a: \"{value}\"}}}}"
        )
    };
    kubectl.run(&["apply", "-f", "-"], &map("1")).ok();
    let second = kubectl.run(&["apply", "-f", "-"], &map("2")).ok();
    assert!(second.contains("configured"), "{second}");
    assert_eq!(of_team(&["get", "cm", "m", "-o", "jsonpath={.data.a}"]), "2");
    let role = ["create", "role", "reader", "--verb=get,list", "--resource=placements"];
    of_team(&role);
    of_team(&["create", "serviceaccount", "bot"]);
    of_team(&["create", "rolebinding", "reads", "--role=reader", "--serviceaccount=team:bot"]);
    let bot = "--as=system:serviceaccount:team:bot";
    let can = |words: &[&str]| {
        kubectl.run(&[&["auth", "can-i"], words, &[bot, "-n", "team"]].concat(), "").out
    };
    assert_eq!(can(&["get", "placements"]).trim(), "yes");
    assert_eq!(can(&["delete", "placements"]).trim(), "no");
    assert!(can(&["--list"]).contains("placements.cluster.open-cluster-management.io"));
    let token = of_team(&["create", "token", "bot"]);
    let by_token = |words: &[&str]| {
        let token = format!("--token={}", token.trim());
        // A client certificate would come before the token.
        let file = dev.dir().join("bare");
        std::fs::write(&file, without_users(&dev)).unwrap();
        let config = format!("--kubeconfig={}", file.display());
        kubectl.run(&[words, &["-n", "team", &token, &config]].concat(), "")
    };
    assert!(by_token(&["get", "placements"]).err.contains("No resources found"));
    assert_ne!(by_token(&["get", "secrets"]).code, 0);
    let whoami = by_token(&["auth", "whoami"]).ok();
    assert!(whoami.contains("system:serviceaccount:team:bot"), "{whoami}");
    kubectl.ok(&["delete", "namespace", "team", "--timeout=20s"]);
    let gone = kubectl.refused(&["get", "secrets", "pass", "-n", "team"], "");
    assert!(gone.contains("not found"), "{gone}");
}

/// The kubeconfig without its user.
fn without_users(dev: &Dev) -> String {
    let config = std::fs::read_to_string(dev.dir().join("kubeconfig")).unwrap();
    config.replace("client-certificate-data", "x-certificate").replace("client-key-data", "x-key")
}
