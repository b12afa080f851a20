# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Increments in real engines (docs/bundles.md, tables 1 and 3): with the base loaded the image is whole, which its ID, its
# files, a container and what the engine saves of it tell; without it the engine says what is missing.
#
# Sourced by `run`.

# The base as archives of three makes.
readonly increment_bases='legacy docker oci'

increments_checks() {
  local base
  check 'increments: archives' increments_make
  for base in $increment_bases; do
    check "increments, $base base: docker load" increments_docker "$base"
    check "increments, $base base: ctr import" increments_ctr "$base"
    check "increments, $base base: podman load" increments_podman "$base"
  done
  check 'increments: skopeo oci-archive into containers-storage' increments_skopeo
  check 'increments: two in a row' increments_in_a_row
  check 'increments: of two platforms' increments_platforms
  check 'increments, no base: docker load' increments_docker_alone
  check 'increments, no base: ctr import' increments_ctr_alone
  check 'increments, no base: podman load' increments_podman_alone
}

# The image of app:1 with a layer and a label more, and with one layer more than that.
increments_make() {
  local base
  echo new >"$scratch/added"
  imgtar edit "$inputs/docker-save.tar" --image app:1 --tag app:2 --label x=y --add "$scratch/added:/added" --to oci \
    -o "$out/new.tar"
  imgtar edit "$out/new.tar" --tag app:3 --add "$scratch/added:/more" --to oci -o "$out/newer.tar"
  archive_facts "$out/new.tar" >"$scratch/new.facts"
  archive_facts "$out/newer.tar" >"$scratch/newer.facts"
  for base in $increment_bases; do
    imgtar convert "$inputs/docker-save.tar" --image app:1 --to "$base" -o "$out/base-$base.tar"
    imgtar convert "$out/new.tar" --to oci --base "$out/base-$base.tar" -o "$out/up-$base.tar"
    same 'layers that are there' 1 "$(imgtar inspect --json "$out/up-$base.tar" |
      jq '[.images[0].layers[] | select(.compression)] | length')"
  done
  imgtar convert "$out/newer.tar" --to oci --base "$out/up-oci.tar" --base "$out/base-oci.tar" -o "$out/up-again.tar"
}

# whole ARCHIVE FACTS: what an engine saved is all there, and the image.
whole() {
  imgtar verify "$1"
  same 'facts of what was saved' "$(<"$2")" "$(archive_facts "$1")"
  same 'what is needed' null "$(imgtar inspect --json "$1" | jq -c '.images[0].needs')"
  rm "$1"
}

increments_docker() {
  docker_fresh to
  docker_at to load --quiet --input "$out/base-$1.tar"
  docker_at to load --quiet --input "$out/up-$1.tar"
  same facts "$(<"$scratch/new.facts")" "$(docker_facts to app:2)"
  docker_at to rmi app:1
  same 'the file in it' new "$(docker_at to run --rm --network none --entrypoint /bin/cat app:2 /added </dev/null)"
  docker_at to save --output "$scratch/saved.tar" app:2
  whole "$scratch/saved.tar" "$scratch/new.facts"
}

increments_ctr() {
  local name=docker.io/library/app:2
  containerd_fresh
  ctr_import "$out/base-$1.tar"
  ctr_import "$out/up-$1.tar"
  same facts "$(<"$scratch/new.facts")" "$(ctr_facts "$name")"
  ctr_complete "$name"
  ctr_here images rm --sync docker.io/library/app:1
  same 'the file in it' new "$(ctr_here run --rm --snapshotter "$containerd_snapshotter" "$name" increment /bin/cat /added)"
  ctr_here images export "$scratch/saved.tar" "$name"
  whole "$scratch/saved.tar" "$scratch/new.facts"
}

# ctr_complete NAME: all its blobs are in the store.
ctr_complete() {
  [[ $(ctr_here images check "name==$1" | awk 'NR == 2 { print $4 }') == complete ]]
}

