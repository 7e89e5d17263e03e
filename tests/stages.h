// Single stages of the graph, built and run by hand.
#ifndef TESTS_STAGES_H_
#define TESTS_STAGES_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/stage.h"
#include "tests/oracle.h"

namespace testing_support {

struct Built {
  std::unique_ptr<pipeline::Stage> stage;
  pipeline::Specs specs;  // of the outputs
};

inline Built Build(const std::string& url, const std::string& options, const pipeline::Specs& in,
                   const pipeline::DataInfo& data = {}) {
  pipeline::BuildContext context;
  context.data = &data;
  auto stage = pipeline::Stages::Get().Create(PluginOf(url, options));
  EXPECT_TRUE(stage.ok()) << stage.status();
  auto specs = (*stage)->Build(in, &context);
  EXPECT_TRUE(specs.ok()) << specs.status();
  return {*std::move(stage), *specs};
}

// Why it cannot be made or built.
inline std::string BuildError(const std::string& url, const std::string& options,
                              const pipeline::Specs& in, const pipeline::DataInfo& data = {}) {
  pipeline::BuildContext context;
  context.data = &data;
  auto stage = pipeline::Stages::Get().Create(PluginOf(url, options));
  if (!stage.ok()) return std::string(stage.status().message());
  return std::string((*stage)->Build(in, &context).status().message());
}

inline pipeline::Tensors RunOnce(pipeline::Stage& stage, const pipeline::Tensors& in,
                                 const pipeline::Step& step = {}) {
  pipeline::Tensors out;
  const absl::Status status = stage.Run(step, in, &out);
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

inline pipeline::Step TrainStep(std::vector<int64_t> samples, int64_t epoch = 0,
                                uint64_t seed = 1) {
  pipeline::Step step;
  step.samples = std::move(samples);
  step.epoch = epoch;
  step.seed = seed;
  return step;
}

}  // namespace testing_support

#endif  // TESTS_STAGES_H_
