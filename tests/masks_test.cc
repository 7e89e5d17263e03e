// Masks as users have them, and what is no mask; datasets of images with masks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "datasets/dataset.h"
#include "datasets/masks/mask_file.h"
#include "datasets/masks/recent_masks.h"
#include "tests/testing.h"

namespace {

using datasets::kIgnoredMask;
using datasets::Mask;
using datasets::MaskColor;
using testing_support::Workspace;

constexpr int64_t kMaxPixels = 1 << 20;

// Red, black and white are classes 0, 1, 2; blue is ignored.
const std::vector<MaskColor>& Table() {
  static const auto* table = new std::vector<MaskColor>{
      {255, 0, 0, 0}, {0, 0, 0, 1}, {255, 255, 255, 2}, {0, 0, 255, kIgnoredMask}};
  return *table;
}

// Pixels in one row, as OpenCV stores them: blue first.
cv::Mat Colors(const std::vector<cv::Vec3b>& pixels) { return cv::Mat(pixels, true).reshape(3, 1); }
template <class T>
cv::Mat Values(const std::vector<T>& pixels) {
  return cv::Mat(pixels, true).reshape(1, 1);
}
const cv::Vec3b kRed(0, 0, 255), kBlack(0, 0, 0), kWhite(255, 255, 255), kBlue(255, 0, 0);

class Masks : public ::testing::Test {
 protected:
  // Written by OpenCV, then read; the classes, or the error.
  std::string Color(const cv::Mat& pixels, const std::string& name = "m.png") {
    cv::imwrite(name, pixels);
    return Told(datasets::ReadColorMask(name, Table(), kMaxPixels));
  }
  std::string Binary(const cv::Mat& pixels, const std::string& name = "m.png") {
    cv::imwrite(name, pixels);
    return Told(datasets::ReadBinaryMask(name, kMaxPixels));
  }

  // "0 1 - (1 stray)": classes in order, - for ignored ones.
  static std::string Told(const absl::StatusOr<Mask>& mask) {
    if (!mask.ok()) return std::string(mask.status().message());
    std::string told;
    for (auto it = mask->classes.begin<uint8_t>(); it != mask->classes.end<uint8_t>(); ++it) {
      absl::StrAppend(&told, told.empty() ? "" : " ",
                      *it == kIgnoredMask ? "-" : std::to_string(*it));
    }
    if (mask->stray > 0) absl::StrAppend(&told, " (", mask->stray, " stray)");
    return told;
  }