increments_podman() {
  local name=docker.io/library/app:2
  containers_fresh
  podman load --quiet --input "$out/base-$1.tar"
  podman load --quiet --input "$out/up-$1.tar"
  same facts "$(<"$scratch/new.facts")" "$(podman_facts "$name")"
  podman rmi "$(podman_names | grep ':1$')"
  same 'the file in it' new "$(podman run --rm --network none --entrypoint /bin/cat "$name" /added)"
  podman save --quiet --format docker-archive --output "$scratch/saved.tar" "$name"
  whole "$scratch/saved.tar" "$scratch/new.facts"
}

# skopeo knows the layers of what came as a layout by their blobs, those of a docker tarball by their diff_ids alone.
increments_skopeo() {
  local base
  for base in oci legacy; do
    containers_fresh
    podman load --quiet --input "$out/base-$base.tar"
    skopeo_here copy --quiet "oci-archive:$out/up-$base.tar" containers-storage:app:2
    same facts "$(<"$scratch/new.facts")" "$(podman_facts docker.io/library/app:2)"
  done
  containers_fresh
  podman load --quiet --input "$out/base-docker.tar"
  refused skopeo_here copy --quiet "oci-archive:$out/up-docker.tar" containers-storage:app:2
}

increments_in_a_row() {
  docker_fresh to
  containerd_fresh
  for archive in base-oci up-oci up-again; do
    docker_at to load --quiet --input "$out/$archive.tar"
    ctr_import "$out/$archive.tar"
  done
  same facts "$(<"$scratch/newer.facts")" "$(docker_facts to app:3)"
  ctr_complete docker.io/library/app:3
  docker_at to save --output "$scratch/saved.tar" app:3
  whole "$scratch/saved.tar" "$scratch/newer.facts"
}

# kind and k3s import all platforms.
increments_platforms() {
  local step
  for step in old new; do
    local flags=(--tag "app:$step")
    [[ $step == old ]] || flags+=(--add "$scratch/added:/added")
    imgtar edit "$inputs/docker-save.tar" --image app:1 "${flags[@]}" --to oci -o "$scratch/amd64.tar"
    imgtar edit "$inputs/docker-save.tar" --image app:1 "${flags[@]}" --arch arm64 --to oci -o "$scratch/arm64.tar"
    imgtar convert "$scratch/amd64.tar" "$scratch/arm64.tar" --to oci -o "$out/platforms-$step.tar"
    rm "$scratch/amd64.tar" "$scratch/arm64.tar"
  done
  imgtar convert "$out/platforms-new.tar" --to oci --base "$out/platforms-old.tar" -o "$out/platforms-up.tar"
  containerd_fresh
  ctr_here images import --all-platforms "$out/platforms-old.tar"
  ctr_here images import --all-platforms "$out/platforms-up.tar"
  ctr_complete docker.io/library/app:new
  docker_fresh to
  docker_at to load --quiet --input "$out/platforms-old.tar"
  docker_at to load --quiet --input "$out/platforms-up.tar"
  same 'the file in it' new "$(docker_at to run --rm --network none --entrypoint /bin/cat app:new /added </dev/null)"
}

# Nothing is left behind, the message names the base, and with it all is well.
increments_docker_alone() {
  docker_fresh to
  exits 1 docker_at to load --quiet --input "$out/up-oci.tar" 2>"$scratch/said"
  grep -q 'load first: app:1' "$scratch/said"
  same names '' "$(docker_names to)"
  increments_docker oci
}

# containerd 1.6 leaves the name, whose image is whole as soon as the base is there.
increments_ctr_alone() {
  containerd_fresh
  exits 1 ctr_import "$out/up-oci.tar" 2>"$scratch/said"
  grep -q 'content digest .* not found' "$scratch/said"
  refused ctr_complete docker.io/library/app:2
  ctr_import "$out/base-oci.tar"
  ctr_complete docker.io/library/app:2
}

increments_podman_alone() {
  containers_fresh
  exits 125 podman load --quiet --input "$out/up-oci.tar" 2>"$scratch/said"
  grep -q 'file does not exist' "$scratch/said"
  same names '' "$(podman_names)"
}
