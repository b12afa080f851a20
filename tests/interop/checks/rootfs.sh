# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch, $inputs and $out
# The flattened file system, against those that umoci and docker make of the same image, and in use.
#
# Sourced by `run`.

rootfs_checks() {
  umoci raw unpack --image "$inputs/skopeo-oci-dir:1" "$scratch/tree-umoci" &>/dev/null
  check 'rootfs: as umoci unpacks it' rootfs_as_umoci "$inputs/docker-save.tar" "$scratch/tree-umoci" tree-imgtar
  check 'rootfs: as docker export has it' rootfs_as_docker
  check 'rootfs: chroot runs' rootfs_runs
  check 'rootfs: sqfstar' rootfs_as_sqfstar
  check 'rootfs: tar2sqfs' rootfs_as_tar2sqfs
  umoci raw unpack --image "$inputs/umoci-dir:2" "$scratch/tree-umoci-top" &>/dev/null
  check 'rootfs: opaque directory and attributes, as umoci unpacks it' \
    rootfs_as_umoci "$inputs/umoci-oci.tar" "$scratch/tree-umoci-top" tree-imgtar-top
}

# rootfs_as_umoci INPUT TREE NAME: our tree stays below NAME for the checks that follow.
rootfs_as_umoci() {
  imgtar convert "$1" --to rootfs -o "$scratch/$3.tar"
  tree_unpack "$scratch/$3.tar" "$scratch/$3"
  tree_equal "$2" "$scratch/$3"
}

# docker export has whole seconds and no attribute but capabilities, and the files that docker lays over every container.
rootfs_as_docker() {
  local container
  container=$(docker_at from create app:1)
  docker_at from export "$container" >"$scratch/export.tar"
  docker_at from rm "$container"
  tree_unpack "$scratch/export.tar" "$scratch/tree-export"
  tree_equal "$scratch/tree-export" "$scratch/tree-imgtar" without_containers_files
  rm -r "$scratch/tree-export" "$scratch/export.tar"
}

without_containers_files() {
  sed -E 's/(\.[0-9]{9}[0-9]) /.0 /' |
    grep -vaE '^(.*  )?(# file: )?(\.|\./|\./)?(\.dockerenv|etc|dev|proc|sys|dev/(pts|shm|console)|etc/(hosts|hostname|resolv\.conf|mtab))?([[:space:]]|$)'
}

rootfs_runs() {
  same output "$(<"$scratch/app.output")" "$(chroot "$scratch/tree-imgtar" /bin/sh -c "$app_command")"
}

# Squashfs keeps whole seconds after 1970. (lz4 as tar2sqfs writes it can be mounted, but unsquashfs 4.5 cannot read it.)
rootfs_as_sqfstar() {
  imgtar convert "$inputs/docker-save.tar" --to rootfs | sqfstar -comp lz4 -quiet -no-progress "$scratch/app.sqfs"
  squashfs_equal
}

rootfs_as_tar2sqfs() {
  imgtar convert "$inputs/docker-save.tar" --to rootfs | tar2sqfs --compressor gzip --comp-extra level=1 --quiet --force "$scratch/app.sqfs"
  squashfs_equal
}

# As the kernel shows it, or unpacked where nothing can be mounted.
squashfs_equal() {
  local tree=$scratch/tree-squashfs
  mkdir "$tree"
  if mount -t squashfs -o loop,ro "$scratch/app.sqfs" "$tree"; then
    tree_equal "$scratch/tree-imgtar" "$tree" without_times
    umount "$tree"
  else
    unsquashfs -quiet -no-progress -force -dest "$tree" "$scratch/app.sqfs"
    tree_equal "$scratch/tree-imgtar" "$tree" without_times
  fi
  rm -r "$tree" "$scratch/app.sqfs"
}

without_times() {
  sed -E '/^\.\t/d; s/ -?[0-9]+\.[0-9]{10}( |$)/ /'
}
