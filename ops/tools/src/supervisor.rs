//! The supervising process: runs one server, and ends it when its own standard input closes.
//!
//! This file is also compiled alone (see `supervise`), so it names nothing but the standard
//! library.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Names a folder that goes when the server has ended, if it is set.
const REMOVE_ENV: &str = "FLEETLOG_SUPERVISE_REMOVE";

/// How often the supervisor looks whether the server has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Supervises `LOG PROGRAM ARGS...`: prints `pid N`, then waits until the server ends or standard
/// input closes (then the server is killed). Returns the exit code for the process.
pub fn supervisor_main(args: impl IntoIterator<Item = String>) -> i32 {
    let code = supervise(args);
    if let Some(folder) = std::env::var_os(REMOVE_ENV) {
        let _ = std::fs::remove_dir_all(folder);
    }
    code
}

fn supervise(args: impl IntoIterator<Item = String>) -> i32 {
    let mut args = args.into_iter();
    let (Some(log), Some(program)) = (args.next(), args.next()) else {
        eprintln!("usage: LOG PROGRAM ARGS...");
        return 64;
    };
    let mut child = match start(&log, &program, args.collect()) {
        Ok(child) => child,
        Err(why) => {
            eprintln!("cannot start \"{program}\": {why}");
            return 69;
        }
    };
    println!("pid {}", child.id());
    let _ = std::io::stdout().flush();
    let (closed, wait) = channel();
    std::thread::spawn(move || until_closed(&closed));
    loop {
        match wait.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let _ = child.kill();
                let _ = child.wait();
                return 0;
            }
        }
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return status.code().unwrap_or(70),
            Err(_) => return 71,
        }
    }
}

fn start(log: &str, program: &str, args: Vec<String>) -> std::io::Result<Child> {
    let out = OpenOptions::new().create(true).append(true).open(log)?;
    let err = out.try_clone()?;
    Command::new(program).args(args).stdin(Stdio::null()).stdout(out).stderr(err).spawn()
}

fn until_closed(closed: &Sender<()>) {
    let mut buffer = [0_u8; 64];
    let mut input = std::io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let _ = closed.send(());
}
