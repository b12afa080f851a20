# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# The fixtures, small archives that engines wrote, to each format and into each engine.
#
# Sourced by `run`.

fixtures_checks() {
  local fixture name
  for fixture in "$fixtures"/*.tar.xz; do
    name=$(basename "$fixture" .tar.xz)
    xz -dc "$fixture" >"$scratch/fixture.tar"
    archive_facts "$scratch/fixture.tar" >"$scratch/fixture.facts"
    for target in legacy docker oci; do
      fixture_checks "$name to $target" "$fixture" "$target" "$(fixture_names "$scratch/fixture.tar")"
    done
  done
}

# Names are read from whatever the archive has: manifest.json, containerd's annotation or a full ref.name.
fixture_names() {
  {
    archive_names "$1"
    archive_member "$1" index.json 2>/dev/null |
      jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"] | select(contains("/"))'
  } | familiar | LC_ALL=C sort -u
}

fixture_checks() {
  local name=$1 fixture=$2 target=$3 names=$4 out=$scratch/fixture-out.tar facts=$scratch/fixture.facts
  check "$name: convert" imgtar convert "$fixture" --to "$target" -o "$out" -f
  check "$name: content" fixture_content "$out" "$facts" "$names"
  check "$name: docker load" docker_loads "$out" "$facts" "$names"
  check "$name: ctr import" ctr_loads "$out" "$facts" "$names"
  check "$name: podman load" podman_loads "$out" "$facts" "$names"
  check "$name: skopeo" skopeo_reads "docker-archive:$out" "$facts"
  rm -f "$out"
}

# fixture_content OUT FACTS NAMES
fixture_content() {
  same content "$(<"$2")" "$(archive_content "$1")"
  same names "$3" "$(archive_names "$1" | familiar)"
}
