#!/usr/bin/env bash
# All there is to do on a GPU that is at hand for a quarter of an hour, in two commands that end inside their limits:
#   OUT=FOLDER tools/gpu/burst.sh check                         tests, times; rooms begin to be simulated   (240 s)
#   OUT=FOLDER tools/gpu/burst.sh train SECONDS [NAME=VALUE..]  both networks side by side          (SECONDS + 80 s)
# Either works alone. NAME=VALUE changes the training, as precision=float32 or semantic.max_voxels=60000.
# A step that fails stops no other one. OUT receives summary.txt (how each step went), logs.txt (what it said),
# bench.json of `check`, and of `train` the weights, every minute: see tools/gpu/train.py.
# `make gpu-wheels` fills .whl first: what a machine without a network lacks, and rooms to begin with.
# Variables: PYTHON, DEVICE (cpu rehearses it all), TINY=1 (in seconds), CARRIED (.whl), SCRATCH (build/gpu).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${OUT:?a folder for what is to come back}" "${PYTHON:=python3}" "${DEVICE:=cuda}" "${TINY:=}"
: "${CARRIED:=.whl}" "${SCRATCH:=build/gpu}"
mkdir -p "$OUT" "$SCRATCH/site" "$SCRATCH/rooms"
scratch=$(cd "$SCRATCH" && pwd)  # for the environment, which other folders may read; never written anywhere
: "${SSEN_NATIVE_LIBRARY:=$scratch/native/libssen_native.so}"
export SSEN_NATIVE_LIBRARY PYTHONPATH="$PWD:$scratch/site" TRITON_CACHE_DIR="$scratch/triton"
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 SSEN_SKIP_ROS_TESTS=1 SSEN_TEST_DEVICE=$DEVICE
cores=$(env -u OMP_NUM_THREADS nproc) rooms=1200 enough=60 patience=1
[ -z "$TINY" ] || { rooms=3 enough=2 patience=10; }  # a rehearsal may have to share its cores

step() {  # step NAME SECONDS COMMAND...
  local name=$1 limit=$(($2 * patience)) begin=$SECONDS code; shift 2
  timeout -k 5 "$limit" "$@" > "$SCRATCH/$name.log" 2>&1; code=$?
  printf '%-12s exit %3d %4d s of %d\n' "$name" "$code" $((SECONDS - begin)) "$limit" >> "$OUT/summary.txt"
  { echo "=== $name"; tail -c 60000 "$SCRATCH/$name.log"; } >> "$OUT/logs.txt"
  return "$code"
}

prepare() {
  step machine 20 bash -c 'echo "$1 cores"; nvidia-smi -L; grep -m1 "model name" /proc/cpuinfo; df -h /dev/shm | tail -1
    "$0" -c "import sys, torch, numpy; print(sys.version, torch.__version__, numpy.__version__)"' "$PYTHON" "$cores"
  if [ ! -f "$SSEN_NATIVE_LIBRARY" ]; then
    step native 60 bash -c 'cmake -S src -B "$0" -DCMAKE_BUILD_TYPE=Release && cmake --build "$0" --parallel' \
      "$SCRATCH/native" || export SSEN_NATIVE_LIBRARY="$PWD/$CARRIED/libssen_native.so"
  fi
  if compgen -G "$CARRIED/*.whl" > /dev/null; then
    step wheels 30 "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --upgrade \
      --target "$SCRATCH/site" "$CARRIED"/*.whl
  fi
  cp -n "$CARRIED"/rooms/* "$SCRATCH/rooms/" 2> /dev/null
  # Once, and detached: it outlives this command, and the training finds its rooms as they come.
  if mkdir "$SCRATCH/simulating" 2> /dev/null; then
    setsid nohup nice "$PYTHON" -m ssen_ros.cli simulate --rooms "$rooms" --seed 3000 --out "$SCRATCH/rooms" \
      --workers $((cores > 6 ? cores - 6 : 1)) > "$SCRATCH/simulating/log" 2>&1 < /dev/null &
  fi
}

count() { compgen -G "$SCRATCH/rooms/*.npz" | wc -l; }

check() {
  prepare
  step tests 75 "$PYTHON" -m pytest -q -p no:cacheprovider test/gpu
  step bench 75 "$PYTHON" tools/gpu/bench.py --device "$DEVICE" --rooms "$SCRATCH/rooms" --out "$OUT/bench.json" \
    ${TINY:+--tiny}
}

train() {
  local seconds=$1; shift
  prepare
  for _ in {1..60}; do [ "$(count)" -ge "$enough" ] && break; sleep 1; done
  [ -z "$TINY" ] || set -- batch_size=2 workers=1 log_steps=1 semantic.max_voxels=500 embedding.max_voxels=500 "$@"
  step train $((seconds + 60)) "$PYTHON" tools/gpu/train.py "$seconds" --rooms "$SCRATCH/rooms" \
    --runs "$SCRATCH/runs" --out "$OUT" --grace $((20 * patience)) \
    device="$DEVICE" workers=$((cores > 5 ? (cores - 4) / 2 : 0)) "$@"
}

case "${1:-}" in
  check) check ;;
  train) shift; train "${1:?seconds of training}" "${@:2}" ;;
  *) sed -n '2,9s/^# \?//p' "$0" >&2; exit 2 ;;
esac
printf '%-12s %d\n' rooms "$(count)" >> "$OUT/summary.txt"
cat "$OUT/summary.txt"
