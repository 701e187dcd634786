//! Placement alone, measured: choosing, a changed label, clusters that join, memory. No server and
//! no service takes part; what a command costs until it is durable is measured end to end.
#![allow(dead_code, reason = "the reference and the figures serve others too")]
#![allow(clippy::unwrap_used, reason = "the reference is made for tests")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the reference counts small numbers"
)]

#[path = "../../src/figure.rs"]
mod figure;
#[path = "../../src/memory.rs"]
mod memory;
#[path = "../../../../services/placement/domain/tests/reference/mod.rs"]
mod reference;
mod world;

use anyhow::{Context as _, Result};
use figure::{Better, Figure, median};
use fleetlog_kernel::Position;
use fleetlog_messages::placement::{SupposedChange, SupposedLabel, supposed_change::Change};
use fleetlog_placement_domain::PlacementKey;
use fleetlog_placement_domain::schedule::Steadiness;
use fleetlog_placement_domain::suppose::{self, Supposed};
use fleetlog_placement_domain::why::Why;
use tokio::time::Instant;
use world::{Hub, NOW};

fn main() -> Result<()> {
    let json = std::env::args().any(|argument| argument == "--json");
    // First: what others leave free would count for it.
    let mut figures = vec![resident()?];
    for (clusters, goal) in [(1_000, 0.1), (10_000, 1.0), (100_000, 15.0)] {
        figures.push(core(clusters, goal)?);
    }
    figures.push(expressions()?);
    figures.push(spread()?);
    figures.push(label_change()?);
    figures.push(joins()?);
    figures.extend(questions()?);
    if json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        figures.iter().for_each(|figure| println!("{}", figure.line()));
    }
    Ok(())
}

/// Milliseconds of each of some runs.
fn timed(runs: usize, mut run: impl FnMut()) -> Vec<f64> {
    let once = |()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1_000.0
    };
    std::iter::repeat_n((), runs).map(once).collect()
}

/// A tenth by label, the best ten by CPU and Balance; everything computed, one thread.
fn core(clusters: usize, goal: f64) -> Result<Figure> {
    let mut hub = Hub::of(clusters);
    for other in 0..20 {
        let tier = if other % 2 == 0 { "gold" } else { "silver" };
        hub.place(&format!("other{other}"), world::best_of(tier, 10));
    }
    let key = hub.place("p", world::best_of("gold", 10));
    let schedule = |hub: &Hub| hub.world.schedule(&key, NOW, Steadiness::Kept);
    let runs = if clusters > 50_000 { 51 } else { 301 };
    let mut times = timed(runs, || drop(std::hint::black_box(schedule(&hub))));
    let figure =
        Figure::new(&format!("core_{clusters}_p50_ms"), median(&mut times), "ms", Better::Lower);
    let setting = format!("{clusters} clusters, a tenth by label, the best 10 by CPU + Balance");
    let figure = figure.measured(runs as u64, setting).wanted(goal);
    if clusters > 10_000 {
        return Ok(figure);
    }
    let (facts, asked) = hub.reference(&key).context("the placement is there")?;
    let slow = if clusters > 1_000 { 3 } else { 11 };
    let mut plain = timed(slow, || drop(std::hint::black_box(reference::answer_of(facts, &asked))));
    Ok(figure.against(median(&mut plain)))
}

/// The same tenth, and an expression on each of it.
fn expressions() -> Result<Figure> {
    let mut hub = Hub::of(10_000);
    let key = hub.place("p", world::by_expression("gold", 10));
    anyhow::ensure!(hub.decided(&key) == 10, "the expression matches");
    let mut times =
        timed(31, || drop(std::hint::black_box(hub.world.schedule(&key, NOW, Steadiness::Kept))));
    let figure = Figure::new("cel_10000_p50_ms", median(&mut times), "ms", Better::Lower);
    Ok(figure.measured(31, "as core_10000, and one CEL expression on each of the 1,000 that match"))
}

/// Everybody, spread over a thousand topologies.
fn spread() -> Result<Figure> {
    let mut hub = Hub::alone(10_000);
    let key = hub.place("p", world::spread_over_apps());
    anyhow::ensure!(hub.decided(&key) == 10_000, "everybody is chosen");
    let mut times =
        timed(11, || drop(std::hint::black_box(hub.world.schedule(&key, NOW, Steadiness::Kept))));
    let figure = Figure::new("spread_10000_p50_ms", median(&mut times), "ms", Better::Lower);
    Ok(figure.measured(11, "all of 10,000 clusters, spread over 1,000 topologies of ten"))
}