  Workspace workspace_;
};

TEST_F(Masks, ColorsOfTheTable) {
  EXPECT_EQ(Color(Colors({kRed, kBlack, kWhite, kBlue})), "0 1 2 -");
  // 48 off in each channel still belongs to a color, 49 does not.
  EXPECT_EQ(Color(Colors({{48, 48, 207}, {48, 48, 48}, {207, 207, 207}, {49, 0, 255}})),
            "0 1 2 - (1 stray)");
}

TEST_F(Masks, StrayColorsAreCountedAndIgnored) {
  const cv::Vec3b between(0, 0, 128), green(0, 255, 0);
  EXPECT_EQ(Color(Colors({kRed, between, kBlack, green})), "0 - 1 - (2 stray)");
  EXPECT_EQ(Color(Colors({kRed, between, kBlack, green, green})),
            "m.png: 60 % of its pixels are of no color that means a class, the first of them "
            "(128,0,0)");
}

TEST_F(Masks, ColorsInOtherStorage) {
  cv::Mat four;
  cv::cvtColor(Colors({kRed, kBlack, kWhite, kWhite}), four, cv::COLOR_BGR2BGRA);
  EXPECT_EQ(Color(four), "0 1 2 2");
  four.at<cv::Vec4b>(0, 3)[3] = 127;
  EXPECT_EQ(Color(four), "0 1 2 - (1 stray)");
  cv::Mat deep;
  Colors({kRed, kBlack, kWhite, kBlue}).convertTo(deep, CV_16U, 257);
  EXPECT_EQ(Color(deep), "0 1 2 -");
  // Gray is a color of equal channels, as programs store black and white.
  EXPECT_EQ(Color(Values<uint8_t>({0, 255, 255, 0})), "1 2 2 1");
}

TEST_F(Masks, IndicesOfTheTable) {
  EXPECT_EQ(Color(Values<uint8_t>({0, 1, 2, 3, 255})), "0 1 2 - -");
  EXPECT_EQ(Color(Values<uint16_t>({0, 1, 2, 3, 255})), "0 1 2 - -");
  // 4 is no index here: as grays all of these but the last are black.
  EXPECT_EQ(Color(Values<uint8_t>({0, 1, 4, 3, 255})), "1 1 1 1 2");
  // JPEG blurs values: those near 0 are black.
  EXPECT_EQ(Color(cv::Mat(1, 8, CV_8UC1, cv::Scalar(2)), "m.jpg"), "1 1 1 1 1 1 1 1");
}

TEST_F(Masks, ColorsAfterJpeg) {
  // Blocks of one color each; JPEG blurs where they meet.
  cv::Mat picture(64, 96, CV_8UC3, kRed);
  picture.colRange(32, 64) = cv::Scalar(kBlack);
  picture.colRange(64, 96) = cv::Scalar(kWhite);
  cv::imwrite("m.jpg", picture, {cv::IMWRITE_JPEG_QUALITY, 75});
  const auto mask = datasets::ReadColorMask("m.jpg", Table(), kMaxPixels);
  ASSERT_TRUE(mask.ok()) << mask.status();
  EXPECT_EQ(cv::countNonZero(mask->classes(cv::Rect(0, 0, 24, 64))), 0);
  EXPECT_EQ(cv::countNonZero(mask->classes(cv::Rect(40, 0, 16, 64)) != 1), 0);
  EXPECT_EQ(cv::countNonZero(mask->classes(cv::Rect(72, 0, 24, 64)) != 2), 0);
}

TEST_F(Masks, BinaryOfEveryRange) {
  EXPECT_EQ(Binary(Values<uint8_t>({0, 1, 1, 0})), "0 1 1 0");
  EXPECT_EQ(Binary(Values<uint8_t>({0, 255, 127, 128})), "0 1 0 1");
  EXPECT_EQ(Binary(Values<uint16_t>({0, 1, 1, 0})), "0 1 1 0");
  EXPECT_EQ(Binary(Values<uint16_t>({0, 65535, 32767, 32768})), "0 1 0 1");
  // 8 bits in a file of 16.
  EXPECT_EQ(Binary(Values<uint16_t>({0, 255, 127, 128})), "0 1 0 1");
  // What is neither 0 nor 1, but the largest, is ignored.
  EXPECT_EQ(Binary(Values<uint8_t>({0, 255, 1, 0})), "0 - 1 0");
  EXPECT_EQ(Binary(Values<uint16_t>({0, 255, 1, 0})), "0 - 1 0");
  EXPECT_EQ(Binary(Values<uint16_t>({0, 65535, 1, 0})), "0 - 1 0");
  EXPECT_EQ(Binary(Values<uint8_t>({0, 255, 1, 254})), "0 1 0 1");
  EXPECT_EQ(Binary(Values<uint8_t>({0, 0})), "0 0");
  EXPECT_EQ(Binary(Values<uint8_t>({255, 255})), "1 1");
  EXPECT_EQ(Binary(Colors({kBlack, kWhite, kRed, {0, 0, 127}})), "0 1 1 0");
  cv::imwrite("m.png", Values<uint8_t>({0, 255, 0, 0}), {cv::IMWRITE_PNG_BILEVEL, 1});
  EXPECT_EQ(Told(datasets::ReadBinaryMask("m.png", kMaxPixels)), "0 1 0 0");
}

TEST_F(Masks, BinaryAfterJpeg) {
  cv::Mat picture(64, 64, CV_8UC1, cv::Scalar(0));
  picture.colRange(24, 40) = 255;
  cv::imwrite("m.jpg", picture, {cv::IMWRITE_JPEG_QUALITY, 90});
  const auto mask = datasets::ReadBinaryMask("m.jpg", kMaxPixels);
  ASSERT_TRUE(mask.ok()) << mask.status();
  EXPECT_EQ(cv::countNonZero((mask->classes == 1) != (picture == 255)), 0);
  // Noise on black is no crack.
  EXPECT_EQ(Binary(cv::Mat(1, 8, CV_8UC1, cv::Scalar(1)), "m.jpg"), "0 0 0 0 0 0 0 0");
}

TEST_F(Masks, NamesWhatIsNoMask) {
  EXPECT_EQ(Binary(Values<uint8_t>({0, 2, 1})),
            "m.png: its largest value is 2 of 255; a mask is of 0 and 1, or of black and white");
  EXPECT_EQ(Binary(Values<uint16_t>({0, 300})),
            "m.png: its largest value is 300 of 65535; a mask is of 0 and 1, or of black and "
            "white");
  EXPECT_EQ(Binary(cv::Mat(1, 4, CV_32FC1, cv::Scalar(1)), "m.tif"),
            "m.tif: a TIFF of floating-point samples; store it with 8 or 16 bits a sample");
  workspace_.Write("m.png", "hello");
  EXPECT_EQ(Told(datasets::ReadBinaryMask("m.png", kMaxPixels)), "m.png: text, not an image");
  EXPECT_EQ(Told(datasets::ReadColorMask("m.png", Table(), kMaxPixels)),
            "m.png: text, not an image");
  cv::imwrite("m.png", Values<uint8_t>({0, 1, 1, 0}));
  EXPECT_EQ(Told(datasets::ReadBinaryMask("m.png", 3)),
            "m.png: 4x1 pixels, more than max_pixels (3)");
}

TEST_F(Masks, SizesMustAgree) {
  cv::imwrite("i.jpg", cv::Mat(20, 30, CV_8UC3, cv::Scalar(90)));
  EXPECT_TRUE(datasets::CheckMaskSize("m.png", {30, 20}, "i.jpg", kMaxPixels).ok());
  EXPECT_EQ(datasets::CheckMaskSize("m.png", {20, 30}, "i.jpg", kMaxPixels).message(),
            "m.png: 20x30 pixels, but its image i.jpg has 30x20");
}

TEST_F(Masks, SizesOfTurnedImages) {
  // An EXIF segment that says: turn by 90 degrees. Big-endian TIFF with one entry, orientation 6.
  cv::imwrite("i.jpg", cv::Mat(20, 30, CV_8UC3, cv::Scalar(90)));
  const std::string jpeg = workspace_.Read("i.jpg");
  const std::string exif(
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "MM\0*\0\0\0\x08\0\x01"
      "\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
      36);
  workspace_.Write("i.jpg", jpeg.substr(0, 2) + exif + jpeg.substr(2));
  const cv::Mat decoded = cv::imread("i.jpg");
  ASSERT_EQ(decoded.size(), cv::Size(20, 30));
  EXPECT_TRUE(datasets::CheckMaskSize("m.png", {20, 30}, "i.jpg", kMaxPixels).ok());
}

TEST_F(Masks, RefuseAJpegThatEndsEarly) {
  // What is missing would be gray, and gray of 128 a crack.
  cv::Mat picture(64, 64, CV_8UC1);
  cv::RNG random(1);
  random.fill(picture, cv::RNG::UNIFORM, 0, 255);
  cv::imwrite("m.jpg", picture);
  std::string bytes = workspace_.Read("m.jpg");
  bytes[bytes.size() / 2] = '\xff';
  bytes[bytes.size() / 2 + 1] = '\xd9';
  workspace_.Write("m.jpg", bytes);
  EXPECT_EQ(datasets::ReadBinaryMask("m.jpg", kMaxPixels).status().message(),
            "m.jpg: damaged: Corrupt JPEG data: premature end of data segment");
}

TEST(MaskRuns, GiveEveryPartBack) {
  cv::RNG random(1);
  cv::Mat mask(23, 31, CV_8UC1);
  random.fill(mask, cv::RNG::UNIFORM, 0, 3);
  mask(cv::Rect(5, 4, 20, 9)).setTo(kIgnoredMask);
  const datasets::MaskRuns runs(mask);
  EXPECT_EQ(runs.size(), mask.size());
  for (int i = 0; i < 500; ++i) {
    const int x = random.uniform(0, mask.cols), y = random.uniform(0, mask.rows);
    const cv::Rect part(x, y, random.uniform(1, mask.cols - x + 1),
                        random.uniform(1, mask.rows - y + 1));
    ASSERT_EQ(cv::norm(runs.Part(part), mask(part), cv::NORM_INF), 0) << part;
  }
}

TEST(RecentMasks, KeepTheLastOnesWithinTheirBytes) {
  // One run in each of 100 rows is some 1,800 bytes, with what the list takes.
  datasets::RecentMasks recent(4000);
  std::string loaded;
  const auto get = [&](const std::string& name, int rows) {
    const auto mask = recent.Get(name, [&]() -> absl::StatusOr<cv::Mat> {
      loaded += name;
      return cv::Mat(rows, 10, CV_8UC1, cv::Scalar(1));
    });
    EXPECT_EQ((*mask)->size().height, rows);
  };
  get("a", 100);
  get("b", 100);
  get("a", 100);
  EXPECT_EQ(loaded, "ab");
  get("c", 100);  // b was not asked for the longest
  get("a", 100);
  get("b", 100);
  EXPECT_EQ(loaded, "abcb");
  get("d", 1000);  // larger than everything that is kept
  get("d", 1000);
  EXPECT_EQ(loaded, "abcbdd");
}

TEST(RecentMasks, KeepErrors) {
  datasets::RecentMasks recent(4000);
  int loads = 0;
  for (int i = 0; i < 2; ++i) {
    const auto mask = recent.Get("a", [&]() -> absl::StatusOr<cv::Mat> {
      ++loads;
      return absl::InvalidArgumentError("a: damaged");
    });
    EXPECT_EQ(mask.status().message(), "a: damaged");
  }
  EXPECT_EQ(loads, 1);
}

TEST(RecentMasks, AreReadOnceForAllThreads) {
  datasets::RecentMasks recent(1 << 20);
  std::atomic<int> loads{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int tile = 0; tile < 50; ++tile) {
        const auto mask = recent.Get("a", [&]() -> absl::StatusOr<cv::Mat> {
          ++loads;
          return cv::Mat(10, 10, CV_8UC1, cv::Scalar(7));
        });
        EXPECT_EQ((*mask)->Part({9, 9, 1, 1}).at<uint8_t>(0, 0), 7);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads, 1);
}

// How many pixels of crack there are, counted with another program: those of at least half the
// largest value.
TEST(RealMasks, CracksInEveryStorage) {
  const std::string shared = testing_support::SharedData();
  if (shared.empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  const auto cracks = [&](const std::string& name) {
    const auto mask = datasets::ReadBinaryMask(shared + "/" + name, kMaxPixels);
    EXPECT_TRUE(mask.ok()) << mask.status();
    return cv::countNonZero(mask->classes == 1);
  };
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_001.png"), 1831);
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_002.png"), 4999);    // 0/1
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_004.png"), 151583);  // inverted: as it is
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_006.png"), 1731);    // 3 channels
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_014.png"), 1389);    // 16 bits
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_020.png"), 153600);
  EXPECT_EQ(cracks("corrupt/crack_bad/masks/CFD_023.png"), 0);
}

}  // namespace
