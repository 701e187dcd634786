//! `get`: objects of kinds or by name, as the services serve them.

use crate::args::{GetArgs, Output, ScopeArgs, WhatArgs};
use crate::as_of::AsOf;
use crate::commands::watch;
use crate::documents;
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::kinds;
use crate::print::objects::{Layout, Listing, name_of, namespace_of as namespace_in, render};
use crate::print::out;
use crate::target::{Target, Wanted, namespace_of};
use fleetlog_messages::KindInfo;
use fleetlog_messages::common::Query;
use fleetlog_rules::labels::Selector;
use serde_json::Value;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The objects, by kind.
    pub listings: Vec<Listing>,
    /// That a named object is not there, one each.
    pub missing: Vec<Failure>,
    /// The position that the oldest of the answers stands at.
    pub position: u64,
}

/// `fleetlog get`.
///
/// # Errors
/// Unknown kinds, names that are not there, a hub that does not answer.
pub async fn run(args: &GetArgs, hub: &Hub) -> Done {
    let wanted = wanted(&args.what)?;
    let selector = checked(args.what.selector.as_deref())?;
    let as_of = AsOf::parse(args.as_of.as_deref(), hub.now())?;
    if args.watch && as_of != AsOf::Now {
        let advice = "leave out --watch or --as-of";
        return Err(Failure::usage("the past does not change: there is nothing to watch", advice));
    }
    let scope = &args.what.scope;
    let output = args.output.output;
    let single = matches!(&wanted, Wanted::Objects(targets) if targets.len() == 1);
    if single && !selector.is_empty() {
        let advice = "leave out the name or the selector";
        return Err(Failure::usage("a name and a selector do not go together", advice));
    }
    let bodies = match output {
        Output::Json | Output::Yaml => Bodies::Wanted,
        Output::Table | Output::Wide | Output::Name => Bodies::LeftOut,
    };
    let found = get_past(hub, &wanted, scope, selector, bodies, as_of).await?;
    let layout = layout(&found.listings, scope);
    let document = matches!(output, Output::Json | Output::Yaml);
    let nothing = found.listings.iter().all(|listing| listing.objects.is_empty());
    if !nothing || (document && found.missing.is_empty()) {
        out(&render(&found.listings, output, single, layout, hub.now()));
    } else if found.missing.is_empty() && !args.watch {
        eprintln!("{}", nothing_found(&wanted, scope));
    }
    if let Some(failure) = Failure::all(found.missing) {
        return Err(failure);
    }
    if args.watch {
        let after = found.position;
        let watch = watch::Watch { wanted: &wanted, scope, selector, output, layout };
        return watch.run(hub, found.listings, after).await;
    }
    Ok(())
}

/// What the words or the files of a command name.
///
/// # Errors
/// Words and files that name nothing.
pub fn wanted(args: &WhatArgs) -> Result<Wanted, Failure> {
    if args.filename.is_empty() {
        return Wanted::parse(&args.what, &args.scope);
    }
    let sources = documents::sources(&args.filename)?;
    documents::targets(&sources, args.scope.namespace.as_deref()).map(Wanted::Objects)
}

/// The objects that a command is about: those it names, or those of a kind that are there.
///
/// # Errors
/// Words that name nothing, a selector that is none, a hub that does not answer.
pub async fn targets(hub: &Hub, args: &WhatArgs) -> Result<Vec<Target>, Failure> {
    let wanted = wanted(args)?;
    let selector = checked(args.selector.as_deref())?;
    let Wanted::Kinds(_) = &wanted else { return wanted.named() };
    let found = get_objects(hub, &wanted, &args.scope, selector, Bodies::LeftOut).await?;
    let target = |info, object: &Value| Target {
        info,
        namespace: namespace_in(object).map(str::to_owned),
        name: name_of(object).to_owned(),
    };
    let listings = found.listings.iter();
    let all = listings.flat_map(|found| found.objects.iter().map(|o| target(found.info, o)));
    Ok(all.collect())
}

/// Asks for everything that is wanted.
///
/// # Errors
/// A refusal, or a hub that does not answer.
pub async fn get_objects(
    hub: &Hub,
    wanted: &Wanted,
    scope: &ScopeArgs,
    selector: &str,
    bodies: Bodies,
) -> Result<Found, Failure> {
    get_past(hub, wanted, scope, selector, bodies, AsOf::Now).await
}

