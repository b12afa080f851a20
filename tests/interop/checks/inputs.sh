# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# What every engine writes of the real image, read by imgtar.
#
# Sourced by `run`.

# INPUT:NAMES, where NAMES are those that manifest.json has after a conversion.
readonly app='app:1' team='registry.example/team/app:1.0'
readonly written="docker-save.tar=$app,$team ctr-export.tar=$app,$team
  skopeo-docker-archive.tar=$app skopeo-oci-archive.tar=$app skopeo-oci-dir=
  podman-docker-archive.tar=localhost/$app podman-oci-archive.tar=localhost/$app podman-oci-dir=localhost/$app
  buildah-docker-archive.tar=$app,localhost/$app buildah-oci-archive.tar=$app umoci-dir= umoci-oci.tar="

inputs_checks() {
  local input
  for input in $written; do
    input_checks "${input%%=*}" "${input#*=}"
  done
}

input_checks() {
  local input=$1 names target
  names=$(tr , '\n' <<<"$2" | LC_ALL=C sort)
  archive_facts "$inputs/$input" >"$scratch/input.facts"
  for target in $targets; do
    check "$input to $target" input_converts "$input" "$target" "$names"
  done
  check "$input to legacy: docker load" docker_loads "$out/input-legacy.tar" "$scratch/input.facts" "$names"
}

input_converts() {
  local archive=$out/input-$2.tar
  imgtar convert "$inputs/$1" --to "$2" -o "$archive" -f
  same content "$(<"$scratch/input.facts")" "$(archive_content "$archive")"
  same names "$(written_names "$2" "$3")" "$(archive_names "$archive")"
}
