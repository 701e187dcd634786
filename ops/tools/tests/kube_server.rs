//! The guard of a real Kubernetes API: started with certificates of its own, gone with its folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::net::TcpStream;
use std::path::PathBuf;

use fleetlog_tools::resolve::{ETCD, KUBE_APISERVER, Search};
use fleetlog_tools::{KubeServer, ToolError, quiet};
use std::io::Write as _;

#[test]
fn a_kubernetes_api_is_ready_when_it_has_started_and_leaves_nothing_behind() {
    let server = match KubeServer::start(&quiet) {
        Ok(server) => server,
        Err(error @ ToolError::Missing { .. }) if std::env::var_os("CI").is_none() => {
            let _ = writeln!(std::io::stdout(), "\nskipped: a real kube-apiserver: {error}");
            return;
        }
        Err(error) => panic!("{error}; {}", error.advice()),
    };
    let address = server.url().strip_prefix("https://").unwrap().to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    let kubeconfig = server.kubeconfig();
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    assert!(text.contains(server.url()) && text.contains("client-key-data"));
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    assert!(!kubeconfig.parent().unwrap().exists());
}

#[test]
fn what_cannot_be_had_is_named_with_the_way_to_give_it() {
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().to_path_buf();
    for (tool, env) in [(&ETCD, "FLEETLOG_ETCD"), (&KUBE_APISERVER, "FLEETLOG_KUBE_APISERVER")] {
        let search = Search { named: None, path: vec![], cache: cache.clone(), may_install: false };
        let refused = search.find(tool, &quiet).unwrap_err();
        assert_eq!(refused.code(), "TOOL0001");
        assert!(refused.to_string().contains(tool.name), "{refused}");
        assert!(refused.advice().contains(env) && refused.advice().contains("Go"));
    }
}

#[test]
fn a_named_folder_without_the_server_is_refused_by_its_path() {
    let named = Some(PathBuf::from("/nowhere/kube-apiserver"));
    let search = Search { named, path: vec![], cache: PathBuf::new(), may_install: true };
    let refused = search.find(&KUBE_APISERVER, &quiet).unwrap_err();
    assert_eq!(refused.code(), "TOOL0003");
    assert!(refused.to_string().contains("/nowhere/kube-apiserver"), "{refused}");
}
