# shellcheck shell=bash
# The container engines of Debian, each with everything it keeps below one scratch directory.
#
# Sourced by `run`. After `engines_init`, "$scratch" is a directory that goes away at the end, together with every
# daemon started here; nothing in /var/lib, /run or $HOME is read or left behind, but for what the engines write there
# whatever they are told (the blob cache of containers/image, dockerd's /etc/docker/key.json).
#
# `*_fresh` empties a store. It comes before every load: a graph store that already knows a chain ID does not read the
# layer at all, and a content store that has a blob does not look at the one in the archive.

# Debian's programs, also where a newer docker client stands in front of them.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

# The programs that must be there, each with the Debian package that has it.
readonly engine_packages='dockerd:docker.io docker:docker.io runc:runc containerd:containerd ctr:containerd
  podman:podman skopeo:skopeo buildah:buildah umoci:umoci mmdebstrap:mmdebstrap jq:jq bsdtar:libarchive-tools
  getfattr:attr sqfstar:squashfs-tools tar2sqfs:squashfs-tools-ng busybox:busybox-static zstd:zstd xz:xz-utils
  bzip2:bzip2'

# Names every program that is missing; fails if there is one.
engines_present() {
  local pair missing=0
  for pair in $engine_packages; do
    if ! command -v "${pair%%:*}" >/dev/null; then
      echo "${pair%%:*} is missing (apt-get install ${pair#*:})"
      missing=1
    fi
  done
  return "$missing"
}

# Makes the scratch directory and the configuration files of the engines.
engines_init() {
  scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/imgtar-interop.XXXXXX")
  readonly scratch
  trap engines_stop EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$scratch/tmp" "$scratch/docker-config" "$scratch/containers"
  drivers_choose
  export TMPDIR=$scratch/tmp DOCKER_CONFIG=$scratch/docker-config
  # With unpigz, where it is installed, they take bytes behind a gzip stream that their own decoder refuses.
  export MOBY_DISABLE_PIGZ=1 CONTAINERD_DISABLE_PIGZ=1
  echo "{}" >"$DOCKER_CONFIG/config.json" # podman looks there for logins, and fails without it
  containers_configure
}

# Overlay file systems where the scratch directory allows them, else copies: right as well, but five times slower.
drivers_choose() {
  local probe=$scratch/overlay
  mkdir -p "$probe"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" \
    "$probe/merged" 2>/dev/null; then
    umount "$probe/merged"
    docker_driver=overlay2 containerd_snapshotter=overlayfs containers_driver=overlay
  else
    docker_driver=vfs containerd_snapshotter=native containers_driver=vfs
  fi
  readonly docker_driver containerd_snapshotter containers_driver
  rm -rf "$probe"
}

