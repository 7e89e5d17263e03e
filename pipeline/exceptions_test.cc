// What libraries throw, in one line each.
#include "pipeline/exceptions.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

namespace pipeline {
namespace {

template <class Exception>
absl::Status Thrown(const Exception& exception) {
  return Caught([&]() -> absl::Status { throw exception; });
}

TEST(CaughtTest, ExceptionsBecomeStatuses) {
  EXPECT_TRUE(Caught([] { return absl::OkStatus(); }).ok());
  EXPECT_EQ(Caught([] { return absl::NotFoundError("none"); }), absl::NotFoundError("none"));
  EXPECT_EQ(Thrown(std::runtime_error("one\ntwo")), absl::InternalError("one"));
  EXPECT_EQ(Thrown(std::bad_alloc()), absl::ResourceExhaustedError("not enough memory"));
  EXPECT_EQ(Thrown(c10::Error("shapes\ndiffer", "at frame 1", nullptr)),
            absl::InternalError("shapes"));
  EXPECT_EQ(Thrown(c10::OutOfMemoryError({"f", "a.cc", 1},
                                         "CUDA out of memory. Tried to allocate 2 GiB. Including "
                                         "non-PyTorch memory, this process has 3 GiB\nmore")),
            absl::ResourceExhaustedError("CUDA out of memory. Tried to allocate 2 GiB."));
  EXPECT_EQ(Thrown(std::filesystem::filesystem_error(
                "cannot remove", "a.txt", std::make_error_code(std::errc::permission_denied))),
            absl::InternalError("filesystem error: cannot remove: Permission denied [a.txt]"));
  EXPECT_EQ(Thrown(7), absl::InternalError("an exception that says nothing"));
}

}  // namespace
}  // namespace pipeline
