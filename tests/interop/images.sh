# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch and $inputs
# The real images that the engines and imgtar pass to each other, and the archives that each engine writes of them.
#
# Sourced by `run`. The archives go to "$inputs".

# The names that `app` bears: docker keeps the first short, everyone else spells it docker.io/library/app:1.
readonly app_names='app:1 registry.example/team/app:1.0'

# images_make small|big: the image, in docker's store `from`; its archives; and what is to be compared later:
# app.facts, and app.output of the command below.
images_make() {
  local system=${INTEROP_CACHE:-$scratch/cache}/$1
  dockerd_start from
  if [[ $1 == big ]]; then
    system_build "$system" --include=build-essential,gdb,git,perl-doc,python3-dev,vim
    app_build "$system" 40
  else
    system_build "$system"
    app_build "$system" 0
  fi
  docker_facts from app:1 >"$scratch/app.facts"
  docker_at from run --rm --network none --no-healthcheck app:1 sh -c "$app_command" >"$scratch/app.output"
  inputs_write
}

# system_build DIR [MMDEBSTRAP-OPTION...]: DIR/system.tar, a Debian system, and DIR/packages, more of its packages.
#
# Nothing is done where DIR has a system already.
system_build() {
  local dir=$1 mirror
  shift
  [[ ! -e $dir/system.tar ]] || return 0
  mkdir -p "$dir/packages"
  mirror=$(debian_mirror)
  (
    export INTEROP_PACKAGES=$dir/packages
    # shellcheck disable=SC2016 # mmdebstrap's shell expands it; apt is told by APT_CONFIG which system it works for
    mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Languages "none"' "$@" \
      --customize-hook='cd "$INTEROP_PACKAGES" && apt-get -qq download file libmagic1 libmagic-mgc' \
      bookworm "$dir/system.partial.tar" ${mirror:+"$mirror"}
  )
  mv "$dir/system.partial.tar" "$dir/system.tar"
}

# debian_mirror: the machine's own, where apt knows one.
debian_mirror() {
  apt-get indextargets --format "\$(SITE)" 'Origin: Debian' 'Codename: bookworm' 'Component: main' | sed -n 1p
}

# extras_build TAR: what packages seldom hold: a setuid file, a file capability, hard links, long names, odd names.
extras_build() {
  local root=$scratch/extras long
  mkdir -p "$root/opt/extras/links" "$root/opt/extras/empty"
  (
    cd "$root/opt/extras" || exit
    cp /bin/busybox busybox
    chmod 4755 busybox
    cp /bin/busybox ping
    # cap_net_raw+ep, as `setcap` would write it
    setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= ping
    echo linked >links/a
    ln links/a links/b
    ln links/a c
    ln -s ../../../etc/hosts outside
    ln -s /opt/extras/links dir
    long=$(printf 'n%.0s' {1..200})
    mkdir -p "$long/$long"
    echo long >"$long/$long/$long"
    ln "$long/$long/$long" "$long/hard"
    ln -s "$long/$long/$long" long-target
    echo odd >$'not utf-8 \xff\xfe'
    echo odd >'spaces and "quotes"'
    echo owned >owned
    chown 12345:3000000 owned
    chmod 1777 empty
    mkfifo fifo
    touch -d '1960-01-02 03:04:05 UTC' before-the-epoch
  )
  tar -C "$root" --format=pax --pax-option=delete=atime,delete=ctime --numeric-owner --xattrs --sort=name \
    -cf "$1" opt
}

