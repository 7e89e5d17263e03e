// The file of decoded samples: what survives, what is refused, and who may write.
#include "plugins/loading/image_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <opencv2/core.hpp>

#include "absl/strings/str_cat.h"
#include "plugins/loading/sample_reader.h"

namespace plugins {
namespace {

constexpr int64_t kRoom = 1 << 20;

datasets::Sample SampleOf(int seed, bool with_mask = false, int size = 8) {
  datasets::Sample sample;
  cv::RNG random(seed + 1);
  sample.image.create(size, size, CV_8UC3);
  random.fill(sample.image, cv::RNG::UNIFORM, 0, 256);
  if (with_mask) {
    sample.mask.create(size, size, CV_8U);
    random.fill(sample.mask, cv::RNG::UNIFORM, 0, 4);
  }
  sample.label = seed % 4;
  return sample;
}

bool Same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() &&
         (a.empty() || cv::norm(a, b, cv::NORM_INF) == 0);
}

bool Holds(ImageCache* cache, int seed, bool with_mask = false) {
  const auto found = cache->Find(ImageCache::KeyOf(absl::StrCat(seed)), {8, 3, with_mask});
  if (!found.has_value()) return false;
  const datasets::Sample expected = SampleOf(seed, with_mask);
  EXPECT_TRUE(Same(found->image, expected.image));
  EXPECT_TRUE(Same(found->mask, expected.mask));
  EXPECT_EQ(found->label, expected.label);
  return true;
}

class Cache : public testing::Test {
 protected:
  Cache() {
    std::string pattern = testing::TempDir() + "/image_cache_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/cache";
  }
  ~Cache() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<ImageCache> Open(bool writes = true, int64_t room = kRoom) const {
    auto cache = ImageCache::Open(path_, room, writes);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  std::string OpenError() const {
    return std::string(ImageCache::Open(path_, kRoom, true).status().message());
  }
  static void Add(ImageCache* cache, int seed, bool with_mask = false) {
    cache->Add(ImageCache::KeyOf(absl::StrCat(seed)), SampleOf(seed, with_mask));
  }
  void Fill(int count) const {
    const auto cache = Open();
    for (int i = 0; i < count; ++i) Add(cache.get(), i);
  }
  // Turns the bits of a byte.
  void Damage(int64_t at) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(~file.get());
    file.seekp(at);
    file.put(byte);
  }

  std::string folder_, path_;
};

TEST_F(Cache, KeepsSamplesFromRunToRun) {
  {
    const auto cache = Open();
    EXPECT_FALSE(Holds(cache.get(), 0));
    Add(cache.get(), 0);
    Add(cache.get(), 1, /*with_mask=*/true);
    EXPECT_TRUE(Holds(cache.get(), 0)) << "at once";
  }
  const auto cache = Open();
  EXPECT_EQ(cache->entries(), 2);
  EXPECT_TRUE(Holds(cache.get(), 0));
  EXPECT_TRUE(Holds(cache.get(), 1, /*with_mask=*/true));
  EXPECT_FALSE(Holds(cache.get(), 2));
  EXPECT_TRUE(cache->TakeNotes().empty());
}

TEST_F(Cache, NeverGrowsBeyondItsBound) {
  const auto cache = Open(true, 1000);
  for (int i = 0; i < 20; ++i) Add(cache.get(), i);
  EXPECT_LE(std::filesystem::file_size(path_), 1000);
  EXPECT_GE(cache->entries(), 3);
  EXPECT_TRUE(Holds(cache.get(), 0));
  EXPECT_FALSE(Holds(cache.get(), 19));
}

TEST_F(Cache, OneWritesAndTheOthersRead) {
  Fill(2);
  const auto writer = Open();
  const auto reader = Open();
  Add(reader.get(), 2);
  EXPECT_FALSE(Holds(reader.get(), 2)) << "it does not hold the lock";
  Add(writer.get(), 3);
  EXPECT_TRUE(Holds(writer.get(), 3));
  EXPECT_TRUE(Holds(reader.get(), 1));
  EXPECT_EQ(Open()->entries(), 3);
}

TEST_F(Cache, WithoutLeaveToWriteNothingIsMadeOrChanged) {
  EXPECT_EQ(Open(/*writes=*/false), nullptr);
  EXPECT_FALSE(std::filesystem::exists(path_));
  Fill(1);
  const auto before = std::filesystem::file_size(path_);
  const auto cache = Open(/*writes=*/false);
  Add(cache.get(), 5);
  EXPECT_TRUE(Holds(cache.get(), 0));
  EXPECT_EQ(std::filesystem::file_size(path_), before);
}

TEST_F(Cache, CutsOffWhatADyingProcessLeft) {
  Fill(3);
  const auto whole = std::filesystem::file_size(path_);
  for (const int64_t torn : {1, 70, 200}) {
    std::filesystem::resize_file(path_, whole - torn);
    const auto cache = Open();
    EXPECT_EQ(cache->entries(), 2);
    EXPECT_TRUE(Holds(cache.get(), 1));
    EXPECT_EQ(cache->TakeNotes().size(), 1);
    Add(cache.get(), 2);
    EXPECT_TRUE(Holds(cache.get(), 2));
    EXPECT_EQ(std::filesystem::file_size(path_), whole);
  }
}

TEST_F(Cache, AnyDamagedByteCostsImagesButGivesNoWrongOne) {
  Fill(3);
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path_));
  for (int64_t at = 8; at < size; at += 13) {
    Damage(at);
    int held = 0;
    {
      const auto cache = Open(/*writes=*/false);
      for (int i = 0; i < 3; ++i) held += Holds(cache.get(), i) ? 1 : 0;
    }
    EXPECT_LT(held, 3) << "byte " << at;
    Damage(at);
  }
}

