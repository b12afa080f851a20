# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# The real image, from docker save, in every format through every engine: the pipelines that imgtar is for.
#
# Sourced by `run`.

real_checks() {
  local names target
  # shellcheck disable=SC2086 # a list of names
  names=$(lines $app_names)
  for target in $targets; do
    check "docker save | imgtar --to $target | docker load" pipeline "$target" "$names"
    check "$target: docker run" docker_runs
    check "$target: docker save reads back" docker_saves "$scratch/app.facts"
    check "$target: convert a file" real_convert "$target" "$names"
    check "$target: same bytes from a pipe" real_convert_again "$target"
    check "$target: ctr import" ctr_loads "$out/app-$target.tar" "$scratch/app.facts" "$names"
    real_containers_checks "$target" "$names"
  done
  check 'oci-dir: umoci' umoci_reads
}

pipeline() {
  docker_fresh to
  # shellcheck disable=SC2086 # a list of names
  docker_at from save $app_names | imgtar convert --to "$1" | docker_at to load --quiet
  docker_holds "$scratch/app.facts" "$2"
}

docker_runs() {
  same output "$(<"$scratch/app.output")" \
    "$(docker_at to run --rm --network none --no-healthcheck app:1 sh -c "$app_command")"
}

real_convert() {
  imgtar convert "$inputs/docker-save.tar" --to "$1" -o "$out/app-$1.tar"
  same content "$(<"$scratch/app.facts")" "$(archive_content "$out/app-$1.tar")"
  same names "$(written_names "$1" "$2")" "$(archive_names "$out/app-$1.tar")"
}

real_convert_again() {
  # shellcheck disable=SC2002 # a pipe is what is meant
  cat "$inputs/docker-save.tar" | imgtar convert - --to "$1" -j 1 | cmp - "$out/app-$1.tar"
}

# podman, buildah and skopeo on one target. podman finds two names too many for an oci-archive and goes on to the
# manifest.json beside it, so that the names are those of a docker-archive.
real_containers_checks() {
  local target=$1 archive=$out/app-$1.tar facts=$scratch/app.facts names
  names=$(written_names "$target" "$2" | local_names)
  if [[ $target == oci ]]; then
    check "oci: skopeo oci-archive by ref.name" skopeo_reads "oci-archive:$archive:1" "$facts"
    check "oci: skopeo oci-archive by its other ref.name" skopeo_reads "oci-archive:$archive:1.0" "$facts"
    check "oci: buildah pull oci-archive" buildah_pulls "oci-archive:$archive:1" "$facts"
  else
    check "$target: skopeo oci-archive refuses" refused skopeo_facts "oci-archive:$archive:1"
    check "$target: buildah pull docker-archive" buildah_pulls "docker-archive:$archive" "$facts"
  fi
  check "$target: skopeo docker-archive" skopeo_reads "docker-archive:$archive:app:1" "$facts"
  check "$target: podman load" podman_loads "$archive" "$facts" "$names"
  check "$target: podman run" podman_runs "$(sed -n 1p <<<"$names")"
}

podman_runs() {
  same output "$(<"$scratch/app.output")" \
    "$(podman run --rm --network none --no-healthcheck "$1" sh -c "$app_command")"
}

# umoci knows no docker media types; what it unpacks, it has checked against every digest and diff_id.
umoci_reads() {
  imgtar convert "$inputs/docker-save.tar" --to oci-dir --oci-types -o "$out/app-dir"
  same tags "$(lines 1 1.0)" "$(umoci ls --layout "$out/app-dir" | LC_ALL=C sort)"
  same facts "$(<"$scratch/app.facts")" "$(archive_facts "$out/app-dir")"
  umoci raw unpack --image "$out/app-dir:1" "$scratch/unpacked"
  rm -r "$scratch/unpacked"
}
