// What ATen/Context.h and its like hold back here: at::globalContext(), random generators, device
// guards.
#ifndef THIRD_PARTY_LIBTORCH_NARROW_LIBTORCH_CONTEXT_H_
#define THIRD_PARTY_LIBTORCH_NARROW_LIBTORCH_CONTEXT_H_

#include_next <ATen/Context.h>
#include_next <ATen/DeviceGuard.h>
#include_next <ATen/TensorUtils.h>
#include_next <ATen/TracerMode.h>

#endif  // THIRD_PARTY_LIBTORCH_NARROW_LIBTORCH_CONTEXT_H_
