//! Who asks, and for what.

use std::collections::BTreeMap;

/// Who may do everything.
pub const MASTERS: &str = "system:masters";

/// Who has shown who he is.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Who has not: the user and the group.
pub const ANONYMOUS: (&str, &str) = ("system:anonymous", "system:unauthenticated");

/// Somebody, with the groups that he is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The name.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
    /// The uid of a service account; empty for others.
    pub uid: String,
    /// What else is known of him.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Caller {
    /// Somebody of these groups who has shown who he is.
    #[must_use]
    pub fn known(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Self { user: user.to_owned(), groups, ..Self::default() }
    }

    /// Who has not.
    #[must_use]
    pub fn anonymous() -> Self {
        let (user, group) = ANONYMOUS;
        Self { user: user.to_owned(), groups: vec![group.to_owned()], ..Self::default() }
    }

    /// Whether he has shown who he is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.groups.iter().any(|group| group == AUTHENTICATED)
    }

    /// Whether he may do everything.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

/// Something that may be allowed or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What is done.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The plural, or whatever roles name.
    pub resource: String,
    /// A part of it.
    pub subresource: String,
    /// The namespace; empty for all, and for kinds without.
    pub namespace: String,
    /// The object; empty for all.
    pub name: String,
    /// A path that is no resource; everything but the verb is empty then.
    pub path: String,
}

impl Ask {
    /// A verb on a resource of a group, on one object of it.
    #[must_use]
    pub fn on(verb: &str, (group, resource): (&str, &str), name: &str) -> Self {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn whole(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            part => format!("{}/{part}", self.resource),
        }
    }
}
