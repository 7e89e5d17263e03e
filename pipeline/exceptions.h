// Exceptions of libraries as statuses.
#ifndef PIPELINE_EXCEPTIONS_H_
#define PIPELINE_EXCEPTIONS_H_

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/status/status.h"

namespace pipeline {

// Calls `body`, which returns a status; exceptions of LibTorch, OpenCV, the allocator and
// std::filesystem become one of the first line that they say (the rest is a backtrace of no use to
// a user).
template <class Body>
absl::Status Caught(const Body& body) {
  const auto first_line = [](const std::string& text) {
    return absl::InternalError(text.substr(0, text.find('\n')));
  };
  try {
    return body();
  } catch (const c10::OutOfMemoryError& error) {
    // A GPU's; what it holds besides follows at length.
    const std::string text = error.what_without_backtrace();
    return absl::ResourceExhaustedError(
        text.substr(0, text.find_first_of("\n")).substr(0, text.find(" Including non-PyTorch")));
  } catch (const c10::Error& error) {
    return first_line(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("not enough memory");
  } catch (const std::exception& error) {
    return first_line(error.what());
  } catch (...) {
    return absl::InternalError("an exception that says nothing");
  }
}

}  // namespace pipeline

#endif  // PIPELINE_EXCEPTIONS_H_