# Stops what is still running and removes the scratch directory.
engines_stop() {
  local pidfile
  for pidfile in "$scratch"/*/*.pid; do
    if [[ -e $pidfile ]]; then
      daemon_stop "$pidfile"
    fi
  done
  unmount_below "$scratch"
  rm -rf --one-file-system "$scratch"
}

# dockerd binds its data root onto itself; a daemon that had to be killed leaves that and its containers' mounts.
unmount_below() {
  findmnt -rno TARGET | LC_ALL=C sort -r | while read -r target; do
    if [[ $target == "$1"/* ]]; then
      umount -l "$target"
    fi
  done
}

# --- daemons ---------------------------------------------------------------------------------------------------------

# daemon_start PIDFILE LOG COMMAND...: in a session of its own, so that an interrupt reaches it only through the trap.
daemon_start() {
  local pidfile=$1 log=$2
  shift 2
  # shellcheck disable=SC2016 # the inner shell expands them: its process id is that of the daemon
  setsid bash -c 'echo $$ >"$0"; exec "$@"' "$pidfile" "$@" >"$log" 2>&1 </dev/null &
}

# daemon_ready LOG COMMAND...: waits until COMMAND succeeds, at most half a minute.
daemon_ready() {
  local log=$1
  shift
  for _ in {1..300}; do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  echo "not ready after 30 s: $*"
  tail -n 5 "$log"
  return 1
}

# daemon_stop PIDFILE: asks, waits, insists.
daemon_stop() {
  local pid
  pid=$(<"$1")
  rm -f "$1"
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in {1..300}; do
    daemon_runs "$pid" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

# A process that has ended, but that nobody has waited for yet, runs no more.
daemon_runs() {
  [[ -r /proc/$1/status ]] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# --- docker: several engines side by side, told apart by name ----------------------------------------------------------

# dockerd_start NAME: an engine whose containers get no network.
dockerd_start() {
  local home=$scratch/dockerd-$1
  mkdir -p "$home"
  printf '{"deprecated-key-path": "%s"}\n' "$home/key.json" >"$home/daemon.json"
  daemon_start "$home/engine.pid" "$home/log" \
    dockerd --config-file "$home/daemon.json" --host "unix://$home/sock" --data-root "$home/root" \
    --exec-root "$home/exec" --pidfile "$home/dockerd.pidfile" --storage-driver "$docker_driver" \
    --iptables=false --ip6tables=false --bridge=none --ip-forward=false --ip-masq=false
  daemon_ready "$home/log" docker_at "$1" version
}

dockerd_stop() {
  local home=$scratch/dockerd-$1
  if [[ -e $home/engine.pid ]]; then
    daemon_stop "$home/engine.pid"
  fi
  unmount_below "$home"
  rm -rf --one-file-system "$home"
}

# docker_fresh NAME: an engine that holds no image and no layer.
docker_fresh() {
  if [[ -e $scratch/dockerd-$1/engine.pid ]] && docker_emptied "$1"; then
    return
  fi
  dockerd_stop "$1"
  dockerd_start "$1"
}

# Removes all that the engine holds; fails if it still knows a layer.
docker_emptied() {
  docker_at "$1" system prune --all --force >/dev/null &&
    [[ -z $(find "$scratch/dockerd-$1/root/image/$docker_driver/layerdb/sha256" -mindepth 1 -print -quit) ]]
}

# docker_at NAME ARGUMENTS...: the client of that engine.
docker_at() {
  local name=$1
  shift
  DOCKER_HOST=unix://$scratch/dockerd-$name/sock docker "$@"
}

# --- containerd --------------------------------------------------------------------------------------------------------

containerd_start() {
  local home=$scratch/containerd
  mkdir -p "$home"
  cat >"$home/config.toml" <<EOF
version = 2
root = "$home/root"
state = "$home/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$home/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$home/opt"
EOF
  daemon_start "$home/engine.pid" "$home/log" containerd --config "$home/config.toml"
  daemon_ready "$home/log" ctr_here version
}

containerd_stop() {
  local home=$scratch/containerd
  if [[ -e $home/engine.pid ]]; then
    daemon_stop "$home/engine.pid"
  fi
  unmount_below "$home"
  rm -rf --one-file-system "$home"
}

# An engine that holds nothing; a restart takes no longer than its garbage collection would.
containerd_fresh() {
  containerd_stop
  containerd_start
}

ctr_here() {
  ctr --address "$scratch/containerd/sock" "$@"
}

# ctr_import ARCHIVE
ctr_import() {
  ctr_here images import --all-platforms --snapshotter "$containerd_snapshotter" "$1"
}

# --- podman, buildah, skopeo: one library, one configuration -----------------------------------------------------------

# Writes the files that containers/{common,image,storage} look for instead of those in /etc/containers.
#
# The limits are those that podman may always set: it asks for more than the hard limit where it is root without
# CAP_SYS_RESOURCE. runc, because crun refuses machines that mix cgroups v1 and v2. NET_RAW, because the images here
# hold a program with that file capability, which cannot be started where the bounding set lacks it (docker's default
# set has it, podman's has not).
containers_configure() {
  local home=$scratch/containers
  cat >"$home/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
  "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
tmp_dir = "$home/run/libpod"
image_copy_tmp_dir = "$scratch/tmp"
EOF
  cat >"$home/storage.conf" <<EOF
[storage]
driver = "$containers_driver"
graphroot = "$home/graph"
runroot = "$home/run"
EOF
  printf '{"default": [{"type": "insecureAcceptAnything"}]}\n' >"$home/policy.json"
  : >"$home/registries.conf"
  export CONTAINERS_CONF=$home/containers.conf CONTAINERS_STORAGE_CONF=$home/storage.conf
  export CONTAINERS_REGISTRIES_CONF=$home/registries.conf
}

# The store that podman and buildah share.
containers_fresh() {
  local home=$scratch/containers
  unmount_below "$home"
  rm -rf --one-file-system "${home:?}/graph" "${home:?}/run"
}

skopeo_here() {
  skopeo --policy "$scratch/containers/policy.json" --tmpdir "$scratch/tmp" "$@"
}
