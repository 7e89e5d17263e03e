// Where libFuzzer comes in: the one target of the binary.
#include <cstddef>
#include <cstdint>

#include "fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
