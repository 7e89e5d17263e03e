// What most tests that know no tensors include, compiled once for all of them
// (third_party/precompiled.bzl).
#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#if __has_include(<opencv2/core.hpp>)  // only files that may use it find it
#include <opencv2/core.hpp>
#endif