/// The same as it was at a moment: the first answer names its position, the others are of that one.
///
/// # Errors
/// As [`get_objects`], and a moment that the log does not hold.
pub async fn get_past(
    hub: &Hub,
    wanted: &Wanted,
    scope: &ScopeArgs,
    selector: &str,
    bodies: Bodies,
    mut as_of: AsOf,
) -> Result<Found, Failure> {
    let mut found = Found { position: u64::MAX, ..Found::default() };
    match wanted {
        Wanted::Kinds(infos) => {
            for info in infos {
                let namespace = namespace_of(info, scope);
                let query = as_of.of(query(info, namespace.as_deref(), "", selector, bodies));
                let (at, objects) = hub.objects_at(kinds::service(info)?, query).await?;
                as_of = as_of.resolved(at);
                found.position = found.position.min(at);
                found.listings.push(Listing { info, objects });
            }
        }
        Wanted::Objects(targets) => {
            for target in targets {
                let Target { info, namespace, name } = target;
                let query = as_of.of(query(info, namespace.as_deref(), name, selector, bodies));
                let (at, objects) = hub.objects_at(kinds::service(info)?, query).await?;
                as_of = as_of.resolved(at);
                found.position = found.position.min(at);
                if objects.is_empty() {
                    found.missing.push(target.not_found());
                    continue;
                }
                match found.listings.iter_mut().find(|listing| listing.info == *info) {
                    Some(listing) => listing.objects.extend(objects),
                    None => found.listings.push(Listing { info, objects }),
                }
            }
        }
    }
    Ok(found)
}

/// The selector's text, if it is one.
///
/// # Errors
/// What is wrong with it.
pub fn checked(selector: Option<&str>) -> Result<&str, Failure> {
    let selector = selector.unwrap_or_default();
    match Selector::parse(selector) {
        Ok(_) => Ok(selector),
        Err(error) => {
            let advice = "write it as kubectl takes it: a=b,c!=d,e in (f,g),!h";
            Err(Failure::new("CLI0027", error.to_string(), advice))
        }
    }
}

/// The question for objects of a kind.
#[must_use]
pub fn query(
    info: &KindInfo,
    namespace: Option<&str>,
    name: &str,
    selector: &str,
    bodies: Bodies,
) -> Query {
    Query {
        kind: info.token.to_owned(),
        namespace: namespace.unwrap_or_default().to_owned(),
        name: name.to_owned(),
        label_selector: selector.to_owned(),
        without_bodies: bodies == Bodies::LeftOut,
        ..Query::default()
    }
}

fn layout(listings: &[Listing], scope: &ScopeArgs) -> Layout {
    let namespaced = listings.iter().any(|listing| listing.info.namespaced);
    Layout {
        namespaces: scope.all_namespaces && namespaced,
        kinds: listings.len() > 1,
        ..Layout::default()
    }
}

fn nothing_found(wanted: &Wanted, scope: &ScopeArgs) -> String {
    let namespace = match wanted {
        Wanted::Kinds(infos) => infos.iter().find_map(|info| namespace_of(info, scope)),
        Wanted::Objects(_) => None,
    };
    match namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kinds: &str, scope: &ScopeArgs) -> String {
        nothing_found(&Wanted::parse(&[kinds.to_owned()], scope).unwrap(), scope)
    }

    #[test]
    fn nothing_is_said_as_kubectl_says_it() {
        let none = ScopeArgs::default();
        let team = ScopeArgs { namespace: Some("team".into()), all_namespaces: false };
        let all = ScopeArgs { namespace: None, all_namespaces: true };
        assert_eq!(words("placements", &none), "No resources found in default namespace.");
        assert_eq!(words("placements", &team), "No resources found in team namespace.");
        assert_eq!(words("placements", &all), "No resources found");
        assert_eq!(words("mcl", &none), "No resources found");
    }

    #[test]
    fn a_selector_that_is_none_is_told() {
        assert_eq!(checked(Some("a=b,c in (d)")).unwrap(), "a=b,c in (d)");
        assert_eq!(checked(None).unwrap(), "");
        let failure = checked(Some("a b c")).unwrap_err();
        assert!(failure.sentence.contains("a b c"), "{failure}");
    }
}
