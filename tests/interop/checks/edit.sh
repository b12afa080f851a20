# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# Edited images in real engines: they load, have the config that was asked for and the files of the original, all of them
# and no other, and their containers run.
#
# Sourced by `run`.

edit_checks() {
  local change
  check 'edit: the tree of the original' edit_original
  check 'edit: archives' edit_make
  for change in squash top remove add config normalize rebase layer; do
    edit_loads_checks "$change"
  done
  for change in squash top remove rebase layer; do
    edit_elsewhere_checks "$change"
  done
  check 'edit, squash: a docker save archive' docker_loads "$out/edit-squash-legacy.tar" \
    "$scratch/edit-squash.facts" app:1
  check 'edit, config: docker inspect' edit_config_by_docker
  check 'edit, config: podman inspect' edit_config_by_podman
  check 'edit: what a removal leaves behind' edit_removed
}

# "$scratch/edit-original": what docker export has of the image. "$scratch/edit-remove.output": what the command of the image
# prints in a container from which the same paths were removed.
edit_original() {
  edit_docker_tree from app:1 "$scratch/edit-original"
  docker_at from run --rm --network none --no-healthcheck app:1 sh -c \
    "rm -r /opt/extras/c /usr/bin/file-again /etc/debian_version; $app_command" >"$scratch/edit-remove.output"
  refused cmp "$scratch/app.output" "$scratch/edit-remove.output"
}

# The image after each change, as an OCI layout, and what it is then. The layers of the Dockerfile have files that later
# ones delete, replaced directories, hard links across layers; layer 1 holds packages that the next one removes again.
edit_make() {
  echo added >"$scratch/added"
  edit_write squash --squash
  edit_write top --squash-top 3
  edit_write remove --remove opt/extras/c --remove '**/file-again' --remove etc/debian_version
  edit_write add --add "$scratch/added:/opt/extras/dir/" --add "$scratch/added:bin/added:0751:3:4"
  edit_write config --entrypoint /bin/echo --cmd hello --env A=1 --env PATH=/bin --label x=y --user 7 --workdir /srv \
    --expose 80 --volume /data --stop-signal SIGINT
  SOURCE_DATE_EPOCH=1000000000 edit_write normalize --normalize
  docker_at from save system:12 >"$scratch/system.tar"
  imgtar edit "$scratch/system.tar" --add "$scratch/added:/from-the-base" --to docker -o "$scratch/system-new.tar"
  edit_write rebase --rebase "$scratch/system.tar=$scratch/system-new.tar"
  edit_write layer --remove-layer 1
  imgtar edit "$inputs/docker-save.tar" --image app:1 --squash --to legacy -o "$out/edit-squash-legacy.tar"
}

# edit_write CHANGE FLAGS...
edit_write() {
  local change=$1
  shift
  imgtar edit "$inputs/docker-save.tar" --image app:1 --tag app:1 "$@" --to oci -o "$out/edit-$change.tar"
  archive_facts "$out/edit-$change.tar" >"$scratch/edit-$change.facts"
  refused cmp "$scratch/app.facts" "$scratch/edit-$change.facts"
}

edit_loads_checks() {
  local archive=$out/edit-$1.tar facts=$scratch/edit-$1.facts
  check "edit, $1: docker load" docker_loads "$archive" "$facts" app:1
  if [[ $1 != config ]]; then # whose entrypoint is another
    check "edit, $1: docker run" edit_runs "$1" docker_at to app:1
  fi
  check "edit, $1: the tree that docker exports" edit_tree_is "$1" edit_docker_tree to app:1
  check "edit, $1: skopeo oci-archive" skopeo_reads "oci-archive:$archive:1" "$facts"
}

# The changes of layers, of which engines that stack them could make something else.
edit_elsewhere_checks() {
  local archive=$out/edit-$1.tar facts=$scratch/edit-$1.facts
  check "edit, $1: ctr import" ctr_loads "$archive" "$facts" app:1
  check "edit, $1: podman load" podman_loads "$archive" "$facts" docker.io/library/app:1
  check "edit, $1: podman run" edit_runs "$1" podman docker.io/library/app:1
  check "edit, $1: the tree that podman mounts" edit_tree_is "$1" edit_podman_tree docker.io/library/app:1
  check "edit, $1: skopeo docker-archive" skopeo_reads "docker-archive:$archive:app:1" "$facts"
}

