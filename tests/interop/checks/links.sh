# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $fixtures, $targets and $out
# What loads where: members that are hard links, which no engine writes.
#
# Sourced by `run`.

# A layer is a hard link to a member before it, as tar writes the second name of a file. Each engine does what `inspect`
# says it will.
links_checks() {
  local target archive facts=$scratch/links.facts names=example.com/demo:v1
  check 'links: archives' links_make
  for target in $targets; do
    archive=$out/links-$target.tar
    check "links, $target: docker" as_inspect_says docker-20.10 docker_loads "$archive" "$facts" "$names"
    check "links, $target: ctr" as_inspect_says ctr-1.6 ctr_loads "$archive" "$facts" "$names"
    check "links, $target: podman" as_inspect_says podman-4 podman_loads "$archive" "$facts" "$names"
    check "links, $target: skopeo docker-archive" \
      as_inspect_says skopeo-1.9-docker-archive skopeo_reads "docker-archive:$archive" "$facts"
    check "links, $target: skopeo oci-archive" \
      as_inspect_says skopeo-1.9-oci-archive skopeo_reads "oci-archive:$archive:v1" "$facts"
    check "links, $target: imgtar" links_convert "$archive" "$facts"
  done
}

links_make() {
  local target tree=$scratch/links
  for target in $targets; do
    mkdir "$tree"
    imgtar convert "$fixtures/saved20.tar.xz" --to "$target" | tar -C "$tree" -xf -
    archive_facts "$tree" >"$scratch/links.facts"
    ln "$tree/$(archive_layers "$tree" | sed -n 1p)" "$tree/_first"
    (cd "$tree" && tar -cf "$out/links-$target.tar" _first [!_]*)
    tar -tvf "$out/links-$target.tar" | grep ' link to _first$'
    rm -r "$tree"
  done
}

# as_inspect_says ENGINE COMMAND...: the command, of which the second word ends in the archive, succeeds if and only if
# inspect says that the engine takes it.
as_inspect_says() {
  local engine=$1 archive status found=no
  archive=$(grep -oE '/[^:]*' <<<"$3")
  shift
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
  if ((status == 0)); then
    found=yes
  fi
  same 'what is taken' "$(inside_verdict "$archive" "$engine")" "$found"
}

links_convert() {
  imgtar convert "$1" --to oci -o "$out/unlinked.tar" -f
  same content "$(<"$2")" "$(archive_content "$out/unlinked.tar")"
}
