// Every way that JPEG stores colors, against OpenCV's decoding of the whole file.
#include "datasets/images/jpeg.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

// After <cstdio>, which it needs.
#include <jpeglib.h>

namespace {

using datasets::DecodeJpeg;

// Smooth colors with some noise, so that no two blocks are alike.
cv::Mat Picture(int width, int height) {
  cv::Mat image(height, width, CV_8UC3);
  cv::RNG random(7);
  random.fill(image, cv::RNG::UNIFORM, 0, 255);
  cv::GaussianBlur(image, image, {7, 7}, 2);
  return image;
}

struct Kind {
  std::string name;
  int across = 1, down = 1;  // pixels that share a color
  bool gray = false, progressive = false;
  int restart = 0;  // blocks between markers at which decoding can begin anew; 0 means none
};

// An RGB image as a JPEG of a kind that cv::imencode cannot be asked for.
std::string Encoded(const cv::Mat& image, const Kind& kind) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = image.cols;
  info.image_height = image.rows;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  if (kind.gray) jpeg_set_colorspace(&info, JCS_GRAYSCALE);
  info.comp_info[0].h_samp_factor = kind.across;
  info.comp_info[0].v_samp_factor = kind.down;
  if (kind.progressive) jpeg_simple_progression(&info);
  info.restart_interval = kind.restart;
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < image.rows; ++y) {
    JSAMPROW row = const_cast<uint8_t*>(image.ptr(y));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string encoded(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return encoded;
}

cv::Mat ByOpenCv(const std::string& bytes, int flags) {
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  return cv::imdecode(encoded, flags);
}

bool AreEqual(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

std::string Why(const std::string& bytes) {
  return std::string(DecodeJpeg(bytes, {}).status().message());
}

class Jpeg : public testing::TestWithParam<Kind> {
 protected:
  // Sides that no block divides.
  const std::string file_ = Encoded(Picture(149, 101), GetParam());
};

TEST_P(Jpeg, HasThePixelsOfOpenCv) {
  const int colors[] = {cv::IMREAD_COLOR, cv::IMREAD_REDUCED_COLOR_2, cv::IMREAD_REDUCED_COLOR_4,
                        cv::IMREAD_REDUCED_COLOR_8};
  const int grays[] = {cv::IMREAD_GRAYSCALE, cv::IMREAD_REDUCED_GRAYSCALE_2,
                       cv::IMREAD_REDUCED_GRAYSCALE_4, cv::IMREAD_REDUCED_GRAYSCALE_8};
  for (int i = 0; i < 4; ++i) {
    const auto color = DecodeJpeg(file_, {1 << i, false, {}});
    ASSERT_TRUE(color.ok()) << color.status();
    EXPECT_TRUE(AreEqual(*color, ByOpenCv(file_, GetParam().gray ? grays[i] : colors[i])))
        << "reduction " << (1 << i);
    const auto gray = DecodeJpeg(file_, {1 << i, true, {}});
    ASSERT_TRUE(gray.ok()) << gray.status();
    EXPECT_TRUE(AreEqual(*gray, ByOpenCv(file_, grays[i]))) << "reduction " << (1 << i);
  }
}

TEST_P(Jpeg, HasThePartsOfTheWhole) {
  for (const bool gray : {false, true}) {
    const cv::Mat whole =
        ByOpenCv(file_, gray || GetParam().gray ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
    for (const cv::Rect& part :
         {cv::Rect(0, 0, 149, 101), cv::Rect(0, 0, 1, 1), cv::Rect(148, 100, 1, 1),
          cv::Rect(1, 1, 147, 99), cv::Rect(31, 33, 40, 8), cv::Rect(64, 32, 32, 32),
          cv::Rect(47, 15, 17, 70), cv::Rect(100, 0, 49, 101), cv::Rect(0, 97, 149, 4)}) {
      const auto read = DecodeJpeg(file_, {1, gray, part});
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(AreEqual(*read, whole(part))) << part << (gray ? " gray" : " color");
    }
  }
}

TEST_P(Jpeg, SaysWhatIsDamaged) {
  // An end that comes too soon.
  std::string early = file_;
  early[early.size() / 2] = '\xff';
  early[early.size() / 2 + 1] = '\xd9';
  EXPECT_EQ(Why(early), "Corrupt JPEG data: premature end of data segment");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Jpeg,
                         testing::Values(Kind{"Full"}, Kind{"HalfAcross", 2, 1},
                                         Kind{"HalfDown", 1, 2}, Kind{"HalfBoth", 2, 2},
                                         Kind{"QuarterAcross", 4, 1}, Kind{"Gray", 1, 1, true},
                                         Kind{"GrayInLargeUnits", 2, 2, true},
                                         Kind{"Restarts", 2, 2, false, false, 3},
                                         Kind{"GrayRestarts", 1, 1, true, false, 5},
                                         Kind{"Progressive", 2, 2, false, true},
                                         Kind{"ProgressiveFull", 1, 1, false, true}),
                         [](const auto& info) { return info.param.name; });

TEST(HostileJpeg, HasABoundOnItsScans) {
  const std::string file = Encoded(Picture(16, 16), {"", 1, 1, false, true});
  // The first scan, once more and again. It ends at a marker, which no 0 follows.
  const size_t scan = file.find("\xff\xda");
  size_t end = file.find('\xff', scan + 2);
  while (file[end + 1] == '\0') end = file.find('\xff', end + 1);
  std::string longer = file.substr(0, end);
  for (int i = 0; i < 600; ++i) longer += file.substr(scan, end - scan);
  longer += file.substr(end);
  EXPECT_EQ(Why(longer), "more than 500 scans");
}

TEST(HostileJpeg, IsAnErrorWithAReason) {
  EXPECT_EQ(Why(""), "Empty input file");
  EXPECT_EQ(Why("hello"), "Not a JPEG file: starts with 0x68 0x65");
  const std::string file = Encoded(Picture(64, 64), {"", 2, 2});
  for (size_t size = 2; size < file.size(); size += 7) {
    EXPECT_FALSE(DecodeJpeg(file.substr(0, size), {}).ok()) << size;
  }
}

// Any byte of the pixels may be wrong: an answer must come, whatever it is.
TEST(HostileJpeg, NeitherCrashesNorHangs) {
  for (const bool progressive : {false, true}) {
    const std::string file = Encoded(Picture(40, 40), {"", 2, 2, false, progressive});
    const auto first = static_cast<int>(file.find("\xff\xda"));
    cv::RNG random(1);
    int refused = 0;
    for (int i = 0; i < 2000; ++i) {
      std::string wrong = file;
      wrong[random.uniform(first, static_cast<int>(file.size()))] =
          static_cast<char>(random.uniform(0, 256));
      refused += !DecodeJpeg(wrong, {1, i % 2 == 0, cv::Rect(5, 5, 20, 20)}).ok();
    }
    EXPECT_GT(refused, 20);
  }
}

}  // namespace
