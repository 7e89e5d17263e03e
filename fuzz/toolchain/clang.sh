#!/bin/bash
# clang-14 behind .bazelrc's options for gcc: OpenMP has no runtime here, and headers are not compiled
# ahead, for clang would refuse one of other flags. What may include LibTorch begins with its ivalue.h,
# without which clang does not compile ATen's headers as C++20.
arguments=()
output= precompiles=no libtorch=no
while (($# > 0)); do
  case $1 in
    -fopenmp | -fpch-deps | --param=*) ;;
    -xc++-header) precompiles=yes ;;
    -include)
      shift
      [[ $1 = *_precompiled.h ]] || arguments+=(-include "$1")
      ;;
    -o)
      shift
      output=$1
      arguments+=(-o "$1")
      ;;
    *)
      [[ $1 != *external/libtorch/* ]] || libtorch=yes
      arguments+=("$1")
      ;;
  esac
  shift
done
if [[ $precompiles = yes ]]; then
  : > "$output"
  exit
fi
[[ $libtorch = no || ${arguments[*]} != *" -c "* ]] || arguments=(-include ATen/core/ivalue.h "${arguments[@]}")
exec clang++-14 "${arguments[@]}"
