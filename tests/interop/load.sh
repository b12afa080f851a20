# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Loading an archive into each engine, and what must be there afterwards: the same facts under the right names.
#
# Sourced by `run`. FACTS is a file; NAMES are one a line, as Docker spells them unless a function says otherwise.

# --- one reference as each engine spells it ----------------------------------------------------------------------------

# Docker's short form of a full name, and back.
familiar() {
  sed -E 's,^docker\.io/,,; s,^library/([^/]+)$,\1,'
}

full() {
  sed -E 's,^[^/]+$,library/&,; /^localhost\//!s,^([^/.:]+)/,docker.io/\1/,'
}

# written_names TARGET NAMES: as manifest.json in what imgtar writes spells them: in full beside a layout of several entries
# (docs/bundles.md B-32).
written_names() {
  if [[ $1 == oci ]] && (($(wc -l <<<"$2") > 1)); then
    full <<<"$2" | LC_ALL=C sort
  else
    printf '%s\n' "$2"
  fi
}

# What podman 4 and buildah make of a name without a domain, when it comes from a manifest.json.
local_names() {
  sed -E 's,^[^/]+$,localhost/&,'
}

# --- engines -----------------------------------------------------------------------------------------------------------

# docker_holds FACTS NAMES: what engine `to` has now. An image without a name is asked for by its ID.
docker_holds() {
  local name
  same names "${2:-$unnamed}" "$(docker_names to)"
  while read -r name; do
    same "facts of '$name'" "$(<"$1")" "$(docker_facts to "${name:-$(awk '$1 == "id" { print $2 }' "$1")}")"
  done <<<"$2"
}

readonly unnamed='<none>:<none>'

docker_loads() {
  docker_fresh to
  docker_at to load --quiet --input "$1"
  docker_holds "$2" "$3"
}

# docker_saves FACTS: what `to` writes of an image it has loaded is that image, layer by layer.
docker_saves() {
  # shellcheck disable=SC2046 # one word a name
  docker_at to save --output "$scratch/saved.tar" $(docker_names to)
  same facts "$(<"$1")" "$(archive_facts "$scratch/saved.tar")"
  rm "$scratch/saved.tar"
}

ctr_loads() {
  containerd_fresh
  ctr_import "$1"
  same names "$(full <<<"$3" | LC_ALL=C sort)" "$(ctr_names)"
  same facts "$(<"$2")" "$(ctr_facts "$(full <<<"$3" | sed -n 1p)")"
}

podman_loads() {
  containers_fresh
  podman load --quiet --input "$1"
  same names "$(LC_ALL=C sort <<<"$3")" "$(podman_names)"
  same facts "$(<"$2")" "$(podman_facts "$(sed -n 1p <<<"$3")")"
}

# buildah_pulls TRANSPORT:PATH FACTS
buildah_pulls() {
  containers_fresh
  buildah pull --quiet "$1"
  same facts "$(<"$2")" "$(podman_facts "$(podman images --quiet --no-trunc | sed -n 1p)")"
}

# skopeo_reads TRANSPORT:REFERENCE FACTS
skopeo_reads() {
  same facts "$(<"$2")" "$(skopeo_facts "$1")"
}