/// One label of one cluster changes; 60 of 1,000 placements select by it.
fn label_change() -> Result<Figure> {
    let mut hub = Hub::of(10_000);
    for number in 0..1_000 {
        let app = if number < 60 { "shared".to_owned() } else { format!("app{number}") };
        hub.place(&format!("p{number}"), world::by_app(&app, 10));
    }
    let (mut touched, mut on) = (0, false);
    let mut times = timed(41, || {
        on = !on;
        let label = if on { "shared" } else { "none" };
        let keys = hub.relabel("c000007", ("app", label));
        touched = keys.len();
        hub.look(&keys);
    });
    anyhow::ensure!(touched == 60, "{touched} placements were touched, not 60");
    let figure = Figure::new("label_change_ms", median(&mut times), "ms", Better::Lower);
    let setting = "10,000 clusters, 1,000 placements; 60 are touched, decided, folded; 940 are not";
    Ok(figure.measured(41, setting).wanted(5.0))
}

/// Clusters join one after the other; whoever is touched decides.
fn joins() -> Result<Figure> {
    let mut hub = Hub::of(10_000);
    for number in 0..1_000 {
        hub.place(&format!("p{number}"), world::of_sixteenth(number % 16, 10));
    }
    let mut number = 10_000;
    let mut times = timed(500, || {
        let keys = hub.join(number);
        hub.look(&keys);
        number += 1;
    });
    times.sort_by(f64::total_cmp);
    let p99 = times[times.len() * 99 / 100];
    let figure = Figure::new("join_100_per_s_current_p99_ms", p99, "ms", Better::Lower);
    let setting = "10,000 clusters, 1,000 placements of a sixteenth each that take 10; a cluster \
                   joins, all that it touches decide; without the log";
    Ok(figure.measured(500, setting).wanted(50.0))
}

/// Why a cluster is or is not chosen, and what a changed label would come to.
fn questions() -> Result<[Figure; 2]> {
    let mut hub = Hub::of(10_000);
    let key = hub.place("p", world::best_of("gold", 10));
    let mut ranked = 0;
    let mut explained = timed(101, || {
        let why = Why::of(&hub.world, &key, NOW);
        ranked = why.map_or(0, |why| why.placement().fitting + why.cluster("c000007").rank);
    });
    anyhow::ensure!(ranked > 0, "somebody fits");
    let explain = Figure::new("explain_ms", median(&mut explained), "ms", Better::Lower);
    let label = SupposedLabel {
        cluster: "c000007".to_owned(),
        key: "tier".to_owned(),
        value: Some("gold".to_owned()),
    };
    let change = SupposedChange { change: Some(Change::Label(label)) };
    let supposed = Supposed { changes: vec![change], ..Supposed::default() };
    let mut after = 0;
    let mut simulated = timed(31, || {
        let simulated = suppose::simulate(&hub.world, &key, &supposed, NOW);
        after = simulated.map_or(0, |(simulated, _)| simulated.after);
    });
    anyhow::ensure!(after == 10, "{after} would be chosen");
    let simulate = Figure::new("simulate_10000_ms", median(&mut simulated), "ms", Better::Lower);
    Ok([
        explain.measured(101, "10,000 clusters: the whole and one cluster's reason").wanted(20.0),
        simulate.measured(31, "10,000 clusters: a label of one of them is another").wanted(50.0),
    ])
}

/// What 100,000 clusters and 1,000 placements take.
fn resident() -> Result<Figure> {
    let before = memory::resident_mib(std::process::id())?;
    let mut hub = Hub::alone(100_000);
    for number in 0..1_000 {
        hub.place(&format!("p{number}"), world::of_sixteenth(number % 16, 10));
    }
    let after = memory::resident_mib(std::process::id())?;
    anyhow::ensure!(hub.world.position() > Position::START);
    let decided = hub.decided(&PlacementKey::new("ns", "p0"));
    anyhow::ensure!(decided == 10, "{decided} are chosen");
    let figure = Figure::new("memory_100000_mib", after - before, "MiB", Better::Lower);
    let setting = "the state of 100,000 clusters with four labels and 1,000 placements of 10";
    Ok(figure.measured(1, setting).wanted(400.0))
}
