// What a loader reads: a dataset, opened as its options say, and what was decoded of it.
#ifndef PLUGINS_LOADER_DATA_H_
#define PLUGINS_LOADER_DATA_H_

#include <memory>

#include "absl/status/statusor.h"
#include "datasets/dataset.h"
#include "pipeline/stage.h"
#include "plugins/loader.pb.h"
#include "plugins/loading/sample_reader.h"

namespace plugins {

struct LoaderData {
  std::unique_ptr<datasets::Dataset> dataset;
  std::unique_ptr<SampleReader> reader;
};

// How images become square.
datasets::Fit FitOf(const LoaderOptions& options);

// Errors are those of the loader's options. Where the context has a pool, loaders that ask for the
// same share it.
absl::StatusOr<std::shared_ptr<LoaderData>> OpenLoaderData(const LoaderOptions& options,
                                                           const pipeline::BuildContext& context);

}  // namespace plugins

#endif  // PLUGINS_LOADER_DATA_H_
