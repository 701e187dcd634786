//! Where something stands in an object, as people read it: `spec.predicates[0].weight`. Kept on the
//! stack while a walk goes down, written only when there is something to say.

use std::fmt;

/// A place, linked to the one above it.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    /// The object itself.
    Root,
    /// A field or an entry of a map.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// A field of this place.
    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    /// An item of this place.
    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    /// As a JSON pointer.
    pub(crate) fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Key(above, key) => {
                format!("{}/{}", above.pointer(), key.replace('~', "~0").replace('/', "~1"))
            }
            Self::Index(above, index) => format!("{}/{index}", above.pointer()),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Index(above, index) => write!(f, "{above}[{index}]"),
            Self::Key(above, key) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$');
                if key.is_empty() || !key.chars().all(plain) {
                    write!(f, "{above}[{key:?}]")
                } else if matches!(above, Self::Root) {
                    f.write_str(key)
                } else {
                    write!(f, "{above}.{key}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let (root, label) = (Path::Root, "a.b/c");
        let (spec, meta) = (root.key("spec"), root.key("metadata"));
        let list = spec.key("tolerations");
        let item = list.index(1);
        assert_eq!(item.key("key").to_string(), "spec.tolerations[1].key");
        assert_eq!(meta.key("labels").key(label).to_string(), "metadata.labels[\"a.b/c\"]");
        assert_eq!(meta.key("labels").key(label).pointer(), "/metadata/labels/a.b~1c");
        assert_eq!(root.to_string(), "");
    }
}
