// Modules and optimizers use all of ATen.
#include <libtorch_context.h>
#include_next <torch/types.h>
