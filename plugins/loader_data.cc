// From a loader's options to what it reads.
#include "plugins/loader_data.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pipeline/pool.h"

namespace plugins {
namespace {

using Opened = absl::StatusOr<std::shared_ptr<LoaderData>>;

absl::Status CheckFolds(const LoaderOptions& options) {
  if (options.folds() == 1) {
    return pipeline::OptionError("folds", "one fold leaves nothing to train on");
  }
  if (options.fold() > std::max(0, options.folds() - 1)) {
    return pipeline::OptionError(
        "fold", absl::StrCat("fold ", options.fold(), " of ", options.folds(), ": there is none"));
  }
  if (options.folds() > 0 && !options.split_file().empty()) {
    return pipeline::OptionError("folds", "folds and split_file cannot both make the split");
  }
  return absl::OkStatus();
}

// Where facts about the files are kept.
std::string FactsOf(const LoaderOptions& options, const pipeline::BuildContext& context) {
  const std::string& beside = options.cache_file();
  return beside.empty() ? context.facts_folder : absl::StrCat(beside, ".facts");
}

Opened Open(const LoaderOptions& options, const datasets::DatasetContext& wanted) {
  auto data = std::make_shared<LoaderData>();
  auto dataset = datasets::Datasets::Get().Create(options.dataset(), wanted);
  if (!dataset.ok()) {
    // The split file is an option of the loader's own.
    const bool own = pipeline::OptionOf(dataset.status()) == "split_file";
    return own ? dataset.status() : pipeline::Within("dataset", dataset.status());
  }
  data->dataset = *std::move(dataset);
  auto reader =
      SampleReader::Open(data->dataset.get(),
                         {options.image_size(), int64_t{options.cache_mb()} << 20,
                          options.dataset().SerializeAsString()},
                         {options.cache_file(), options.cache_file_mb() << 20, wanted.write_split});
  if (!reader.ok()) return reader.status();
  data->reader = *std::move(reader);
  return data;
}

}  // namespace

datasets::Fit FitOf(const LoaderOptions& options) {
  return options.fit() == LoaderOptions::LETTERBOX ? datasets::Fit::kLetterbox
         : options.fit() == LoaderOptions::CROP    ? datasets::Fit::kCrop
                                                   : datasets::Fit::kStretch;
}

Opened OpenLoaderData(const LoaderOptions& options, const pipeline::BuildContext& context) {
  const absl::Status sound = CheckFolds(options);
  if (!sound.ok()) return sound;
  const int64_t own = options.split_seed();
  const datasets::DatasetContext wanted = {own >= 0 ? static_cast<uint64_t>(own) : context.seed,
                                           options.validation_fraction(),
                                           options.max_pixels(),
                                           options.test_fraction(),
                                           options.folds(),
                                           options.fold(),
                                           options.split_file(),
                                           context.writes,
                                           context.color,
                                           FitOf(options),
                                           FactsOf(options, context),
                                           context.progress};
  if (context.pool == nullptr) return Open(options, wanted);
  return context.pool->Get<LoaderData>(
      absl::StrCat(wanted.seed, " ", wanted.color, " ", wanted.write_split, " ",
                   options.SerializeAsString()),
      [&] { return Open(options, wanted); });
}

}  // namespace plugins
