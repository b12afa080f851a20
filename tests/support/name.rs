//! Names as all readers normalise them (N-2, N-3, N-5).

/// The full form: domain, `library/`, tag.
pub(crate) fn full(name: &str) -> String {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest.to_owned()),
        _ => ("docker.io", name.to_owned()),
    };
    let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
    let library = if domain == "docker.io" && !path.contains('/') { "library/" } else { "" };
    let tag = if path.rsplit('/').next().unwrap().contains([':', '@']) { "" } else { ":latest" };
    format!("{domain}/{library}{path}{tag}")
}

/// The form that `docker images` prints.
pub(crate) fn familiar(name: &str) -> String {
    let full = full(name);
    let Some(path) = full.strip_prefix("docker.io/") else { return full };
    match path.strip_prefix("library/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// The tag of a name.
pub(crate) fn tag(name: &str) -> String {
    full(name).rsplit_once(':').unwrap().1.to_owned()
}

fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.contains(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_as_docker_does() {
        for (typed, normal, short) in [
            ("app", "docker.io/library/app:latest", "app:latest"),
            ("acme/app:1", "docker.io/acme/app:1", "acme/app:1"),
            ("index.docker.io/library/app:1", "docker.io/library/app:1", "app:1"),
            ("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            ("docker.io/library/a/b:1", "docker.io/library/a/b:1", "library/a/b:1"),
        ] {
            assert_eq!(full(typed), normal);
            assert_eq!(familiar(typed), short);
        }
    }
}
