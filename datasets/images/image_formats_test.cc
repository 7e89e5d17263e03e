// Formats beside JPEG and PNG, what files say of their turning, and files that cannot be images.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "datasets/images/image_file.h"
#include "tests/limits.h"

namespace datasets {
namespace {

constexpr int64_t kMaxPixels = 1 << 20;

// Little-endian.
std::string Number(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 255);
  return text;
}

std::string Big(uint32_t value) {
  const std::string little = Number(value, 4);
  return {little.rbegin(), little.rend()};
}

// EXIF data that say: orientation 6, the first row is the right side.
std::string Exif() {
  return "II*" + Number(0, 1) + Number(8, 4) + Number(1, 2) + Number(274, 2) + Number(3, 2) +
         Number(1, 4) + Number(6, 4) + Number(0, 4);
}

std::string Encoded(const std::string& extension, const cv::Mat& image,
                    const std::vector<int>& options = {}) {
  std::vector<uchar> bytes;
  EXPECT_TRUE(cv::imencode(extension, image, bytes, options)) << extension;
  return {bytes.begin(), bytes.end()};
}

class ImageFormats : public testing::Test {
 protected:
  ImageFormats() : folder_(testing::TempDir() + "/formats/") {
    std::filesystem::create_directories(folder_);
  }
  ~ImageFormats() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ + name, std::ios::binary) << content;
    return folder_ + name;
  }

  // Why a file of that content is not read; its name stands for its path.
  std::string Why(const std::string& name, const std::string& content) const {
    return Why(Write(name, content));
  }
  std::string Why(const std::string& path) const {
    const auto image = ReadImage(path, kMaxPixels, {8});
    const absl::Status header = CheckImageHeader(path, kMaxPixels);
    if (!header.ok()) {
      EXPECT_EQ(header.message(), image.status().message());
    }
    const std::string message(image.status().message());
    return message.substr(std::min(message.size(), folder_.size()));
  }

  // 64x48, red in the upper left quarter, else blue.
  static cv::Mat Flag() {
    cv::Mat flag(48, 64, CV_8UC3, cv::Scalar(255, 0, 0));
    flag(cv::Rect(0, 0, 32, 24)) = cv::Scalar(0, 0, 255);
    return flag;
  }

  const std::string folder_;
};

TEST_F(ImageFormats, AreToldByTheirNames) {
  for (const char* name : {"a.jfif", "a.JPE", "a.jp2", "a.j2k", "a.ppm", "a.pgm", "a.PBM", "a.pnm",
                           "a.webp", "a.dib", "a.gif"}) {
    EXPECT_TRUE(HasImageName(name)) << name;
  }
  for (const char* name : {"a.heic", "a.txt", "jpg", "a.jpg.part"}) {
    EXPECT_FALSE(HasImageName(name)) << name;
  }
}

TEST_F(ImageFormats, OfEveryKindGiveTheirPixels) {
  for (const char* extension : {".jp2", ".ppm", ".bmp", ".webp", ".tiff", ".png"}) {
    const std::vector<int> exact = std::string(extension) == ".webp"
                                       ? std::vector<int>{cv::IMWRITE_WEBP_QUALITY, 101}
                                       : std::vector<int>{};
    const std::string path =
        Write(std::string("flag") + extension, Encoded(extension, Flag(), exact));
    EXPECT_TRUE(CheckImageHeader(path, kMaxPixels).ok()) << extension;
    EXPECT_EQ(ImageSize(path, kMaxPixels).value(), cv::Size(64, 48)) << extension;
    const auto image = ReadImage(path, kMaxPixels, {16, {0, 0, 32, 24}});
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_LE(cv::norm(*image, cv::Mat(16, 16, CV_8UC3, cv::Scalar(255, 0, 0)), cv::NORM_INF), 2)
        << extension;
    EXPECT_EQ(CheckImageHeader(path, 100).message(),
              path + ": 64x48 pixels, more than max_pixels (100)");
  }
}

TEST_F(ImageFormats, OfTextAndBitsAreRead) {
  const auto gray = [&](const std::string& content) {
    const auto pixels = DecodeImage(content, Channels::kGray);
    EXPECT_TRUE(pixels.ok()) << pixels.status();
    EXPECT_TRUE(CheckImageHeader(Write("x.pnm", content), kMaxPixels).ok());
    std::string told;
    for (int i = 0; pixels.ok() && i < 4; ++i) told += std::to_string(pixels->data[i]) + " ";
    return told;
  };
  EXPECT_EQ(gray("P2\n# by hand\n2 2\n255\n0 50 100 250\n"), "0 50 100 250 ");
  EXPECT_EQ(gray("P5 2 2 255\n" + std::string("\x01\x02\x03\x04", 4)), "1 2 3 4 ");
  EXPECT_EQ(gray("P1\n2 2\n0 1\n1 0\n"), "255 0 0 255 ");
  EXPECT_EQ(gray("P5 2 2 65535\n" + std::string("\0\0\x10\0\x80\0\xff\xff", 8)), "0 16 128 255 ");
}

