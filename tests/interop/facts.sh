# shellcheck shell=bash
# What an image is, in one form, whoever is asked: `id sha256:…` and one `layer sha256:…` (a diff_id) a line, base first.
# And what it is called: one name a line, sorted.
#
# Sourced by `run`. Archives are read here with tar and jq alone.

# archive_member ARCHIVE MEMBER: the bytes of a member of a tar or of a file in a directory.
archive_member() {
  if [[ -d $1 ]]; then
    cat "$1/$2"
  else
    tar -xOf "$1" "$2" 2>/dev/null || tar -xOf "$1" "./$2"
  fi
}

# archive_holds ARCHIVE MEMBER
archive_holds() {
  archive_member "$@" >/dev/null 2>&1
}

# config_facts FILE: the facts that a config tells.
config_facts() {
  echo "id sha256:$(sha256sum <"$1" | cut -d ' ' -f 1)"
  jq -r '.rootfs.diff_ids[]? | "layer \(.)"' "$1"
}

# archive_facts ARCHIVE: of its first image; in an index, of the one for linux/amd64.
archive_facts() {
  local config
  config=$(mktemp)
  archive_member "$1" "$(archive_config "$1")" >"$config"
  config_facts "$config"
  rm "$config"
}

# archive_config ARCHIVE: the member that is the config.
archive_config() {
  if archive_holds "$1" index.json; then
    oci_blob "$(oci_manifest "$1" | jq -r .config.digest)"
  else
    archive_member "$1" manifest.json | jq -r '.[0].Config'
  fi
}

oci_blob() {
  echo "blobs/${1/://}"
}

# oci_manifest ARCHIVE: the manifest of its first image, through as many indexes as there are.
oci_manifest() {
  local document member=index.json
  while document=$(archive_member "$1" "$member") && jq -e .manifests <<<"$document" >/dev/null; do
    member=$(oci_blob "$(jq -r '(.manifests[] | select(.platform.architecture == "amd64")), .manifests[0] | .digest' \
      <<<"$document" | sed -n 1p)")
  done
  printf '%s\n' "$document"
}

# archive_names ARCHIVE: as manifest.json spells them, or else index.json.
archive_names() {
  if archive_holds "$1" manifest.json; then
    archive_member "$1" manifest.json | jq -r '.[].RepoTags[]?' | LC_ALL=C sort
  else
    archive_member "$1" index.json | jq -r '.manifests[].annotations["io.containerd.image.name"] // empty' |
      LC_ALL=C sort
  fi
}

# archive_layers ARCHIVE: the members that are the layers, base first.
archive_layers() {
  if archive_holds "$1" index.json; then
    oci_manifest "$1" | jq -r '.layers[].digest' | while read -r digest; do
      oci_blob "$digest"
    done
  else
    archive_member "$1" manifest.json | jq -r '.[0].Layers[]'
  fi
}

# archive_content ARCHIVE: the facts again, but each layer's is the digest of its bytes, decompressed.
archive_content() {
  local layer digest
  archive_facts "$1" | sed -n 1p
  archive_layers "$1" | while read -r layer; do
    digest=$(archive_member "$1" "$layer" | zstd -dcfq | sha256sum | cut -d ' ' -f 1)
    echo "layer sha256:$digest"
  done
}

# --- engines -----------------------------------------------------------------------------------------------------------

# docker_facts ENGINE NAME
docker_facts() {
  docker_at "$1" image inspect --format '{{println "id" .Id}}{{range .RootFS.Layers}}{{println "layer" .}}{{end}}' "$2" |
    sed '/^$/d'
}

docker_names() {
  docker_at "$1" images --format '{{.Repository}}:{{.Tag}}' | LC_ALL=C sort
}

podman_facts() {
  podman image inspect --format 'id sha256:{{.Id}}{{range .RootFS.Layers}}{{println}}layer {{.}}{{end}}' "$1"
}

podman_names() {
  podman images --format '{{.Repository}}:{{.Tag}}' | LC_ALL=C sort
}

ctr_facts() {
  local digest document config
  digest=$(ctr_here images ls "name==$1" | awk 'NR == 2 { print $3 }')
  document=$(ctr_here content get "$digest")
  if jq -e .manifests <<<"$document" >/dev/null; then
    digest=$(jq -r 'first(.manifests[] | select(.platform.architecture == "amd64") | .digest)' <<<"$document")
    document=$(ctr_here content get "$digest")
  fi
  config=$(mktemp)
  ctr_here content get "$(jq -r .config.digest <<<"$document")" >"$config"
  config_facts "$config"
  rm "$config"
}

ctr_names() {
  ctr_here images ls -q | LC_ALL=C sort
}

# skopeo_facts TRANSPORT:REFERENCE: after a copy, which reads and checks every layer.
skopeo_facts() {
  local copy
  copy=$(mktemp -d)
  skopeo_here copy -q "$1" "dir:$copy/image" >&2 || return
  skopeo_here inspect --raw --config "$1" >"$copy/config" || return
  config_facts "$copy/config"
  rm -r "$copy"
}
