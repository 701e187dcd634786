//! Who a request is of: whom the connection shows, or the bearer of a token; and whom he speaks for
//! (spec/gateway 7.1, 7.2).

use crate::Gateway;
use crate::identity::is_reserved;
use fleetlog_gateway_domain::access::AUTHENTICATED;
use fleetlog_gateway_domain::{Ask, Caller, Status, find};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::collections::BTreeMap;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// The most bytes of what is said of somebody: his name is in subjects and headers of the log.
const LONGEST: usize = 1_024;

/// Who a request is of.
#[derive(Clone, Debug)]
pub struct Who {
    /// As whom it is judged.
    pub caller: Caller,
    /// Who speaks for him, if that is another.
    pub by: Option<String>,
}

impl Who {
    /// As the log names him: with whoever speaks for him.
    pub(crate) fn actor(&self) -> String {
        match &self.by {
            None => self.caller.user.clone(),
            Some(by) => format!("{} (impersonated by {by})", self.caller.user),
        }
    }
}

impl Gateway {
    /// Who a request is of that came over a connection of `shown`.
    ///
    /// # Errors
    /// 401 for a token that is no good, 403 for who may not speak for another.
    pub fn who(&self, shown: &Caller, headers: &HeaderMap) -> Result<Who, Status> {
        let caller = match headers.get(AUTHORIZATION) {
            Some(given) if !shown.is_known() => {
                let bearer = given.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
                // Who shows a bad token is not nobody.
                self.is_there()?;
                let unknown = || Status::new(401, "Unauthorized", "Unauthorized");
                self.bearer(bearer.unwrap_or_default().trim()).ok_or_else(unknown)?
            }
            _ => shown.clone(),
        };
        let Some(wanted) = impersonated(headers)? else { return Ok(Who { caller, by: None }) };
        for (ask, what) in asks(&wanted) {
            if self.board.access(|access| access.allows(&caller, &ask)).is_none() {
                return Err(not_for(&caller, &ask, &what));
            }
        }
        if is_reserved(&wanted.user) {
            return Err(Status::bad(format!("\"{}\" is no user", wanted.user)));
        }
        let by = Some(caller.user);
        Ok(Who { caller: with_authenticated(wanted), by })
    }
}

/// Whom the headers speak for.
fn impersonated(headers: &HeaderMap) -> Result<Option<Caller>, Status> {
    // What cannot be read must not be taken for nobody: the caller's own rights would count.
    let read = |value: &HeaderValue| {
        let text = String::from_utf8(value.as_bytes().to_vec()).ok();
        let text = text.filter(|text| text.len() <= LONGEST);
        text.ok_or_else(|| Status::bad("an Impersonate header is no text, or too long"))
    };
    let texts = |name: &str| -> Result<Vec<String>, Status> {
        headers.get_all(name).iter().map(read).collect()
    };
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            extra.entry(key.to_owned()).or_default().push(read(value)?);
        }
    }
    let (user, groups, uid) = (texts(USER)?, texts(GROUP)?, texts(UID)?);
    if user.is_empty() {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        let message = "requested impersonation of groups, a uid or extra without a user";
        return Err(Status::bad(message));
    }
    let first = |list: Vec<String>| list.into_iter().next().unwrap_or_default();
    Ok(Some(Caller { user: first(user), groups, uid: first(uid), extra }))
}

/// What the real caller must be allowed: each part by itself.
fn asks(wanted: &Caller) -> Vec<(Ask, String)> {
    let account =
        wanted.user.strip_prefix("system:serviceaccount:").and_then(|r| r.split_once(':'));
    let user = match account {
        Some((namespace, name)) => Ask {
            namespace: namespace.into(),
            ..Ask::on("impersonate", ("", "serviceaccounts"), name)
        },
        None => Ask::on("impersonate", ("", "users"), &wanted.user),
    };
    let mut all = vec![(user, wanted.user.clone())];
    let more = |resource: &str, name: &String| {
        let group = if resource == "groups" { "" } else { "authentication.k8s.io" };
        (Ask::on("impersonate", (group, resource), name), name.clone())
    };
    all.extend(wanted.groups.iter().map(|group| more("groups", group)));
    all.extend(Some(&wanted.uid).filter(|uid| !uid.is_empty()).map(|uid| more("uids", uid)));
    for (key, values) in &wanted.extra {
        all.extend(values.iter().map(|value| more(&format!("userextras/{key}"), value)));
    }
    all
}

fn not_for(caller: &Caller, ask: &Ask, what: &str) -> Status {
    let resource = match ask.subresource.as_str() {
        "" => ask.resource.clone(),
        part => format!("{}/{part}", ask.resource),
    };
    let message = format!(
        "{resource} \"{what}\" is forbidden: User \"{}\" cannot impersonate resource \
         \"{resource}\" in API group \"{}\" at the cluster scope",
        caller.user, ask.group
    );
    Status::new(403, "Forbidden", message)
}

fn with_authenticated(mut wanted: Caller) -> Caller {
    if let Some((namespace, _)) =
        wanted.user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        && wanted.groups.is_empty()
    {
        let of = format!("system:serviceaccounts:{namespace}");
        wanted.groups = vec!["system:serviceaccounts".to_owned(), of];
    }
    let nobody = wanted.user == fleetlog_gateway_domain::access::ANONYMOUS.0;
    let known = AUTHENTICATED.to_owned();
    if !nobody && !wanted.groups.contains(&known) {
        wanted.groups.push(known);
    }
    wanted
}

/// The kind of service accounts.
pub(crate) fn accounts() -> Option<fleetlog_gateway_domain::Kind> {
    find("", "v1", "serviceaccounts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use proptest::prelude::*;

    fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
        let extra = "[!#$%&'*+.^_`|~0-9a-z-]{0,6}".prop_map(|key| format!("{EXTRA}{key}"));
        let name = prop_oneof![
            Just(USER.to_owned()),
            Just(GROUP.to_owned()),
            Just(UID.to_owned()),
            extra,
        ];
        let plain = "\\PC{0,20}".prop_map(String::into_bytes);
        let value = prop_oneof![
            plain,
            prop::collection::vec(any::<u8>(), 0..20),
            Just(vec![b'x'; LONGEST + 1]),
        ];
        (name, value).prop_filter_map("is a header", |(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(&value).ok()?))
        })
    }

    proptest! {
        #[test]
        fn who_speaks_for_another_is_never_taken_for_himself(
            given in prop::collection::vec(header(), 0..5),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &given {
                headers.append(name, value.clone());
            }
            match impersonated(&headers) {
                Ok(None) => prop_assert!(given.is_empty()),
                Ok(Some(wanted)) => prop_assert!(asks(&wanted).len() < 2 + given.len()),
                Err(status) => prop_assert_eq!(status.code, 400),
            }
        }
    }
}