# edit_runs CHANGE ENGINE... NAME: a container of the image prints what one of the original does.
edit_runs() {
  local expected=$scratch/app.output filter=cat
  if [[ $1 == remove ]]; then
    expected=$scratch/edit-remove.output filter=without_numbers
  fi
  same output "$("$filter" <"$expected")" \
    "$("${@:2:$#-2}" run --rm --network none --no-healthcheck "${@: -1}" sh -c "$app_command" | "$filter")"
}

# An overlay counts the names of a file that were removed above it, so the number of files with several
# names is another where they were removed in a container.
without_numbers() {
  grep -vx '[0-9]*'
}

# edit_docker_tree ENGINE NAME DIRECTORY
edit_docker_tree() {
  local container
  container=$(docker_at "$1" create --entrypoint /bin/true "$2")
  mkdir "$3"
  docker_at "$1" export "$container" | tar -C "$3" -xpf - --xattrs --xattrs-include='*' --numeric-owner
  docker_at "$1" rm "$container"
}

# edit_podman_tree NAME DIRECTORY
edit_podman_tree() {
  local mounted
  mounted=$(podman image mount "$1")
  mkdir "$2"
  tar -C "$mounted" -cf - --xattrs --xattrs-include='*' --numeric-owner . |
    tar -C "$2" -xpf - --xattrs --xattrs-include='*' --numeric-owner
  podman image unmount "$1"
}

# edit_tree_is CHANGE COMMAND...: the command, given a directory to fill, finds the tree that the change should make.
edit_tree_is() {
  local change=$1 found=$scratch/edit-found expected=$scratch/edit-expected filter=without_containers_files
  shift
  rm -rf "$found" "$expected"
  "$@" "$found"
  cp -a "$scratch/edit-original" "$expected"
  edit_expected "$change" "$expected"
  if [[ $change == normalize ]]; then
    filter=without_late_times
  fi
  tree_equal "$expected" "$found" "$filter"
  rm -rf "$found" "$expected"
}

# What each change makes of the original's tree; the times of directories stay (R-17).
edit_expected() {
  case $1 in
    rebase)
      install -m 0644 "$scratch/added" "$2/from-the-base"
      touch -d @0 "$2/from-the-base"
      ;;
    remove)
      edit_keeping_time "$2/opt/extras" rm "$2/opt/extras/c"
      edit_keeping_time "$2/usr/bin" rm "$2/usr/bin/file-again"
      edit_keeping_time "$2/etc" rm -r "$2/etc/debian_version"
      ;;
    add)
      edit_keeping_time "$2/opt/extras/links" install -m 0644 "$scratch/added" "$2/opt/extras/links/added"
      edit_keeping_time "$2/usr/bin" install -m 0751 -o 3 -g 4 "$scratch/added" "$2/usr/bin/added"
      touch -d @0 "$2/opt/extras/links/added" "$2/usr/bin/added"
      ;;
  esac
}

# edit_keeping_time DIRECTORY COMMAND...
edit_keeping_time() {
  touch -r "$1" "$scratch/time"
  "${@:2}"
  touch -r "$scratch/time" "$1"
}

# No time is later than the one that was asked for, so times are left out of the comparison.
without_late_times() {
  without_times | without_containers_files
}

readonly edit_config='{"Cmd":["hello"],"Entrypoint":["/bin/echo"],"Env":["PATH=/bin","A=1"],"User":"7","WorkingDir":"/srv","x":"y","text":"<a & b> é","ExposedPorts":["80/tcp"],"Volumes":["/data"],"StopSignal":"SIGINT","Test":["CMD","/bin/true"]}'

edit_config_of() {
  jq -c '.[0].Config | {Cmd, Entrypoint, Env, User, WorkingDir, x: .Labels.x, text: .Labels["org.example.text"],
    ExposedPorts: (.ExposedPorts | keys), Volumes: (.Volumes | keys), StopSignal, Test: .Healthcheck.Test}'
}

edit_config_by_docker() {
  docker_fresh to
  docker_at to load --quiet --input "$out/edit-config.tar"
  same config "$edit_config" "$(docker_at to image inspect app:1 | edit_config_of)"
  same output hello "$(docker_at to run --rm --network none --no-healthcheck --user 0 app:1)"
  same history "$(docker_at from history --no-trunc --format '{{.CreatedBy}}' app:1)" \
    "$(docker_at to history --no-trunc --format '{{.CreatedBy}}' app:1)"
}

# podman keeps the health check, which OCI has no place for, beside the config.
edit_config_by_podman() {
  containers_fresh
  podman load --quiet --input "$out/edit-config.tar"
  same output hello "$(podman run --rm --network none --no-healthcheck --user 0 docker.io/library/app:1)"
  same config "$(jq -c 'del(.Test)' <<<"$edit_config")" \
    "$(podman image inspect docker.io/library/app:1 | edit_config_of | jq -c 'del(.Test)')"
}

# The other name of the link keeps the content, which is said; of the rest no layer holds a name.
edit_removed() {
  imgtar edit "$inputs/docker-save.tar" --image app:1 --remove opt/extras/c --dry-run --to oci 2>&1 |
    tee "$scratch/said"
  grep -E "the content of .opt/extras/c. stays, as .opt/extras/links/" "$scratch/said"
  same 'names left' '' "$(imgtar ls "$out/edit-remove.tar" --layers '**/file-again')"
}
