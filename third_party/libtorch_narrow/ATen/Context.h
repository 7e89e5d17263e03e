// Almost nothing, in the place of LibTorch's header of this name. Each ATen/ops/*.h includes four
// headers of which its declarations use nothing, and what these define is instantiated anew in
// every file, behind a precompiled header too: a second of each. Whoever means one of them includes
// <libtorch_context.h>. These, which cost little, others of its headers take for granted; the last
// is of LibTorch 2.
#include <ATen/core/Formatting.h>
#include <ATen/core/LegacyTypeDispatch.h>
#if __has_include(<ATen/DeviceAccelerator.h>)
#include <ATen/DeviceAccelerator.h>
#endif
