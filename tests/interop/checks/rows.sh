# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# What loads where: the rows of the table that Debian's engines can show, refusals too.
#
# Sourced by `run`.

# Small archives: `demo` with one name, `several` with two images that share layers, `multi` for two platforms.
rows_inputs() {
  docker_fresh to
  xz -dc "$fixtures/saved20.tar.xz" | docker_at to load --quiet
  docker_facts to example.com/demo:v1 >"$scratch/demo.facts"
  docker_at to tag example.com/demo:v1 demo:1
  docker_at to save demo:1 >"$inputs/demo.tar"
  mkdir "$scratch/context"
  echo marker >"$scratch/context/marker"
  printf 'FROM demo:1\nCOPY marker /marker\n' >"$scratch/context/Dockerfile"
  DOCKER_BUILDKIT=0 docker_at to build --quiet --tag second:1 "$scratch/context"
  rm -r "$scratch/context"
  docker_facts to second:1 >"$scratch/second.facts"
  docker_at to save demo:1 second:1 >"$inputs/several.tar"
  rows_multi
}

# Two platforms as buildah writes them; both hold the same program.
rows_multi() {
  local container
  containers_fresh
  buildah pull --quiet "docker-archive:$inputs/demo.tar"
  container=$(buildah from localhost/demo:1)
  buildah config --arch arm64 --variant v8 "$container"
  buildah commit --quiet "$container" localhost/demo:arm64
  buildah manifest create multi
  buildah manifest add multi containers-storage:localhost/demo:1
  buildah manifest add multi containers-storage:localhost/demo:arm64
  buildah manifest push --quiet --all multi "oci-archive:$inputs/multi.tar:docker.io/library/multi:1"
  archive_facts "$inputs/multi.tar" >"$scratch/multi.facts"
}

rows_checks() {
  check 'rows: archives of the engines' rows_inputs
  row_plain_oci
  row_zstd
  row_oci_alone
  row_several
  row_multi
  row_dangling
  row_repositories
  row_full_names
  row_outer
}

# row_convert NAME INPUT ARGUMENTS...: "$out/NAME.tar".
row_convert() {
  local archive=$out/$1.tar input=$2
  shift 2
  check "rows: ${archive##*/}" imgtar convert "$input" "$@" -o "$archive" -f
}

row_plain_oci() {
  local archive=$out/oci-plain.tar
  row_convert oci-plain "$inputs/demo.tar" --to oci --compress none
  row_loads_everywhere "$archive"
  row_convert oci-gzip "$inputs/demo.tar" --to oci --compress gzip
  row_loads_everywhere "$out/oci-gzip.tar"
}

row_loads_everywhere() {
  local row
  row=$(basename "$1" .tar)
  check "rows: $row: docker" docker_loads "$1" "$scratch/demo.facts" demo:1
  check "rows: $row: ctr" ctr_loads "$1" "$scratch/demo.facts" demo:1
  check "rows: $row: podman" podman_loads "$1" "$scratch/demo.facts" docker.io/library/demo:1
  check "rows: $row: skopeo docker-archive" skopeo_reads "docker-archive:$1" "$scratch/demo.facts"
  check "rows: $row: skopeo oci-archive" skopeo_reads "oci-archive:$1" "$scratch/demo.facts"
}

row_zstd() {
  local target archive
  for target in docker oci; do
    archive=$out/$target-zstd.tar
    row_convert "$target-zstd" "$inputs/demo.tar" --to "$target" --compress zstd
    docker_fresh to
    check "rows: $target-zstd: docker 20.10 refuses" refused docker_at to load --input "$archive"
    check "rows: $target-zstd: ctr" ctr_loads "$archive" "$scratch/demo.facts" demo:1
    check "rows: $target-zstd: skopeo docker-archive" skopeo_reads "docker-archive:$archive" "$scratch/demo.facts"
  done
  check 'rows: docker-zstd: podman' podman_loads "$out/docker-zstd.tar" "$scratch/demo.facts" localhost/demo:1
  check 'rows: oci-zstd: podman' podman_loads "$out/oci-zstd.tar" "$scratch/demo.facts" docker.io/library/demo:1
}

row_oci_alone() {
  local archive=$out/oci-alone.tar
  row_convert oci-alone "$inputs/demo.tar" --to oci --no-docker-manifest
  docker_fresh to
  check 'rows: oci-alone: docker 20.10 refuses' refused docker_at to load --input "$archive"
  check 'rows: oci-alone: ctr' ctr_loads "$archive" "$scratch/demo.facts" demo:1
  check 'rows: oci-alone: podman' podman_loads "$archive" "$scratch/demo.facts" docker.io/library/demo:1
  check 'rows: oci-alone: skopeo oci-archive' skopeo_reads "oci-archive:$archive:1" "$scratch/demo.facts"
  check 'rows: oci-alone: skopeo docker-archive refuses' refused skopeo_facts "docker-archive:$archive"
}

row_several() {
  local target archive
  for target in $targets; do
    archive=$out/several-$target.tar
    row_convert "several-$target" "$inputs/several.tar" --to "$target"
    check "rows: several-$target: docker" docker_loads_several "$archive"
    check "rows: several-$target: ctr" ctr_loads_several "$archive"
    check "rows: several-$target: podman" podman_loads_several "$archive"
    check "rows: several-$target: skopeo docker-archive" \
      skopeo_reads "docker-archive:$archive:second:1" "$scratch/second.facts"
  done
}

