# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch and $imgtar
# The most memory that a run has resident: 32 MiB whatever the image holds, for a root filesystem 200 bytes a path more.
#
# Sourced by `run`. The image is made of this machine's /usr.

readonly memory_most=$((32 << 20))

memory_checks() {
  local images=$scratch/memory from to
  mkdir "$images"
  check 'memory: an image of 1 GiB in four layers, in every form' memory_images
  for from in "$images"/*; do
    for to in legacy docker oci oci-dir rootfs; do
      check "memory: ${from##*/} to $to" memory_below "$memory_most" "$from" "$to"
      [[ -d $from ]] || check "memory: ${from##*/} to $to, piped" memory_below "$memory_most" - "$to" "$from"
    done
  done
  rm -r "$images"
  check 'memory: a tree of 300,000 files' memory_tree
}

memory_images() {
  cd "$scratch/memory" || exit
  find /usr -xdev -type f -size -64M -printf '%s\t%P\n' | LC_ALL=C sort -t $'\t' -k 2 |
    awk -F '\t' '{ total += $1; nth = int(total / 2^28); if (nth < 4) print $2 >("list" nth) }'
  local nth
  for nth in 0 1 2 3; do
    tar --format=pax -C /usr -cf "layer$nth" -T "list$nth"
  done
  memory_pack plain layer?
  rm list? layer?
  "$imgtar" convert -q plain --to legacy -o legacy
  "$imgtar" convert -q plain --to oci -o oci
  "$imgtar" convert -q plain --to oci-dir -o dir
  "$imgtar" convert -q plain --to docker -o docker-gzip
  "$imgtar" convert -q docker-gzip --to oci -o oci-gzip
  "$imgtar" convert -q docker-gzip --to oci-dir -o dir-gzip
}

# memory_pack ARCHIVE LAYER...: an image of these layers as docker archives have it.
memory_pack() {
  local archive=$1
  shift
  sha256sum "$@" | jq -Rnc '{architecture: "amd64", os: "linux", config: {},
    rootfs: {type: "layers", diff_ids: [inputs | "sha256:" + .[:64]]}}' >config.json
  jq -cn '[{Config: "config.json", RepoTags: ["big:1"], Layers: $ARGS.positional}]' --args "$@" >manifest.json
  tar --format=ustar -cf "$archive" config.json manifest.json "$@"
  rm config.json manifest.json
}

memory_tree() {
  local tree=$scratch/tree
  mkdir -p "$tree/files"
  cd "$tree/files" || exit
  seq -f 'directory-with-a-name-%03g' 300 | xargs mkdir
  for directory in *; do
    (cd "$directory" && seq -f 'a-file-whose-name-is-as-long-as-usual-%04g' 1000 | xargs touch)
  done
  cd .. || exit
  tar -C files --format=ustar -cf layer .
  memory_pack image layer
  memory_below $((memory_most + 300300 * 200)) image rootfs
  rm -r "$tree"
}

# memory_below BYTES INPUT FORMAT [STDIN]: converts, and looks at the most that was resident every 10 ms.
memory_below() {
  local process peak=0 seen
  if [[ $2 == - ]]; then
    "$imgtar" convert -q -j 2 --to "$3" -o "$scratch/out" < <(cat "$4") &
  else
    "$imgtar" convert -q -j 2 "$2" --to "$3" -o "$scratch/out" &
  fi
  process=$!
  while seen=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$process/status" 2>/dev/null) && [[ -n $seen ]]; do
    peak=$seen
    sleep 0.01
  done
  wait "$process"
  rm -r "$scratch/out"
  echo "$peak KiB resident, $(($1 >> 10)) allowed"
  ((peak > 0 && peak << 10 < $1))
}
