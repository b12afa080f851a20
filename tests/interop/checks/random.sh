# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $root and $out
# Random sound archives of every writer: imgtar, skopeo and Docker agree on image ID, diff_ids and names.
#
# Sourced by `run`. tests/fuzz/engines.rs makes the archives and says what is in them; INTEROP_RANDOM is how many (6),
# INTEROP_SEED with which to begin (1).

random_checks() {
  local archive
  check 'random: archives' random_make
  for archive in "$scratch"/random/*.tar; do
    random_archive_checks "${archive%.tar}"
  done
}

random_make() {
  mkdir "$scratch/random"
  IMGTAR_ENGINES=$scratch/random IMGTAR_ARCHIVES=${INTEROP_RANDOM:-6} IMGTAR_SEED=${INTEROP_SEED:-1} \
    cargo test --quiet --manifest-path "$root/Cargo.toml" --test fuzz -- --exact \
    engines::random_sound_archives_keep_what_they_hold
  [[ -e $(find "$scratch/random" -name '*.tar' -print -quit) ]]
}

# random_archive_checks STEM
random_archive_checks() {
  local stem=$1 seed=${1##*/} facts=$1.facts names target
  names=$(LC_ALL=C sort "$stem.names")
  check "random $seed: skopeo" skopeo_reads "$(<"$stem.skopeo")" "$facts"
  if [[ -e $stem.docker ]]; then
    check "random $seed ($(<"$stem.docker")): docker" docker_loads "$stem.tar" "$facts" "$names"
  fi
  for target in $targets; do
    check "random $seed to $target" random_converts "$stem" "$target" "$names"
  done
  check "random $seed to legacy: docker" docker_loads "$out/random-legacy.tar" "$facts" "$names"
  check "random $seed to oci: skopeo" skopeo_reads "docker-archive:$out/random-oci.tar" "$facts"
}

random_converts() {
  local archive=$out/random-$2.tar
  imgtar convert "$1.tar" --to "$2" -o "$archive" -f
  same content "$(<"$1.facts")" "$(archive_content "$archive")"
  same names "$(written_names "$2" "$3")" "$(archive_names "$archive" | LC_ALL=C sort)"
}
