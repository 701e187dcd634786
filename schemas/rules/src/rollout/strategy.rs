//! A rollout strategy, read: OCM's RolloutStrategy with its texts as values.

use super::Group;
use crate::duration::GoDuration;
use fleetlog_messages::common::{IntOrString, int_or_string::Value};
use fleetlog_messages::work::{MandatoryDecisionGroup, RolloutStrategy};
use std::time::Duration;

/// How clusters take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// All at once.
    #[default]
    All,
    /// So many at a time.
    Progressive,
    /// One decision group after the other.
    ProgressivePerGroup,
}

/// A number of clusters, or a percentage of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many.
    Count(i64),
    /// So many of a hundred, rounded up.
    Percent(u32),
}

impl Size {
    /// How many of `total`; `None`, what is usual, for less than one and for more than there are.
    #[must_use]
    pub fn of(self, total: usize) -> Option<usize> {
        let count = match self {
            Self::Count(count) => usize::try_from(count).ok()?,
            Self::Percent(percent) => {
                let all = u128::from(percent) * u128::try_from(total).ok()?;
                usize::try_from(all.div_ceil(100)).ok()?
            }
        };
        (1..=total).contains(&count).then_some(count)
    }
}

/// A group that goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mandatory {
    /// All groups of the name.
    Name(String),
    /// The one of the index.
    Index(u32),
}

/// A strategy, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// How clusters take turns.
    pub kind: Kind,
    /// How long a success has to last before it frees its slot.
    pub min_success_time: Duration,
    /// After which time a cluster that is not done is given up; `None` is never.
    pub progress_deadline: Option<Duration>,
    /// How many may fail; none, when it is no number of the clusters.
    pub max_failures: Size,
    /// How many are at it at a time; all, when it is no number of the clusters.
    pub max_concurrency: Option<Size>,
    /// The groups that go first.
    pub mandatory: Vec<Mandatory>,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            kind: Kind::All,
            min_success_time: Duration::ZERO,
            progress_deadline: None,
            max_failures: Size::Count(0),
            max_concurrency: None,
            mandatory: vec![],
        }
    }
}

/// Why a strategy cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: \"{value}\" is {reason}")]
pub struct StrategyError {
    /// The field, below the strategy.
    pub path: &'static str,
    /// What it says.
    pub value: String,
    /// What is wrong with that.
    pub reason: &'static str,
}

/// The fields of one of the three forms.
#[derive(Default)]
struct Given<'a> {
    paths: [&'static str; 4],
    min_success_time: &'a str,
    progress_deadline: &'a str,
    max_failures: Option<&'a IntOrString>,
    max_concurrency: Option<&'a IntOrString>,
    mandatory: &'a [MandatoryDecisionGroup],
}

macro_rules! paths {
    ($form:literal) => {
        [
            concat!($form, ".minSuccessTime"),
            concat!($form, ".progressDeadline"),
            concat!($form, ".maxFailures"),
            concat!($form, ".maxConcurrency"),
        ]
    };
}

impl Strategy {
    /// Reads a strategy; none is all at once.
    ///
    /// # Errors
    /// The field that cannot be read.
    pub fn of(given: Option<&RolloutStrategy>) -> Result<Self, StrategyError> {
        let Some(given) = given else { return Ok(Self::default()) };
        match given.r#type() {
            "" | "All" => Self::read(Kind::All, &all(given)),
            "Progressive" => Self::read(Kind::Progressive, &progressive(given)),
            "ProgressivePerGroup" => Self::read(Kind::ProgressivePerGroup, &per_group(given)),
            other => {
                let reason = "none of All, Progressive and ProgressivePerGroup";
                Err(StrategyError { path: "type", value: other.to_owned(), reason })
            }
        }
    }

    fn read(kind: Kind, given: &Given<'_>) -> Result<Self, StrategyError> {
        let [min_success_time, progress_deadline, max_failures, max_concurrency] = given.paths;
        Ok(Self {
            kind,
            min_success_time: match given.min_success_time {
                "" => Duration::ZERO,
                text => duration(min_success_time, text)?,
            },
            progress_deadline: match given.progress_deadline {
                "" | "None" => None,
                text => Some(duration(progress_deadline, text)?),
            },
            max_failures: size(max_failures, given.max_failures)?.unwrap_or(Size::Count(0)),
            max_concurrency: size(max_concurrency, given.max_concurrency)?,
            mandatory: given.mandatory.iter().filter_map(mandatory).collect(),
        })
    }

    /// Whether a group goes first.
    #[must_use]
    pub fn is_mandatory(&self, group: &Group) -> bool {
        self.mandatory.iter().any(|first| match first {
            Mandatory::Name(name) => *name == group.name,
            Mandatory::Index(index) => *index == group.index,
        })
    }
}

fn all(given: &RolloutStrategy) -> Given<'_> {
    let read = given.all.as_ref().map(|form| Given {
        paths: paths!("all"),
        min_success_time: form.min_success_time(),
        progress_deadline: form.progress_deadline(),
        max_failures: form.max_failures.as_ref(),
        ..Given::default()
    });
    read.unwrap_or_default()
}

fn progressive(given: &RolloutStrategy) -> Given<'_> {
    let read = given.progressive.as_ref().map(|form| Given {
        paths: paths!("progressive"),
        min_success_time: form.min_success_time(),
        progress_deadline: form.progress_deadline(),
        max_failures: form.max_failures.as_ref(),
        max_concurrency: form.max_concurrency.as_ref(),
        mandatory: &form.mandatory_decision_groups,
    });
    read.unwrap_or_default()
}

fn per_group(given: &RolloutStrategy) -> Given<'_> {
    let read = given.progressive_per_group.as_ref().map(|form| Given {
        paths: paths!("progressivePerGroup"),
        min_success_time: form.min_success_time(),
        progress_deadline: form.progress_deadline(),
        max_failures: form.max_failures.as_ref(),
        mandatory: &form.mandatory_decision_groups,
        ..Given::default()
    });
    read.unwrap_or_default()
}

/// By name, if it has one, else by index.
fn mandatory(given: &MandatoryDecisionGroup) -> Option<Mandatory> {
    match given.group_name() {
        "" => u32::try_from(given.group_index()).ok().map(Mandatory::Index),
        name => Some(Mandatory::Name(name.to_owned())),
    }
}

fn duration(path: &'static str, text: &str) -> Result<Duration, StrategyError> {
    let reason = "not a duration like \"90s\" or \"5m\"";
    let bad = || StrategyError { path, value: text.to_owned(), reason };
    let nanos = GoDuration::parse(text).map_err(|_| bad())?.nanos();
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| bad())
}

/// A text without a percent sign is a number, as the schema's pattern has it.
fn size(path: &'static str, given: Option<&IntOrString>) -> Result<Option<Size>, StrategyError> {
    let text = match given.and_then(|given| given.value.as_ref()) {
        None => return Ok(None),
        Some(Value::Int(count)) => return Ok(Some(Size::Count(*count))),
        Some(Value::Str(text)) => text,
    };
    // A number may have a sign, a size may not.
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let read = match text.strip_suffix('%') {
        Some(percent) if digits(percent) => percent.parse().ok().map(Size::Percent),
        None if digits(text) => text.parse().ok().map(Size::Count),
        _ => None,
    };
    let reason = "neither a number nor a percentage";
    read.map(Some).ok_or_else(|| StrategyError { path, value: text.clone(), reason })
}
