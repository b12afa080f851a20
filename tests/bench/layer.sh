# shellcheck shell=bash
# What a Debian system has that it did not have a layer ago, as a layer.
#
# Sourced by `images`, in a hook of mmdebstrap.

# layer_take ROOT DIR NUMBER: "$DIR"/layerNUMBER.tar. "$DIR"/paths and "$DIR"/stamp tell the next one what was there.
layer_take() {
  local root=$1 dir=$2 layer=$2/layer$3.tar changed=()
  cd "$root" || exit
  [[ ! -e $dir/stamp ]] || changed=(-cnewer "$dir/stamp")
  touch "$dir/stamp.next"
  layer_paths | LC_ALL=C sort >"$dir/paths.next"
  layer_paths "${changed[@]}" | layer_parents | LC_ALL=C sort -u |
    tar --format=pax --pax-option=delete=atime,delete=ctime,delete=mtime --numeric-owner --no-recursion -cf "$layer" -T -
  if [[ -e $dir/paths ]]; then
    layer_whiteouts "$dir" "$layer"
  fi
  mv "$dir/paths.next" "$dir/paths"
  mv "$dir/stamp.next" "$dir/stamp"
}

# layer_paths [TEST...]: the paths for which find's TEST holds, but for what an image has no use for.
layer_paths() {
  find . -xdev \( -path './dev/*' -o -path './proc/*' -o -path './sys/*' -o -path './run/*' -o -path './tmp/*' \
    -o -path './var/lib/apt/lists/*' -o -path './var/cache/apt/*' \) -prune -o "$@" -print
}

# layer_parents: the paths on standard input and all directories above them.
layer_parents() {
  awk -F / '{ path = $1; print path; for (i = 2; i <= NF; i++) print path = path "/" $i }'
}

# layer_whiteouts DIR LAYER: adds a whiteout for whatever is gone and whose directory is not.
layer_whiteouts() {
  local dir=$1 path whiteouts=$1/whiteouts
  mkdir "$whiteouts"
  comm -23 "$dir/paths" "$dir/paths.next" | while IFS= read -r path; do
    if [[ -d ${path%/*} ]]; then
      mkdir -p "$whiteouts/${path%/*}"
      : >"$whiteouts/${path%/*}/.wh.${path##*/}"
    fi
  done
  (cd "$whiteouts" && find . -type f) |
    tar --format=pax --pax-option=delete=atime,delete=ctime,delete=mtime --numeric-owner -C "$whiteouts" -rf "$2" -T -
  rm -r "$whiteouts"
}
