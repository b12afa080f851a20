# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Damaged archives: swapped `Layers` entries, a cut archive, one without an end, one with a wrong byte.
#
# Sourced by `run`.

# Every archive below must be refused as corrupt, for each target, and leave no output behind.
damage_checks() {
  local damage target
  check 'damage: made' damage_make
  for damage in swapped cut unended flipped; do
    for target in legacy docker oci rootfs; do
      check "damage: $damage to $target is refused" damage_refused "$scratch/$damage.tar" "$target"
    done
    check "damage: $damage through a pipe is refused" damage_refused - legacy "$scratch/$damage.tar"
  done
}

damage_make() {
  local real=$inputs/docker-save.tar size
  size=$(stat -c %s "$real")
  damage_swap "$real" "$scratch/swapped.tar"
  head -c $((size / 2)) "$real" >"$scratch/cut.tar"
  # From the end: all of the end marker is gone, all of the members are there.
  damage_unend "$real" "$scratch/unended.tar"
  cp "$real" "$scratch/flipped.tar"
  printf '\377' | dd of="$scratch/flipped.tar" bs=1 seek=$((size / 2)) conv=notrunc status=none
}

# Two entries of `Layers` change places.
damage_swap() {
  local tree=$scratch/swap
  mkdir "$tree"
  tar -C "$tree" -xf "$1"
  jq -c '.[0].Layers |= [.[1], .[0]] + .[2:]' "$tree/manifest.json" >"$scratch/manifest.json"
  mv "$scratch/manifest.json" "$tree"
  tar -C "$tree" -cf "$2" .
  rm -r "$tree"
}

damage_unend() {
  local size
  cp "$1" "$2"
  size=$(stat -c %s "$2")
  while ((size > 0)) && cmp -s <(tail -c +$((size - 511)) "$2" | head -c 512) <(head -c 512 /dev/zero); do
    size=$((size - 512))
    truncate -s "$size" "$2"
  done
}

# damage_refused INPUT TARGET [STANDARD-INPUT]
damage_refused() {
  exits 3 imgtar convert "$1" --to "$2" -o "$out/damaged.tar" < <(cat "${3:-/dev/null}")
  [[ ! -e $out/damaged.tar ]] || { echo 'left an output'; return 1; }
}
