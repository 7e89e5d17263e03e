// Where libFuzzer comes in: the one target of the binary.
#include <cstddef>
#include <cstdint>
#include <iostream>

#include "fuzz/target.h"

// OpenCV tells there of every image that it does not decode.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  std::cerr.rdbuf(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
