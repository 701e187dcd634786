//! What can be typed after `fleetlog topology`.

use super::OutputArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand, ValueHint};
use fleetlog_topology::Profile;
use std::path::PathBuf;

/// `fleetlog topology`: the streams, consumers, accounts and permissions that a hub stands on.
#[derive(Subcommand, Debug)]
pub enum TopologyCommand {
    /// Show what is not as it should be, setting by setting, and what a change would cost.
    ///
    /// Nothing is changed. Examples:
    ///   fleetlog topology plan --data DIR
    ///   fleetlog topology plan --url nats://hub:4222 --creds operator.creds --profile ha
    #[command(verbatim_doc_comment)]
    Plan(SiteArgs),
    /// Make it as it should be; done again, it changes nothing.
    ///
    /// What would lose data is refused (HUB0013), and nothing else is done either, unless
    /// `--yes-lose-data` names its stream. What could never be undone is always refused (HUB0014).
    Apply(TopologyApplyArgs),
    /// Compare everything; exit 1 and name each difference when there is one.
    Verify(SiteArgs),
}

/// Which hub, and what it should be.
#[derive(Args, Debug)]
pub struct SiteArgs {
    /// What it should be: `dev` to try things on, `single` for one server that loses nothing, `ha`
    /// for three. The one it runs with when absent.
    #[arg(long, value_name = "PROFILE", value_parser = profile())]
    pub profile: Option<Profile>,
    /// The address of a hub that has no folder here; accounts, the server's own settings and the
    /// mirror that followers read are not seen then.
    #[arg(long, requires = "creds")]
    pub url: Option<String>,
    /// Its operator's credentials file.
    #[arg(long, requires = "url", value_hint = ValueHint::FilePath)]
    pub creds: Option<PathBuf>,
    /// `table`, `json` or `yaml`.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `fleetlog topology apply`.
#[derive(Args, Debug)]
pub struct TopologyApplyArgs {
    /// Which hub.
    #[command(flatten)]
    pub site: SiteArgs,
    /// A stream whose data may be lost for it. Repeatable.
    #[arg(long, value_name = "STREAM")]
    pub yes_lose_data: Vec<String>,
}

fn profile() -> impl clap::builder::TypedValueParser<Value = Profile> {
    let names = Profile::ALL.map(Profile::name);
    PossibleValuesParser::new(names).try_map(|text| text.parse::<Profile>())
}
