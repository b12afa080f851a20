# shellcheck shell=bash
# shellcheck disable=SC2154 # `run` sets $scratch
# File trees as text, so that two of them can be compared.
#
# Sourced by `run`.

# tree_listing DIRECTORY: all that an archive can tell of it, one fact a line: metadata, hard links, attributes, contents.
tree_listing() {
  (
    cd "$1" || exit
    export LC_ALL=C
    find . ! -type d -printf '%p\t%y %m %U:%G %s %T@ %l\n' -o -printf '%p\t%y %m %U:%G %T@\n' | sort
    find . -type f -links +1 -printf '%i\t%p\n' | sort | tree_link_groups | sort
    find . \( -type b -o -type c \) -exec stat -c '%n device %t,%T' {} + | sort
    find . -print0 | sort -z | xargs -0 getfattr --no-dereference --dump --match=- --encoding=base64
    find . -type f -print0 | sort -z | xargs -0 sha256sum
  )
}

# From lines of inode and path, sorted, to lines of all paths that share one.
tree_link_groups() {
  awk -F '\t' '$1 != inode { if (NR > 1) print group; group = "links"; inode = $1 } { group = group " = " $2 }
    END { print group }'
}

# tree_unpack TAR DIRECTORY: as a user would, as root, with everything kept.
tree_unpack() {
  mkdir "$2"
  tar -C "$2" -xpf "$1" --xattrs --xattrs-include='*' --numeric-owner
}

# tree_equal DIRECTORY DIRECTORY [FILTER...]: FILTER is a command that takes from both what need not be equal.
tree_equal() {
  local a=$1 b=$2
  shift 2
  diff <(tree_listing "$a" | "${@:-cat}") <(tree_listing "$b" | "${@:-cat}") >"$scratch/tree.diff" && return
  echo "the trees differ in $(grep -c '^[<>]' "$scratch/tree.diff") lines:"
  grep '^[<>]' "$scratch/tree.diff" | head -n 6
  return 1
}
