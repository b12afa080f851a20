# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch and $root
# What loads where, by archives of all shapes: each engine does what `inspect --full` says of it.
#
# Sourced by `run`. tests/suite/loads makes the archives, tests/suite/cases has those that users reported. Every row of the
# table must be seen to say yes and no.

readonly shape_engines='docker-20.10 ctr-1.6 podman-4 skopeo-1.9-docker-archive skopeo-1.9-oci-archive umoci-0.4'

shapes_checks() {
  local archive engine verdict
  check 'shapes: archives' shapes_make
  : >"$scratch/shapes.seen"
  for archive in "$scratch"/shapes/* "$scratch"/cases/*; do
    imgtar inspect --full --json "$archive" >"$scratch/shape.json" 2>/dev/null || continue
    # Without an image nothing is loaded, but skopeo copies whatever there is.
    jq -e '.images != []' "$scratch/shape.json" >/dev/null || continue
    for engine in $shape_engines; do
      # With unpigz Docker passes over zeros behind an archive, without it does not (docs/formats.md O-17).
      [[ $engine:${archive##*/} != docker-20.10:b84-outer-nul.tar.gz ]] || continue
      check "shapes: ${archive##*/}: $engine" shape_agrees "$engine" "$archive"
    done
  done
  for engine in $shape_engines; do
    for verdict in yes no; do
      check "shapes: $engine says $verdict" grep -q "^$engine $verdict " "$scratch/shapes.seen"
    done
  done
}

shapes_make() {
  mkdir "$scratch/shapes"
  LOADS_SHAPES=$scratch/shapes cargo test --quiet --manifest-path "$root/Cargo.toml" --test suite -- --ignored --exact \
    loads::the_shapes_are_written_for_the_engines
  tar -C "$scratch" -xf "$root/tests/suite/cases/inputs.tar.xz"
  [[ -e $(find "$scratch/shapes" -name '*.tar' -print -quit) ]]
}

# shape_agrees ENGINE ARCHIVE: of what is in $scratch/shape.json.
shape_agrees() {
  local engine=$1 archive=$2 names=$scratch/shape.names found=no said
  said=$(jq -r --arg engine "$engine" '.loads[] | select(.engine == $engine) | .loads' "$scratch/shape.json")
  shape_told "$engine" '.names[]' | sed "s/^import-DATE:/import-$(date +%F):/" | LC_ALL=C sort >"$names"
  if "shape_${engine//[.-]/_}" "$archive" >"$scratch/shape.log" 2>&1; then
    found=yes
  elif grep -q '^only the first$' "$scratch/shape.log"; then
    found='first platform only'
  fi
  tail -n 4 "$scratch/shape.log"
  same "what $engine does with ${archive##*/}" "$said" "$found"
  echo "$engine $found ${archive##*/}" >>"$scratch/shapes.seen"
}

# shape_told ENGINE FILTER: what inspect says of the engine.
shape_told() {
  jq -r --arg engine "$1" '.loads[] | select(.engine == $engine) | '"$2" "$scratch/shape.json"
}

shape_docker_20_10() {
  docker_fresh to
  docker_at to load --input "$1" || return
  docker_names to | sed '/^<none>:<none>$/d' | same names "$(<"$scratch/shape.names")" "$(cat)"
  [[ -n $(docker_at to images --all --quiet) ]]
}

shape_ctr_1_6() {
  local platform
  platform=$(shape_told ctr-1.6 '.notes[]' | sed -n 's/.*needs --platform //p')
  containerd_fresh
  ctr_here images import ${platform:+--platform "$platform"} --snapshotter "$containerd_snapshotter" "$1" || return
  [[ -n $(ctr_names) ]] || return
  same names "$(<"$scratch/shape.names")" "$(ctr_names)"
}

shape_podman_4() {
  containers_fresh
  # The name of an image from a directory is its path, which must be lower case.
  (cd "${1%/*}" && podman load --quiet --input "${1##*/}") || return
  [[ -d $1 ]] || same names "$(<"$scratch/shape.names")" "$(podman_names | sed '/^<none>:<none>$/d')"
}

shape_skopeo_1_9_docker_archive() {
  local reference
  shape_items "$1" >"$scratch/shape.references"
  [[ -z $(sort "$scratch/shape.references" | uniq -d) ]] || return # of two with one name it finds one
  while read -r reference; do
    shape_copies "docker-archive:$1$reference" || return
  done <"$scratch/shape.references"
}

# shape_items ARCHIVE: behind the path, the way to each image of manifest.json: nothing where it has one item. The last document
# of the name counts, and an image that is listed twice is one.
shape_items() {
  archive_member "$1" manifest.json 2>/dev/null | jq -nr '
    [inputs] | last | if type == "array" then . else [.] end | to_entries
    | if length < 2 then "" else unique_by(.value.Config)[] | ":" + (.value.RepoTags[0]? // "@\(.key)") end' 2>/dev/null || echo
}

shape_skopeo_1_9_oci_archive() {
  local transport=oci-archive digest name count=0
  if [[ -d $1 ]]; then
    transport=oci
  fi
  archive_member "$1" index.json | jq -r '.manifests[] | [.digest, .annotations["org.opencontainers.image.ref.name"] // ""] | @tsv' \
    >"$scratch/shape.entries" || true
  if (($(wc -l <"$scratch/shape.entries") < 2)); then
    shape_copies "$transport:$1"
    return
  fi
  while IFS=$'\t' read -r digest name; do
    [[ -n $name ]] || return
    shape_copies "$transport:$1:$name" || return
    if [[ sha256:$(skopeo_here inspect --raw "$transport:$1:$name" | sha256sum | cut -d ' ' -f 1) != "$digest" ]]; then
      ((count == 0)) || echo 'only the first'
      return 1
    fi
    count=$((count + 1))
  done <"$scratch/shape.entries"
}

shape_copies() {
  rm -rf "$scratch/shape.copy"
  skopeo_here copy --quiet "$1" "dir:$scratch/shape.copy"
}

shape_umoci_0_4() {
  local name
  [[ -d $1 ]] || return
  jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"] // ""' "$1/index.json" >"$scratch/shape.entries" || return
  while read -r name; do
    rm -rf "$scratch/shape.bundle"
    [[ -n $name ]] || return
    umoci unpack --image "$1:$name" "$scratch/shape.bundle" || return
  done <"$scratch/shape.entries"
}
