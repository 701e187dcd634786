//! Lists of records that are older than a record that they do not name.

use crate::member::{Member, config_map};
use fleetlog_agent_core::{Event, record_watch};
use std::collections::BTreeSet;

#[test]
fn wa_a_list_that_is_older_than_a_record_hides_nothing_of_a_work_that_goes() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    let stale = Event::Listed(record_watch(), BTreeSet::new());
    let under_way = member.machine.on(stale, member.now);
    let gone = member.remove("a");
    member.deliver(gone);
    for action in under_way {
        for event in member.perform(action) {
            member.tell(event);
        }
    }
    assert!(member.last_report("a").gone);
    assert_eq!((member.objects.len(), member.records.len()), (0, 0));
}

#[test]
fn wa_a_list_that_is_older_than_a_record_hides_nothing_that_is_dropped() {
    let mut member = Member::started();
    let delivery = member.want("a", &[config_map("x", "1")]);
    member.deliver(delivery);
    let stale = Event::Listed(record_watch(), BTreeSet::new());
    let under_way = member.machine.on(stale, member.now);
    let other = member.want("a", &[config_map("y", "1")]);
    member.deliver(other);
    for action in under_way {
        for event in member.perform(action) {
            member.tell(event);
        }
    }
    assert_eq!(member.names(), ["y"]);
}
