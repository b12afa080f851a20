# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Looking inside: what imgtar tells of an archive, against skopeo, tar, docker history and docker export.
#
# Sourced by `run`. Archives are the fixtures, what the engines write of the real image, what imgtar makes of that, and
# those that INTEROP_ARCHIVES names, of one image each, separated by colons. ../README.md says what Docker counts and adds
# that is not in the layers.

# A file that Docker lays over every container, a directory it makes for one, or a parent of those.
readonly dockers_own='\.dockerenv|etc/(hosts|hostname|resolv\.conf|mtab)?|dev/((pts|shm)/|console)?|proc/|sys/|\./'
# At most so many files of a tree are read one by one.
readonly files_read=12

inside_checks() {
  local archive
  check 'inside: archives' inside_archives
  for archive in "$scratch"/inside/*; do
    inside_documents_checks "$(basename "$archive")" "$archive"
  done
  for archive in "$scratch"/inside/*; do
    inside_layers_checks "$(basename "$archive")" "$archive"
  done
  inside_containers_checks
}

# Links to the archives, under the names by which checks call them; fixtures decompressed.
inside_archives() {
  local archive target
  mkdir "$scratch/inside"
  for archive in "$fixtures"/*.tar.xz; do
    xz -dc "$archive" >"$scratch/inside/$(basename "$archive" .tar.xz)"
  done
  for archive in "$inputs"/*-*; do
    ln -s "$archive" "$scratch/inside/$(basename "$archive")"
  done
  for target in $targets; do
    imgtar convert "$inputs/docker-save.tar" --to "$target" -o "$scratch/inside/to-$target"
  done
  imgtar convert "$inputs/docker-save.tar" --to oci --compress zstd -o "$scratch/inside/to-oci-zstd"
  while read -rd : archive; do
    ln -s "$archive" "$scratch/inside/given-$(basename "$archive")"
  done <<<"${INTEROP_ARCHIVES:+$INTEROP_ARCHIVES:}"
}

# --- documents: inspect against skopeo and the archive's own bytes -----------------------------------------------------

inside_documents_checks() {
  local name=$1 archive=$2
  check "inside $name: inspect --config, --manifest" inside_bytes "$archive"
  if archive_holds "$archive" index.json; then
    check "inside $name: inspect, as skopeo has it from the layout" inside_as_layout "$archive"
  fi
  if archive_holds "$archive" manifest.json; then
    check "inside $name: inspect, as skopeo has it from manifest.json" inside_as_docker_archive "$archive"
  fi
}

inside_bytes() {
  archive_member "$1" "$(archive_config "$1")" | cmp - <(imgtar inspect --config "$1")
  if archive_holds "$1" index.json; then
    archive_member "$1" "$(inside_manifest "$1")" | cmp - <(imgtar inspect --manifest "$1")
    archive_member "$1" index.json | cmp - <(imgtar inspect --raw "$1")
  else
    exits 4 imgtar inspect --manifest "$1"
    archive_member "$1" manifest.json | cmp - <(imgtar inspect --raw "$1")
  fi
}

# inside_manifest ARCHIVE: the member that is its manifest, by imgtar's word; `inside_bytes` then compares all of it, and
# its name with its digest.
inside_manifest() {
  local digest
  digest=$(imgtar inspect --json "$1" | jq -r '.images[0].manifest.digest')
  same digest "$digest" "sha256:$(archive_member "$1" "$(oci_blob "$digest")" | sha256sum | cut -d ' ' -f 1)"
  same manifest "$(oci_manifest "$1")" "$(archive_member "$1" "$(oci_blob "$digest")")"
  oci_blob "$digest"
}

# What both inspect commands and a config tell: JSON with sorted keys. Where there is nothing, skopeo says null, or the
# first time there is.
readonly told_by_imgtar='.images[0] | {created: (.created // "0001-01-01T00:00:00Z"), platform, env: .config.env,
  labels: .config.labels, docker_version: (.docker_version // ""), layers: [.layers[] | LAYER]}'
# shellcheck disable=SC2016 # a variable of jq
readonly told_by_skopeo='{created: .Created, platform: ([.Os, .Architecture] + [$config.variant // empty] | join("/")),
  env: (.Env // []), labels: (.Labels // {}), docker_version: .DockerVersion, layers: .Layers}'

# inside_told ARCHIVE REFERENCE LAYER: LAYER is the field by which skopeo calls the layers.
inside_told() {
  local config
  config=$(skopeo_here inspect --config --raw "$2")
  imgtar inspect --config "$1" | cmp - <(skopeo_here inspect --config --raw "$2")
  same facts "$(skopeo_here inspect --no-tags "$2" | jq -S --argjson config "$config" "$told_by_skopeo")" \
    "$(imgtar inspect --json "$1" | jq -S "${told_by_imgtar/LAYER/.$3}")"
  same diff_ids "$(jq -r '.rootfs.diff_ids[]' <<<"$config")" \
    "$(imgtar inspect --json "$1" | jq -r '.images[0].layers[].diff_id')"
}

inside_as_layout() {
  local reference raw ref
  # Needed where there are several entries; one alone is not found by it if it is of Docker's types.
  ref=$(archive_member "$1" index.json |
    jq -r '.manifests | if length > 1 then .[0].annotations["org.opencontainers.image.ref.name"] else "" end')
  if [[ -d $1 ]]; then reference=oci:$(realpath "$1"); else reference=oci-archive:$1; fi
  reference=$reference${ref:+:$ref}
  if [[ $(inside_verdict "$1" skopeo-1.9-oci-archive) == no ]]; then
    refused skopeo_here inspect --raw "$reference"
    return
  fi
  inside_told "$1" "$reference" digest
  raw=$(skopeo_here inspect --raw "$reference")
  if jq -e .manifests <<<"$raw" >/dev/null; then
    same index "sha256:$(skopeo_here inspect --raw "$reference" | sha256sum | cut -d ' ' -f 1)" \
      "$(imgtar inspect --json "$1" | jq -r '.images[0].index.digest')"
    return
  fi
  imgtar inspect --manifest "$1" | cmp - <(skopeo_here inspect --raw "$reference")
  same 'manifest, sizes and types' \
    "$(jq -S '{config: .config.digest, layers: [.layers[] | [.digest, .size, .mediaType]]}' <<<"$raw")" \
    "$(imgtar inspect --json "$1" |
      jq -S '.images[0] | {config: .image_id, layers: [.layers[] | [.digest, .size, .media_type]]}')"
}

# inside_verdict ARCHIVE ENGINE: whether imgtar says that it loads.
inside_verdict() {
  imgtar inspect --json "$1" | jq -r --arg engine "$2" '.loads[] | select(.engine == $engine) | .loads'
}

# From manifest.json skopeo makes a manifest of its own, of uncompressed layers.
inside_as_docker_archive() {
  local reference=docker-archive:$1
  inside_told "$1" "$reference" diff_id
  same 'config and sizes of the tars' \
    "$(skopeo_here inspect --raw "$reference" | jq -S '{config: .config.digest, layers: [.layers[] | [.digest, .size]]}')" \
    "$(imgtar inspect --json --full "$1" |
      jq -S '.images[0] | {config: .image_id, layers: [.layers[] | [.diff_id, .tar_size]]}')"
  same names "$(skopeo_here list-tags "$reference" | jq -r '.Tags[]' | familiar | LC_ALL=C sort)" \
    "$(imgtar inspect --json "$1" | jq -r '.images[0].names[]' | LC_ALL=C sort)"
}

# --- layers: ls --layer against tar, verify, diff ----------------------------------------------------------------------

inside_layers_checks() {
  local name=$1 archive=$2
  check "inside $name: ls --layer, as tar lists it" inside_ls_layers "$archive"
  check "inside $name: verify" imgtar verify "$archive"
  check "inside $name: diff with what it becomes" inside_diff "$archive"
}

inside_ls_layers() {
  local layer number=0
  archive_layers "$1" | while read -r layer; do
    inside_layer "$1" "$layer" | zstd -dcfq >"$scratch/layer.tar"
    same "paths of layer $number" "$(listed_by_tar -t "$scratch/layer.tar")" \
      "$(imgtar ls --layer "$number" "$1" | unescaped)"
    same "entries of layer $number" "$(listed_by_tar -tv "$scratch/layer.tar" | listing)" \
      "$(imgtar ls -l --layer "$number" "$1" | unescaped | listing)"
    number=$((number + 1))
  done
}

# inside_layer ARCHIVE MEMBER: its bytes, through the symbolic link that `docker save` writes for a repeated layer.
inside_layer() {
  local target=''
  if [[ ! -d $1 ]]; then
    target=$({ tar -tvf "$1" "$2" 2>/dev/null || true; } | sed -n 's/^l.* -> //p')
  fi
  archive_member "$1" "$(realpath -ms --relative-to=/ "/${target:+$(dirname "$2")/}${target:-$2}")"
}

inside_diff() {
  local target
  for target in $targets oci-dir; do
    imgtar convert "$1" --to "$target" -o "$out/inside-$target" -f
    imgtar diff "$1" "$out/inside-$target"
    rm -r "$out/inside-$target"
  done
}

# listed_by_tar -t|-tv TAR: names as they are. Layers may lack an end marker, of which tar warns.
listed_by_tar() {
  TZ=UTC tar "$1" --full-time --numeric-owner --quoting-style=literal --ignore-zeros -f "$2"
}

# imgtar's escapes undone.
unescaped() {
  perl -pe 's/\\(?:x([0-9a-f]{2})|(\\))/defined $1 ? chr hex $1 : $2/ge'
}

# listing: lines of `tar -tv` and of `ls -l` in one form: whole seconds, single spaces, whiteouts as the files they are.
listing() {
  perl -pe 's/^w/-/ and s/ hides .*$//;
    s/^(\S+) +(\S+) +(\S+) +(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?Z? /$1 $2 $3 $4 $5 /'
}

# --- trees: history, ls and cat against a container of Docker ----------------------------------------------------------

# One archive for each image: the fixtures, the real one, those that were given.
inside_containers_checks() {
  local archive name
  for archive in "$scratch"/inside/{cr-tarball,dangling-index,bld-oa,saved20,docker-save.tar,given-*}; do
    [[ -e $archive ]] || continue
    name=$(basename "$archive")
    check "inside $name: a container of it" inside_container "$archive"
    check "inside $name: history, as docker has it" inside_history "$archive"
    check "inside $name: ls, as docker export has it" inside_ls "$archive"
    check "inside $name: ls -l, as docker export has it" inside_ls_long "$archive"
    check "inside $name: ls --json says the same" inside_ls_json "$archive"
    check "inside $name: cat, as docker export has it" inside_cat "$archive"
    check "inside $name: cat through links, as a process in the root" inside_cat_links "$archive"
    rm -rf "$scratch/inside-tree" "$scratch/inside-export.tar"
  done
}

# Docker 20.10 takes the legacy form of all of them; the image is the same.
inside_container() {
  local container
  docker_fresh to
  imgtar convert "$1" --to legacy | docker_at to load --quiet
  container=$(docker_at to create "$(inside_id "$1")" none)
  docker_at to export "$container" >"$scratch/inside-export.tar"
  docker_at to rm "$container"
  tree_unpack "$scratch/inside-export.tar" "$scratch/inside-tree"
}

inside_id() {
  imgtar inspect --json "$1" | jq -r '.images[0].image_id'
}

# Newest first. Times are cut to seconds; sizes are those of files and, on an overlay, the lengths of links' targets. Of layers
# for which the config has no step Docker tells nothing.
inside_history() {
  same 'steps' \
    "$(docker_at to history --no-trunc --human=false --format '{{json .}}' "$(inside_id "$1")" |
      jq -c '[.CreatedBy, .Comment, (.CreatedAt | fromdate), (.Size | tonumber)]')" \
    "$(inside_history_by_imgtar "$1" | tac)"
}

inside_history_by_imgtar() {
  local step layer size
  imgtar history --json "$1" | jq -c '.steps[] | select(has("layer") and (has("created") or has("created_by") or
    has("author") or has("comment") | not) | not)' | while read -r step; do
    layer=$(jq -r '.layer // empty' <<<"$step")
    size=0
    if [[ $layer && $docker_driver == overlay2 ]]; then
      size=$(imgtar ls --json --layer "$layer" "$1" |
        jq -s '[.[] | select(.type == "symlink") | .target | utf8bytelength] | add // 0')
    fi
    jq -c --argjson links "$size" '[.created_by // "", .comment // "",
      (.created // "0001-01-01T00:00:00Z" | sub("\\.[0-9]+Z$"; "Z") | fromdate), (.holds.size // 0) + $links]' <<<"$step"
  done
}

inside_ls() {
  same paths "$(listed_by_tar -t "$scratch/inside-export.tar" | LC_ALL=C sort | without_dockers_own)" \
    "$(imgtar ls "$1" | unescaped | LC_ALL=C sort | without_dockers_own)"
}

without_dockers_own() {
  grep -vxE "($dockers_own)" || true
}

# Times of directories that no layer describes are Docker's own.
inside_ls_long() {
  same entries "$(listed_by_tar -tv "$scratch/inside-export.tar" | listing | inside_comparable "$1")" \
    "$(imgtar ls -l "$1" | unescaped | listing | inside_comparable "$1")"
}

inside_comparable() {
  local implied
  implied=$(imgtar ls --json "$1" | jq -r 'select(has("layer") | not) | .path | gsub("[^\\w/]"; "\\\(.)")' | paste -sd '|')
  grep -avE "^\S+ \S+ \S+ \S+ \S+ ($dockers_own)( -> .*)?\$" |
    sed -E "s#^(d\S+ \S+ \S+) \S+ \S+ (${implied:-^})/\$#\1 \2/#" | LC_ALL=C sort
}

inside_ls_json() {
  same rows "$(imgtar ls --json "$1" | jq -r '[.type, .mode, .uid, .gid, .size // 0, (.mtime | sub("\\.[0-9]+Z$"; "Z"))]
    | map(tostring) | join(" ")')" "$(imgtar ls -l "$1" | perl -ne "$row_of_line")"
}

# The same columns of a line of `ls -l`.
# shellcheck disable=SC2016 # perl's variables
readonly row_of_line='
  my %types = ("-" => "file", d => "directory", l => "symlink", h => "hardlink", c => "char", b => "block", p => "fifo");
  my ($type, $bits, $uid, $gid, $size, $time) = m{^(.)(\S{9}) (\d+)/(\d+) +(\S+) (\S+)} or die "line: $_";
  my @bits = split //, $bits;
  my $mode = 0;
  $mode |= ($bits[$_] =~ /[rwxst]/) << 8 - $_ for 0 .. 8;
  $mode |= ($bits[2 + 3 * $_] =~ /[sStT]/) << 11 - $_ for 0 .. 2;
  $size = 0 if $size =~ /,/;
  printf "%s %04o %s %s %s %s\n", $types{$type}, $mode, $uid, $gid, $size, $time;
'

# Some regular files, spread over the tree, the largest among them.
inside_cat() {
  local path
  inside_sample file "$1" | while read -r path; do
    imgtar cat "$1" "$path" | cmp - "$scratch/inside-tree/$path"
  done
}

# Links that lead to a file, as busybox in the root follows them.
inside_cat_links() {
  local path tree=$scratch/inside-tree
  cp "$(command -v busybox)" "$tree/busybox-here"
  inside_sample symlink "$1" | while read -r path; do
    if chroot "$tree" /busybox-here test -f "/$path"; then
      imgtar cat "$1" "$path" | cmp - <(chroot "$tree" /busybox-here cat "/$path")
    else
      exits 4 imgtar cat "$1" "$path" >"$scratch/inside-cat"
    fi
  done
  rm "$tree/busybox-here"
}

# inside_sample TYPE ARCHIVE: paths of that type, every so many of them; no file that Docker lays over the container.
inside_sample() {
  imgtar ls --json "$2" | jq -r --arg type "$1" --arg own "^($dockers_own)\$" -s --argjson most "$files_read" \
    '[.[] | select(.type == $type and (has("path_base64") | not)) | select(.path | test($own) | not)]
     | sort_by(-(.size // 0)) | (length / $most | ceil) as $step
     | to_entries[] | select(.key % ([$step, 1] | max) == 0) | .value.path'
}
