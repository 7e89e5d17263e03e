// Image files of every kind, and what only looks like one.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "datasets/images/image_file.h"
#include "datasets/images/resize.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace {

using datasets::Channels;
using testing_support::Workspace;

// A gray picture whose bytes depend on `seed`.
std::string Picture(int seed, const std::string& extension = ".png") {
  cv::Mat image(12, 10, CV_8UC1);
  cv::RNG random(seed);
  random.fill(image, cv::RNG::UNIFORM, 0, 255);
  std::vector<uchar> bytes;
  cv::imencode(extension, image, bytes);
  return {bytes.begin(), bytes.end()};
}

class ImageFiles : public testing::Test {
 protected:
  std::string Message(const std::string& content, const std::string& name = "x.jpg",
                      int64_t max_pixels = 1 << 26) {
    workspace_.Write(name, content);
    const auto read = datasets::ReadImage(name, max_pixels, {8});
    const absl::Status header = datasets::CheckImageHeader(name, max_pixels);
    if (header.ok()) return std::string(read.status().message());
    EXPECT_EQ(header.message(), read.status().message());
    return std::string(header.message());
  }
  Workspace workspace_;
};

TEST_F(ImageFiles, NamesWhatIsWrong) {
  EXPECT_EQ(Message(""), "x.jpg: the file is empty");
  EXPECT_EQ(Message("hello, world"), "x.jpg: text, not an image");
  EXPECT_EQ(Message("<!DOCTYPE html><html>"), "x.jpg: a web page, not an image");
  EXPECT_EQ(Message("version https://git-lfs.github.com/spec/v1\n"),
            "x.jpg: a Git LFS pointer, not the image itself");
  EXPECT_EQ(Message("GIF89a...", "x.gif"),
            "x.gif: a GIF, which is not read here; convert it to PNG");
  EXPECT_EQ(Message(std::string("\x01\x02\x03\x04", 4)), "x.jpg: not an image of a known format");
  const std::string jpeg = Picture(1, ".jpg"), png = Picture(1, ".png");
  EXPECT_EQ(Message(jpeg.substr(0, jpeg.size() / 2)), "x.jpg: a JPEG cut short");
  EXPECT_EQ(Message(png.substr(0, png.size() - 20)), "x.jpg: a PNG cut short");
  EXPECT_EQ(Message(png, "x.png", 50), "x.png: 10x12 pixels, more than max_pixels (50)");
  EXPECT_EQ(Message(jpeg, "x.jpg", 50), "x.jpg: 10x12 pixels, more than max_pixels (50)");
}

TEST(ImageKinds, AreReadAsPillowDoes) {
  const auto oracle = testing_support::ReadOracle("datasets/testdata/images.json");
  ASSERT_EQ(oracle["cases"].size(), 27);
  const Workspace workspace;
  for (const auto& c : oracle["cases"]) {
    const std::string name = c["name"];
    std::string file;
    ASSERT_TRUE(absl::Base64Unescape(c["file"].get<std::string>(), &file));
    workspace.Write(name, file);
    const auto image = datasets::ReadImage(workspace.path() + "/" + name, 1 << 20, {c["size"]});
    ASSERT_TRUE(image.ok()) << image.status();
    const auto pixels = c["pixels"].get<std::vector<int>>();
    int worst = 0;
    for (size_t i = 0; i < pixels.size(); ++i) {
      worst = std::max(worst, std::abs(pixels[i] - image->data[i]));
    }
    EXPECT_LE(worst, c["tolerance"]) << name;
  }
}

// Largest and mean difference of two images' values.
std::pair<double, double> Difference(const cv::Mat& a, const cv::Mat& b) {
  cv::Mat difference;
  cv::absdiff(a, b, difference);
  const cv::Mat values = difference.reshape(1);
  double largest = 0;
  cv::minMaxLoc(values, nullptr, &largest);
  return {largest, cv::mean(values)[0]};
}

TEST(LargeJpegs, AreReadAtAReducedSizeAsPillowReadsThemWhole) {
  const auto oracle = testing_support::ReadOracle("tests/testdata/preprocess.json");
  ASSERT_EQ(oracle["large"].size(), 13);
  const Workspace workspace;
  for (const auto& c : oracle["large"]) {
    std::string file;
    ASSERT_TRUE(absl::Base64Unescape(c["file"].get<std::string>(), &file));
    workspace.Write("large.jpg", file);
    const auto image = datasets::ReadImage(workspace.path() + "/large.jpg", 1 << 20, {c["size"]});
    ASSERT_TRUE(image.ok()) << image.status();
    const auto pixels = c["pixels"].get<std::vector<uint8_t>>();
    const cv::Mat expected(image->size(), CV_8UC3, const_cast<uint8_t*>(pixels.data()));
    EXPECT_LE(Difference(*image, expected).first, c["tolerance"]) << c["name"];
  }
}

