# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch and $imgtar
# A layer past 8 GiB, where the size field of a tar header ends and a PAX record has to say it (G-17).
#
# Sourced by `run`. The archives that are read are made of holes: they cost next to nothing on disk.

readonly huge_size=$((9 << 30))
# The header of the one file in the layer with its records, the file, the end marker.
readonly huge_layer_size=$((1536 + huge_size + 1024))

huge_checks() {
  local source=$scratch/huge
  mkdir "$source"
  check 'huge: archives with a layer of 9 GiB' huge_make
  huge_diff_id=$(<"$source/diff_id")
  local input
  for input in docker oci; do
    check "huge: $input to legacy, oci, rootfs: whole for GNU tar, the same to a file and to a pipe" \
      huge_archives "$source/$input.tar"
    check "huge: $input to oci-dir" huge_directory "$source/$input.tar"
  done
  check 'huge: docker to gzip and back' huge_gzip "$source/docker.tar"
  rm -r "$source"
}

huge_make() {
  cd "$scratch/huge" || exit
  truncate -s "$huge_size" zeros
  huge_header zeros >layer.head
  (cat layer.head && head -c $((huge_size + 1024)) /dev/zero) | sha256sum | cut -c 1-64 >diff_id
  local diff_id
  diff_id=$(<diff_id)
  # The layer itself, for its header in the archives and for comparison.
  cp layer.head "$diff_id"
  truncate -s "$huge_layer_size" "$diff_id"

  jq -cn --arg diff_id "sha256:$diff_id" \
    '{architecture: "amd64", os: "linux", config: {}, rootfs: {type: "layers", diff_ids: [$diff_id]}}' >config.json
  jq -cn --arg layer "$diff_id" '[{Config: "config.json", RepoTags: ["huge:1"], Layers: [$layer]}]' >manifest.json
  huge_add docker.tar config.json manifest.json
  huge_add_layer docker.tar "$diff_id"
  huge_end docker.tar

  mkdir -p blobs/sha256
  jq -cn --arg layer "sha256:$diff_id" --arg size "$huge_layer_size" --arg config "$(huge_digest config.json)" \
    --arg config_size "$(stat -c %s config.json)" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: ($config_size | tonumber)},
      layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $layer, size: ($size | tonumber)}]}' >oci.json
  jq -cn --arg manifest "$(huge_digest oci.json)" --arg size "$(stat -c %s oci.json)" '{schemaVersion: 2, manifests: [
      {mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $manifest, size: ($size | tonumber),
       annotations: {"org.opencontainers.image.ref.name": "1", "io.containerd.image.name": "docker.io/library/huge:1"}}]}' \
    >index.json
  echo '{"imageLayoutVersion":"1.0.0"}' >oci-layout
  local file
  for file in config.json oci.json; do
    cp "$file" "blobs/$(huge_digest "$file" | tr : /)"
  done
  huge_add oci.tar blobs/sha256/* index.json oci-layout
  mv "$diff_id" "blobs/sha256/$diff_id"
  huge_add_layer oci.tar "blobs/sha256/$diff_id"
  huge_end oci.tar
}

huge_digest() {
  echo "sha256:$(sha256sum "$1" | cut -c 1-64)"
}

# huge_header FILE: the header that GNU tar gives a file past 8 GiB, with its PAX records before it.
huge_header() {
  (tar --format=pax --pax-option=delete=atime,delete=ctime --mtime=@0 -cf - "$1" || true) 2>/dev/null | head -c 1536
}

# huge_add ARCHIVE FILE...: begins an archive with small members.
huge_add() {
  tar --format=ustar --blocking-factor=1 -cf "$@"
  truncate -s -1024 "$1"
}

# huge_add_layer ARCHIVE FILE: adds the layer, a hole behind its first header.
huge_add_layer() {
  huge_header "$2" | cat - layer.head >>"$1"
  truncate -s "+$((huge_layer_size - 1536))" "$1"
}

huge_end() {
  truncate -s +1024 "$1"
}

# huge_archives INPUT: each archive format in turn, so that no more than two outputs are on disk.
huge_archives() {
  local to out=$scratch/out
  for to in legacy oci rootfs; do
    "$imgtar" convert -q "$1" --to "$to" -o "$out"
    huge_layer "$out" "$to"
    "$imgtar" convert -q "$1" --to "$to" | cmp - "$out"
    rm "$out"
  done
}

# huge_layer ARCHIVE FORMAT: the layer, or in a root filesystem its file, as GNU tar reads it.
huge_layer() {
  local member expected=$scratch/huge/blobs/sha256/$huge_diff_id
  member=$(tar -tvf "$1" | awk -v least="$huge_size" '$3 >= least { print $6 }')
  if [[ $2 == rootfs ]]; then
    expected=$scratch/huge/zeros
    same 'the file' zeros "$member"
  fi
  tar -xOf "$1" "$member" | cmp - "$expected"
}

huge_directory() {
  "$imgtar" convert -q "$1" --to oci-dir -o "$scratch/out"
  same 'the size of the blob' "$huge_layer_size" "$(stat -c %s "$scratch/out/blobs/sha256/$huge_diff_id")"
  skopeo inspect --raw "oci:$scratch/out:1" >/dev/null
  rm -r "$scratch/out"
}

# huge_gzip INPUT: a size that is known only when the layer has been decoded.
huge_gzip() {
  local packed=$scratch/packed out=$scratch/out
  "$imgtar" convert -q "$1" --to docker --compress gzip -o "$packed"
  same 'the image ID' "$(sha256sum <"$scratch/huge/config.json")" \
    "$(skopeo inspect --config --raw "docker-archive:$packed" | sha256sum)"
  "$imgtar" convert -q "$packed" --to legacy -o "$out"
  huge_layer "$out" legacy
  "$imgtar" convert -q "$packed" --to legacy | cmp - "$out"
  rm "$out"
  "$imgtar" convert -q "$packed" --to rootfs -o "$out"
  huge_layer "$out" rootfs
  rm "$out" "$packed"
}
