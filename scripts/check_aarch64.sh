#!/usr/bin/env bash
# Builds the compiled library for aarch64 (Jetson, Raspberry Pi) on any machine, and runs its checks in an emulator:
#   sudo apt install cmake g++-aarch64-linux-gnu qemu-user
#   scripts/check_aarch64.sh [FOLDER-TO-BUILD-IN]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/aarch64}
for program in cmake aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v $program > /dev/null || { echo "$program is missing: the first lines of $0 name the packages" >&2; exit 2; }
done

cmake -S src -B "$build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_BUILD_TYPE=Release -DSSEN_CHECK=ON > /dev/null
cmake --build "$build"
# The compiler's vectors have become NEON's: four sums at a time, multiplied and added by one instruction.
neon=$(aarch64-linux-gnu-objdump -d "$build/libssen_native.so" | grep -c 'fmla.*v[0-9]*\.4s' || true)
echo "$neon NEON multiply-adds"
[ "$neon" -gt 100 ]
qemu-aarch64 -L /usr/aarch64-linux-gnu "$build/ssen_check"