TEST_F(Cache, DamagedImagesAreAddedAgain) {
  Fill(1);
  Damage(static_cast<int64_t>(std::filesystem::file_size(path_)) - 1);
  const auto cache = Open();
  EXPECT_FALSE(Holds(cache.get(), 0));
  EXPECT_EQ(cache->TakeNotes().size(), 1);
  Add(cache.get(), 0);
  EXPECT_TRUE(Holds(cache.get(), 0));
}

TEST_F(Cache, SurvivesThatAnotherProcessCutsTheFile) {
  Fill(3);
  const auto cache = Open();
  std::filesystem::resize_file(path_, 20);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Holds(cache.get(), i));
}

TEST_F(Cache, LeavesForeignFilesAlone) {
  std::ofstream(path_) << "my thesis, the only copy";
  EXPECT_EQ(OpenError(), path_ + ": not an image cache, so it is left as it is; name another file");
  EXPECT_EQ(std::filesystem::file_size(path_), 24);
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_NE(OpenError(), "");
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(OpenError(), path_ + ": not a regular file");
  path_ = folder_ + "/no/such/folder";
  EXPECT_EQ(OpenError(), path_ + ": No such file or directory");
}

TEST_F(Cache, GivesNothingOfAnotherShape) {
  Fill(1);
  const auto cache = Open();
  const ImageCache::Key key = ImageCache::KeyOf("0");
  EXPECT_FALSE(cache->Find(key, {9, 3, false}).has_value());
  EXPECT_FALSE(Open()->Find(key, {8, 1, false}).has_value());
  EXPECT_FALSE(Open()->Find(key, {8, 3, true}).has_value());
  EXPECT_TRUE(Open(/*writes=*/false)->Find(key, {8, 3, false}).has_value());
}

// Counts how often it is asked.
class Counting : public datasets::Dataset {
 public:
  Counting(int classes, bool masks) : masks_(masks) {
    info_.images = {3, 0, 0};
    info_.classes.resize(classes);
    if (masks) info_.task = pipeline::Task::kSegmentation;
  }
  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<datasets::Sample> Read(pipeline::Phase, int64_t index, int size) const override {
    ++reads;
    return SampleOf(static_cast<int>(index), masks_, size);
  }
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }
  std::string Name(pipeline::Phase, int64_t index) const override { return absl::StrCat(index); }
  std::string Identity(pipeline::Phase, int64_t index) const override {
    return identified ? absl::StrCat("file ", index) : "";
  }
  mutable int reads = 0;
  bool identified = true;

 private:
  pipeline::DataInfo info_;
  const bool masks_;
};

class Reader : public Cache {
 protected:
  // Reads every sample twice; returns how often the dataset was asked.
  int Reads(int size, int64_t memory, const std::string& options, bool identified = true,
            int classes = 4, bool masks = false) {
    Counting dataset(classes, masks);
    dataset.identified = identified;
    SampleReader reader(&dataset, {size, memory, options}, Open());
    for (int64_t i = 0; i < 6; ++i) {
      const auto sample = reader.Read(pipeline::TRAIN, i % 3);
      const datasets::Sample expected = SampleOf(static_cast<int>(i % 3), masks, size);
      EXPECT_TRUE(Same((*sample)->image, expected.image));
      EXPECT_TRUE(Same((*sample)->mask, expected.mask));
      EXPECT_EQ((*sample)->label, i % 3);
    }
    return dataset.reads;
  }
};

TEST_F(Reader, AsksTheDatasetOncePerSizeAndOptions) {
  EXPECT_EQ(Reads(8, 0, "a"), 3);
  EXPECT_EQ(Reads(8, 0, "a"), 0) << "the next run";
  EXPECT_EQ(Reads(9, 0, "a"), 3) << "another size";
  EXPECT_EQ(Reads(8, 0, "b"), 3) << "another mask table, say";
  EXPECT_EQ(Reads(8, 0, "b"), 0);
}

TEST_F(Reader, KeepsInMemoryWhatFits) {
  EXPECT_EQ(Reads(8, kRoom, "", /*identified=*/false), 3);
  EXPECT_EQ(Reads(8, 2 * 8 * 8 * 3, "", /*identified=*/false), 4) << "two of three fit";
  EXPECT_EQ(Reads(8, 0, "", /*identified=*/false), 6) << "drawn images are in no file";
}

TEST_F(Reader, BelievesNoLabelThatTheDatasetCannotHave) {
  EXPECT_EQ(Reads(8, 0, ""), 3);
  // The same key with fewer classes: label 2 does not fit any more.
  EXPECT_EQ(Reads(8, 0, "", true, 2), 2);
}

TEST_F(Reader, BelievesNoMaskThatTheDatasetCannotHave) {
  EXPECT_EQ(Reads(8, 0, "", true, 4, true), 3);
  EXPECT_EQ(Reads(8, 0, "", true, 4, true), 0);
  // Class 3, which every mask shows, is none any more: each is decoded whenever it is asked for.
  EXPECT_EQ(Reads(8, 0, "", true, 3, true), 6);
}

}  // namespace
}  // namespace plugins