docker_loads_several() {
  docker_fresh to
  docker_at to load --quiet --input "$1"
  same names "$(lines demo:1 second:1)" "$(docker_names to)"
  same 'facts of demo' "$(<"$scratch/demo.facts")" "$(docker_facts to demo:1)"
  same 'facts of second' "$(<"$scratch/second.facts")" "$(docker_facts to second:1)"
}

ctr_loads_several() {
  containerd_fresh
  ctr_import "$1"
  same 'facts of demo' "$(<"$scratch/demo.facts")" "$(ctr_facts docker.io/library/demo:1)"
  same 'facts of second' "$(<"$scratch/second.facts")" "$(ctr_facts docker.io/library/second:1)"
}

podman_loads_several() {
  containers_fresh
  podman load --quiet --input "$1"
  same 'facts of demo' "$(<"$scratch/demo.facts")" "$(podman_facts demo:1)"
  same 'facts of second' "$(<"$scratch/second.facts")" "$(podman_facts second:1)"
}

row_multi() {
  local archive=$out/multi.tar
  row_convert multi "$inputs/multi.tar" --to oci
  check 'rows: multi: docker takes linux/amd64' docker_loads "$archive" "$scratch/multi.facts" multi:1
  check 'rows: multi: ctr' ctr_loads "$archive" "$scratch/multi.facts" multi:1
  check 'rows: multi: podman' podman_loads "$archive" "$scratch/multi.facts" docker.io/library/multi:1
  check 'rows: multi: skopeo docker-archive' skopeo_reads "docker-archive:$archive" "$scratch/multi.facts"
  check 'rows: multi: skopeo oci-archive, all platforms' \
    skopeo_here copy -q --all "oci-archive:$archive:1" "dir:$scratch/multi"
  check 'rows: multi to legacy is refused' exits 4 imgtar convert "$inputs/multi.tar" --to legacy -o "$out/none.tar"
  check 'rows: multi to legacy, one platform' multi_chosen "$archive"
}

multi_chosen() {
  imgtar convert "$1" --to legacy --platform linux/arm64 -o "$out/arm64.tar"
  archive_member "$out/arm64.tar" "$(archive_config "$out/arm64.tar")" | jq -e '.architecture == "arm64"'
}

# An index that names platforms whose blobs are absent: containerd and skopeo take it only after we have pruned it.
row_dangling() {
  local archive=$scratch/dangling.tar
  xz -dc "$fixtures/dangling-index.tar.xz" >"$archive"
  archive_facts "$archive" >"$scratch/dangling.facts"
  row_convert dangling-kept "$archive" --to oci --index keep
  row_convert dangling-pruned "$archive" --to oci
  containerd_fresh
  check 'rows: dangling-kept: ctr --all-platforms refuses' refused ctr_import "$out/dangling-kept.tar"
  check 'rows: dangling-kept: skopeo --all refuses' \
    refused skopeo_here copy -q --all "oci-archive:$out/dangling-kept.tar" "dir:$scratch/dangling-kept"
  check 'rows: dangling-kept: docker' docker_loads "$out/dangling-kept.tar" "$scratch/dangling.facts" example.com/demo:v1
  check 'rows: dangling-pruned: ctr --all-platforms' \
    ctr_loads "$out/dangling-pruned.tar" "$scratch/dangling.facts" example.com/demo:v1
  check 'rows: dangling-pruned: skopeo --all' \
    skopeo_here copy -q --all "oci-archive:$out/dangling-pruned.tar" "dir:$scratch/dangling-pruned"
}

# Docker before 1.10: no manifest.json. The image ID is docker's own making, and ours must be the same.
row_repositories() {
  check 'rows: repositories alone: docker' repositories_docker
  containerd_fresh
  check 'rows: repositories alone: ctr refuses' refused ctr_import "$out/repositories.tar"
  check 'rows: repositories alone: podman refuses' refused podman load --quiet --input "$out/repositories.tar"
  check 'rows: repositories alone: skopeo refuses' refused skopeo_facts "docker-archive:$out/repositories.tar"
  for target in $targets; do
    row_convert "repositories-$target" "$out/repositories.tar" --to "$target"
    check "rows: repositories-$target: docker" \
      docker_loads "$out/repositories-$target.tar" "$scratch/repositories.facts" demo:1
  done
}

repositories_docker() {
  mkdir "$scratch/repositories"
  tar -C "$scratch/repositories" -xf "$inputs/demo.tar"
  rm -f "$scratch/repositories"/*.json
  tar -C "$scratch/repositories" -cf "$out/repositories.tar" .
  docker_fresh to
  docker_at to load --quiet --input "$out/repositories.tar"
  same names demo:1 "$(docker_names to)"
  docker_facts to demo:1 >"$scratch/repositories.facts"
}

row_full_names() {
  row_convert full-names "$inputs/demo.tar" --to legacy --full-names
  check 'rows: full-names: docker' docker_loads "$out/full-names.tar" "$scratch/demo.facts" demo:1
  check 'rows: full-names: podman' podman_loads "$out/full-names.tar" "$scratch/demo.facts" docker.io/library/demo:1
}

# The archive itself compressed: Docker 20.10 knows all forms but zstd.
row_outer() {
  local outer
  for outer in gzip xz; do
    row_convert "outer-$outer" "$inputs/demo.tar" --to legacy --outer "$outer"
    check "rows: outer-$outer: docker" docker_loads "$out/outer-$outer.tar" "$scratch/demo.facts" demo:1
  done
  row_convert outer-zstd "$inputs/demo.tar" --to legacy --outer zstd
  docker_fresh to
  check 'rows: outer-zstd: docker 20.10 refuses' refused docker_at to load --input "$out/outer-zstd.tar"
}
