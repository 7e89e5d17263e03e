// Labels in doubt, with their pictures.
#include <algorithm>
#include <opencv2/core/mat.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "pipeline/files.h"
#include "pipeline/studies/study_sections.h"

namespace pipeline {
namespace {

constexpr size_t kMostPictures = 24, kMostRows = 100;
constexpr size_t kMaxImage = size_t{1} << 26;
constexpr int kSide = 160;

// A small JPEG of an image file; "" where it cannot be read any more.
std::string Thumbnail(const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxImage);
  if (!bytes.ok() || bytes->empty()) return "";
  try {
    const cv::Mat raw(1, static_cast<int>(bytes->size()), CV_8U,
                      const_cast<char*>(bytes->data()));  // is only read
    const cv::Mat image = cv::imdecode(raw, cv::IMREAD_COLOR);
    if (image.empty()) return "";
    const double scale = static_cast<double>(kSide) / std::max(image.rows, image.cols);
    cv::Mat small;
    cv::resize(image, small, {}, scale, scale, scale < 1 ? cv::INTER_AREA : cv::INTER_NEAREST);
    std::vector<unsigned char> jpeg;
    cv::imencode(".jpg", small, jpeg, {cv::IMWRITE_JPEG_QUALITY, 85});
    return std::string(jpeg.begin(), jpeg.end());
  } catch (const cv::Exception&) {
    return "";
  }
}

std::string Short(const ConfigAnalysis& config, const std::string& path) {
  absl::string_view rest = path;
  if (!config.origin.empty() && absl::ConsumePrefix(&rest, config.origin)) {
    absl::ConsumePrefix(&rest, "/");
  }
  return std::string(rest);
}

Gallery PicturesOf(const ConfigAnalysis& config) {
  Gallery gallery;
  gallery.title = absl::StrCat(config.name, ": the labels to look at first");
  for (const LabelDoubt& one : config.doubts) {
    if (gallery.pictures.size() >= kMostPictures) break;
    std::string jpeg = Thumbnail(one.path);
    if (jpeg.empty()) continue;
    const std::string words =
        absl::StrFormat("given %s (%.1f %%)\nlikely %s (%.1f %%)", one.given,
                        100 * one.given_probability, one.likely, 100 * one.likely_probability);
    gallery.pictures.push_back(
        {std::move(jpeg), absl::StrCat(words, "\n", Short(config, one.path)),
         absl::StrCat(Short(config, one.path), ", given ", one.given, ", likely ", one.likely)});
  }
  return gallery;
}

Table TableOf(const ConfigAnalysis& config) {
  Table table = {absl::StrCat(config.name, ": labels in doubt, the most suspicious first"),
                 {"image", "given", "likely", "p(given)", "p(likely)"},
                 {}};
  for (const LabelDoubt& one : config.doubts) {
    if (table.rows.size() >= kMostRows) break;
    table.rows.push_back({Text(Short(config, one.path)), Text(one.given), Text(one.likely),
                          Number(one.given_probability, 4), Number(one.likely_probability, 4)});
  }
  return table;
}

}  // namespace

Section LabelsSection(const StudyView& view) {
  Section section = {"labels", "Labels in doubt", {}};
  size_t shown = 0;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (!config.doubts_known || ++shown > view.configs) continue;
    section.blocks.push_back(Paragraph{absl::StrCat(
        config.name, ": ",
        config.doubts.empty() ? "no label" : CountOf(config.doubts.size(), "label"), " of ",
        CountOf(config.images.size(), "image"), " in doubt, by what networks of ", config.labels_of,
        " that did not see the image in training say of it (confident learning; the mean over "
        "seeds). Look at them: the network may be wrong too. label_issues.csv has all of them.")});
    Gallery gallery = PicturesOf(config);
    if (!gallery.pictures.empty()) section.blocks.push_back(std::move(gallery));
    Table table = TableOf(config);
    if (!table.rows.empty()) section.blocks.push_back(std::move(table));
  }
  return section;
}

}  // namespace pipeline
