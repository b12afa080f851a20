# shellcheck shell=bash
# Windows programs under wine, with everything that wine keeps below one scratch directory.
#
# Sourced by `run` and `release`.

# wine_init DIRECTORY: makes drive C: and the registry there.
wine_init() {
  export WINEPREFIX=$1 WINEDEBUG=-all
  wineboot --init >/dev/null 2>&1
  # wine 8 lacks the library from which Rust programs take random numbers.
  x86_64-w64-mingw32-gcc -shared -o "$1/drive_c/windows/system32/bcryptprimitives.dll" -x c - -ladvapi32 <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
C
}

wine_stop() {
  if [[ -n ${WINEPREFIX:-} ]]; then wineserver --kill || true; fi
}
