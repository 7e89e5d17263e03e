// What it costs to begin a run over a large folder that has not changed, against a bare walk; and
// the search for near copies among a million images.
#include <gflags/gflags.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <random>
#include <string>
#include <thread>

#include "bench/measure.h"
#include "datasets/dataset.h"
#include "datasets/folder.pb.h"
#include "datasets/split/near_hashes.h"
#include "pipeline/all_cores.h"
#include "pipeline/clock.h"

DEFINE_int64(images, 100'000, "images in the folder");
DEFINE_int64(hashes, 1'000'000, "hashes that near ones are searched among");
DEFINE_int64(exact, 50'000, "hashes for which the search is compared with that by all pairs");
DEFINE_string(folder, "",
              "where the folder of images is made (default: the folder of temporary files)");

namespace {

namespace fs = std::filesystem;

constexpr int kClasses = 10;

// Small pictures of noise, no two equal, in a folder for each class.
void MakeImages(const fs::path& root) {
  for (int i = 0; i < kClasses; ++i) fs::create_directories(root / std::to_string(i));
  pipeline::OnAllCores(static_cast<size_t>(FLAGS_images), [&](size_t i) {
    cv::RNG random(i + 1);
    cv::Mat image(16, 16, CV_8U);
    random.fill(image, cv::RNG::UNIFORM, 0, 256);
    std::vector<uint8_t> bytes;
    cv::imencode(".png", image, bytes);
    const fs::path path = root / std::to_string(i % kClasses) / (std::to_string(i) + ".png");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  });
}

int64_t WalkBytes(const fs::path& root) {
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat info = {};
    if (stat(entry.path().c_str(), &info) == 0) bytes += info.st_size;
  }
  return bytes;
}

void Open(const fs::path& root, const std::string& facts) {
  datasets::FolderOptions options;
  options.set_root(root.string());
  google::protobuf::Any any;
  any.set_type_url("datasets/Folder");
  any.set_value(options.SerializeAsString());
  datasets::DatasetContext context;
  context.validation_fraction = 0.1;
  context.test_fraction = 0.2;
  context.facts = facts;
  const auto opened = datasets::Datasets::Get().Create(any, context);
  if (opened.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(opened.status().message()).c_str());
  std::exit(1);
}

double SecondsOf(const std::function<void()>& work) {
  const double begun = pipeline::Now();
  work();
  return pipeline::Now() - begun;
}

// Random ones, of which some are a few bits from an earlier one.
std::vector<uint64_t> Hashes(int64_t count) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> hashes;
  while (static_cast<int64_t>(hashes.size()) < count) {
    const bool new_one = hashes.empty() || random() % 4 != 0;
    uint64_t hash = new_one ? random() : hashes[random() % hashes.size()];
    for (uint64_t bit = new_one ? 0 : random() % 8; bit > 0; --bit)
      hash ^= uint64_t{1} << random() % 64;
    hashes.push_back(hash);
  }
  return hashes;
}

using Search = void (*)(const std::vector<uint64_t>&, const datasets::OnNearPair&);

std::vector<std::pair<uint32_t, uint32_t>> Pairs(Search search,
                                                 const std::vector<uint64_t>& hashes) {
  std::mutex mutex;
  std::vector<std::pair<uint32_t, uint32_t>> pairs;
  search(hashes, [&](uint32_t i, uint32_t j) {
    const std::lock_guard<std::mutex> lock(mutex);
    pairs.emplace_back(i, j);
  });
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

bench::Case CompareSearches() {
  const std::vector<uint64_t> hashes = Hashes(FLAGS_exact);
  const std::vector<double> ms =
      bench::LeastMs({[&] { Pairs(datasets::ForNearPairs, hashes); },
                      [&] { Pairs(datasets::ForNearPairsExactly, hashes); }},
                     2);
  if (Pairs(datasets::ForNearPairs, hashes) != Pairs(datasets::ForNearPairsExactly, hashes)) {
    std::fprintf(stderr, "the search finds other pairs than the comparison of all of them\n");
    std::exit(1);
  }
  return {"near pairs of " + std::to_string(FLAGS_exact) + " hashes (the same), against all pairs",
          ms[0], ms[1]};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(
      &argc, &argv,
      "The start of a run over a folder of images that has not changed, against a walk with "
      "stat; near copies.");
  const fs::path folder =
      fs::path(FLAGS_folder.empty() ? fs::temp_directory_path().string() : FLAGS_folder) /
      ("lossfusion_start." + std::to_string(getpid()));
  const fs::path root = folder / "images";
  MakeImages(root);
  // What changed a moment ago is not trusted.
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const std::string facts = (folder / "facts").string() + "/";
  const double first = SecondsOf([&] { Open(root, facts); });
  const std::vector<double> ms =
      bench::LeastMs({[&] { Open(root, facts); }, [&] { WalkBytes(root); }}, 5);
  const std::vector<uint64_t> hashes = Hashes(FLAGS_hashes);
  const double search = SecondsOf([&] { Pairs(datasets::ForNearPairs, hashes); });
  fs::remove_all(folder);
  constexpr double kMs = 1000, kBarSeconds = 60;
  bench::Print(
      {{"second start over " + std::to_string(FLAGS_images) + " images, against a walk with stat",
        ms[0], ms[1]},
       {"the same against the first start", ms[0], first * kMs},
       {"near pairs of " + std::to_string(FLAGS_hashes) + " hashes, against the bar of 60 s",
        search * kMs, kBarSeconds * kMs},
       CompareSearches()});
}
