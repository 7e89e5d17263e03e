// Golden tables as JSON, and tensors from them.
#ifndef TESTS_ORACLE_H_
#define TESTS_ORACLE_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <google/protobuf/any.pb.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "pipeline/config/text.h"
#include "pipeline/registry.h"

namespace testing_support {

// Where the program began: tests go into folders of their own.
inline const std::filesystem::path kWhereOraclesAre = std::filesystem::current_path();

// The table at a path of this repository; throws where there is none.
inline nlohmann::json ReadOracle(const std::string& path) {
  std::ifstream stream(kWhereOraclesAre / path);
  if (!stream) throw std::runtime_error("no table " + path);
  return nlohmann::json::parse(stream);
}

template <class Number>
at::Tensor TensorOf(const nlohmann::json& flat, const std::vector<int64_t>& shape) {
  return at::tensor(flat.get<std::vector<Number>>()).reshape(shape);
}

// An Any for a plugin with options in text format.
inline google::protobuf::Any PluginOf(const std::string& url, const std::string& options) {
  pipeline::Node node;
  const absl::Status parsed =
      pipeline::ParseFields("plugin { [" + url + "] { " + options + " } }", &node);
  EXPECT_TRUE(parsed.ok()) << url << " { " << options << " }: " << parsed;
  return node.plugin();
}

// The largest |a - b| / max(1, |b|).
inline double Error(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  const at::Tensor expected = b.to(at::kDouble);
  return ((a.to(at::kDouble) - expected).abs() / expected.abs().clamp_min(1)).max().item<double>();
}

}  // namespace testing_support

#endif  // TESTS_ORACLE_H_
