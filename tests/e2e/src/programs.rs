//! Where the programs are. Cargo builds them, as targets of this package, before its tests.

/// The programs of Fleetlog, by their paths.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The registration service.
    pub registration: &'static str,
    /// The placement service.
    pub placement: &'static str,
    /// The work service.
    pub work: &'static str,
    /// The add-on service.
    pub addon: &'static str,
    /// The core service.
    pub core: &'static str,
    /// The gateway.
    pub gateway: &'static str,
    /// The agent of a member cluster.
    pub agent: &'static str,
    /// Any of the services, which kills itself at a named place.
    pub crashing: &'static str,
    /// The command.
    pub fleetlog: &'static str,
}

/// The [`Programs`], as cargo tells the test that this stands in.
#[macro_export]
macro_rules! programs {
    () => {
        $crate::Programs {
            registration: env!("CARGO_BIN_EXE_e2e-registration"),
            placement: env!("CARGO_BIN_EXE_e2e-placement"),
            work: env!("CARGO_BIN_EXE_e2e-work"),
            addon: env!("CARGO_BIN_EXE_e2e-addon"),
            core: env!("CARGO_BIN_EXE_e2e-core"),
            gateway: env!("CARGO_BIN_EXE_e2e-gateway"),
            agent: env!("CARGO_BIN_EXE_e2e-agent"),
            crashing: env!("CARGO_BIN_EXE_e2e-crashing"),
            fleetlog: env!("CARGO_BIN_EXE_e2e-fleetlog"),
        }
    };
}
