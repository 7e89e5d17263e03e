// Models narrow enough for tests, and files of weights for them.
#ifndef TESTS_NARROW_MODELS_H_
#define TESTS_NARROW_MODELS_H_

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "models/model.h"
#include "pipeline/runs/safetensors.h"
#include "tests/oracle.h"

namespace testing_support {

inline constexpr char kNarrow[] = "models/testdata/vgg16_narrow.safetensors";
// As models/testdata/vgg16_narrow.safetensors was made.
inline constexpr char kNarrowOptions[] = "head: GAP width: 0.0625";

inline std::shared_ptr<models::Model> Make(const std::string& options, int64_t channels = 1,
                                           pipeline::Task task = pipeline::Task::kMulticlass,
                                           int64_t classes = 4,
                                           const std::string& url = "models/Vgg16") {
  const models::ModelContext context = {channels,
                                        64,
                                        64,
                                        classes,
                                        task,
                                        [] {
        return *activations::Activations::Get().Create(PluginOf("activations/Relu", "")); }};
  auto made = models::Models::Get().Create(PluginOf(url, options), context);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

inline std::map<std::string, at::Tensor> StateOf(const models::Model& model) {
  std::map<std::string, at::Tensor> state;
  for (const auto& item : model.named_parameters()) state[item.key()] = item.value();
  for (const auto& item : model.named_buffers()) state[item.key()] = item.value();
  return state;
}

// The path of a file of these tensors.
inline std::string Write(const std::string& name, const pipeline::NamedTensors& tensors) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(pipeline::WriteSafetensors(path, tensors, {}).ok());
  return path;
}

}  // namespace testing_support

#endif  // TESTS_NARROW_MODELS_H_
