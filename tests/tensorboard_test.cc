// Event files, as TensorBoard's own reader finds them.
#include "pipeline/runs/tensorboard.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::ParseCsv;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

TEST(TensorBoard, ChecksumIsThatOfTheFormat) {
  // CRC-32C of 32 zero bytes is 8a9136aa and of the digits e3069283 (RFC 3720, B.4; the check value
  // of the CRC catalogue); the mask is rotation by 15 and 0xa282ead8.
  EXPECT_EQ(pipeline::MaskedCrc32c(std::string(32, '\0')),
            ((0x8a9136aaU >> 15) | (0x8a9136aaU << 17)) + 0xa282ead8U);
  EXPECT_EQ(pipeline::MaskedCrc32c("123456789"),
            ((0xe3069283U >> 15) | (0xe3069283U << 17)) + 0xa282ead8U);
}

// Prints {"<phase>": {"scalars": {tag: [[step, value]]}, "images": {tag: [step, width, height]}}}.
constexpr char kReader[] = R"(
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = {}
for phase in ["train", "val", "test"]:
    events = EventAccumulator("out/tensorboard/" + phase).Reload()
    tags = events.Tags()
    images = {tag: events.Images(tag)[0] for tag in tags["images"]}
    assert all(i.encoded_image_string[:4] == b"\x89PNG" for i in images.values())
    found[phase] = {
        "scalars": {t: [[e.step, e.value] for e in events.Scalars(t)] for t in tags["scalars"]},
        "images": {t: [i.step, i.width, i.height] for t, i in images.items()}}
json.dump(found, open("found.json", "w"))
)";

TEST(TensorBoard, ShowsWhatMetricsCsvSays) {
  const char* python = std::getenv("TENSORBOARD_PYTHON");
  if (python == nullptr) {
    GTEST_SKIP() << "TENSORBOARD_PYTHON, an interpreter with the tensorboard package, is not set";
  }
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  workspace.Write("reader.py", kReader);
  ASSERT_EQ(RunPipeline({"--config=small.pbtxt", "--out=out"}).code, 0);
  ASSERT_EQ(std::system(absl::StrCat(python, " reader.py > reader.txt 2>&1").c_str()), 0)
      << workspace.Read("reader.txt");
  const json found = json::parse(workspace.Read("found.json"));

  const auto rows = ParseCsv(workspace.Read("out/metrics.csv"));
  const std::map<std::string, std::string> phases = {
      {"TRAIN", "train"}, {"VAL", "val"}, {"TEST", "test"}};
  int compared = 0;
  for (const auto& row : rows) {
    for (const auto& [column, text] : row) {
      if (column == "epoch" || column == "phase" || column == "step") continue;
      std::string tag = column;
      if (tag.find('.') != std::string::npos) tag[tag.find('.')] = '/';
      const json& scalars = found[phases.at(row.at("phase"))]["scalars"];
      int matches = 0;
      for (const auto& point : scalars.value(tag, json::array())) {
        if (absl::StrCat(point[0].get<int64_t>()) != row.at("step")) continue;
        ++matches;
        // The event holds a float32.
        EXPECT_FLOAT_EQ(point[1].get<float>(), std::stof(text)) << tag;
      }
      EXPECT_EQ(matches, text.empty() ? 0 : 1) << tag << " of " << row.at("phase");
      compared += matches;
    }
  }
  EXPECT_GT(compared, 60);
  // The loss of every TRAIN step.
  const json steps = found["train"]["scalars"]["step/loss.total"];
  ASSERT_EQ(steps.size(), 6);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(steps[i][0], i + 1);
  // Four images of 32 pixels side by side, after each stage that gives images.
  for (const char* phase : {"train", "val", "test"}) {
    for (const char* node : {"load", "gray", "augment", "normalize"}) {
      const json images = found[phase]["images"];
      ASSERT_TRUE(images.contains(absl::StrCat("images/", node))) << phase << " " << images;
      EXPECT_EQ(images[absl::StrCat("images/", node)][1], 4 * 32);
      EXPECT_EQ(images[absl::StrCat("images/", node)][2], 32);
    }
  }
}

// Writes the one picture of "val", and where it stands, to files.
constexpr char kMaskReader[] = R"(
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
image, = EventAccumulator("out/val").Reload().Images("masks/labels")
open("masks.png", "wb").write(image.encoded_image_string)
open("masks.txt", "w").write("%d %d %d" % (image.step, image.width, image.height))
)";

TEST(TensorBoard, ShowsMasksInColors) {
  const char* python = std::getenv("TENSORBOARD_PYTHON");
  if (python == nullptr) {
    GTEST_SKIP() << "TENSORBOARD_PYTHON, an interpreter with the tensorboard package, is not set";
  }
  const Workspace workspace;
  workspace.Write("reader.py", kMaskReader);
  // Six masks of 2 x 3 pixels, of which four are shown: classes 0 to 22 and an ignored pixel.
  at::Tensor masks = at::arange(36, at::kLong).reshape({6, 2, 3});
  masks[3][1][2] = pipeline::kIgnoredLabel;
  pipeline::TensorBoard board("out");
  ASSERT_TRUE(board.AddMasks(pipeline::VAL, 7, "masks/labels", masks).ok());
  ASSERT_EQ(std::system(absl::StrCat(python, " reader.py > reader.txt 2>&1").c_str()), 0)
      << workspace.Read("reader.txt");
  EXPECT_EQ(workspace.Read("masks.txt"), "7 12 2");
  const cv::Mat picture = cv::imread("masks.png");
  ASSERT_EQ(picture.size(), cv::Size(12, 2));
  // OpenCV gives BGR. Okabe and Ito's colors as published, after black.
  const cv::Vec3b colors[] = {{0, 0, 0},      {0, 159, 230}, {233, 180, 86}, {115, 158, 0},
                              {66, 228, 240}, {178, 114, 0}, {0, 94, 213},   {167, 121, 204}};
  for (int n = 0; n < 4; ++n) {
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 3; ++x) {
        const auto label = masks[n][y][x].item<int64_t>();
        EXPECT_EQ(picture.at<cv::Vec3b>(y, 3 * n + x),
                  label < 0 ? cv::Vec3b(128, 128, 128) : colors[label % 8])
            << label;
      }
    }
  }
}

}  // namespace
