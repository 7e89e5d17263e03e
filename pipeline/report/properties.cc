// Numbers of images by class and split, as medians and as boxes.
#include "pipeline/report/properties.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pipeline/report/charts.h"

namespace pipeline {
namespace {

constexpr size_t kMostClasses = 12;  // whose properties are drawn

std::vector<double> Sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

// The value below which `share` of the sorted ones lie, those between by a line.
double Quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// How a property lies in each class and split.
Boxes BoxesOf(const Property& property, const std::vector<std::string>& classes,
              const std::vector<ImageFacts>& images) {
  Boxes boxes;
  boxes.title = property.name;
  const size_t shown = std::min(classes.size(), kMostClasses);
  if (shown < classes.size()) {
    boxes.note = absl::StrCat("The first ", shown, " of ", classes.size(), " classes.");
  }
  std::vector<std::array<std::vector<double>, kPhases>> values(shown);
  for (const ImageFacts& image : images) {
    const auto label = static_cast<size_t>(image.label);
    if (image.label >= 0 && label < shown) {
      values[label][PhaseIndex(image.phase)].push_back(property.of(image));
    }
  }
  for (size_t c = 0; c < shown; ++c) {
    for (const Phase phase : {TRAIN, VAL, TEST}) {
      std::vector<double>& of = values[c][PhaseIndex(phase)];
      if (of.empty()) continue;
      std::sort(of.begin(), of.end());
      boxes.rows.push_back({classes[c], Phase_Name(phase), Quantile(of, 0.05), Quantile(of, 0.25),
                            Quantile(of, 0.5), Quantile(of, 0.75), Quantile(of, 0.95),
                            PhaseIndex(phase)});
    }
  }
  return boxes;
}

}  // namespace

const std::array<Property, 9> kProperties = {{
    {"width", [](const ImageFacts& i) { return i.width; }},
    {"height", [](const ImageFacts& i) { return i.height; }},
    {"aspect", [](const ImageFacts& i) { return i.width / i.height; }},
    {"brightness", [](const ImageFacts& i) { return i.brightness; }},
    {"contrast", [](const ImageFacts& i) { return i.contrast; }},
    {"sharpness", [](const ImageFacts& i) { return std::log1p(i.sharpness); }},
    {"red", [](const ImageFacts& i) { return i.red; }},
    {"green", [](const ImageFacts& i) { return i.green; }},
    {"blue", [](const ImageFacts& i) { return i.blue; }},
}};

bool IsKnown(const std::vector<double>& values) {
  return !values.empty() &&
         std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

bool Varies(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *low < *high;
}

Section PropertiesSection(const DataInfo& data, const std::vector<ImageFacts>& images) {
  Section section = {"properties", "Properties of each class", {}};
  Table table = {"Medians over all splits", {"class"}, {}, true};
  std::vector<std::vector<ImageFacts>> by_class(data.classes.size());
  for (const ImageFacts& image : images) {
    if (image.label >= 0) by_class[image.label].push_back(image);
  }
  const auto values = [](const Property& property, const std::vector<ImageFacts>& of) {
    std::vector<double> all;
    for (const ImageFacts& image : of) all.push_back(property.of(image));
    return all;
  };
  std::vector<Property> known;
  for (const Property& property : kProperties) {
    if (!IsKnown(values(property, images))) continue;
    known.push_back(property);
    table.columns.emplace_back(property.name);
  }
  for (size_t c = 0; c < by_class.size(); ++c) {
    if (by_class[c].empty()) continue;
    std::vector<Cell> row = {Text(data.classes[c])};
    for (const Property& property : known) {
      row.push_back(Number(Quantile(Sorted(values(property, by_class[c])), 0.5), 4));
    }
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return section;
  section.blocks.emplace_back(std::move(table));
  Charts charts;
  for (const Property& property : known) {
    if (!Varies(values(property, images))) continue;
    charts.charts.push_back(Draw(BoxesOf(property, data.classes, images)));
  }
  if (charts.charts.empty()) return section;
  section.blocks.emplace_back(
      Paragraph{"By class and split: a box holds half of the images, its line is their median, and "
                "the thin line holds 90 % of them."});
  section.blocks.emplace_back(std::move(charts));
  return section;
}

}  // namespace pipeline
