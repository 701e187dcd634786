//! "Did you mean": the nearest known word, when one is near enough to be a slip of the fingers.

/// The known word that differs from `given` in the fewest letters, case aside; `None` when it takes
/// more than a third of them (two at least).
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let enough = (given.chars().count() / 3).max(2);
    let ranked = known.into_iter().map(|word| (distance(&given, &word.to_lowercase()), word));
    ranked.filter(|(distance, _)| *distance <= enough).min().map(|(_, word)| word)
}

/// How many letters have to be changed, added or left out.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut corner = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = changed.min(corner + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = ["numberOfClusters", "predicates", "clusterSets"];
        assert_eq!(nearest("numberOfCluster", known), Some("numberOfClusters"));
        assert_eq!(nearest("NUMBEROFCLUSTERS", known), Some("numberOfClusters"));
        assert_eq!(nearest("replicas", known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