// A dozen of the JPEGs below a folder.
std::vector<std::string> SomeJpegs(const std::string& folder) {
  std::vector<std::string> paths, some;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string();
    if (absl::EndsWithIgnoreCase(path, ".jpg")) paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  for (size_t i = 0; i < paths.size(); i += std::max<size_t>(1, paths.size() / 12)) {
    some.push_back(paths[i]);
  }
  return some;
}

TEST(LargeJpegs, StayWithinTheStatedErrorOnRealImages) {
  const std::string root = testing_support::SharedData();
  if (root.empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  int reduced = 0;
  for (const char* folder : {"brain_tumor/Training", "tomato_leaf", "deepglobe", "crack/images"}) {
    double sum = 0;
    int read = 0;
    for (const std::string& path : SomeJpegs(root + "/" + folder)) {
      const cv::Mat whole = cv::imread(path, cv::IMREAD_COLOR);
      const int side = std::min(whole.cols, whole.rows) / 7;
      const auto image = datasets::ReadImage(path, 1 << 26, {side});
      ASSERT_TRUE(image.ok()) << image.status();
      cv::Mat rgb;
      cv::cvtColor(datasets::ResizeBilinear(whole, {side, side}), rgb, cv::COLOR_BGR2RGB);
      const auto [largest, mean] = Difference(*image, rgb);
      // What image_file.h states.
      EXPECT_LE(largest, 17) << path;
      EXPECT_LE(mean, 1.2) << path;
      sum += mean;
      ++read;
      if (largest > 0) ++reduced;
    }
    EXPECT_LE(sum / read, 0.4) << folder;
  }
  EXPECT_GT(reduced, 20);
}

TEST(Luminance, StaysWithinTheStatedErrorOnRealImages) {
  const std::string root = testing_support::SharedData();
  if (root.empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  for (const char* folder : {"brain_tumor/Training", "tomato_leaf", "deepglobe", "crack/images"}) {
    double sum = 0;
    int read = 0;
    for (const std::string& path : SomeJpegs(root + "/" + folder)) {
      const auto luminance = datasets::ReadImage(path, 1 << 26, {64, {}, false});
      const auto color = datasets::ReadImage(path, 1 << 26, {64});
      ASSERT_TRUE(luminance.ok() && color.ok()) << luminance.status() << color.status();
      cv::Mat gray;
      cv::cvtColor(*color, gray, cv::COLOR_RGB2GRAY);
      cv::cvtColor(gray, gray, cv::COLOR_GRAY2RGB);
      const auto [largest, mean] = Difference(*luminance, gray);
      // What image_file.h states.
      EXPECT_LE(largest, 1) << path;
      sum += mean;
      ++read;
    }
    EXPECT_LE(sum / read, 0.2) << folder;
  }
}

TEST_F(ImageFiles, LooksForTheEndOfAJpegBehindItsPreview) {
  const std::string jpeg = Picture(1, ".jpg");
  // What cameras and downloads append does no harm.
  EXPECT_EQ(Message(jpeg + std::string(5000, 'x')), "");
  // An application segment that holds a whole JPEG, the preview.
  const std::string preview = Picture(2, ".jpg");
  const size_t length = preview.size() + 2;
  const std::string with_preview = jpeg.substr(0, 2) + "\xff\xe1" + static_cast<char>(length >> 8) +
                                   static_cast<char>(length & 255) + preview + jpeg.substr(2);
  EXPECT_EQ(Message(with_preview), "");
  EXPECT_EQ(Message(with_preview.substr(0, with_preview.size() - 40)), "x.jpg: a JPEG cut short");
}

// The oracle's turned JPEGs: name, file, pixels of 16x16.
struct TurnedCase {
  std::string name, file;
  std::vector<int> pixels;
};

std::vector<TurnedCase> TurnedCases() {
  std::vector<TurnedCase> cases;
  const auto oracle = testing_support::ReadOracle("datasets/testdata/images.json");
  for (const auto& c : oracle["cases"]) {
    if (!absl::StartsWith(c["name"].get<std::string>(), "orientation")) continue;
    std::string file;
    EXPECT_TRUE(absl::Base64Unescape(c["file"].get<std::string>(), &file));
    cases.push_back({c["name"], file, c["pixels"].get<std::vector<int>>()});
  }
  EXPECT_EQ(cases.size(), 8);
  return cases;
}

TEST_F(ImageFiles, FindsTheOrientationBehindOtherSegments) {
  const std::string xmp = "http://ns.adobe.com/xap/1.0/";  // another segment of the same marker
  for (const TurnedCase& c : TurnedCases()) {
    workspace_.Write("x.jpg", c.file.substr(0, 2) + "\xff\xe1" + std::string(1, '\0') +
                                  static_cast<char>(xmp.size() + 2) + xmp + c.file.substr(2));
    const auto image = datasets::ReadImage("x.jpg", 1 << 20, {16});
    ASSERT_TRUE(image.ok()) << image.status();
    const auto stored = datasets::DecodeImage(workspace_.Read("x.jpg"), Channels::kStored);
    ASSERT_TRUE(stored.ok()) << stored.status();
    for (size_t i = 0; i < c.pixels.size(); ++i) {
      ASSERT_NEAR(image->data[i], c.pixels[i], 2) << c.name;  // as in the oracle
      ASSERT_EQ(stored->data[i / 3 * 3 + 2 - i % 3], image->data[i]) << c.name;
    }
  }
}

TEST_F(ImageFiles, CutsTilesFromTheImageAsItIsShown) {
  const cv::Rect tile(3, 5, 8, 8);
  for (const TurnedCase& c : TurnedCases()) {
    workspace_.Write("x.jpg", c.file);
    const auto image = datasets::ReadImage("x.jpg", 1 << 20, {8, tile});
    ASSERT_TRUE(image.ok()) << image.status();
    for (int y = 0; y < tile.height; ++y) {
      for (int x = 0; x < 3 * tile.width; ++x) {
        const int expected = c.pixels[((y + tile.y) * 16 + tile.x) * 3 + x];
        ASSERT_NEAR(image->ptr(y)[x], expected, 2) << c.name;
      }
    }
    EXPECT_EQ(datasets::ReadImage("x.jpg", 1 << 20, {8, {9, 0, 8, 8}}).status().message(),
              "x.jpg: no tile of 8x8 at 9,0 in 16x16 pixels");
  }
}

TEST_F(ImageFiles, ReadsNoFrameThatLibjpegWouldNot) {
  // A marker without a length, then what looks like one, which would hide the true frame behind a
  // comment that holds a smaller one.
  const std::string jpeg = Picture(1, ".jpg");
  const std::string frame("\xff\xc0\0\x11\x08\0\x01\0\x01\x03", 10);
  const std::string bare("\xff\x01", 2);
  EXPECT_EQ(Message(jpeg.substr(0, 2) + bare + jpeg.substr(2), "x.jpg", 50),
            "x.jpg: 10x12 pixels, more than max_pixels (50)");
  EXPECT_EQ(Message(jpeg.substr(0, 2) + std::string("\xff\0", 2) + frame + jpeg.substr(2)),
            "x.jpg: a JPEG whose header cannot be read: Invalid JPEG file structure: two SOF "
            "markers");
}

TEST_F(ImageFiles, ReadsJpegByItsLuminanceWhereNobodyLooksAtColors) {
  cv::Mat picture(64, 64, CV_8UC3);
  cv::RNG random(1);
  random.fill(picture, cv::RNG::UNIFORM, 0, 255);
  cv::imwrite("x.jpg", picture);
  cv::imwrite("x.png", picture);
  const auto jpeg = datasets::ReadImage("x.jpg", 1 << 20, {16, {}, false});
  ASSERT_TRUE(jpeg.ok()) << jpeg.status();
  cv::Mat expected = datasets::ResizeBilinear(cv::imread("x.jpg", cv::IMREAD_GRAYSCALE), {16, 16});
  cv::cvtColor(expected, expected, cv::COLOR_GRAY2RGB);
  EXPECT_EQ(Difference(*jpeg, expected).first, 0);
  // Others have no luminance to read.
  const auto png = datasets::ReadImage("x.png", 1 << 20, {16, {}, false});
  const auto same = datasets::ReadImage("x.png", 1 << 20, {16});
  ASSERT_TRUE(png.ok() && same.ok());
  EXPECT_EQ(Difference(*png, *same).first, 0);
}

std::string Number(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 255);
  return text;
}

struct TiffEntry {
  uint32_t tag, value, type = 4, count = 1;  // LONG
};

// The header, a directory, and what follows it.
std::string Tiff(const std::vector<TiffEntry>& entries, const std::string& rest = "") {
  std::string file = "II*" + Number(0, 1) + Number(8, 4) + Number(entries.size(), 2);
  for (const TiffEntry& entry : entries) {
    file += Number(entry.tag, 2) + Number(entry.type, 2) + Number(entry.count, 4) +
            Number(entry.value, 4);
  }
  return file + Number(0, 4) + rest;
}

TEST_F(ImageFiles, TurnsTiffByItsTag) {
  // 3x2 gray pixels without compression; orientation 6: the first row is the right side.
  const std::vector<TiffEntry> entries = {{256, 3}, {257, 2},    {258, 8}, {259, 1}, {262, 1},
                                          {273, 0}, {274, 6, 3}, {277, 1}, {278, 2}, {279, 6}};
  std::vector<TiffEntry> placed = entries;
  placed[5].value = Tiff(entries).size();
  workspace_.Write("x.tif", Tiff(placed, "\x01\x02\x03\x04\x05\x06"));
  EXPECT_EQ(datasets::ImageSize("x.tif", 1 << 20).value(), cv::Size(2, 3));
  const std::vector<uint8_t> turned = {4, 1, 5, 2, 6, 3};
  for (const Channels channels : {Channels::kColor, Channels::kGray, Channels::kStored}) {
    const auto pixels = datasets::DecodeImage(workspace_.Read("x.tif"), channels);
    ASSERT_TRUE(pixels.ok()) << pixels.status();
    ASSERT_EQ(pixels->size(), cv::Size(2, 3));
    for (int i = 0; i < 6; ++i) {
      EXPECT_EQ(pixels->ptr(i / 2)[i % 2 * pixels->channels()], turned[i]);
    }
  }
}

TEST_F(ImageFiles, BoundsTheSizeThatATiffClaims) {
  const auto tiff = [](uint32_t width, uint32_t height) {
    return Tiff({{256, width}, {257, height}});
  };
  EXPECT_EQ(Message(tiff(30000, 30000), "x.tif"),
            "x.tif: 30000x30000 pixels, more than max_pixels (67108864)");
  EXPECT_EQ(Message(tiff(0xffffffff, 0xffffffff), "x.tif"),
            "x.tif: 4294967295x4294967295 pixels, more than max_pixels (67108864)");
  EXPECT_EQ(Message(tiff(5, 5).substr(0, 14), "x.tif"), "x.tif: a TIFF cut short");
  // The first of equal tags counts, and only what libtiff takes for a number.
  EXPECT_EQ(Message(Tiff({{256, 30000}, {257, 30000}, {256, 5}, {257, 5}}), "x.tif"),
            "x.tif: 30000x30000 pixels, more than max_pixels (67108864)");
  constexpr uint32_t kLong8 = 16;
  EXPECT_EQ(Message(Tiff({{256, 5, kLong8}, {257, 5}}), "x.tif"), "x.tif: a TIFF cut short");
  EXPECT_EQ(Message(Tiff({{256, 5, 4, 2}, {257, 5}}), "x.tif"), "x.tif: a TIFF cut short");
}

TEST_F(ImageFiles, ReadsTheSizeOfKnownKindsOfWebpOnly) {
  std::string webp = Picture(1, ".webp");
  EXPECT_EQ(Message(webp, "x.webp"), "");
  webp.replace(12, 4, "XXXX");
  EXPECT_EQ(Message(webp, "x.webp"), "x.webp: an image without pixels");
}

TEST_F(ImageFiles, RefusesDamagedContent) {
  std::string png = Picture(1, ".png");
  for (size_t i = 50; i < 80; ++i) png[i] = static_cast<char>(~png[i]);
  testing::internal::CaptureStderr();
  EXPECT_EQ(Message(png), "x.jpg: damaged: the checksum of a chunk IDAT is wrong");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "nothing without the file's name";
  std::string longer = Picture(1, ".png");
  longer[33] = '\x7f';  // the length of the chunk after the header
  EXPECT_EQ(Message(longer), "x.jpg: damaged: a chunk is longer than the file");
  std::string note = Picture(1, ".png");
  note.insert(33, std::string("\0\0\0\x01tEXtxabcd", 13));  // of a wrong checksum, but not needed
  EXPECT_EQ(Message(note), "");
  EXPECT_EQ(Message(Picture(1, ".webp").substr(0, 60), "x.webp"),
            "x.webp: damaged: it cannot be decoded");
}

TEST_F(ImageFiles, ReadsByContentNotByName) {
  EXPECT_EQ(Message(Picture(1, ".png"), "really_png.jpg"), "");
  EXPECT_EQ(Message(Picture(1, ".bmp"), "really_bmp.png"), "");
  EXPECT_EQ(Message(Picture(1, ".webp"), "x.webp"), "");
  EXPECT_EQ(Message(Picture(1, ".tiff"), "x.tiff"), "");
}

TEST_F(ImageFiles, NeverHangsOnPipesAndFolders) {
  std::filesystem::create_directory("folder.jpg");
  EXPECT_FALSE(datasets::ReadImage("folder.jpg", 1 << 20, {8}).ok());
  EXPECT_FALSE(datasets::CheckImageHeader("folder.jpg", 1 << 20).ok());
  EXPECT_EQ(mkfifo("pipe.jpg", 0600), 0);
  EXPECT_FALSE(datasets::ReadImage("pipe.jpg", 1 << 20, {8}).ok());
  EXPECT_FALSE(datasets::CheckImageHeader("pipe.jpg", 1 << 20).ok());
}

}  // namespace
