# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs, $out and $targets
# Deltas where Docker has the old image (docs/delta.md): imgtar makes the new one of what Docker saves, and Docker loads and runs
# it, the same image ID and files.
#
# Sourced by `run`.

delta_checks() {
  local target
  check 'delta: archives' delta_make
  for target in $targets; do
    check "delta: docker save, made by imgtar, docker load of $target" delta_docker "$target"
  done
}

# app:1 with all of its layers in one, and a file more: no layer of it is one that Docker has.
delta_make() {
  echo new >"$scratch/added"
  imgtar edit "$inputs/docker-save.tar" --image app:1 --tag app:2 --label x=y --squash --add "$scratch/added:/added" \
    --to legacy -o "$out/delta-new.tar"
  imgtar convert "$inputs/docker-save.tar" --image app:1 --to legacy -o "$out/delta-old.tar"
  imgtar convert "$out/delta-new.tar" --to delta --base "$out/delta-old.tar" -o "$out/up.delta"
  archive_facts "$out/delta-new.tar" >"$scratch/delta-new.facts"
  imgtar convert "$out/delta-new.tar" --to rootfs -o "$scratch/delta-rootfs.tar"
  tree_unpack "$scratch/delta-rootfs.tar" "$scratch/delta-tree"
}

delta_docker() {
  local tree
  docker_fresh to
  docker_at to load --quiet --input "$out/delta-old.tar"
  docker_at to save --output "$scratch/delta-saved.tar" app:1
  imgtar convert "$out/up.delta" --with "$scratch/delta-saved.tar" --to "$1" -o "$scratch/delta-made.tar"
  docker_at to load --quiet --input "$scratch/delta-made.tar"
  same facts "$(<"$scratch/delta-new.facts")" "$(docker_facts to app:2)"
  same 'the file in it' new "$(docker_at to run --rm --network none --entrypoint /bin/cat app:2 /added </dev/null)"
  tree=$scratch/delta-docker
  edit_docker_tree to app:2 "$tree"
  tree_equal "$tree" "$scratch/delta-tree" without_containers_files
  rm -r "$tree" "$scratch/delta-saved.tar" "$scratch/delta-made.tar"
}