# app_build SYSTEM-DIR MORE: the image `app:1` in docker's store `from`, built by docker's own builder, with MORE layers.
app_build() {
  local context=$scratch/context name layer
  mkdir "$context"
  cp -r "$1/packages" "$context"
  extras_build "$context/extras.tar"
  echo marker >"$context/marker"
  docker_at from import --change 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$1/system.tar" system:12 >/dev/null
  # The marker comes twice: `docker save` of that time writes the second as a symbolic link to the first.
  cat >"$context/Dockerfile" <<'EOF'
FROM system:12
COPY packages /var/tmp/packages
RUN dpkg -i /var/tmp/packages/*.deb && rm -r /var/tmp/packages /var/log/* /etc/skel/.profile
LABEL "org.example.text"="<a & b> é"
ADD extras.tar /
COPY marker /
RUN rm /marker && rm -r /usr/share/common-licenses && mkdir /usr/share/common-licenses && \
    echo replaced >/usr/share/common-licenses/README && \
    rm -r /usr/share/pixmaps && echo file >/usr/share/pixmaps && \
    rm /etc/debian_version && mkdir /etc/debian_version && echo dir >/etc/debian_version/inside && \
    ln /usr/bin/file /usr/bin/file-again && chmod 2755 /usr/bin/file && chmod 0700 /opt/extras/links
COPY marker /
EOF
  for ((layer = 1; layer <= $2; layer++)); do
    echo "RUN mkdir -p /srv/$((layer % 7)) && rm -f /srv/$(((layer + 1) % 7))/* && echo $layer >/srv/$((layer % 7))/$layer"
  done >>"$context/Dockerfile"
  cat >>"$context/Dockerfile" <<'EOF'
HEALTHCHECK CMD ["/bin/true"]
CMD ["/usr/bin/file", "/opt/extras/outside"]
EOF
  DOCKER_BUILDKIT=0 docker_at from build --quiet --network none --tag app:1 "$context"
  for name in $app_names; do
    docker_at from tag app:1 "$name"
  done
  rm -r "$context"
}

# The command that shows a loaded `app` to be whole, and what it prints.
readonly app_command='cat /etc/os-release /marker /etc/debian_version/inside; file -b /opt/extras/busybox;
  find / -xdev -path /proc -prune -o -type f -links +1 -printf x | wc -c; stat -c "%a %u:%g %n" /opt/extras/*;
  /opt/extras/ping --help 2>&1 | head -n 1; ls /usr/share/common-licenses'

# --- archives written by the engines -----------------------------------------------------------------------------------

# inputs_write: "$inputs"/*: what each engine writes of the image `app`.
inputs_write() {
  # shellcheck disable=SC2086 # a list of names
  docker_at from save $app_names >"$inputs/docker-save.tar"
  inputs_by_ctr
  inputs_by_containers
  inputs_by_umoci
}

inputs_by_ctr() {
  containerd_fresh
  ctr_import "$inputs/docker-save.tar"
  ctr_here images export "$inputs/ctr-export.tar" docker.io/library/app:1 registry.example/team/app:1.0
  containerd_stop
}

inputs_by_containers() {
  local source=docker-archive:$inputs/docker-save.tar:app:1
  containers_fresh
  skopeo_here copy -q "$source" "docker-archive:$inputs/skopeo-docker-archive.tar:app:1"
  skopeo_here copy -q "$source" "oci-archive:$inputs/skopeo-oci-archive.tar:app:1"
  skopeo_here copy -q "$source" "oci:$inputs/skopeo-oci-dir:1"
  podman load -q -i "$inputs/docker-save.tar"
  podman save -q --format docker-archive -o "$inputs/podman-docker-archive.tar" app:1
  podman save -q --format oci-archive -o "$inputs/podman-oci-archive.tar" app:1
  podman save -q --format oci-dir -o "$inputs/podman-oci-dir" app:1
  buildah push -q app:1 "docker-archive:$inputs/buildah-docker-archive.tar:app:1"
  buildah push -q app:1 "oci-archive:$inputs/buildah-oci-archive.tar:app:1"
  containers_fresh
}

# umoci writes layouts; this one has an opaque directory and extended attributes that no other engine lets through.
inputs_by_umoci() {
  local root=$scratch/top layout=$inputs/umoci-dir
  mkdir -p "$root/opt/extras" "$root/usr/share/bug"
  : >"$root/usr/share/bug/.wh..wh..opq"
  : >"$root/opt/extras/.wh.owned"
  echo attributes >"$root/opt/extras/attributes"
  setfattr -n user.comment -v $'two\nlines' "$root/opt/extras/attributes"
  setfattr -n trusted.note -v note "$root/opt/extras"
  tar -C "$root" --format=pax --xattrs --xattrs-include='*' --sort=name -cf "$scratch/top.tar" opt usr
  cp -r "$inputs/skopeo-oci-dir" "$layout"
  umoci raw add-layer --image "$layout:1" --tag 2 "$scratch/top.tar"
  umoci rm --image "$layout:1"
  umoci gc --layout "$layout"
  tar -C "$layout" -cf "$inputs/umoci-oci.tar" .
  rm -r "$root" "$scratch/top.tar"
}
