//! What a command is about, as kubectl's users type it: KIND, KIND NAME.., KIND/NAME.., and
//! KIND/NAMESPACE/NAME for one object of the log.

use crate::args::ScopeArgs;
use crate::failure::Failure;
use crate::kinds;
use fleetlog_messages::KindInfo;

/// The namespace of those who name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub info: &'static KindInfo,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Target {
    /// `ManifestWork/cluster1/shop`.
    #[must_use]
    pub fn reference(&self) -> String {
        kinds::reference(self.info, self.namespace.as_deref(), &self.name)
    }

    /// `manifestwork.work.open-cluster-management.io/shop`.
    #[must_use]
    pub fn full_name(&self) -> String {
        kinds::full_name(self.info, &self.name)
    }

    /// That there is none.
    #[must_use]
    pub fn not_found(&self) -> Failure {
        let kind = self.info.in_group(self.info.plural);
        let mut sentence = format!("{kind} \"{}\" not found", self.name);
        if let Some(namespace) = &self.namespace {
            sentence.push_str(&format!(" in namespace \"{namespace}\""));
        }
        let all = if self.info.namespaced { " -A" } else { "" };
        Failure::new(
            "CLI0006",
            sentence,
            format!("see what there is: fleetlog get {}{all}", self.info.plural),
        )
    }

    /// Reads KIND/NAMESPACE/NAME, or KIND/NAME for cluster-scoped kinds.
    ///
    /// # Errors
    /// A text of another form, or an unknown kind.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let parts: Vec<&str> = text.split('/').collect();
        let info = kinds::find(parts[0])?;
        let singular = info.singular;
        match (info.namespaced, parts.as_slice()) {
            (true, [_, namespace, name]) if !namespace.is_empty() && !name.is_empty() => {
                let namespace = Some((*namespace).to_owned());
                Ok(Self { info, namespace, name: (*name).to_owned() })
            }
            (false, [_, name]) if !name.is_empty() => {
                Ok(Self { info, namespace: None, name: (*name).to_owned() })
            }
            (true, _) => Err(Failure::usage(
                format!("\"{text}\" names no object: a {singular} lives in a namespace"),
                format!("write {singular}/NAMESPACE/NAME"),
            )),
            (false, _) => Err(Failure::usage(
                format!("\"{text}\" names no object: a {singular} lives in no namespace"),
                format!("write {singular}/NAME"),
            )),
        }
    }
}

/// What the words of a command name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every object of these kinds.
    Kinds(Vec<&'static KindInfo>),
    /// These objects.
    Objects(Vec<Target>),
}

impl Wanted {
    /// Reads KIND, KIND,KIND, KIND NAME.., KIND/NAME..
    ///
    /// # Errors
    /// Unknown kinds, forms that are mixed, a name of every namespace.
    pub fn parse(words: &[String], scope: &ScopeArgs) -> Result<Self, Failure> {
        if words.iter().any(|word| word.contains('/')) {
            let targets = words.iter().map(|word| slashed(word, scope));
            return targets.collect::<Result<_, _>>().map(Self::Objects);
        }
        let Some((kind, names)) = words.split_first() else {
            return Err(Failure::usage("no kind is named", "see --help"));
        };
        let infos: Vec<_> = kind.split(',').map(kinds::find).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Ok(Self::Kinds(infos));
        }
        let targets =
            infos.iter().flat_map(|info| names.iter().map(|name| in_scope(info, name, scope)));
        targets.collect::<Result<_, _>>().map(Self::Objects)
    }

    /// The objects that are named.
    ///
    /// # Errors
    /// When only kinds are.
    pub fn named(self) -> Result<Vec<Target>, Failure> {
        match self {
            Self::Objects(targets) => Ok(targets),
            Self::Kinds(infos) => {
                let kind = infos.first().map_or("KIND", |info| info.singular);
                let sentence = format!("no {kind} is named");
                Err(Failure::usage(sentence, format!("write {kind} NAME or {kind}/NAME")))
            }
        }
    }
}

/// The namespace that is looked in: `None` is all of them.
#[must_use]
pub fn namespace_of(info: &KindInfo, scope: &ScopeArgs) -> Option<String> {
    if !info.namespaced || scope.all_namespaces {
        return None;
    }
    Some(scope.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()))
}

fn in_scope(info: &'static KindInfo, name: &str, scope: &ScopeArgs) -> Result<Target, Failure> {
    let namespace = namespace_of(info, scope);
    if info.namespaced && namespace.is_none() {
        let sentence = format!("\"{name}\" cannot be looked for by name in all namespaces");
        return Err(Failure::usage(sentence, "name its namespace with -n"));
    }
    Ok(Target { info, namespace, name: name.to_owned() })
}

fn slashed(word: &str, scope: &ScopeArgs) -> Result<Target, Failure> {
    match word.split('/').collect::<Vec<_>>().as_slice() {
        [kind, name] if !name.is_empty() => in_scope(kinds::find(kind)?, name, scope),
        [_, _, _] => Target::parse(word),
        _ => Err(Failure::usage(
            format!("\"{word}\" is not KIND/NAME"),
            "write every object as KIND/NAME, or KIND once and then names",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], scope: &ScopeArgs) -> Result<Wanted, Failure> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Wanted::parse(&words, scope)
    }

    fn references(words: &[&str], scope: &ScopeArgs) -> Vec<String> {
        let targets = parse(words, scope).unwrap().named().unwrap();
        targets.iter().map(Target::reference).collect()
    }

    #[test]
    fn objects_are_named_in_kubectls_forms() {
        let none = ScopeArgs::default();
        let team = ScopeArgs { namespace: Some("team".into()), all_namespaces: false };
        assert_eq!(references(&["mcl", "a", "b"], &none), ["ManagedCluster/a", "ManagedCluster/b"]);
        assert_eq!(
            references(&["placement/p", "mcl/a"], &team),
            ["Placement/team/p", "ManagedCluster/a"]
        );
        assert_eq!(references(&["placement", "p"], &none), ["Placement/default/p"]);
        assert_eq!(references(&["manifestwork/c1/w"], &none), ["ManifestWork/c1/w"]);
        let kinds = parse(&["mcl,placements"], &none).unwrap();
        assert!(matches!(kinds, Wanted::Kinds(infos) if infos.len() == 2));
    }

    #[test]
    fn what_names_nothing_is_misuse() {
        let all = ScopeArgs { namespace: None, all_namespaces: true };
        let none = ScopeArgs::default();
        assert_eq!(parse(&["placement", "p"], &all).unwrap_err().exit, 2);
        assert_eq!(parse(&["mcl/a", "b"], &none).unwrap_err().exit, 2);
        assert_eq!(parse(&["mcl/"], &none).unwrap_err().exit, 2);
        assert_eq!(parse(&["mcl"], &none).unwrap().named().unwrap_err().exit, 2);
        assert_eq!(parse(&["nothing"], &none).unwrap_err().code, "CLI0015");
    }

    #[test]
    fn one_object_of_the_log_is_kind_namespace_name() {
        let name = |text| Target::parse(text).map(|target| target.reference());
        assert_eq!(name("manifestworks/c1/w").unwrap(), "ManifestWork/c1/w");
        assert_eq!(name("mcl/c1").unwrap(), "ManagedCluster/c1");
        assert_eq!(name("placement/p").unwrap_err().advice, "write placement/NAMESPACE/NAME");
        assert_eq!(name("mcl/x/c1").unwrap_err().advice, "write managedcluster/NAME");
        assert!(name("mcl").is_err());
        assert!(name("//").is_err());
    }
}
