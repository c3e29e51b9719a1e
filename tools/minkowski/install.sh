#!/usr/bin/env bash
# Make MinkowskiEngine importable in a Python environment: as it is, from a wheel, or built.
#
#   tools/minkowski/install.sh [FOLDER...]     folders that may hold a wheel; wheels/ beside this script does too
#
# PYTHON and all else is as for build.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}

works() {
  problem=$("$python" -W ignore -c 'import MinkowskiEngine' 2>&1) && return
  if [[ $problem == *libopenblas* ]]; then
    echo "install.sh: MinkowskiEngine needs libopenblas.so.0; install libopenblas0 (Debian)" >&2
    exit 1
  fi
  return 1
}

install() {
  "$python" -m pip install -q --no-deps --force-reinstall "$1" > /dev/null 2>&1 && works && echo "== $1"
}

! works || exit 0
shopt -s nullglob
for folder in "$@" "$here/wheels"; do
  for wheel in "$folder"/[Mm]inkowski[Ee]ngine-*.whl; do
    ! install "$wheel" || exit 0  # of another Python or torch: on to the next
  done
done
"$here/build.sh"
for wheel in "$here"/wheels/[Mm]inkowski[Ee]ngine-*.whl; do
  ! install "$wheel" || exit 0
done
echo "install.sh: MinkowskiEngine was built but cannot be imported: $problem" >&2
exit 1
