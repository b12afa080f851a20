# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Several archives as one in real engines: every image under its name, and every platform of one name (docs/bundles.md).
#
# Sourced by `run`.

# Two names with one tag, as loaders that know tags alone would mix them up.
readonly bundle_names=$'app:1\nother.example/app:1'

bundles_checks() {
  check 'bundles: archives' bundles_make
  check 'bundles: docker load' bundles_hold bundles_docker
  check 'bundles: ctr import' bundles_hold bundles_ctr
  check 'bundles: podman load' bundles_hold bundles_podman
  check 'bundles: skopeo docker-archive' bundles_skopeo docker-archive
  check 'bundles: skopeo oci-archive' bundles_skopeo oci-archive
  check 'bundles: a container of each image' bundles_run
  check 'bundles: what docker saves of it' bundles_saved
  check 'bundles, platforms: docker load' docker_loads "$out/platforms.tar" "$scratch/bundle-app.facts" app:1
  check 'bundles, platforms: ctr import' ctr_loads "$out/platforms.tar" "$scratch/bundle-app.facts" app:1
  check 'bundles, platforms: ctr import of all' bundles_all_platforms
  check 'bundles, platforms: podman load' podman_loads "$out/platforms.tar" "$scratch/bundle-app.facts" \
    docker.io/library/app:1
  check 'bundles, platforms: skopeo oci-archive' skopeo_reads "oci-archive:$out/platforms.tar:1" "$scratch/bundle-app.facts"
  check 'bundles: split again' bundles_split
}

# One image in three archives of three formats: as it is, with a label under another name, and for another platform.
bundles_make() {
  local from=(--image app:1 "$inputs/docker-save.tar")
  imgtar convert "${from[@]}" --to legacy -o "$out/bundle-app.tar"
  imgtar edit "${from[@]}" --tag other.example/app:1 --label x=y --to docker -o "$out/bundle-other.tar"
  imgtar edit "${from[@]}" --tag app:1 --arch arm64 --to oci -o "$out/bundle-arm64.tar"
  for archive in app other arm64; do
    archive_facts "$out/bundle-$archive.tar" >"$scratch/bundle-$archive.facts"
  done
  imgtar convert "$out/bundle-app.tar" "$out/bundle-other.tar" --to oci -o "$out/bundle.tar"
  imgtar convert "$out/bundle-arm64.tar" "$out/bundle-app.tar" --to oci -o "$out/platforms.tar"
}

# bundles_hold LOADER: every image is there as it was. LOADER loads the bundle, and tells of a name what is there.
bundles_hold() {
  "$1" load
  same app "$(<"$scratch/bundle-app.facts")" "$("$1" facts app:1)"
  same other "$(<"$scratch/bundle-other.facts")" "$("$1" facts other.example/app:1)"
}

bundles_docker() {
  case $1 in
    load)
      docker_fresh to
      docker_at to load --quiet --input "$out/bundle.tar"
      same names "$bundle_names" "$(docker_names to)"
      ;;
    facts) docker_facts to "$2" ;;
  esac
}

bundles_ctr() {
  case $1 in
    load)
      containerd_fresh
      ctr_import "$out/bundle.tar"
      same names "$(full <<<"$bundle_names" | LC_ALL=C sort)" "$(ctr_names)"
      ;;
    facts) ctr_facts "$(full <<<"$2")" ;;
  esac
}

bundles_podman() {
  case $1 in
    load)
      containers_fresh
      podman load --quiet --input "$out/bundle.tar"
      same names "$(full <<<"$bundle_names" | LC_ALL=C sort)" "$(podman_names)"
      ;;
    facts) podman_facts "$(full <<<"$2")" ;;
  esac
}

# Names are full where two entries would share a tag.
bundles_skopeo() {
  skopeo_reads "$1:$out/bundle.tar:docker.io/library/app:1" "$scratch/bundle-app.facts"
  skopeo_reads "$1:$out/bundle.tar:other.example/app:1" "$scratch/bundle-other.facts"
}

bundles_run() {
  local name
  docker_fresh to
  docker_at to load --quiet --input "$out/bundle.tar"
  while read -r name; do
    docker_at to run --rm --network none --entrypoint /bin/true "$name" </dev/null
  done <<<"$bundle_names"
}

bundles_saved() {
  docker_at to save --output "$scratch/bundle-saved.tar" other.example/app:1
  same facts "$(<"$scratch/bundle-other.facts")" "$(archive_facts "$scratch/bundle-saved.tar")"
  rm "$scratch/bundle-saved.tar"
}

# kind and k3s take all platforms, and must find all of them.
bundles_all_platforms() {
  containerd_fresh
  ctr_here images import --all-platforms "$out/platforms.tar"
  same names docker.io/library/app:1 "$(ctr_names)"
  same platforms linux/amd64,linux/arm64 "$(ctr_here images ls | awk 'NR == 2 { print $(NF - 1) }')"
}

# Each archive of the bundle holds what went in.
bundles_split() {
  mkdir "$scratch/split"
  imgtar convert "$out/bundle.tar" --to docker --split -o "$scratch/split/{repo}.tar"
  same archives "$(lines app.tar other.example_app.tar)" "$(lines "$(ls "$scratch/split")")"
  same app "$(<"$scratch/bundle-app.facts")" "$(archive_facts "$scratch/split/app.tar")"
  same other "$(<"$scratch/bundle-other.facts")" "$(archive_facts "$scratch/split/other.example_app.tar")"
  rm -r "$scratch/split"
}
