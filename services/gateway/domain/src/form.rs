//! In which form an answer is wanted (spec/gateway 3.5).

use crate::status::Status;

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The objects, as JSON.
    Json,
    /// The objects, as YAML.
    Yaml,
    /// A table, as JSON; of this version of the table's own kind.
    Table(&'static str),
    /// Metadata alone, as JSON.
    Metadata,
}

/// What a table's rows hold beside the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// The metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl Include {
    /// Reads `includeObject` out of a query.
    ///
    /// # Errors
    /// 400 for one that there is none of.
    pub fn of(query: &str) -> Result<Self, Status> {
        let given = query.split('&').find_map(|pair| pair.strip_prefix("includeObject="));
        match given.unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(Status::bad(format!("unrecognized includeObject value: \"{other}\""))),
        }
    }
}

impl Form {
    /// The first acceptable one of an `Accept` header: by quality, then by order.
    ///
    /// # Errors
    /// 406 when none is.
    pub fn of(accept: &str) -> Result<Self, Status> {
        if accept.trim().is_empty() {
            return Ok(Self::Json);
        }
        let mut wanted: Vec<(f64, &str)> =
            accept.split(',').map(|one| (quality(one), one.trim())).collect();
        wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let found = wanted.into_iter().filter(|(quality, _)| *quality > 0.0);
        found.filter_map(|(_, one)| Self::named(one)).next().ok_or_else(|| {
            let message = "only the following media types are accepted: application/json, \
                           application/yaml";
            Status::new(406, "NotAcceptable", message)
        })
    }

    fn named(media: &str) -> Option<Self> {
        let mut parts = media.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let pairs: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let of = |key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        match (kind.as_str(), of("as")) {
            ("application/json", Some("Table")) => match of("v") {
                Some("v1beta1") => Some(Self::Table("meta.k8s.io/v1beta1")),
                _ => Some(Self::Table("meta.k8s.io/v1")),
            },
            ("application/json", Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => {
                Some(Self::Metadata)
            }
            ("application/json" | "*/*" | "application/*", None) => Some(Self::Json),
            ("application/yaml", None) => Some(Self::Yaml),
            _ => None,
        }
    }
}

fn quality(media: &str) -> f64 {
    let given = media.split(';').find_map(|part| part.trim().strip_prefix("q="));
    given.and_then(|text| text.parse().ok()).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_there_is_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;\
                       v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(Form::of(kubectl).unwrap(), Form::Table("meta.k8s.io/v1"));
        let typed = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(Form::of(typed).unwrap(), Form::Json);
        assert_eq!(Form::of("").unwrap(), Form::Json);
        assert_eq!(Form::of("application/json;q=0.2, application/yaml").unwrap(), Form::Yaml);
        let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(Form::of(metadata).unwrap(), Form::Metadata);
    }

    #[test]
    fn what_is_not_offered_is_406() {
        assert_eq!(Form::of("application/cbor").unwrap_err().code, 406);
        assert_eq!(Form::of("application/vnd.kubernetes.protobuf").unwrap_err().code, 406);
        assert_eq!(Include::of("limit=5&includeObject=All").unwrap_err().code, 400);
        assert_eq!(Include::of("includeObject=Object").unwrap(), Include::Object);
    }
}
