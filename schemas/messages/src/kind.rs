//! What is known of a kind of API object: the names users have for it, who decides on it, what its
//! table shows. The values come from the protos.

use crate::common::ObjectMeta;
use fleetlog_kernel::Service;

/// A kind of API object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The full name of its message, which names its schema too.
    pub message: &'static str,
    /// The API group.
    pub group: &'static str,
    /// The version it is served in.
    pub version: &'static str,
    /// The kind, `ManagedCluster`.
    pub kind: &'static str,
    /// The plural name in paths.
    pub plural: &'static str,
    /// The singular name.
    pub singular: &'static str,
    /// Short names.
    pub short_names: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// The service that decides on it; `None` for kinds of member clusters.
    pub service: Option<Service>,
    /// Its token in subjects.
    pub token: &'static str,
    /// The version that its objects are kept in; `None` for that one itself.
    pub version_of: Option<&'static KindInfo>,
    /// What a table shows of it, beside the name.
    pub columns: &'static [Column],
}

/// One column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The heading.
    pub name: &'static str,
    /// `string`, `integer`, `boolean`, `date`, `count`: of the entries, or what is computed by
    /// `fleetlog_objects::column`: `reference`, `duration`, `list`, `accounts`, `approval`.
    pub kind: &'static str,
    /// Where the value lies, in kubectl's JSON path; with braces a text of several, with `|` the
    /// first of several.
    pub json_path: &'static str,
    /// Above 0: shown to those who ask for a wide table.
    pub priority: i32,
}

impl KindInfo {
    /// The kind in the version that its objects are kept in.
    #[must_use]
    pub fn kept(&'static self) -> &'static Self {
        self.version_of.unwrap_or(self)
    }

    /// A name of the kind as it is told from those of other groups: `secrets` in the group without
    /// a name, `placements.cluster.open-cluster-management.io` elsewhere.
    #[must_use]
    pub fn in_group(&self, name: &str) -> String {
        match self.group {
            "" => name.to_owned(),
            group => format!("{name}.{group}"),
        }
    }

    /// `group/version`; the version alone in the group without a name.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// An API object: what the hub serves, and what users write.
pub trait ApiObject:
    prost::Message + Default + Clone + PartialEq + serde::Serialize + serde::de::DeserializeOwned
{
    /// Its kind.
    const INFO: &'static KindInfo;

    /// Its metadata, if it has any.
    fn metadata(&self) -> Option<&ObjectMeta>;

    /// Its metadata, made when there is none.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// JSON pointers of the empty lists and maps that were given; a trailing slash marks a map.
    fn empties(&self) -> &[String];

    /// Remembers empty lists and maps.
    fn set_empties(&mut self, empties: Vec<String>);
}
