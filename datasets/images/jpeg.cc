// libjpeg reports errors by a jump, so nothing with a destructor lies between setjmp and its calls.
#include "datasets/images/jpeg.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

// Each needs those before it.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "absl/status/status.h"
#include "absl/strings/strip.h"

namespace datasets {
namespace {

constexpr int kMaxScans = 500;  // encoders write about ten
constexpr int kRowsAtOnce = 16;
constexpr int kCmyk = 4;  // components
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr absl::string_view kExif("Exif\0\0", 6);

// Inks as Adobe stores them, 255 being none, with blue first.
cv::Mat FromCmyk(const cv::Mat& inks) {
  cv::Mat colors(inks.size(), CV_8UC3);
  for (int y = 0; y < inks.rows; ++y) {
    const auto* from = inks.ptr<cv::Vec4b>(y);
    auto* to = colors.ptr<cv::Vec3b>(y);
    for (int x = 0; x < inks.cols; ++x) {
      for (int i = 0; i < 3; ++i) {
        to[x][2 - i] = static_cast<uint8_t>((from[x][i] * from[x][3] + 127) / 255);
      }
    }
  }
  return colors;
}

// One file. Its calls into libjpeg go through Try.
class Decoder {
 public:
  explicit Decoder(absl::string_view bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) { Of(info).Fail(); };
    errors_.emit_message = [](j_common_ptr info, int level) { Of(info).Judge(level); };
    progress_.progress_monitor = [](j_common_ptr info) { Of(info).CountScans(); };
  }
  Decoder(const Decoder&) = delete;
  // Neither allocates nor fails; does nothing to what was never made.
  ~Decoder() { jpeg_destroy_decompress(&info_); }

  absl::StatusOr<JpegHeader> ReadHeader() {
    if (!Try([&] { StartHeader(); })) return Error();
    JpegHeader header = {static_cast<int>(info_.image_width), static_cast<int>(info_.image_height),
                         "", bytes_.size() - info_.src->bytes_in_buffer};
    for (const auto* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      absl::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (!absl::ConsumePrefix(&data, kExif)) continue;
      header.exif = std::string(data);
      break;
    }
    return header;
  }

  absl::StatusOr<cv::Mat> Decode(const JpegDecoding& how) {
    if (!Try([&] { Start(how); })) return Error();
    cv::Mat read(rows_, static_cast<int>(info_.output_width), CV_8UC(info_.output_components));
    if (!Try([&] { ReadRows(how.part.y, &read); })) return Error();
    // Columns from left_ on, which may be more than were asked for.
    if (!how.part.empty()) read = read(cv::Rect(how.part.x - left_, 0, how.part.width, rows_));
    if (read.channels() == kCmyk) read = FromCmyk(read);
    if (how.gray && read.channels() != 1) cv::cvtColor(read, read, cv::COLOR_BGR2GRAY);
    return read;
  }

 private:
  static Decoder& Of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

  // Whether `call` came to its end.
  template <class Call>
  bool Try(const Call& call) {
    if (setjmp(failed_) != 0) return false;  // NOLINT(cert-err52-cpp)
    call();
    return true;
  }

  [[noreturn]] void Fail() {
    if (message_[0] == '\0') {
      errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message_.data());
    }
    std::longjmp(failed_, 1);
  }

  // Warnings have level -1; those about what surrounds the pixels are no reason to stop.
  void Judge(int level) {
    if (level >= 0) return;
    switch (errors_.msg_code) {
      case JWRN_HIT_MARKER:
      case JWRN_HUFF_BAD_CODE:
      case JWRN_ARITH_BAD_CODE:
      case JWRN_JPEG_EOF:
      case JWRN_MUST_RESYNC:
        Fail();
      default:
        return;
    }
  }

  void CountScans() {
    if (info_.input_scan_number <= kMaxScans) return;
    std::snprintf(message_.data(), message_.size(), "more than %d scans", kMaxScans);
    Fail();
  }

  void StartHeader() {
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_save_markers(&info_, kExifMarker, 0xffff);
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&info_, TRUE);
  }

  void Start(const JpegDecoding& how) {
    StartHeader();
    const bool gray = how.gray || info_.num_components == 1;
    info_.out_color_space = info_.num_components == kCmyk ? JCS_CMYK
                            : gray                        ? JCS_GRAYSCALE
                                                          : JCS_EXT_BGR;
    info_.scale_num = 1;
    info_.scale_denom = how.reduction;
    jpeg_start_decompress(&info_);
    rows_ = static_cast<int>(info_.output_height);
    if (how.part.empty()) return;
    // A block more on each side: colors at the edges of a part are those of their neighbors too.
    const int block = info_.max_h_samp_factor * DCTSIZE;
    const int right =
        std::min(static_cast<int>(info_.output_width), how.part.x + how.part.width + block);
    JDIMENSION left = std::max(0, how.part.x - block);
    JDIMENSION width = right - left;
    jpeg_crop_scanline(&info_, &left, &width);  // to whole blocks
    left_ = static_cast<int>(left);
    rows_ = how.part.height;
  }

  void ReadRows(int first, cv::Mat* image) {
    if (first > 0) jpeg_skip_scanlines(&info_, first);
    std::array<JSAMPROW, kRowsAtOnce> rows = {};
    for (int y = 0; y < image->rows;) {
      const int wanted = std::min(kRowsAtOnce, image->rows - y);
      for (int i = 0; i < wanted; ++i) rows[i] = image->ptr(y + i);
      y += static_cast<int>(jpeg_read_scanlines(&info_, rows.data(), wanted));
    }
  }

  absl::Status Error() const { return absl::InvalidArgumentError(message_.data()); }

  const absl::string_view bytes_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr progress_ = {};
  std::jmp_buf failed_ = {};
  std::array<char, JMSG_LENGTH_MAX> message_ = {};
  int left_ = 0, rows_ = 0;
};

}  // namespace

absl::StatusOr<JpegHeader> ReadJpegHeader(absl::string_view bytes) {
  return Decoder(bytes).ReadHeader();
}

absl::StatusOr<cv::Mat> DecodeJpeg(absl::string_view bytes, const JpegDecoding& how) {
  return Decoder(bytes).Decode(how);
}

}  // namespace datasets
