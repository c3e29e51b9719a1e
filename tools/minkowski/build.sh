#!/usr/bin/env bash
# Build a wheel of MinkowskiEngine 0.5.4 from its source on PyPI, for the torch of a Python environment.
#
#   tools/minkowski/build.sh [FOLDER]      the wheel's folder; default: wheels/ beside this script
#
#   PYTHON=.venv/bin/python   whose torch it is built for (default python3)
#   CPU_ONLY=1, FORCE_CUDA=1  default: CUDA where torch finds a GPU
#   BLAS=openblas             for the CPU: openblas, mkl, atlas, blas
#   MAX_JOBS=2                compilers at once (default: one a core; each takes up to 2 GB)
#
# Needs g++, patch, the headers of the BLAS (Debian: libopenblas-dev), torch and numpy; for CUDA its toolkit.
# Installs setuptools, wheel and ninja into that environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath -m "${1:-$here/wheels}")
python=${PYTHON:-python3}
[[ $python != */* ]] || python=$(realpath -s "$python")
version=0.5.4
sha256=b1879c00d0b0b1d30ba622cce239886a7e3c78ee9da1064cdfe2f64c2ab15f94
export BLAS=${BLAS:-openblas} MAX_JOBS=${MAX_JOBS:-$(nproc)} LDFLAGS="${LDFLAGS:-} -Wl,--strip-debug"

for tool in g++ patch; do
  command -v "$tool" > /dev/null || { echo "build.sh: $tool is missing; install it first" >&2; exit 1; }
done
"$python" -c 'import numpy, torch' || { echo "build.sh: $python needs torch and numpy first" >&2; exit 1; }
if [[ $BLAS == openblas ]] && ! echo '#include <cblas.h>' | g++ -E -x c++ - > /dev/null 2>&1; then
  echo 'build.sh: cblas.h is missing; install libopenblas-dev (Debian), or set BLAS' >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip install -q 'setuptools>=61' wheel ninja

# pip asks an sdist for its metadata even to download it, which runs setup.py, still without our patch: that
# needs a BLAS by name, and calls `pip uninstall MinkowskiEngine -y`, which a pip that does nothing keeps off.
mkdir "$work/stub"
printf '#!/bin/sh\n' > "$work/stub/pip"
chmod +x "$work/stub/pip"
echo "MinkowskiEngine==$version --config-settings=\"--global-option=--blas=$BLAS\" --hash=sha256:$sha256" \
  > "$work/requirements.txt"
PATH="$work/stub:$PATH" "$python" -m pip download -q --no-deps --no-binary :all: --no-build-isolation \
  --use-pep517 -d "$work" -r "$work/requirements.txt"

tar xf "$work/MinkowskiEngine-$version.tar.gz" -C "$work" --no-same-owner
patch -s -p1 -d "$work/MinkowskiEngine-$version" < "$here/minkowskiengine-$version.patch"
mkdir -p "$out"
echo "== MinkowskiEngine $version for $("$python" -c 'import torch; print("torch", torch.__version__)'), about 10 minutes on two cores"
cd "$work/MinkowskiEngine-$version"
"$python" -m pip wheel -q . --no-deps --no-build-isolation --use-pep517 -w "$out"
ls -l "$out"/[Mm]inkowski[Ee]ngine-"$version"-*.whl