TEST_F(ImageFormats, CutShortAreTold) {
  const std::string jp2 = Encoded(".jp2", Flag());
  EXPECT_EQ(Why("x.jp2", jp2.substr(0, jp2.size() - 9)), "x.jp2: a JPEG 2000 cut short");
  EXPECT_EQ(Why("x.jp2", jp2.substr(0, 60)), "x.jp2: a JPEG 2000 without a frame header");
  EXPECT_EQ(Why("x.ppm", Encoded(".ppm", Flag()).substr(0, 900)),
            "x.ppm: damaged: it cannot be decoded");
  EXPECT_EQ(Why("x.pgm", "P5 0 7 255\n"), "x.pgm: an image without pixels");
}

// Turned, the red quarter is at the upper right.
TEST_F(ImageFormats, AreTurnedAsPngAndWebpSay) {
  const std::string png = Encoded(".png", Flag()), chunk = "eXIf" + Exif();
  const auto sum = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size())));
  const std::string exif = Big(Exif().size()) + chunk + Big(sum);
  const std::string webp = Encoded(".webp", Flag(), {cv::IMWRITE_WEBP_QUALITY, 101});
  const std::string extended = "VP8X" + Number(10, 4) + Number(8, 4) + Number(63, 3) +
                               Number(47, 3) + webp.substr(12) + "EXIF" + Number(Exif().size(), 4) +
                               Exif();
  const std::vector<std::string> turned = {
      png.substr(0, 33) + exif + png.substr(33),
      png.substr(0, png.size() - 12) + exif + png.substr(png.size() - 12),  // behind the pixels
      "RIFF" + Number(extended.size() + 4, 4) + "WEBP" + extended};
  for (const std::string& content : turned) {
    const std::string path = Write("x", content);
    EXPECT_EQ(ImageSize(path, kMaxPixels).value(), cv::Size(48, 64));
    for (const Channels channels : {Channels::kColor, Channels::kStored}) {
      const auto pixels = DecodeImage(content, channels);
      ASSERT_TRUE(pixels.ok()) << pixels.status();
      ASSERT_EQ(pixels->size(), cv::Size(48, 64));
      EXPECT_EQ(pixels->at<cv::Vec3b>(0, 47), cv::Vec3b(0, 0, 255));
      EXPECT_EQ(pixels->at<cv::Vec3b>(0, 0), cv::Vec3b(255, 0, 0));
    }
    // A part of what is shown.
    const auto part = ReadImage(path, kMaxPixels, {8, {24, 0, 24, 32}});
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_EQ(cv::norm(*part, cv::Mat(8, 8, CV_8UC3, cv::Scalar(255, 0, 0)), cv::NORM_INF), 0);
  }
}

TEST_F(ImageFormats, FloatingPointIsNamed) {
  EXPECT_EQ(Why("x.tif", Encoded(".tiff", cv::Mat(4, 4, CV_32FC1, cv::Scalar(0.5)))),
            "x.tif: a TIFF of floating-point samples; store it with 8 or 16 bits a sample");
  // As plain numbers, and in the logarithms that OpenCV prefers.
  for (const std::vector<int>& how : {std::vector<int>{cv::IMWRITE_TIFF_COMPRESSION, 1}, {}}) {
    EXPECT_EQ(Why("x.tif", Encoded(".tiff", cv::Mat(4, 4, CV_32FC3, cv::Scalar(1, 2, 3)), how)),
              "x.tif: a TIFF of floating-point samples; store it with 8 or 16 bits a sample");
  }
  EXPECT_EQ(Why("x.tif", Encoded(".tiff", cv::Mat(4, 4, CV_16UC3, cv::Scalar(1, 2, 3)))), "");
}

TEST_F(ImageFormats, FitAndReducedDecodingAgree) {
  // 192x96 in blocks of 8: decoded at a quarter for 8 pixels.
  cv::Mat blocks(96, 192, CV_8UC3);
  for (int y = 0; y < blocks.rows; ++y) {
    for (int x = 0; x < blocks.cols; ++x) {
      blocks.at<cv::Vec3b>(y, x) = cv::Vec3b::all(static_cast<uint8_t>(x / 24 * 30 + y / 48 * 15));
    }
  }
  const std::string jpeg = Write("x.jpg", Encoded(".jpg", blocks, {cv::IMWRITE_JPEG_QUALITY, 100}));
  const std::string png = Write("x.png", Encoded(".png", blocks));
  for (const Fit fit : {Fit::kStretch, Fit::kLetterbox, Fit::kCrop}) {
    const auto reduced = ReadImage(jpeg, kMaxPixels, {8, {}, true, fit});
    const auto whole = ReadImage(png, kMaxPixels, {8, {}, true, fit});
    ASSERT_TRUE(reduced.ok() && whole.ok());
    EXPECT_LE(cv::norm(*reduced, *whole, cv::NORM_INF), 3) << static_cast<int>(fit);
  }
}

;

TEST_F(ImageFormats, SparseFilesOfAGigabyteCostNoMemory) {
  if (testing_support::kSanitized) GTEST_SKIP() << "memory may not run out";
  const std::string empty = Write("x.jpg", "");
  ASSERT_EQ(truncate(empty.c_str(), off_t{1} << 30), 0);
  const std::string begun = Write("y.jpg", Encoded(".jpg", Flag()));
  ASSERT_EQ(truncate(begun.c_str(), off_t{1} << 30), 0);
  const testing_support::LittleMemory little(64 << 20);
  EXPECT_EQ(Why(empty), "x.jpg: not an image of a known format");
  EXPECT_EQ(Why(begun), "y.jpg: there is not enough memory to read it");
}

}  // namespace
}  // namespace datasets
